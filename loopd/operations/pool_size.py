"""Owns what is said of the size of a pool, and whether a run waits until it grows; pure."""

from __future__ import annotations

from typing import Any

from loopd.annotation.consensus import outside
from loopd.config import Config
from loopd.machine import Phase, State


def added(state: State) -> int:
    """Texts that joined the pool after the run began."""
    return state.added + sum(intake.new for intake in state.intakes)


def pool_sentence(state: State) -> str:
    """How many texts there are; empty where the journal does not say."""
    if not state.texts:
        return ""
    more = f", {added(state):,} added" if state.intakes or state.added else ""
    less = f", {len(state.withdrawn):,} withdrawn" if state.withdrawn else ""
    return f"{state.texts:,} texts{more}{less}"


def pool_figures(state: State) -> dict[str, Any] | None:
    """The same for programs."""
    if not state.texts:
        return None
    left_out = {
        "duplicates": sum(intake.duplicates for intake in state.intakes),
        "refused": sum(intake.refused for intake in state.intakes),
    }
    counts = {"texts": state.texts, "added": added(state), **left_out}
    return {**counts, "intakes": len(state.intakes), "withdrawn": len(state.withdrawn)}


def waits_for_texts(state: State, config: Config) -> bool:
    """Whether every text was asked, and the run follows files that may bring more."""
    if config.pool.pace is None or state.phase not in (Phase.SEED, Phase.TRAIN, Phase.DECIDE):
        return False
    return 0 < state.texts <= len(state.planned_ids | outside(state))
