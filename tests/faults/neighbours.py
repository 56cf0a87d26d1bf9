"""Other people in a dataset: what they put there before loopd comes, and what they do meanwhile.

They note every deed once Argilla has said yes, so that a checker can tell theirs from loopd's.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.faults import tables
from tests.faults.guests import Deeds, Ours, differences, marked, others, proposed
from tests.faults.whole import Entry, GoneError, Json, Owner, Reply, Whole, whole
from tests.live import LiveArgilla
from tests.people import GUEST

PROPERTIES = {"source": "terms", "year": "integer", "weight": "float", "assigned_to": "terms"}
"""Metadata properties of others, by name."""

SETTLED = 2.0
"""Seconds after which loopd has written what it had read before a person's deed."""

CLASHES = 3
"""Deeds that loopd may undo in a history because it had read a record just before."""

TEXT = {"type": "text", "use_markdown": False}
GUESTS = 6


@dataclass(frozen=True)
class Deed:
    """Metadata that somebody has added, and will look after.

    Attributes:
        at: by the monotonic clock, in seconds.
        record_id: of the record.
        name: of the record as the guard has it.
        values: of the metadata.
        losses: what the guard had written down before.
    """

    at: float
    record_id: str
    name: str
    values: Mapping[str, Any]
    losses: int


class Neighbours:
    """The people of a dataset who have nothing to do with a run.

    Args:
        live: the server.
        dataset: name of the dataset.
    """

    def __init__(self, live: LiveArgilla, dataset: str) -> None:
        self.dataset = dataset
        self.owner = Owner(live)
        self.people = {name: Owner(live, key) for name, key in live.keys.items()}
        self.ids = dict(live.ids)
        self._live = live
        self.deeds = Deeds()
        self.before: Whole | None = None
        self._fresh: list[Deed] = []
        self.clashes = 0

    def close(self) -> None:
        for one in (self.owner, *self.people.values()):
            one.close()

    # -- before loopd comes --------------------------------------------------------------------

    def make(self, question: Json, field: str = "text", min_submitted: int = 1) -> str:
        """Make the dataset that a run may come to, with two fields and two questions.

        Args:
            question: the run's, as Argilla's API wants it.
            field: name of the run's field.
            min_submitted: answers that complete a record.

        Returns:
            The dataset's id.
        """
        key = json.dumps([question, field, min_submitted])
        if not self._live.guard.plants:
            id_ = self._draft(self.dataset, question, field, min_submitted)
            self.owner.call("PUT", f"datasets/{id_}/publish")
            return id_
        if key not in self._live.templates:
            name = f"template-{uuid.uuid4().hex[:8]}"
            self._live.templates[key] = self._draft(name, question, field, min_submitted)
        database = self.owner.database
        assert database is not None
        return tables.copy(database, self._live.templates[key], self.dataset)

    def _draft(self, name: str, question: Json, field: str, min_submitted: int) -> str:
        """A dataset that is not published yet; its id."""
        call = self.owner.call
        body: Json = {
            "name": name,
            "guidelines": "Written by hand.",
            "workspace_id": self.owner.workspace_id(),
            "distribution": {"strategy": "overlap", "min_submitted": min_submitted},
            "metadata": {"owner of this": "somebody else"},
        }
        path = f"datasets/{call('POST', 'datasets', body)['id']}"
        for shown in (field, "note"):
            body = {"name": shown, "title": shown, "required": shown == field, "settings": TEXT}
            call("POST", f"{path}/fields", body)
        call("POST", f"{path}/questions", question)
        body = {"name": "remark", "title": "Remark", "required": False, "settings": TEXT}
        call("POST", f"{path}/questions", body)
        for noted, kind in PROPERTIES.items():
            body = {"name": noted, "title": noted.title(), "settings": {"type": kind}}
            call("POST", f"{path}/metadata-properties", {**body, "visible_for_annotators": True})
        body = {"name": "sense", "title": "Sense", "dimensions": 2}
        call("POST", f"{path}/vectors-settings", body)
        return path.partition("/")[2]

    def settle(self, field: str = "text", *, later: bool = False) -> None:
        """Put records into the dataset that are no texts of a pool, and look at the whole.

        Where there is a guard it has done so already.

        Args:
            field: name of the run's field.
            later: loopd has been there already, and has made the dataset.
        """
        if not self._live.guard.plants:
            self._plant(field)
        self.look(later=later)

    def _plant(self, field: str) -> None:
        there = self._there()
        items = [self._guest(there, number, field) for number in range(GUESTS)]
        path = f"datasets/{there.settings['id']}/records/bulk"
        records = self.owner.call("POST", path, {"items": items})["items"]
        if "remark" in there.parts["questions"]:
            for number, name in enumerate(self.people):
                # A draft, for the run's question is required and may be of any kind.
                reply = Reply("draft", {"remark": {"value": f"{name} is not sure"}})
                self.answer(records[number]["id"], name, reply)

    def look(self, *, later: bool = False) -> None:
        """Remember the dataset as it is, where loopd has made it without what is loopd's."""
        self.before = others(self._there()) if later else self._there()
        self.deeds = Deeds()

    def _guest(self, there: Whole, number: int, field: str) -> Json:
        """A record with whatever the dataset has room for."""
        item: Json = {
            "external_id": f"guest-{number}" if number % 2 else None,
            "fields": {field: f"{GUEST}{number}"},
            "metadata": {"source": "import", "year": 2000 + number, "kept for": "later"},
        }
        if "note" in there.parts["fields"]:
            item["fields"]["note"] = f"note {number}"
        if "remark" in there.parts["questions"] and number % 3:
            remark = there.parts["questions"]["remark"]["id"]
            proposal = {"question_id": remark, "value": "as before", "agent": "another/agent"}
            item["suggestions"] = [proposal]
        if "sense" in there.parts["vectors' settings"] and number % 3:
            item["vectors"] = {"sense": [float(number), 1.0]}
        return item

    # -- meanwhile -----------------------------------------------------------------------------

    def may_come(self) -> bool:
        """Whether somebody has made the dataset, and finished it."""
        there = whole(self.owner, self.dataset)
        return there is not None and there.settings["status"] == "ready"

    def add_metadata_somewhere(self, rng: random.Random) -> None:
        """Say of any record who should look at it."""
        ids = sorted(self._there().records)
        if ids:
            self.add_metadata(rng.choice(ids), assigned_to=rng.choice(sorted(self.ids)))

    def add_metadata(self, record_id: str, **values: Any) -> None:
        """Add or change some of a record's metadata, as whoever knows that PATCH takes it whole.

        A PATCH of nothing shows the record as it is: Argilla fails to GET one that has vectors.
        What loopd publishes between the two is lost to the person, as Argilla takes metadata whole;
        and what a person adds between a look and a write of loopd's is lost to loopd. The person
        sees that and does it once more. A record that somebody has just removed is left alone.
        """
        self._do_again(SETTLED)
        had_ours = self._has_ours(record_id)
        losses = self._live.guard.last()
        try:
            name = self._patch_metadata(record_id, values)
        except GoneError:
            if record_id in self._there().records:
                raise
            return
        self.deeds.metadata.setdefault(record_id, {}).update(values)
        self._fresh.append(Deed(time.monotonic(), record_id, name, values, losses))
        now = self._there().records.get(record_id)
        if now is not None and not had_ours and not marked(now) and proposed(now):
            self.deeds.overwritten.add(record_id)

    def _patch_metadata(self, record_id: str, values: Mapping[str, Any]) -> str:
        """The record's name in the guard's log."""
        present = self.owner.call("PATCH", f"records/{record_id}", {})
        metadata = {**(present["metadata"] or {}), **values}
        with self._live.guard.own_hand():
            self.owner.call("PATCH", f"records/{record_id}", {"metadata": metadata})
        return present["external_id"] or uuid.UUID(record_id).hex

    def do_the_last_again(self) -> None:
        """Whatever of the last deeds is not there any more, now that loopd has ended."""
        self._do_again(0.0)

    def _do_again(self, seconds: float) -> None:
        """Whatever of deeds so long ago is not there any more, now that loopd has written.

        What was lost may have come back with somebody's next deed, or loopd's next attempt, or the
        record has been removed: only the guard has seen it then.
        """
        settled = [one for one in self._fresh if one.at <= time.monotonic() - seconds]
        self._fresh = [one for one in self._fresh if one not in settled]
        now = whole(self.owner, self.dataset) if settled else None
        records = {} if now is None else now.records
        for deed in settled:
            due = {name: self.deeds.metadata[deed.record_id][name] for name in deed.values}
            there = records.get(deed.record_id)
            is_undone = there is not None and not due.items() <= there.metadata.items()
            lost = self._live.guard.forgive(deed.name, due, deed.losses)
            self.clashes += lost or is_undone
            if is_undone:
                self.add_metadata(deed.record_id, **due)

    def _has_ours(self, record_id: str) -> bool:
        """Whether a record has anything of loopd's."""
        one = self._there().records.get(record_id)
        return one is not None and (marked(one) or proposed(one))

    def add_record(self, item: Json) -> str:
        """Add a record as the bulk route takes it; returns its id."""
        there = self.owner.dataset_id(self.dataset)
        records = self.owner.call("POST", f"datasets/{there}/records/bulk", {"items": [item]})
        id_ = str(records["items"][0]["id"])
        self.deeds.added[id_] = Entry(
            item.get("external_id"), item["fields"], item.get("metadata") or {}
        )
        return id_

    def answer(self, record_id: str, person: str, reply: Reply) -> None:
        """Answer a record for the first time."""
        body = {"status": reply.status, "values": reply.values}
        self.people[person].call("POST", f"records/{record_id}/responses", body)
        self.deeds.answers[record_id, self.ids[person]] = reply

    # -- afterwards ----------------------------------------------------------------------------

    def differences(self, ours: Ours) -> list[str]:
        """What is not loopd's and is not as it should be; nothing where the dataset is gone."""
        if self.clashes > CLASHES:
            return [f"metadata of others were undone {self.clashes} times soon after"]
        after = whole(self.owner, self.dataset)
        if after is None or self.before is None:
            return []
        return differences(self.before, after, ours, self.deeds)

    def _there(self) -> Whole:
        there = whole(self.owner, self.dataset)
        if there is None:
            raise RuntimeError(f"no dataset {self.dataset}")
        return there
