"""What a journal's rows amount to, derived again: shares no code with loopd."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from tests.faults.evidence import Key

IMPORTED = "import:"


class Ledger:
    """The state of answers after the rows fed so far.

    Attributes:
        answers: latest (status, value, time) by (external id, person).
        deleted: external ids that are gone.
        original: pool id by external id of everything planned, in order.
        batch_of: batch id by external id.
        touched: pool ids of which an answer was taken back or changed, or that were deleted.
    """

    def __init__(self, labels: tuple[str, ...], *, another_person: bool) -> None:
        self._labels = labels
        self._another = another_person
        self.answers: dict[Key, tuple[str, Any, str]] = {}
        self.deleted: set[str] = set()
        self.original: dict[str, str] = {}
        self.batch_of: dict[str, str] = {}
        self.touched: set[str] = set()

    def feed(self, name: str, payload: dict[str, Any]) -> None:
        """Take over one row."""
        if name == "BatchPlanned":
            for item in payload["batch"]["items"]:
                external_id = item["copy_id"] or item["record_id"]
                self.original[external_id] = item["record_id"]
                self.batch_of[external_id] = payload["batch"]["id"]
        elif name == "AnswersCollected":
            for answer in payload["answers"]:
                key = answer["record_id"], answer["annotator"]
                if answer["status"] != "submitted":
                    self.touched.add(self.original.get(key[0], key[0]))
                self.answers[key] = answer["status"], answer["value"], answer["time"]
            self.deleted = (self.deleted | set(payload["deleted"])) - set(payload["restored"])
            self.touched |= {self.original.get(id_, id_) for id_ in payload["deleted"]}

    def labelled(self) -> dict[str, str]:
        """The label of each record with a vote: most votes; a tie to the earliest, then to A."""
        found = {}
        for record_id, votes in self.votes().items():
            counts = Counter(value for _, _, value in votes)
            most = max(counts.values())
            leading = [value for value in counts if counts[value] == most]
            found[record_id] = min(
                leading, key=lambda value: (min(v[0] for v in votes if v[2] == value), value)
            )
        return found

    def votes(self) -> dict[str, list[tuple[str, str, str]]]:
        """(time, person, value) of each person whose answer counts, by pool id."""
        places = {external_id: place for place, external_id in enumerate(self.original)}
        given: dict[Key, list[tuple[str, str, str]]] = defaultdict(list)
        for (external_id, person), (status, value, time) in self.answers.items():
            record_id = self.original.get(external_id, external_id)
            gone = external_id in self.deleted or record_id in self.deleted
            if status == "submitted" and not gone:
                given[record_id, person].append((time, external_id, value))
        found: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
        for (record_id, person), mine in given.items():
            if self._another:
                time, _, value = min(mine)
            else:
                time, _, value = max(mine, key=lambda each: places.get(each[1], -1))
            if value in self._labels:
                found[record_id].append((time, person, value))
        return found
