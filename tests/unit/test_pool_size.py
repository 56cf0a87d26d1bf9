"""How many texts a pool has is known however it grew, but for runs whose journal never said so."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from loopd.events import PoolChanged, PoolGrew, RunStarted
from loopd.machine import fold
from loopd.operations.pool_size import added, pool_figures, pool_sentence
from loopd.records import PoolId

STARTED = RunStarted(1.0, "c", 1, ("a", "b"), "p", "t", "d", {}, texts=120)


def changes(counts: list[int]) -> list[PoolChanged]:
    """Of a pool in Argilla, from which a text goes each time."""
    return [
        PoolChanged(2.0, count, f"p{number}", gone=(PoolId(f"x{number}"),))
        for number, count in enumerate(counts)
    ]


@given(st.lists(st.integers(0, 1000), max_size=6))
def test_texts_of_a_pool_in_argilla_are_counted(counts: list[int]) -> None:
    state = fold([STARTED, *changes(counts)])
    assert state.texts == 120 + sum(counts)
    assert added(state) == sum(counts)
    more = f", {sum(counts):,} added" if sum(counts) else ""
    assert pool_sentence(state) == f"{120 + sum(counts):,} texts{more}"


@given(st.lists(st.integers(0, 1000), max_size=3))
def test_nothing_is_said_where_an_older_journal_does_not_say(counts: list[int]) -> None:
    state = fold([replace(STARTED, texts=0), *changes(counts)])
    assert state.texts == 0
    assert pool_sentence(state) == ""
    assert pool_figures(state) is None


def test_texts_of_files_are_counted_as_their_last_intake_says() -> None:
    grew = PoolGrew(2.0, "new.csv", "i", "p2", 120, 5, 2, 1)
    state = fold([STARTED, grew])
    assert state.texts == grew.total
    assert (pool_figures(state) or {})["added"] == 5
