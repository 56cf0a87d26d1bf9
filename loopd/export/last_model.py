"""Owns the last model of a run: from the cache, or trained again just as it was."""

from __future__ import annotations

from collections.abc import Sequence

from loopd.errors import ModelError
from loopd.events import Event, ModelTrained
from loopd.export.rows import consensus_of
from loopd.learning.trainer import Model
from loopd.loop.draws import training
from loopd.loop.tools import Tools
from loopd.machine import State, fold


def last_trained(state: State) -> ModelTrained | None:
    """What the journal says of the last model; ``None`` before the first one."""
    return state.trained[max(state.trained)] if state.trained else None


def last_model(events: Sequence[Event], trained: ModelTrained, tools: Tools) -> Model:
    """A model that the journal tells of, from what was known when it was trained.

    Args:
        events: of the journal.
        trained: one of them.
        tools: the parts of the loop.

    Raises:
        ModelError: that gives another model, as after a change of the configuration.
        Interrupted: a stop was asked for.
    """
    before = fold(events[: max(index for index, event in enumerate(events) if event is trained)])
    share = tools.config.audit.share
    labels = training(consensus_of(before, tools).targets, before, share)
    if tools.learner.model_id(trained.round, labels) != trained.model_id:
        raise ModelError(
            f"the model {trained.model_id} is not in the cache and cannot be made again: the "
            "configuration changed since",
            "let `loopd run` finish a round, or restore the configuration that trained it; "
            "`loopd export --no-model` does without",
        )
    return tools.learner.fit(trained.round, labels)
