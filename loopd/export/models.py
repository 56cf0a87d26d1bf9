"""Owns which model of a run is exported, and what is said about it; torch is imported late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopd.errors import ModelError
from loopd.events import Event
from loopd.export.figures import Figure, figures
from loopd.export.last_model import last_model, last_trained
from loopd.learning.auto_classifiers import CONTENDERS, section_of
from loopd.learning.classifiers.contract import ClassifierContext, silent
from loopd.loop.tools import Tools
from loopd.machine import State
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
        id: of the model, as the journal has it unless texts were withdrawn since.
        round: in which it was trained.
        labels: on so many.
        pipeline: which pipeline of ``transformers`` opens it.
        compared: texts of the pool on which it was compared with the run's own model.
        agreement: share of them with the same prediction.
        difference: mean absolute difference of the probabilities, ``None`` for spans.
        thresholds: multi label: from which probability on a label is given.
        accuracy: the run's own measure of the model, by name; empty without a test set.
        figures: how good it is, with what it was measured on; none where nothing was measured.
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
    figures: tuple[Figure, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The card as plain values."""
        shown = [{**asdict(figure), "words": figure.words} for figure in self.figures]
        return {**asdict(self), "figures": shown}


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
    trained = last_trained(state)
    if trained is None:
        raise ModelError("no model was trained yet", "wait for the first round, or `--no-model`")
    tools = tools.having(trained.classifier)
    exporter = _exporter(tools, trained.classifier, progress or silent)
    exporter.refuse_without_stock_form()
    model = last_model(events, trained, tools)
    classifier = exporter.stored(model.id)
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
        id=model.id,
        round=trained.round,
        labels=trained.labels - trained.held_out,
        pipeline=portable.pipeline,
        compared=comparison.texts,
        agreement=comparison.agreement,
        difference=comparison.difference,
        thresholds=dict(portable.thresholds),
        accuracy=_measured(state, trained.round, tools),
        figures=figures(state, trained.round),
    )


def _exporter(tools: Tools, classifier: str, progress: Progress) -> Exporter:
    from loopd.export.portable import Exporter

    config = tools.config
    return Exporter(
        ClassifierContext(
            tools.data.pool,
            len(config.task.labels),
            section_of(config.classifier, classifier or CONTENDERS[0]),
            config.run.dir / CACHE_FOLDER,
            (config.folder,),
            progress=progress,
            labels=config.task.labels,
            kind=config.task.type,
        )
    )


def _measured(state: State, round_: int, tools: Tools) -> dict[str, Any]:
    evaluated = state.evaluated.get(round_)
    metrics = {} if evaluated is None else evaluated.metrics
    names = (tools.task.metric, f"{tools.task.metric}_low", f"{tools.task.metric}_high")
    return {name: metrics[name] for name in names if name in metrics}
