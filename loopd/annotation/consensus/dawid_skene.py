"""Owns Dawid and Skene's consensus on ballots: votes become numbers, estimates targets; pure.

Imports numpy at once, so import this module only where the strategy is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from statistics import fmean

import numpy as np

from loopd.annotation.consensus.agreement import against_the_rest
from loopd.annotation.consensus.confusions import Floats, Votes, estimate
from loopd.annotation.consensus.majority import VoteCount, count, ordered
from loopd.annotation.consensus.votes import Ballots, Vote
from loopd.records import PoolId

DOUBT = 0.1
"""Of labels whose probabilities are closer than this the votes themselves choose."""

Counted = tuple[dict[PoolId, VoteCount], Floats]
"""Tallies by record id, and the quality of each annotator (m,)."""


def dawid_skene(
    ballots: Ballots, labels: Sequence[str]
) -> tuple[dict[PoolId, VoteCount], dict[str, float]]:
    """The likeliest target of each record with its probability, and each annotator's quality.

    Several labels are as many questions of yes and no, estimated one by one; probability and
    quality are means over the labels that anybody gave to the record, and over all that could be
    estimated. Where nobody can be judged, because every record has one vote or only two people met,
    or people may as well be guessing, the votes are counted as they are.

    Source: Dawid and Skene, *Maximum Likelihood Estimation of Observer Error-Rates Using the EM
    Algorithm*, Applied Statistics 28 (1979), with the smoothing of
    :func:`~loopd.annotation.consensus.confusions.estimate`.
    """
    people = sorted({vote.annotator for votes in ballots.values() for vote in votes})
    single = all(isinstance(votes[0].target, str) for votes in ballots.values())
    counted = (_single if single else _several)(ballots, labels, people) if ballots else None
    if counted is None:
        plain = {id_: count(votes, labels) for id_, votes in ballots.items()}
        return plain, against_the_rest(ballots, labels)
    tallies, quality = counted
    return tallies, dict(zip(people, quality.tolist(), strict=True))


def _single(ballots: Ballots, labels: Sequence[str], people: Sequence[str]) -> Counted | None:
    number = {label: column for column, label in enumerate(labels)}
    votes = _numbered(ballots, people, lambda vote: number[str(vote.target)], len(labels))
    estimated = estimate(votes)
    if estimated is None:
        return None
    tallies = {
        id_: _winner(ballots[id_], labels, row)
        for id_, row in zip(ballots, estimated.proba, strict=True)
    }
    return tallies, estimated.quality


def _winner(votes: Sequence[Vote], labels: Sequence[str], proba: Floats) -> VoteCount:
    """The likeliest label; of several about as likely the one that the votes themselves prefer."""
    best: list[int] = np.flatnonzero(proba >= proba.max() - DOUBT).tolist()
    voted = [vote for vote in votes if vote.target in {labels[column] for column in best}]
    if not voted:
        return VoteCount(labels[int(proba.argmax())], float(proba.max()), len(best) > 1)
    plain = count(voted, labels)
    return replace(plain, share=float(proba[labels.index(str(plain.target))]))


def _several(ballots: Ballots, labels: Sequence[str], people: Sequence[str]) -> Counted | None:
    ever = set(chain.from_iterable(vote.target for votes in ballots.values() for vote in votes))
    used = [label for label in labels if label in ever]
    yes = np.zeros((len(ballots), len(used)))
    quality = []
    for column, label in enumerate(used):
        estimated = estimate(_numbered(ballots, people, _says(label), 2))
        if estimated is None:
            yes[:, column] = [fmean(map(_says(label), votes)) for votes in ballots.values()]
        else:
            yes[:, column] = estimated.proba[:, 1]
            quality.append(estimated.quality)
    if not quality:
        return None
    tallies = {
        id_: _sides(ballots[id_], labels, dict(zip(used, row.tolist(), strict=True)))
        for id_, row in zip(ballots, yes, strict=True)
    }
    return tallies, np.mean(quality, axis=0)


def _says(label: str) -> Callable[[Vote], int]:
    return lambda vote: int(label in vote.target)


def _sides(votes: Sequence[Vote], labels: Sequence[str], yes: Mapping[str, float]) -> VoteCount:
    """The likelier side of each label; where both are about as likely that of the votes."""
    lead = {label: sum(1 if label in vote.target else -1 for vote in votes) for label in yes}
    doubted = {label for label, proba in yes.items() if abs(2 * proba - 1) <= DOUBT}
    even = {label for label in doubted if not lead[label]}
    won = {
        label
        for label, proba in yes.items()
        if (
            label in votes[0].target
            if label in even
            else lead[label] > 0
            if label in doubted
            else proba > 0.5
        )
    }
    named = won.union(*(vote.target for vote in votes))
    if not won and all(vote.target for vote in votes):  # that none applies is nobody's opinion
        won = {max((label for label in labels if label in named), key=lambda label: yes[label])}
    sure = [yes[label] if label in won else 1 - yes[label] for label in labels if label in named]
    return VoteCount(ordered(set(won), labels), sum(sure) / len(sure) if sure else 1.0, bool(even))


def _numbered(
    ballots: Ballots, people: Sequence[str], number: Callable[[Vote], int], classes: int
) -> Votes:
    column = {person: index for index, person in enumerate(people)}
    rows = [
        (row, column[vote.annotator], number(vote))
        for row, votes in enumerate(ballots.values())
        for vote in votes
    ]
    record, annotator, label = np.array(rows, dtype=np.int64).T
    return Votes(record, annotator, label, (len(ballots), len(people), classes))
