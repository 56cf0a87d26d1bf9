"""Owns reading the metrics log of a run, and what its measures are called.

Must not write it, nor look at the journal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loopd.errors import DataError
from loopd.records import JsonValue

Row = dict[str, JsonValue]
"""One flat line of the metrics log: what one round measured."""

F1_PREFIX = "f1."
STOP_PREFIX = "stop."


def read_metrics(path: Path) -> list[Row]:
    """The rows of a ``metrics.jsonl``, oldest first; none where the file is not there yet.

    Raises:
        DataError: it cannot be read, or a line is not a JSON object.
    """
    try:
        lines = _whole_lines(path.read_bytes()).decode("utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from None
    return [_parse(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _whole_lines(content: bytes) -> bytes:
    """The content without a last line that a daemon has begun and not ended yet."""
    before, end, last = content.rpartition(b"\n")
    is_begun = last.startswith(b"{") and not last.endswith(b"}")
    return before + end if end and is_begun else content


def number(row: Mapping[str, JsonValue], key: str) -> float | None:
    """A number of a row, or ``None`` where it is absent or is none."""
    value = row.get(key)
    try:
        return float(value) if isinstance(value, (int, float)) else None
    except OverflowError:  # a whole number that nobody measured
        return None


def class_names(rows: Sequence[Row]) -> tuple[str, ...]:
    """The labels that have an F1 in any of the rows, in the order in which they turn up."""
    keys = dict.fromkeys(key for row in rows for key in row if key.startswith(F1_PREFIX))
    return tuple(key.removeprefix(F1_PREFIX) for key in keys)


def criterion_names(rows: Sequence[Row]) -> tuple[str, ...]:
    """The stopping criteria and rules that any of the rows records."""
    end = ".value"
    keys = [key for row in rows for key in row if key.startswith(STOP_PREFIX) and key.endswith(end)]
    return tuple(dict.fromkeys(key[len(STOP_PREFIX) : -len(end)] for key in keys))


def advice(row: Row) -> tuple[str, ...]:
    """The stopping criteria and rules that advise to stop after this round."""
    names = criterion_names([row])
    return tuple(name for name in names if row.get(f"{STOP_PREFIX}{name}.stop") is True)


def _parse(path: Path, number: int, line: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise DataError(
            f"{path}, line {number}: not a JSON object",
            "delete the file: the daemon writes it again from the journal",
        )
    return row


MEASURES = {
    "accuracy": "accuracy",
    "f1": "entity F1",
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "precision": "entity precision",
    "recall": "entity recall",
}
"""Measures, as people call them."""


def metric_of(rows: Iterable[Row]) -> str:
    """The measure by which the kind of task is judged, a key of the rows."""
    return next((str(row["metric"]) for row in rows if row.get("metric")), "accuracy")


def effort_of(rows: Iterable[Row]) -> str:
    """What people's work is counted in, a key of the rows.

    Answers where some asked for second opinions, which give no new label; else labels.
    """
    return "annotations" if any(number(row, "second_opinions") for row in rows) else "labels"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a curve shows, as people call it.

    Attributes:
        measure: what was measured.
        effort: over what: labels or annotations.
    """

    measure: str = "accuracy"
    effort: str = "labels"


USUAL = Terms()
"""Of a plain classification."""


def measure_name(metric: str) -> str:
    """A measure as people call it."""
    return MEASURES.get(metric, metric)
