"""Owns how the arms of a backtest are compared over seeds; must not format or draw anything."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from loopd.backtest.interval import IntervalEstimate, estimate
from loopd.backtest.learning_curves import LearningCurve

TARGETS_SHOWN = 4


@dataclass(frozen=True, slots=True)
class LabelsToReach:
    """Labels at which an accuracy is first reached.

    Attributes:
        values: one for each seed, ``None`` where it was not reached.
        mean: only where every seed reached it: a mean of some would flatter.
        median: over all seeds, not reached counting as more than any; ``None`` where that is it.
    """

    values: tuple[int | None, ...]
    mean: IntervalEstimate | None
    median: float | None

    @property
    def count(self) -> int:
        """Seeds that reached it."""
        return sum(value is not None for value in self.values)


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Differences to another arm, paired by seed; positive is better than it.

    Attributes:
        arm: the other arm.
        seeds: those that both arms have.
        area, final: differences of the area under the curve and of the final accuracy.
    """

    arm: str
    seeds: tuple[int, ...]
    area: IntervalEstimate | None
    final: IntervalEstimate | None


@dataclass(frozen=True, slots=True)
class ArmSummary:
    """What the seeds of one arm measured together.

    Attributes:
        arm: its name.
        seeds: its runs.
        accuracy: by label count; counts that not every seed measured are left out.
        area: normalised area under the learning curve in the comparison's range.
        final: accuracy at the end of the range.
        reached: by accuracy.
        seconds: of a round: the mean of each run.
        difference: the comparison with the random arm, ``None`` without one.
    """

    arm: str
    seeds: tuple[int, ...]
    accuracy: Mapping[int, IntervalEstimate]
    area: IntervalEstimate | None
    final: IntervalEstimate | None
    reached: Mapping[float, LabelsToReach]
    seconds: IntervalEstimate | None
    difference: PairedDifference | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All arms, over the labels that every run of every arm covers.

    Attributes:
        low, high: that range; equal where it is one point or nothing.
        arms: in the order given.
    """

    low: int
    high: int
    arms: tuple[ArmSummary, ...]


def compare(
    curves: Sequence[LearningCurve],
    targets: Sequence[float] | None = None,
    baselines: Mapping[str, str] | None = None,
) -> Comparison:
    """Compare arms.

    Args:
        curves: one for each arm and seed.
        targets: accuracies to be reached; ``None`` takes multiples of 0.05 below the best.
        baselines: by arm the arm that it is compared with.
    """
    arms: dict[str, list[LearningCurve]] = {}
    for curve in curves:
        arms.setdefault(curve.arm, []).append(curve)
    low, high = _common_range(curves)
    accuracies = tuple(targets) if targets is not None else default_targets(curves)
    summaries = []
    for arm, own in arms.items():
        other = (baselines or {}).get(arm)
        difference = (
            None if other is None else _paired_difference(own, arms.get(other, []), low, high)
        )
        summaries.append(_summary(own, (low, high), accuracies, difference))
    return Comparison(low, high, tuple(summaries))


def default_targets(curves: Sequence[LearningCurve]) -> tuple[float, ...]:
    """The highest multiples of 0.05 that the mean of some arm ends at or above."""
    ends: dict[str, list[float]] = {}
    for curve in curves:
        if curve.accuracy:
            ends.setdefault(curve.arm, []).append(curve.accuracy[-1])
    best = max((math.fsum(values) / len(values) for values in ends.values()), default=0.0)
    top = math.floor(best * 20 + 1e-9)
    return tuple(step / 20 for step in range(max(1, top - TARGETS_SHOWN + 1), top + 1))


def _common_range(curves: Sequence[LearningCurve]) -> tuple[int, int]:
    """Labels that all curves cover."""
    if not curves or any(not curve.labels for curve in curves):
        return 0, 0
    low = max(curve.labels[0] for curve in curves)
    high = min(curve.labels[-1] for curve in curves)
    return (low, high) if low <= high else (0, 0)


def _summary(
    curves: Sequence[LearningCurve],
    span: tuple[int, int],
    targets: Sequence[float],
    difference: PairedDifference | None,
) -> ArmSummary:
    return ArmSummary(
        arm=curves[0].arm,
        seeds=tuple(curve.seed for curve in curves),
        accuracy=_by_labels(curves),
        area=_over(curves, lambda curve: curve.area(*span)),
        final=_over(curves, lambda curve: curve.at(span[1])),
        reached={target: _labels_to_reach(curves, target) for target in targets},
        seconds=estimate(
            [math.fsum(curve.seconds) / len(curve.seconds) for curve in curves if curve.seconds]
        ),
        difference=difference,
    )


def _by_labels(curves: Sequence[LearningCurve]) -> dict[int, IntervalEstimate]:
    counts = sorted({labels for curve in curves for labels in curve.labels})
    estimates = ((labels, _over(curves, lambda curve: curve.at(labels))) for labels in counts)  # noqa: B023 (used at once)
    return {labels: value for labels, value in estimates if value is not None}


def _over(
    curves: Iterable[LearningCurve], measure: Callable[[LearningCurve], float | None]
) -> IntervalEstimate | None:
    """The estimate over all curves, ``None`` unless every one of them has the value."""
    values = [measure(curve) for curve in curves]
    numbers = [value for value in values if value is not None]
    return estimate(numbers) if len(numbers) == len(values) else None


def _labels_to_reach(curves: Sequence[LearningCurve], accuracy: float) -> LabelsToReach:
    values = tuple(curve.labels_to_reach(accuracy) for curve in curves)
    numbers = [value for value in values if value is not None]
    median = statistics.median([math.inf if value is None else value for value in values])
    return LabelsToReach(
        values,
        estimate(numbers) if len(numbers) == len(values) else None,
        median if math.isfinite(median) else None,
    )


def _paired_difference(
    own: Sequence[LearningCurve], others: Sequence[LearningCurve], low: int, high: int
) -> PairedDifference | None:
    by_seed = {curve.seed: curve for curve in others}
    pairs = [(curve, by_seed[curve.seed]) for curve in own if curve.seed in by_seed]
    if not pairs:
        return None
    return PairedDifference(
        pairs[0][1].arm,
        tuple(curve.seed for curve, _ in pairs),
        _difference([(first.area(low, high), second.area(low, high)) for first, second in pairs]),
        _difference([(first.at(high), second.at(high)) for first, second in pairs]),
    )


def _difference(pairs: Sequence[tuple[float | None, float | None]]) -> IntervalEstimate | None:
    differences = [
        first - second for first, second in pairs if first is not None and second is not None
    ]
    return estimate(differences) if len(differences) == len(pairs) else None
