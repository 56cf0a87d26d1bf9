"""Texts leave a run while others read it and write into its folder, or ask it to stop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import loopd.loop.erasing
from loopd.export.predict import labelled_table
from loopd.export.quiet import looking
from loopd.loop import large_pool
from loopd.loop.data_sets import read_data
from loopd.loop.erasing import Erased, erase
from loopd.loop.pool_source import read_file
from loopd.loop.stop import interrupt_of
from loopd.machine import Phase, fold
from loopd.operations import add
from loopd.operations.add import run_add
from loopd.records import PoolId, Record
from loopd.storage import byte_search, intake_index
from loopd.storage.inbox import Inbox
from loopd.storage.intake_index import hashes_of
from loopd.storage.lock import run_lock
from tests.loop.growing import rows, write_rows
from tests.loop.removing import RemovingRun, holders

TEXTS = {id_: text for id_, text, _ in rows(0, 40)}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RemovingRun]:
    """A run that has trained a model and waits for answers."""
    write_rows(tmp_path / "tickets" / "day1.csv", rows(0, 40))
    run = RemovingRun(tmp_path)
    run.start()
    run.run_until(lambda state: len(state.batches) >= 2 and state.phase is Phase.COLLECT)
    run.people_rest = True
    yield run
    run.end()


def kept_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_pool, "ON_DISK_FROM", 1)
    monkeypatch.setattr(intake_index, "KEPT_FROM", 1)


def removed_while(run: RemovingRun, monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> str:
    """Remove a text; somebody acts once caches, inbox and unfinished files have been seen to."""
    real, acted = loopd.loop.erasing._forget, list[Any]()

    def forget(*args: Any) -> None:
        real(*args)
        if not acted:
            acted.append(act())

    monkeypatch.setattr(loopd.loop.erasing, "_forget", forget)
    run.remove("r011")
    assert acted
    return TEXTS["r011"]


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_table_that_is_labelled_meanwhile_leaves_nothing_in_the_folder(
    run: RemovingRun, monkeypatch: pytest.MonkeyPatch, on_disk: bool
) -> None:
    """`loopd predict` has read the old texts, and works with them until it is done."""
    if on_disk:
        kept_on_disk(monkeypatch)
    with looking(run.config) as look:
        run.remove("r011", "r012")
        files = {path for path in run.run_dir.rglob("*") if path.is_file()}
        table = labelled_table(look, model=True)
    assert table.labels[TEXTS["r013"]].target
    assert {path for path in run.run_dir.rglob("*") if path.is_file()} == files
    assert holders(run.run_dir, [TEXTS["r011"], TEXTS["r012"]]) == []


def test_whoever_only_looks_on_brings_no_hash_of_a_text_back(
    run: RemovingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`loopd report` and the page read the run's own table, and make an index that is missing."""
    kept_on_disk(monkeypatch)
    pool, real, made = read_data(run.config, run.state).pool, intake_index._made, list[Any]()

    def slowly(records: Iterator[Record]) -> dict[str, Any]:
        mine = real(records)
        made.append(mine)
        if len(made) == 1:
            run.remove("r011")
        return mine

    monkeypatch.setattr(intake_index, "_made", slowly)
    assert list(pool.find_texts([TEXTS["r011"], TEXTS["r013"]])) == [11, 13]
    half = hashes_of([TEXTS["r011"]]).tobytes()[:8]
    assert half in made[0]["texts_first"].tobytes()
    assert [path for path in run.run_dir.rglob("*.npy") if half in path.read_bytes()] == []


def test_what_another_process_puts_into_the_caches_goes_too(
    run: RemovingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late() -> None:
        for name in ("cache/tokens/late", "report.html", "pool/.000001.arrow.abcdefgh"):
            path = run.run_dir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"<p>{TEXTS['r011']}</p>")

    text = removed_while(run, monkeypatch, late)
    assert holders(run.run_dir, [text]) == []


def test_what_loopd_has_not_made_stays_and_is_named(
    run: RemovingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = run.run_dir / "notes.txt"
    done: list[Erased] = []

    def erased(*args: Any) -> Erased:
        done.append(erase(*args))
        return done[-1]

    monkeypatch.setattr("loopd.loop.removal_watch.erase", erased)
    removed_while(run, monkeypatch, lambda: notes.write_text(TEXTS["r011"]))
    assert notes.exists()
    assert [one.to_see_to for one in done if one.texts] == [(notes,)]


def test_a_table_that_is_added_meanwhile_does_not_bring_a_text_back(
    run: RemovingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`loopd add` has read it before, and leaves it in the inbox after that was looked into."""
    write_rows(run.folder / "more.csv", [("copy", TEXTS["r011"], "fruit"), ("n1", "new", "tool")])

    def late() -> None:
        with run_lock(run.run_dir):
            run_add(run.config, run.folder / "more.csv", print)
        (parcel,) = Inbox(run.run_dir).waiting()
        assert [record.id for record in Inbox.read(parcel).records] == ["n1"]

    text = removed_while(run, monkeypatch, late)
    assert holders(run.run_dir, [text]) == []


def test_a_table_that_is_added_after_it_is_read_before_does_not_either(
    run: RemovingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The removal begins and ends between reading the table and leaving it in the inbox."""
    write_rows(run.folder / "more.csv", [("copy", TEXTS["r011"], "fruit"), ("n1", "new", "tool")])

    def slowly(*args: Any) -> Any:
        read = read_file(*args)
        run.remove("r011")
        return read

    monkeypatch.setattr(add, "read_file", slowly)
    with run_lock(run.run_dir):
        run_add(run.config, run.folder / "more.csv", print)
    assert holders(run.run_dir, [TEXTS["r011"]]) == []


# -- a stop ----------------------------------------------------------------------------------------


class Stopping:
    """Asks a run to stop at one of the ticks of a removal."""

    def __init__(self, run: RemovingRun, at: int) -> None:
        self.told: list[str] = []
        self._run, self._at = run, at

    def __call__(self, what: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        self.told.append(what)
        if len(self.told) == self._at:
            self._run.loop.stop.set()
        interrupt_of(self._run.loop.stop)()


def stopped_at(folder: Path, point: int) -> list[str]:
    """Stop at a tick of a removal; what is left is done by the next process."""
    write_rows(folder / "tickets" / "day1.csv", rows(0, 40))
    run = RemovingRun(folder, people_rest=True)
    run.start()
    run.run_until(lambda state: len(state.batches) == 1 and state.phase is Phase.COLLECT)
    Inbox(run.run_dir).leave(
        [Record(PoolId("copy"), TEXTS["r011"])], "a.csv", duplicates=0, refused=0
    )
    (run.run_dir / "report.html").write_text(TEXTS["r011"])
    assert run.tools.removals is not None
    run.tools.removals.tick = tick = Stopping(run, point)
    run.ask_to_remove("r011")
    if point:
        state = run.loop.run(run.state)
        assert run.loop.stop.is_set()
        assert state.withdrawn == {"r011"}
        assert state == fold(run.events)
        run = run.started_again()
        run.run_until(lambda _: run.is_settled)
    else:
        run.run_until(lambda _: run.is_settled and bool(run.state.withdrawn))
    assert holders(run.run_dir, [TEXTS["r011"]]) == [], tick.told
    run.end()
    return tick.told


def test_a_stop_is_noticed_all_along_and_the_next_process_does_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loopd.loop.erasing, "TICK", 15)
    told = stopped_at(tmp_path / "whole", 0)
    assert {"reading texts", "searching files", "erasing texts"} == set(told)
    for point in sorted({told.index(what) + 1 for what in told} | {2, len(told)}):
        stopped_at(tmp_path / str(point), point)


def test_a_stop_in_a_run_that_is_over_loses_nothing(run: RemovingRun) -> None:
    run.people_rest = False
    run.run_until(lambda _: False)
    assert run.tools.removals is not None
    run.tools.removals.tick = Stopping(run, 2)
    run.ask_to_remove("r011")
    state = run.loop.run(run.state)
    assert state.phase is Phase.DONE
    assert state.withdrawn == {"r011"}
    assert holders(run.run_dir, [TEXTS["r011"]])
    again = run.started_again()
    again.loop.run(again.state)
    assert holders(again.run_dir, [TEXTS["r011"]]) == []
    again.end()


# -- the search ------------------------------------------------------------------------------------


def search(folder: Path, needle: str = "a withdrawn text") -> byte_search.FileSearch:
    def files() -> Iterator[Path]:
        return byte_search.files_below(folder)

    return byte_search.FileSearch(files, byte_search.forms([needle]))


@pytest.mark.parametrize("count", [1, 200])
def test_a_long_search_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Of long files, and of many texts."""
    monkeypatch.setattr(byte_search, "CHUNK", 10)
    for name in ("a", "b"):
        (tmp_path / name).write_text("x" * 100)
    needles = byte_search.forms(f"withdrawn text {number}" for number in range(count))
    one = byte_search.FileSearch(lambda: byte_search.files_below(tmp_path), needles)
    told: list[tuple[int, int]] = []
    one.look(lambda *so_far: told.append(so_far))
    assert told == sorted(told)
    assert {total for _, total in told} == {200}
    assert {done for done, _ in told} == {*range(0, 201, 10)}
    groups = -(-len(needles) // byte_search.NEEDLES_AT_ONCE)
    assert len(told) == 20 * groups + 1


def while_searching(monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], Any]) -> None:
    """Somebody acts before each file is searched."""
    real = byte_search._holds

    def holds(path: Path, *args: Any) -> bool:
        act(path)
        return real(path, *args)

    monkeypatch.setattr(byte_search, "_holds", holds)


def test_a_file_that_gets_another_name_meanwhile_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b").write_text("nothing")
    (tmp_path / "z").write_text("<a withdrawn text>")

    def rename(path: Path) -> None:
        if path.name == "b" and (tmp_path / "z").exists():
            (tmp_path / "z").rename(tmp_path / "a")

    while_searching(monkeypatch, rename)
    assert search(tmp_path).look() == byte_search.Searched((tmp_path / "a",))


def test_a_file_that_is_written_after_its_search_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("nothing")
    (tmp_path / "b").write_text("nothing")

    def write(path: Path) -> None:
        if path.name == "b":
            (tmp_path / "a").write_text("{a withdrawn text}")

    while_searching(monkeypatch, write)
    assert search(tmp_path).look().holders == (tmp_path / "a",)


def test_a_second_look_reads_what_is_other_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("a withdrawn text")
    (tmp_path / "heartbeat").touch()
    one, read = search(tmp_path), list[str]()
    while_searching(monkeypatch, lambda path: read.append(path.name))
    assert one.look().holders == (tmp_path / "a", tmp_path / "b")
    (tmp_path / "a").unlink()
    (tmp_path / "b").write_text("b")
    (tmp_path / "heartbeat").touch()
    assert one.look() == byte_search.Searched()
    assert read == ["a", "b", "b"]


def test_a_file_that_never_rests_or_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "busy").write_text("x")
    (tmp_path / "locked").write_text("x")
    (tmp_path / "quiet").write_text("x")
    looks: list[str] = []

    def act(path: Path) -> None:
        looks.append(path.name)
        if path.name == "locked":
            raise PermissionError
        if path.name == "busy":
            with path.open("a") as file:
                file.write("x")
            os.utime(path, ns=(len(looks), len(looks)))

    while_searching(monkeypatch, act)
    found = search(tmp_path).look()
    assert found == byte_search.Searched((), (tmp_path / "busy", tmp_path / "locked"))
    assert looks.count("busy") == byte_search.LOOKS
    assert looks.count("quiet") == looks.count("locked") == 1
