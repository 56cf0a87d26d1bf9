"""Owns the search for texts in the bytes of files; must not change any."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

CHUNK = 1 << 22
"""Bytes that are read at once."""

SHORTEST = 8
"""Bytes of a form that is looked for: a shorter one stands in some file by chance."""


def forms(texts: Iterable[str]) -> frozenset[bytes]:
    """How texts may stand in a file: as UTF-8 or UTF-16, and as JSON of either kind has them."""
    found: set[bytes] = set()
    for text in texts:
        plain = json.dumps(text, ensure_ascii=False)[1:-1]
        found.update(
            form.encode(encoding, "surrogatepass")
            for form in (text, plain, json.dumps(text)[1:-1])
            for encoding in ("utf-8", "utf-16-le")
        )
    return frozenset(form for form in found if len(form) >= SHORTEST)


def holding(paths: Iterable[Path], needles: Collection[bytes]) -> Iterator[Path]:
    """Those of some files in which one of the needles stands; what is gone meanwhile has none."""
    for path in paths:
        try:
            if _holds(path, needles):
                yield path
        except OSError:
            continue


def files_below(folder: Path) -> Iterator[Path]:
    """All files in a folder and those below it, links to folders aside."""
    for place, _, names in os.walk(folder):
        yield from (Path(place) / name for name in sorted(names))


def _holds(path: Path, needles: Collection[bytes]) -> bool:
    if not needles or not path.is_file():
        return False
    overlap, rest = max(map(len, needles)) - 1, b""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            window = rest + chunk
            if any(needle in window for needle in needles):
                return True
            rest = window[-overlap:] if overlap else b""
    return False
