"""The metrics log grows by a line in each round, and is whole again whatever became of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from loopd.events import (
    BatchCollected,
    BatchPlanned,
    BatchPublished,
    Event,
    ModelTrained,
    RoundEvaluated,
    RunStarted,
)
from loopd.machine import State, apply, fold
from loopd.metrics_log import writer as metrics_log
from loopd.metrics_log.rows import read_metrics
from loopd.records import Batch, BatchItem, PoolId
from loopd.storage.run_folder import METRICS_NAME

STARTED = RunStarted(0.0, "c", 1, ("ä", "b"), "p", "t", "d", {})


def events_of(number: int) -> list[Event]:
    """A round, from its batch to its measures."""
    batch = Batch(f"b{number:04d}", number, "x", None, (BatchItem(PoolId(f"r{number}")),))
    return [
        BatchPlanned(1.0, batch, 0.1),
        BatchPublished(2.0, batch.id, 0.1),
        BatchCollected(3.0, batch.id, "complete", 0),
        ModelTrained(4.0, number, "m", 2 + number, 0, {"ä": 1, "b": 1 + number}, 0.1),
        RoundEvaluated(5.0 + number, number, {"accuracy": 0.5}, {}, "", "c", 0.1, 0.1),
    ]


def after(state: State, number: int) -> State:
    for event in events_of(number):
        state = apply(state, event)
    return state


def whole(state: State, folder: Path) -> bytes:
    metrics_log.write(state, folder)
    return (folder / METRICS_NAME).read_bytes()


def test_it_grows_in_place(tmp_path: Path) -> None:
    path, state, files = tmp_path / METRICS_NAME, fold([STARTED]), set()
    for number in range(5):
        state = after(state, number)
        metrics_log.add_last(state, tmp_path)
        assert path.read_bytes() == whole(state, tmp_path / "other")
        files.add(path.stat().st_ino)
    assert len(files) == 1


DAMAGE: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "torn": lambda path: path.write_bytes(path.read_bytes()[:-5]),
    "without its last line end": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "behind by a round": lambda path: path.write_bytes(path.read_bytes().partition(b"\n")[0]),
    "ahead": lambda path: path.write_bytes(path.read_bytes() + b"{}\n"),
    "of another version": lambda path: path.write_bytes(
        path.read_bytes().replace(b'"accuracy"', b'"precision"')
    ),
    "glued": lambda path: path.write_bytes(path.read_bytes().replace(b"\n", b"")),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_it_is_whole_again(damage: Callable[[Path], object], tmp_path: Path) -> None:
    path, state = tmp_path / METRICS_NAME, after(after(fold([STARTED]), 0), 1)
    metrics_log.write(state, tmp_path)
    damage(path)
    state = after(state, 2)
    metrics_log.add_last(state, tmp_path)
    assert path.read_bytes() == whole(state, tmp_path / "other")


def test_a_line_that_is_being_written_is_not_there_yet(tmp_path: Path) -> None:
    path, state = tmp_path / METRICS_NAME, after(after(fold([STARTED]), 0), 1)
    content = whole(state, tmp_path)
    first = content.index(b"\n") + 1
    for end in range(first, len(content)):
        path.write_bytes(content[:end])
        assert len(read_metrics(path)) in (1, 2)
