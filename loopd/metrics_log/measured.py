"""Owns which of a round's figures is the run's accuracy, and where it comes from; pure.

There is one such figure for each round: page, status, report, metrics log, stopping rules, plots
and Prometheus all take it from here. Must not measure anything itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loopd.metrics_log.rows import number
from loopd.records import JsonValue

if TYPE_CHECKING:
    from loopd.events import RoundEvaluated

Figures = Mapping[str, JsonValue]
"""Flat figures of a round: a row of the metrics log, or what the journal has of it."""

TEST, ASKED, DRAWS, CROSS = "test", "test-asked", "draws", "cross-validation"

SOURCES = (TEST, ASKED, DRAWS, CROSS)
"""Where the accuracy may come from, the best first; a run has one of the first two at most."""

SOURCE_NAMES: Mapping[str, str] = {
    TEST: "test set",
    ASKED: "test set that people labelled",
    DRAWS: "random draws",
    CROSS: "cross-validation",
}
"""Sources as people call them."""

ROW = ("measured", "measured_low", "measured_high", "measured_by", "measured_on")
"""Keys of the metrics log that hold the accuracy of a round."""

TEST_BY = "test_by"
"""Key of the figures of a test set that people label; its value is :data:`ASKED`."""

AUDIT, CROSSED = "audit.", "cross."
"""How the keys of figures begin that come from random draws and from a cross-validation."""

ENOUGH = 20
"""So many labelled draws take the place of a cross-validation (docs/adr/0018). A target is compared
with no accuracy that comes from fewer texts, unless they are a test set."""

CROSS_CAVEAT = (
    "Most labelled texts were chosen for being hard: on texts like the pool's the model is "
    "probably better."
)
FEW_CAVEAT = "So few draws say little yet."
FEW_LABELLED_CAVEAT = "So few test texts say little yet."

METRICS = ("accuracy", "micro_f1", "f1")
"""The measures by which kinds of tasks are judged."""


@dataclass(frozen=True, slots=True)
class Measured:
    """How good the model of a round is.

    Attributes:
        metric: the measure of the task: ``accuracy``, ``micro_f1`` or ``f1``.
        value: from 0 to 1.
        low, high: ends of its 95 % interval, ``None`` where that is not known.
        source: one of :data:`SOURCES`.
        count: texts that it was measured on.
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    source: str
    count: int

    @property
    def is_reliable(self) -> bool:
        """Whether a target may be compared with it."""
        return self.source == TEST or self.count >= ENOUGH

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def basis(self) -> str:
        """Where it comes from, as the end of a sentence such as "accuracy 0.81 ..."."""
        if self.source == TEST:
            return f"on {self.count:,} test texts" if self.count else "on the test set"
        if self.source == ASKED:
            return f"on a test set of {self.count:,} texts that people labelled"
        if self.source == DRAWS:
            return f"on {self.count:,} random draws"
        return f"by cross-validation on {self.count:,} labels"

    @property
    def caveat(self) -> str:
        """What the figure is not, in a sentence; empty where there is nothing to say."""
        if self.source == CROSS:
            return CROSS_CAVEAT
        if self.is_reliable:
            return ""
        return FEW_CAVEAT if self.source == DRAWS else FEW_LABELLED_CAVEAT

    def row(self) -> dict[str, JsonValue]:
        """The keys of the metrics log."""
        values = (self.value, self.low, self.high, self.source, self.count)
        return dict(zip(ROW, values, strict=True))


def measured(figures: Figures) -> Measured | None:
    """The accuracy of a round, or the measure of its kind of task; ``None`` while it is unknown.

    A test set comes first. Without one random draws do as soon as there are enough, before that a
    cross-validation; a few draws are better than nothing.
    """
    metric = judged_by(figures)
    draws = _from(figures, metric, AUDIT, DRAWS, "draws")
    if draws is not None and draws.count < ENOUGH:
        draws = _from(figures, metric, CROSSED, CROSS, "texts") or draws
    without = draws or _from(figures, metric, CROSSED, CROSS, "texts")
    tested = ASKED if figures.get(TEST_BY) == ASKED else TEST
    return _from(figures, metric, "", tested, "test_size") or without


def measured_in(event: RoundEvaluated) -> Measured | None:
    """The same of a round in the journal."""
    return measured({**event.metrics, **event.audit})


def from_draws(event: RoundEvaluated) -> Measured | None:
    """What the random draws of a round say, however few they are."""
    return _from(event.audit, judged_by({**event.metrics, **event.audit}), AUDIT, DRAWS, "draws")


def judged_by(figures: Figures) -> str:
    """The measure of the kind of task; older journals name it without a test set in draws only."""
    if metric := figures.get("metric"):
        return str(metric)
    others = (name for name in METRICS[1:] if f"{AUDIT}{name}" in figures)
    return next(others, METRICS[0])


def draws_suffice(audit: Figures, metric: str) -> bool:
    """Whether the draws measure the model, so that no cross-validation is needed."""
    draws = _from(audit, metric, AUDIT, DRAWS, "draws")
    return draws is not None and draws.count >= ENOUGH


def _from(figures: Figures, metric: str, prefix: str, source: str, count: str) -> Measured | None:
    """What one source says."""
    value = number(figures, f"{prefix}{metric}")
    if value is None:
        return None
    low, high = (number(figures, f"{prefix}{metric}_{end}") for end in ("low", "high"))
    return Measured(metric, value, low, high, source, int(number(figures, prefix + count) or 0))
