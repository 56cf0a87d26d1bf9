"""When the action is due; no threads, no server, a clock in hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from loopd.annotation.watcher import Pace
from loopd.listener.filters import parse
from loopd.listener.firing import Context, Firing, Rule, Search
from tests.listener.fakes import FakeSource

FILTERS = parse([("metadata.batch_id", "==", "{batch_id}")], None)


@dataclass
class Desk:
    """A firing with everything it looks at."""

    rule: Rule = field(default_factory=lambda: Rule(FILTERS, lambda search: search.total >= 2))
    source: FakeSource = field(default_factory=FakeSource)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.context = Context({"batch_id": 0}, stop=lambda: None)
        self.firing = Firing(self.rule, self.context, Pace(30.0, lambda: self.now))

    def look(self) -> Search | None:
        """What the action would be called with, and it returns without an error."""
        search = self.firing.look(self.source)
        if search is None or not self.firing.due(search):
            return None
        self.firing.fired()
        return search


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_it_waits_for_the_condition_and_fires_once(desk: Desk) -> None:
    assert desk.look() is None
    desk.source.answer(0, "a")
    assert desk.look() is None
    desk.source.answer(0, "b")
    search = desk.look()
    assert search is not None
    assert (search.total, search.records, search.query_params) == (2, ("a", "b"), {"batch_id": 0})
    assert [desk.look() for _ in range(3)] == [None] * 3


def test_another_answer_is_another_state(desk: Desk) -> None:
    desk.source.answer(0, "a")
    desk.source.answer(0, "b")
    assert desk.look()
    desk.source.answer(0, "b", "tool")
    assert desk.look()
    desk.source.answer(0, "c")
    assert desk.look()


def test_a_state_that_comes_back_is_not_new(desk: Desk) -> None:
    desk.source.answer(0, "a")
    desk.source.answer(0, "b")
    assert desk.look()
    del desk.source.answers[0]["b"]
    desk.source.moved += 1
    assert desk.look() is None
    desk.source.answer(0, "b")
    assert desk.look() is None


def test_new_parameters_are_looked_at_at_once(desk: Desk) -> None:
    for record in "ab":
        desk.source.answer(1, record)
    assert desk.look() is None
    desk.context.query_params["batch_id"] += 1
    search = desk.look()
    assert search is not None
    assert search.query_params == {"batch_id": 1}
    desk.context.query_params["batch_id"] = 0
    assert desk.look() is None
    desk.context.query_params["batch_id"] = 1
    assert desk.look() is None, "the same records under the same parameters"


def test_what_the_action_failed_on_comes_again(desk: Desk) -> None:
    for record in "ab":
        desk.source.answer(0, record)
    search = desk.firing.look(desk.source)
    assert search is not None
    assert desk.firing.due(search)  # and no `fired`
    assert desk.firing.look(desk.source) is None, "nothing moved"
    desk.source.moved += 1
    assert desk.look()


def test_nothing_is_read_while_the_trigger_rests(desk: Desk) -> None:
    desk.look()
    for _ in range(5):
        desk.look()
    assert desk.source.searches == 1
    desk.now = 30.0
    desk.look()
    assert desk.source.searches == 2


def test_bulk_answers_are_found_by_the_slow_look(desk: Desk) -> None:
    desk.look()
    for record in "ab":
        desk.source.answer(0, record, bulk=True)
    assert desk.look() is None
    desk.now = 30.0
    assert desk.look()


def test_what_the_action_did_itself_is_looked_at_once_more(desk: Desk) -> None:
    for record in "ab":
        desk.source.answer(0, record)
    assert desk.look()
    desk.source.answer(0, "c", bulk=True)
    assert desk.look()


def test_a_failed_read_is_made_good(desk: Desk) -> None:
    for record in "ab":
        desk.source.answer(0, record)
    desk.source.failures.append(RuntimeError("away"))
    with pytest.raises(RuntimeError):
        desk.look()
    assert desk.look()


def test_refiring_calls_at_every_look(desk: Desk) -> None:
    desk = Desk(Rule(FILTERS, lambda search: search.total >= 2, refire=True))
    desk.source.answer(0, "a")
    assert desk.look() is None
    desk.source.answer(0, "b")
    assert all(desk.look() for _ in range(3))


def test_without_a_condition_any_record_will_do() -> None:
    desk = Desk(Rule(FILTERS))
    assert desk.look() is None
    desk.source.answer(0, "a")
    assert desk.look()
    assert desk.look() is None


def test_a_condition_sees_the_records_and_its_error_is_not_swallowed() -> None:
    def strict(search: Search) -> Any:
        assert search.records == ("a",)
        raise ZeroDivisionError

    desk = Desk(Rule(FILTERS, strict))
    desk.source.answer(0, "a")
    with pytest.raises(ZeroDivisionError):
        desk.look()
