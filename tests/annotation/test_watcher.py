"""How much an idle loop asks of Argilla; the requests are counted, not made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest

from loopd.annotation.argilla_dataset import DatasetPlan
from loopd.annotation.argilla_store import ArgillaStore
from loopd.annotation.dataset_api import DatasetApi
from loopd.annotation.http import ArgillaHttp
from loopd.annotation.watcher import DOUBT_SHARE, GIVEN_UP_AFTER, AnswerWatcher
from loopd.config import ArgillaSection
from loopd.errors import TransientError
from loopd.records import ExternalId
from loopd.tasks.single_label import SingleLabelTask
from tests.annotation.test_looks import OPEN, History

PLAN = DatasetPlan(SingleLabelTask(("fruit", "tool"), "label", "text", "Which?"), "", 1)
RUN = [ExternalId(f"r{number}") for number in range(5)]


class CountingApi(DatasetApi):
    """A dataset of these records, of which nobody answers any; counts the pages."""

    def __init__(self, http: ArgillaHttp, names: list[str]) -> None:
        super().__init__(ArgillaSection(), http)
        self.names_of_records = names
        self.sizes: list[int] = []

    def total(self) -> int:
        return len(self.names_of_records)

    def pages(self, size: int, *include: str, **_: Any) -> Iterator[list[dict[str, Any]]]:
        for start in range(0, len(self.names_of_records), size):
            self.sizes.append(size)
            names = self.names_of_records[start : start + size]
            yield [{"id": id_, "external_id": id_, "fields": {"text": id_}} for id_ in names]


class Counting(ArgillaStore):
    """The store on it."""

    def __init__(self, records: Sequence[str]) -> None:
        super().__init__(ArgillaSection(), "key", PLAN)
        self._dataset.api = api = CountingApi(self._http, [*records])
        self.records = api.names_of_records
        self.sizes = api.sizes

    def activity(self) -> str:
        return "the same"


@pytest.fixture
def made() -> Iterator[list[Counting]]:
    stores: list[Counting] = []
    yield stores
    for store in stores:
        store.close()


def test_a_record_that_is_known_to_be_gone_costs_no_second_listing(made: list[Counting]) -> None:
    made.append(store := Counting([*RUN]))
    store.sweep(RUN)
    assert store.sizes == [250]
    store.records.remove("r3")
    assert [store.sweep(RUN).missing for _ in range(4)] == [("r3",)] * 4
    assert store.sizes == [250] + [250, 997] + [250] * 3
    store.records.remove("r4")
    assert store.sweep(RUN).missing == ("r3", "r4")
    assert store.sizes[6:] == [250, 997]
    store.records.append("r3")
    assert store.sweep(RUN).missing == ("r4",)
    store.records.remove("r3")
    assert store.sweep(RUN).missing == ("r3", "r4")
    assert store.sizes[8:] == [250, 250, 997]


def test_while_the_search_is_broken_a_look_at_everything_says_when_the_next_one_comes() -> None:
    """Within this time an answer is noticed: a batch must not be closed for good before."""
    history = History(1000, busy=3.0)
    store, watcher = history.store, history.watcher
    assert watcher.delay == 0.0
    watcher.look(RUN, [OPEN])
    took = store.now
    assert took > 10.0
    assert watcher.delay == 0.0  # the open batches are read alone, as far as is known
    store.search_is_broken = True
    for number in range(GIVEN_UP_AFTER):
        store.submit(RUN[number], "ann", "fruit")
        with suppress(TransientError):
            assert watcher.look(RUN, [OPEN]) is None
    assert watcher.delay == pytest.approx(took / DOUBT_SHARE)
    again = watcher.delay  # the first look began at 0
    store.now = again - 0.1
    assert watcher.look(RUN, [OPEN]) is None
    store.now = again
    sweep = watcher.look(RUN, [OPEN])
    assert sweep is not None
    assert not sweep.is_partial


@pytest.mark.parametrize(
    ("others", "pages"), [(0, 120), pytest.param(39_995, 480, marks=pytest.mark.slow)]
)
def test_records_of_others_slow_the_sweeps_down(
    made: list[Counting], others: int, pages: int
) -> None:
    """An hour, in which nobody answers: with 40,000 records 12 sweeps of 40 pages."""
    made.append(store := Counting([*RUN, *(f"other{number}" for number in range(others))]))
    now = [0.0]
    watcher = AnswerWatcher(store, 30.0, lambda: now[0])
    for second in range(0, 3600, 3):
        now[0] = float(second)
        watcher.look(RUN)
    assert len(store.sizes) == pages
