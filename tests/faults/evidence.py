"""What a history left behind, raw: rows of the journal, records of the store, what people did.

Reads by itself: nothing here goes through loopd's journal, codec or client.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.whole import Entry, Owner, Reply, whole
from tests.live import LiveArgilla
from tests.people import is_guest

Row = tuple[str, dict[str, Any]]
"""Name and payload of an event."""

Key = tuple[str, str]
"""External id and person."""


@dataclass(frozen=True)
class Click:
    """What somebody's answer on a record was from a moment on.

    Attributes:
        at: seconds of a clock that does not jump.
        left: (status, value) then; ``None`` where a record came or went, or the loop set it aside.
    """

    at: float
    left: tuple[str, Any] | None


@dataclass(frozen=True)
class Stored:
    """A record as the store has it; ``answers`` are (status, value) by person, without drafts."""

    text: str
    batch_id: str
    answers: Mapping[str, tuple[str, Any]]


@dataclass(frozen=True)
class Lesson:
    """What a model was really trained on: target by pool id."""

    model_id: str
    round: int
    targets: Mapping[str, str]


@dataclass
class Doings:
    """What people did, as they remember it.

    Attributes:
        said: labels that anybody gave to a text, those that came with the pool included.
        given: all (external id, person, value) that were ever sent.
        removed: external ids of records that people deleted.
        late: answers, and records as (id, ""), that changed after the loop's last look before the
            end: a run that is over reads nothing.
        clicks: all of them in order, where the history has one clock for people and loop.
    """

    said: dict[str, set[str]] = field(default_factory=dict)
    given: set[tuple[str, str, str]] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    late: set[Key] = field(default_factory=set)
    clicks: dict[Key, list[Click]] = field(default_factory=dict)

    def says(self, record_id: str, person: str, text: str, value: str) -> None:
        """Must be called before the answer is sent."""
        self.said.setdefault(text, set()).add(value)
        self.given.add((record_id, person, value))


@dataclass(frozen=True)
class Evidence:
    """All that the checker looks at.

    Attributes:
        seed: of the history.
        journal: rows in order.
        store: records by external id.
        doings: what people did.
        pool: text by id.
        labels: of the task.
        lessons: by model id.
        metrics: lines of the metrics log.
        earlier: lines of the metrics log that were there before, by round.
        another_person: ``relabel.another_person``.
        broken: what went wrong on the way, as (invariant, detail).
        quiet: whether people and faults have rested until the loop knew everything.
        closed: when each batch was closed, by its id, on the clock of the clicks.
        sight: seconds after which the loop must have seen a click when it closes a batch.
    """

    seed: int
    journal: tuple[Row, ...]
    store: Mapping[str, Stored]
    doings: Doings
    pool: Mapping[str, str]
    labels: tuple[str, ...]
    lessons: Mapping[str, Lesson]
    metrics: tuple[dict[str, Any], ...]
    earlier: Mapping[int, dict[str, Any]]
    another_person: bool
    broken: tuple[tuple[str, str], ...] = ()
    quiet: bool = True
    closed: Mapping[str, float] = field(default_factory=dict)
    sight: float = 0.0


def read_journal(path: Path) -> tuple[Row, ...]:
    """The rows of a journal file, none where there is no file yet."""
    if not path.exists():
        return ()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone():
            return ()
        rows = db.execute("SELECT name, payload FROM events ORDER BY seq").fetchall()
    return tuple((name, json.loads(payload)) for name, payload in rows)


def read_metrics(path: Path) -> tuple[dict[str, Any], ...]:
    """The lines of a metrics log."""
    if not path.exists():
        return ()
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line) for line in lines)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file that may not be there; a kill may have left half a line."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        with suppress(ValueError):
            yield json.loads(line)


def read_argilla(live: LiveArgilla, dataset: str, labels: tuple[str, ...]) -> dict[str, Stored]:
    """The records of a dataset on a server, without those of others.

    Raises:
        RuntimeError: two records have one external id, or one has none.
    """
    with closing(Owner(live)) as owner:
        there = whole(owner, dataset)
    entries = there.records.values() if there is not None else ()
    ours = [entry for entry in entries if not is_guest(entry.fields)]
    stored = {
        entry.external_id: Stored(
            entry.fields["text"], entry.metadata.get("batch_id", ""), _answers(entry, labels)
        )
        for entry in ours
        if entry.external_id is not None
    }
    if len(stored) < len(ours):
        raise RuntimeError("two records have one external id, or one has none")
    return stored


def _answers(entry: Entry, labels: tuple[str, ...]) -> dict[str, tuple[str, Any]]:
    return {
        user: _answer(reply, labels)
        for user, reply in entry.responses.items()
        if reply.status in ("submitted", "discarded")
    }


def _answer(reply: Reply, labels: tuple[str, ...]) -> tuple[str, Any]:
    if reply.status == "discarded":
        return reply.status, None
    value = reply.values["label"]["value"]
    return ("submitted" if value in labels else "invalid"), value
