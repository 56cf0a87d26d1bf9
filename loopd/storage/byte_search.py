"""Owns the search for texts in the bytes of files; must not change any."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

CHUNK = 1 << 22
"""Bytes that are read at once."""

NEEDLES_AT_ONCE = 64
"""So many are looked for in a chunk between two ticks: some milliseconds each at most."""

SHORTEST = 8
"""Bytes of a form that is looked for: a shorter one stands in some file by chance."""

LOOKS = 20
"""Times that a folder is listed at most, until nothing in it is other than it was."""

Tick = Callable[[int, int], None]
"""Called with (done, total) in bytes during a long search; may raise."""

Stamp = tuple[int, int, int]
"""Inode, size in bytes and time of change in nanoseconds of a file."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search of files has come to.

    Attributes:
        holders: files in which one of the needles stands.
        unread: files that cannot be read, or that were other ones at each of many looks.
    """

    holders: tuple[Path, ...] = ()
    unread: tuple[Path, ...] = ()


class FileSearch:
    """A search of files that may come, change and be renamed meanwhile.

    Each look searches what is new or other since the last one, and lists the files again until
    nothing is.

    Args:
        files: lists them.
        needles: bytes that are looked for.
    """

    def __init__(self, files: Callable[[], Iterable[Path]], needles: Collection[bytes]) -> None:
        self._files, self._needles = files, needles
        self._searched: dict[Path, Stamp] = {}
        self._holders: set[Path] = set()
        self._unread: set[Path] = set()

    def look(self, tick: Tick = lambda *_: None) -> Searched:
        """Search until nothing has changed; at most ``LOOKS`` times."""
        changed: Mapping[Path, Stamp] = {}
        for _ in range(LOOKS):
            changed = self._changed()
            if not changed:
                break
            done, total = 0, sum(size for _, size, _ in changed.values())
            for path, stamp in changed.items():
                self._search(path, _behind(done, total, tick))
                self._searched[path] = stamp
                done += stamp[1]
            tick(total, total)
        return Searched(tuple(sorted(self._holders)), tuple(sorted(self._unread.union(changed))))

    def _changed(self) -> Mapping[Path, Stamp]:
        """The files that were not searched as they are now."""
        listed = ((path, _stamp(path)) for path in self._files())
        now = {path: stamp for path, stamp in listed if stamp is not None}
        for path in self._searched.keys() - now.keys():
            del self._searched[path]
        self._holders &= now.keys()
        self._unread &= now.keys()
        return {path: stamp for path, stamp in now.items() if self._searched.get(path) != stamp}

    def _search(self, path: Path, tick: Callable[[int], None]) -> None:
        self._holders.discard(path)
        self._unread.discard(path)
        try:
            if _holds(path, self._needles, tick):
                self._holders.add(path)
        except FileNotFoundError:  # gone; under another name it is found by the next listing
            return
        except OSError:
            self._unread.add(path)


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


def holding(
    paths: Iterable[Path], needles: Collection[bytes], tick: Tick = lambda *_: None
) -> Iterator[Path]:
    """Those of some files in which one of the needles stands; what is gone meanwhile has none."""
    for path in paths:
        try:
            if _holds(path, needles, _behind(0, 0, tick)):
                yield path
        except OSError:
            continue


def files_below(folder: Path) -> Iterator[Path]:
    """All files in a folder and those below it, links to folders aside."""
    for place, _, names in os.walk(folder):
        yield from (Path(place) / name for name in sorted(names))


def _stamp(path: Path) -> Stamp | None:
    """``None`` for what is no file, is gone, or has nothing in it."""
    try:
        seen = path.stat()
    except OSError:
        return None
    if not S_ISREG(seen.st_mode) or not seen.st_size:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


def _behind(before: int, total: int, tick: Tick) -> Callable[[int], None]:
    """What is called with the bytes of one file that were searched."""
    return lambda done: tick(before + done, max(total, before + done))


def _holds(path: Path, needles: Collection[bytes], tick: Callable[[int], None]) -> bool:
    if not needles or not path.is_file():
        return False
    some, read, rest = list(needles), 0, b""
    overlap = max(map(len, needles)) - 1
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            window = rest + chunk
            for first in range(0, len(some), NEEDLES_AT_ONCE):
                tick(read)
                if any(needle in window for needle in some[first : first + NEEDLES_AT_ONCE]):
                    return True
            rest, read = window[-overlap:] if overlap else b"", read + len(chunk)
    return False
