"""Owns who has answered what, and which batches and records are open; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loopd.annotation.consensus import unresolved
from loopd.config import Config
from loopd.errors import StorageError
from loopd.loop.answer_moments import annotators_of
from loopd.loop.queue import paces
from loopd.machine import State
from loopd.metrics_log.rows import Row, number
from loopd.printable import one_line
from loopd.records import IMPORT_PREFIX, AnswerStatus, ExternalId
from loopd.storage.names import SavedNames

SHORT_ID = 8
"""Characters of an account's id where its name is not known."""


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch with records that still wait for somebody.

    Attributes:
        id, round: of the batch.
        size: its records; copies for second opinions included.
        open: of these still waiting.
        deleted: of these gone from Argilla.
        published: when it came, seconds since 1970; ``None`` while it is on its way.
    """

    id: str
    round: int
    size: int
    open: int
    deleted: int
    published: float | None

    @property
    def done(self) -> int:
        """Records that wait for nobody any more."""
        return self.size - self.open


@dataclass(frozen=True, slots=True)
class AnnotatorSummary:
    """Somebody who answered in this run.

    Attributes:
        id: Argilla's id of the account.
        name: the account's name, else the beginning of its id.
        submitted, discarded, unknown: answers; ``unknown`` ones have a label that the task lacks.
        seen: when the newest answer came, seconds since 1970.
        pace: answers per minute of who is at work, ``None`` of others.
        quality: how well the answers agree with the rest, from 0 to 1; ``None`` where not known.
    """

    id: str
    name: str
    submitted: int
    discarded: int
    unknown: int
    seen: float
    pace: float | None
    quality: float | None


def waiting(state: State, config: Config) -> frozenset[ExternalId]:
    """External ids that wait for somebody."""
    another = config.relabel.another_person
    needed = state.answers_needed(config.queue.min_submitted)
    return unresolved(state, needed, another_person=another)


def open_batches(state: State, open_ids: frozenset[ExternalId]) -> tuple[OpenBatch, ...]:
    """Batches of which something is open, oldest first."""
    batches = []
    for position in sorted({state.all_planned.positions[id_] for id_ in open_ids}):
        batch = state.batches[position]
        published, ids = state.published.get(batch.round), frozenset(batch.external_ids)
        at = None if published is None else published.at
        left, gone = len(ids & open_ids), len(ids & state.deleted)
        batches.append(OpenBatch(batch.id, batch.round, len(ids), left, gone, at))
    return tuple(batches)


def people(
    state: State, last: Row | None, names: Mapping[str, str], now: float
) -> tuple[AnnotatorSummary, ...]:
    """Everybody who answered in this run, the most diligent first.

    Args:
        state: what the journal says.
        last: the last row of the metrics log.
        names: of accounts, by Argilla's id.
        now: seconds since 1970; who has not answered for long is not at work.
    """
    working = paces(state)
    rows = [
        AnnotatorSummary(
            id=one_line(id_),
            name=shown_name(id_, names),
            submitted=annotator.counts.get(AnswerStatus.SUBMITTED, 0),
            discarded=annotator.counts.get(AnswerStatus.DISCARDED, 0),
            unknown=annotator.counts.get(AnswerStatus.INVALID, 0),
            seen=annotator.changed[-1],
            pace=_per_minute(working.get(id_), now - annotator.changed[-1]),
            quality=None if last is None else number(last, f"annotators.{id_}.quality"),
        )
        for id_, annotator in annotators_of(state).items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.submitted - row.discarded, row.name)))


def kept_names(folder: Path) -> Mapping[str, str]:
    """Names of those who have answered, by Argilla's id, as a run's folder has them.

    Argilla does not name accounts that were deleted.
    """
    try:
        return SavedNames(folder).read()
    except StorageError:
        return {}  # ids are shown instead


def shown_name(id_: str, names: Mapping[str, str]) -> str:
    """What a person is called where people read it; control characters are written out."""
    name = names.get(id_)
    if name is None:
        name = id_ if id_.startswith(IMPORT_PREFIX) else id_[:SHORT_ID]
    return one_line(name)


def seconds_left(
    some: tuple[AnnotatorSummary, ...], open_records: int, needed: int
) -> float | None:
    """Seconds until all that is open is answered, if people go on as they do.

    ``None`` where nobody is at work. ``needed`` answers complete a record.
    """
    pace = math.fsum(person.pace for person in some if person.pace is not None)
    return open_records * needed / pace * 60 if pace > 0 and open_records else None


AWAY = 300.0
"""Seconds without an answer after which somebody is no longer at work, for who looks on."""


def _per_minute(pace: float | None, silent: float) -> float | None:
    return None if pace is None or silent > AWAY or pace <= 0 else pace * 60
