"""Owns which share of draws and how many folds hold for a run, whatever the configuration says.

What the configuration leaves open is what the run began with. Must not draw or measure anything.
"""

from __future__ import annotations

from loopd.config import Config
from loopd.config.audit import USUAL_FOLDS, USUAL_SHARE
from loopd.machine import State


def in_force(config: Config, state: State) -> Config:
    """The configuration with the share of draws that holds for the run.

    What the configuration says comes first, then what the run began with: one that began without
    draws never gets any by an upgrade. A run that has not begun gets draws where it has no test
    set.
    """
    if config.audit.random_share is not None:
        return config
    if state.started is not None:
        return with_share(config, state.started.random_share)
    return with_share(config, USUAL_SHARE if config.test is None else 0.0)


def folds_in_force(config: Config, state: State) -> int:
    """Parts of the cross-validation of a run; 0: none.

    What the configuration says comes first, then what the run began with: one of a version that had
    none gets none by an upgrade, as its rounds would take longer, and its batches be larger.
    """
    if config.audit.folds is not None:
        return config.audit.folds
    begun = state.started
    if begun is None or begun.folds is not None:
        return USUAL_FOLDS if begun is None or begun.folds is None else begun.folds
    return USUAL_FOLDS if begun.random_share > 0 else 0


def with_share(config: Config, share: float | None) -> Config:
    """The configuration with this share of draws, ``None`` for the usual one."""
    section = config.audit.model_copy(update={"random_share": share})
    return config.model_copy(update={"audit": section})
