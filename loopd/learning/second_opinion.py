"""Owns ActiveLab: which texts, new or answered, one more answer would help most.

Must not know how votes became labels or what a copy is. Imports small-text at once.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from loopd.cleanlab_adapter import active_scores
from loopd.learning.arrays import Floats, Scores
from loopd.learning.doubts import doubts
from loopd.learning.strategies.uncertainty import LeastConfidence
from loopd.records import PoolId

DOUBTED = 0.5
"""From this probability on people's label of a text is wrong rather than right."""

SHARE = 0.5
"""Of a batch that doubted labels may take before all other texts."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A text that is worth one more answer.

    Attributes:
        record_id: pool id.
        score: informativeness in [0, 1], higher is more informative: one minus ActiveLab's, or for
            a doubted label the probability that it is wrong if that is higher.
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
        labels: what the votes were taken to say, by record id.
        askable: the records of which another opinion may be asked.
        proba: for each model the probabilities (C,) by record id, out of sample.
    """

    votes: Mapping[PoolId, Mapping[str, str]]
    labels: Mapping[PoolId, str]
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

    On that scale a big pool nearly always has new texts that are less sure than any answered one,
    so that nobody would be asked again. Half of a batch therefore goes to texts whose label is
    wrong rather than right (``doubts``), as far as there are any.

    The loop asks it about texts that have answers, too; small-text, which knows only new texts,
    gets what is left of the method: the least confident.

    Paper: Goh and Mueller 2023 (ActiveLab). Cost: scoring the pool, and a cross-validation on the
    labelled texts for each model. Needs: probabilities, the package cleanlab. Draws nothing.
    Scores: 1 - ActiveLab's score; of a doubted label at least how likely it is wrong.

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
    votes = _matrix(answered.votes, labels)
    old, new = _scores(answered, unanswered, votes, seed)
    scored = [(id_, score) for id_, score in zip(answered.votes, old, strict=True)]
    picks = [Pick(id_, float(1 - score), False) for id_, score in _least(unanswered.ids, new, size)]
    picks += [Pick(id_, float(1 - score), True) for id_, score in scored if id_ in answered.askable]
    wrong = _wrong(answered, votes, labels)
    first = _doubted(picks, wrong, size)
    taken = {text.record_id for text in first}
    rest = _ordered([text for text in picks if text.record_id not in taken])
    return _ordered([*first, *rest[: size - len(first)]])


def _ordered(picks: Sequence[Pick]) -> list[Pick]:
    return sorted(picks, key=lambda text: -text.score)


def _doubted(picks: Sequence[Pick], doubt_by_id: Mapping[PoolId, float], size: int) -> list[Pick]:
    """Texts whose label is wrong rather than right, the most doubted ones, for half of a batch."""
    doubted = [
        (doubt_by_id[text.record_id], text)
        for text in picks
        if text.again and doubt_by_id[text.record_id] >= DOUBTED
    ]
    most = sorted(doubted, key=lambda pair: -pair[0])[: math.ceil(SHARE * size)]
    return [replace(text, score=max(text.score, doubt)) for doubt, text in most]


def _wrong(answered: Answered, votes: Scores, labels: Sequence[str]) -> dict[PoolId, float]:
    """How likely the label is wrong, by record id, after the mean of the models."""
    proba = np.mean([[of_model[id_] for id_ in answered.votes] for of_model in answered.proba], 0)
    numbers = np.array([labels.index(answered.labels[id_]) for id_ in answered.votes])
    return dict(zip(answered.votes, doubts(votes, proba, numbers).tolist(), strict=True))


def _scores(
    answered: Answered, unanswered: Unanswered, votes: Scores, seed: int
) -> tuple[Scores, Scores]:
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
