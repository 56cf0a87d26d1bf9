"""Owns query by committee over vectors that no label changes; must not ask the classifier."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loopd.errors import ModelError
from loopd.learning.arrays import Positions, Vectors
from loopd.learning.classifiers.linear import LinearHead, fit_head
from loopd.learning.labels import Labels, several
from loopd.learning.strategies.multi_label import binary_entropy
from loopd.learning.strategies.scores import top
from loopd.learning.strategies.space import blocks, generator
from loopd.learning.strategies.strategy import ChoosingStrategy, QueryContext, Selection
from loopd.learning.strategies.uncertainty import entropy

DISAGREEMENTS = ("vote_entropy", "kl")


class QueryByCommittee(ChoosingStrategy):
    """What a committee of resampled logistic regressions disagrees about most.

    Paper: Seung et al. 1992; vote entropy: Dagan and Engelson 1995; mean Kullback-Leibler
    divergence from the consensus: McCallum and Nigam 1998. Each member weighs the labelled records
    anew (Bayesian bootstrap, Rubin 1981), so that no member loses a class, however rare. Equal
    votes are told apart by the divergence. With several labels each is voted on, yes or no, and the
    disagreements are added up.

    Cost: ``members`` logistic regressions on the labelled records and one pass over the pool's
    representation; memory linear. Needs: a representation and labels of two classes; the
    classifier itself is not asked. Draws. Scores: the disagreement, in nats.

    Args:
        members: of the committee.
        disagreement: ``vote_entropy`` or ``kl``.
        c: inverse strength of the members' L2 penalty.
    """

    def __init__(
        self, members: int = 7, disagreement: str = "vote_entropy", c: float = 10.0
    ) -> None:
        if disagreement not in DISAGREEMENTS:
            raise ModelError(
                f"unknown disagreement {disagreement!r}", f"known: {', '.join(DISAGREEMENTS)}"
            )
        if members < 2:
            raise ModelError(f"a committee of {members} cannot disagree", "members is at least 2")
        self.members = members
        self.disagreement = disagreement
        self.c = c

    def choose(self, context: QueryContext, n: int) -> Selection:
        """Indices (n,), most disputed first."""
        labelled = context.represented(context.labeled)
        heads = self._elected(labelled, context.y, context.model.num_classes)
        dispute = disagreement_on_labels if several(context.y) else disagreement
        votes = np.empty(len(context.unlabeled))
        divergence = np.empty(len(context.unlabeled))
        for part in blocks(len(context.unlabeled)):
            some = context.represented(context.unlabeled[part])
            votes[part], divergence[part] = dispute([head.proba(some) for head in heads])
        if self.disagreement == "kl":
            votes = divergence
        best = _first(votes, divergence, context.unlabeled, n)
        return Selection(context.unlabeled[best], votes[best])

    def _elected(self, labelled: Vectors, y: Labels, classes: int) -> list[LinearHead]:
        rng = generator()
        return [
            fit_head(
                labelled,
                y,
                classes,
                c=self.c,
                weights=rng.standard_exponential(len(labelled)).astype(np.float32),
            )
            for _ in range(self.members)
        ]

    def __str__(self) -> str:
        return f"QueryByCommittee(members={self.members}, disagreement={self.disagreement})"


def disagreement(
    probas: list[NDArray[np.float32]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vote entropy and mean divergence from the consensus (m,), in nats, of members (m, C) each."""
    count = len(probas)
    consensus = np.asarray(np.mean(probas, axis=0, dtype=np.float64))
    divergence = entropy(consensus) - np.mean([entropy(proba) for proba in probas], axis=0)
    shares = np.zeros_like(consensus)
    for proba in probas:
        shares[np.arange(len(shares)), proba.argmax(axis=1)] += 1 / count
    return entropy(shares), divergence


def disagreement_on_labels(
    probas: list[NDArray[np.float32]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """As :func:`disagreement`, summed over labels with independent probabilities (m, C)."""
    consensus = np.asarray(np.mean(probas, axis=0, dtype=np.float64))
    own = np.mean([binary_entropy(proba) for proba in probas], axis=0)
    yes = np.asarray(np.mean([proba >= 0.5 for proba in probas], axis=0, dtype=np.float64))
    return binary_entropy(yes).sum(axis=1), (binary_entropy(consensus) - own).sum(axis=1)


def _first(
    votes: NDArray[np.float64], divergence: NDArray[np.float64], indices: Positions, n: int
) -> Positions:
    """Indices (n,) of the largest votes, then divergences, then in the order of the pool.

    Votes come in few values, so many are equal: only those that may be among the first are sorted.
    """
    votes = np.round(votes, 9)  # the same split of votes adds up to other last bits
    least = votes[top(votes, indices, n)].min()
    near = np.flatnonzero(votes >= least)
    return near[np.lexsort((indices[near], -divergence[near], -votes[near]))[:n]]
