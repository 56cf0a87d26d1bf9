"""Owns what the audit says in words, from a row of the metrics log; must not measure anything."""

from __future__ import annotations

from loopd.metrics_log.edge import edge_sentence
from loopd.metrics_log.measured import judged_by
from loopd.metrics_log.rows import Row, measure_name, number

AUDIT_PREFIX = "audit."
"""Of the audit's keys in a row."""

UNKNOWN = "not known yet"

SHARE_NEEDED = "audit.random_share draws no records at random"


def has_audit(row: Row) -> bool:
    """Whether the row's round was audited."""
    return "audit.draws" in row


def audit_sentences(row: Row) -> tuple[str, ...]:
    """What the audit knows after a round, in plain sentences; the last word on what is unknown.

    Returns:
        Three sentences: how good the model is, what choosing saved, and what the next labels are
        expected to bring. One that says so where nothing is audited.
    """
    if not has_audit(row):
        return (f"Not audited: {SHARE_NEEDED}.",)
    return _model(row), _whole_choice(row), _next(row)


def audit_findings(row: Row) -> tuple[str, str]:
    """The same in two sentences: the model and the next labels, as far as known, and the choice."""
    model, ahead = _model(row), _next(row)
    if number(row, "audit.next_labels") is not None:
        model = f"{model.removesuffix('.')}; {ahead[:1].lower()}{ahead[1:]}"
    return model, _whole_choice(row)


def audit_sentence(row: Row) -> str:
    """The same in one line."""
    return " ".join(audit_sentences(row))


def _model(row: Row) -> str:
    draws = int(number(row, "audit.draws") or 0)
    metric = judged_by(row)
    measured = next((candidate for candidate in (metric, "accuracy") if _has(row, candidate)), None)
    if measured is None:
        return f"Accuracy on texts like the pool's: {UNKNOWN} ({_count(draws, 'random draw')})."
    value, low, high = _numbers(row, measured, f"{measured}_low", f"{measured}_high")
    open_ = int(number(row, "audit.open") or 0)
    waiting = f", {open_} more unanswered" if open_ else ""
    return (
        f"On texts like the pool's the model's {measure_name(measured)} is about {_percent(value)} "
        f"({_percent(low)} to {_percent(high)}, {_count(draws, 'random draw')}{waiting})."
    )


def _whole_choice(row: Row) -> str:
    """What choosing saved, and whether it pays as far as that is measured."""
    return " ".join(part for part in (_choice(row), edge_sentence(row)) if part)


def _choice(row: Row) -> str:
    labels, saved = number(row, "audit.compared"), number(row, "audit.saved")
    if labels is None or saved is None:
        return f"Labels saved by choosing: {UNKNOWN}."
    low, high = _numbers(row, "saved_low", "saved_high")
    span = f"{_signed(low)} to {_signed(high)}"
    count = f"the first {labels:.0f} chosen labels"
    if low > 0:
        more = " or more" if saved >= labels else ""
        return f"Choosing saved about {saved:.0f}{more} labels: {count} did the work of " + (
            f"{labels + saved:.0f} random ones (saved: {span})."
        )
    if high < 0:
        return f"Choosing cost about {-saved:.0f} labels: {count} did no more than " + (
            f"{labels + saved:.0f} random ones (saved: {span})."
        )
    return f"Whether choosing saves labels cannot be told yet ({count}; saved: {span})."


def _next(row: Row) -> str:
    ahead = number(row, "audit.next_labels")
    if ahead is None:
        return f"What the next labels will bring: {UNKNOWN}."
    gain, low, high = _numbers(row, "next_gain", "next_low", "next_high")
    return (
        f"The next {ahead:.0f} labels are expected to bring {100 * gain:.1f} points of accuracy "
        f"({100 * low:.1f} to {100 * high:.1f})."
    )


def _has(row: Row, metric: str) -> bool:
    return number(row, f"audit.{metric}") is not None


def _numbers(row: Row, *names: str) -> list[float]:
    return [number(row, f"audit.{name}") or 0.0 for name in names]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _signed(value: float) -> str:
    return f"{value:+.0f}" if round(value) else "0"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
