"""Rows of a metrics log as a run would write them, and names that try to be more than text."""

from __future__ import annotations

from collections.abc import Sequence

from loopd.dashboard.figures import ConfusionMatrix
from loopd.metrics_log.rows import Row

HOSTILE = (
    "$\\frac{1}{0}$ <script>window.harmed = 1</script>",
    "_hidden",
    "日本語",
    'a&b "quoted" \'too\' </svg><img src=x onerror="window.harmed = 1">',
    "{{ 7 * 7 }} {% raw %}",
    "x" * 90,
)


def make_rows(count: int, labels: Sequence[str]) -> list[Row]:
    """So many rounds of a run that learns."""
    return [_row(number, labels) for number in range(count)]


def _row(number: int, labels: Sequence[str]) -> Row:
    accuracy = 0.9 - 0.4 / (number + 1)
    return {
        "round": number,
        "batch_id": f"b{number}",
        "labels": 20 * (number + 1),
        "accuracy": accuracy,
        "accuracy_low": accuracy - 0.05,
        "accuracy_high": accuracy + 0.04,
        "macro_f1": accuracy - 0.1,
        "stop.kappa_average.value": None if number < 2 else 0.9,
        "stop.kappa_average.stop": number > 3,
        "stop.max_rounds.value": number + 1,
        "stop.max_rounds.stop": False,
        "seconds.training": 1.5,
        "seconds.scoring": 0.25,
        "waiting.p50": float(number),
        "waiting.p95": 2.0 * number,
        "waiting.total": 3.0 * number,
        **{f"f1.{label}": accuracy - 0.01 * place for place, label in enumerate(labels)},
    }


def make_confusion(labels: Sequence[str]) -> ConfusionMatrix:
    """A matrix in which each label is often right and sometimes taken for the next."""
    size = len(labels)
    return ConfusionMatrix(
        tuple(labels),
        tuple(
            tuple(10 + row if row == column else (column == (row + 1) % size) * row
                  for column in range(size))
            for row in range(size)
        ),
    )  # fmt: skip
