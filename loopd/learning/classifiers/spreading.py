"""Owns how labels spread over vectors of unlabelled texts; must not know texts or encoders.

Few labels place the borders of a head badly; the unlabelled texts show where the groups lie. Each
text passes its label on to those that are like it, and the head is trained on all of them, the
guessed ones with little weight. How often each class is guessed is set by what a head of the
labelled texts alone says of the others; left to the graph, rare classes are guessed far too often
and the head gets worse where classes differ in size.

Source: Zhou et al. 2004, "Learning with local and global consistency" (NIPS 16); class mass
normalisation from Zhu, Ghahramani and Lafferty 2003, "Semi-supervised learning using Gaussian
fields and harmonic functions" (ICML), with the head's shares in the place of known ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, diags

from loopd.learning.arrays import Floats, Positions, Proba, Vectors, Weights
from loopd.learning.classifiers.options import counts
from loopd.learning.labels import Labels, several
from loopd.learning.unit_vectors import unit

NEIGHBOURS = 15
"""Texts that a text passes its label to; 5 to 40 do as well."""

TEMPERATURE = 0.1
"""Of the weight of a neighbour, exp((cosine - 1) / temperature)."""

PASSED_ON = 0.9
"""Share of a text's label that comes from its neighbours, not from people."""

STEPS = 30
"""After so many the rest changes no label any more: .9 ** 30 is .04."""

GUESS_WEIGHT = 0.1
"""How much a guessed label counts in training, against 1 of one that people gave."""


TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Spreading:
    """How far labels spread.

    Attributes:
        texts: unlabelled texts that they spread to; 0 switches spreading off.
        until: number of labels from which on nothing is spread; the weight of the guesses falls to
            0 on the way, from half of this number on.
    """

    texts: int
    until: int

    def weight(self, labels: int) -> float:
        """How much a guess counts beside so many labels."""
        if self.texts == 0 or labels >= self.until:
            return 0.0
        left = 2 * (1 - labels / self.until)
        return GUESS_WEIGHT * min(1.0, left)


def spreading(texts: object, until: object) -> Spreading:
    """The settings of two options.

    Raises:
        ModelError: one of them is no whole number from 0 on.
    """
    return Spreading(*counts({"spread": texts, "spread_until": until}))


def unlabelled(total: int, taken: Positions, count: int) -> Positions:
    """Rows (at most ``count``,) of a pool of ``total`` texts without those that are taken.

    They are drawn in one order that depends on the size of the pool alone, so that from one round
    to the next nearly all stay. Taken are texts with a label, and those that judge the model: see
    ``IndexedDataset.taken``.
    """
    order = np.random.default_rng(0).permutation(total)[: count + len(taken)]
    return np.sort(order[~np.isin(order, taken)][:count])


@dataclass(frozen=True)
class Examples:
    """What a head is fitted on.

    Attributes:
        vectors: (n, d).
        y: labels of the rows.
        weights: (n,) how much each counts; ``None``: all the same.
    """

    vectors: Vectors
    y: Labels
    weights: Weights | None = None


def with_guesses(
    examples: Examples,
    others: Callable[[], Vectors],
    guess_weight: float,
    proba: Callable[[Vectors], Proba],
) -> Examples:
    """The examples and unlabelled texts with the labels that their neighbours have.

    Args:
        examples: with one label for each row; with several they come back as they are.
        others: gives vectors (m, d) of unlabelled texts; not called where nothing is spread.
        guess_weight: how much a guess counts; 0 spreads nothing.
        proba: gives probabilities (m, C) by a head of the examples alone.
    """
    y = examples.y
    if not guess_weight or several(y):
        return examples
    vectors = others()
    if not len(vectors):
        return examples
    shares = proba(vectors).mean(axis=0)
    guesses = spread(unit(examples.vectors), y, unit(vectors), shares, examples.weights)
    own = np.ones(len(y)) if examples.weights is None else examples.weights
    weights = np.concatenate([own, np.full(len(guesses.rows), guess_weight)])
    return Examples(
        np.vstack([examples.vectors, vectors[guesses.rows]]),
        np.concatenate([y, guesses.y]),
        weights.astype(np.float32),
    )


@dataclass(frozen=True)
class Guesses:
    """Labels that unlabelled rows got from their neighbours.

    Attributes:
        rows: (k,) which of the unlabelled rows got one, ascending.
        y: (k,) class numbers.
    """

    rows: Positions
    y: Positions


def spread(
    vectors: Vectors,
    y: Positions,
    others: Vectors,
    shares: Floats,
    weights: Weights | None = None,
) -> Guesses:
    """Labels of texts that have none, from those that have one.

    Args:
        vectors: (n, d) of labelled texts, of length 1.
        y: (n,) class numbers.
        others: (m, d) of unlabelled texts, of length 1.
        shares: (C,) how large each class is among them.
        weights: (n,) how much each label counts; ``None``: all the same.

    Returns:
        The guesses; rows that no label reaches have none.
    """
    classes, index = np.unique(y, return_inverse=True)
    total = len(vectors) + len(others)
    said = np.zeros((total, len(classes)))
    said[np.arange(len(vectors)), index] = 1.0 if weights is None else weights
    passing = _graph(np.vstack([vectors, others]))
    mass = said
    for _ in range(STEPS):
        mass = PASSED_ON * (passing @ mass) + (1 - PASSED_ON) * said
    reached = mass[len(vectors) :]
    rows = np.flatnonzero(reached.sum(axis=1) > 0)
    sized = reached[rows] * shares[classes] / np.maximum(reached.sum(axis=0), TINY)
    return Guesses(rows, classes[sized.argmax(axis=1)])


def _graph(vectors: Floats) -> csr_matrix:
    """How much of its label each text (N, N) takes from each other, symmetrically normalised."""
    total = len(vectors)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    kept = min(NEIGHBOURS, total - 1)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :kept]
    rows = np.repeat(np.arange(total), kept)
    columns = nearest.ravel()
    weights = np.exp((cosines[rows, columns].astype(np.float64) - 1) / TEMPERATURE)
    one_way = csr_matrix((weights, (rows, columns)), shape=(total, total))
    graph = one_way.maximum(one_way.T)
    degrees = np.asarray(graph.sum(axis=1)).ravel()
    scale = diags(1 / np.sqrt(np.maximum(degrees, TINY)))
    return csr_matrix(scale @ graph @ scale)
