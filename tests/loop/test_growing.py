"""Texts join a run that goes on: what is taken in, when, and whatever is killed in between."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import datasets
import pytest
from structlog.testing import capture_logs

import loopd.loop.followed_files
import loopd.loop.pool_watch
import loopd.storage.pool_table
from loopd.errors import RunError, StorageError
from loopd.events import PoolGrew
from loopd.loop.pool_source import PoolNews
from loopd.loop.taken_in import kept
from loopd.loop.tools import Tools
from loopd.machine import Phase
from loopd.records import PoolId, Record
from loopd.storage.inbox import Inbox
from loopd.storage.pool_table import PoolTable
from loopd.storage.source_log import SourceLog
from tests.loop.growing import GrowingRun, Killed, begun, gone, killed_at, rows, write_rows

pytestmark = pytest.mark.whatever_the_store


@pytest.fixture
def run(tmp_path: Path) -> GrowingRun:
    return begun(tmp_path)


def batches(count: int) -> Callable[[Any], bool]:
    return lambda state: len(state.batches) >= count


def intakes(count: int) -> Callable[[Any], bool]:
    return lambda state: len(state.intakes) >= count


def test_a_new_file_joins_and_is_chosen_from(run: GrowingRun) -> None:
    run.run_until(batches(2))
    write_rows(
        run.folder / "tickets" / "day2.csv", [*rows(38, 4), ("x", rows(0, 1)[0][1], "fruit")]
    )
    run.now[0] += 60
    run.run_until(lambda state: bool(state.intakes))
    (fact,) = run.grown
    assert (fact.source, fact.first, fact.new, fact.duplicates) == ("day2.csv", 40, 2, 1)
    assert (run.state.texts, run.tools.data.pool.intakes) == (42, (40, 2))
    assert run.tools.learner is not None
    run.run_until(lambda _: False)
    known_then = set(map(str, run.events[: run.events.index(fact)]))
    assert not {"r040", "r041"} & known_then
    assert kept(run.config, run.state.pool_fingerprint) == run.tools.data.pool


def test_every_text_of_a_pool_that_grew_can_be_chosen(tmp_path: Path) -> None:
    write_rows(tmp_path / "tickets" / "day1.csv", rows(0, 12))
    run = GrowingRun(tmp_path, {"stopping": {"max_rounds": None}})
    run.start()
    run.run_until(batches(2))
    write_rows(tmp_path / "tickets" / "day2.csv", rows(12, 12))
    run.now[0] += 60
    run.run_until(lambda state: len(state.planned_ids) == 24)
    assert run.state.planned_ids == {PoolId(f"r{n:03d}") for n in range(24)}


# -- killed ----------------------------------------------------------------------------------------


def scene(folder: Path) -> GrowingRun:
    """A run of which the second batch is out; a file has arrived, and the inbox holds texts."""
    write_rows(folder / "tickets" / "day1.csv", rows(0, 40))
    run = GrowingRun(folder)
    run.start()
    run.run_until(lambda state: len(state.batches) >= 2 and state.phase is Phase.COLLECT)
    write_rows(folder / "tickets" / "day2.csv", rows(38, 30))
    added = Record(PoolId("n900"), "the apple that was added", "fruit")
    Inbox(run.config.run.dir).leave([added], "added.csv", duplicates=0, refused=0)
    run.now[0] += 60
    run.people_rest = True
    return run


def killed_in_intake(
    point: int, kill: Callable[[], None] = gone
) -> AbstractContextManager[list[str]]:
    """The process of a run is gone at a point of an intake."""
    return killed_at(
        point,
        (Tools, "grow"),
        (Inbox, "waiting"),
        (Inbox, "take_out"),
        (SourceLog, "write"),
        (loopd.loop.pool_watch, "arrivals"),
        (loopd.loop.followed_files, "read_file"),
        (loopd.storage.pool_table, "write_records"),
        (GrowingRun, "journal_append"),
        kill=kill,
    )


def die(run: GrowingRun, point: int) -> None:
    """SIGKILL to a process of its own at that point; Argilla and the journal outlive it."""
    outlives = run.folder.parent / "outlives"

    def kill() -> None:
        outlives.write_bytes(pickle.dumps((run.events, run.now, run.store)))
        os.kill(os.getpid(), signal.SIGKILL)

    pid = os.fork()
    if pid == 0:
        with suppress(BaseException), killed_in_intake(point, kill):
            take_in_all(run)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    run.events, run.now, run.store = pickle.loads(outlives.read_bytes())  # noqa: S301 - our own


def take_in_all(run: GrowingRun) -> None:
    run.run_until(lambda state: len(state.intakes) == 2 and not run.waits_for_files)


def every_point(step: int, folder: Path, *, sigkill: bool = False) -> None:
    """Kill a run at each so many-th point of its intakes: the next batches stay the same."""
    there, saved = folder / "run", folder / "saved"
    before = scene(there)
    shutil.copytree(there, saved)

    def batches_after(point: int) -> tuple[GrowingRun, list[str]]:
        shutil.rmtree(there)
        shutil.copytree(saved, there)
        run, passed = before.started_again(), list[str]()
        if sigkill and point:
            die(run, point)
        else:
            with killed_in_intake(point) as passed, suppress(Killed):
                take_in_all(run)
        if point:
            run = run.started_again()
            take_in_all(run)
        run.people_rest = False
        run.run_until(batches(3))
        return run, passed

    whole, passed = batches_after(0)
    assert len(passed) >= 40
    assert len(whole.grown) == 2
    assert {f"r{n:03d}" for n in range(40, 68)} & set(whole.batches[-1])
    for point in range(step, len(passed) + 1, step):
        run, _ = batches_after(point)
        assert run.batches == whole.batches, passed[point - 1]
        assert run.state.pool_fingerprint == whole.state.pool_fingerprint
        assert not Inbox(run.config.run.dir).waiting()


def test_killed_at_some_points_of_an_intake_the_batches_are_the_same(tmp_path: Path) -> None:
    every_point(4, tmp_path)


@pytest.mark.slow
def test_killed_at_any_point_of_an_intake_the_batches_are_the_same(tmp_path: Path) -> None:
    every_point(1, tmp_path)


@pytest.mark.slow
def test_sigkill_at_any_point_of_an_intake_the_batches_are_the_same(tmp_path: Path) -> None:
    """Nothing is tidied up on the way out."""
    every_point(1, tmp_path, sigkill=True)


def test_what_was_killed_before_its_fact_is_replaced(run: GrowingRun) -> None:
    run.run_until(batches(1))
    PoolTable(run.config.run.dir).put(1, [Record(PoolId("lost"), "without a fact")])
    again = run.started_again()
    assert len(again.tools.data.pool) == 40
    write_rows(run.folder / "tickets" / "day2.csv", rows(40, 2))
    again.now[0] += 60
    again.run_until(lambda state: bool(state.intakes))
    assert [record.id for record in again.tools.data.pool.records[40:]] == ["r040", "r041"]
    assert again.started_again().tools.data.pool == again.tools.data.pool


# -- where texts come from -------------------------------------------------------------------------


def idle(run: GrowingRun, seconds: float) -> None:
    """Nobody answers; the loop looks about every second."""
    run.people_rest = True
    until = run.now[0] + seconds
    while run.now[0] < until:
        run.turn()


def test_the_source_may_be_gone_at_the_next_start(run: GrowingRun) -> None:
    write_rows(run.folder / "tickets" / "day2.csv", rows(40, 3))
    run.now[0] += 60
    run.run_until(lambda state: bool(state.intakes))
    pool = run.tools.data.pool
    shutil.rmtree(run.folder / "tickets")
    again = run.started_again()
    assert again.tools.data.pool == pool
    assert again.run_until(batches(2)).batches[:1] == run.state.batches[:1]


def test_a_file_that_changes_between_two_looks_waits(run: GrowingRun) -> None:
    run.run_until(batches(1))
    path = run.folder / "tickets" / "day2.csv"
    run.now[0] += 60
    for count in range(1, 6):
        write_rows(path, rows(40, count))
        idle(run, 2)
    assert run.grown == []
    idle(run, 4)
    assert [fact.new for fact in run.grown] == [5]


def test_a_file_that_is_appended_to_without_a_pause_is_read_once_a_pace(run: GrowingRun) -> None:
    run.run_until(batches(1))
    path = run.folder / "tickets" / "day2.csv"
    write_rows(path, rows(40, 1))
    run.now[0] += 60
    for number in range(41, 101):
        with path.open("a") as file:
            id_, text, label = rows(number, 1)[0]
            file.write(f"{id_},{text},{label}\nr{number + 1:03d},half of a")  # no end
        idle(run, 2)
        with path.open("r+") as file:
            file.truncate(path.stat().st_size - len(f"r{number + 1:03d},half of a"))
    assert 1 <= len(run.grown) <= 2
    found = run.tools.data.pool.records[40:]
    assert [(record.id, record.text) for record in found] == [
        row[:2] for row in rows(40, len(found))
    ]
    idle(run, 66)
    assert len(run.tools.data.pool) == 101


def test_a_file_that_is_written_anew_all_the_time_is_not_read(run: GrowingRun) -> None:
    run.run_until(batches(1))
    path = run.folder / "tickets" / "day2.csv"
    run.now[0] += 60
    for number in range(60):
        write_rows(path, rows(40, 1 + number % 2))
        idle(run, 2)
    assert run.grown == []


def test_a_folder_of_save_to_disk_is_followed(tmp_path: Path) -> None:
    columns = ("id", "text", "label")
    folder = tmp_path / "saved"

    def save(count: int) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        table = [dict(zip(columns, row, strict=True)) for row in rows(0, count)]
        datasets.Dataset.from_list(table).save_to_disk(str(folder))

    save(20)
    run = GrowingRun(tmp_path, {"pool": {"path": "saved", "id": "id", "follow": "60s"}})
    run.start()
    run.run_until(batches(1))
    idle(run, 66)
    assert run.grown == []
    save(23)
    (folder / "state.json").rename(tmp_path / "state.json")
    idle(run, 66)
    assert run.grown == []
    (tmp_path / "state.json").rename(folder / "state.json")
    idle(run, 66)
    assert [(fact.source, fact.new) for fact in run.grown] == [("saved", 3)]


def test_half_a_last_line_waits_for_a_whole_pace(run: GrowingRun) -> None:
    run.run_until(batches(1))
    path = run.folder / "tickets" / "day1.csv"
    with path.open("a") as file:
        file.write("r040,a text that is whole,fruit\nr041,a text that is ha")
    idle(run, 66)
    assert [fact.new for fact in run.grown] == [1]
    with path.open("a") as file:
        file.write("lf no more,tool\n")
    idle(run, 66)
    assert [record.text for record in run.tools.data.pool.records[40:]] == [
        "a text that is whole",
        "a text that is half no more",
    ]
    with path.open("a") as file:
        file.write("r042,the end has no end,fruit")
    idle(run, 66)
    assert len(run.grown) == 2
    idle(run, 66)
    assert run.tools.data.pool.texts[-1] == "the end has no end"


def test_a_file_that_cannot_be_read_is_said_once_and_left(run: GrowingRun) -> None:
    run.sections["pool"] = {"path": "tickets"}
    run = run.started_again()
    run.run_until(batches(1))
    (run.folder / "tickets" / "day2.parquet").write_bytes(b"PAR1 half of it")
    (run.folder / "tickets" / "day3.csv").write_text("no,such,columns\n1,2,3\n")
    write_rows(run.folder / "tickets" / "day4.csv", rows(40, 1))
    with capture_logs() as lines:
        idle(run, 200)
    left_out = [line["file"] for line in lines if line["event"] == "file_left_out"]
    assert left_out == ["day2.parquet", "day3.csv"]
    assert [fact.source for fact in run.grown] == ["day4.csv"]


def test_edited_rows_are_refused_and_said(run: GrowingRun) -> None:
    run.run_until(batches(1))
    (id_, text, label), *others = rows(0, 40)
    edited = [(id_, f"{text}, edited", label), *others, *rows(40, 1)]
    write_rows(run.folder / "tickets" / "day1.csv", edited)
    with capture_logs() as lines:
        idle(run, 66)
    (fact,) = run.grown
    assert (fact.new, fact.refused) == (1, 1)
    assert run.tools.data.pool[PoolId(id_)].text == text
    assert any(line["event"] == "rows_left_out" for line in lines)


def test_new_files_need_no_labels_and_their_answers_count(tmp_path: Path) -> None:
    write_rows(tmp_path / "tickets" / "day1.csv", rows(0, 40))
    run = GrowingRun(tmp_path, {"pool": {"answers": "label"}})
    run.sections["pool"] |= {"answers": "known", "label": "label"}
    for name, cell in (("day1", ""), ("day3", "tool")):
        some = rows(0, 40) if name == "day1" else rows(45, 2)
        lines = [f"{id_},{text},fruit,{cell}" for id_, text, _ in some]
        content = "id,text,label,known\n" + "\n".join(lines) + "\n"
        (tmp_path / "tickets" / f"{name}.csv").write_text(content)
        if name == "day1":
            run.start()
            run.run_until(batches(2))
            bare = "id,text\n" + "".join(f"{id_},{text}\n" for id_, text, _ in rows(40, 3))
            (tmp_path / "tickets" / "day2.csv").write_text(bare)
    run.now[0] += 60
    idle(run, 10)
    assert [(fact.source, fact.new) for fact in run.grown] == [("day2.csv to day3.csv, 2 files", 5)]
    told = [answer for answer in run.state.answers.values() if answer.imported]
    assert {(answer.external_id, answer.value) for answer in told} == {
        ("r045", "tool"),
        ("r046", "tool"),
    }
    assert len([event for event in run.events if isinstance(event, PoolGrew)]) == 1
    assert run.started_again().state == run.state


# -- without following -----------------------------------------------------------------------------

NOT_FOLLOWED: dict[str, dict[str, Any]] = {"pool": {"path": "pool.csv", "follow": None}}


@pytest.fixture
def still(tmp_path: Path) -> GrowingRun:
    write_rows(tmp_path / "pool.csv", rows(0, 40))
    run = GrowingRun(tmp_path, NOT_FOLLOWED)
    run.start()
    run.run_until(batches(1))
    return run


def test_a_changed_file_is_reported_and_the_run_goes_on(still: GrowingRun) -> None:
    assert still.started_again().tools.data.news.sentence() == ""
    (id_, text, label), _, *others = rows(0, 45)
    write_rows(still.folder / "pool.csv", [(id_, f"{text}!", label), *others])
    again = still.started_again()
    assert again.tools.data.news == PoolNews(new=5, gone=2, clashing=1)
    assert again.tools.data.news.sentence() == (
        "the pool has changed since it was read: 5 new, 2 gone, 1 with another text under an id of "
        "the run"
    )
    again.now[0] += 1000
    again.run_until(lambda _: False)
    assert (again.grown, len(again.tools.data.pool)) == ([], 40)


def test_another_pool_ends_it(still: GrowingRun) -> None:
    write_rows(still.folder / "pool.csv", rows(0, 40, "z"))
    with pytest.raises(RunError, match="the pool changed since this run began"):
        still.started_again()


def test_another_column_of_texts_ends_it(run: GrowingRun) -> None:
    run.sections["pool"] = {"text": "label", "id": None}
    with pytest.raises(RunError, match="the pool changed since this run began"):
        run.started_again()


def test_the_file_is_gone(still: GrowingRun) -> None:
    (still.folder / "pool.csv").unlink()
    assert (
        "the pool cannot be read again: no file" in still.started_again().tools.data.news.sentence()
    )


def test_a_run_of_before_keeps_its_texts_from_now_on(still: GrowingRun) -> None:
    shutil.rmtree(still.config.run.dir / "pool")
    write_rows(still.folder / "pool.csv", rows(0, 43))  # it has grown since
    again = still.started_again()
    assert len(again.tools.data.pool) == 40
    last = again.started_again()
    assert last.tools.data.news.new == 3
    assert last.tools.data.pool == still.tools.data.pool


def test_a_run_of_before_whose_file_is_another_ends(still: GrowingRun) -> None:
    shutil.rmtree(still.config.run.dir / "pool")
    write_rows(still.folder / "pool.csv", rows(1, 39))
    with pytest.raises(RunError, match="the pool changed since this run began"):
        still.started_again()


def test_a_damaged_table_is_no_reason_to_guess(still: GrowingRun) -> None:
    path = still.config.run.dir / "pool" / "000000.arrow"
    path.write_bytes(path.read_bytes()[:-40])
    assert still.started_again().tools.data.pool == still.tools.data.pool  # the file has them
    path.write_bytes(path.read_bytes()[:-40])
    write_rows(still.folder / "pool.csv", rows(1, 41))
    with pytest.raises(StorageError, match="is damaged"):
        still.started_again()


def test_what_was_added_while_a_run_ends_joins_before_it_does(still: GrowingRun) -> None:
    still.run_until(lambda state: state.phase is Phase.EVALUATE)
    added = Record(PoolId("n900"), "the apple that was added", "fruit")
    Inbox(still.config.run.dir).leave([added], "added.csv", duplicates=0, refused=0)
    still.run_until(lambda _: False)
    assert [fact.source for fact in still.grown] == ["added.csv"]
    more = Record(PoolId("n901"), "the pear that was added", "fruit")
    Inbox(still.config.run.dir).leave([more], "late.csv", duplicates=0, refused=0)
    again = still.started_again()
    assert again.state.phase is Phase.DONE
    again.state = again.loop.run(again.state)
    assert [fact.source for fact in again.grown] == ["added.csv", "late.csv"]
    assert again.state.phase is Phase.DONE, "it has its rounds"


def test_an_addition_that_cannot_be_read_is_said_once_and_stops_nothing(run: GrowingRun) -> None:
    bad = Record(PoolId("n900"), "the apple that was added", "fruit")
    good = Record(PoolId("n901"), "the pear that was added", "fruit")
    inbox = Inbox(run.config.run.dir)
    inbox.leave([bad], "bad.csv", duplicates=0, refused=0)
    (path,) = inbox.waiting()
    path.write_bytes(b"ARROW1 no more")
    inbox.leave([good], "good.csv", duplicates=0, refused=0)
    with capture_logs() as lines:
        run.run_until(lambda state: bool(state.intakes))
        run.run_until(batches(2))
    assert [fact.source for fact in run.grown] == ["good.csv"]
    assert [line["event"] for line in lines].count("addition_left_out") == 1
    assert inbox.waiting() == [path]


def test_rows_that_were_left_out_are_counted_once(run: GrowingRun) -> None:
    path = run.folder / "tickets" / "day2.csv"
    edited = [("r001", "the apple that was edited", "fruit")]
    for number in (1, 2, 3):
        write_rows(path, [*edited, *rows(40, number)])
        run.now[0] += 60
        run.run_until(intakes(number))
    assert [(fact.new, fact.refused) for fact in run.grown] == [(1, 1), (1, 0), (1, 0)]


def test_a_name_that_is_no_utf_8(run: GrowingRun) -> None:
    name = os.fsdecode(b"M\xe4rz.csv")
    write_rows(run.folder / "tickets" / name, rows(40, 2))
    run.now[0] += 60
    run.run_until(lambda state: bool(state.intakes))
    assert [fact.source for fact in run.grown] == ["M\ufffdrz.csv"]
    assert run.started_again().state == run.state


def test_draws_and_the_stop_set_come_from_all(run: GrowingRun) -> None:
    tools, state = run.tools, run.state
    before, reserve = (tools.stop_sets(state), set(tools.aside(state))), tools.reserve
    write_rows(run.folder / "tickets" / "day2.csv", rows(40, 40))
    run.now[0] += 60
    state = run.run_until(lambda state: bool(state.intakes))
    assert tools.stop_sets(state)[: len(before[0])] == before[0], "rounds of before keep theirs"
    assert any(id_ >= "r040" for id_ in tools.stop_sets(state)[-1])
    assert set(tools.aside(state)) > before[1]
    assert any(id_ >= "r040" for id_ in tools.aside(state))
    assert set(tools.hidden(state)) >= set(tools.aside(state))
    assert tools.reserve == reserve
