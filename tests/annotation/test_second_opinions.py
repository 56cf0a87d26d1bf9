"""Which records may be asked about again, and what the copies are called."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from loopd.annotation.second_opinions import askable, copy_ids
from loopd.config import RelabelSection
from loopd.machine import State
from loopd.records import PoolId
from tests.annotation.states import DISCARDED, INVALID, WITHDRAWN, answer, state

BOB = answer("other", "bob")
"""Makes Bob somebody of this run."""


def asked(known: State, needed: int = 1, **relabel: Any) -> frozenset[str]:
    found = askable(known, needed, RelabelSection(**relabel))
    return frozenset(found - {"other"})


def test_an_answered_record_that_somebody_has_not_seen() -> None:
    assert asked(state("x other", answer("x", "ann"), BOB)) == {"x"}


def test_not_where_nobody_is_left() -> None:
    assert asked(state("x", answer("x", "ann"))) == frozenset()
    both = (answer("x", "ann"), answer("x", "bob", status=DISCARDED))
    assert asked(state("x other", *both, BOB)) == frozenset()
    assert asked(state("x", answer("x", "ann")), another_person=False) == {"x"}


def test_not_where_everybody_else_has_left() -> None:
    left = replace(state("x other", answer("x", "ann"), BOB), departed=frozenset({"bob"}))
    assert asked(left) == frozenset()


def test_not_what_is_open_discarded_unknown_withdrawn_or_deleted() -> None:
    mine = answer("x", "ann")
    assert asked(state("x y other", mine, BOB), needed=2) == frozenset()
    for status in (DISCARDED, INVALID, WITHDRAWN):
        assert asked(state("x other", answer("x", "ann", status=status), BOB)) == frozenset()
    assert asked(state("x other", mine, BOB, deleted=("x",))) == frozenset()


def test_one_copy_at_a_time() -> None:
    mine = answer("x", "ann")
    assert asked(state("x other x#2", mine, BOB)) == frozenset()
    cyd = (answer("other", "cyd"), answer("x#2", "bob"))
    assert asked(state("x other x#2", mine, BOB, *cyd)) == {"x"}
    gone = state("x other x#2", mine, BOB, deleted=("x#2",))
    assert asked(gone) == {"x"}
    assert asked(gone, max_annotations=2) == frozenset()  # it was asked about


def test_not_more_often_than_allowed() -> None:
    given = (answer("x", "ann"), answer("x#2", "bob"), answer("other", "cyd"))
    known = state("x other x#2", *given)
    assert asked(known, max_annotations=3) == {"x"}
    assert asked(known, max_annotations=2) == frozenset()
    two = (answer("x", "ann"), answer("x", "bob"), answer("other", "cyd"))
    assert asked(state("x other", *two), max_annotations=2) == frozenset()


def test_a_copy_counts_as_the_answers_for_which_it_stays_open() -> None:
    two = (answer("x", "ann"), answer("x", "bob"), answer("other", "cyd"), answer("other", "dan"))
    once = state("x other", *two)
    assert asked(once, needed=2, max_annotations=4) == {"x"}
    assert asked(once, needed=2, max_annotations=3) == frozenset()
    # One answer finishes the copy, and one more may still come.
    again = state("x other x#2", *two, answer("x#2", "cyd"))
    assert asked(again, needed=2, max_annotations=6) == {"x"}
    assert asked(again, needed=2, max_annotations=5) == frozenset()
    # So does the text itself where a discard made up for an answer.
    left = (answer("x", "ann"), answer("x", "bob", status=DISCARDED), answer("other", "cyd"))
    assert asked(state("x other", *left, answer("other", "dan")), needed=2, max_annotations=3) == (
        frozenset()
    )
    old = state("other", answer("x", "import:old"), answer("other", "ann"), answer("other", "bob"))
    assert asked(old, needed=2, max_annotations=3) == {"x"}
    assert asked(old, needed=2, max_annotations=2) == frozenset()


def test_answers_that_came_with_the_pool_may_be_checked_by_anybody() -> None:
    old = answer("x", "import:old")
    assert asked(state("", old)) == {"x"}
    assert asked(state("", old), max_annotations=2) == {"x"}
    assert asked(state("x#2", old, answer("x#2", "ann"))) == frozenset()
    assert asked(state("x#2 other", old, answer("x#2", "ann"), BOB)) == {"x"}


def test_copies_are_numbered_and_never_take_another_id() -> None:
    assert copy_ids(State(), [PoolId("x"), PoolId("y")], taken=()) == {"x": "x#2", "y": "y#2"}
    assert copy_ids(state("x x#2"), [PoolId("x")], taken={"x#3"}) == {"x": "x#4"}
