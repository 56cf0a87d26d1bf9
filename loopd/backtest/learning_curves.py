"""Owns the learning curves of a backtest, one for each arm and seed; must not compare them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from loopd.metrics_log.rows import Row, number


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """What one run measured, by round.

    Attributes:
        arm: name of the arm.
        seed: of the run.
        labels: labels that the model of each round was trained on, never falling; annotations
            behind them where those were asked for.
        accuracy: on the test set, as long as ``labels``; another measure where it was asked for.
        seconds: from the last answer of a round to the next batch chosen: training, scoring the
            pool, choosing; without the last round, after which none is chosen.
    """

    arm: str
    seed: int
    labels: tuple[int, ...]
    accuracy: tuple[float, ...]
    seconds: tuple[float, ...]

    def at(self, labels: float) -> float | None:
        """Accuracy with so many labels: that of the last round that had no more.

        ``None`` before the first round and after the last one: nothing was measured there.
        """
        index = bisect_right(self.labels, labels)
        measured = index > 0 and labels <= self.labels[-1]
        return self.accuracy[index - 1] if measured else None

    def labels_to_reach(self, accuracy: float) -> int | None:
        """Labels of the first round with at least this accuracy, ``None`` if there is none."""
        pairs = zip(self.labels, self.accuracy, strict=True)
        return next((labels for labels, value in pairs if value >= accuracy), None)

    def area(self, low: float, high: float) -> float | None:
        """Area under the curve from ``low`` to ``high`` labels, divided by their distance.

        By trapezoids between rounds; ``None`` where the curve does not cover the range.
        """
        if not self.labels or not self.labels[0] <= low < high <= self.labels[-1]:
            return None
        inner = [labels for labels in self.labels if low < labels < high]
        places = [low, *dict.fromkeys(inner), high]
        heights = [self._between(count) for count in places]
        area = math.fsum(
            (right - left) * (first + second) / 2
            for (left, right), (first, second) in zip(
                pairwise(places), pairwise(heights), strict=True
            )
        )
        return area / (high - low)

    def _between(self, labels: float) -> float:
        """Accuracy on the straight line between two rounds; of two rounds alike, the later."""
        index = bisect_right(self.labels, labels)
        if index == len(self.labels) or self.labels[index - 1] == labels:
            return self.accuracy[index - 1]
        left, right = self.labels[index - 1 : index + 1]
        first, second = self.accuracy[index - 1 : index + 1]
        return first + (second - first) * (labels - left) / (right - left)


def learning_curves(
    rows: Iterable[Row], metric: str = "accuracy", effort: str = "labels"
) -> tuple[LearningCurve, ...]:
    """The curves in rows of the metrics log that also name ``arm`` and ``seed``.

    Args:
        rows: those of one run stand in the order of rounds; a round without the measure is left
            out.
        metric: key of the measure.
        effort: key of what people's work is counted in.
    """
    runs: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        runs.setdefault((str(row["arm"]), int(number(row, "seed") or 0)), []).append(row)
    return tuple(_curve(run, points, metric, effort) for run, points in runs.items())


def _curve(run: tuple[str, int], rows: Sequence[Row], metric: str, effort: str) -> LearningCurve:
    points = [
        (int(labels), accuracy)
        for row in rows
        if (labels := number(row, effort)) is not None
        and (accuracy := number(row, metric)) is not None
    ]
    seconds = tuple(_turnaround(row, after) for row, after in pairwise(rows))
    return LearningCurve(
        *run,
        tuple(labels for labels, _ in points),
        tuple(accuracy for _, accuracy in points),
        seconds,
    )


def _turnaround(row: Row, after: Row) -> float:
    own = sum(number(row, f"seconds.{name}") or 0.0 for name in ("training", "scoring"))
    return own + (number(after, "seconds.choosing") or 0.0)
