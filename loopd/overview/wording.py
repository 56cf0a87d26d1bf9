"""Owns how numbers, times and names of figures are written for people; pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

from loopd.evaluation.audit_intervals import LEAST
from loopd.metrics_log.audit import UNKNOWN, has_audit
from loopd.metrics_log.rows import Row, number
from loopd.printable import one_line
from loopd.records import JsonValue

PHASES = (
    ("publish", "Publish"),
    ("collect", "People answer"),
    ("train", "Train"),
    ("evaluate", "Measure"),
    ("decide", "Choose"),
)
"""The stations of the loop, as people call them."""

UNMARKED = ("f1", "micro_f1", "cross.f1", "cross.micro_f1")
"""Figures that are null where hardly any text is marked that could be right or wrong."""

FIGURES = {
    "consensus.agreement": "Mean agreement of two answers on one text",
    "consensus.alpha": "Krippendorff's alpha",
    "consensus.disputed": "Texts on which people differ",
    "consensus.ties": "Ties settled by rule",
    "consensus.quality": "Mean quality of the labels",
}
"""Figures of the metrics log, as people call them."""


def share(value: float | None) -> str:
    """A number from 0 to 1 with three decimals."""
    return "-" if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """A share as whole percent."""
    return "-" if value is None else f"{100 * value:.0f} %"


def figure(value: JsonValue) -> str:
    """A figure of the metrics log, whatever it is."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) > 1:
        value = int(value)  # a count that went through arithmetic
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else one_line(str(value))


def figure_name(key: str) -> str:
    """What a figure of the metrics log is called; its key in words without a better name."""
    plain = key.rpartition(".")[2].replace("_", " ")
    return FIGURES.get(key, one_line(plain[:1].upper() + plain[1:]))


def duration(seconds: float | None) -> str:
    """A length of time with its two largest units."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def ago(at: float, now: float) -> str:
    """How long ago a moment was."""
    return f"{duration(max(0.0, round(now - at)))} ago"


def iso(at: float) -> str:
    """A moment as machines read it: ISO 8601 in UTC."""
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="seconds")


def moment(at: float) -> str:
    """A moment for people, in UTC."""
    return f"{datetime.fromtimestamp(at, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"


def exact(value: JsonValue) -> str:
    """The value as the metrics log has it."""
    return json.dumps(value, ensure_ascii=False)


def short(value: float, digits: int = 3) -> str:
    """The number for people: whole ones whole, others with so many digits behind the point."""
    if isinstance(value, int) or digits == 0:
        return f"{value:,.0f}"
    return f"{value:,.{digits}f}"


def as_text(value: JsonValue) -> str:
    """A value that is no number."""
    return value if isinstance(value, str) else exact(value)


def unmeasured(rows: Sequence[Row]) -> str:
    """Why a run has no accuracy yet, as a part of a sentence."""
    if not rows:
        return "measured from the first round on"
    last = rows[-1]
    if any(key in last and last[key] is None for key in UNMARKED):
        return "not enough texts are marked to measure it yet"
    if has_audit(last) or (number(last, "labels") or 0) < LEAST:
        return "too few labels to measure yet"
    return "there is no test set, so no accuracy"


WAYS: tuple[Callable[..., str], ...] = (
    ago, as_text, duration, exact, figure, figure_name, iso, moment, percent, share, short,
    unmeasured,
)  # fmt: skip
"""All of them, which templates use as filters."""
