"""A run that comes to a dataset of Argilla's SDK, and people who go on using that meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from loopd.machine import Phase
from tests.daemon import Daemon, write_csv
from tests.faults.guests import Ours, shown, twice
from tests.faults.neighbours import Neighbours
from tests.faults.whole import Entry, Reply, Whole, again, still_there
from tests.live import LiveArgilla
from tests.loop.conftest import LABELS, make_pool
from tests.people import GUEST

POOL = make_pool(160)
INSIDE = 100
"""So many texts of the pool are in the dataset before loopd comes."""
OTHERS = 20
"""So many of its records are no texts of the pool."""
ANSWERED, DISCARDED = 36, 3
"""Texts of the pool with two answers, and after them those that somebody discarded."""
ROUNDS = 6
LAST = 4
"""Records of the last batch that are left when people wait until loopd has seen everything."""
SIGHT = 3.0
"""Seconds within which loopd must have seen everything."""
PATIENCE = 200.0
"""Seconds in which a run must get on."""

SETTINGS: dict[str, dict[str, Any]] = {
    "strategy": {"name": "activelab", "cold_start": "random_sampling"},
    "queue": {
        "batch_size": 10,
        "low_watermark": 2,
        "refresh": True,
        "poll_interval": 0.1,
        "sweep_interval": 1.0,
    },
    "audit": {"random_share": 0.2},
    "stopping": {"max_rounds": ROUNDS, "criteria": []},
}


@dataclass(frozen=True)
class Way:
    """How people made their dataset.

    Attributes:
        pool_ids: records have the pool's ids; otherwise Argilla's client makes them.
        required: people must answer the second question, too.
        extra: records may have metadata without a property.
    """

    pool_ids: bool
    required: bool
    extra: bool


def make_with_sdk(live: LiveArgilla, name: str, way: Way) -> None:
    """The dataset, with 120 records, as somebody made it with Argilla's own client."""
    import argilla as rg

    client = live.sdk_client()
    settings = rg.Settings(
        guidelines="Made by hand.",
        allow_extra_metadata=way.extra,
        fields=[rg.TextField(name="text"), rg.TextField(name="note", required=False)],
        questions=[
            rg.LabelQuestion(name="label", labels=list(LABELS)),
            rg.RatingQuestion(name="quality", values=[1, 2, 3], required=way.required),
        ],
        metadata=[
            rg.TermsMetadataProperty(name="source"),
            rg.IntegerMetadataProperty(name="year"),
            rg.FloatMetadataProperty(name="weight"),
            rg.TermsMetadataProperty(name="assigned_to", visible_for_annotators=False),
        ],
        vectors=[rg.VectorField(name="sense", dimensions=2)],
    )
    space = live.workspace
    dataset = rg.Dataset(name=name, workspace=space, settings=settings, client=client).create()
    dataset.records.log(list(_records(rg, way)))
    client.http_client.close()


def _records(rg: Any, way: Way) -> Iterator[Any]:
    for number in range(INSIDE + OTHERS):
        inside = number < INSIDE
        proposals = [rg.Suggestion("quality", 1 + number % 3, agent="another/agent")]
        if number % 5 == 0:
            proposals.append(rg.Suggestion("label", LABELS[0], score=0.5, agent="another/agent"))
        yield rg.Record(
            id=POOL.records[number].id if way.pool_ids and inside else None,
            fields={
                "text": POOL.records[number].text if inside else f"{GUEST}{number}",
                "note": f"note {number}",
            },
            metadata={
                "source": "import",
                "year": 1900 + number,
                "weight": number / 7,
                **({"free": {"whatever": [number]}} if way.extra else {}),
            },
            vectors={"sense": [float(number), 0.5]} if number % 2 else None,
            suggestions=proposals,
        )


class Attached:
    """The story of one run; ``tell`` gives what was wrong with it.

    Args:
        live: the server.
        daemon: with a dataset that people made so.
        way: how they did.
    """

    def __init__(self, live: LiveArgilla, daemon: Daemon, way: Way) -> None:
        self.people = Neighbours(live, daemon.dataset)
        self._daemon = daemon
        self._way = way
        self._rng = random.Random(7)
        self._texts = {record.text: record for record in POOL}
        write_csv(daemon.folder / "pool.csv", len(POOL.records), "r")

    def begin(self) -> None:
        """What people did before loopd came."""
        there = self._look()
        by_text = {one.fields["text"]: id_ for id_, one in there.records.items()}
        ids = [by_text[record.text] for record in POOL.records[:INSIDE]]
        ids += [id_ for text, id_ in by_text.items() if text.startswith(GUEST)]
        for id_ in ids[:ANSWERED] + ids[-4:]:
            for person in ("ann", "bob"):
                self._answer(id_, person, there.records[id_])
        for id_ in ids[ANSWERED : ANSWERED + DISCARDED] + ids[-5:-4]:
            self.people.answer(id_, "ann", Reply("discarded", {}))
        self.people.answer(ids[60], "bob", Reply("draft", {"label": {"value": LABELS[1]}}))
        self.people.look()

    def run(self) -> None:
        """From the first process to the end, with a kill in the middle."""
        self._now = self._look()
        self._daemon.start()
        self._work(2, left=5)
        self._daemon.kill()
        for _ in range(6):
            self._meanwhile()
        self._daemon.start()
        self._work(ROUNDS - 1, LAST)
        self._finish()

    def tell(self) -> list[str]:
        """What was wrong, one line each."""
        self.people.do_the_last_again()
        after = self._look()
        ours = Ours({record.text for record in POOL})
        lines = self.people.differences(ours)
        lines += [f"twice in the dataset: {text}" for text in twice(after)]
        votes = {
            (one.fields["text"], person)
            for one in after.records.values()
            for person, reply in one.responses.items()
            if reply.status == "submitted" and one.fields["text"] in self._texts
        }
        row = self._daemon.rows[-1]
        for name, due in (("labels", {text for text, _ in votes}), ("annotations", votes)):
            if row[name] != len(due):
                lines.append(f"{name}: {row[name]} in the metrics, {len(due)} in the dataset")
        return lines

    # -- what people do ------------------------------------------------------------------------

    def _work(self, rounds: int, left: int) -> None:
        """Until so many rounds are over, and so few records of the next batch are left."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            state = self._daemon.healthy_state
            late = len(state.evaluated) >= rounds
            waiting = self._waiting() if state.phase is Phase.COLLECT else set()
            if late and state.phase is Phase.COLLECT and len(waiting) <= left:
                return
            self._answer_one(waiting)
            if self._rng.random() < 0.3 and not late:
                self._meanwhile()
            time.sleep(0.02)
        raise TimeoutError(f"people have waited: {self._daemon.log[-3000:]}")

    def _finish(self) -> None:
        """Wait until loopd has seen everything; then one answer after the other, each seen."""
        time.sleep(SIGHT)
        deadline = time.monotonic() + PATIENCE
        while self._daemon.healthy_state.phase is Phase.COLLECT and time.monotonic() < deadline:
            self._answer_one(self._waiting())
            time.sleep(SIGHT / 3)
        if self._daemon.ended(120) != 0:
            raise RuntimeError(self._daemon.log[-3000:])

    def _answer_one(self, waiting: set[str]) -> None:
        """Somebody who has not read the text answers one of the run's records."""
        there = self._now
        if not waiting:
            return
        id_ = self._rng.choice(sorted(waiting))
        text = there.records[id_].fields["text"]
        same = [one for one in there.records.values() if one.fields["text"] == text]
        for name in self._rng.sample(sorted(self.people.ids), 3):
            if not any(self.people.ids[name] in one.responses for one in same):
                self._answer(id_, name, there.records[id_])
                return
        self.people.answer(id_, "cyd", Reply("discarded", {}))  # all have read it

    def _waiting(self) -> set[str]:
        """Records of the run that nobody has answered, of all as they are now."""
        self._now = again(self.people.owner, self._now)
        return {
            id_
            for id_, one in self._now.records.items()
            if shown(one, "batch_id") and not one.is_done
        }

    def _meanwhile(self) -> None:
        """What has nothing to do with the run."""
        waiting, roll = self._waiting(), self._rng.random()
        there = self._now
        id_ = self._rng.choice(sorted(there.records))
        if roll < 0.4:
            self.people.add_metadata(id_, assigned_to=self._rng.choice(("ann", "bob")))
        elif roll < 0.6 and self._way.extra:
            self.people.add_metadata(id_, remark=f"seen {self._rng.randrange(99)} times")
        elif roll < 0.8 and not shown(there.records[id_], "batch_id"):
            free = set(self.people.ids.values()) - there.records[id_].responses.keys()
            name = next((n for n, person in self.people.ids.items() if person in free), None)
            if name is not None:
                self._answer(id_, name, there.records[id_])
        elif len(waiting) > LAST + 2:
            self._add(there)

    def _add(self, there: Whole) -> None:
        """A record of their own; now and then of a text that the pool has, too."""
        texts = {one.fields["text"] for one in there.records.values()}
        left = [record.text for record in POOL.records[INSIDE:] if record.text not in texts]
        guest = self._rng.random() < 0.4 or not left
        text = f"{GUEST}{len(texts)}" if guest else self._rng.choice(left)
        fields = {"text": text, "note": "added"}
        self.people.add_record({"fields": fields, "metadata": {"source": "added"}})

    def _answer(self, id_: str, name: str, one: Entry) -> None:
        record = self._texts.get(one.fields["text"])
        right = LABELS[0] if record is None or record.gold is None else record.gold
        other = LABELS[1 - LABELS.index(right)]
        wrong = name == "bob" and sum(map(ord, id_)) % 10 == 7
        values: dict[str, Any] = {"label": {"value": other if wrong else right}}
        if self._way.required or self._rng.random() < 0.5:
            values["quality"] = {"value": 2}
        self.people.answer(id_, name, Reply("submitted", values))

    def _look(self) -> Whole:
        return still_there(self.people.owner, self._daemon.dataset)
