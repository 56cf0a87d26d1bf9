"""Everything is read in pages between which the server is left to people."""

from __future__ import annotations

from math import lcm
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopd.annotation import unhurried
from loopd.annotation.argilla_dataset import PAGE_SIZES
from loopd.annotation.dataset_api import DatasetApi


class Server(DatasetApi):
    """Records by number; takes the same time for each page, and notes when it was left alone."""

    def __init__(self, total: int, seconds: float) -> None:
        self.records = total
        self.seconds = seconds
        self.now = 0.0
        self.asked: list[int] = []
        self.pauses: list[float] = []

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        assert (method, path) == ("GET", "/records")
        first, limit = arguments["params"].get("offset", 0), arguments["params"]["limit"]
        self.asked.append(limit)
        if limit > 1:
            self.now += self.seconds
        rows = range(first, min(first + limit, self.records))
        return {"items": [{"id": f"r{row}"} for row in rows], "total": self.records}

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@settings(deadline=None, max_examples=60)
@given(total=st.integers(0, 60_000), seconds=st.sampled_from((0.02, 0.3, 5.0)))
def test_each_record_is_read_once_and_people_get_as_much_time_as_a_page(
    total: int, seconds: float
) -> None:
    server = Server(total, seconds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unhurried, "time", server)
        ids = [record["id"] for page in unhurried.pages(server) for record in page]
    assert ids == [f"r{row}" for row in range(total)]
    size = unhurried.size_for(total)
    assert set(server.asked[1:]) == {size}
    between = max(0, -(-total // size) - 1)
    assert between <= len(server.pauses) <= between + 1, "none after a page that is not full"
    longest = unhurried.LONGEST_PAUSE
    assert server.pauses == pytest.approx([min(seconds, longest)] * len(server.pauses))


def test_pages_grow_with_the_dataset_and_are_never_larger_than_argilla_gives() -> None:
    sizes = [unhurried.size_for(total) for total in range(0, 100_000, 250)]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (250, 1000)
    assert all(total / unhurried.size_for(total) <= unhurried.FEW for total in range(0, 40_000, 99))


def test_its_borders_are_not_those_of_the_second_listing() -> None:
    """A record that slips over a border in one listing does not do so in the other."""
    assert all(lcm(size, PAGE_SIZES[1]) > 100 * size for size in unhurried.SIZES)
