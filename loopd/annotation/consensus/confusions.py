"""Owns the estimate of true labels and of each annotator's confusions; must not know ballots.

Imports numpy at once, so import this module only where the strategy is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopd.annotation.consensus.proof import proven

BRIGHT = 0.6
"""How often people know the label, as far as one vote can say before any is seen."""

CREDIT = 2.0
"""Average votes that each annotator is credited with: three votes prove little."""

COMMON = 20.0
"""Votes that everybody's shares are credited with, as they would be if nothing could be learnt."""

OWN = 20.0
"""Votes on a label that an annotator's own confusions are credited with, as knowing or guessing."""

PROOF = 7.0
"""Logarithm of the odds from which on an annotator has confusions of their own: 1,000 to 1."""

WITNESSES, PARTIES = 3, 4
"""People who must have met for anybody to be judged, and for confusions of one's own.

Two who differ may each be right; a third one settles it. An inverted annotator needs one more.
"""

TOLERANCE, LONGEST = 1e-4, 200
"""Largest change of a probability at which the estimate stands, and rounds until it must."""

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Votes:
    """Single votes as numbers, (v,) each.

    Attributes:
        record, annotator, label: of each vote, from 0.
        shape: how many records, annotators and labels.
    """

    record: Numbers
    annotator: Numbers
    label: Numbers
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class TrueLabelEstimate:
    """What the votes say.

    Attributes:
        proba: (n, C) probabilities of the true labels; shares of the votes where nobody who gave
            them can be judged.
        quality: (m,) how often each annotator is right, by the estimate.
    """

    proba: Floats
    quality: Floats


@dataclass(frozen=True)
class _Pairs:
    """The different (annotator, label) pairs among the votes, (P,) each, and who is judged.

    Attributes:
        person, label: of each pair.
        at: (P, n) how often each pair occurs on each record that is learnt from.
        usual: (C,) shares of the labels among the votes that are learnt from.
        free: (m,) who may have confusions of their own.
    """

    person: Numbers
    label: Numbers
    at: Any
    usual: Floats
    free: NDArray[np.bool_]

    def of_person(self, values: Floats) -> Floats:
        """Sums over the pairs of each annotator, (P, ...) to (m, ...)."""
        totals = np.zeros((len(self.free), *values.shape[1:]))
        np.add.at(totals, self.person, values)
        return totals

    def on_own(self, values: Floats) -> Floats:
        """Of (P, C) values by true label those where the pair's label is the true one, (P,)."""
        return np.asarray(values[np.arange(len(self.label)), self.label])


def estimate(votes: Votes) -> TrueLabelEstimate | None:
    """Expectation maximisation from the shares of the votes.

    ``None`` if nobody can be judged, or if by the estimate itself people may as well be guessing.

    A vote is learnt from where others voted on the record too: alone it agrees with whatever is
    believed of its annotator. An annotator knows the true label or guesses by habits of their own
    (Hovy et al., *Learning Whom to Trust with MACE*, NAACL 2013), which leaves every label as
    common as the votes have it until they prove more. Confusions beyond that are an annotator's own
    only where they make the votes a thousand times likelier.

    Memory is that of the different (annotator, label) pairs times C, never of all such pairs.
    """
    met = _met(votes)
    judged = met[votes.annotator] >= WITNESSES
    several = np.bincount(votes.record, minlength=votes.shape[0])[votes.record] > 1
    learnt = judged & several
    if not learnt.any():
        return None
    records, row = np.unique(votes.record[learnt], return_inverse=True)
    pairs, at = _pairs(votes, learnt, row, met)
    shares = _shares_of_votes(votes)
    confusion, share = _maximised(pairs, shares[records])
    proba = shares.copy()
    settled = np.unique(votes.record[judged])
    proba[settled] = _expected(at, confusion, share)[settled]
    right, cast = _hits(proba, votes, learnt)
    seen = cast > 0
    if not proven(right[seen].tolist(), cast[seen].tolist(), votes.shape[2]):
        return None
    return TrueLabelEstimate(proba, (right + CREDIT * right.sum() / cast.sum()) / (cast + CREDIT))


def _met(votes: Votes) -> Numbers:
    """How many people each annotator met, over any number of others, with oneself (m,)."""
    from scipy.sparse.csgraph import connected_components

    n, people, _ = votes.shape
    graph = _incidence(votes.record, votes.annotator + n, (n + people, n + people))
    _, group = connected_components(graph, directed=False)
    size = np.bincount(group[n:], minlength=group.max() + 1)
    return np.asarray(size[group[n:]])


def _pairs(
    votes: Votes, learnt: NDArray[np.bool_], row: Numbers, met: Numbers
) -> tuple[_Pairs, Any]:
    """The pairs, and which of them are on which record (n, P)."""
    n, _, classes = votes.shape
    codes, pair = np.unique(votes.annotator * classes + votes.label, return_inverse=True)
    usual = np.bincount(votes.label[learnt], minlength=classes) + 1.0
    pairs = _Pairs(
        codes // classes,
        codes % classes,
        _incidence(pair[learnt], row, (len(codes), int(row.max()) + 1)),
        usual / usual.sum(),
        met >= PARTIES,
    )
    return pairs, _incidence(votes.record, pair, (n, len(codes)))


def _maximised(pairs: _Pairs, proba: Floats) -> tuple[Floats, Floats]:
    """Confusions (P, C) by true label, and shares of the true labels (C,)."""
    knows = np.full(len(pairs.free), BRIGHT)
    leading = _leading(proba)
    guess = pairs.usual[pairs.label]
    back = pairs.at.T.tocsr()
    for _ in range(LONGEST):
        counts = pairs.at @ proba  # votes of each pair, by true label
        by_knowledge = _known(pairs, counts, knows[pairs.person], guess)
        knows = _knowing(pairs, counts, by_knowledge)
        guesses = _guesses(pairs, counts, by_knowledge)
        guess = pairs.on_own(guesses)
        confusion = _confusion(pairs, counts, knows, guesses)
        share = _credited(proba.sum(axis=0), leading)
        before, proba = proba, _expected(back, confusion, share)
        if np.abs(proba - before).max() < TOLERANCE:
            break
    return confusion, share


def _leading(shares: Floats) -> Floats:
    """How often each label has most votes (C,), credited with one record; ties count in part."""
    best = shares >= shares.max(axis=1, keepdims=True)
    wins = (best / best.sum(axis=1, keepdims=True)).sum(axis=0) + 1 / shares.shape[1]
    return np.asarray(wins / wins.sum())


def _known(pairs: _Pairs, counts: Floats, knows: Floats, guess: Floats) -> Floats:
    """How many votes of each pair are right because the annotator knew, not by luck (P,)."""
    by_knowledge: Floats = pairs.on_own(counts) * knows / (knows + (1 - knows) * guess)
    return by_knowledge


def _knowing(pairs: _Pairs, counts: Floats, by_knowledge: Floats) -> Floats:
    """How often each annotator knows the label (m,), smoothed towards everybody's."""
    cast = pairs.of_person(counts.sum(axis=1))
    everybody = (by_knowledge.sum() + COMMON * BRIGHT) / (cast.sum() + COMMON)
    return np.asarray((pairs.of_person(by_knowledge) + CREDIT * everybody) / (cast + CREDIT))


def _guesses(pairs: _Pairs, counts: Floats, by_knowledge: Floats) -> Floats:
    """How likely each pair's label is where its annotator guesses, by true label (P, C).

    Habits of one's own are smoothed towards everybody's guesses on that true label.
    """
    by_label = counts.copy()
    by_label[np.arange(len(by_knowledge)), pairs.label] -= by_knowledge
    usual = np.zeros((len(pairs.usual), len(pairs.usual)))  # by given and by true label
    np.add.at(usual, pairs.label, by_label)
    usual = _credited(usual.T, pairs.usual)[:, pairs.label].T
    own = by_label.sum(axis=1)
    cast = pairs.of_person(own)[pairs.person]
    return np.asarray((own[:, None] + CREDIT * usual) / (cast[:, None] + CREDIT))


def _confusion(pairs: _Pairs, counts: Floats, knows: Floats, guesses: Floats) -> Floats:
    """How likely each pair's label is by true label (P, C)."""
    simple = (1 - knows[pairs.person])[:, None] * guesses
    simple[np.arange(len(pairs.label)), pairs.label] += knows[pairs.person]
    rows = pairs.of_person(counts)
    own = (_evidence(pairs, counts, simple, rows) > PROOF) & pairs.free
    detailed = (counts + OWN * simple) / (rows[pairs.person] + OWN)
    return np.where(own[pairs.person][:, None], detailed, simple)


def _evidence(pairs: _Pairs, counts: Floats, simple: Floats, rows: Floats) -> Floats:
    """Logarithm of the odds that each annotator's confusions are not the simple ones (m,).

    It compares a Dirichlet distribution about the simple confusions with those themselves.
    """
    from scipy.special import gammaln

    prior = OWN * simple
    gained = gammaln(counts + prior) - gammaln(prior) - counts * np.log(simple)
    return np.asarray(
        pairs.of_person(gained.sum(axis=1)) + (gammaln(OWN) - gammaln(rows + OWN)).sum(axis=1)
    )


def _expected(at: Any, confusion: Floats, share: Floats) -> Floats:
    """Probabilities of the true labels (n, C)."""
    logs = at @ np.log(confusion) + np.log(share)
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _credited(counts: Floats, usual: Floats) -> Floats:
    """Shares (..., C) of counts, credited with common votes."""
    return np.asarray((counts + COMMON * usual) / (counts.sum(axis=-1, keepdims=True) + COMMON))


def _incidence(rows: Numbers, columns: Numbers, shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_matrix

    return csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)


def _shares_of_votes(votes: Votes) -> Floats:
    n, _, classes = votes.shape
    codes = votes.record * classes + votes.label
    counts = np.bincount(codes, minlength=n * classes).reshape(n, classes)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _hits(proba: Floats, votes: Votes, learnt: NDArray[np.bool_]) -> tuple[Floats, Numbers]:
    """How many of each annotator's votes are right (m,), and how many there are (m,)."""
    hit = proba[votes.record, votes.label][learnt]
    who, people = votes.annotator[learnt], votes.shape[1]
    cast = np.bincount(who, minlength=people)
    return np.bincount(who, weights=hit, minlength=people).astype(np.float64), cast
