"""What the search finds is read to its end, however much it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.annotation import record_search, unhurried
from loopd.annotation.record_search import PageSearch
from loopd.errors import ArgillaError

UNTOLD = record_search.WINDOW


class Index:
    """A search index that skips no more than a window, as Elasticsearch does unless it is told.

    Args:
        moments: at which its documents were made, in the order of their ids.
        stale: documents whose records are gone from the database.
    """

    def __init__(self, moments: Sequence[int], stale: frozenset[int] = frozenset()) -> None:
        self._documents = sorted((moment, number) for number, moment in enumerate(moments))
        self._stale = stale
        self.api = self
        self.requests = 0
        self.now = 0.0
        self.pauses: list[float] = []

    def names(self, name: str) -> str:
        return name

    def add_metadata(self) -> None:
        raise AssertionError("the index has refused something")

    def search(
        self, body: dict[str, Any], *, with_answers: bool, limit: int, offset: int
    ) -> dict[str, Any]:
        assert limit == (record_search.PAGE_WITH_ANSWERS if with_answers else record_search.PAGE)
        if offset + limit > record_search.WINDOW:
            raise ArgillaError("Result window is too large")
        self.requests += 1
        self.now += self.requests  # the n-th page takes n seconds
        assert body["sort"] == [
            {"scope": {"entity": "record", "property": "inserted_at"}, "order": "asc"}
        ]
        bounds = [part["ge"] for part in body["filters"]["and"] if part["type"] == "range"]
        hits = [each for each in self._documents if not bounds or _moment(each[0]) >= bounds[0]]
        shown = [each for each in hits[offset : offset + limit] if each[1] not in self._stale]
        items = [{"record": {"id": str(n), "inserted_at": _moment(at)}} for at, n in shown]
        return {"items": items, "total": len(hits)}

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def _moment(number: int) -> str:
    return f"2026-01-01T00:00:00.{number:06d}"


def found(index: Index, batch_ids: Sequence[str] = ("b0",)) -> list[str]:
    search = PageSearch(index)  # type: ignore[arg-type]
    return [record["id"] for record in search.records(batch_ids, open_only=True)]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_search, "PAGE", 5)
    monkeypatch.setattr(record_search, "PAGE_WITH_ANSWERS", 4)
    monkeypatch.setattr(record_search, "WINDOW", 20)


GAPS = st.lists(st.integers(0, 2), max_size=120)


@given(GAPS, st.sets(st.integers(0, 119)))
def test_all_of_it_is_found_once(gaps: list[int], stale: set[int]) -> None:
    """Also where several records are of one moment, and the index has some that are gone."""
    moments, now, alike = [], 0, 0
    for gap in gaps:
        alike = 0 if gap else alike + 1
        now += gap or (alike > 8)  # less than a window of one moment
        alike = alike if alike <= 8 else 0
        moments.append(now)
    here = frozenset(number for number in stale if number % 7)  # a window is never all stale
    index = Index(moments, here)
    ids = found(index)
    assert len(ids) == len(set(ids))
    assert set(ids) == {str(number) for number in range(len(moments))} - set(map(str, here))


@pytest.mark.parametrize(
    ("count", "requests"), [(0, 1), (5, 1), (6, 2), (20, 4), (21, 5), (58, 12)]
)
def test_no_more_is_asked_than_it_takes(count: int, requests: int) -> None:
    index = Index(range(count))
    assert len(found(index)) == count
    assert index.requests == requests


@given(st.integers(0, 20))
def test_answers_are_read_in_small_pages_with_pauses_as_long_as_a_page(count: int) -> None:
    index = Index(range(count))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unhurried, "LONGEST_PAUSE", 3.0)
        for module in (record_search, unhurried):
            patch.setattr(module, "time", index)
        records = [*PageSearch(index).records(("b0",), with_answers=True)]  # type: ignore[arg-type]
    assert [record["id"] for record in records] == [str(number) for number in range(count)]
    pages = max(1, -(-count // 4))
    assert index.requests == pages
    assert index.pauses == [min(number, 3.0) for number in range(1, pages)], "none after the last"


def test_more_than_a_window_of_one_moment_ends() -> None:
    assert len(found(Index([7] * 50))) == 20


def test_the_window_is_what_elasticsearch_allows_untold() -> None:
    assert UNTOLD <= 10_000
