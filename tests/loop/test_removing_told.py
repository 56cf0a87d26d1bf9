"""What a log says when texts leave a run, and something is left for people to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

import loopd.loop.erasing
from loopd.storage.removal_requests import RemovalRequests
from tests.loop.removing import RemovingRun, holders
from tests.loop.test_removing import TEXTS, begun
from tests.loop.test_removing_beside_others import while_searching

pytestmark = pytest.mark.whatever_the_store


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RemovingRun]:
    run = begun(tmp_path)
    run.people_rest = True
    yield run
    run.end()


def test_whoever_writes_a_cache_all_the_while_is_not_waited_for(
    run: RemovingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is removed a few times; what is there then is named, and the table is blank."""
    real, late = loopd.loop.erasing._forget, run.run_dir / "cache" / "late"
    rounds: list[bool] = []

    def forget(*args: Any) -> None:
        real(*args)
        rounds.append(late.exists())
        late.parent.mkdir(exist_ok=True)
        late.write_text(TEXTS["r011"])

    monkeypatch.setattr(loopd.loop.erasing, "_forget", forget)
    with capture_logs() as lines:
        run.remove("r011")
    assert rounds == [False] * loopd.loop.erasing.ROUNDS
    assert holders(run.run_dir, [TEXTS["r011"]]) == ["cache/late"]
    (line,) = (line for line in lines if line["event"] == "texts_left_in_files")
    assert line["files"] == [str(late)]
    assert "remove them yourself" in line["hint"]


def test_files_that_cannot_be_searched_are_named(
    run: RemovingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        (run.run_dir / f"locked{number}").write_text("x")

    def act(path: Path) -> None:
        if path.name.startswith("locked"):
            raise PermissionError

    while_searching(monkeypatch, act)
    with capture_logs() as lines:
        run.remove("r011")
    (line,) = (line for line in lines if line["event"] == "files_not_searched")
    assert line["log_level"] == "warning"
    assert line["files"] == [str(run.run_dir / f"locked{number}") for number in range(5)]
    assert "see for yourself whether they hold one of the texts" in line["hint"]
    assert not any(line["event"] == "texts_left_in_files" for line in lines)
    assert holders(run.run_dir, [TEXTS["r011"]]) == []


def test_a_request_that_cannot_be_read_is_said_once_and_stays(run: RemovingRun) -> None:
    request = run.run_dir / "inbox" / "0-damaged.remove.json"
    request.parent.mkdir(exist_ok=True)
    request.write_text('["r012", ')
    run.ask_to_remove("r011")
    with capture_logs() as lines:
        for _ in range(5):
            run.turn()
    (line,) = (line for line in lines if line["event"] == "removal_left_out")
    assert line["file"] == str(request)
    assert "use `loopd remove` once more" in line["hint"]
    assert run.state.withdrawn == {"r011"}
    assert RemovalRequests(run.run_dir).waiting() == [request]
