"""Owns how the records of withdrawn texts leave a dataset; must touch no record of others.

A record that loopd has made, in a dataset of its own, is deleted with its answers. Whatever else
shows such a text is people's, also where loopd has published it: loopd takes what it has written
there, and the record stays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any

from loopd.annotation import maker_mark, record_schema, run_mark
from loopd.annotation.argilla_dataset import ArgillaDataset, DatasetPlan
from loopd.annotation.record_bodies import spoils_bulks
from loopd.annotation.record_index import COPY_ID
from loopd.errors import ArgillaError
from loopd.records import ExternalId

Json = dict[str, Any]

AT_ONCE = 50
"""Records that one request deletes; Argilla takes 100."""


def removed(
    dataset: ArgillaDataset,
    plan: DatasetPlan,
    external_ids: Collection[ExternalId],
    is_withdrawn: Callable[[str], bool],
) -> frozenset[str]:
    """Delete loopd's own records of some texts, and take what it has written from those of others.

    Args:
        dataset: that the run holds.
        plan: what the run needs of it.
        external_ids: of the texts, and of their copies.
        is_withdrawn: whether a text is one of them.

    Returns:
        Names of the records that stay in Argilla with their texts.
    """
    records, is_ours = dataset.records("suggestions", "responses"), dataset.index.is_ours
    found = [one for one in records if _shows(one, plan, external_ids, is_withdrawn)]
    names = {one["id"] for one in found}  # a record that was taken back before is among them
    is_own = not plan.in_place and all(is_ours(one) for one in records if one["id"] not in names)
    made = [one for one in found if (is_own and is_ours(one)) or _is_copy(one, dataset)]
    alone = [one for one in made if _is_loopds(one, dataset, plan, external_ids)]
    _delete(dataset, alone)
    gone = {record["id"] for record in alone}
    others = [record for record in found if record["id"] not in gone]
    for record in others:
        if is_ours(record):
            _take_back(dataset, record)
    dataset.records()
    return frozenset(record["external_id"] or record["id"] for record in others)


def _shows(
    record: Json,
    plan: DatasetPlan,
    external_ids: Collection[ExternalId],
    is_withdrawn: Callable[[str], bool],
) -> bool:
    """Whether it is one of the run's by its id, or shows one of the texts under another."""
    if record["external_id"] in external_ids and run_mark.PROPERTY in _metadata(record):
        return True
    shown = plan.layout.text_in(record["fields"])
    return isinstance(shown, str) and any(
        map(is_withdrawn, record_schema.readings(plan.task, shown))
    )


def _is_loopds(
    record: Json, dataset: ArgillaDataset, plan: DatasetPlan, external_ids: Collection[ExternalId]
) -> bool:
    """Whether nothing of it is anybody else's, but for answers to what loopd has asked."""
    names = [dataset.names(name) for name in record_schema.METADATA]
    own = {body["name"] for body in plan.layout.property_bodies(names)}
    theirs = dataset.names.theirs(_metadata(record)).keys() - own
    agents = [str(entry.get("agent")) for entry in record.get("suggestions") or ()]
    is_proposed = all(agent.startswith(record_schema.AGENT) for agent in agents)
    is_alone = not theirs and not maker_mark.is_on(_metadata(record)) and is_proposed
    return record["external_id"] in external_ids and is_alone


def _is_copy(record: Json, dataset: ArgillaDataset) -> bool:
    """Whether it asks for a second opinion: loopd makes such in any dataset."""
    named = COPY_ID.fullmatch(record["external_id"] or "")
    return named is not None and dataset.index.is_ours(record)


def _metadata(record: Json) -> Json:
    metadata: Json = record.get("metadata") or {}
    return metadata


def _delete(dataset: ArgillaDataset, records: Sequence[Json]) -> None:
    for start in range(0, len(records), AT_ONCE):
        ids = ",".join(record["id"] for record in records[start : start + AT_ONCE])
        dataset.api.request("DELETE", "/records", params={"ids": ids})


def _take_back(dataset: ArgillaDataset, record: Json) -> None:
    """Remove loopd's metadata and suggestions; responses and all else stay."""
    with suppress(ArgillaError):  # it is gone meanwhile, or not taken back: its name is told
        if ids := ",".join(_proposals(record)):
            path = f"records/{record['id']}/suggestions"
            dataset.api.http.request("DELETE", path, params={"ids": ids})
        if not spoils_bulks(record):
            body = {"id": record["id"], "metadata": dataset.names.theirs(_metadata(record))}
            dataset.api.request("PUT", "/records/bulk", json={"items": [body]})


def _proposals(record: Json) -> Iterator[str]:
    for entry in record.get("suggestions") or ():
        if str(entry.get("agent")).startswith(record_schema.AGENT):
            yield str(entry["id"])
