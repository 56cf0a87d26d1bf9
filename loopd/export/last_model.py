"""Owns the last model of a run: from the cache, or trained again just as it was."""

from __future__ import annotations

from collections.abc import Sequence

from loopd.config import Config
from loopd.errors import ModelError
from loopd.events import Event, ModelTrained, TextsWithdrawn
from loopd.export.rows import consensus_of
from loopd.learning.takeover import Tuned
from loopd.learning.trainer import Model
from loopd.loop.audit_draws import training
from loopd.loop.audit_in_force import with_share
from loopd.loop.tools import Tools
from loopd.loop.tuning import known_at, labels_at
from loopd.machine import State, fold


def last_trained(state: State) -> ModelTrained | None:
    """What the journal says of the last model; ``None`` before the first one."""
    return state.trained[max(state.trained)] if state.trained else None


def last_model(events: Sequence[Event], trained: ModelTrained, tools: Tools) -> Model:
    """A model that the journal tells of: from the cache, under the name that it has there.

    If it is gone it is trained again, from what was known then. A version of another recipe would
    give it another name, so that only the journal's own leads to it. Where texts were withdrawn
    since, it is another one, which was not shown them.

    Args:
        events: of the journal.
        trained: one of them.
        tools: the parts of the loop.

    Raises:
        ModelError: it is gone, and training gives another one, as after a change of the
            configuration.
        Interrupted: a stop was asked for.
    """
    at = max(index for index, event in enumerate(events) if event is trained)
    before = known_at(events, at)
    share = tools.config.audit.share
    labels = training(consensus_of(before, tools).targets, before, share)
    encoder = _encoder(events, trained, tools)
    name = tools.learner.model_id(trained.round, labels, encoder=encoder)
    is_unchanged = _is_unchanged(tools.config, before)
    if name == trained.model_id or is_unchanged:
        stored = tools.learner.stored(trained.model_id, trained.round, labels, encoder=encoder)
        if stored is not None:
            return stored
    is_without = any(isinstance(event, TextsWithdrawn) for event in events[at:])
    if name != trained.model_id and not (is_without and is_unchanged):
        raise ModelError(
            f"the model {trained.model_id} is not in the cache and cannot be made again: the "
            "configuration changed since, or loopd trains in another way now",
            "let `loopd run` finish a round, or restore the configuration that trained it; "
            "`--no-model` does without",
        )
    return tools.learner.fit(trained.round, labels, encoder=encoder)


def _is_unchanged(config: Config, before: State) -> bool:
    """Whether the configuration is the one that a model was trained under.

    The share of draws that holds for a run may be none that it names.
    """
    named = (config, with_share(config, None))
    return before.config_digest in {one.digest() for one in named}


def _encoder(events: Sequence[Event], trained: ModelTrained, tools: Tools) -> Tuned | None:
    number = trained.encoder_round
    if number is None:
        return None
    tuned = fold(events).trained[number]
    return Tuned(tuned.model_id, number, lambda: labels_at(events, number, tools))
