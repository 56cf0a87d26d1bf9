"""Owns how the batches of a run are read off what Argilla holds; pure.

Must not guess: what cannot be known is said in the notes, what cannot be right is refused.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from loopd.annotation import record_schema
from loopd.annotation.store import PublishedItem
from loopd.data.pool import Pool
from loopd.errors import DatasetError
from loopd.loop.queue import LARGEST_BATCH
from loopd.records import (
    Batch,
    BatchItem,
    ExternalId,
    JsonValue,
    PoolId,
    published_as,
    text_of,
)
from loopd.tasks.task import Task

UNKNOWN = "unknown"
"""Strategy of a batch of which nothing says how it was chosen."""

_BATCH_ID = re.compile(r"b(\d{4,9})")
_COPY_ID = re.compile(r"(.+)#\d+", re.DOTALL)
_LARGEST_GAP = 100
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What Argilla tells about the batches of a run.

    Attributes:
        batches: in order; one of which nothing is left has no items.
        published: when the last record of each came, seconds since 1970, ``None`` where unknown.
        notes: what was odd, for people.
    """

    batches: tuple[Batch, ...]
    published: tuple[float | None, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """A record of the run.

    Attributes:
        record_id: pool id.
        number: of its batch, ``None`` where it says none.
        fits: whether its text is that of the pool.
    """

    item: PublishedItem
    external_id: ExternalId
    record_id: PoolId
    number: int | None
    fits: bool

    @property
    def copy_id(self) -> ExternalId | None:
        return None if self.external_id == published_as(self.record_id) else self.external_id


def rebuild(items: Sequence[PublishedItem], pool: Pool, task: Task) -> Rebuilt:
    """The batches that the records were published in.

    A record belongs to the batch that its metadata name. One that names none is somebody else's, or
    somebody removed its metadata: answers on it count as those outside of batches do.

    Raises:
        DatasetError: no batch, ids that the pool lacks, other texts under its ids, or numbers of
            batches that cannot be.
    """
    records, unknown = _found(items, pool, task)
    _refuse_unknown(unknown)
    _refuse_other_texts(records)
    members: defaultdict[int, list[_Found]] = defaultdict(list)
    for member in records:
        if member.number is not None:
            members[member.number].append(member)
    _refuse_gaps(sorted(members))
    strays = [each for each in records if each.number is None]
    gone = _gone_originals(records, pool)
    batches = _batches(members, max(members) + 1)
    batches[0] = _with(batches[0], [BatchItem(record_id) for record_id in gone])
    foreign = len(items) - len(records)
    return Rebuilt(
        batches=tuple(batches),
        published=tuple(_latest(members[number]) for number in range(len(batches))),
        notes=(*_batch_notes(members, len(batches)), *_other_notes(strays, gone, foreign)),
    )


# -- whose record it is ----------------------------------------------------------------------------


def _found(
    items: Sequence[PublishedItem], pool: Pool, task: Task
) -> tuple[list[_Found], list[ExternalId]]:
    """Records of the run, ordered by id; and ids that name a batch but no text of the pool."""
    records, unknown = [], []
    for item in items:
        if item.external_id is None:  # loopd gives every record one
            continue
        number, record_id = _number(item.metadata), _original(item.external_id, item, pool)
        if record_id is not None and not pool[record_id].text:
            continue  # it was withdrawn, and somebody keeps its record
        if record_id is not None:
            fits = item.field is None or record_schema.shows_text(
                task, item.field, pool[record_id].text
            )
            # A copy that says nothing of itself is known by its text as well.
            if fits or number is not None or item.external_id in pool:
                records.append(_Found(item, item.external_id, record_id, number, fits))
        elif number is not None:
            unknown.append(item.external_id)
    return sorted(records, key=lambda record: record.external_id), sorted(unknown)


def _number(metadata: Mapping[str, JsonValue]) -> int | None:
    """Number of the batch, from its id, or from the round where there is no id."""
    batch_id, number = metadata.get("batch_id"), metadata.get("round")
    if isinstance(batch_id, str):
        match = _BATCH_ID.fullmatch(batch_id)
        return int(match[1]) if match else None
    whole = isinstance(number, int) and not isinstance(number, bool) and number >= 0
    return int(str(number)) if whole else None


def _original(external_id: ExternalId, item: PublishedItem, pool: Pool) -> PoolId | None:
    """Pool id of a record or a copy."""
    if external_id in pool:
        return text_of(external_id)
    named = item.metadata.get("second_opinion_of")
    if named is None and (like := _COPY_ID.fullmatch(external_id)):
        named = like[1]
    return PoolId(named) if isinstance(named, str) and named in pool else None


def _gone_originals(records: Sequence[_Found], pool: Pool) -> list[PoolId]:
    """Records that must have been published once, because there are copies of them."""
    present = {record.record_id for record in records if record.copy_id is None}
    copied = {each.record_id for each in records if each.copy_id and each.number is not None}
    return sorted(id_ for id_ in copied - present if not pool[id_].answers)


# -- what is refused -------------------------------------------------------------------------------


def _refuse_unknown(unknown: Sequence[ExternalId]) -> None:
    if unknown:
        raise DatasetError(
            f"{_records(len(unknown))} of the dataset name a batch, but not a text of the pool "
            f"({_some(unknown)})",
            "restore the pool of that run; if they are not the run's, take their `batch_id` away",
        )


def _refuse_other_texts(records: Sequence[_Found]) -> None:
    other = [record.external_id for record in records if not record.fits]
    if other:
        raise DatasetError(
            f"{_records(len(other))} of the dataset have another text than the pool "
            f"({_some(other)})",
            "restore the pool of that run, or their texts in Argilla",
        )


def _refuse_gaps(numbers: Sequence[int]) -> None:
    if not numbers:
        raise DatasetError(
            "the dataset holds no batch of a run: there is nothing to recover",
            "check argilla.dataset; a new run begins with `loopd run`",
        )
    for before, number in zip((-1, *numbers), numbers, strict=False):
        if number - before > _LARGEST_GAP:
            after = f"after b{before:04d}" if before >= 0 else "as the first"
            raise DatasetError(
                f"a record says that it is of batch b{number:04d}, which would come {after}",
                "mend its `batch_id` and `round` in Argilla",
            )


# -- batches ---------------------------------------------------------------------------------------


def _batches(members: Mapping[int, Sequence[_Found]], count: int) -> list[Batch]:
    """All batches, by number.

    Open records that were ranked anew name the model that chose a later batch, and not their own.
    """
    later: set[str | None] = set()
    batches = []
    for number in reversed(range(count)):
        named = {_text(record, "model_id") for record in members[number]}
        own = named - later or named
        votes = Counter(_text(each, "model_id") for each in members[number])
        model_id = min(own, key=lambda name: (-votes[name], str(name)), default=None)
        batches.append(_batch(number, members[number], model_id))
        later |= named - {None}
    return batches[::-1]


def _batch(number: int, members: Sequence[_Found], model_id: str | None) -> Batch:
    ordered = sorted(members, key=lambda record: (-_priority(record), record.external_id))
    return Batch(
        id=f"b{number:04d}",
        round=number,
        strategy=_most_frequent(members, "strategy") or UNKNOWN,
        model_id=model_id,
        items=tuple(_batch_item(each) for each in ordered),
    )


def _batch_item(member: _Found) -> BatchItem:
    score = _number_in(member, "score")
    origin = _text(member, "origin")
    is_test = origin == record_schema.TEST
    return BatchItem(
        member.record_id,
        score,
        member.item.suggestion,
        member.copy_id,
        draw=is_test or origin == record_schema.RANDOM,
        reason=_text(member, "chosen_because") or "",
        test=is_test,
    )


def _with(batch: Batch, more: Sequence[BatchItem]) -> Batch:
    return Batch(batch.id, batch.round, batch.strategy, batch.model_id, (*batch.items, *more))


def _most_frequent(members: Sequence[_Found], name: str) -> str | None:
    counts = Counter(_text(record, name) for record in members)
    counts.pop(None, None)
    return min(counts, key=lambda value: (-counts[value], str(value)), default=None)


def _latest(members: Sequence[_Found]) -> float | None:
    times = [_seconds(record.item.time) for record in members]
    return max((time for time in times if time is not None), default=None)


def _seconds(time: str) -> float | None:
    try:
        moment = datetime.fromisoformat(time.removesuffix("Z"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _priority(member: _Found) -> float:
    return _number_in(member, "priority") or 0.0


def _number_in(member: _Found, name: str) -> float | None:
    value = member.item.metadata.get(name)
    return float(value) if isinstance(value, (int, float)) else None


def _text(member: _Found, name: str) -> str | None:
    value = member.item.metadata.get(name)
    return value if isinstance(value, str) else None


# -- notes -----------------------------------------------------------------------------------------


def _batch_notes(members: Mapping[int, Sequence[_Found]], count: int) -> Iterator[str]:
    for number in range(count):
        some = members[number]
        absent = _least_size(some) - len(some)
        if not some:
            yield f"of batch b{number:04d} nothing is left in Argilla"
        elif absent > 0:
            yield (
                f"of batch b{number:04d} only {len(some)} records are in Argilla, of at least "
                f"{len(some) + absent}: the others were deleted or never published"
            )
        odd = sum(_is_odd(record, number) for record in some)
        if odd:
            yield f"somebody changed the metadata of {_records(odd)} of batch b{number:04d}"


def _least_size(members: Sequence[_Found]) -> int:
    """How many records the batch must have had: priorities are 1, 1 - 1/size, 1 - 2/size, ...

    0 where that cannot be told, as where some of its records were ranked anew by another model.
    """
    priorities = [_number_in(record, "priority") for record in members]
    possible = [each for each in priorities if each is not None and 0 < each <= 1]
    ranked_by = {_text(each, "model_id") for each in members}
    if len(set(possible)) < len(members) or len(ranked_by) > 1:
        return 0
    for size in range(max(1, len(members)), LARGEST_BATCH + 1):
        if all(abs(each * size - round(each * size)) < 1e-6 for each in possible):
            return size
    return 0


def _is_odd(member: _Found, number: int) -> bool:
    metadata = member.item.metadata
    told = metadata.get("batch_id"), metadata.get("round")
    return told != (f"b{number:04d}", number) or _number_in(member, "priority") is None


def _other_notes(strays: Sequence[_Found], gone: Sequence[PoolId], foreign: int) -> Iterator[str]:
    answered = [record.external_id for record in strays if record.item.answered]
    left = len(strays) - len(answered)
    if answered:
        yield (
            f"{_records(len(answered))} of the pool name no batch but have answers "
            f"({_some(answered)}): these count, and nobody is asked for the texts again"
        )
    if left:
        yield (
            f"{_records(left)} of the pool name no batch and have no answer: they count as never "
            "published"
        )
    if gone:
        yield f"{_records(len(gone))} with second opinions are gone from Argilla ({_some(gone)})"
    if foreign:
        yield f"{_records(foreign)} of the dataset are not of this run and stay as they are"


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"


def _some(ids: Sequence[str]) -> str:
    more = ", ..." if len(ids) > _SHOWN else ""
    return ", ".join(f"`{id_}`" for id_ in ids[:_SHOWN]) + more
