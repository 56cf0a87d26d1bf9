"""From answers by external id to votes by record: copies, repeats, discards, deletions, imports."""

from __future__ import annotations

import pytest

from loopd.annotation.consensus import (
    answered,
    ballots,
    discarded,
    labelled,
    repeats,
    to_set_aside,
    unresolved,
)
from loopd.annotation.consensus.votes import as_given
from loopd.machine import State
from loopd.records import Answer, ExternalId, PoolId, Span
from tests.annotation.states import DISCARDED, INVALID, WITHDRAWN, answer, state


def votes(known: State, *, another_person: bool = True) -> dict[str, dict[str, object]]:
    """Target by annotator, by record."""
    found = ballots(known, another_person=another_person)
    return {id_: {vote.annotator: vote.target for vote in given} for id_, given in found.items()}


def test_answers_on_copies_count_for_the_original() -> None:
    known = state(
        "x x#2 x#3", answer("x", "ann"), answer("x#2", "bob", "b"), answer("x#3", "cyd", "b")
    )
    assert votes(known) == {"x": {"ann": "a", "bob": "b", "cyd": "b"}}
    assert labelled(known) == {"x"}
    assert answered(known) == {"x", "x#2", "x#3"}
    assert unresolved(known, 1) == frozenset()


def test_votes_come_in_the_order_of_their_times() -> None:
    known = state("x", answer("x", "bob", time="t2"), answer("x", "ann", time="t3"))
    known = state("x", *known.answers.values(), answer("x", "cyd", time="t1"))
    assert [vote.annotator for vote in ballots(known)[PoolId("x")]] == ["cyd", "bob", "ann"]


AGAIN = state("x x#2", answer("x", "ann", "a", "t1"), answer("x#2", "ann", "b", "t2"))


def test_the_same_person_again_is_not_counted_where_another_is_wanted() -> None:
    assert votes(AGAIN) == {"x": {"ann": "a"}}
    assert repeats(AGAIN) == {("x#2", "ann")}
    assert unresolved(AGAIN, 1) == {"x#2"}
    assert answered(AGAIN) == {"x"}
    assert [each.external_id for each in to_set_aside(AGAIN)] == ["x#2"]


def test_the_same_person_again_replaces_where_nobody_else_is_wanted() -> None:
    assert votes(AGAIN, another_person=False) == {"x": {"ann": "b"}}
    assert unresolved(AGAIN, 1, another_person=False) == frozenset()


def test_an_answer_that_was_set_aside_leaves_the_copy_open() -> None:
    known = state("x x#2", answer("x", "ann"), answer("x#2", "ann", time="t2", status=DISCARDED))
    assert unresolved(known, 1) == {"x#2"}
    assert to_set_aside(known) == ()
    assert discarded(known) == frozenset()


def test_a_late_answer_on_the_original_is_no_repeat() -> None:
    """Who answered the copy first had not seen the record: the copy counts, once."""
    known = state(
        "x x#2",
        answer("x", "bob", "a", "t1"),
        answer("x#2", "ann", "b", "t2"),
        answer("x", "ann", "a", "t3"),
    )
    assert votes(known) == {"x": {"bob": "a", "ann": "b"}}
    assert repeats(known) == frozenset()
    assert unresolved(known, 1) == frozenset()


@pytest.mark.parametrize("status", [DISCARDED, INVALID, WITHDRAWN])
def test_who_gave_no_label_may_give_a_second_opinion(status: object) -> None:
    first = answer("x", "ann", status=status)  # type: ignore[arg-type]
    known = state("x x#2", first, answer("x", "bob"), answer("x#2", "ann", "b", "t2"))
    assert votes(known) == {"x": {"bob": "a", "ann": "b"}}


@pytest.mark.parametrize(
    ("status", "open_"), [(DISCARDED, set()), (INVALID, set()), (WITHDRAWN, {"x#2"})]
)
def test_how_another_person_ends_the_question(status: object, open_: set[str]) -> None:
    second = answer("x#2", "bob", time="t2", status=status)  # type: ignore[arg-type]
    known = state("x x#2", answer("x", "ann"), second)
    assert unresolved(known, 1) == open_
    assert votes(known) == {"x": {"ann": "a"}}
    assert discarded(known) == frozenset()


def test_a_record_all_of_whose_answers_are_discards_is_discarded() -> None:
    gone = answer("x", "ann", status=WITHDRAWN)
    known = state("x x#2", gone, answer("x#2", "bob", status=DISCARDED))
    assert discarded(known) == {"x"}
    assert votes(known) == {}


def test_a_copy_needs_one_person_whatever_a_new_text_needs() -> None:
    known = state("x y x#2", answer("x", "ann"), answer("x", "bob"), answer("x#2", "cyd"))
    assert unresolved(known, 2) == {"y"}
    answers = (*known.answers.values(), answer("y", "dan"))  # dan could answer the copy too
    assert unresolved(state("x y x#2", *answers), 2) == {"y"}


def test_a_deleted_copy_takes_its_answers_along() -> None:
    given = (answer("x", "ann"), answer("x#2", "bob", "b"))
    assert votes(state("x x#2", *given, deleted=("x#2",))) == {"x": {"ann": "a"}}
    assert unresolved(state("x x#2", given[0], deleted=("x#2",)), 1) == frozenset()


def test_a_deleted_original_takes_its_copies_along() -> None:
    given = (answer("x", "ann"), answer("x#2", "bob", "b"))
    known = state("x x#2 x#3 y", *given, deleted=("x",))
    assert votes(known) == {}
    assert unresolved(known, 1) == {"y"}
    assert discarded(known) == frozenset()


def test_answers_that_came_with_the_pool() -> None:
    """They are votes, but nobody of this run gave them: they resolve and discard nothing."""
    old = answer("x", "import:old", time="t0")
    assert votes(state("y", old)) == {"x": {"import:old": "a"}}
    known = state("x#2", old)
    assert unresolved(known, 1) == {"x#2"}
    assert votes(state("x#2", old, answer("x#2", "ann", "b"))) == {
        "x": {"import:old": "a", "ann": "b"}
    }
    bad = Answer(ExternalId("y"), "import:old", INVALID, "zebra", "t0")
    assert unresolved(state("y", bad), 1) == {"y"}
    assert discarded(state("y", bad)) == frozenset()


def test_a_value_that_means_nothing_is_no_vote() -> None:
    known = state("x", answer("x", "ann", "zebra"), answer("x", "bob"))
    found = ballots(known, lambda value: "a" if value == "a" else None)
    assert [vote.annotator for vote in found[PoolId("x")]] == ["bob"]


def test_plain_values() -> None:
    assert as_given("a") == "a"
    assert as_given(None) is None
    assert as_given(["a", "b"]) == ("a", "b")
    assert as_given([{"start": 1, "end": 2, "label": "a"}]) == (Span(1, 2, "a"),)


def test_a_copy_waits_for_nobody_when_all_have_answered() -> None:
    late = answer("r1", "bo", "b", "t2")
    done = state("r1 r1#2 r2", answer("r1", "ann"), late, answer("r2", "bo"))
    assert unresolved(done, 1) == set()
    again = answer("r1#2", "ann", "a", "t3")
    assert unresolved(state("r1 r1#2", answer("r1", "ann"), again, late), 1) == set()
    # With one person there is somebody to wait for: whoever else comes.
    assert unresolved(state("r1 r1#2", answer("r1", "ann")), 1) == {"r1#2"}
    other = state("r1 r1#2 r2", answer("r1", "ann"), answer("r2", "bo"))
    assert unresolved(other, 1) == {"r1#2"}
