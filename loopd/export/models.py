"""Owns which model of a run is exported, and what is said about it; torch is imported late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopd.errors import ModelError
from loopd.events import Event, ModelTrained
from loopd.export.rows import consensus_of
from loopd.learning.classifiers.contract import ClassifierContext, silent
from loopd.loop.draws import training
from loopd.loop.tools import Tools
from loopd.machine import State, fold
from loopd.storage.run_folder import CACHE_FOLDER

if TYPE_CHECKING:
    from loopd.export.portable import Exporter

LEAST_AGREEMENT = 0.99
"""Share of texts on which a text classifier must predict what ours does, or it is not exported."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What was exported.

    Attributes:
        id: of the model, as the journal has it.
        round: in which it was trained.
        labels: on so many.
        pipeline: which pipeline of ``transformers`` opens it.
        compared: texts of the pool on which it was compared with the run's own model.
        agreement: share of them with the same prediction.
        difference: mean absolute difference of the probabilities, ``None`` for spans.
        thresholds: multi label: from which probability on a label is given.
        accuracy: the run's own measure of the model, by name; empty without a test set.
    """

    id: str
    round: int
    labels: int
    pipeline: str
    compared: int
    agreement: float
    difference: float | None
    thresholds: dict[str, float]
    accuracy: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The card as plain values."""
        return asdict(self)


def export_model(
    events: Sequence[Event], state: State, tools: Tools, folder: Path, progress: Progress | None
) -> ModelCard:
    """Write the last model that the journal tells of as a folder for ``from_pretrained``.

    It is taken from the run's cache; if it is not there it is trained again.

    Args:
        events: of the journal.
        state: their fold.
        tools: the parts of the loop.
        folder: to write; must not exist.
        progress: called with (what, done, total).

    Raises:
        ModelError: there is no model, it has no stock form, it cannot be made again, or the stock
            form does not predict what ours does.
        Interrupted: a stop was asked for.
    """
    if not state.trained:
        raise ModelError("no model was trained yet", "wait for the first round, or `--no-model`")
    trained = state.trained[max(state.trained)]
    exporter = _exporter(tools, progress or silent)
    exporter.refuse_without_stock_form()
    classifier = exporter.stored(trained.model_id)
    if classifier is None:
        _train_again(events, trained, tools)
        classifier = exporter.stored(trained.model_id)
    portable = exporter.portable(classifier)
    portable.save(folder)
    comparison = exporter.compare(classifier, folder)
    if comparison.difference is not None and comparison.agreement < LEAST_AGREEMENT:
        raise ModelError(
            f"the model in its stock form agrees with the run's own on "
            f"{comparison.agreement:.1%} of {comparison.texts} texts only",
            "please report it, with the name of the encoder",
        )
    return ModelCard(
        id=trained.model_id,
        round=trained.round,
        labels=trained.labels - trained.held_out,
        pipeline=portable.pipeline,
        compared=comparison.texts,
        agreement=comparison.agreement,
        difference=comparison.difference,
        thresholds=dict(portable.thresholds),
        accuracy=_measured(state, trained.round, tools),
    )


def _exporter(tools: Tools, progress: Progress) -> Exporter:
    from loopd.export.portable import Exporter

    config = tools.config
    return Exporter(
        ClassifierContext(
            tools.data.pool,
            len(config.task.labels),
            config.classifier,
            config.run.dir / CACHE_FOLDER,
            (config.folder,),
            progress=progress,
            labels=config.task.labels,
            kind=config.task.type,
        )
    )


def _train_again(events: Sequence[Event], trained: ModelTrained, tools: Tools) -> None:
    """Put the model into the tools' cache again, from what was known when it was trained.

    Raises:
        ModelError: that gives another model, as after a change of the configuration.
    """
    before = fold(events[: max(index for index, event in enumerate(events) if event is trained)])
    share = tools.config.audit.share
    labels = training(consensus_of(before, tools).targets, before, share)
    if tools.learner.model_id(trained.round, labels) != trained.model_id:
        raise ModelError(
            f"the model {trained.model_id} is not in the cache and cannot be made again: the "
            "configuration changed since",
            "let `loopd run` finish a round, or export with `--no-model`",
        )
    tools.learner.fit(trained.round, labels)


def _measured(state: State, round_: int, tools: Tools) -> dict[str, Any]:
    evaluated = state.evaluated.get(round_)
    metrics = {} if evaluated is None else evaluated.metrics
    names = (tools.task.metric, f"{tools.task.metric}_low", f"{tools.task.metric}_high")
    return {name: metrics[name] for name in names if name in metrics}
