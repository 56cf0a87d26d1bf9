"""Owns the vote that is weighted by how well annotators agree with each other; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from math import exp, log

from loopd.annotation.consensus.agreement import against_the_rest
from loopd.annotation.consensus.tally import Tally, count, named
from loopd.annotation.consensus.votes import Ballots, Vote
from loopd.records import Span, Target

SURE = 0.99
"""Nobody is taken to be right more often."""

BARELY = 0.01
"""By so much everybody is taken to be better than chance: no vote counts against what it says."""


def weighted(ballots: Ballots, labels: Sequence[str]) -> tuple[dict[str, Tally], dict[str, float]]:
    """The winner on each record with the probability of it, and each annotator's quality.

    A vote's weight is the logarithm of the odds that its annotator is right, which is best where
    people err independently and each label is mistaken for any other alike. Quality is the smoothed
    agreement with the majority of the others.

    Source: Nitzan and Paroush, *Optimal Decision Rules in Uncertain Dichotomous Choice Situations*,
    International Economic Review 23 (1982).
    """
    quality = against_the_rest(ballots, labels)
    if not quality:
        return {id_: count(votes, labels) for id_, votes in ballots.items()}, {}
    weights = weights_of(_right(ballots, labels, quality), _classes(ballots, labels))
    tallies = {id_: _weighed(votes, labels, weights) for id_, votes in ballots.items()}
    return tallies, quality


def _right(
    ballots: Ballots, labels: Sequence[str], quality: Mapping[str, float]
) -> Mapping[str, float]:
    """How often each annotator is right on one question: with several labels, on yes or no."""
    named_somewhere = set(chain.from_iterable(named(votes) for votes in ballots.values()))
    if any(isinstance(vote.target, str) for votes in ballots.values() for vote in votes):
        return quality
    if not named_somewhere or any(isinstance(part, Span) for part in named_somewhere):
        return quality

    def alike(one: Target, other: Target) -> float:
        return 1 - len({*one} ^ {*other}) / len(named_somewhere)

    return against_the_rest(ballots, labels, alike)


def weights_of(quality: Mapping[str, float], classes: int) -> dict[str, float]:
    """The logarithm of the odds of each annotator, above 0."""
    chance = 1 / classes
    return {
        person: log((classes - 1) * _within(share, chance) / (1 - _within(share, chance)))
        for person, share in quality.items()
    }


def _within(share: float, chance: float) -> float:
    return min(SURE, max(chance + BARELY, share))


def _classes(ballots: Ballots, labels: Sequence[str]) -> int:
    """How many answers there are to choose from: yes and no for each of several labels or spans."""
    single = all(isinstance(vote.target, str) for votes in ballots.values() for vote in votes)
    return max(2, len(labels)) if single else 2


def _weighed(votes: Sequence[Vote], labels: Sequence[str], weights: Mapping[str, float]) -> Tally:
    found = count(votes, labels, lambda vote: weights[vote.annotator])
    if isinstance(found.target, str):
        return replace(found, share=_of_label(found.target, votes, labels, weights))
    return replace(found, share=_of_parts(votes, weights))


def _of_label(
    winner: Target, votes: Sequence[Vote], labels: Sequence[str], weights: Mapping[str, float]
) -> float:
    """Probability of the winner, all labels being as likely before anybody votes."""
    odds: dict[Target, float] = dict.fromkeys(labels, 0.0)
    for vote in votes:
        odds[vote.target] = odds.get(vote.target, 0.0) + weights[vote.annotator]
    return 1 / sum(exp(each - odds[winner]) for each in odds.values())


def _of_parts(votes: Sequence[Vote], weights: Mapping[str, float]) -> float:
    """Mean probability of the winning sides."""
    parts = named(votes)
    leads = [
        sum(weights[vote.annotator] * (1 if part in vote.target else -1) for vote in votes)
        for part in parts
    ]
    return sum(1 / (1 + exp(-abs(lead))) for lead in leads) / len(parts) if parts else 1.0
