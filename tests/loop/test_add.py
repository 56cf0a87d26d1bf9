"""`loopd add`: beside a daemon, without one, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopd.config_file import parse_config
from loopd.errors import ConfigError, DataError, RunError
from loopd.events import RunStarted
from loopd.loop.data_sets import read_data
from loopd.operations.add import run_add
from loopd.storage.inbox import Inbox
from loopd.storage.journal import Journal
from loopd.storage.lock import run_lock
from loopd.storage.recorded_run import recorded_run
from loopd.storage.run_folder import JOURNAL_NAME
from tests.loop.growing import GrowingRun, rows, write_rows


@pytest.fixture
def run(tmp_path: Path) -> GrowingRun:
    """A run of which the journal is a file, and that works at no time."""
    write_rows(tmp_path / "pool.csv", rows(0, 40))
    run = GrowingRun(tmp_path, {"pool": {"path": "pool.csv", "follow": None}})
    run.start()
    (begun,) = run.events
    assert isinstance(begun, RunStarted)
    with Journal(run.config.run.dir / JOURNAL_NAME) as journal:
        journal.append(begun)
    return run


def added(run: GrowingRun, name: str) -> list[str]:
    lines: list[str] = []
    run_add(run.config, run.folder / name, lines.append)
    return lines


def test_without_a_daemon_texts_join_at_once(run: GrowingRun) -> None:
    write_rows(run.folder / "new.csv", [*rows(38, 4), ("x", rows(0, 1)[0][1], "fruit")])
    assert added(run, "new.csv")[-1] == "2 texts joined the pool: it has 42 texts"
    state = recorded_run(run.config.run.dir).state
    (fact,) = state.intakes
    assert (fact.source, fact.first, fact.new, fact.duplicates) == ("new.csv", 40, 2, 1)
    assert read_data(run.config, state).pool.intakes == (40, 2)
    assert added(run, "new.csv")[-1] == "nothing was new: it has 42 texts"
    assert recorded_run(run.config.run.dir).state == state


def test_beside_a_daemon_they_wait_in_the_inbox(run: GrowingRun) -> None:
    write_rows(run.folder / "new.csv", rows(40, 3))
    with run_lock(run.config.run.dir):
        assert "works on the run, and takes them in after this step" in added(run, "new.csv")[-1]
    run.run_until(lambda state: bool(state.intakes))
    assert [(fact.source, fact.new) for fact in run.grown] == [("new.csv", 3)]
    run.turn()
    assert not Inbox(run.config.run.dir).waiting()


def test_a_folder_of_files_may_be_added(run: GrowingRun) -> None:
    write_rows(run.folder / "more" / "b.csv", rows(42, 2))
    write_rows(run.folder / "more" / "a.csv", rows(40, 2))
    assert added(run, "more")[-1] == "4 texts joined the pool: it has 44 texts"
    pool = read_data(run.config, recorded_run(run.config.run.dir).state).pool
    assert [record.id for record in pool.records[40:]] == ["r040", "r041", "r042", "r043"]


def test_new_files_need_no_labels_wherever_they_lie(run: GrowingRun) -> None:
    labelled = {"pool": {"path": "pool.csv", "follow": None, "label": "label"}}
    run.sections.update(labelled)
    (run.folder / "more").mkdir()
    (run.folder / "more" / "a.csv").write_text("id,text\nn1,the plum\n")
    (run.folder / "more" / "b.csv").write_text("id,text,label\nn2,the fig,fruit\n")
    assert added(run, "more")[-1] == "2 texts joined the pool: it has 42 texts"


def test_what_cannot_be_added(run: GrowingRun, tmp_path: Path) -> None:
    (run.folder / "bad.csv").write_text("subject\nx\n")
    with pytest.raises(DataError, match="has no column"):
        added(run, "bad.csv")
    with pytest.raises(DataError, match="no file"):
        added(run, "absent.csv")
    assert not Inbox(run.config.run.dir).waiting()
    write_rows(run.folder / "new.csv", rows(40, 1))
    other = parse_config(
        {
            "run": {"dir": "elsewhere"},
            "argilla": {"dataset": "x"},
            "task": {"labels": ["fruit", "tool"]},
            "pool": {"path": "pool.csv"},
        },
        tmp_path,
    )
    with pytest.raises(RunError, match="no run in"):
        run_add(other, run.folder / "new.csv", print)
    there = other.pool.model_copy(update={"path": None, "argilla": object()})
    with pytest.raises(ConfigError, match="the pool is in Argilla"):
        run_add(other.model_copy(update={"pool": there}), run.folder / "new.csv", print)
