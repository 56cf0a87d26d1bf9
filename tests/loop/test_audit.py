"""Random draws in the loop: which they are, that they never train, and what they tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopd.annotation.consensus import discarded, targets
from loopd.events import HASHED, SHUFFLED, BatchPlanned, RoundEvaluated, RunStarted
from loopd.loop.audit_draws import set_aside
from loopd.loop.audit_figures import _news
from loopd.loop.steps import STEPS
from loopd.loop.stop_sets import of_the_beginning
from loopd.machine import Phase, State, fold
from loopd.metrics_log import writer as metrics_log
from loopd.metrics_log.audit import audit_sentence, audit_sentences
from loopd.records import Batch, PoolId, Targets
from loopd.storage.codec import decode, encode
from tests.loop.conftest import LABELS, Bench, MakeBench, gold
from tests.loop.test_recover import diligent, forget
from tests.loop.test_second_opinions import ACTIVELAB, attentive, copies, never

pytestmark = pytest.mark.whatever_the_store

AUDIT: dict[str, Any] = {
    "audit": {"random_share": 0.3},
    "queue": {"batch_size": 10},
    "stopping": {"max_rounds": 5},
}


def draws(batch: Batch) -> list[str]:
    return [item.record_id for item in batch.items if item.draw]


def finished(bench: Bench, act: Callable[[], None] | None = None) -> State:
    return bench.run_until(never, act or diligent(bench))


@pytest.fixture
def done(make_bench: MakeBench) -> Bench:
    bench = make_bench(100, **AUDIT)
    finished(bench)
    return bench


def test_a_share_of_each_batch_is_drawn_in_the_order_of_what_was_set_aside(done: Bench) -> None:
    batches = done.state.batches
    assert [len(batch.items) for batch in batches] == [10] * 5
    assert [len(draws(batch)) for batch in batches] == [3] * 5
    found = [id_ for batch in batches for id_ in draws(batch)]
    aside = set_aside(done.tools.data.pool, 0.3, done.tools.config.run.seed)
    assert sorted(found) == sorted(aside[:15])
    chosen = done.state.planned_ids - set(found)
    assert chosen.isdisjoint(aside)
    assert any(draws(batch) != list(batch.record_ids[:3]) for batch in batches)  # among the others


def test_a_small_share_adds_up_to_one_draw(make_bench: MakeBench) -> None:
    small = {**AUDIT, "audit": {"random_share": 0.04}}
    batches = finished(make_bench(100, **small)).batches
    assert [len(draws(batch)) for batch in batches] == [0, 0, 1, 0, 1]


def test_draws_never_train_and_count_as_labels(done: Bench) -> None:
    state = done.state
    number = max(state.trained)
    trained = state.trained[number]
    labels = targets(state)
    assert trained.labels == len(labels)
    assert trained.held_out == len(labels.keys() & state.draws.keys()) > 0
    assert sum(trained.label_counts.values()) == trained.labels - trained.held_out
    taught = {id_: target for id_, target in labels.items() if id_ not in state.draws}
    assert trained.model_id == done.tools.learner.model_id(number, taught)


LENGTHS = """
import numpy as np
from small_text import Classifier

class Length(Classifier):
    def __init__(self, num_classes):
        self.num_classes = num_classes

    def fit(self, train_set, weights=None):
        return self

    def predict(self, data_set, return_proba=False):
        return self.predict_proba(data_set).argmax(axis=1)

    def predict_proba(self, data_set):
        raw = np.array([[len(text), 30.0] for text in data_set.x])
        return raw / raw.sum(axis=1, keepdims=True)

class Lengths:
    def __init__(self, num_classes):
        self.num_classes = num_classes

    def new(self):
        return Length(self.num_classes)
"""
"""A classifier of somebody's own, without vectors of texts."""


@pytest.mark.parametrize("place", ["memory"])
@pytest.mark.parametrize("classifier", ["tfidf", "own_lengths:Lengths"])
def test_what_choosing_brought_is_told_where_texts_have_vectors(
    make_bench: MakeBench, tmp_path: Path, classifier: str
) -> None:
    """Two arms learn from vectors that no label changes; accuracy needs none."""
    (tmp_path / "own_lengths.py").write_text(LENGTHS)
    sections: dict[str, Any] = {
        **AUDIT,
        "queue": {"batch_size": 20},
        "classifier": {"name": classifier},
        "strategy": {"name": "margin"},
    }
    bench = make_bench(100, **sections)
    state = finished(bench)
    last = state.evaluated[max(state.evaluated)].audit
    assert isinstance(last["audit.accuracy"], float)
    assert isinstance(last["audit.draws"], int)
    assert last["audit.draws"] >= 10
    has_vectors = classifier == "tfidf"
    assert (last["audit.compared"] is not None) is has_vectors
    assert (last["audit.gain"] is not None) is has_vectors
    assert ("audit.edge" in last) is has_vectors


def test_with_crowdlab_draws_train_no_fold_and_no_model_labels_them(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowdlab = {"strategy": "crowdlab", "folds": 2}
    bench = make_bench(60, **AUDIT, consensus=crowdlab)
    shown: list[Targets] = []
    learner = bench.tools.learner

    def against_people(number: int, majority: Targets, folds: int) -> dict[str, Any]:
        """The predictions of a model that is sure of the opposite of what people say."""
        shown.append(majority)
        sure = {"fruit": [0.001, 0.999], "tool": [0.999, 0.001]}
        return {id_: np.array(sure[str(target)], np.float32) for id_, target in majority.items()}

    monkeypatch.setattr(learner, "out_of_fold", against_people)

    def act() -> None:
        for name in ("ann", "bob", "cyd"):
            for id_ in bench.people.open_records(name):
                bench.people.submit(id_, name, gold(bench.tools.data.pool, id_))

    state = bench.run_until(lambda state: state.round == 2, act)
    known = bench.tools.resolver.consensus(state, bench.tools).targets
    drawn = known.keys() & state.draws.keys()
    assert drawn
    assert shown
    assert all(state.draws.keys().isdisjoint(majority) for majority in shown)
    assert all(known[id_] == gold(bench.tools.data.pool, id_) for id_ in drawn)


def test_no_strategy_is_shown_a_draw_of_any_batch(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench(100, **AUDIT)
    learner = bench.tools.learner
    choose, hidden_by_round = learner.choose, {}

    def spy(*arguments: Any, **options: Any) -> Any:
        hidden_by_round[options["round"]] = options["hidden"]
        return choose(*arguments, **options)

    monkeypatch.setattr(learner, "choose", spy)
    batches = finished(bench).batches
    assert len(hidden_by_round) == 4
    for number, hidden in hidden_by_round.items():
        assert {id_ for batch in batches[: number + 1] for id_ in draws(batch)} <= hidden


def test_draws_show_nobody_what_the_model_thinks(done: Bench) -> None:
    last = done.state.batches[-1]
    assert all((item.suggestion is None) == item.draw for item in last.items)


def test_without_an_audit_there_is_nothing_of_it(make_bench: MakeBench) -> None:
    bench = make_bench(60, stopping={"max_rounds": 2})
    state = finished(bench)
    assert not state.draws
    assert all(not (event.audit or event.predicted) for event in state.evaluated.values())
    assert not any(key.startswith("audit.") for key in metrics_log.rows(state)[-1])


def test_the_estimate_is_the_share_of_draws_that_the_model_gets_right(done: Bench) -> None:
    state, pool = done.state, done.tools.data.pool
    row = metrics_log.rows(state)[-1]
    known = [id_ for id_ in state.draws if id_ in targets(state)]
    said = state.predicted[state.round]
    right = sum(said[id_] == gold(pool, id_) for id_ in known)
    assert (row["audit.draws"], row["audit.accuracy"]) == (len(known), right / len(known))
    assert row["audit.discarded"] == len(discarded(state) & state.draws.keys())
    assert row["audit.open"] == 0
    assert set(said) >= set(state.draws)
    assert audit_sentence(row).startswith("On texts like the pool's the model's accuracy is about")


def test_a_round_writes_down_only_what_its_model_says_otherwise(done: Bench) -> None:
    """Or else the journal of a long run would grow with the square of its rounds."""
    state = done.state
    assert [event.predicted_since for event in state.evaluated.values()] == [
        None, *range(state.round)
    ]  # fmt: skip
    for number, event in state.evaluated.items():
        before = {} if event.predicted_since is None else state.predicted[event.predicted_since]
        assert all(before.get(id_) != target for id_, target in event.predicted.items())
        assert state.predicted[number] == {**before, **event.predicted}
        asked = {id_ for id_, of in state.draws.items() if of <= number}
        assert asked <= state.predicted[number].keys()
    written = sum(len(event.predicted) for event in state.evaluated.values())
    assert written < sum(len(said) for said in state.predicted.values()) / 2


def said(**labels: str) -> Targets:
    return {PoolId(id_): label for id_, label in labels.items()}


def test_where_a_text_is_drawn_no_more_everything_is_said_again() -> None:
    state = State(predicted={3: said(x="a", y="b")})
    assert _news(state, said(x="a", y="a", z="b")) == ({"y": "a", "z": "b"}, 3)
    assert _news(state, said(x="a")) == ({"x": "a"}, None)
    assert _news(State(), said(x="a")) == ({"x": "a"}, None)


def test_several_labels_have_their_own_measure(make_bench: MakeBench) -> None:
    task = {"type": "multi_label", "labels": list(LABELS)}
    bench = make_bench(100, task=task, **AUDIT)
    pool = bench.tools.data.pool
    bench.tools.__dict__["data"] = replace(bench.tools.data, test=None)

    def act() -> None:
        for id_ in bench.people.open_records("ann"):
            bench.people.submit(id_, "ann", [gold(pool, id_)])

    row = metrics_log.rows(finished(bench, act))[-1]
    assert row["audit.saved"] is None  # only for one label a text
    low, value, high = (row[f"audit.micro_f1{end}"] for end in ("_low", "", "_high"))
    assert 0 <= float(str(low)) <= float(str(value)) <= float(str(high)) <= 1
    assert fold(decode(*encode(event)) for event in bench.events) == bench.state


def test_what_is_not_known_yet_is_null_and_words_say_so(done: Bench) -> None:
    row = metrics_log.rows(done.state)[0]  # three draws
    assert row["audit.accuracy"] is row["audit.accuracy_low"] is None
    assert row["audit.saved"] is row["audit.next_gain"] is None
    assert [each.count("not known yet") for each in audit_sentences(row)] == [1, 1, 1]
    assert "Not audited" in audit_sentence({"round": 1})


def test_a_step_that_is_repeated_draws_and_finds_the_same(make_bench: MakeBench) -> None:
    bench = make_bench(100, **AUDIT)

    def plan(state: State) -> bool:
        return state.phase is Phase.DECIDE and state.round == 1

    state = bench.run_until(plan, diligent(bench))
    once, again = (STEPS[Phase.DECIDE](state, bench.tools) for _ in range(2))
    assert isinstance(once, BatchPlanned)
    assert isinstance(again, BatchPlanned)
    assert once.batch == again.batch
    before = fold(bench.events[:-1])
    assert before.phase is Phase.EVALUATE
    repeated = STEPS[Phase.EVALUATE](before, bench.tools)
    assert isinstance(repeated, RoundEvaluated)
    last = bench.events[-1]
    assert isinstance(last, RoundEvaluated)
    assert (repeated.audit, repeated.predicted) == (last.audit, last.predicted)


def test_the_journal_keeps_them(done: Bench) -> None:
    assert fold(decode(*encode(event)) for event in done.events) == done.state


def test_a_budget_counts_draws_and_ends_on_one(make_bench: MakeBench) -> None:
    limited = {**AUDIT, "stopping": {"label_budget": 23}}
    bench = make_bench(100, **limited)

    def act() -> None:
        for id_ in bench.people.open_records("ann"):
            bench.people.submit(id_, "ann", gold(bench.tools.data.pool, id_))

    state = finished(bench, act)
    assert (state.stopped and state.stopped.reason, len(targets(state))) == ("label_budget", 23)


def test_labels_from_before_are_no_draws(make_bench: MakeBench) -> None:
    known = {f"r{n:03d}": (("old", gold_label),) for n, gold_label in _given(12)}
    bench = make_bench(100, answers=known, **AUDIT)
    state = finished(bench)
    assert state.draws
    assert not state.draws.keys() & known.keys()
    assert state.trained[0].labels == 12 + len(
        [id_ for id_ in state.batches[0].record_ids if id_ in targets(state)]
    )


def _given(count: int) -> list[tuple[int, str]]:
    return [(n, ("fruit", "tool")[n % 2]) for n in range(count)]


def test_no_second_opinion_is_asked_on_a_draw(make_bench: MakeBench) -> None:
    bench = make_bench(40, **{**ACTIVELAB, **AUDIT, "stopping": {"max_rounds": 4}})
    state = finished(bench, attentive(bench))
    again = [item for batch in state.batches for item in copies(batch)]
    assert again
    assert not any(item.draw or item.record_id in state.draws for item in again)
    assert state.draws


def test_draws_keep_their_places_when_what_is_open_is_ranked_anew(make_bench: MakeBench) -> None:
    bench = make_bench(100, **{**AUDIT, "queue": {"batch_size": 10, "low_watermark": 6}})
    pool = bench.tools.data.pool

    def act() -> None:
        """The last ids first: draws are among the others."""
        for id_ in sorted(bench.people.open_records("ann"))[-1:]:
            bench.people.submit(id_, "ann", gold(pool, id_))

    state = bench.run_until(lambda state: state.round == 2, act)
    renewed = [batch for event in state.planned.values() for batch in event.refreshed]
    mixed = [batch for batch in renewed if 0 < len(draws(batch)) < len(batch.items)]
    assert mixed
    for batch in mixed:
        before = [id_ for id_ in state.batches[batch.round].record_ids if id_ in batch.record_ids]
        for place, item in enumerate(batch.items):
            assert not item.draw or (before[place] == item.record_id and item.suggestion is None)


def test_draws_train_again_when_the_audit_is_over(make_bench: MakeBench) -> None:
    bench = make_bench(100, **AUDIT)
    state = bench.run_until(lambda state: state.phase is Phase.EVALUATE, diligent(bench))
    section = bench.tools.config.audit.model_copy(update={"random_share": 0.0})
    bench.tools.__dict__["config"] = bench.tools.config.model_copy(update={"audit": section})
    before = STEPS[Phase.TRAIN](fold(bench.events[:-1]), bench.tools)
    assert getattr(before, "held_out") == 0  # noqa: B009 - an event of many kinds
    assert state.trained[0].held_out > 0


def began_with(order: str, bench: Bench) -> Bench:
    """The bench of a run that began with this order of draws."""
    (first,) = bench.events
    assert isinstance(first, RunStarted)
    bench.events = [replace(first, draw_order=order)]
    bench.state = fold(bench.events)
    return bench


def test_a_run_goes_on_in_the_order_it_began_with(make_bench: MakeBench) -> None:
    bench = began_with(SHUFFLED, make_bench(100, **AUDIT))
    batches = finished(bench).batches
    pool, seed = bench.tools.data.pool, bench.tools.config.run.seed
    found = [id_ for batch in batches for id_ in draws(batch)]
    aside = set_aside(pool, 0.3, seed, SHUFFLED)
    assert sorted(found) == sorted(aside[:15])
    assert (bench.state.planned_ids - set(found)).isdisjoint(aside)
    (stop_set,) = bench.tools.stop_sets(bench.state)
    assert stop_set == of_the_beginning(pool, 1_000, seed)[0]


@pytest.mark.parametrize("order", [HASHED, SHUFFLED])
@pytest.mark.parametrize("place", ["memory", pytest.param("argilla", marks=pytest.mark.slow)])
def test_a_lost_journal_is_rebuilt_with_its_draws(make_bench: MakeBench, order: str) -> None:
    ends = []
    for lost in (False, True):
        bench = began_with(order, make_bench(100, **AUDIT))
        bench.run_until(
            lambda state: state.phase is Phase.COLLECT and state.round == 2, diligent(bench)
        )
        if lost:
            before, _ = forget(bench)
            assert bench.state.draws == before.draws
        ends.append((finished(bench).batches, metrics_log.rows(bench.state)[-1]["audit.accuracy"]))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("size", [60, 61, 64])
def test_a_run_to_the_end_of_the_pool_asks_all_of_it(make_bench: MakeBench, size: int) -> None:
    """Also what was set aside for draws and is not due yet."""
    sections = {**AUDIT, "stopping": {}, "queue": {"batch_size": 7, "low_watermark": 3}}
    state = finished(make_bench(size, **sections))
    assert state.stopped is not None
    assert state.stopped.reason == "pool_exhausted"
    assert len(state.planned_ids) == size
    assert state.collected[state.round].open_records == 0
