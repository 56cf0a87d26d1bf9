"""What moves the trigger while everything is read, and what a failed read leaves to the next."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from loopd.annotation.memory_store import MemoryStore
from loopd.annotation.store import Sweep
from loopd.annotation.watcher import AT_FULL_PACE, AnswerWatcher, Pace
from loopd.errors import TransientError
from loopd.records import ExternalId
from loopd.tasks.single_label import SingleLabelTask

INTERVAL = 30.0


@dataclass
class Dataset:
    """Answers, and a trigger that moves with each; somebody may answer while they are read."""

    answers: list[str] = field(default_factory=list)
    meanwhile: list[str] = field(default_factory=list)
    is_away: bool = False
    size: int = 1
    now: float = 0.0

    def trigger(self) -> str:
        return str(len(self.answers))

    def read(self) -> tuple[str, ...]:
        if self.is_away:
            raise TransientError("cut")
        read = tuple(self.answers)
        self.answers += self.meanwhile
        self.meanwhile = []
        return read


def test_what_comes_while_everything_is_read_moves_the_trigger_again() -> None:
    dataset = Dataset(["first"], meanwhile=["second"])
    pace = Pace(INTERVAL, lambda: dataset.now)
    assert pace.look(dataset.trigger, dataset.read) == ("first",)
    assert pace.look(dataset.trigger, dataset.read) == ("first", "second")
    assert pace.look(dataset.trigger, dataset.read) is None


def test_what_could_not_be_read_is_read_by_the_next_look() -> None:
    dataset = Dataset(["first"])
    pace = Pace(INTERVAL, lambda: dataset.now)
    assert pace.look(dataset.trigger, dataset.read) == ("first",)
    dataset.answers.append("second")
    dataset.is_away = True
    with pytest.raises(TransientError):
        pace.look(dataset.trigger, dataset.read)
    dataset.is_away = False
    assert pace.look(dataset.trigger, dataset.read) == ("first", "second")


def test_everything_is_read_now_and_then_though_the_trigger_rests() -> None:
    dataset = Dataset()
    pace = Pace(INTERVAL, lambda: dataset.now)
    looks = []
    for second in range(200):
        dataset.now = float(second)
        if pace.look(dataset.trigger, dataset.read, slower=2.0) is not None:
            looks.append(second)
    assert looks == [0, 60, 120, 180]


class Store(MemoryStore):
    """A store that is read as the dataset is."""

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(SingleLabelTask(("a", "b"), "label", "text", "Which?"), 1)
        self.dataset = dataset

    def activity(self) -> str:
        return self.dataset.trigger()

    def sweep(self, external_ids: object) -> Sweep:
        # What was read stands where ids of missing records do.
        return Sweep((), tuple(map(ExternalId, self.dataset.read())), listed=self.dataset.size)


def test_the_watcher_of_a_run_keeps_the_same_promises() -> None:
    dataset = Dataset(["first"], meanwhile=["second"])
    watcher = AnswerWatcher(Store(dataset), INTERVAL, lambda: dataset.now)

    def look() -> tuple[str, ...] | None:
        dataset.now += 1.0
        sweep = watcher.look(())
        return None if sweep is None else sweep.missing

    assert look() == ("first",)
    assert look() == ("first", "second")
    assert look() is None
    dataset.answers.append("third")
    dataset.is_away = True
    with pytest.raises(TransientError):
        look()
    dataset.is_away = False
    assert look() == ("first", "second", "third")


@pytest.mark.parametrize(("size", "published"), [(10 * AT_FULL_PACE, 5), (5, 10 * AT_FULL_PACE)])
def test_a_large_dataset_is_read_more_seldom_whosever_records_they_are(
    size: int, published: int
) -> None:
    dataset = Dataset(size=size)
    watcher = AnswerWatcher(Store(dataset), INTERVAL, lambda: dataset.now)
    external_ids = range(published)
    looks = []
    for second in range(0, 1000, 10):
        dataset.now = float(second)
        if watcher.look(external_ids) is not None:  # type: ignore[arg-type] # only counted
            looks.append(second)
    assert looks == [0, 300, 600, 900]
