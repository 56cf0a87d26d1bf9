"""Owns CROWDLAB on ballots: votes and out-of-sample predictions become labels; no predicting.

Imports numpy at once, so import this module only where the strategy is wanted.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopd.annotation.consensus.majority import VoteCount, count
from loopd.annotation.consensus.proof import in_accord
from loopd.annotation.consensus.votes import Ballots
from loopd.cleanlab_adapter import crowdlab as estimate
from loopd.records import PoolId

Proba = Mapping[PoolId, NDArray[np.floating[Any]]]
"""Probabilities (C,) by record id, columns in the order of the labels."""


def crowdlab(
    ballots: Ballots, labels: Sequence[str], proba: Proba, seed: int
) -> tuple[dict[PoolId, VoteCount], dict[str, float]] | None:
    """The consensus label of each record with its quality, and each annotator's quality.

    ``None`` where the model may agree with people by chance alone, or where CROWDLAB foretells
    answers that it has not seen worse than the majority does: a model that has learnt nothing must
    not outvote people.

    Args:
        ballots: votes for single labels; some record has two.
        labels: columns of the probabilities.
        proba: of a model that was not trained on the record, for every record with votes.
        seed: for ties that nothing else breaks.

    Raises:
        ModelError: cleanlab is not installed.
    """
    rows = np.stack([proba[id_] for id_ in ballots])
    if not _agreeing(ballots, labels, rows) or _lead(ballots, labels, rows, seed) < 0:
        return None
    votes, people = matrix(ballots, labels)
    estimated = estimate(votes, rows, seed)
    tallies = {
        id_: VoteCount(labels[int(label)], float(quality), count(ballots[id_], labels).tied)
        for id_, label, quality in zip(ballots, estimated.labels, estimated.quality, strict=True)
    }
    return tallies, dict(zip(people, estimated.annotators.tolist(), strict=True))


def _agreeing(ballots: Ballots, labels: Sequence[str], rows: NDArray[np.floating[Any]]) -> bool:
    """Whether the model agrees with the majority beyond chance.

    On all records, those with one answer too: second opinions are asked of records on which the
    model disagrees, and on these alone it could never prove anything.
    """
    guesses: list[int] = rows.argmax(axis=1).tolist()
    said = [str(count(votes, labels).target) for votes in ballots.values()]
    return in_accord([labels[guess] for guess in guesses], said)


def _lead(
    ballots: Ballots, labels: Sequence[str], rows: NDArray[np.floating[Any]], seed: int
) -> int:
    """How many more hidden answers CROWDLAB foretells than the majority of the others does.

    One answer is hidden on every other record that has several, and then on those between.
    """
    shared = [id_ for id_, votes in ballots.items() if len(votes) > 1]
    return sum(_lead_on(shared[part::2], ballots, labels, rows, seed) for part in range(2))


def _lead_on(
    hiding: Sequence[PoolId],
    ballots: Ballots,
    labels: Sequence[str],
    rows: NDArray[np.floating[Any]],
    seed: int,
) -> int:
    draw = random.Random(f"{seed}|crowdlab")  # noqa: S311 # no secret
    hidden = {id_: draw.choice(ballots[id_]) for id_ in hiding}
    left = {
        id_: tuple(vote for vote in votes if vote is not hidden.get(id_))
        for id_, votes in ballots.items()
    }
    if all(len(votes) < 2 for votes in left.values()):  # no two agree or differ
        return 0
    votes, _ = matrix(left, labels)
    guesses = dict(zip(left, estimate(votes, rows, seed).labels.tolist(), strict=True))
    return sum(
        (labels[guesses[id_]] == vote.target) - (count(left[id_], labels).target == vote.target)
        for id_, vote in hidden.items()
    )


def matrix(ballots: Ballots, labels: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
    """Class numbers (n, m) of the votes, NaN where there is none, and the m annotators."""
    number = {label: index for index, label in enumerate(labels)}
    people = sorted({vote.annotator for votes in ballots.values() for vote in votes})
    column = {person: index for index, person in enumerate(people)}
    votes = np.full((len(ballots), len(people)), np.nan)
    for row, cast in enumerate(ballots.values()):
        for vote in cast:
            votes[row, column[vote.annotator]] = number[str(vote.target)]
    return votes, people
