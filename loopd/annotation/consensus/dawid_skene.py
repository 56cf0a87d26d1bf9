"""Owns Dawid and Skene's estimate of true labels and of each annotator's confusions; pure.

Imports numpy at once, so import this module only where the strategy is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopd.annotation.consensus.tally import Tally, count, ordered
from loopd.annotation.consensus.votes import Ballots, Vote

CREDIT = 5.0
"""Votes as confused as everybody's on average that each annotator is credited with."""

PRIOR_RIGHT = 0.7
"""How often people are right, as far as one vote on each label can say before any is seen."""

TOLERANCE, LONGEST = 1e-6, 200
"""Largest change of a probability at which the estimate stands, and rounds until it must."""

EVEN = 1e-9
"""Probabilities that are closer than this are a tie."""

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
class Estimate:
    """What the votes say.

    Attributes:
        proba: (n, C) probabilities of the true labels.
        quality: (m,) how often each annotator is right, by the estimate.
    """

    proba: Floats
    quality: Floats


def dawid_skene(
    ballots: Ballots, labels: Sequence[str]
) -> tuple[dict[str, Tally], dict[str, float]]:
    """The likeliest target of each record with its probability, and each annotator's quality.

    Several labels are as many questions of yes and no, estimated one by one; probability and
    quality are means over the labels that anybody gave to the record, and over all labels.

    Source: Dawid and Skene, *Maximum Likelihood Estimation of Observer Error-Rates Using the EM
    Algorithm*, Applied Statistics 28 (1979). Confusions are smoothed: most people gave few votes.
    """
    if not ballots:
        return {}, {}
    people = sorted({vote.annotator for votes in ballots.values() for vote in votes})
    single = all(isinstance(votes[0].target, str) for votes in ballots.values())
    tallies, quality = (_single if single else _several)(ballots, labels, people)
    return tallies, dict(zip(people, quality.tolist(), strict=True))


def estimate(votes: Votes) -> Estimate:
    """Expectation maximisation from the shares of the votes.

    Memory is that of the different (annotator, label) pairs times C, never of all such pairs.
    """
    n, people, classes = votes.shape
    pairs, pair = np.unique(votes.annotator * classes + votes.label, return_inverse=True)
    cast = _incidence(votes.record, pair, (n, len(pairs)))
    givers = _incidence(pairs // classes, np.arange(len(pairs)), (people, len(pairs)))
    given = _incidence(pairs % classes, np.arange(len(pairs)), (classes, len(pairs)))
    proba = _shares(np.asarray((cast @ given.T).todense()))
    for _ in range(LONGEST):
        counts = cast.T @ proba  # votes of each pair, by true label
        usual = _shares(given @ counts + _prior(classes), axis=0)
        credited = (givers @ counts + CREDIT)[pairs // classes]
        confusion = (counts + CREDIT * usual[pairs % classes]) / credited
        share = (proba.sum(axis=0) + 1) / (n + classes)
        logs = np.log(share) + cast @ np.log(confusion)
        before, proba = proba, _shares(np.exp(logs - logs.max(axis=1, keepdims=True)))
        if np.abs(proba - before).max() < TOLERANCE:
            break
    return Estimate(proba, _right(proba, votes))


def _incidence(rows: Numbers, columns: Numbers, shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_matrix

    return csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)


def _shares(counts: Floats, axis: int = 1) -> Floats:
    return np.asarray(counts / counts.sum(axis=axis, keepdims=True))


def _prior(classes: int) -> Floats:
    """One vote for each true label (C given, C true), mostly right."""
    prior = np.full((classes, classes), (1 - PRIOR_RIGHT) / max(1, classes - 1))
    np.fill_diagonal(prior, PRIOR_RIGHT)
    return prior


def _right(proba: Floats, votes: Votes) -> Floats:
    """How often each annotator's votes are right (m,), smoothed towards the mean."""
    right = proba[votes.record, votes.label]
    people = votes.shape[1]
    summed = np.bincount(votes.annotator, weights=right, minlength=people)
    number = np.bincount(votes.annotator, minlength=people)
    return np.asarray((summed + CREDIT * right.mean()) / (number + CREDIT))


def _single(
    ballots: Ballots, labels: Sequence[str], people: Sequence[str]
) -> tuple[dict[str, Tally], Floats]:
    number = {label: place for place, label in enumerate(labels)}
    votes = _numbered(ballots, people, lambda vote: number[str(vote.target)], len(labels))
    found = estimate(votes)
    tallies = {
        id_: _winner(ballots[id_], labels, row)
        for id_, row in zip(ballots, found.proba, strict=True)
    }
    return tallies, found.quality


def _winner(votes: Sequence[Vote], labels: Sequence[str], proba: Floats) -> Tally:
    """The likeliest label; a tie goes to the one that the votes themselves prefer."""
    best: list[int] = np.flatnonzero(proba >= proba.max() - EVEN).tolist()
    voted = [vote for vote in votes if vote.target in {labels[place] for place in best}]
    if len(best) > 1 and voted:
        return Tally(count(voted, labels).target, float(proba.max()), True)
    return Tally(labels[best[0]], float(proba.max()), len(best) > 1)


def _several(
    ballots: Ballots, labels: Sequence[str], people: Sequence[str]
) -> tuple[dict[str, Tally], Floats]:
    ever = set(chain.from_iterable(vote.target for votes in ballots.values() for vote in votes))
    asked = [label for label in labels if label in ever]
    yes = np.zeros((len(ballots), len(asked)))
    quality = np.zeros((len(asked), len(people)))
    for column, label in enumerate(asked):
        votes = _numbered(ballots, people, _says(label), 2)
        found = estimate(votes)
        yes[:, column], quality[column] = found.proba[:, 1], found.quality
    tallies = {
        id_: _sides(ballots[id_], labels, dict(zip(asked, row.tolist(), strict=True)))
        for id_, row in zip(ballots, yes, strict=True)
    }
    return tallies, quality.mean(axis=0) if asked else np.ones(len(people))


def _says(label: str) -> Callable[[Vote], int]:
    return lambda vote: int(label in vote.target)


def _sides(votes: Sequence[Vote], labels: Sequence[str], yes: Mapping[str, float]) -> Tally:
    even = {label for label, proba in yes.items() if abs(proba - 0.5) <= EVEN}
    won = {
        label
        for label, proba in yes.items()
        if (label in votes[0].target if label in even else proba > 0.5)
    }
    named = won.union(*(vote.target for vote in votes))
    if not won and all(vote.target for vote in votes):  # that none applies is nobody's opinion
        won = {max((label for label in labels if label in named), key=lambda label: yes[label])}
    sure = [max(yes[label], 1 - yes[label]) for label in labels if label in named]
    return Tally(ordered(set(won), labels), sum(sure) / len(sure) if sure else 1.0, bool(even))


def _numbered(
    ballots: Ballots, people: Sequence[str], number: Callable[[Vote], int], classes: int
) -> Votes:
    place = {person: column for column, person in enumerate(people)}
    rows = [
        (row, place[vote.annotator], number(vote))
        for row, votes in enumerate(ballots.values())
        for vote in votes
    ]
    record, annotator, label = np.array(rows, dtype=np.int64).T
    return Votes(record, annotator, label, (len(ballots), len(people), classes))
