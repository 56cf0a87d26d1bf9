"""What the documentation consists of: pages, links, fenced blocks and inline code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")


def pages() -> list[Path]:
    """The README and all pages, without the words of the generator."""
    written = [path for path in (ROOT / "docs").rglob("*.md") if "words" not in path.parts]
    return [ROOT / "README.md", *sorted(written)]


def name(path: Path) -> str:
    """The place of a page from the root of the repository."""
    return str(path.relative_to(ROOT))


def text(place: str) -> str:
    """The content of a page."""
    return (ROOT / place).read_text(encoding="utf-8")


def fences(path: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    found = FENCE.findall(path.read_text(encoding="utf-8"))
    return [body for _, kind, body in found if kind == language]


def prose(path: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def links(path: Path) -> Iterator[tuple[Path, str]]:
    """Relative links as (file, anchor); the anchor may be empty."""
    for target in LINK.findall(prose(path)):
        if "://" not in target:
            place, _, anchor = target.partition("#")
            yield (path.parent / place if place else path), anchor


def anchors(path: Path) -> set[str]:
    """Anchors of a page's headings, made as GitHub makes them."""
    return {slug(heading) for heading in HEADING.findall(prose(path))}


def slug(heading: str) -> str:
    """A heading as an anchor."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def mentioned_commands(path: Path) -> Iterator[str]:
    """Commands of ours in inline code."""
    for code in CODE.findall(prose(path)):
        command = re.sub(r"^(\w+=\S* +)+", "", code)
        if re.match(r"(loopd|make) \S", command):
            yield command


def table_rows(page: str, heading: str) -> dict[str, list[str]]:
    """The cells of each row of the first table after a heading, by the code in the first cell."""
    part = page.split(heading, 1)[1]
    lines = [line for line in part.splitlines() if line.startswith("| `")]
    return {CODE.findall(line)[0]: line.strip("| ").split(" | ") for line in lines}
