"""Owns whether a crowd or a model has proved that it knows more than chance; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import sqrt
from statistics import median

ERRORS = 3.0
"""Standard errors by which people, or a model, must be better than chance to outvote anybody."""

JURY = 4
"""People from whom on most of them decide; of three who meet, one who guesses decides for two."""


def proven(right: Sequence[float], votes: Sequence[float], classes: int) -> bool:
    """Whether most people are better than guessing, beyond doubt.

    Who outvotes whom must not be decided by a crowd in which most people may be guessing: two who
    err alike then look like the only ones who know. What counts is the median person, whom a few
    that always agree with each other cannot move. How many standard errors that person is better
    than guessing grows with the root of the number of people. Of fewer than four people everybody
    must be better than guessing.

    Args:
        right: votes of each person that are right.
        votes: all votes of each person, above 0.
        classes: labels that somebody who guesses draws from.
    """
    chance = 1 / classes
    leads = [
        (hits - cast * chance) / sqrt(cast * chance * (1 - chance))
        for hits, cast in zip(right, votes, strict=True)
    ]
    if len(leads) < JURY:
        return min(leads, default=0.0) > ERRORS
    return median(leads) * sqrt(len(leads)) > ERRORS


def in_accord(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two rows of labels agree more often than they would in any order, beyond doubt.

    Somebody who always says the same agrees with nobody.
    """
    number, others = len(one), Counter(other)
    by_chance = sum(count * others[label] for label, count in Counter(one).items()) / max(1, number)
    error = sqrt(by_chance * (1 - by_chance / max(1, number)))
    alike = sum(a == b for a, b in zip(one, other, strict=True))
    return alike - by_chance > ERRORS * error
