"""Owns whether a crowd has proved that it knows more than chance; pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import median

ERRORS = 3.0
"""Standard errors by which people must be better than guessing before any vote weighs more."""


def proven(right: Sequence[float], votes: Sequence[float], classes: int) -> bool:
    """Whether most people are better than guessing, beyond doubt.

    Who outvotes whom must not be decided by a crowd in which most people may be guessing: two who
    err alike then look like the only ones who know. What counts is the median person, whom a few
    that always agree with each other cannot move. How many standard errors that person is better
    than guessing grows with the root of the number of people.

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
    return bool(leads) and median(leads) * sqrt(len(leads)) > ERRORS
