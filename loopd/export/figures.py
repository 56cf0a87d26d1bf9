"""Owns how good an exported model is, in numbers with intervals; must not measure anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loopd.machine import State
from loopd.metrics_log import writer
from loopd.metrics_log.rows import Row, measure_name, metric_of, number

TEST_SET, DRAWS = "the run's test set", "random draws from the run's pool"


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
    """What is known of the model of a round, the test set's word first."""
    row = next((row for row in writer.rows(state) if row["round"] == round_), None)
    return () if row is None else tuple(_of_row(row))


def _of_row(row: Row) -> Iterator[Figure]:
    metric = metric_of([row])
    for prefix, source, size in (
        ("", TEST_SET, number(row, "test_size")),
        ("audit.", DRAWS, number(row, "audit.draws")),
    ):
        name = f"{prefix}{metric}"
        value = number(row, name)
        if value is not None:
            low, high = number(row, f"{name}_low"), number(row, f"{name}_high")
            title = measure_name(metric)
            yield Figure(metric, title, value, low, high, source, int(size or 0))
