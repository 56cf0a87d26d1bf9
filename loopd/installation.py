"""Owns how loopd got here: its name for pip, the line that adds a package, and whose `loopd` it is.

Must not install anything, and must not import anything that is slow.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

DISTRIBUTION = "argilla-loopd"
"""What pip calls loopd. On PyPI the plain name belongs to another program."""

PACKAGE = "loopd"
"""What Python imports, and the name of the command."""

_LONGEST_SCRIPT = 10_000
"""Bytes of a script that are looked at."""

_FOLDER = Path(__file__).parent.parent


def add_extra(extra: str) -> str:
    """The line that adds an extra of loopd to the Python that runs.

    pip takes the extra from what is installed already, a clone included, so that the line does
    not depend on where loopd came from. Only where nothing is installed it names the folder.
    """
    if _installed() is None and (_FOLDER / "pyproject.toml").is_file():
        return f"{_pip('install')} -e {_quoted(f'{_FOLDER}[{extra}]')}"
    return add_packages(f"{DISTRIBUTION}[{extra}]")


def add_packages(*requirements: str) -> str:
    """The line that adds packages to the Python that runs."""
    return " ".join([_pip("install"), *map(_quoted, requirements)])


def rivals(*, thorough: bool = False) -> tuple[str, ...]:
    """Other distributions that brought a command or a package of our name, such as ``loopd 1.2``.

    Args:
        thorough: look into the lists of files too, which takes a third of a second.
    """
    others = [other for other in _candidates(thorough) if not _is_ours(other)]
    return tuple(sorted({f"{other.metadata['Name']} {other.version}" for other in others}))


def impostor() -> Path | None:
    """What starts when ``loopd`` is typed, where that is another program than loopd."""
    script = shutil.which(PACKAGE)
    if script is None or Path(script).parent == Path(sys.executable).parent:
        return None
    with Path(script).open("rb") as file:
        return None if f"{PACKAGE}.cli".encode() in file.read(_LONGEST_SCRIPT) else Path(script)


def confusion(*, thorough: bool = False) -> tuple[str, str] | None:
    """That the name starts, or may start, another program, and what helps; mostly ``None``."""
    listed = rivals(thorough=thorough)
    if listed:
        names = " ".join(name.rpartition(" ")[0] for name in listed)
        problem = (
            f"another program called `{PACKAGE}` is installed for the same Python, and has "
            f"replaced the command or will take it along when it goes: {', '.join(listed)}"
        )
        return problem, f"run `{_pip('uninstall')} {names}`, and then `{_again()}`"
    try:
        script = impostor()
    except OSError:
        return None
    if script is None:
        return None
    ours = Path(sys.executable).with_name(PACKAGE)
    return (
        f"the `{PACKAGE}` on your PATH is another program: {script}",
        f"type `{ours if ours.is_file() else f'{sys.executable} -m {PACKAGE}'}` in its place",
    )


def _installed() -> metadata.Distribution | None:
    try:
        return metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None


def _candidates(thorough: bool) -> Iterator[metadata.Distribution]:
    """Distributions that say they bring our command or package."""
    lists = ("entry_points.txt", "top_level.txt", *(["RECORD"] if thorough else []))
    for distribution in metadata.distributions():
        if any(_names_us(name, distribution.read_text(name) or "") for name in lists):
            yield distribution


def _names_us(name: str, text: str) -> bool:
    if name == "RECORD":
        return any(line.startswith(f"{PACKAGE}/") for line in text.splitlines())
    if name == "top_level.txt":
        return PACKAGE in text.split()
    return _has_command(text)


def _has_command(entry_points: str) -> bool:
    section = ""
    for line in map(str.strip, entry_points.splitlines()):
        section = line if line.startswith("[") else section
        is_command = line.partition("=")[0].strip() == PACKAGE
        if section in ("[console_scripts]", "[gui_scripts]") and is_command:
            return True
    return False


def _is_ours(distribution: metadata.Distribution) -> bool:
    """Whether it is loopd itself, or the clone that runs under the name it had before."""
    name = (distribution.metadata["Name"] or "").lower().replace("_", "-").replace(".", "-")
    return name == DISTRIBUTION or _source_folder(distribution) == _FOLDER


def _source_folder(distribution: metadata.Distribution | None) -> Path | None:
    """The folder from which an editable installation runs."""
    text = distribution.read_text("direct_url.json") if distribution is not None else None
    try:
        origin = json.loads(text or "{}")
    except ValueError:
        return None
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlsplit(str(origin.get("url", ""))).path))


def _pip(verb: str) -> str:
    """pip of the Python that runs; uv's for environments without pip, as uv makes them."""
    python = shlex.quote(sys.executable)
    return f"{python} -m pip {verb}" if find_spec("pip") else f"uv pip {verb} --python {python}"


def _again() -> str:
    folder = _source_folder(_installed())
    source = f"-e {_quoted(str(folder))}" if folder is not None else DISTRIBUTION
    return f"{_pip('install')} --force-reinstall --no-deps {source}"


def _quoted(text: str) -> str:
    return f'"{text}"' if not set(text) & set('"$`\\!') else shlex.quote(text)
