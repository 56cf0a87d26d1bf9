"""What a run says under one configuration proves nothing under another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from loopd.config import StoppingSection
from loopd.evaluation.gain_forecast import LEAST_DRAWS
from loopd.events import ModelTrained, RoundEvaluated
from loopd.loop.audit_draws import unseen
from loopd.loop.audit_figures import _foreseen
from loopd.loop.verdict import stop_reason
from loopd.machine import State
from loopd.records import Batch, BatchItem, PoolId, Targets

NOW, BEFORE = "the present one", "another one"
CRITERION = "kappa_average"
LABELS = (100, 120, 140, 160, 180)
DRAWS = tuple(PoolId(f"d{number}") for number in range(2 * LEAST_DRAWS))
GOLD: Targets = dict.fromkeys(DRAWS, "a")


def evaluated(number: int, digest: str, **fields: Any) -> RoundEvaluated:
    return RoundEvaluated(
        1.0, number, {}, fields.pop("stopping", {}), "", digest, 0.1, 0.1, **fields
    )


def trained(number: int) -> ModelTrained:
    return ModelTrained(1.0, number, f"m{number}", LABELS[number], 0, {}, 0.1)


def run(digests: tuple[str, ...], stops: tuple[bool, ...] = ()) -> State:
    """A run whose rounds were measured under these configurations, and the last is now in force."""
    verdicts = stops or (True,) * len(digests)
    rounds = range(len(digests))
    return State(
        config_digest=digests[-1],
        batches=tuple(
            Batch(f"b{n}", n, "x", f"m{n}", (BatchItem(PoolId(f"r{n}")),)) for n in rounds
        ),
        trained={number: trained(number) for number in rounds},
        evaluated={
            number: evaluated(number, digest, stopping={CRITERION: {"value": 1, "stop": verdict}})
            for number, (digest, verdict) in enumerate(zip(digests, verdicts, strict=True))
        },
    )


def section(patience: int) -> StoppingSection:
    criteria = [{"name": CRITERION, "stop": True}]
    return StoppingSection.model_validate({"criteria": criteria, "patience": patience})


# -- stopping --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("digests", "patience", "reason"),
    [
        ((NOW, NOW), 2, CRITERION),
        ((BEFORE, NOW), 2, None),
        ((BEFORE, NOW), 1, CRITERION),
        ((BEFORE, NOW, NOW), 2, CRITERION),
        ((BEFORE, NOW, NOW), 3, None),
        ((NOW, BEFORE, NOW), 2, None),
        ((NOW,), 2, None),
    ],
)
def test_a_criterion_must_hold_under_the_configuration_in_force(
    digests: tuple[str, ...], patience: int, reason: str | None
) -> None:
    assert stop_reason(run(digests), section(patience)) == reason


@pytest.mark.parametrize(
    ("stops", "reason"),
    [((True, True), CRITERION), ((False, True), None), ((True, False), None)],
)
def test_a_criterion_must_hold_in_each_of_the_rounds(
    stops: tuple[bool, ...], reason: str | None
) -> None:
    assert stop_reason(run((NOW, NOW), stops), section(2)) == reason


def test_a_criterion_that_is_only_on_record_ends_nothing() -> None:
    watched = StoppingSection.model_validate({"criteria": [{"name": CRITERION}], "patience": 1})
    assert stop_reason(run((NOW, NOW)), watched) is None


# -- the forecast of the audit ---------------------------------------------------------------------


def said(number: int) -> Targets:
    """The first model is right on half of the draws, and each one after it on more."""
    right = len(DRAWS) // 2 + 4 * number
    return {id_: "a" if place < right else "b" for place, id_ in enumerate(DRAWS)}


def foreseen(digests: tuple[str, ...]) -> Mapping[str, Any]:
    """What the audit foresees in the round after these, under the last one's configuration."""
    number = len(digests)
    state = run((*digests, digests[-1]))
    before = {earlier: event for earlier, event in state.evaluated.items() if earlier < number}
    predicted = {earlier: said(earlier) for earlier in before}
    tools: Any = SimpleNamespace(config=SimpleNamespace(run=SimpleNamespace(seed=1)))
    return _foreseen(
        replace(state, evaluated=before, predicted=predicted), tools, GOLD, said(number)
    )


def test_rounds_of_one_configuration_foretell_the_next_labels() -> None:
    assert foreseen((NOW,) * 4)["audit.next_gain"] > 0


@pytest.mark.parametrize("digests", [(BEFORE, BEFORE, BEFORE, NOW), (BEFORE, NOW, BEFORE, NOW)])
def test_what_models_of_another_configuration_said_foretells_nothing(
    digests: tuple[str, ...],
) -> None:
    assert foreseen(digests) == {}


# -- random draws ----------------------------------------------------------------------------------


def test_strategies_see_no_draw_whether_it_is_to_come_or_past() -> None:
    batches = (
        Batch(
            "b0",
            0,
            "x",
            None,
            (BatchItem(PoolId("past"), draw=True), BatchItem(PoolId("selected"))),
        ),
        Batch("b1", 1, "x", None, (BatchItem(PoolId("present"), draw=True),)),
    )
    aside = tuple(map(PoolId, ("past", "present", "to come")))
    assert unseen(State(batches=batches), aside) == {"past", "present", "to come"}
    assert unseen(State(batches=batches), ()) == frozenset()


def test_what_a_strategy_took_before_the_audit_began_stays_visible() -> None:
    batch = Batch(
        "b0", 0, "x", None, (BatchItem(PoolId("selected")), BatchItem(PoolId("past"), draw=True))
    )
    assert unseen(State(batches=(batch,)), (PoolId("selected"), PoolId("past"))) == {"past"}
