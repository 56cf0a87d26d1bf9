"""Owns ActiveLab: which texts, new or answered, one more answer would help most.

Must not know how votes became labels or what a copy is. Imports small-text at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loopd.cleanlab_adapter import active_scores
from loopd.learning.arrays import Floats, Scores
from loopd.learning.strategies.uncertainty import LeastConfidence
from loopd.records import PoolId


@dataclass(frozen=True, slots=True)
class Pick:
    """A text that is worth one more answer.

    Attributes:
        record_id: pool id.
        score: informativeness in [0, 1], higher is more informative: one minus ActiveLab's.
        again: whether it has an answer already.
    """

    record_id: PoolId
    score: float
    again: bool


@dataclass(frozen=True)
class Answered:
    """Texts that have answers.

    Attributes:
        votes: label by annotator, by record id.
        askable: the records of which another opinion may be asked.
        proba: for each model the probabilities (C,) by record id, out of sample.
    """

    votes: Mapping[PoolId, Mapping[str, str]]
    askable: Collection[PoolId]
    proba: Sequence[Mapping[PoolId, Floats]]


@dataclass(frozen=True)
class Unanswered:
    """Texts that are new to annotators.

    Attributes:
        ids: record ids.
        proba: for each model the probabilities (u, C), rows in the order of the ids.
    """

    ids: Sequence[PoolId]
    proba: Sequence[Floats]


class ActiveLab(LeastConfidence):
    """Lowest confidence in the label: a new text's, or that of a text with answers.

    The loop asks it about texts that have answers, too; small-text, which knows only new texts,
    gets what is left of the method: the least confident.

    Paper: Goh and Mueller 2023 (ActiveLab). Cost: scoring the pool, and a cross-validation on the
    labelled texts for each model. Needs: probabilities, the package cleanlab. Draws nothing.
    Scores: 1 - ActiveLab's score.

    Args:
        ensemble: how many models are asked, each with another seed; where training draws nothing
            (``frozen-head``, ``tfidf``) each but the first with random weights of the texts.
    """

    def __init__(self, ensemble: int = 1) -> None:
        if ensemble < 1:
            raise ValueError("ensemble must be at least 1")
        self.ensemble = ensemble

    def __str__(self) -> str:
        return f"ActiveLab(ensemble={self.ensemble})"


def pick(
    answered: Answered, unanswered: Unanswered, labels: Sequence[str], *, size: int, seed: int
) -> list[Pick]:
    """The texts for which one more answer helps most, best first.

    Equal scores go to new texts, then to the order in which they came.

    Args:
        answered, unanswered: all votes and probabilities there are.
        labels: columns of the probabilities.
        size: how many; fewer where fewer may be asked about.
        seed: for ties that nothing else breaks.

    Raises:
        ModelError: cleanlab is not installed.
    """
    if size <= 0:
        return []
    old, new = _scores(answered, unanswered, labels, seed)
    picks = [Pick(id_, float(1 - score), False) for id_, score in _least(unanswered.ids, new, size)]
    scored = [(id_, score) for id_, score in zip(answered.votes, old, strict=True)]
    picks += [Pick(id_, float(1 - score), True) for id_, score in scored if id_ in answered.askable]
    return sorted(picks, key=lambda text: -text.score)[:size]


def _scores(
    answered: Answered, unanswered: Unanswered, labels: Sequence[str], seed: int
) -> tuple[Scores, Scores]:
    votes = _matrix(answered.votes, labels)
    proba = np.stack([[of_model[id_] for id_ in answered.votes] for of_model in answered.proba])
    return active_scores(votes, proba, np.stack(list(unanswered.proba)), seed)


def _matrix(votes: Mapping[PoolId, Mapping[str, str]], labels: Sequence[str]) -> Scores:
    """Class numbers (n, m), NaN where an annotator gave none."""
    number = {label: index for index, label in enumerate(labels)}
    people = sorted({person for of_text in votes.values() for person in of_text})
    column = {person: index for index, person in enumerate(people)}
    matrix = np.full((len(votes), len(people)), np.nan)
    for row, of_text in enumerate(votes.values()):
        for person, label in of_text.items():
            matrix[row, column[person]] = number[label]
    return matrix


def _least(ids: Sequence[PoolId], scores: Scores, size: int) -> list[tuple[PoolId, float]]:
    order = np.argsort(scores, kind="stable")[:size]
    return [(ids[index], float(scores[index])) for index in order.tolist()]
