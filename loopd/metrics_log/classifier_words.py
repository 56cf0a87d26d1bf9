"""Owns what is said of the two classifiers of ``auto``, from flat figures; compares nothing."""

from __future__ import annotations

from collections.abc import Mapping

from loopd.metrics_log.rows import number
from loopd.records import JsonValue

CONTEST = "contest."
"""How the keys of the metrics log begin that tell of a comparison."""

RIGHT = "right."
"""How the keys of a comparison begin that count what a classifier had right."""


def contest_row(figures: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What a line of the metrics log holds of a comparison; nothing where there was none."""
    return {f"{CONTEST}{key}": value for key, value in figures.items()}


def contest_sentence(figures: Mapping[str, JsonValue], first: str) -> str:
    """Which classifier ``auto`` uses and why, in one sentence.

    Args:
        figures: of the last comparison; empty before the first one.
        first: the classifier with which a run begins.
    """
    if not figures:
        return f"`auto` uses {first}: it has not been compared with the other yet."
    texts, used = number(figures, "texts") or 1.0, str(figures["next"])
    shares = [
        f"{key.removeprefix(RIGHT)} has {100 * (number(figures, key) or 0.0) / texts:.0f} % right"
        for key in figures
        if key.startswith(RIGHT)
    ]
    kind = "random draws" if figures["by"] == "draws" else "labelled texts"
    why = _STAYS if used == first else _LEVEL
    return (
        f"`auto` uses {used}: of {texts:.0f} {kind} that neither had learned from "
        f"{' and '.join(shares)}, {why}."
    )


_STAYS = "and the cheaper one is not shown to be as good"
_LEVEL = "and the dearer one would have to be clearly ahead"
