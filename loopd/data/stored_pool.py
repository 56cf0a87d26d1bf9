"""Owns a pool that stays on disk: what a ``Pool`` has, read when it is asked for.

In memory are what was asked for last and what one number a text costs. Must not know how or where
the intakes are kept.
"""

from __future__ import annotations

import hashlib
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, chain, islice
from typing import Generic, Protocol, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from loopd.data.pool import Digest, Pool, hashed
from loopd.records import PoolId, Record

Positions = NDArray[np.int64]
Item = TypeVar("Item")

AT_ONCE = 2**16
"""Ids or texts that are looked up at once."""

LOOKED_UP = 2**16
"""Ids whose places are remembered: those of the records in Argilla are asked for at each look."""


class Intake(Protocol):
    """Records that came together, by their rows from 0; every method may raise a ``LoopdError``."""

    def __len__(self) -> int: ...

    def record(self, row: int) -> Record:
        """The record of a row."""

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        """Records of rows in a row."""

    def texts(self, start: int, stop: int) -> Iterator[str]:
        """Texts of rows in a row."""

    @property
    def answered(self) -> Positions:
        """Rows that came with answers, in order."""

    def find_ids(self, ids: Iterable[str]) -> Positions:
        """Row of each of the ids, -1 where it has none such."""

    def find_texts(self, texts: Iterable[str]) -> Positions:
        """Row of each of the texts, -1 where it has none such."""

    def ids_at(self, rows: Sequence[int] | Positions) -> list[PoolId]:
        """Ids of rows."""


@dataclass(frozen=True)
class Stored:
    """An intake of a pool.

    Attributes:
        intake: its records.
        fingerprint: of these alone.
        pool_fingerprint: of the pool that ends with them.
    """

    intake: Intake
    fingerprint: str
    pool_fingerprint: str


class StoredPool(Pool):
    """A pool of intakes that stay on disk.

    What belongs to ids is looked up in the indexes of the intakes; records are read by the block.

    Args:
        stored: the intakes in order, at least one.
    """

    def __init__(self, stored: Sequence[Stored]) -> None:
        joined = _Joined(tuple(each.intake for each in stored))
        super().__init__(_Records(joined), joined.sizes)
        self.__dict__.update(_stored=tuple(stored), _joined=joined)

    _stored: tuple[Stored, ...]
    _joined: _Joined

    def __reduce__(self) -> tuple[type[Pool], tuple[object, ...]]:
        """For another process: it opens the same files."""
        return StoredPool, (self._stored,)

    @cached_property
    def positions(self) -> Mapping[PoolId, int]:
        """Position of each id."""
        return _PositionsById(self._joined)

    @cached_property
    def texts(self) -> Sequence[str]:
        """All texts in order."""
        return _Texts(self._joined)

    @cached_property
    def ids(self) -> Sequence[PoolId]:
        """All ids in order."""
        return _Ids(self._joined)

    @cached_property
    def ids_by_text(self) -> Mapping[str, PoolId]:
        """The id of each text."""
        return _IdsByText(self._joined)

    @cached_property
    def answered(self) -> Sequence[int]:
        """Positions of records that came with answers, in order."""
        found: list[int] = []
        for start, intake in zip(self._joined.starts, self._joined.intakes, strict=True):
            found += (intake.answered + start).tolist()
        return found

    def find(self, ids: Iterable[PoolId]) -> Sequence[int]:
        """Position of each of the ids; -1 where it is not there."""
        return list(self._joined.find(ids, lambda intake: intake.find_ids).tolist())

    def find_texts(self, texts: Iterable[str]) -> Sequence[int]:
        """Position of the record with each of the texts; -1 where there is none."""
        return list(self._joined.find(texts, lambda intake: intake.find_texts).tolist())

    def ids_at(self, positions: Iterable[int]) -> list[PoolId]:
        """Ids of the records at these positions."""
        return self._joined.ids_at(positions)

    @property
    def parts(self) -> tuple[Sequence[Record], ...]:
        """The records of each intake."""
        return tuple(_Records(_Joined((intake,))) for intake in self._joined.intakes)

    @cached_property
    def pieces(self) -> tuple[Pool, ...]:
        """The intakes as pools of their own."""
        if len(self._stored) == 1:
            return (self,)
        alone = (Stored(one.intake, one.fingerprint, one.fingerprint) for one in self._stored)
        return tuple(StoredPool((one,)) for one in alone)

    def grown(self, records: Sequence[Record]) -> Pool:
        """In memory; :meth:`joined` is for those that are on disk."""
        return Pool(tuple(self.records), self.intakes).grown(records)

    def joined(self, stored: Stored, digest: Digest) -> StoredPool:
        """The pool with one more intake, whose records ``digest`` has read behind all others."""
        after = StoredPool((*self._stored, stored))
        after.__dict__["digest"] = digest
        if "pieces" in self.__dict__ and len(self._stored) > 1:
            alone = Stored(stored.intake, stored.fingerprint, stored.fingerprint)
            after.__dict__["pieces"] = (*self.pieces, StoredPool((alone,)))
        return after

    @cached_property
    def digest(self) -> Digest:
        """What has read all records; reads them, once in a process and only where one grows."""
        return hashed(hashlib.sha256(), self.records)

    def size_at(self, fingerprint: str) -> int | None:
        """How many records it had when its fingerprint was this; ``None``: it never was."""
        sizes = zip(reversed(self.ends), reversed(self._stored), strict=True)
        return next((size for size, one in sizes if one.pool_fingerprint == fingerprint), None)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of the pool as it was behind each intake."""
        return tuple(one.pool_fingerprint for one in self._stored)

    @property
    def fingerprint(self) -> str:
        """Hash of all ids, texts, targets and given answers in order: 16 hexadecimal digits."""
        return self._stored[-1].pool_fingerprint


class _Joined:
    """Intakes one behind the other: positions outside, rows inside.

    Args:
        intakes: in order.
    """

    def __init__(self, intakes: tuple[Intake, ...]) -> None:
        self.intakes = intakes
        self.sizes = tuple(map(len, intakes))
        self.ends = tuple(accumulate(self.sizes))
        self.starts = (0, *self.ends[:-1])
        self.total = self.ends[-1] if intakes else 0

    def at(self, position: int) -> tuple[Intake, int]:
        """The intake of a position, and the row there."""
        number = bisect(self.ends, position)
        return self.intakes[number], position - self.starts[number]

    def ranges(self, start: int, stop: int) -> Iterator[tuple[Intake, int, int]]:
        """The rows of positions in a row."""
        for intake, begin, end in zip(self.intakes, self.starts, self.ends, strict=True):
            first, last = max(start, begin), min(stop, end)
            if first < last:
                yield intake, first - begin, last - begin

    def find(
        self,
        words: Iterable[str],
        lookup: Callable[[Intake], Callable[[Iterable[str]], Positions]],
    ) -> Positions:
        """Position of each of the words; -1 where no intake has it."""
        rest, parts = iter(words), [np.empty(0, dtype=np.int64)]
        while some := list(islice(rest, AT_ONCE)):
            found = np.full(len(some), -1, dtype=np.int64)
            for intake, start in zip(self.intakes, self.starts, strict=True):
                open_ = np.flatnonzero(found < 0)
                if not len(open_):
                    break
                rows = lookup(intake)([some[number] for number in open_])
                found[open_] = np.where(rows < 0, -1, rows + start)
            parts.append(found)
        return np.concatenate(parts)

    def ids_at(self, positions: Iterable[int]) -> list[PoolId]:
        """Ids at positions."""
        asked = positions if isinstance(positions, (Sequence, np.ndarray)) else list(positions)
        at = np.asarray(asked, dtype=np.int64)
        if at.size and (at.min() < 0 or at.max() >= self.total):
            raise IndexError(f"positions from {at.min()} to {at.max()} of {self.total}")
        if len(self.intakes) == 1:
            return self.intakes[0].ids_at(at)
        numbers = np.searchsorted(np.asarray(self.ends), at, side="right")
        ids = np.empty(len(at), dtype=object)
        for number in np.unique(numbers).tolist():
            inside = np.flatnonzero(numbers == number)
            ids[inside] = self.intakes[number].ids_at(at[inside] - self.starts[number])
        return list(ids)


class _View(Sequence[Item], Generic[Item]):
    """Something of each record, in order; slices are in memory.

    Args:
        joined: the intakes.
    """

    def __init__(self, joined: _Joined) -> None:
        self._joined = joined

    def __len__(self) -> int:
        return self._joined.total

    @overload
    def __getitem__(self, index: int, /) -> Item: ...

    @overload
    def __getitem__(self, index: slice, /) -> Sequence[Item]: ...

    def __getitem__(self, index: int | slice, /) -> Item | Sequence[Item]:
        if isinstance(index, slice):
            asked = range(*index.indices(len(self)))
            if asked.step == 1:
                return self._sliced(self._range(asked.start, max(asked.start, asked.stop)))
            return self._sliced(self._one(position) for position in asked)
        position = int(index)
        position += len(self) if position < 0 else 0
        if not 0 <= position < len(self):
            raise IndexError(f"position {index} of {len(self)}")
        return self._one(position)

    def __iter__(self) -> Iterator[Item]:
        return self._range(0, len(self))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        if len(other) != len(self):
            return False
        return all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment] # as other sequences that are not tuples

    def _sliced(self, items: Iterable[Item]) -> Sequence[Item]:
        return list(items)

    def _one(self, position: int) -> Item:
        raise NotImplementedError

    def _range(self, start: int, stop: int) -> Iterator[Item]:
        raise NotImplementedError


class _Records(_View[Record]):
    def _sliced(self, items: Iterable[Record]) -> Sequence[Record]:
        return tuple(items)

    def _one(self, position: int) -> Record:
        intake, row = self._joined.at(position)
        return intake.record(row)

    def _range(self, start: int, stop: int) -> Iterator[Record]:
        return chain.from_iterable(
            intake.records(first, last) for intake, first, last in self._joined.ranges(start, stop)
        )


class _Texts(_View[str]):
    def _one(self, position: int) -> str:
        intake, row = self._joined.at(position)
        return intake.record(row).text

    def _range(self, start: int, stop: int) -> Iterator[str]:
        return chain.from_iterable(
            intake.texts(first, last) for intake, first, last in self._joined.ranges(start, stop)
        )


class _Ids(_View[PoolId]):
    def _one(self, position: int) -> PoolId:
        return self._joined.ids_at([position])[0]

    def _range(self, start: int, stop: int) -> Iterator[PoolId]:
        for begin in range(start, stop, AT_ONCE):
            yield from self._joined.ids_at(range(begin, min(stop, begin + AT_ONCE)))


class _PositionsById(Mapping[PoolId, int]):
    def __init__(self, joined: _Joined) -> None:
        self._joined = joined
        self._position = lru_cache(LOOKED_UP)(self._look_up)

    def __getitem__(self, id_: PoolId, /) -> int:
        found = self._position(id_) if _is(id_) else -1
        if found < 0:
            raise KeyError(id_)
        return found

    def _look_up(self, id_: PoolId) -> int:
        return int(self._joined.find([id_], lambda intake: intake.find_ids)[0])

    def __len__(self) -> int:
        return self._joined.total

    def __iter__(self) -> Iterator[PoolId]:
        return iter(_Ids(self._joined))


class _IdsByText(Mapping[str, PoolId]):
    def __init__(self, joined: _Joined) -> None:
        self._joined = joined

    def __getitem__(self, text: str, /) -> PoolId:
        found = self._joined.find([text], lambda intake: intake.find_texts)[0] if _is(text) else -1
        if found < 0:
            raise KeyError(text)
        return self._joined.ids_at([int(found)])[0]

    def __len__(self) -> int:
        return self._joined.total

    def __iter__(self) -> Iterator[str]:
        return iter(_Texts(self._joined))


def _is(word: object) -> bool:
    """Whether it can be an id, or a text that is not withdrawn."""
    return isinstance(word, str) and word != ""
