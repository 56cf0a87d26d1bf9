"""Owns the table of rounds for a terminal; must not read files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from loopd.metrics_log.measured import ASKED, CROSS, DRAWS, measured
from loopd.metrics_log.rows import Row, advice, measure_name, metric_of, number


@dataclass(frozen=True, slots=True)
class TextColumn:
    """One column: a heading, a width in characters, and how a row becomes a cell."""

    heading: str
    width: int
    cell: Callable[[Row], str]


def round_header(metric: str = "accuracy") -> str:
    """The heading above the lines of :func:`round_line`, ruled."""
    names = [column.heading.format(measure=measure_name(metric)) for column in COLUMNS]
    headings = "  ".join(
        name.rjust(column.width) for name, column in zip(names, COLUMNS, strict=True)
    )
    return f"{headings}  {ADVICE}\n{'-' * (len(headings) + 2 + len(ADVICE))}"


def round_line(row: Row) -> str:
    """One round as a line of fixed columns; what the round did not measure is ``-``."""
    cells = "  ".join(column.cell(row).rjust(column.width) for column in COLUMNS)
    return f"{cells}  {', '.join(advice(row)) or '-'}"


def round_table(rows: Iterable[Row]) -> str:
    """Heading and one line for each round."""
    listed = list(rows)
    return "\n".join([round_header(metric_of(listed)), *(round_line(row) for row in listed)])


def _count(key: str) -> Callable[[Row], str]:
    return lambda row: _shown(number(row, key), "{:.0f}")


def _share(key: str) -> Callable[[Row], str]:
    return lambda row: _shown(number(row, key), "{:.3f}")


def _seconds(key: str) -> Callable[[Row], str]:
    return lambda row: _shown(number(row, key), "{:.1f} s")


def _measure(row: Row) -> str:
    accuracy = measured(row)
    if accuracy is None:
        return "-"
    within = "" if accuracy.interval is None else " [{:.3f}-{:.3f}]".format(*accuracy.interval)
    return f"{accuracy.value:.3f}{within}{SHORT.get(accuracy.source, '')}"


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


SHORT = {ASKED: " asked", DRAWS: " draws", CROSS: " cross"}
"""Behind an accuracy that is no file's: a test set that people label, random draws,
cross-validation."""

ADVICE = "advise to stop"

COLUMNS = (
    TextColumn("round", 5, _count("round")),
    TextColumn("labels", 6, _count("labels")),
    TextColumn("discarded", 9, _count("discarded")),
    TextColumn("{measure} [95 % interval]", 25, _measure),
    TextColumn("macro-F1", 8, _share("macro_f1")),
    TextColumn("training", 9, _seconds("seconds.training")),
    TextColumn("waiting", 9, _seconds("seconds.waiting")),
)
