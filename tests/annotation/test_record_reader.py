"""Single records are read without a listing of the dataset, whatever others have deleted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopd.annotation import record_reader
from loopd.annotation.dataset_api import DatasetApi
from loopd.annotation.record_index import RecordIndex
from loopd.annotation.record_reader import WINDOWS, UnknownError
from loopd.data.pool import Pool
from loopd.tasks.single_label import SingleLabelTask

TASK = SingleLabelTask(("fruit", "tool"), "label", "text", "Which?")


class Listing(DatasetApi):
    """A dataset that lists its records in an order that stays; counts what it lists."""

    def __init__(self, ids: list[str]) -> None:
        self.ids = ids
        self.listed: list[int] = []

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        assert (method, path) == ("GET", "/records")
        params = arguments["params"]
        ids = self.ids[params["offset"] : params["offset"] + params["limit"]]
        self.listed.append(len(ids))
        return {"items": [{"id": id_} for id_ in ids], "total": len(self.ids)}


def index_of(ids: list[str]) -> RecordIndex:
    index = RecordIndex(TASK, Pool(()))
    index.replace({"id": id_, "external_id": id_, "fields": {}} for id_ in ids)
    return index


def names(count: int) -> list[str]:
    return [f"r{number}" for number in range(count)]


@settings(deadline=None)
@given(
    size=st.integers(1, 150),
    gone=st.sets(st.integers(0, 149)),
    added=st.integers(0, 5),
    looked_for=st.lists(st.integers(0, 149), min_size=1, max_size=5),
)
def test_a_record_is_read_or_known_to_be_gone(
    size: int, gone: set[int], added: int, looked_for: list[int]
) -> None:
    index = index_of(before := names(size))
    left = [id_ for number, id_ in enumerate(before) if number not in gone]
    api = Listing([*left, *(f"new{number}" for number in range(added))])
    for number in looked_for:
        id_ = before[number % size]
        try:
            record = record_reader.read(api, index, id_)
        except UnknownError:
            assert id_ not in left  # then everything is listed once, and is not there either
            continue
        assert record == ({"id": id_} if id_ in left else None)


def test_records_behind_deleted_ones_cost_one_search_and_then_two_requests() -> None:
    index = index_of(before := names(20_000))
    api = Listing(before[30:])
    for number in range(15_000, 15_010):
        assert record_reader.read(api, index, f"r{number}") == {"id": f"r{number}"}
    assert api.listed == [1, 50, 1, *([1, 1] * 9)]


def test_what_has_moved_far_is_left_to_a_listing() -> None:
    index = index_of(before := names(5_000))
    api = Listing(before[2_000:])
    with pytest.raises(UnknownError):
        record_reader.read(api, index, "r4000")
    assert max(api.listed) <= WINDOWS[-1]
    with pytest.raises(UnknownError):
        record_reader.read(api, index, "never")


class Shrinking(Listing):
    """A dataset of which somebody deletes the first record whenever several were listed."""

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        answer = super().request(method, path, **arguments)
        if self.listed[-1] > 1:
            del self.ids[0]
        return answer


def test_a_record_that_moves_while_it_is_looked_for_is_not_taken_for_another() -> None:
    """Nor for gone: where it was a moment ago there is its neighbour now."""
    index = index_of(before := names(100))
    api = Shrinking(before[1:])
    with pytest.raises(UnknownError):
        record_reader.read(api, index, "r60")
    assert "r60" in api.ids
    assert api.listed == [1, 50, 1]
