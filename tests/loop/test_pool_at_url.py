"""A pool whose files are at a URL: it grows, nothing stays here, and an outage ends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from loopd.config import Config
from loopd.errors import DataError
from loopd.loop import fetched_files
from loopd.loop.erasing import _can_go, _forget
from loopd.loop.pool_source import PoolNews
from loopd.operations.add import run_add
from loopd.oracle.right_labels import RightLabels
from loopd.records import PoolId
from loopd.storage.journal import Journal
from loopd.storage.run_folder import FETCHED_FOLDER, JOURNAL_NAME
from tests.data.web_folder import WebFolder
from tests.loop.at_url import RunAtUrl
from tests.loop.growing import GrowingRun, rows, write_rows


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebFolder]:
    write_rows(tmp_path / "web" / "day1.csv", rows(0, 40))
    with WebFolder(tmp_path / "web").shown() as web:
        yield web


@pytest.fixture
def begin(tmp_path: Path, web: WebFolder) -> Iterator[Callable[..., RunAtUrl]]:
    """Begins a run on the URL, or goes on with one."""
    runs: list[RunAtUrl] = []

    def run(before: RunAtUrl | None = None, **pool: Any) -> RunAtUrl:
        if before is None:
            sections = {"pool": {"path": None, "url": web.url, **pool}}
            runs.append(RunAtUrl(tmp_path, sections | {"stopping": {"max_rounds": None}}))
            runs[-1].people_rest = True
            runs[-1].start()
        else:
            before.held.close()
            again = before.started_again()
            assert isinstance(again, RunAtUrl)
            runs.append(again)
        return runs[-1]

    yield run
    for one in runs:
        one.held.close()


def test_new_files_join_and_nothing_of_them_stays_here(
    web: WebFolder, begin: Callable[..., RunAtUrl]
) -> None:
    run = begin()
    assert (run.state.texts, run.fetched) == (40, [])
    assert web.fetched == ["day1.csv"]
    run.idle(80)
    assert web.fetched == ["day1.csv"]  # it has been read
    write_rows(web.folder / "day2.csv", rows(38, 7))
    run.idle(80)
    assert [(fact.source, fact.new, fact.duplicates) for fact in run.grown] == [("day2.csv", 5, 0)]
    assert run.fetched == []
    assert web.fetched == ["day1.csv", "day2.csv"]
    again = begin(run)
    assert again.state == run.state
    again.idle(130)
    assert web.fetched == ["day1.csv", "day2.csv"]
    write_rows(web.folder / "day1.csv", rows(0, 41) + rows(50, 1))
    again.idle(80)
    assert [fact.new for fact in again.grown] == [5, 1]


def test_the_same_batches_as_from_a_folder(web: WebFolder, begin: Callable[..., RunAtUrl]) -> None:
    run = begin()
    here = GrowingRun(run.folder / "other", {"pool": {"path": str(web.folder)}})
    here.sections["stopping"] = {"max_rounds": None}
    here.start()
    for one in (run, here):
        one.people_rest = False
        one.run_until(lambda state: len(state.batches) >= 4)
    assert run.batches == here.batches


def test_an_outage_is_said_once_and_its_end(web: WebFolder, begin: Callable[..., RunAtUrl]) -> None:
    run = begin()
    web.refusal = 503
    write_rows(web.folder / "day2.csv", rows(40, 5))
    with capture_logs() as lines:
        run.idle(300)
        web.refusal = 0
        run.idle(100)
    told = [line for line in lines if line["event"].startswith("source_")]
    assert [line["event"] for line in told] == ["source_away", "source_back"]
    assert "503" in told[0]["problem"]
    assert "whether the address is right" in told[0]["hint"]
    assert "the run goes on" in told[0]["hint"]
    assert [fact.new for fact in run.grown] == [5]


def test_a_run_that_has_its_texts_begins_without_the_source(
    web: WebFolder, begin: Callable[..., RunAtUrl]
) -> None:
    run = begin(follow=None)
    web.refusal = 503
    again = begin(run)
    assert again.tools.data.news.problem.startswith(f"cannot read {web.url}")


def test_a_line_without_an_end_waits(web: WebFolder, begin: Callable[..., RunAtUrl]) -> None:
    run = begin()
    with (web.folder / "day1.csv").open("a") as file:
        file.write("r900,the apple that is whole,fruit\r\nr901,half of a")
    run.run_until(lambda state: bool(state.intakes))
    run.turn()  # the fact is in the journal
    assert [fact.new for fact in run.grown] == [1]
    assert run.fetched == ["day1.csv"]
    with (web.folder / "day1.csv").open("a") as file:
        file.write(" pear,fruit\r\n")
    run.idle(200)
    assert [fact.new for fact in run.grown] == [1, 1]
    assert run.tools.data.pool.texts[-1] == "half of a pear"
    assert run.fetched == []


def test_a_file_that_cannot_be_read_does_not_come_again_and_again(
    web: WebFolder, begin: Callable[..., RunAtUrl]
) -> None:
    run = begin()
    (web.folder / "day2.csv").write_text("no,such,columns\n1,2,3\n")
    with capture_logs() as lines:
        run.idle(400)
    assert [line["file"] for line in lines if line["event"] == "file_left_out"] == ["day2.csv"]
    assert web.fetched == ["day1.csv", "day2.csv"]
    assert run.fetched == []


def test_without_following_what_is_new_is_reported(
    web: WebFolder, begin: Callable[..., RunAtUrl]
) -> None:
    run = begin(follow=None)
    write_rows(web.folder / "day2.csv", rows(40, 3))
    again = begin(run)
    assert again.tools.data.news == PoolNews(new=3)
    again.idle(100)
    assert (again.grown, again.fetched) == ([], [])
    assert web.fetched == ["day1.csv", "day2.csv"]


def test_what_is_here_while_texts_are_withdrawn_goes(
    web: WebFolder, begin: Callable[..., RunAtUrl]
) -> None:
    run = begin()
    folder = run.config.run.dir / FETCHED_FOLDER
    folder.mkdir(exist_ok=True)
    write_rows(folder / "day9.csv", rows(0, 2))
    assert _can_go(run.config, [folder / "day9.csv"])
    _forget(run.config, lambda _: False, [])
    assert run.fetched == []


def test_a_process_beside_the_run_brings_nothing_into_its_folder(
    web: WebFolder, begin: Callable[..., RunAtUrl], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin()
    monkeypatch.setattr(fetched_files, "is_held_here", lambda _: False)
    with fetched_files.reachable(run.config, keep=True) as section:
        assert section.path is not None
        assert [path.name for path in section.path.iterdir()] == ["day1.csv"]
    assert not section.path.exists()
    assert run.fetched == []


def test_a_table_at_a_url_is_added(
    web: WebFolder, begin: Callable[..., RunAtUrl], tmp_path: Path
) -> None:
    run = begin()
    with Journal(run.config.run.dir / JOURNAL_NAME) as journal:
        for event in run.events:
            journal.append(event)
    write_rows(tmp_path / "elsewhere" / "more.csv", rows(60, 4))
    lines: list[str] = []
    run.held.close()
    run_add(run.config, f"file://{tmp_path}/elsewhere/more.csv", lines.append)
    assert lines[-1] == "4 texts joined the pool: it has 44 texts"


@pytest.mark.parametrize(
    "url",
    ["https://h/x.csv?token=secret", "sftp://ann:secret@h/x.csv", "zip://a::s3://b/x?key=secret"],
)
def test_no_key_is_added(begin: Callable[..., RunAtUrl], url: str) -> None:
    run = begin()
    with Journal(run.config.run.dir / JOURNAL_NAME) as journal:
        for event in run.events:
            journal.append(event)
    run.held.close()
    with pytest.raises(DataError, match=r"cannot read .*: must ") as caught:
        run_add(run.config, url, print)
    assert "secret" not in caught.value.message


def test_simulated_people_know_the_labels_of_later_files(
    web: WebFolder, begin: Callable[..., RunAtUrl]
) -> None:
    config: Config = begin().config
    known = RightLabels(config, "label")
    assert known.look_again() is False
    write_rows(web.folder / "day2.csv", rows(40, 3))
    assert known.look_again() is True
    assert set(known.gold) == {PoolId(f"r{n:03d}") for n in (40, 41, 42)}
    web.refusal = 503
    assert known.look_again() is False
