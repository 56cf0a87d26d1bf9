"""A pool in Argilla: what a start says of changes there, and how texts leave the run's folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from loopd.config import Config
from loopd.config_file import parse_config
from loopd.data.pool import Pool
from loopd.data.report import ReadingReport
from loopd.events import PoolChanged, RunStarted, TextsWithdrawn
from loopd.loop.argilla_pool import PoolNow, compared, keep, look, report_of
from loopd.loop.data_sets import DataSets, read_data
from loopd.loop.erasing import Erased, erase
from loopd.loop.removal_watch import overdue
from loopd.loop.start_or_resume import pool_changed
from loopd.machine import State, apply
from loopd.records import PoolId, Record
from loopd.storage.argilla_intakes import Intakes
from loopd.storage.run_folder import POOL_FOLDER
from loopd.storage.withdrawn_texts import read_withdrawn
from tests.loop.test_argilla_pool import Listing, contents

REPORT = ReadingReport("dataset `theirs`", 4, 4, 0, 0, 0, 0, ())


def record(number: int) -> Record:
    return Record(PoolId(f"r{number}"), f"text {number}")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "test.csv").write_text("text,label\nan apple,fruit\na saw,tool\n")
    sections: dict[str, Any] = {
        "task": {"labels": ["fruit", "tool"]},
        "pool": {"argilla": {"dataset": "theirs"}},
        "test": {"path": "test.csv", "label": "label"},
    }
    return parse_config(sections, tmp_path)


@pytest.fixture
def state(config: Config) -> State:
    """Of a run that has taken four texts in."""
    now = compared((), Pool(tuple(map(record, range(4)))), (), REPORT)
    keep(config, State(), now, 1.0)
    labels, pool = config.task.labels, now.pool.fingerprint
    return apply(State(), RunStarted(1.0, "c", config.run.seed, labels, pool, "", "d", {}))


def shown(config: Config, state: State, *records: Record) -> PoolNow:
    return compared(Intakes(config.run.dir).read(), Pool(records), state.planned_ids, REPORT)


def withdrawn(config: Config, state: State, *ids: str) -> State:
    """The state once that is a fact."""
    names = tuple(map(PoolId, ids))
    pool = read_data(config, state).pool.without_texts(names)
    return apply(state, TextsWithdrawn(2.0, names, pool.fingerprint))


# -- what a start says -----------------------------------------------------------------------------


def test_where_nothing_joins_the_folder_stays_as_it_is(config: Config, state: State) -> None:
    before = contents(config.run.dir / POOL_FOLDER)
    now = shown(config, state, *map(record, range(4)))
    with capture_logs() as lines:
        assert keep(config, state, now, 2.0) is None
    assert contents(config.run.dir / POOL_FOLDER) == before
    assert lines == []
    assert report_of(now) is REPORT


def test_texts_that_were_edited_are_counted_and_some_are_named(
    config: Config, state: State
) -> None:
    edited = [replace(record(number), text="another") for number in (1, 2)]
    with capture_logs() as lines:
        keep(config, state, shown(config, state, record(0), edited[0], record(3)), 2.0)
        now = shown(config, state, *(replace(record(n), text=f"other {n}") for n in range(9)))
        keep(config, state, replace(now, added=(), edited=tuple(map(PoolId, "abcdefg"))), 2.0)
    first, second = lines
    assert (first["event"], first["log_level"]) == ("texts_edited_in_argilla", "warning")
    assert (first["count"], first["records"]) == (1, ["r1"])
    assert "keeps to the texts that it has read" in first["hint"]
    assert (second["count"], second["records"]) == (7, list("abcde"))
    assert Intakes(config.run.dir).read() == (tuple(map(record, range(4))),)


def test_texts_that_are_gone_are_told_beside_what_was_read(config: Config, state: State) -> None:
    now = shown(config, state, record(0), replace(record(1), text="another"))
    now = replace(now, report=replace(REPORT, notes=("a note",)))
    told = report_of(now)
    assert told.notes == (
        "a note",
        "3 texts that the run has read are gone or show another text",
    )
    assert replace(told, notes=()) == REPORT


# -- without Argilla -------------------------------------------------------------------------------


def test_the_folder_tells_the_data_without_argilla(config: Config, state: State) -> None:
    data = read_data(config)
    assert data.pool.records == tuple(map(record, range(4)))
    assert data.test is not None
    assert list(data.test.texts) == ["an apple", "a saw"]
    assert list(data.reports) == ["test"]
    assert not data.is_kept
    less = read_data(config, withdrawn(config, state, "r2"))
    assert [one.text for one in less.pool] == ["text 0", "text 1", "", "text 3"]
    assert less.pool.ids == data.pool.ids


# -- texts that leave ------------------------------------------------------------------------------


def traces(folder: Path, text: str) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    )


def test_a_text_is_erased_from_its_intake_and_known_again(config: Config, state: State) -> None:
    where = config.run.dir
    Intakes(where).add((record(4),))
    (where / "cache").mkdir()
    (where / "cache" / "words").write_text("text 2 in a cache")
    before = read_data(config, state).pool.fingerprint
    after = withdrawn(config, state, "r2")
    ticks: list[str] = []
    assert erase(config, after, tick=lambda what, *_: ticks.append(what)) == Erased(1)
    assert traces(where, "text 2") == []
    first, second = Intakes(where).read()
    assert [one.text for one in first] == ["text 0", "text 1", "", "text 3"]
    assert second == (record(4),)
    gone = read_withdrawn(where)
    assert (gone.holds("text 2"), gone.holds("text 1")) == (True, False)
    assert gone.in_argilla == {"r2"}
    assert gone.before == {state.pool_fingerprint: 1, before: 2}
    assert "erasing texts" in ticks


@pytest.fixture
def later(config: Config, state: State) -> State:
    """Of the same run, when a fifth text has joined and the second one was withdrawn."""
    joins = shown(config, state, *map(record, range(5)))
    keep(config, state, joins, 2.0)
    grown = apply(state, PoolChanged(2.0, 1, joins.pool.fingerprint, gone=(), back=()))
    erase(config, after := withdrawn(config, grown, "r1"))
    return after


def test_a_journal_from_a_backup_takes_no_text_in_twice(
    config: Config, state: State, later: State
) -> None:
    """It knows neither what has joined since nor what was withdrawn, and there is more by now."""
    for listed in ((0, 2, 3, 4), (0, 2, 3, 4, 5)):
        now = look(config, state, Listing(*listed))  # type: ignore[arg-type]
        assert [one.id for one in now.pool] == ["r0", "r1", *(f"r{each}" for each in listed[1:])]
        keep(config, state, now, 3.0)
        kept = [one.id for intake in Intakes(config.run.dir).read() for one in intake]
        assert kept == list(now.pool.ids)
    assert look(config, later, Listing(0, 2, 3, 5)).gone == {"r4"}  # type: ignore[arg-type]


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_start_with_a_journal_from_a_backup_may_end_before_the_texts_are_kept(
    config: Config, state: State, later: State, is_kept: bool
) -> None:
    """What the journal did not know is a fact of its own, whether the first start came so far."""
    del later
    listing: Any = Listing(0, 2, 3, 4, 5)
    now = look(config, state, listing)
    event = overdue(config.run.dir, state, now.pool, 3.0)
    assert event is not None
    assert event.ids == ("r1",)
    state = apply(state, event)
    if is_kept:
        keep(config, state, now, 3.0)
    again = look(config, state, listing)
    assert again.pool.records == now.pool.records
    moved = pool_changed(state, DataSets(again.pool, None, {}), 4.0)
    assert moved is not None
    assert (moved.added, moved.gone, moved.back) == (2, (), ())
    assert overdue(config.run.dir, apply(state, moved), again.pool, 5.0) is None


@pytest.mark.parametrize("first", [None, "r2"])
def test_where_nothing_is_left_to_erase_no_file_changes(
    config: Config, state: State, first: str | None
) -> None:
    """No text was withdrawn, or a process before has erased it."""
    if first is not None:
        state = withdrawn(config, state, first)
        erase(config, state)
    folder = config.run.dir
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert erase(config, state) == Erased(0)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_journal_from_a_backup_finds_its_texts_but_for_those_that_are_gone(
    config: Config, state: State
) -> None:
    """It does not say yet that one was withdrawn; its dataset still shows that text."""
    erase(config, withdrawn(config, state, "r2"))
    now = look(config, state, Listing(0, 1, 2, 3, 5))  # type: ignore[arg-type]
    assert [(one.id, one.text) for one in now.pool] == [
        ("r0", "text 0"),
        ("r1", "text 1"),
        ("r2", ""),
        ("r3", "text 3"),
        ("r5", "text 5"),
    ]
    assert now.added == (record(5),)
    assert now.gone == frozenset()
