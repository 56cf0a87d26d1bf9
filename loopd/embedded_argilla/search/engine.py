"""The search engine registered with Argilla: reads from its tables, has nothing to write.

Argilla calls every write method after it has committed, so the tables are the index and always up
to date (ADR 0003). An instance is made for every request and keeps no state.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from argilla_server.database import AsyncSessionLocal
from argilla_server.enums import SimilarityOrder
from argilla_server.models import (
    Dataset,
    MetadataProperty,
    Record,
    Response,
    Suggestion,
    User,
    Vector,
    VectorSettings,
)
from argilla_server.search_engine.base import (
    Filter,
    MetadataMetrics,
    Order,
    SearchEngine,
    SearchResponseItem,
    SearchResponses,
    TextQuery,
)
from sqlalchemy import ColumnElement, Text, cast, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession, async_object_session

from loopd.embedded_argilla.search.filters import filter_condition
from loopd.embedded_argilla.search.metrics import metadata_metrics, record_counts, response_counts
from loopd.embedded_argilla.search.order import order_by
from loopd.embedded_argilla.search.schema import DatasetSchema, load_schema
from loopd.embedded_argilla.search.similarity import cosine_scores
from loopd.embedded_argilla.search.texts import TextSearch, text_search

ENGINE_NAME = "loopd"
_VECTORS_AT_A_TIME = 1000


@SearchEngine.register(ENGINE_NAME)
class LoopdSearchEngine(SearchEngine):  # type: ignore[misc]
    """Argilla's search engine interface over Argilla's own SQL tables."""

    @classmethod
    async def new_instance(cls) -> LoopdSearchEngine:
        return cls()

    async def close(self) -> None:
        """Nothing is held between calls."""

    async def ping(self) -> bool:
        """The index is the database, which Argilla has checked by now."""
        return True

    async def info(self) -> dict[str, Any]:
        return {"name": ENGINE_NAME, "storage": "the tables of Argilla"}

    # Writes: Argilla has committed what these are told.

    async def create_index(self, dataset: Dataset) -> None: ...

    async def delete_index(self, dataset: Dataset) -> None: ...

    async def configure_metadata_property(
        self, dataset: Dataset, metadata_property: MetadataProperty
    ) -> None: ...

    async def configure_index_vectors(self, vector_settings: VectorSettings) -> None: ...

    async def index_records(
        self,
        dataset: Dataset,  # noqa: ARG002  (Argilla's signature)
        records: Iterable[Record],
    ) -> None:
        """Nothing to write, but what Argilla's own engines cannot index is refused here too."""
        for record in records:
            if record.is_relationship_loaded("responses"):
                _refuse_null(record.responses)

    async def partial_record_update(self, record: Record, **update: Any) -> None: ...

    async def delete_records(self, dataset: Dataset, records: Iterable[Record]) -> None: ...

    async def update_record_response(self, response: Response) -> None:
        """As :meth:`index_records`."""
        _refuse_null([response])

    async def delete_record_response(self, response: Response) -> None: ...

    async def update_record_suggestion(self, suggestion: Suggestion) -> None: ...

    async def delete_record_suggestion(self, suggestion: Suggestion) -> None: ...

    # Reads

    async def get_dataset_progress(self, dataset: Dataset) -> dict[str, int]:
        """Return the number of records by status with `total`; empty for an unpublished dataset."""
        if dataset.is_draft:
            return {}
        async with _reading(dataset) as db:
            return await record_counts(db, dataset)

    async def get_dataset_user_progress(self, dataset: Dataset, user: User) -> dict[str, int]:
        """Return the number of the user's responses by status; empty for an unpublished dataset."""
        if dataset.is_draft:
            return {}
        async with _reading(dataset) as db:
            return await response_counts(db, dataset, user)

    async def compute_metrics_for(self, metadata_property: MetadataProperty) -> MetadataMetrics:
        """Return what the UI's filter panel shows for a property, over the whole dataset."""
        async with _reading(metadata_property) as db:
            return await metadata_metrics(db, metadata_property)

    async def search(
        self,
        dataset: Dataset,
        query: TextQuery | str | None = None,
        filter: Filter | None = None,  # noqa: A002  (Argilla's keyword)
        sort: list[Order] | None = None,
        offset: int = 0,
        limit: int = 100,
        user_id: UUID | str | None = None,  # noqa: ARG002  (for the random order we do not give)
    ) -> SearchResponses:
        """Return one page of the records that meet the query and the filter, and their number."""
        async with _reading(dataset) as db:
            schema = await load_schema(db, dataset)
            conditions = _conditions(schema, filter)
            order = order_by(sort, schema)
            if query is None:
                ids, total = await _page(db, conditions, order, offset, limit)
            else:
                matches = await _text_matches(db, text_search(query, schema), conditions, order)
                ids, total = matches[offset : offset + limit], len(matches)
        score = None if sort else 1.0
        items = [SearchResponseItem(record_id=id_, score=score) for id_ in ids]
        return SearchResponses(items=items, total=total)

    async def similarity_search(  # noqa: PLR0913, PLR0917  (Argilla's signature)
        self,
        dataset: Dataset,
        vector_settings: VectorSettings,
        value: list[float] | None = None,
        record: Record | None = None,
        query: TextQuery | str | None = None,
        filter: Filter | None = None,  # noqa: A002
        max_results: int = 100,
        order: SimilarityOrder = SimilarityOrder.most_similar,
        threshold: float | None = None,
    ) -> SearchResponses:
        """Return the records nearest to a vector, or to a record, which is itself left out.

        ValueError unless exactly one of `value` and `record` is given, and has a vector.
        """
        if bool(value) == bool(record):
            raise ValueError("Give either a vector or a record to compare with.")
        async with _reading(dataset) as db:
            reference = value or await _vector_of(db, record, vector_settings)
            if not reference:
                raise ValueError("The record has no such vector.")
            schema = await load_schema(db, dataset)
            conditions = [
                *_conditions(schema, filter),
                Vector.vector_settings_id == vector_settings.id,
            ]
            if record is not None:
                conditions.append(Record.id != record.id)
            search = None if query is None else text_search(query, schema)
            negate = order == SimilarityOrder.least_similar
            scored = await _scored(db, conditions, search, reference, negate=negate)
        best = sorted(scored, key=lambda pair: -pair[1])[:max_results]
        items = [
            SearchResponseItem(record_id=id_, score=score)
            for id_, score in best
            if threshold is None or score >= threshold
        ]
        return SearchResponses(items=items, total=len(best))


def _refuse_null(responses: Iterable[Response]) -> None:
    """TypeError, which Argilla answers with HTTP 500, for a response whose values are null.

    Argilla's own engines fail at it, at once and in every later bulk with its record. A client that
    works here works there.
    """
    if any(response.values is None for response in responses):
        raise TypeError(
            "a response with `values: null` cannot be indexed by any of Argilla's search engines: "
            "send `values: {}` with a discard that has no values"
        )


@asynccontextmanager
async def _reading(model: Any) -> AsyncIterator[AsyncSession]:
    """Yield the session that `model` came from, else a new one.

    Taking a second connection while the request holds its own would exhaust the pool: with as many
    requests as connections, each would wait for a second one that nobody gives back.
    """
    session = async_object_session(model)
    if session is not None:
        yield session
        return
    async with AsyncSessionLocal() as new:
        yield new


def _conditions(schema: DatasetSchema, query_filter: Filter | None) -> list[ColumnElement[bool]]:
    condition = true() if query_filter is None else filter_condition(query_filter, schema)
    return [Record.dataset_id == schema.id, condition]


async def _page(
    db: AsyncSession,
    conditions: list[ColumnElement[bool]],
    order: list[ColumnElement[Any]],
    offset: int,
    limit: int,
) -> tuple[Sequence[UUID], int]:
    total = await db.scalar(select(func.count(Record.id)).where(*conditions))
    ids = await db.scalars(
        select(Record.id).where(*conditions).order_by(*order).offset(offset).limit(limit)
    )
    return ids.all(), total or 0


async def _text_matches(
    db: AsyncSession,
    search: TextSearch,
    conditions: list[ColumnElement[bool]],
    order: list[ColumnElement[Any]],
) -> list[UUID]:
    rows = await db.execute(
        select(Record.id, *search.columns()).where(*conditions, search.narrowing()).order_by(*order)
    )
    return await asyncio.to_thread(search.keep, rows.all())


async def _vector_of(
    db: AsyncSession, record: Record | None, settings: VectorSettings
) -> list[float] | None:
    if record is None:
        return None
    return await db.scalar(
        select(Vector.value).where(
            Vector.record_id == record.id, Vector.vector_settings_id == settings.id
        )
    )


async def _scored(
    db: AsyncSession,
    conditions: list[ColumnElement[bool]],
    search: TextSearch | None,
    reference: Sequence[float],
    *,
    negate: bool,
) -> list[tuple[UUID, float]]:
    """Return the similarity of every record that meets the conditions, in order of insertion.

    Vectors are most of what a database holds, so they are read a part at a time.
    """
    vectors = (
        select(Record.id, cast(Vector.value, Text), *(search.columns() if search else ()))
        .join(Vector, Vector.record_id == Record.id)
        .where(*conditions, search.narrowing() if search else true())
        .order_by(Record.inserted_at, Record.id)
    )
    scored: list[tuple[UUID, float]] = []
    async for rows in (await db.stream(vectors)).partitions(_VECTORS_AT_A_TIME):
        scored += await asyncio.to_thread(_score, rows, search, reference, negate)
    return scored


def _score(
    rows: Sequence[Any], search: TextSearch | None, reference: Sequence[float], negate: bool
) -> list[tuple[UUID, float]]:
    vectors = {row[0]: row[1] for row in rows}
    kept = search.keep((row[0], *row[2:]) for row in rows) if search else list(vectors)
    if not kept:
        return []
    scores = cosine_scores([vectors[id_] for id_ in kept], reference, negate=negate)
    return list(zip(kept, scores.tolist(), strict=True))
