"""Texts that join a run are compared with those before; they get a share if they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from loopd.config_file import parse_config
from loopd.events import BatchPlanned, RoundEvaluated
from loopd.learning.strategies.reason_words import AMONG_NEW
from loopd.loop import new_texts
from loopd.loop.narrate import narrate
from loopd.loop.new_texts import _Counted, _Draws, _since
from loopd.machine import Phase, State, apply, fold
from loopd.metrics_log import writer
from loopd.metrics_log.rows import number
from loopd.metrics_log.shift import (
    INTAKES,
    KEYS,
    SHARE,
    SINCE,
    WEEK,
    is_alarm,
    weeks,
    weeks_sentence,
)
from loopd.operations.status import describe
from loopd.overview.cautions import cautions
from loopd.records import JsonValue, PoolId, Record
from loopd.storage.codec import decode, encode
from loopd.storage.inbox import Inbox
from tests.loop.conftest import LABELS
from tests.loop.growing import GrowingRun, Row, write_rows

pytestmark = pytest.mark.whatever_the_store

THINGS = ("apple", "pear", "plum", "cherry", "grape", "hammer", "saw", "drill", "chisel", "pliers")
PLACES = ("garden", "kitchen", "cellar", "market", "street", "school", "office", "station")
FEELINGS = ("lol", "omg", "so happy", "love this", "hate it", "best day ever", "cannot wait")

Shift = Mapping[str, JsonValue]


def questions(first: int, count: int, seed: int = 0) -> list[Row]:
    """Questions in random order; whether they are about fruit follows from their numbers."""
    rng, some = np.random.default_rng([seed, first]), []
    for row in range(first, first + count):
        thing = THINGS[5 * (row % 2) + rng.integers(5)]
        place, day = rng.choice(PLACES), rng.integers(1, 30)
        case = rng.integers(9999)
        text = f"where is the {thing} that was in the {place} on day {day}, case {case}?"
        some.append((f"r{row:03d}", text, LABELS[row % 2]))
    return some


def tweets(first: int, count: int) -> list[Row]:
    """What nobody would take for a question."""
    rng = np.random.default_rng(first)
    return [
        (f"r{row:03d}", f"{' '.join(rng.choice(FEELINGS, 3))} #{rng.integers(9999)} 😂🎉", "fruit")
        for row in range(first, first + count)
    ]


def begun(folder: Path, **sections: dict[str, Any]) -> GrowingRun:
    """A run of 120 questions that goes on for many rounds."""
    write_rows(folder / "tickets" / "day1.csv", questions(0, 120))
    run = GrowingRun(folder, {"stopping": {"max_rounds": None}, **sections})
    run.start()
    run.run_until(lambda state: len(state.batches) >= 2 and state.phase is Phase.COLLECT)
    return run


def joins(run: GrowingRun, some: list[Row]) -> Shift:
    """Texts join by `loopd add`; what is said of them in the round that sees them first."""
    records = [Record(PoolId(id_), text, label) for id_, text, label in some]
    Inbox(run.config.run.dir).leave(records, "added.csv", duplicates=0, refused=0)
    count = len(run.state.intakes) + 1
    run.run_until(lambda state: _seen(state) == count)
    return _last(run.state)


def _last(state: State) -> Shift:
    return state.evaluated[max(state.evaluated)].shift if state.evaluated else {}


def _seen(state: State) -> float:
    return number(_last(state), INTAKES) or 0


def next_batch(run: GrowingRun) -> BatchPlanned:
    count = len(run.state.batches)
    run.run_until(lambda state: len(state.batches) > count)
    return run.state.planned[count]


def chosen(event: BatchPlanned) -> list[int]:
    """Numbers of the texts that are no random draws."""
    return [int(item.record_id[1:]) for item in event.batch.items if not item.draw]


def logged(run: GrowingRun) -> list[str]:
    """The names of the log's lines so far."""
    state = State()
    with capture_logs() as logs:
        for event in run.events:
            state = apply(state, event)
            narrate(event, state)
    return [line["event"] for line in logs]


def planted_shift_is_noticed(run: GrowingRun) -> None:
    """Tweets come after two calm days: they are noticed, and half of the next batch is theirs."""
    for day in (0, 1):
        told = joins(run, questions(120 + 30 * day, 30))
        assert not is_alarm(told), told
        assert number(told, SHARE) == 0
        assert next_batch(run).fresh == 0
    told = joins(run, [*questions(180, 15), *tweets(195, 25)])
    assert is_alarm(told)
    assert (number(told, SINCE), number(told, SHARE)) in ((180, 0.5), (150, 0.5))
    names = logged(run)
    assert names.count("new_texts_differ") == 1
    assert names.count("new_texts_compared") == 2
    event = next_batch(run)
    among_new = [item for item in event.batch.items if item.reason.startswith(AMONG_NEW)]
    since = int(number(told, SINCE) or 0)
    assert event.fresh == len(among_new) >= round(0.5 * len(chosen(event)))
    assert all(int(item.record_id[1:]) >= since for item in among_new)
    assert not any(item.draw for item in among_new)
    assert decode(*encode(event)) == event


def test_a_planted_shift_is_noticed_and_gets_a_share(tmp_path: Path) -> None:
    planted_shift_is_noticed(begun(tmp_path))


@pytest.mark.integration
@pytest.mark.slow
def test_the_same_with_vectors_of_a_real_encoder(tmp_path: Path) -> None:
    planted_shift_is_noticed(begun(tmp_path, classifier={"name": "frozen-head"}))


def test_a_run_without_a_shift_stays_silent(tmp_path: Path) -> None:
    run = begun(tmp_path)
    for day in range(6):
        told = joins(run, questions(120 + 25 * day, 25, seed=day))
        assert not is_alarm(told), told
        assert SINCE not in told
    assert all(event.fresh == 0 for event in run.state.planned.values())


def test_what_was_found_is_told_everywhere(tmp_path: Path) -> None:
    run = begun(tmp_path)
    joins(run, questions(120, 30))
    status = describe(run.state, run.tools.config)["new_texts"]
    assert status["alarm"] is False
    assert status["sentence"].startswith("The newest texts (30) are like those before")
    joins(run, tweets(150, 30))
    warnings = cautions(run.state, run.tools.config, None, "")
    (warning,) = (said for said in warnings if said.startswith("The newest texts ("))
    assert "are unlike those before" in warning
    assert "So 50% of what is chosen next comes from the new texts." in warning
    row = writer.last_row(run.state)
    assert row["shift.unlike"] == 1
    keys = {key for key in row if key.startswith("shift.")}
    assert {key for key in keys if not key.startswith(WEEK)} <= set(KEYS)
    assert {key for key in keys if key.startswith(WEEK)} <= {
        f"{WEEK}1970-W01.{name}" for name in ("accuracy", "draws")
    }


def test_a_run_that_has_not_grown_says_nothing(tmp_path: Path) -> None:
    run = begun(tmp_path)
    run.run_until(lambda state: len(state.evaluated) >= 3)
    assert _last(run.state) == {}
    assert describe(run.state, run.tools.config)["new_texts"] is None


# -- the option ------------------------------------------------------------------------------------


def test_off_notices_and_changes_nothing(tmp_path: Path) -> None:
    run = begun(tmp_path, strategy={"fresh_share": False})
    assert run.config.strategy.fresh_share == "off"
    assert is_alarm(joins(run, tweets(120, 30)))
    assert next_batch(run).fresh == 0


def test_a_number_always_gives_that_share_to_what_joined_last(tmp_path: Path) -> None:
    run = begun(tmp_path, strategy={"fresh_share": 0.75}, queue={"batch_size": 10})
    assert run.state.planned[1].fresh == 0
    assert not is_alarm(joins(run, questions(120, 30)))
    event = next_batch(run)
    assert event.fresh == round(0.75 * len(chosen(event)))
    assert sum(text >= 120 for text in chosen(event)) >= event.fresh


def test_new_texts_that_are_used_up_leave_the_rest_to_the_others(tmp_path: Path) -> None:
    run = begun(tmp_path, strategy={"fresh_share": 1.0}, queue={"batch_size": 10})
    joins(run, questions(120, 5))
    sizes = [(event.fresh, len(event.batch.items)) for event in (next_batch(run), next_batch(run))]
    assert sum(fresh for fresh, _ in sizes) <= 5
    assert {size for _, size in sizes} == {10}
    ids = [id_ for batch in run.batches for id_ in batch]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("value", [1.5, -0.1, "always", True])
def test_no_such_share(tmp_path: Path, value: object) -> None:
    with pytest.raises(Exception, match="fresh_share"):
        _config(tmp_path, {"fresh_share": value})


def test_the_default_is_left_out_of_the_digest(tmp_path: Path) -> None:
    usual, named = _config(tmp_path, {}), _config(tmp_path, {"fresh_share": "auto"})
    assert usual.digest() == named.digest()
    assert usual.digest() != _config(tmp_path, {"fresh_share": "off"}).digest()


def _config(folder: Path, strategy: dict[str, object]) -> Any:
    return parse_config(
        {
            "run": {"dir": "run", "seed": 1},
            "argilla": {"dataset": "d"},
            "task": {"labels": ["a", "b"]},
            "pool": {"path": "pool.csv"},
            "strategy": strategy,
        },
        folder,
    )


def test_no_vectors_are_made_for_the_look_alone(tmp_path: Path) -> None:
    for strategy, classifier, share, looks in (
        ({}, "transformer", 0, True),
        ({"cold_start": "random_sampling"}, "transformer", 0, False),
        ({"cold_start": "random_sampling"}, "transformer", 0.2, True),
        ({"cold_start": "random_sampling"}, "frozen-head", 0, True),
        ({"cold_start": "random_sampling", "name": "typiclust"}, "transformer", 0, True),
    ):
        config = _config(tmp_path, dict(strategy))
        section = config.classifier.model_copy(update={"name": classifier})
        audit = config.audit.model_copy(update={"random_share": share})
        config = config.model_copy(update={"classifier": section, "audit": audit})
        assert new_texts._is_encoded(config) is looks, (strategy, classifier, share)


# -- killed, started again, older ------------------------------------------------------------------


def history(run: GrowingRun, restart: Callable[[GrowingRun], GrowingRun]) -> list[object]:
    """What is said and chosen while texts join and differ, with restarts after each event."""
    arrivals = {2: questions(120, 30), 3: tweets(150, 30), 5: tweets(180, 25)}
    while len(run.state.batches) < 9:
        is_time = run.state.phase is Phase.COLLECT
        some = arrivals.pop(len(run.state.batches), None) if is_time else None
        if some is not None:
            records = [Record(PoolId(id_), text, label) for id_, text, label in some]
            Inbox(run.config.run.dir).leave(records, "added.csv", duplicates=0, refused=0)
        if run.turn() is not None:
            run = restart(run)
    facts: list[object] = []
    for event in run.events:
        if isinstance(event, RoundEvaluated):
            facts.append(dict(event.shift))
        if isinstance(event, BatchPlanned):
            facts.append((event.batch.record_ids, event.fresh))
    assert fold(decode(*encode(event)) for event in run.events) == run.state
    return facts


def test_a_run_that_is_started_again_after_each_event_is_the_same(tmp_path: Path) -> None:
    usual = history(_plain(tmp_path / "one"), lambda run: run)
    assert usual == history(_plain(tmp_path / "two"), GrowingRun.started_again)
    assert any(isinstance(fact, tuple) and fact[1] for fact in usual)


def _plain(folder: Path) -> GrowingRun:
    write_rows(folder / "tickets" / "day1.csv", questions(0, 120))
    sections = {"stopping": {"max_rounds": None}, "pool": {"follow": None}}
    run = GrowingRun(folder, sections)
    run.start()
    return run


def test_an_older_journal_is_looked_at_in_the_next_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("loopd.loop.steps.compared_with_old", lambda *_: {})
        Inbox(run.config.run.dir).leave(
            [Record(PoolId(id_), text, label) for id_, text, label in tweets(120, 30)],
            "added.csv",
            duplicates=0,
            refused=0,
        )
        run.run_until(lambda state: len(state.evaluated) >= 4)
        assert run.state.intakes
    again = run.started_again()
    again.run_until(lambda state: bool(_last(state)))
    assert is_alarm(_last(again.state))


# -- the model -------------------------------------------------------------------------------------


def test_a_model_that_is_worse_on_late_draws_is_noticed(tmp_path: Path) -> None:
    """The texts are alike, but people call them by the other name."""
    run = begun(tmp_path, audit={"random_share": 0.5, "folds": 0}, queue={"batch_size": 20})
    run.run_until(lambda state: len(state.evaluated) >= 3)
    swapped = [
        (f"r{row + 1:03d}", text, label)
        for (_, text, label), row in zip(questions(200, 60), range(200, 260), strict=True)
    ]
    told = joins(run, swapped)
    run.run_until(lambda state: number(_last(state), "shift.worse") == 1)
    told = _last(run.state)
    assert number(told, "shift.unlike") == 0
    assert (number(told, SINCE), number(told, SHARE)) == (120, 0.5)
    assert (number(told, "shift.accuracy") or 0) < (number(told, "shift.accuracy_before") or 0)
    assert number(told, "shift.late") == 60


def test_accuracy_is_told_by_the_week_in_which_texts_joined(tmp_path: Path) -> None:
    run = begun(tmp_path, audit={"random_share": 0.5, "folds": 0}, queue={"batch_size": 20})
    run.now[0] += 8 * 86_400
    joins(run, questions(120, 60))
    run.run_until(lambda state: len(weeks(_last(state))) == 2)
    first, second = weeks(_last(run.state))
    assert (first.name, second.name) == ("1970-W01", "1970-W02")
    assert first.draws > second.draws > 0
    assert 0.5 < first.accuracy <= 1
    row: dict[str, JsonValue] = {f"{WEEK}{week.name}.draws": 5 for week in (first, second)}
    assert weeks_sentence({**row, f"{WEEK}1970-W01.accuracy": 0.8}) == ""
    row |= {f"{WEEK}1970-W01.accuracy": 0.8, f"{WEEK}1970-W02.accuracy": 0.6}
    assert weeks_sentence(row) == (
        "By the week in which texts joined, the model is right about 80 % (1970-W01, 5 random "
        "draws), 60 % (1970-W02, 5)."
    )


ONE, TWO = PoolId("one"), PoolId("two")


def test_each_draw_has_the_verdict_of_one_model() -> None:
    """Old ones by the first model behind the intake, late ones by that of their own round."""
    draws = [(5, 0, ONE, "a"), (50, 4, TWO, "a")]
    guesses = {
        0: {ONE: "b"},
        3: {ONE: "a"},
        4: {ONE: "b", TWO: "b"},
        5: {ONE: "b", TWO: "a"},
    }
    before, after = _Draws(draws, guesses).around(10, 3)
    assert (before.right, before.total, after.right, after.total) == (1, 1, 0, 1)
    _, later = _Draws(draws, guesses).around(10, 5)
    assert (later.right, later.total) == (1, 1)
    none, _ = _Draws(draws, {4: {TWO: "a"}}).around(10, 4)
    assert none.total == 0


# -- since when ------------------------------------------------------------------------------------

CAUGHT_UP = _Counted(range(1000), 1000)
"""Everything has a label."""


@given(st.lists(st.integers(0, 999), max_size=3), st.none() | st.integers(0, 999))
def test_new_texts_begin_where_an_alarm_does(begins: list[int], since: int | None) -> None:
    before: dict[str, JsonValue] = {} if since is None else {SINCE: since}
    found = _since(before, begins, CAUGHT_UP)
    assert found == (min(begins) if begins else since)
    behind = _Counted(range(100), 1000)  # none of those from 500 on
    assert _since({SINCE: 500}, begins, behind) == 500


@given(st.sets(st.integers(0, 299)), st.integers(1, 299))
def test_a_share_ends_when_new_texts_have_caught_up(known: set[int], since: int) -> None:
    counted = _Counted(sorted(known), 300)
    late, share = sum(each >= since for each in known), counted.share(since)
    assert share == 0 or share >= 0.5
    if late == 300 - since or (late >= 50 and late * 300 > (300 - since) * len(known)):
        assert share == 0
    if late < 50 and late < 300 - since:
        assert share > 0
