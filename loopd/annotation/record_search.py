"""Owns what the search of people's page finds of a run's records; must not write anything.

With Elasticsearch behind Argilla the search may lack a record that the database has: Argilla only
logs where a write to the index fails.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from loopd.annotation.argilla_dataset import ArgillaDataset
from loopd.annotation.http import NotFoundError
from loopd.annotation.unhurried import pause
from loopd.errors import ArgillaError

Json = dict[str, Any]

PAGE = 1000
"""Records a page; Argilla gives no more."""

PAGE_WITH_ANSWERS = 100
"""Records a page with responses, which are read while people are at work: see ``unhurried``."""

WINDOW = 10_000
"""Hits of one query that are paged through: an index refuses to skip more, unless it was told.

Argilla's own engines set 500,000 where they make an index; another may have been put in its place.
"""
_MOMENT = {"entity": "record", "property": "inserted_at"}
OLDEST_FIRST = [{"scope": _MOMENT, "order": "asc"}]
"""An order that does not change while pages are read."""

BATCHES = 200
"""Batches in one request; Argilla takes 250 values."""


class PageSearch:
    """The route by which people's page finds records.

    Args:
        dataset: in which is searched.
    """

    def __init__(self, dataset: ArgillaDataset) -> None:
        self._dataset = dataset

    def records(
        self, batch_ids: Sequence[str], *, open_only: bool = False, with_answers: bool = False
    ) -> Iterator[Json]:
        """Everything of these batches that the search finds.

        Args:
            batch_ids: as the records' metadata say.
            open_only: leave out what the search knows as completed, as the page does.
            with_answers: let the records have everybody's responses, as they are in the database.
        """
        for start in range(0, len(batch_ids), BATCHES):
            filters = self._filters(batch_ids[start : start + BATCHES], open_only)
            yield from self._records(filters, with_answers)

    def _filters(self, batch_ids: Sequence[str], open_only: bool) -> list[Json]:
        name = self._dataset.names("batch_id")
        filters = [_terms(batch_ids, "metadata", metadata_property=name)]
        if open_only:
            filters.append(_terms(["pending"], "record", property="status"))
        return filters

    def _records(self, filters: list[Json], with_answers: bool) -> Iterator[Json]:
        """All hits, the oldest first: each window begins where the one before has ended.

        Only more than a window of records of one and the same moment would be cut short.
        """
        seen: set[str] = set()
        since, last, total = None, None, WINDOW + 1
        while total > WINDOW:
            total = 0
            window = self._window([*filters, *_not_before(since)], with_answers)
            for total, record in window:  # noqa: B007
                last = str(record["inserted_at"])
                if record["id"] not in seen:
                    seen.add(record["id"])
                    yield record
            if last == since:
                return
            since = last

    def _window(self, filters: list[Json], with_answers: bool) -> Iterator[tuple[int, Json]]:
        """The first hits, with the number of all."""
        offset, total, size = 0, 1, _size(with_answers)
        while offset < min(total, WINDOW):
            began = time.monotonic()
            page = self._page(filters, offset, with_answers)
            took = time.monotonic() - began
            total = int(page["total"])
            yield from ((total, item["record"]) for item in page["items"])
            offset += size
            if with_answers and offset < min(total, WINDOW):
                pause(took)

    def _page(self, filters: list[Json], offset: int, with_answers: bool) -> Json:
        try:
            return self._search(filters, offset, with_answers)
        except NotFoundError:
            raise
        except ArgillaError:
            self._dataset.add_metadata()  # somebody has removed what is searched by
            return self._search(filters, offset, with_answers)

    def _search(self, filters: list[Json], offset: int, with_answers: bool) -> Json:
        body = {"query": {}, "filters": {"and": filters}, "sort": OLDEST_FIRST}
        api, size = self._dataset.api, _size(with_answers)
        return api.search(body, with_answers=with_answers, limit=size, offset=offset)


def _size(with_answers: bool) -> int:
    return PAGE_WITH_ANSWERS if with_answers else PAGE


def _not_before(moment: str | None) -> list[Json]:
    """The filter of what was made at a moment or later, none without one."""
    return [] if moment is None else [{"type": "range", "scope": _MOMENT, "ge": moment, "le": None}]


def _terms(values: Sequence[str], entity: str, **what: str) -> Json:
    return {"type": "terms", "scope": {"entity": entity, **what}, "values": list(values)}
