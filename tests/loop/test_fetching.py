"""Files that come from a URL: none stays or comes back, and nothing on the way ends a run."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

import loopd.loop.daemon
from loopd.errors import DataError, StorageError
from loopd.loop import fetched_files, fetcher
from loopd.loop.data_sets import read_data
from loopd.loop.fetched_files import call_off, fetched_folder, place_to_fetch, reachable
from loopd.loop.fetcher import Fetcher
from loopd.machine import State
from loopd.oracle.right_labels import RightLabels
from loopd.storage.lock import holder
from loopd.storage.run_folder import FETCHED_FOLDER, LOCK_NAME
from tests.data.web_folder import WebFolder
from tests.loop.at_url import RemovingAtUrl, RunAtUrl, arrived
from tests.loop.growing import Row, rows, write_rows
from tests.loop.removing import holders


def own_rows(first: int, count: int) -> list[Row]:
    """No text is part of another."""
    return [(id_, f"{text} number {id_}.", label) for id_, text, label in rows(first, count)]


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebFolder]:
    write_rows(tmp_path / "web" / "day1.csv", own_rows(0, 40))
    with WebFolder(tmp_path / "web").shown() as web:
        yield web
        web.trickle = 0.0


@pytest.fixture
def run(tmp_path: Path, web: WebFolder) -> Iterator[RemovingAtUrl]:
    """A run that has read what is there, and follows it."""
    run = RemovingAtUrl(tmp_path, sections(web))
    run.people_rest = True
    run.start()
    yield run
    web.trickle = 0.0
    arrived()
    run.end()
    run.held.close()


def sections(web: WebFolder, **pool: Any) -> dict[str, dict[str, Any]]:
    there = {"path": None, "url": web.url, **pool}
    return {"pool": there, "stopping": {"max_rounds": None}}


TEXT = own_rows(0, 40)[7][1]
"""Of the record that is withdrawn."""


# -- nothing stays, and nothing comes back ---------------------------------------------------------


def test_a_file_that_breaks_once_it_was_read_does_not_come_again_and_again(
    web: WebFolder, run: RemovingAtUrl
) -> None:
    day1 = web.folder / "day1.csv"
    before, stamp = day1.read_bytes(), day1.stat().st_mtime_ns
    day1.write_text(f"no,such,columns\n1,2,{TEXT}\n")
    run.idle(200)
    assert web.fetched == ["day1.csv"] * 2
    run.remove("r007")
    run.idle(200)
    assert web.fetched == ["day1.csv"] * 2
    assert holders(run.run_dir, [TEXT]) == []
    day1.write_bytes(before)
    os.utime(day1, ns=(stamp, stamp))
    run.idle(200)  # it is as it was when it was read
    assert web.fetched == ["day1.csv"] * 3
    assert holders(run.run_dir, [TEXT]) == []
    write_rows(day1, own_rows(0, 41))
    run.idle(200)
    assert [fact.new for fact in run.grown] == [1]
    assert web.fetched == ["day1.csv"] * 4
    assert holders(run.run_dir, [TEXT]) == []


def test_what_is_on_its_way_while_texts_are_withdrawn_does_not_arrive(
    web: WebFolder, run: RemovingAtUrl
) -> None:
    web.trickle, run.is_patient = 0.001, False
    write_rows(web.folder / "day2.csv", own_rows(7, 1) + own_rows(40, 200))
    until(lambda: TEXT.encode() in b"".join(map(Path.read_bytes, on_the_way(run))), run.turn)
    with capture_logs() as lines:
        run.remove("r007")
        assert holders(run.run_dir, [TEXT]) == []
        web.trickle, run.is_patient = 0.0, True
        arrived()
        assert (run.fetched, run.on_the_way) == ([], [])
        run.idle(200)
    told = {line["event"] for line in lines}
    assert told.isdisjoint({"source_away", "texts_left_in_files", "files_not_searched"})
    assert [fact.new for fact in run.grown] == [200]
    assert holders(run.run_dir, [TEXT]) == []


def on_the_way(run: RunAtUrl) -> list[Path]:
    folder = fetched_files.fetching_folder(run.config)
    return [path for path in folder.rglob("*") if path.is_file()]


def until(done: Callable[[], bool], meanwhile: Callable[[], object] = lambda: None) -> None:
    """Wait until then."""
    for _ in range(3000):
        with suppress(OSError):  # a file that is gone by now
            if done():
                return
        meanwhile()
        time.sleep(0.005)
    raise AssertionError("it does not come to that")


def test_reading_again_what_the_folder_has_lost_leaves_nothing_there(
    web: WebFolder, run: RemovingAtUrl
) -> None:
    (run.run_dir / "pool" / "000000.arrow").write_bytes(b"torn")
    write_rows(web.folder / "day1.csv", own_rows(1, 30))
    with pytest.raises(StorageError):
        read_data(run.config, run.state)
    assert web.fetched == ["day1.csv"] * 2
    assert run.fetched == []


def test_what_has_grown_since_is_not_kept_there(web: WebFolder, run: RemovingAtUrl) -> None:
    (run.run_dir / "pool" / "000000.arrow").write_bytes(b"torn")
    write_rows(web.folder / "day1.csv", own_rows(0, 45))
    run.held.close()
    again = run.started_again()
    assert isinstance(again, RemovingAtUrl)
    assert again.fetched == []
    again.idle(100)
    assert [fact.new for fact in again.grown] == [5]
    again.end()
    again.held.close()


def test_whoever_does_not_go_on_with_the_run_leaves_nothing_there(
    web: WebFolder, run: RemovingAtUrl
) -> None:
    assert len(read_data(run.config).pool) == 40  # as `loopd recover` does
    assert run.fetched == []


def test_what_a_process_before_has_left_goes(web: WebFolder, run: RemovingAtUrl) -> None:
    write_rows(fetched_folder(run.config) / "day9.csv", own_rows(50, 2))
    write_rows(place_to_fetch(run.config) / "files" / ".day8.csv.part", own_rows(60, 2))
    run.held.close()
    again = run.started_again()
    assert isinstance(again, RunAtUrl)
    assert (again.fetched, again.on_the_way) == ([], [])
    again.end()
    again.held.close()


# -- who may write ---------------------------------------------------------------------------------


def test_nothing_arrives_once_the_run_is_over(web: WebFolder, run: RemovingAtUrl) -> None:
    web.trickle = 0.01
    write_rows(web.folder / "day2.csv", own_rows(40, 5))
    coming = Fetcher(run.config, time.monotonic)
    assert not coming.is_done({})
    until(lambda: bool(web.fetched[1:]))
    call_off(run.config)
    web.trickle = 0.0
    arrived()
    assert (run.fetched, run.on_the_way) == ([], [])
    with capture_logs() as lines:
        assert coming.is_done({})
    assert lines == []


def test_what_has_come_and_was_not_read_goes_at_the_end(
    web: WebFolder, run: RemovingAtUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.end()
    run.held.close()

    def enter(visit: Any) -> None:
        visit.lock()
        visit.open_journal()
        visit.read_data()

    def work(_: Any) -> State:
        (run.run_dir / FETCHED_FOLDER).mkdir(exist_ok=True)
        write_rows(run.run_dir / FETCHED_FOLDER / "day2.csv", own_rows(40, 40))
        assert run.fetched == ["day2.csv"]
        return State()

    monkeypatch.setattr(loopd.loop.daemon, "in_order", lambda *_: [SimpleNamespace(look=enter)])
    monkeypatch.setattr(loopd.loop.daemon, "_run", work)
    loopd.loop.daemon.run_daemon(run.config)
    assert run.fetched == []


def test_a_process_with_the_same_id_elsewhere_is_not_taken_for_this_one(
    web: WebFolder, run: RemovingAtUrl
) -> None:
    run.held.close()
    script = (
        "import fcntl, os, sys; file = open(sys.argv[1], 'r+'); "
        "fcntl.flock(file, fcntl.LOCK_EX); print(1, flush=True); sys.stdin.read()"
    )
    path = run.run_dir / LOCK_NAME
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert holder(run.run_dir) == os.getpid()  # as in a container, where both have number 1
        with reachable(run.config, keep=True) as section:
            assert section.path != fetched_folder(run.config)
        other.communicate()
    assert run.fetched == []


def test_another_thread_beside_the_run_brings_nothing_into_its_folder(
    web: WebFolder, run: RemovingAtUrl
) -> None:
    used: list[Path | None] = []

    def read() -> None:
        with reachable(run.config, keep=True) as section:
            used.append(section.path)

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    read()
    assert used[0] != fetched_folder(run.config)
    assert used[1] == fetched_folder(run.config)


# -- nothing on the way ends a run -----------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), ValueError("odd")])
@pytest.mark.parametrize("name", ["fetch_changed", "place_to_fetch", "arrive"])
def test_whatever_goes_wrong_is_an_outage(
    web: WebFolder,
    run: RemovingAtUrl,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    name: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    write_rows(web.folder / "day2.csv", own_rows(40, 5))
    with monkeypatch.context() as patch, capture_logs() as lines:
        patch.setattr(fetcher, name, fail)
        run.idle(200)
    (told,) = (line for line in lines if line["event"] != "answers")
    assert told["event"] == "source_away"
    assert told["hint"] == f"{fetcher.GOES_ON}, and tries again"
    assert (run.fetched, run.on_the_way) == ([], [])
    run.idle(100)
    assert [fact.new for fact in run.grown] == [5]


def test_what_has_come_is_read_although_something_is_wrong(
    web: WebFolder, run: RemovingAtUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def partly(_: str, folder: Path, __: Mapping[str, int]) -> None:
        write_rows(folder / "day2.csv", own_rows(40, 5))
        (folder / ".day3.csv.part").write_text("half of")
        raise DataError("cannot read all of it")

    monkeypatch.setattr(fetcher, "fetch_changed", partly)
    run.idle(200)
    assert [fact.new for fact in run.grown] == [5]
    assert (run.fetched, run.on_the_way) == ([], [])


def test_a_source_that_does_not_come_to_an_end_is_said_and_the_run_goes_on(
    web: WebFolder, run: RemovingAtUrl
) -> None:
    web.trickle, run.is_patient = 0.01, False
    write_rows(web.folder / "day2.csv", own_rows(40, 5))
    with capture_logs() as lines:
        until(lambda: bool(web.fetched[1:]), run.turn)
        run.now[0] += 500.0
        run.turn()
        assert [line for line in lines if line["event"].startswith("source_")] == []
        run.now[0] += 200.0
        run.people_rest = False
        batches = len(run.batches)
        run.run_until(lambda _: len(run.batches) > batches)
        web.trickle, run.is_patient = 0.0, True
        run.idle(100)
    told = [line for line in lines if line["event"].startswith("source_")]
    assert [line["event"] for line in told] == ["source_slow", "source_back"]
    assert told[0]["source"] == web.url
    assert told[0]["minutes"] >= 10
    assert [fact.new for fact in run.grown] == [5]


def test_an_outage_is_said_once_although_each_message_is_another(
    run: RemovingAtUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def fail(*_: object) -> None:
        asked.append(1)
        what = "it is away" if len(asked) % 4 else "it wants another key"
        raise DataError(f"{what} (Request ID: Root=1-6{len(asked):x}ab-{len(asked)}c)")

    monkeypatch.setattr(fetcher, "fetch_changed", fail)
    with capture_logs() as lines:
        run.idle(1000)
    told = [line["problem"][:10] for line in lines if line["event"] == "source_away"]
    assert told == ["it is away", "it wants a"]
    assert len(asked) > 10


# -- an end while files come -----------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_first_files_come(
    tmp_path: Path, web: WebFolder, number: signal.Signals
) -> None:
    web.trickle = 0.01
    for day in (2, 3):
        write_rows(web.folder / f"day{day}.csv", own_rows(40 * day, 40))
    there = RunAtUrl(tmp_path, sections(web, follow=None))
    config = tmp_path / "config.yaml"
    settings = {"task": {"labels": ["a", "b"]}, "pool": {"url": web.url, "id": "id"}}
    more = {"run": {"dir": "run"}, "argilla": {"url": "http://127.0.0.1:9", "dataset": "x"}}
    config.write_text(yaml.safe_dump(settings | more))
    command = [sys.executable, "-m", "loopd", "run", str(config)]
    environment = {**os.environ, "ARGILLA_API_KEY": "key"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        until(lambda: bool(web.fetched))
        process.send_signal(number)
        began = time.monotonic()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said.decode()
    assert time.monotonic() - began < 15
    ours = [line for line in said.splitlines() if line.startswith(b"{")]  # asyncio may add its own
    last = json.loads(ours[-1])
    assert (last["event"], last["phase"]) == ("stopped", "start")
    assert len(web.fetched) == 1
    # The thread of a library may have begun a file behind us: the next fetch removes it.
    assert set(there.fetched) <= {".day1.csv.part"}
    assert holder(there.config.run.dir) is None


def test_a_signal_while_a_start_looks_for_news(tmp_path: Path, web: WebFolder) -> None:
    run = RemovingAtUrl(tmp_path, sections(web, follow=None))
    run.start()
    run.end()
    run.held.close()
    for day in (2, 3):
        write_rows(web.folder / f"day{day}.csv", own_rows(40 * day, 40))
    web.trickle = 0.01

    def stop() -> None:
        until(lambda: web.fetched[1:] == ["day2.csv"])
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop)
    thread.start()
    began = time.monotonic()
    with capture_logs() as lines:
        assert loopd.loop.daemon.run_daemon(run.config) == State()
    assert [line["event"] for line in lines] == ["stopped"]  # it is no outage
    thread.join()
    assert time.monotonic() - began < 15
    assert web.fetched == ["day1.csv", "day2.csv"]
    assert (run.fetched, run.on_the_way, holder(run.run_dir)) == ([], [], None)


# -- simulated people ------------------------------------------------------------------------------


def test_a_file_that_cannot_be_fetched_at_first_is_learned_from_later(
    web: WebFolder, run: RemovingAtUrl
) -> None:
    known = RightLabels(run.config, "label")
    write_rows(web.folder / "day2.csv", own_rows(40, 3))
    web.broken = {"day2.csv"}
    assert not known.look_again()
    web.broken = set()
    assert known.look_again()
    assert set(known.gold) == {"r040", "r041", "r042"}


def test_after_an_outage_only_what_is_new_is_fetched(web: WebFolder, run: RemovingAtUrl) -> None:
    known = RightLabels(run.config, "label")
    web.refusal = 503
    assert not known.look_again()
    web.refusal = 0
    write_rows(web.folder / "day2.csv", own_rows(40, 3))
    assert known.look_again()
    assert web.fetched == ["day1.csv", "day2.csv"]
