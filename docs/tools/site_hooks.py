"""Makes links that leave `docs/` work on the site; must not change what a page says.

On a Git host the pages link to the README and to source files by relative paths. On the site the
README is a page, and each source file or folder that some page links to gets a page of its own.
"""

from __future__ import annotations

import ast
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parents[2]

README = "readme.md"
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
FENCE = re.compile(r"^( *)(`{3,})[^\n]*\n.*?^\1\2[ ]*$", re.MULTILINE | re.DOTALL)
MERMAID = re.compile(r"^```mermaid\n.*?^```$", re.MULTILINE | re.DOTALL)
PICTURE = "![The loop](docs/images/loop.svg)"
LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".sh": "bash", ".html": "html"}


# -- mkdocs calls these ----------------------------------------------------------------------------


def on_files(files: Files, config: Any) -> Files:
    """Add the README and the linked source files."""
    files.append(_made(config, README, readme(), InclusionLevel.INCLUDED))
    for place in sorted(linked_sources()):
        content = (ROOT / place).read_bytes() if _is_picture(place) else source(place)
        files.append(_made(config, source_page(place), content, InclusionLevel.NOT_IN_NAV))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links lead to where things are on the site."""
    place = page.file.src_uri
    if place.startswith("source/"):
        return markdown
    return rewritten(markdown, "README.md" if place == README else f"docs/{place}", place)


# -- pages -----------------------------------------------------------------------------------------


def readme() -> str:
    """The README for Python-Markdown, with a picture in the place of a script's drawing."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return MERMAID.sub(PICTURE, text).replace("<details>", "<details markdown>")


def linked_sources() -> set[str]:
    """Files and folders outside `docs/` that a page links to, and what is in the folders."""
    found = set()
    written = [path for path in (ROOT / "docs").rglob("*.md") if "tools" not in path.parts]
    for path in [ROOT / "README.md", *written]:
        place = path.relative_to(ROOT).as_posix()
        for _, target, _ in LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
            where = _resolved(place, target.partition("#")[0])
            if "://" not in target and _is_source(where):
                found |= {where, *(_members(where) if (ROOT / where).is_dir() else ())}
    return found


def source_page(place: str) -> str:
    """Where a source file's page is on the site, or a picture itself."""
    return f"source/{place}" if _is_picture(place) else f"source/{place}.md"


def source(place: str) -> str:
    """The page of a source file or a folder."""
    path = ROOT / place
    head = f"---\nsearch:\n  exclude: true\n---\n\n# `{place}`\n\n"
    if path.is_dir():
        rows = [
            f"| {_from_folder(place, each)} | {_summary(ROOT / each)} |" for each in _members(place)
        ]
        return "\n".join([f"{head}| File | |", "| --- | --- |", *rows, ""])
    text = path.read_text(encoding="utf-8")
    return f"{head}`````{LANGUAGES.get(path.suffix, 'text')}\n{text}\n`````\n"


def rewritten(markdown: str, place: str, page: str) -> str:
    """A page's text with its links as the site needs them.

    Args:
        markdown: the text.
        place: of the page in the repository, which its links start from.
        page: where the site has it.
    """

    def one(match: re.Match[str]) -> str:
        target = match[2]
        where, mark, anchor = target.partition("#")
        if "://" in target or not where:
            return match[0]
        goal = posixpath.relpath(_on_site(_resolved(place, where)), posixpath.dirname(page) or ".")
        return f"{match[1]}{goal}{mark}{anchor}{match[3]}"

    pieces, end = [], 0
    for fence in FENCE.finditer(markdown):
        pieces += [LINK.sub(one, markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*pieces, LINK.sub(one, markdown[end:])])


# -- places ----------------------------------------------------------------------------------------


def _resolved(place: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(place), target))


def _on_site(where: str) -> str:
    if where == "README.md":
        return README
    return source_page(where) if _is_source(where) else where.removeprefix("docs/")


def _is_source(where: str) -> bool:
    inside = where.startswith("docs/") and not where.startswith("docs/tools/")
    return where != "README.md" and not inside and (ROOT / where).exists()


def _is_picture(place: str) -> bool:
    return Path(place).suffix in (".png", ".svg")


def _members(place: str) -> list[str]:
    """The files of a folder that people would read."""
    return [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / place).iterdir())
        if path.is_file() and path.suffix in (*LANGUAGES, ".md", ".service") and path.stat().st_size
    ]


def _from_folder(place: str, member: str) -> str:
    """A link from a folder's page to the page of a file in it."""
    way = posixpath.relpath(source_page(member), posixpath.dirname(source_page(place)))
    return f"[`{posixpath.basename(member)}`]({way})"


def _summary(path: Path) -> str:
    """The first sentence of a module, or the first comment of another file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return (ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0].replace("\n", " ")
    first = text.partition("\n")[0]
    return first.removeprefix("# ") if first.startswith("# ") else ""


def _made(config: Any, place: str, content: str | bytes, inclusion: InclusionLevel) -> File:
    return File.generated(config, place, content=content, inclusion=inclusion)
