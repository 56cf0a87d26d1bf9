"""Owns the vote that is weighted by how well annotators agree with each other; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from math import exp, log

from loopd.annotation.consensus.agreement import Alike, meetings, smoothed
from loopd.annotation.consensus.majority import VoteCount, count, named
from loopd.annotation.consensus.proof import JURY, proven
from loopd.annotation.consensus.votes import Ballots, Vote
from loopd.records import PoolId, Span, Target

SURE = 0.99
"""Nobody is taken to be right more often."""

BARELY = 0.01
"""By so much everybody is taken to be better than chance: no vote counts against what it says."""


def weighted(
    ballots: Ballots, labels: Sequence[str]
) -> tuple[dict[PoolId, VoteCount], dict[str, float]]:
    """The winner on each record with the probability of it, and each annotator's quality.

    A vote's weight is the logarithm of the odds that its annotator is right, which is best where
    people err independently and each label is mistaken for any other alike. Quality is the smoothed
    agreement with the majority of the others. Where fewer than four people met, or they may as well
    be guessing, each vote counts once.

    Source: Nitzan and Paroush, *Optimal Decision Rules in Uncertain Dichotomous Choice Situations*,
    International Economic Review 23 (1982).
    """
    met = meetings(ballots, labels)
    quality = smoothed(met, ballots)
    classes = _classes(ballots, labels)
    parts = _parts(ballots)
    spans = any(isinstance(part, Span) for part in parts)
    if parts and not spans:
        met = meetings(ballots, labels, _on_yes_and_no(len(parts)))
    if not met or not (spans or _judged(met, classes)):
        return {id_: count(votes, labels) for id_, votes in ballots.items()}, quality
    weights = weights_of(smoothed(met, ballots), classes)
    return {id_: _weighed(votes, labels, weights) for id_, votes in ballots.items()}, quality


def _parts(ballots: Ballots) -> set[str | Span]:
    """All labels or spans that anybody named where people may name several."""
    several = (votes for votes in ballots.values() if not isinstance(votes[0].target, str))
    return set(chain.from_iterable(named(votes) for votes in several))


def _on_yes_and_no(number: int) -> Alike:
    """How often two sets of so many labels say the same about one label."""
    return lambda one, other: 1 - len({*one} ^ {*other}) / number


def _judged(met: Mapping[str, tuple[float, int]], classes: int) -> bool:
    agreed, number = zip(*met.values(), strict=True)
    return len(met) >= JURY and proven(agreed, number, classes)


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


def _weighed(
    votes: Sequence[Vote], labels: Sequence[str], weights: Mapping[str, float]
) -> VoteCount:
    tally = count(votes, labels, lambda vote: weights[vote.annotator])
    if isinstance(tally.target, str):
        return replace(tally, share=_of_label(tally.target, votes, labels, weights))
    return replace(tally, share=_of_parts(votes, weights))


def _of_label(
    winner: Target, votes: Sequence[Vote], labels: Sequence[str], weights: Mapping[str, float]
) -> float:
    """Probability of the winner, all labels being as likely before anybody votes."""
    odds: dict[Target, float] = dict.fromkeys(labels, 0.0)
    for vote in votes:
        odds[vote.target] = odds.get(vote.target, 0.0) + weights[vote.annotator]
    return 1 / sum(exp(log_odds - odds[winner]) for log_odds in odds.values())


def _of_parts(votes: Sequence[Vote], weights: Mapping[str, float]) -> float:
    """Mean probability of the winning sides."""
    parts = named(votes)
    leads = [
        sum(weights[vote.annotator] * (1 if part in vote.target else -1) for vote in votes)
        for part in parts
    ]
    return sum(1 / (1 + exp(-abs(lead))) for lead in leads) / len(parts) if parts else 1.0
