"""Owns CROWDLAB on ballots: votes and out-of-sample predictions become labels; no predicting.

Imports numpy at once, so import this module only where the strategy is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopd.annotation.consensus.tally import Tally, count
from loopd.annotation.consensus.votes import Ballots
from loopd.multiannotator import crowdlab as estimate

Proba = Mapping[str, NDArray[np.floating[Any]]]
"""Probabilities (C,) by record id, columns in the order of the labels."""


def crowdlab(
    ballots: Ballots, labels: Sequence[str], proba: Proba, seed: int
) -> tuple[dict[str, Tally], dict[str, float]]:
    """The consensus label of each record with its quality, and each annotator's quality.

    Args:
        ballots: votes for single labels; some record has two.
        labels: columns of the probabilities.
        proba: of a model that was not trained on the record, for every record with votes.
        seed: for ties that nothing else breaks.

    Raises:
        ModelError: cleanlab is not installed.
    """
    votes, people = matrix(ballots, labels)
    found = estimate(votes, np.stack([proba[id_] for id_ in ballots]), seed)
    tallies = {
        id_: Tally(labels[int(label)], float(quality), count(ballots[id_], labels).tied)
        for id_, label, quality in zip(ballots, found.labels, found.quality, strict=True)
    }
    return tallies, dict(zip(people, found.annotators.tolist(), strict=True))


def matrix(ballots: Ballots, labels: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
    """Class numbers (n, m) of the votes, NaN where there is none, and the m annotators."""
    number = {label: place for place, label in enumerate(labels)}
    people = sorted({vote.annotator for votes in ballots.values() for vote in votes})
    column = {person: place for place, person in enumerate(people)}
    votes = np.full((len(ballots), len(people)), np.nan)
    for row, given in enumerate(ballots.values()):
        for vote in given:
            votes[row, column[vote.annotator]] = number[str(vote.target)]
    return votes, people
