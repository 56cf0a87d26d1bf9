"""Owns what a model says of texts in the end: the target, how sure it is, and what comes second.

Must not train, choose or round anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loopd.learning.arrays import Positions, Proba
from loopd.learning.problems.problem import Problem
from loopd.learning.protocols import ModelScores
from loopd.records import Suggestion, Target


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of one text.

    Attributes:
        target: the label; several; or spans.
        score: its probability; for several labels and spans one of each. For no label at all the
            probability that none applies, for no span none.
        second: the most probable label that is not given; ``None`` for spans, or without another.
    """

    target: Target
    score: float | tuple[float, ...]
    second: str | None = None


def predictions(problem: Problem, scores: ModelScores, rows: Positions) -> list[Prediction]:
    """What the model itself says of texts, at positions (k,) of the features of its scores."""
    proposals = problem.proposals(scores, rows)
    seconds: Sequence[str | None] = [None] * len(proposals)
    if problem.kind != "spans":
        seconds = _seconds(problem.labels, proposals, scores.own(rows))
    return [
        Prediction(proposal.value, proposal.score, second)
        for proposal, second in zip(proposals, seconds, strict=True)
    ]


def _seconds(
    labels: Sequence[str], proposals: Sequence[Suggestion], proba: Proba
) -> list[str | None]:
    """The most probable label of each text (n,) that its proposal does not hold."""
    others = np.array(proba, dtype=np.float64)
    number = {label: column for column, label in enumerate(labels)}
    for row, proposal in enumerate(proposals):
        names = (proposal.value,) if isinstance(proposal.value, str) else proposal.value
        others[row, [number[str(name)] for name in names]] = -1.0
    best = others.argmax(axis=1) if len(others) else []
    return [labels[column] if others[row, column] >= 0 else None for row, column in enumerate(best)]
