"""Owns what the search of people's page finds of a run's records; must not write anything.

With Elasticsearch behind Argilla the search may lack a record that the database has: Argilla only
logs where a write to the index fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from loopd.annotation.argilla_dataset import ArgillaDataset
from loopd.annotation.http import NotFoundError
from loopd.errors import ArgillaError

Json = dict[str, Any]

PAGE = 1000
"""Records a page; Argilla gives no more."""

OLDEST_FIRST = [{"scope": {"entity": "record", "property": "inserted_at"}, "order": "asc"}]
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
            some = batch_ids[start : start + BATCHES]
            yield from self._records(some, open_only, with_answers)

    def _records(
        self, batch_ids: Sequence[str], open_only: bool, with_answers: bool
    ) -> Iterator[Json]:
        name = self._dataset.names("batch_id")
        filters = [_terms(batch_ids, "metadata", metadata_property=name)]
        if open_only:
            filters.append(_terms(["pending"], "record", property="status"))
        offset, last = 0, PAGE
        while last == PAGE:
            items = self._page(filters, offset, with_answers)
            yield from (item["record"] for item in items)
            last, offset = len(items), offset + len(items)

    def _page(self, filters: list[Json], offset: int, with_answers: bool) -> list[Json]:
        try:
            return self._search(filters, offset, with_answers)
        except NotFoundError:
            raise
        except ArgillaError:
            self._dataset.add_metadata()  # somebody has removed what is searched by
            return self._search(filters, offset, with_answers)

    def _search(self, filters: list[Json], offset: int, with_answers: bool) -> list[Json]:
        body = {"query": {}, "filters": {"and": filters}, "sort": OLDEST_FIRST}
        api = self._dataset.api
        return api.search(body, with_answers=with_answers, limit=PAGE, offset=offset)


def _terms(values: Sequence[str], entity: str, **what: str) -> Json:
    return {"type": "terms", "scope": {"entity": entity, **what}, "values": list(values)}
