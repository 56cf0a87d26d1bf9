"""Owns reading one record as it is now, without a listing of the dataset; must not write anything.

Argilla lists records in the order in which they came, and only that shows a record which has a
vector. Where records before it were deleted, it stands further to the front than it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loopd.annotation.dataset_api import DatasetApi
from loopd.annotation.record_index import RecordIndex

Json = dict[str, Any]

WINDOWS = (50, 1000)
"""Records among which it is looked for in front of where it was; Argilla lists no more at once."""


class UnknownError(Exception):
    """The records around do not tell whether it is there."""


def read(api: DatasetApi, index: RecordIndex, record_id: str) -> Json | None:
    """One record with responses and suggestions; ``None`` where it is gone.

    Args:
        api: of the dataset.
        index: of the last listing; learns by how much records have moved since.
        record_id: Argilla's id.

    Raises:
        UnknownError: only a listing of everything can tell.
    """
    before = index.positions.get(record_id)
    if before is None:
        raise UnknownError
    for position in dict.fromkeys((before, max(0, before - index.moved))):
        record = _read_at(api, position, record_id)
        if record is not None:
            return record
    position_now = _position(api, index, record_id)
    if position_now is None:
        return None
    index.moved = before - position_now
    record = _read_at(api, position_now, record_id)
    if record is None:
        raise UnknownError
    return record


def _read_at(api: DatasetApi, position: int, record_id: str) -> Json | None:
    for record in _list(api, position, 1, "responses", "suggestions"):
        if record["id"] == record_id:
            return record
    return None


def _position(api: DatasetApi, index: RecordIndex, record_id: str) -> int | None:
    """Where it is now; ``None`` where it is gone from between its neighbours."""
    before = index.positions[record_id]
    for size in WINDOWS:
        start = max(0, before + 1 - size)
        ids = [str(record["id"]) for record in _list(api, start, size)]
        if record_id in ids:
            return start + ids.index(record_id)
        positions = [index.positions[id_] for id_ in ids if id_ in index.positions]
        begins_before = start == 0 or any(position < before for position in positions)
        ends_behind = len(ids) < size or any(position > before for position in positions)
        if begins_before and ends_behind:
            return None
    raise UnknownError


def _list(api: DatasetApi, offset: int, limit: int, *include: str) -> Sequence[Json]:
    params = {"offset": offset, "limit": limit} | ({"include": include} if include else {})
    items: list[Json] = api.request("GET", "/records", params=params)["items"]
    return items
