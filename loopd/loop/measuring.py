"""Owns how a round's model is measured: on a test set, else by cross-validation where needed.

What random draws say of accuracy is the audit's. Must not train the model, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from loopd.annotation.consensus import discarded
from loopd.evaluation.audit_intervals import LEAST, f1_interval, hits
from loopd.evaluation.metrics import Confusion, confusion, measure
from loopd.learning.learner import Model
from loopd.loop.audit_draws import training
from loopd.loop.audit_in_force import folds_in_force
from loopd.loop.tools import Tools
from loopd.machine import State
from loopd.metrics_log.measured import ASKED, CROSSED, TEST_BY, draws_suffice
from loopd.metrics_log.rows import number
from loopd.records import BatchItem, JsonValue, PoolId, Target

Figures = dict[str, JsonValue]


@dataclass(frozen=True)
class Measures:
    """What was measured of a model besides its random draws.

    Attributes:
        figures: flat numbers for the journal, see ``metrics_log.KEYS``.
        confusion: what was taken for what.
    """

    figures: Figures = field(default_factory=dict)
    confusion: Confusion = ()


def measures(state: State, model: Model, audit: Mapping[str, JsonValue], tools: Tools) -> Measures:
    """Measure the round's model by the best way that the run has.

    Args:
        state: what the journal says; the current round's model is trained.
        model: that of the round.
        audit: figures of the round's random draws, empty without any.
        tools: the parts of the loop.

    Raises:
        ModelError, Interrupted: as training does.
    """
    if tools.data.test is not None:
        return _on_test_set(model, tools)
    if state.tests and (judged := _on_labelled_test(state, model, tools)) is not None:
        return judged
    metric = tools.task.metric
    named: Figures = {} if metric == "accuracy" else {"metric": metric}
    if draws_suffice(audit, metric):
        return _on_draws(named, state, model, tools)
    return Measures({**named, **_by_cross_validation(state, tools)})


def predicted(tools: Tools, model: Model, ids: Collection[PoolId]) -> dict[PoolId, Target]:
    """What a model says of texts of the pool."""
    items = [BatchItem(id_) for id_ in ids]
    return {
        item.record_id: item.suggestion.value
        for item in tools.learner.suggested(model, items)
        if item.suggestion is not None
    }


def _on_test_set(model: Model, tools: Tools) -> Measures:
    test = tools.data.test
    if test is None:
        return Measures()
    gold = [record.gold if record.gold is not None else "" for record in test]
    guesses = tools.learner.predict(model, test)
    figures: Figures = {**measure(tools.task, gold, guesses)}
    if tools.task.metric != "accuracy" and not any((*gold, *guesses)):
        figures |= _unknown(tools)
    return Measures(figures, confusion(gold, guesses))


def _on_labelled_test(state: State, model: Model, tools: Tools) -> Measures | None:
    """On the test set that people label; ``None`` as long as too little of it is."""
    labels = tools.resolver.consensus(state, tools).targets
    ids = sorted(id_ for id_ in state.tests if id_ in labels)
    if len(ids) < LEAST:
        return None
    by_id = predicted(tools, model, ids)
    gold, guesses = [labels[id_] for id_ in ids], [by_id[id_] for id_ in ids]
    refused = len(discarded(state) & state.tests)
    waiting = len(state.tests) - len(ids) - refused - len(state.tests & state.deleted_texts)
    figures: Figures = {
        **_of_all(tools, gold, guesses),
        **_of_classes(tools, gold, guesses),
        "test_size": len(ids),
        TEST_BY: ASKED,
        "test_open": max(0, waiting),
        "test_discarded": refused,
    }
    return Measures(figures, confusion(gold, guesses))


def _on_draws(named: Figures, state: State, model: Model, tools: Tools) -> Measures:
    """Classes and confusions on the random draws; of the accuracy the audit tells."""
    labels = tools.resolver.consensus(state, tools).targets
    ids = [id_ for id_ in state.draws if id_ in labels]
    by_id = predicted(tools, model, ids)
    gold, guesses = [labels[id_] for id_ in ids], [by_id[id_] for id_ in ids]
    return Measures({**named, **_of_classes(tools, gold, guesses)}, confusion(gold, guesses))


def _by_cross_validation(state: State, tools: Tools) -> Figures:
    """What it says, if there are enough labels.

    It judges models like the round's own on the texts that train it, each by a model that was not
    shown it; so it costs a training for each part (see ``learning.cross_validation``).
    """
    share = tools.config.audit.share
    labels = training(tools.resolver.consensus(state, tools).targets, state, share)
    folds = folds_in_force(tools.config, state)
    if folds == 0 or len(labels) < LEAST:
        return {}
    by_id = tools.learner.cross_predicted(state.round, labels, folds)
    gold = [labels[id_] for id_ in by_id]
    told = _of_all(tools, gold, list(by_id.values()))
    metric = tools.task.metric
    kept = (metric, f"{metric}_low", f"{metric}_high")
    figures: Figures = {f"{CROSSED}{name}": told[name] for name in kept}
    return {**figures, f"{CROSSED}texts": len(by_id)}


def _of_all(tools: Tools, gold: Sequence[Target], guesses: Sequence[Target]) -> Figures:
    """Measures of all texts together; an F1 is unknown where hardly any text is marked."""
    told: Figures = {
        name: value
        for name, value in measure(tools.task, gold, guesses).items()
        if not name.startswith("f1.") and name not in ("macro_f1", "test_size")
    }
    metric = tools.task.metric
    if metric == "accuracy":
        return told
    interval = f1_interval(*hits(gold, guesses))
    if interval is None:
        return {**told, **_unknown(tools)}
    return {**told, f"{metric}_low": interval[0], f"{metric}_high": interval[1]}


def _unknown(tools: Tools) -> Figures:
    """No F1, where nothing is marked that could be right or wrong."""
    metric = tools.task.metric
    names = (metric, f"{metric}_low", f"{metric}_high", "macro_f1")
    return dict.fromkeys(names)


def _of_classes(tools: Tools, gold: Sequence[Target], guesses: Sequence[Target]) -> Figures:
    """F1 of each class that enough texts have by person or model, and the mean of these."""
    told = measure(tools.task, gold, guesses)
    shown = {
        f"f1.{label}": number(told, f"f1.{label}") or 0.0
        for label in tools.task.labels
        if sum(label in _names(a) | _names(b) for a, b in zip(gold, guesses, strict=True)) >= LEAST
    }
    return {"macro_f1": fmean(shown.values()), **shown} if shown else {}


def _names(target: Target) -> set[str]:
    """The labels in a target."""
    if isinstance(target, str):
        return {target}
    return {part if isinstance(part, str) else part.label for part in target}
