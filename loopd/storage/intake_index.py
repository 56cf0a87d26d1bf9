"""Owns where each id and each text of an intake stands: sorted hashes in files beside it.

A hash has 128 bits, so that two texts have never the same. The files are made again whenever they
are missing, damaged or of another intake. Must not know what the texts are for.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopd.records import PoolId, Record
from loopd.storage.files import make_private

Positions = NDArray[np.int64]

VERSION = 1
"""Of the files: what they are called and hold."""

KEPT_FROM = 5000
"""Records from which an index is kept on disk: one of fewer is made in no time."""

MAPPED_FROM = 50_000
"""Records from which an index is mapped: each array of it takes a file descriptor then."""

AT_ONCE = 2**16
"""Ids or texts that are hashed or looked up at once."""

_ABOUT = "about.json"
_KEYS = ("ids_first", "ids_second", "ids_rows", "texts_first", "texts_second", "texts_rows")
_NAMES = (*_KEYS, "id_ends", "id_bytes", "answered")
_CHUNK = 2**20


@dataclass(frozen=True)
class IntakeIndex:
    """Where ids and texts stand.

    Attributes:
        arrays: by name. Of ids and of texts: first and second half (n,) of their hashes in the
            order of the first halves, and their rows (n,). Of ids also where each ends (n + 1,) in
            their UTF-8 bytes, in the order of the intake. ``answered``: rows that came with
            answers.
    """

    arrays: Mapping[str, NDArray[Any]]

    @property
    def answered(self) -> Positions:
        """Rows that came with answers, in order."""
        return self.arrays["answered"].astype(np.int64)

    def find_ids(self, hashes: NDArray[np.uint64]) -> Positions:
        """Rows (k,) of ids with these hashes (k, 2); -1 where there is none."""
        return _found(hashes, *(self.arrays[name] for name in _KEYS[:3]))

    def find_texts(self, hashes: NDArray[np.uint64]) -> Positions:
        """Rows (k,) of texts with these hashes (k, 2); -1 where there is none."""
        return _found(hashes, *(self.arrays[name] for name in _KEYS[3:]))

    def ids_at(self, rows: Sequence[int] | Positions) -> list[PoolId]:
        """Ids of rows."""
        at = np.asarray(rows, dtype=np.int64)
        ends, content = self.arrays["id_ends"], self.arrays["id_bytes"]
        starts, stops = ends[at].tolist(), ends[at + 1].tolist()
        raw = content.data
        return [
            PoolId(str(raw[start:stop], "utf-8")) for start, stop in zip(starts, stops, strict=True)
        ]


def hashes_of(words: Iterable[str]) -> NDArray[np.uint64]:
    """128-bit hashes (k, 2) of ids or texts."""
    new = hashlib.blake2b
    encoded = (word.encode("utf-8", "surrogatepass") for word in words)
    whole = b"".join([new(word, digest_size=16).digest() for word in encoded])
    return np.frombuffer(whole, dtype="<u8").reshape(-1, 2)


def index_of(path: Path, stamp: str, count: int, records: Iterator[Record]) -> IntakeIndex:
    """The index of an intake, from its files, or made from the records and kept if that can be.

    Args:
        path: of the folder with its files.
        stamp: names the intake: an index with another one is of other texts.
        count: of the records.
        records: of the intake; read only where the index has to be made.
    """
    if count < KEPT_FROM:
        return IntakeIndex(_made(records))
    found = _read(path, stamp, count)
    if found is not None:
        return found
    arrays = _made(records)
    with suppress(OSError):  # whoever only looks on may not write, and the disk may be full
        _write(path, arrays, {"version": VERSION, "stamp": stamp, "count": count})
    return _read(path, stamp, count) or IntakeIndex(arrays)


def chunks(words: Iterable[str]) -> Iterator[list[str]]:
    """So many at once as are hashed together."""
    rest = iter(words)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def _found(
    hashes: NDArray[np.uint64],
    first: NDArray[np.uint64],
    second: NDArray[np.uint64],
    rows: NDArray[np.uint32],
) -> Positions:
    found = np.full(len(hashes), -1, dtype=np.int64)
    if not len(first) or not len(hashes):
        return found
    places = np.searchsorted(first, hashes[:, 0])
    searched = np.arange(len(hashes))
    while len(searched):  # once, but for hashes whose first halves are alike
        searched = searched[places[searched] < len(first)]
        at = places[searched]
        alike = first[at] == hashes[searched, 0]
        searched, at = searched[alike], at[alike]
        is_it = second[at] == hashes[searched, 1]
        found[searched[is_it]] = rows[at[is_it]]
        searched = searched[~is_it]
        places[searched] += 1
    return found


def _made(records: Iterator[Record]) -> dict[str, NDArray[Any]]:
    ids, texts, answered = [], [], []
    lengths, content, row = [np.zeros(1, dtype=np.int64)], bytearray(), 0
    while some := list(islice(records, AT_ONCE)):
        ids.append(hashes_of(record.id for record in some))
        texts.append(hashes_of(record.text for record in some))
        encoded = [record.id.encode() for record in some]
        lengths.append(np.array([len(each) for each in encoded], dtype=np.int64))
        content += b"".join(encoded)
        answered += [row + number for number, record in enumerate(some) if record.answers]
        row += len(some)
    return {
        **dict(zip(_KEYS[:3], _sorted(ids), strict=True)),
        **dict(zip(_KEYS[3:], _sorted(texts), strict=True)),
        "id_ends": np.cumsum(np.concatenate(lengths)),
        "id_bytes": np.frombuffer(bytes(content), dtype=np.uint8),
        "answered": np.array(answered, dtype=np.uint32),
    }


def _sorted(parts: Sequence[NDArray[np.uint64]]) -> tuple[NDArray[Any], ...]:
    hashes = np.concatenate([np.empty((0, 2), dtype=np.uint64), *parts])
    order = np.argsort(hashes[:, 0], kind="stable")
    return hashes[order, 0], hashes[order, 1], order.astype(np.uint32)


# -- files -----------------------------------------------------------------------------------------


def _read(path: Path, stamp: str, count: int) -> IntakeIndex | None:
    """The index in a folder, memory-mapped; ``None`` where it is not whole, or another's."""
    try:
        about = json.loads((path / _ABOUT).read_text(encoding="utf-8"))
        told = {name: about[name] for name in ("version", "stamp", "count")}
        if told != {"version": VERSION, "stamp": stamp, "count": count}:
            return None
        files = {name: path / f"{name}.npy" for name in _NAMES}
        if about["files"] != {name: _checksum(file) for name, file in files.items()}:
            return None
        return IntakeIndex({name: _loaded(name, file, count) for name, file in files.items()})
    except (OSError, ValueError, EOFError, KeyError, TypeError, RecursionError):
        return None


def _loaded(name: str, path: Path, count: int) -> NDArray[Any]:
    is_mapped = count >= MAPPED_FROM and name != "answered"
    array: NDArray[Any] = np.load(path, mmap_mode="r" if is_mapped else None, allow_pickle=False)
    return array


def _write(path: Path, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, object]) -> None:
    """Fill a new folder and rename it: a reader sees nothing or all of it."""
    make_private(path.parent)
    fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        for name in _NAMES:
            np.save(fresh / f"{name}.npy", arrays[name])
        files = {name: _checksum(fresh / f"{name}.npy") for name in _NAMES}
        (fresh / _ABOUT).write_text(json.dumps({**about, "files": files}), encoding="utf-8")
        shutil.rmtree(path, ignore_errors=True)
        fresh.replace(path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _checksum(path: Path) -> int:
    """CRC-32 of a file; read, not mapped, so that it takes no memory."""
    value = 0
    with path.open("rb") as file:
        while some := file.read(_CHUNK):
            value = zlib.crc32(some, value)
    return value
