"""Owns what is said of whether choosing pays, from flat figures of a round; must not measure it."""

from __future__ import annotations

from collections.abc import Mapping

from loopd.metrics_log.rows import number
from loopd.records import JsonValue

TELLING = 0.1
"""Differences by which two shares of texts must differ to be worth a word."""


def is_behind(row: Mapping[str, JsonValue]) -> bool:
    """Whether choosing is behind random draws, with 90 % confidence."""
    high = number(row, "audit.edge_high")
    return high is not None and high < 0


def edge_sentence(row: Mapping[str, JsonValue]) -> str:
    """Whether choosing pays, with what else speaks for it or against; empty while nothing does."""
    draws, mean = number(row, "audit.edge_draws"), number(row, "audit.edge")
    low, high = number(row, "audit.edge_low"), number(row, "audit.edge_high")
    if draws is None or mean is None or low is None or high is None:
        return ""
    span = f"{_points(low)} to {_points(high)}, {draws:.0f} random draws"
    amount = f"{abs(100 * mean):.0f} points"
    if high < 0:
        said = f"Choosing is behind: its labels teach a cheap model {amount} less than random ones"
    elif low > 0:
        said = f"Choosing pays: its labels teach a cheap model {amount} more than random ones"
    else:
        said = (
            f"Chosen labels cannot be told from random ones yet: {_points(mean)} points of accuracy"
        )
    return f"{said} ({span}).{_signs(row)}"


def _signs(row: Mapping[str, JsonValue]) -> str:
    """What may explain it, as far as it stands out."""
    chosen, drawn = number(row, "audit.chosen_disputed"), number(row, "audit.draws_disputed")
    if chosen is None or drawn is None or chosen - drawn < TELLING:
        return ""
    return (
        f" People differ on {_percent(chosen)} of the chosen texts and on {_percent(drawn)} of the "
        "random ones."
    )


def _points(share: float) -> str:
    return f"{100 * share:+.0f}" if round(100 * share) else "0"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
