"""Owns how good an exported model is, in numbers with intervals; must not measure anything."""

from __future__ import annotations

from dataclasses import dataclass

from loopd.machine import State
from loopd.metrics_log.measured import (
    ASKED,
    CROSS,
    DRAWS,
    TEST,
    Measured,
    from_draws,
    measured_in,
)
from loopd.metrics_log.rows import measure_name

SOURCES = {
    TEST: "the run's test set",
    ASKED: "the run's test set, a random part of its pool that people labelled",
    DRAWS: "random draws from the run's pool",
    CROSS: "those that trained it, by cross-validation: most were chosen for being hard",
}
"""Of a measure, in words."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of a model.

    Attributes:
        metric: its name in the metrics log, such as ``accuracy``.
        title: what people call it.
        value, low, high: from 0 to 1, with the ends of its 95 % interval where they are known.
        source: on what it was measured.
        texts: on how many.
    """

    metric: str
    title: str
    value: float
    low: float | None
    high: float | None
    source: str
    texts: int

    @property
    def words(self) -> str:
        """The figure for people."""
        span = ""
        if self.low is not None and self.high is not None:
            span = f" (95 % interval {self.low:.4f} to {self.high:.4f})"
        return f"{self.title} {self.value:.4f}{span} on {self.texts:,} texts of {self.source}"


def figures(state: State, round_: int) -> tuple[Figure, ...]:
    """What is known of the model of a round: its accuracy, and what draws say beside a test set."""
    evaluated = state.evaluated.get(round_)
    best = None if evaluated is None else measured_in(evaluated)
    if evaluated is None or best is None:
        return ()
    beside = from_draws(evaluated) if best.source in (TEST, ASKED) else None
    return tuple(_figure(one) for one in (best, beside) if one is not None)


def _figure(one: Measured) -> Figure:
    title = measure_name(one.metric)
    return Figure(one.metric, title, one.value, one.low, one.high, SOURCES[one.source], one.count)
