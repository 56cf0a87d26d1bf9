"""Which earlier encoder a round has follows from the journal: after a kill, and with no cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from loopd.events import AnswersCollected, BatchCollected, ModelTrained
from loopd.learning.learner import Learner
from loopd.learning.takeover import Growth, Tuned
from loopd.loop.tuning import encoder_of, encoder_round, in_use, labels_at
from loopd.machine import fold
from loopd.records import Targets
from tests.loop.conftest import Bench, MakeBench, gold

pytestmark = pytest.mark.whatever_the_store

RULE = Growth(0.5, 8)


class Recorder:
    """What the learner was asked to train."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[int, Targets, Tuned | None]] = []
        real = Learner.fit

        def fit(
            learner: Learner, number: int, targets: Targets, member: int = 0, **options: Any
        ) -> Any:
            self.calls.append((number, dict(targets), options.get("encoder")))
            return real(learner, number, targets, member, **options)

        patch.setattr(Learner, "fit", fit)
        patch.setattr(Learner, "takes_over", lambda _, now, then: RULE.takes_over(now, then))


def run(bench: Bench) -> list[ModelTrained]:
    def answer() -> None:
        for record_id in bench.people.open_records("ann"):
            bench.people.submit(record_id, "ann", gold(bench.tools.data.pool, record_id))

    bench.run_until(lambda _: False, answer)
    return [event for event in bench.events if isinstance(event, ModelTrained)]


def test_rounds_take_over_until_labels_have_grown(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(monkeypatch)
    bench = make_bench(stopping={"max_rounds": 6})
    trained = run(bench)
    assert_the_rule_held(trained)
    assert_all_steps_asked_for_the_same(trained, recorder)
    for index, event in enumerate(trained):
        at = bench.events.index(event)
        before, after = fold(bench.events[:at]), fold(bench.events[: at + 1])
        assert encoder_round(before, bench.tools, event.labels) == event.encoder_round
        encoder = encoder_of(after, bench.tools)
        assert (None if encoder is None else encoder.round) == event.encoder_round
        assert_what_is_needed_is_kept(trained[: index + 1], in_use(after, 2))
    told = {number: targets for number, targets, _ in reversed(recorder.calls)}
    for event in trained:
        assert labels_at(bench.events, event.round, bench.tools) == told[event.round]


def assert_the_rule_held(trained: Sequence[ModelTrained]) -> None:
    own: list[ModelTrained] = []
    for event in trained:
        if event.encoder_round is None:
            own.append(event)
        else:
            assert event.encoder_round == own[-1].round
            assert RULE.takes_over(event.labels, own[-1].labels)
    assert 1 < len(own) < len(trained)


def assert_all_steps_asked_for_the_same(
    trained: Sequence[ModelTrained], recorder: Recorder
) -> None:
    by_round = {event.round: event for event in trained}
    for number, _, encoder in recorder.calls:
        expected = by_round[number].encoder_round
        assert (None if encoder is None else encoder.round) == expected
        assert encoder is None or encoder.id == by_round[encoder.round].model_id


def assert_what_is_needed_is_kept(trained: Sequence[ModelTrained], kept: Sequence[str]) -> None:
    ids = {event.round: event.model_id for event in trained}
    assert {event.model_id for event in trained[-2:]} <= set(kept)
    number = trained[-1].encoder_round
    assert number is None or ids[number] in kept
    assert len(kept) <= 4


def test_another_configuration_and_journals_of_before_fine_tune_anew(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    Recorder(monkeypatch)
    bench = make_bench(stopping={"max_rounds": 4})
    trained = run(bench)
    inherits = next(event for event in trained if event.encoder_round is not None)
    before = fold(bench.events[: bench.events.index(inherits)])
    assert encoder_round(before, bench.tools, inherits.labels) is not None
    changed = replace(before, config_digest="other")
    assert encoder_round(changed, bench.tools, inherits.labels) is None
    old = [
        replace(event, encoder_round=None) if isinstance(event, ModelTrained) else event
        for event in bench.events
    ]
    last = trained[-1]
    assert encoder_round(fold(old), bench.tools, last.labels + 1) == last.round


def test_a_round_that_trains_again_after_a_stop_has_the_labels_of_its_last_model(
    make_bench: MakeBench,
) -> None:
    bench = make_bench(stopping={"max_rounds": 1})
    trained = run(bench)[0]
    end = bench.events.index(trained) + 1
    *begin, answers, closed, _ = bench.events[:end]
    assert isinstance(answers, AnswersCollected)
    assert isinstance(closed, BatchCollected)
    again = [*begin, closed, replace(trained, model_id="first"), answers, trained]
    labels = labels_at(bench.events[:end], trained.round, bench.tools)
    assert labels
    assert labels_at(again, trained.round, bench.tools) == labels
