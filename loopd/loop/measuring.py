"""Owns how a round's model is measured: on a test set, else by cross-validation where needed.

Random draws are the audit's. Must not train the model, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from loopd.evaluation.audit import LEAST
from loopd.evaluation.metrics import Confusion, confusion, measure
from loopd.learning.learner import Model
from loopd.loop.tools import Tools
from loopd.metrics_log.measured import CROSSED, draws_suffice
from loopd.records import JsonValue, Targets

Figures = dict[str, JsonValue]


def on_test_set(model: Model, tools: Tools) -> tuple[Figures, Confusion]:
    """Measures on the test set, and what was taken for what; both empty without one."""
    test = tools.data.test
    if test is None:
        return {}, ()
    gold = [record.gold if record.gold is not None else "" for record in test]
    predicted = tools.learner.predict(model, test)
    return measure(tools.task, gold, predicted), confusion(gold, predicted)


def without_test_set(
    round_number: int, labels: Targets, audit: Mapping[str, JsonValue], tools: Tools
) -> Figures:
    """The name of the measure, and while draws do not suffice what a cross-validation says.

    It judges models like the round's own on the texts that train it, each by a model that was not
    shown it; so it costs a training for each part (see ``learning.cross_validation``). Too few
    labels say nothing.

    Args:
        round_number: of the model.
        labels: that it was trained on.
        audit: figures of the round's random draws, empty without any.
        tools: the parts of the loop.

    Returns:
        ``metric`` where that is not accuracy, and keys ``cross.*`` of the metrics log.

    Raises:
        ModelError, Interrupted: as training does.
    """
    metric, folds = tools.task.metric, tools.config.audit.folds
    named: Figures = {} if metric == "accuracy" else {"metric": metric}
    if folds == 0 or len(labels) < LEAST or draws_suffice(audit, metric):
        return named
    guesses = tools.learner.cross_predicted(round_number, labels, folds)
    measures = measure(tools.task, [labels[id_] for id_ in guesses], list(guesses.values()))
    kept = (metric, f"{metric}_low", f"{metric}_high")
    figures = {f"{CROSSED}{name}": measures[name] for name in kept}
    return {**named, **figures, f"{CROSSED}texts": len(guesses)}
