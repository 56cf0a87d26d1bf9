"""Owns class coverage, a cold start by the labels' names; must not need a model or a label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loopd.errors import ModelError
from loopd.learning.arrays import Positions, Vectors
from loopd.learning.frozen_classifier import FrozenClassifier
from loopd.learning.labels import several
from loopd.learning.protocols import StrategyModel
from loopd.learning.strategies.space import (
    CANDIDATES,
    candidates,
    generator,
    nearest_similarity,
)
from loopd.learning.strategies.strategy import ChoosingStrategy, QueryContext, Selection


class ClassCoverage(ChoosingStrategy):
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

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Indices (n,), of one label after the other."""
        free = candidates(context.unlabeled, self.candidates, n, generator())
        some = context.represented(free)
        covered = context.represented(context.covered)
        lists = by_label(some @ self._names(context.model).T)
        lot = self.shortlist * -(-n // len(lists))
        picks = [_spread(some, covered, members, (lot, n)) for members in lists]
        if several(context.y):
            counts = np.asarray(context.y.sum(axis=0), dtype=np.int64).ravel()
        else:
            counts = np.bincount(np.asarray(context.y, dtype=np.int64), minlength=len(lists))
        return Selection(free[in_turn(picks, counts, n)])

    def _names(self, model: StrategyModel) -> Vectors:
        if not isinstance(model, FrozenClassifier) or not model.label_names:
            raise ModelError("class coverage needs the names of the labels")
        texts = [self.template.replace("{}", name.replace("_", " ")) for name in model.label_names]
        return np.asarray(model.representation.of(texts), dtype=np.float32)

    def __str__(self) -> str:
        return f"ClassCoverage(shortlist={self.shortlist})"


def by_label(cosines: NDArray[np.float32]) -> list[Positions]:
    """Rows of each label, nearest to its name first, from cosines (m, C)."""
    spread = np.maximum(cosines.std(axis=0), 1e-6)
    nearness = (cosines - cosines.mean(axis=0)) / spread
    label = nearness.argmax(axis=1)
    rows = []
    for number in range(cosines.shape[1]):
        members = np.flatnonzero(label == number)
        rows.append(members[np.argsort(-nearness[members, number], kind="stable")])
    return rows


def _spread(
    some: Vectors, covered: Vectors, members: Positions, sizes: tuple[int, int]
) -> list[int]:
    """The first members in the order of picking: lot by lot, the farthest from those before.

    Args:
        some: vectors (m, d).
        covered: vectors of what people know.
        members: rows, nearest to the name first.
        sizes: of a lot, and how many members may be needed.
    """
    lot, most = sizes
    picked: list[int] = []
    for start in range(0, min(len(members), most), lot):
        part = members[start : start + lot]
        nearest = nearest_similarity(some[part], np.concatenate([covered, some[picked]]))
        for _ in range(min(len(part), most - len(picked))):
            row = int(part[nearest.argmin()])
            picked.append(row)
            nearest = np.maximum(nearest, some[part] @ some[row])
            nearest[np.isin(part, picked)] = np.inf
    return picked


def in_turn(picks: list[list[int]], counts: Positions, n: int) -> Positions:
    """Rows (n,): the label with the fewest records gives its next, until there are enough."""
    counts, waiting = counts.copy(), [list(reversed(rows)) for rows in picks]
    taken: list[int] = []
    while len(taken) < n:
        empty = np.array([not rows for rows in waiting])
        turn = int(np.lexsort((counts, empty))[0])
        taken.append(waiting[turn].pop())
        counts[turn] += 1
    return np.array(taken, dtype=np.int64)
