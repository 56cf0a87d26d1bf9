"""Owns how good an exported model is, in numbers with intervals; must not measure anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loopd.machine import State
from loopd.metrics_log import writer
from loopd.metrics_log.measured import CROSSED
from loopd.metrics_log.rows import Row, measure_name, metric_of, number

TEST_SET, DRAWS = "the run's test set", "random draws from the run's pool"
LABELLED = "those that trained it, by cross-validation: most were chosen for being hard"


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
    """What is known of the model of a round, the test set's word first.

    A cross-validation is only told where there is nothing better.
    """
    row = next((row for row in writer.rows(state) if row["round"] == round_), None)
    if row is None:
        return ()
    better = _of_row(row, ("", TEST_SET, "test_size"), ("audit.", DRAWS, "audit.draws"))
    return tuple(better) or tuple(_of_row(row, (CROSSED, LABELLED, f"{CROSSED}texts")))


def _of_row(row: Row, *sources: tuple[str, str, str]) -> Iterator[Figure]:
    """Of each source (prefix of its keys, words, key of the number of texts) what it says."""
    metric = metric_of([row])
    for prefix, source, size in sources:
        name = f"{prefix}{metric}"
        value = number(row, name)
        if value is not None:
            low, high = number(row, f"{name}_low"), number(row, f"{name}_high")
            texts = int(number(row, size) or 0)
            yield Figure(metric, measure_name(metric), value, low, high, source, texts)
