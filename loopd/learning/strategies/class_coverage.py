"""Owns class coverage, a cold start by the labels' names; must not need a model or a label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from small_text import QueryStrategy

from loopd.errors import ModelError
from loopd.learning.strategies.multi_label import several
from loopd.learning.strategies.space import (
    CANDIDATES,
    candidates,
    covered,
    generator,
    nearest_similarity,
    represented,
)

Positions = NDArray[np.int64]
Vectors = NDArray[np.float32]


class ClassCoverage(QueryStrategy):  # type: ignore[misc] # small-text is not typed
    """Records near to the name of each label in turn, different ones within a label.

    Of loopd's own making: zero-shot retrieval by label names, then a greedy core-set (Sener and
    Savarese 2018) over what each name retrieved. A record belongs to the label to whose name it is
    unusually near (cosines are standardised over the pool, label by label, because some names are
    near to everything). Labels with the fewest labelled records come first; each takes, of the
    records nearest to its name, the one farthest from its own that are chosen and from all that
    people know. Good where names say what texts are about (``sport``), no help where they do not
    (``ABBR``).

    Cost: time candidates x C x d, memory candidates x (d + C). Needs: a representation and telling
    label names. Cold start. Draws only to narrow the pool. No scores.

    Args:
        shortlist: how many of the nearest records a label picks from, for each that it may pick.
        template: text whose ``{}`` is replaced by a label's name.
        candidates: a larger pool is narrowed to so many random records.
    """

    def __init__(
        self, shortlist: int = 10, template: str = "{}", candidates: int = CANDIDATES
    ) -> None:
        if shortlist < 1 or "{}" not in template:
            raise ModelError("shortlist is at least 1, and the template has a {}")
        self.shortlist = shortlist
        self.template = template
        self.candidates = candidates

    def query(
        self,
        clf: Any,
        dataset: Any,
        indices_unlabeled: Positions,
        indices_labeled: Positions,
        y: Any,
        n: int = 10,
    ) -> Positions:
        """Indices (n,), of one label after the other."""
        del indices_labeled
        self._validate_query_input(indices_unlabeled, n)
        free = candidates(indices_unlabeled, self.candidates, n, generator())
        some = represented(clf, dataset, free)
        known = represented(clf, dataset, covered(dataset, indices_unlabeled))
        lists = by_label(some @ self._names(clf).T)
        lot = self.shortlist * -(-n // len(lists))
        picks = [_spread(some, known, members, (lot, n)) for members in lists]
        if several(y):
            counts = np.asarray(y.sum(axis=0), dtype=np.int64).ravel()
        else:
            counts = np.bincount(np.asarray(y, dtype=np.int64), minlength=len(lists))
        return free[in_turn(picks, counts, n)]

    def _names(self, clf: Any) -> Vectors:
        if not getattr(clf, "label_names", ()):
            raise ModelError("class coverage needs the names of the labels")
        texts = [self.template.replace("{}", name.replace("_", " ")) for name in clf.label_names]
        return np.asarray(clf.representation.of(texts), dtype=np.float32)

    def __str__(self) -> str:
        return f"ClassCoverage(shortlist={self.shortlist})"


def by_label(cosines: NDArray[np.float32]) -> list[Positions]:
    """Rows of each label, nearest to its name first, from cosines (m, C)."""
    spread = np.maximum(cosines.std(axis=0), 1e-6)
    nearness = (cosines - cosines.mean(axis=0)) / spread
    label = nearness.argmax(axis=1)
    found = []
    for number in range(cosines.shape[1]):
        members = np.flatnonzero(label == number)
        found.append(members[np.argsort(-nearness[members, number], kind="stable")])
    return found


def _spread(some: Vectors, known: Vectors, members: Positions, sizes: tuple[int, int]) -> list[int]:
    """The first members in the order of picking: lot by lot, the farthest from those before.

    Args:
        some: vectors (m, d).
        known: vectors of what people know.
        members: rows, nearest to the name first.
        sizes: of a lot, and how many members may be needed.
    """
    lot, wanted = sizes
    picked: list[int] = []
    for start in range(0, min(len(members), wanted), lot):
        part = members[start : start + lot]
        nearest = nearest_similarity(some[part], np.concatenate([known, some[picked]]))
        for _ in range(min(len(part), wanted - len(picked))):
            place = int(nearest.argmin())
            picked.append(int(part[place]))
            nearest = np.maximum(nearest, some[part] @ some[part[place]])
            nearest[np.isin(part, picked)] = np.inf
    return picked


def in_turn(picks: list[list[int]], counts: Positions, n: int) -> Positions:
    """Rows (n,): the label with the fewest records gives its next, until there are enough."""
    counts, waiting = counts.copy(), [list(reversed(each)) for each in picks]
    chosen: list[int] = []
    while len(chosen) < n:
        empty = np.array([not each for each in waiting])
        turn = int(np.lexsort((counts, empty))[0])
        chosen.append(waiting[turn].pop())
        counts[turn] += 1
    return np.array(chosen, dtype=np.int64)
