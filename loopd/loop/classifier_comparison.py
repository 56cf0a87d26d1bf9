"""Owns how the two classifiers of ``auto`` are compared on a run's own labels; must not decide.

Both are asked about the same texts, which neither had learned from: random draws where there are
enough of them, else the labelled texts, in a cross-validation. A comparison takes several times as
long as another round: the length of the queue takes it into account when one is due.
"""

from __future__ import annotations

from collections.abc import Mapping

from loopd.config.audit import USUAL_FOLDS
from loopd.evaluation.classifier_choice import PairedCounts
from loopd.learning.auto_classifiers import CHEAP, DEAR, contenders_digest
from loopd.learning.learner import Learner
from loopd.loop.audit_in_force import folds_in_force
from loopd.loop.classifier_in_use import NEXT, OF, classifier_of, compares, decided, only
from loopd.loop.tools import Tools
from loopd.machine import State
from loopd.records import BatchItem, JsonValue, PoolId, Targets

ENOUGH_DRAWS = 100
"""Random draws from which on they compare; until then there are four times as many other labels."""

Guesses = Mapping[str, Targets]
"""What the classifiers say, by their names and pool ids."""


def compared(state: State, trains: Targets, tools: Tools) -> dict[str, JsonValue]:
    """What both classifiers have right, and which one the next round has.

    Args:
        state: what the journal says; the current round's model is trained.
        trains: what it was trained on.
        tools: the parts of the loop, with the learner of the round.

    Returns:
        Flat figures; empty where the configuration names a classifier, in the first round, or as
        long as labels have grown too little since the last comparison.

    Raises:
        ModelError, Interrupted: as training does.
    """
    contenders = tools.learner.contenders
    if not contenders or not compares(state, len(trains)):
        return {}
    labels_by_id = tools.resolver.consensus(state, tools).targets
    judges = state.draws.keys() - trains.keys() - state.tests
    draws = [id_ for id_ in state.draws if id_ in judges and id_ in labels_by_id]
    by_draws = len(draws) >= ENOUGH_DRAWS
    guesses: Guesses
    if by_draws:
        guesses = {name: _on_draws(one, state, trains, draws) for name, one in contenders.items()}
    else:
        folds = folds_in_force(tools.config, state) or USUAL_FOLDS
        guesses = {
            name: one.cross_predicted(state.round, trains, folds)
            for name, one in contenders.items()
        }
    return {
        "by": "draws" if by_draws else "cross-validation",
        "labels": len(trains),
        "used": classifier_of(state, tools),
        OF: contenders_digest(tools.config.classifier, tools.config.task.descriptions),
        **_counts(state, guesses, labels_by_id),
    }


def _on_draws(learner: Learner, state: State, trains: Targets, draws: list[PoolId]) -> Targets:
    model = learner.fit(state.round, trains)
    items = learner.suggested(model, [BatchItem(id_) for id_ in draws])
    return {item.record_id: item.suggestion.value for item in items if item.suggestion is not None}


def _counts(state: State, guesses: Guesses, labels_by_id: Targets) -> dict[str, JsonValue]:
    ids = guesses[DEAR].keys() & guesses[CHEAP].keys()
    right = {
        name: {id_ for id_ in ids if by_id[id_] == labels_by_id[id_]}
        for name, by_id in guesses.items()
    }
    dear_only, cheap_only = right[DEAR] - right[CHEAP], right[CHEAP] - right[DEAR]
    comparison = PairedCounts(len(ids), len(dear_only), len(cheap_only))
    return {
        "texts": len(ids),
        **{f"right.{name}": len(rows) for name, rows in right.items()},
        only(DEAR): len(dear_only),
        only(CHEAP): len(cheap_only),
        NEXT: decided(state, comparison),
    }
