"""loopd as a guest: what was in a dataset before it came, and what people did since, is unchanged.

The rules are written down here again, from the promise alone: names of loopd's metadata, the mark
of a run, the agent of its suggestions. No code of loopd is called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.faults.whole import Entry, Proposal, Reply, Whole
from tests.guard import AGENT, MARK, NAMES, NOTE, PREFIX

PROPERTIES = "metadata properties"
UNMARKED = "it has something of loopd's, and not the mark of its run"


@dataclass
class Deeds:
    """What people did since; they note it themselves, once Argilla has said yes.

    Attributes:
        answers: what is left of each answer by (record's id, person's id); ``None``: taken back.
        metadata: what was added or changed, by the record's id.
        added: records as they were sent, by the server's id.
        removed: ids of records.
        overwritten: ids of records on which a person wrote back metadata that were read before
            loopd published, so that loopd's are gone by the person's hand.
        settings: of the dataset, by name.
    """

    answers: dict[tuple[str, str], Reply | None] = field(default_factory=dict)
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    added: dict[str, Entry] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    overwritten: set[str] = field(default_factory=set)
    settings: dict[str, Any] = field(default_factory=dict)

    def on(self, before: Whole) -> Whole:
        """What the dataset would be if people had been alone in it."""
        there = {**before.records, **self.added}
        records = {id_: self._on(id_, one) for id_, one in there.items() if id_ not in self.removed}
        return replace(before, settings={**before.settings, **self.settings}, records=records)

    def _on(self, id_: str, one: Entry) -> Entry:
        replies: dict[str, Reply | None] = dict(one.responses)
        replies |= {
            person: left for (record, person), left in self.answers.items() if record == id_
        }
        kept = {person: reply for person, reply in replies.items() if reply is not None}
        metadata = {**one.metadata, **self.metadata.get(id_, {})}
        return replace(one, metadata=metadata, responses=kept)


@dataclass(frozen=True)
class Ours:
    """What loopd may have done.

    Attributes:
        texts: of the pool: only records with one of them may have anything of loopd's.
        field: that shows the text.
        accounts: ids of accounts that loopd plays, which may answer the run's records.
    """

    texts: Collection[str]
    field: str = "text"
    accounts: Collection[str] = ()


def differences(before: Whole, after: Whole, ours: Ours, deeds: Deeds | None = None) -> list[str]:
    """What is not loopd's and is not as it was, one line each; none is what loopd promises."""
    deeds = deeds or Deeds()
    alone = deeds.on(before)
    names = _names(alone)
    lines = [*_settings(alone, after, names), *_marks(after)]
    for id_, one in alone.records.items():
        if id_ in after.records:
            is_overwritten = id_ in deeds.overwritten
            changes = _changes(one, after.records[id_], ours, names, is_overwritten=is_overwritten)
            lines += [f"record {one.external_id or id_}: {line}" for line in changes]
        else:
            lines.append(f"record {one.external_id or id_} is gone")
    for id_ in after.records.keys() - alone.records.keys() - deeds.removed:
        added = deeds.metadata.get(id_, {})
        changes = _strange(after.records[id_], ours, names, added)
        lines += [f"new record {after.records[id_].external_id or id_}: {line}" for line in changes]
    return lines


def others(there: Whole) -> Whole:
    """A dataset that loopd has made, without what is loopd's in it."""
    properties = {
        name: part for name, part in there.parts[PROPERTIES].items() if name not in _with_prefix()
    }
    records = {id_: one for id_, one in there.records.items() if not marked(one)}
    return replace(there, parts={**there.parts, PROPERTIES: properties}, records=records)


def twice(after: Whole, field_name: str = "text") -> list[str]:
    """Texts that more than one record shows, second opinions aside."""
    counts = Counter(
        one.fields.get(field_name)
        for one in after.records.values()
        if not shown(one, "second_opinion_of")
    )
    return sorted(str(text) for text, count in counts.items() if count > 1)


def marked(one: Entry) -> bool:
    """Whether the record is one of a run."""
    return MARK in one.metadata


def proposed(one: Entry) -> bool:
    """Whether loopd has suggested anything there."""
    return any(str(it.agent).startswith(AGENT) for it in one.suggestions.values())


def _names(alone: Whole) -> frozenset[str]:
    """Names of metadata that are loopd's here: those that others have are theirs."""
    taken = set(alone.parts[PROPERTIES])
    for one in alone.records.values():
        taken |= one.metadata.keys()
    return _with_prefix() - taken


def _with_prefix() -> frozenset[str]:
    return NAMES | {PREFIX + name.removeprefix(PREFIX) for name in NAMES}


def shown(one: Entry, name: str) -> Any:
    """A value of loopd's metadata, whatever it is called here."""
    return one.metadata.get(PREFIX + name) or one.metadata.get(name)


def _settings(alone: Whole, after: Whole, names: Collection[str]) -> Iterator[str]:
    yield from _unequal("dataset's", alone.settings, after.settings)
    for kind, parts in alone.parts.items():
        now = after.parts[kind]
        if kind == PROPERTIES:
            now = {name: part for name, part in now.items() if name not in names}
        yield from _unequal(kind, parts, now)


def _marks(after: Whole) -> Iterator[str]:
    """One run, one mark."""
    runs = {one.metadata[MARK] for one in after.records.values() if marked(one)}
    if len(runs) > 1:
        yield f"records of several runs: {sorted(runs)}"
    held = (after.parts[PROPERTIES].get(MARK) or {"settings": {}})["settings"].get("values") or []
    if runs - set(held[:1]):
        yield f"the records' run is {sorted(runs)}, the dataset's is {held}"


def _changes(
    one: Entry, now: Entry, ours: Ours, names: Collection[str], *, is_overwritten: bool
) -> Iterator[str]:
    """What others' record has lost or got."""
    if now.external_id != one.external_id:
        yield f"its external id is {now.external_id}"
    yield from _unequal("field", one.fields, now.fields)
    yield from _unequal("vector", one.vectors, now.vectors)
    left = {name: value for name, value in now.metadata.items() if name not in names}
    yield from _unequal("metadata", one.metadata, left)
    proposals = {name: it for name, it in now.suggestions.items() if not _new(name, one, it)}
    yield from _unequal("suggestion", one.suggestions, proposals)
    yield from _replies(one, now, ours)
    if len(left) < len(now.metadata) or len(proposals) < len(now.suggestions):
        claimed = _claimed(now, ours)
        yield from (line for line in claimed if not (is_overwritten and line == UNMARKED))


def _new(name: str, one: Entry, proposal: Proposal) -> bool:
    """Whether loopd may have made this suggestion: there was none, or one of loopd's."""
    mine = str(proposal.agent).startswith(AGENT)
    present = one.suggestions.get(name)
    return mine and (present is None or str(present.agent).startswith(AGENT))


def _replies(one: Entry, now: Entry, ours: Ours) -> Iterator[str]:
    played = set(ours.accounts) - one.responses.keys()
    left = {person: it for person, it in now.responses.items() if person not in played}
    yield from _unequal("response", one.responses, left)
    if len(left) < len(now.responses) and not marked(now):
        yield "an account of loopd's has answered it, and it is not the run's"


def _claimed(now: Entry, ours: Ours) -> Iterator[str]:
    """What has something of loopd's must be of the pool, and say so."""
    if not marked(now):
        yield UNMARKED
    if now.fields.get(ours.field) not in ours.texts:
        yield "it has something of loopd's, and is no text of the pool"


def _strange(
    now: Entry, ours: Ours, names: Collection[str], added: Mapping[str, Any]
) -> Iterator[str]:
    """What a record may not be that nobody says to have made; ``added`` is people's metadata."""
    yield from _claimed(now, ours)
    left = {name: value for name, value in now.metadata.items() if name not in names}
    yield from _unequal("metadata", {**added, **_note(now)}, left)
    agents = {name: it for name, it in now.suggestions.items() if not _new(name, now, it)}
    yield from _unequal("suggestion", {}, agents)
    yield from _unequal("vector", {}, now.vectors)


def _note(now: Entry) -> dict[str, str]:
    """What the guard has somebody add to each new record of a run, where there is a guard."""
    return dict([NOTE]) if marked(now) and NOTE[0] in now.metadata else {}


def _unequal(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield f"{what} `{name}` is gone (was {before[name]!r})"
        elif name not in before:
            yield f"{what} `{name}` is new: {after[name]!r}"
        elif before[name] != after[name]:
            yield f"{what} `{name}` was {before[name]!r}, is {after[name]!r}"
