"""Owns what the random draws of a run say after a round, as flat numbers for the journal.

Must not choose or train anything that the run uses. Where too little is known yet a number is
``None``, and never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import islice
from typing import Any

import numpy as np

from loopd.annotation.consensus import discarded, outside, unresolved
from loopd.evaluation.audit_intervals import (
    LEAST,
    Counted,
    f1_interval,
    hits,
    stratified_interval,
    stratified_share,
)
from loopd.evaluation.gain_forecast import AHEAD, ROUNDS, expected
from loopd.evaluation.savings import Head, Material, Savings, compare
from loopd.learning.learner import Model
from loopd.learning.seeding import for_step
from loopd.loop.audit_draws import PURPOSE
from loopd.loop.edge import edge_figures, selected_items, signs
from loopd.loop.measuring import predicted
from loopd.loop.strata import Stratum, strata
from loopd.loop.tools import Tools
from loopd.machine import State
from loopd.records import JsonValue, PoolId, Targets

Figures = dict[str, JsonValue]

FORESEEN = 100
"""So many texts that will be drawn next are predicted too: later rounds compare models on them."""

MOST_GIVEN, MOST_CHOSEN = 300, 500
"""Labels from before the run that both arms learn from, and chosen labels that are looked at."""

UNKNOWN: Mapping[str, None] = dict.fromkeys(
    (
        "audit.accuracy",
        "audit.accuracy_low",
        "audit.accuracy_high",
        "audit.compared",
        "audit.chosen_accuracy",
        "audit.random_accuracy",
        "audit.gain",
        "audit.gain_low",
        "audit.gain_high",
        "audit.saved",
        "audit.saved_low",
        "audit.saved_high",
        "audit.next_labels",
        "audit.next_gain",
        "audit.next_low",
        "audit.next_high",
    )
)
"""Figures that may be unknown, in their order."""


@dataclass(frozen=True)
class Audit:
    """What a round's audit found.

    Attributes:
        figures: flat numbers, see ``metrics_log.KEYS``; empty without an audit.
        predicted: what the model says of the draws, and of texts that will be drawn, by pool id;
            with ``since`` only what the model of that round did not say.
        since: a round before, ``None`` where all is said.
    """

    figures: Mapping[str, JsonValue] = field(default_factory=dict)
    predicted: Targets = field(default_factory=dict)
    since: int | None = None


def audited(state: State, tools: Tools, model: Model) -> Audit:
    """Judge the round's model, and the choice of texts, by the draws that have a label.

    Args:
        state: what the journal says; the current round's model is trained.
        tools: the parts of the loop.
        model: the round's model.
    """
    if tools.config.audit.share == 0:
        return Audit()
    drawn, taken = state.draws, state.planned_ids | outside(state)
    ahead = [id_ for id_ in tools.aside(state) if id_ not in taken][:FORESEEN]
    guesses = predicted(tools, model, [*drawn, *ahead])
    labels_by_id = tools.resolver.consensus(state, tools).targets
    gold = {id_: labels_by_id[id_] for id_ in drawn if id_ in labels_by_id}
    refused = discarded(state).intersection(drawn)
    comparison = _compared(state, tools, gold, labels_by_id)
    figures: Figures = {
        "audit.draws": len(gold),
        "audit.discarded": len(refused),
        "audit.open": len(set(drawn) - set(gold) - refused - state.deleted_texts),
        **UNKNOWN,
        **_measured(strata(state, tools.data.pool, tools.aside(state)), tools, gold, guesses),
        **comparison,
        **(signs(state, tools, labels_by_id) if "audit.edge" in comparison else {}),
        **_foreseen(state, tools, gold, guesses),
    }
    return Audit(figures, *_news(state, guesses))


def _news(state: State, guesses: Targets) -> tuple[Targets, int | None]:
    """What the last model did not say, and the round of it; everything where it said too much."""
    since = max(state.predicted, default=None)
    before: Targets = {} if since is None else state.predicted[since]
    if since is None or not before.keys() <= guesses.keys():
        return guesses, None
    changed = (id_ for id_, target in guesses.items() if before.get(id_) != target)
    return {id_: guesses[id_] for id_ in changed}, since


# -- how good the model is -------------------------------------------------------------------------


def _measured(parts: Sequence[Stratum], tools: Tools, gold: Targets, guesses: Targets) -> Figures:
    if len(gold) < LEAST:
        return {}
    counted = [_counted(part, gold, guesses) for part in parts]
    low, high = stratified_interval(counted)
    figures: Figures = {
        "audit.accuracy": stratified_share(counted),
        "audit.accuracy_low": low,
        "audit.accuracy_high": high,
    }
    return figures | _f1(parts, tools, gold, guesses)


def _counted(part: Stratum, gold: Targets, guesses: Targets) -> Counted:
    """How many of a stratum's labelled draws the model gets right."""
    ids = part.draws & gold.keys()
    return Counted(sum(guesses[id_] == gold[id_] for id_ in ids), len(ids), part.texts)


def _f1(parts: Sequence[Stratum], tools: Tools, gold: Targets, guesses: Targets) -> Figures:
    """The measure by which the kind of task is judged, where it is not accuracy.

    Of a stratum without a labelled draw nothing is assumed: the measure is that of the others.
    """
    if tools.task.metric == "accuracy":
        return {}
    weights = _weights(parts, gold)
    right, either = hits([*gold.values()], [guesses[id_] for id_ in gold])
    interval = f1_interval(right, either, weights)
    if interval is None:
        return {}
    name = f"audit.{tools.task.metric}"
    f1 = 2 * float(np.dot(right, weights)) / float(np.dot(either, weights))
    return {name: f1, f"{name}_low": interval[0], f"{name}_high": interval[1]}


def _weights(parts: Sequence[Stratum], gold: Targets) -> list[float]:
    """How many texts each labelled draw stands for, with mean 1."""
    drawn = [(part.draws & gold.keys(), part.texts) for part in parts]
    weight_by_id = {id_: texts / len(ids) for ids, texts in drawn for id_ in ids}
    mean = sum(weight_by_id.values()) / len(weight_by_id)
    return [weight_by_id[id_] / mean for id_ in gold]


# -- what choosing brought -------------------------------------------------------------------------


def _compared(state: State, tools: Tools, gold: Targets, labels_by_id: Targets) -> Figures:
    selected, free = _chosen(state, labels_by_id), _given(state, tools, labels_by_id)
    if tools.task.kind != "single_label" or min(len(gold), len(selected)) < LEAST:
        return {}
    ids = [*free, *selected, *gold]
    vectors = tools.learner.vectors(ids)
    if vectors is None:
        return {}
    number = {label: index for index, label in enumerate(tools.task.labels)}
    rows = np.split(np.arange(len(ids)), [len(free), len(free) + len(selected)])
    y = np.array([number[str(labels_by_id[id_])] for id_ in ids], dtype=np.int64)
    material = Material(vectors.astype(np.float64), y, *rows)
    savings = compare(material, _seed(state, tools))
    row_by_id = {id_: len(free) + row for row, id_ in enumerate(ids[len(free) :])}
    needed = state.answers_needed(tools.config.queue.min_submitted)
    waits = unresolved(state, needed, another_person=tools.config.relabel.another_person)
    ahead = edge_figures(state, Head(material), row_by_id, waits, tools.config.run.seed)
    return ahead if savings is None else ahead | _comparison(savings)


def _comparison(savings: Savings) -> Figures:
    return {
        "audit.compared": savings.labels,
        "audit.chosen_accuracy": savings.selected,
        "audit.random_accuracy": savings.random,
        "audit.gain": savings.gain,
        "audit.gain_low": savings.gain_low,
        "audit.gain_high": savings.gain_high,
        "audit.saved": savings.saved,
        "audit.saved_low": savings.saved_low,
        "audit.saved_high": savings.saved_high,
    }


def _chosen(state: State, labels_by_id: Targets) -> list[PoolId]:
    """Records with a label that a strategy chose, oldest first."""
    ids = (item.record_id for item in selected_items(state))
    return list(islice((id_ for id_ in ids if id_ in labels_by_id), MOST_CHOSEN))


def _given(state: State, tools: Tools, labels_by_id: Targets) -> list[PoolId]:
    """Records with a label from before the run; of many a random part, always the same."""
    planned = state.planned_ids
    free = sorted(id_ for id_ in labels_by_id if id_ not in planned)
    rng = np.random.default_rng(for_step(tools.config.run.seed, 0, f"{PURPOSE} given"))
    return [free[index] for index in rng.permutation(len(free))[:MOST_GIVEN]]


# -- what the next labels will bring ---------------------------------------------------------------


def _foreseen(state: State, tools: Tools, gold: Targets, guesses: Targets) -> Figures:
    judged = nlargest(
        ROUNDS - 1,
        (
            number
            for number, event in state.evaluated.items()
            if number in state.trained and event.config_digest == state.config_digest
        ),
    )
    rounds = [(state.trained[n].labels, state.predicted[n]) for n in reversed(judged)]
    rounds.append((state.trained[state.round].labels, guesses))
    ids = [id_ for id_ in gold if all(id_ in model for _, model in rounds)]
    right: Any = np.array([[model[id_] == gold[id_] for id_ in ids] for _, model in rounds])
    forecast = expected([labels for labels, _ in rounds], right, _seed(state, tools))
    if forecast is None:
        return {}
    return {
        "audit.next_labels": AHEAD,
        "audit.next_gain": forecast.gain,
        "audit.next_low": forecast.low,
        "audit.next_high": forecast.high,
    }


def _seed(state: State, tools: Tools) -> int:
    return for_step(tools.config.run.seed, state.round, f"{PURPOSE} intervals")
