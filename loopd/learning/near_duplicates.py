"""Owns which texts are nearly the same as others, by the cosine of their frozen vectors.

Must not know why some of them have been asked already, nor what becomes of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from loopd.errors import ModelError
from loopd.learning.arrays import Floats, Tick, Vectors
from loopd.learning.strategies.space import nearest_similarity
from loopd.records import PoolId

ROUNDING = 1e-5
"""By which a cosine may be smaller: that of a vector with itself is often a little less than 1."""

FEWEST = 8
"""Texts that others are compared with at once, at least: of fewer the last digits come out
differently, and a process that was started again would compare them together with others."""

AT_ONCE = 4_096
"""Texts whose vectors are in memory together, and compared with as many: 64 MB of cosines."""

BETWEEN_TICKS = 64
"""Texts that are compared one after the other between two ticks."""

OfIds = Callable[[Sequence[PoolId]], Vectors]
"""Gives the vectors (k, d) of texts, each of length 1."""


def unnoticed(done: int, total: int) -> None:
    """Nobody wants to know how far it is."""
    del done, total


class Nearness:
    """How near each text of a pool is to the nearest of some that were asked.

    It keeps one number for each text, and compares those that were asked since with it; what it
    says depends on its arguments alone.

    Args:
        ids: of the pool, in its order.
        vectors: gives those of texts, each of length 1; ``None``: there are none.
        tick: called with (done, total) at least every few seconds; may raise.
        elsewhere: gives for each text of the pool in its order, some at once, the largest cosine
            with any of some vectors, where other processes compute it.
    """

    def __init__(
        self,
        ids: Sequence[PoolId],
        vectors: Callable[[Sequence[PoolId]], Vectors | None],
        tick: Tick = unnoticed,
        elsewhere: Callable[[Vectors, int], Iterator[Floats] | None] = lambda *_: None,
    ) -> None:
        self._ids, self._found, self.tick = ids, vectors, tick
        self._elsewhere = elsewhere
        self._compared: frozenset[PoolId] = frozenset()
        self._cosines = self._nothing_near()

    def vectors(self, ids: Sequence[PoolId]) -> Vectors:
        """Those (k, d) of texts, each of length 1.

        Raises:
            ModelError: there are none.
        """
        found = self._found(ids)
        if found is None:
            raise ModelError("the classifier has no vectors of texts", "leave near_duplicates out")
        return found

    def near(self, asked: Collection[PoolId], least: float) -> frozenset[PoolId]:
        """Ids of texts that are nearly the same as one that was asked, and are none of these.

        Args:
            asked: ids of the pool.
            least: cosine from which on two texts are nearly the same.
        """
        asked = frozenset(asked)
        if not self._compared <= asked:
            self._compared, self._cosines = frozenset(), self._nothing_near()
        new = sorted(asked - self._compared)
        self._cosines = self._nearest(new, self._cosines)
        self._compared = asked
        return self._ids_where(self._cosines, least) - asked

    def near_to(self, some: Sequence[PoolId], least: float) -> frozenset[PoolId]:
        """Ids of texts that are nearly the same as one of some, with these; nothing is kept."""
        return self._ids_where(self._nearest(some, self._nothing_near()), least)

    def _nearest(self, some: Sequence[PoolId], before: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosines (n,) raised to those with any of some; those before stay as they are."""
        cosines, parts, count = before.copy(), _parts(some), len(self._ids)
        for number, part in enumerate(parts):

            def tick(done: int, before: int = number * count) -> None:
                self.tick(before + done, len(parts) * count)

            self._compare(self.vectors(part), cosines, tick)
        return cosines

    def _ids_where(self, cosines: NDArray[np.float32], least: float) -> frozenset[PoolId]:
        rows = np.flatnonzero(cosines >= least - ROUNDING).tolist()
        return frozenset(self._ids[row] for row in rows)

    def _nothing_near(self) -> NDArray[np.float32]:
        return np.full(len(self._ids), -np.inf, dtype=np.float32)

    def _compare(
        self, others: Vectors, cosines: NDArray[np.float32], tick: Callable[[int], None]
    ) -> None:
        """Raise cosines (n,) to those with any of the others (k, d)."""
        if len(others) < FEWEST:
            others = np.concatenate([others, np.repeat(others[:1], FEWEST - len(others), axis=0)])
        parts = [slice(start, start + AT_ONCE) for start in range(0, len(self._ids), AT_ONCE)]
        compared = self._elsewhere(others, AT_ONCE) if len(parts) > 1 else None
        if compared is None:
            compared = (nearest_similarity(self.vectors(self._ids[rows]), others) for rows in parts)
        for rows, found in zip(parts, compared, strict=True):
            tick(rows.start)
            cosines[rows] = np.maximum(cosines[rows], found)
        tick(len(self._ids))


def first_of_each(
    ids: Sequence[PoolId], vectors: OfIds, least: float, tick: Tick = unnoticed
) -> list[PoolId]:
    """Those that are not nearly the same as one before them that is kept.

    Args:
        ids: of texts; at most some thousands.
        vectors: of texts by their ids.
        least: cosine from which on two texts are nearly the same.
        tick: called with (done, total) now and then; may raise.
    """
    if not ids:
        return []
    found, kept = vectors(ids), [0]
    for number in range(1, len(ids)):
        if number % BETWEEN_TICKS == 0:
            tick(number, len(ids))
        if (found[kept] @ found[number]).max() < least - ROUNDING:
            kept.append(number)
    tick(len(ids), len(ids))
    return [ids[number] for number in kept]


def twins(
    ids: Sequence[PoolId],
    others: Sequence[PoolId],
    vectors: OfIds,
    least: float,
    tick: Tick = unnoticed,
) -> Mapping[PoolId, PoolId]:
    """For each text that is nearly the same as one of the others, the nearest of these.

    Args:
        ids, others: of texts.
        vectors: of texts by their ids.
        least: cosine from which on two texts are nearly the same.
        tick: called with (done, total) at least every few seconds; may raise.
    """
    total = len(ids) * -(-len(others) // AT_ONCE)
    nearest = np.full(len(ids), -1)
    best = np.full(len(ids), -np.inf, dtype=np.float32)
    for first in range(0, len(others), AT_ONCE):
        some = vectors(others[first : first + AT_ONCE])
        for start in range(0, len(ids), AT_ONCE):
            tick(first // AT_ONCE * len(ids) + start, total)
            rows = slice(start, start + AT_ONCE)
            cosines = vectors(ids[rows]) @ some.T
            found, cosine = cosines.argmax(axis=1), cosines.max(axis=1)
            is_nearer = cosine > best[rows]
            nearest[rows][is_nearer] = first + found[is_nearer]
            best[rows][is_nearer] = cosine[is_nearer]
    tick(total, total)
    rows_of_twins = np.flatnonzero(best >= least - ROUNDING).tolist()
    return {ids[row]: others[nearest[row]] for row in rows_of_twins}


def _parts(ids: Sequence[PoolId]) -> list[Sequence[PoolId]]:
    return [ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)]
