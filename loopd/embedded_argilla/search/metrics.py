"""Counts over a dataset: values of a metadata property, statuses of records and of responses."""

from __future__ import annotations

from typing import Any

from argilla_server.enums import MetadataPropertyType
from argilla_server.models import Dataset, MetadataProperty, Record, Response, User
from argilla_server.search_engine.base import (
    FloatMetadataMetrics,
    IntegerMetadataMetrics,
    MetadataMetrics,
    TermsMetrics,
)
from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from loopd.embedded_argilla.search.json_sql import as_number, as_text, json_values

# As many different terms as a stock server returns.
_MOST_TERMS = 2**14


async def metadata_metrics(db: AsyncSession, prop: MetadataProperty) -> MetadataMetrics:
    """Return the counts of each term, or the smallest and largest number (None without any)."""
    if prop.type == MetadataPropertyType.terms:
        return await _terms_metrics(db, prop)
    rows = json_values(Record.metadata_, prop.name)
    value = as_number(rows)
    smallest, largest = (
        await db.execute(
            select(func.min(value), func.max(value))
            .select_from(Record)
            .join(rows, and_(True))
            .where(Record.dataset_id == prop.dataset_id)
        )
    ).one()
    if prop.type == MetadataPropertyType.integer:
        return IntegerMetadataMetrics(min=_integer(smallest), max=_integer(largest))
    return FloatMetadataMetrics(min=smallest, max=largest)


async def record_counts(db: AsyncSession, dataset: Dataset) -> dict[str, int]:
    """Return how many records have each status, and the `total`."""
    counted = await db.execute(
        select(Record.status, func.count())
        .where(Record.dataset_id == dataset.id)
        .group_by(Record.status)
    )
    return _with_total(counted)


async def response_counts(db: AsyncSession, dataset: Dataset, user: User) -> dict[str, int]:
    """Return how many of the user's responses have each status, and the `total`."""
    counted = await db.execute(
        select(Response.status, func.count())
        .join(Record, Record.id == Response.record_id)
        .where(Record.dataset_id == dataset.id, Response.user_id == user.id)
        .group_by(Response.status)
    )
    return _with_total(counted)


async def _terms_metrics(db: AsyncSession, prop: MetadataProperty) -> TermsMetrics:
    rows = json_values(Record.metadata_, prop.name)
    terms = (
        select(as_text(rows).label("term"))
        .select_from(Record)
        .join(rows, and_(True))
        .where(Record.dataset_id == prop.dataset_id)
        .subquery()
    )
    uses = func.count()
    counted = await db.execute(
        select(terms.c.term, uses)
        .where(terms.c.term.is_not(None))
        .group_by(terms.c.term)
        .order_by(uses.desc(), terms.c.term)
    )
    counts = [(str(term), int(uses)) for term, uses in counted]
    return TermsMetrics(
        total=sum(uses for _, uses in counts),
        values=[TermsMetrics.TermCount(term=t, count=n) for t, n in counts[:_MOST_TERMS]],
    )


def _with_total(counted: Any) -> dict[str, int]:
    counts = {str(status.value): int(number) for status, number in counted}
    return {"total": sum(counts.values()), **counts}


def _integer(value: float | None) -> int | None:
    return None if value is None else int(value)
