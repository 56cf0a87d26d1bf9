"""A run whose pool is a dataset of Argilla's SDK, and people who go on using that meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from loopd.machine import Phase
from loopd.storage.argilla_intakes import Intakes
from tests.daemon import Daemon, wait_for
from tests.faults.guests import Ours, marked
from tests.faults.neighbours import Neighbours
from tests.faults.whole import Entry, Reply, Whole, again, still_there
from tests.live import LiveArgilla
from tests.loop.conftest import LABELS, make_pool

QUEUE = "loopd_queue"
PATIENCE = 600.0
"""Seconds in which a run must get on."""
SIGHT = 3.0
"""Seconds within which loopd must have seen everything."""


@dataclass(frozen=True)
class Scale:
    """How big the story is.

    Attributes:
        records: of the dataset.
        answered: by two people, before loopd comes.
        rounds: of the run.
        batch: records of a batch.
        required: people must answer the second question, too.
        min_submitted: answers that complete a record.
    """

    records: int
    answered: int
    rounds: int
    batch: int
    required: bool = False
    min_submitted: int = 1


def make_with_sdk(live: LiveArgilla, name: str, scale: Scale) -> None:
    """The dataset as somebody made it with Argilla's own client."""
    import argilla as rg

    client = rg.Argilla(api_url=live.url, api_key=live.owner_key)
    settings = rg.Settings(
        guidelines="Made by hand.",
        fields=[rg.TextField(name="text"), rg.TextField(name="note", required=True)],
        questions=[
            rg.LabelQuestion(name="label", labels=list(LABELS)),
            rg.RatingQuestion(name="quality", values=[1, 2, 3], required=scale.required),
        ],
        metadata=[
            rg.TermsMetadataProperty(name="source"),
            rg.FloatMetadataProperty(name="priority"),
            rg.TermsMetadataProperty(name="assigned_to", visible_for_annotators=False),
        ],
        vectors=[rg.VectorField(name="sense", dimensions=2)],
        distribution=rg.TaskDistribution(min_submitted=scale.min_submitted),
    )
    space = live.server.workspace
    dataset = rg.Dataset(name=name, workspace=space, settings=settings, client=client).create()
    dataset.records.log(list(_records(rg, scale)))
    client.http_client.close()


def _records(rg: Any, scale: Scale) -> Iterator[Any]:
    for number, record in enumerate(make_pool(scale.records)):
        proposals = [rg.Suggestion("quality", 1 + number % 3, agent="another/agent")]
        if number % 5 == 0:
            proposals.append(rg.Suggestion("label", LABELS[0], score=0.5, agent="another/agent"))
        yield rg.Record(
            id=record.id if number % 3 else None,
            fields={"text": record.text, "note": f"note {number}"},
            metadata={"source": "import", "priority": number / 7},
            vectors={"sense": [float(number), 0.5]} if number % 2 else None,
            suggestions=proposals,
        )


class InPlace:
    """The story of one run; ``tell`` gives what was wrong with it.

    Args:
        live: the server.
        daemon: its configuration is changed to one with the pool in Argilla.
        scale: how big it is.
    """

    def __init__(self, live: LiveArgilla, daemon: Daemon, scale: Scale) -> None:
        self.people = Neighbours(live, daemon.dataset)
        self._daemon = daemon
        self._scale = scale
        self._rng = random.Random(11)
        pool = make_pool(scale.records + 10)
        self._gold = {record.text: record.gold or LABELS[0] for record in pool}
        self._new = [record.text for record in pool][scale.records :]
        there = {"workspace": live.server.workspace, "dataset": daemon.dataset}
        daemon.settings["pool"] = {"argilla": there}
        daemon.save()

    def begin(self) -> None:
        """What people did before loopd came."""
        there = self._look()
        ids = list(there.records)
        for id_ in ids[: self._scale.answered]:
            for person in ("ann", "bob"):
                self._answer(id_, person, there.records[id_])
        draft = Reply("draft", {"label": {"value": LABELS[1]}})
        self.people.answer(ids[self._scale.answered], "bob", draft)
        discard = Reply("discarded", {})
        self.people.answer(ids[self._scale.answered + 1], "ann", discard)
        self.people.look()

    def run(self) -> None:
        """From the first process to the end; killed as it reads, as it publishes, and later."""
        self._now = self._look()
        self._daemon.start()
        wait_for((self._daemon.run_dir / "journal.sqlite").exists, PATIENCE)
        self._daemon.kill()
        self._daemon.start()
        self._until(Phase.PUBLISH)
        self._daemon.kill()
        self._daemon.start()
        self._work(self._scale.rounds // 2)
        self._answer_some(self._waiting()[:2])
        self._daemon.kill()
        self._meanwhile()
        self._daemon.start()
        self._work(self._scale.rounds - 1)
        time.sleep(SIGHT)
        self._finish()

    def tell(self) -> list[str]:
        """What was wrong, one line each."""
        self.people.do_the_last_again()
        after = self._look()
        before = self.people.before
        lines = self.people.differences(Ours(set(self._gold)))
        there = set() if before is None else set(before.records)
        created = after.records.keys() - there - self.people.deeds.added.keys()
        lines += [f"a record was created: {id_}" for id_ in sorted(created)]
        lines += [
            f"still in the queue: {one.fields['text']}"
            for one in after.records.values()
            if one.metadata.get(QUEUE) and not one.is_done
        ]
        joined = {
            record.text for intake in Intakes(self._daemon.run_dir).read() for record in intake
        }
        labels = {
            one.fields["text"]
            for one in after.records.values()
            if any(reply.status == "submitted" for reply in one.responses.values())
        } & joined  # what was added after the last start joins at the next one
        row = self._daemon.rows[-1]
        if row["labels"] != len(labels):
            lines.append(f"{row['labels']} labels in the metrics, {len(labels)} in the dataset")
        first = self._daemon.rows[0]["labels"]
        if first < self._scale.answered:
            lines.append(f"{first} labels in the first round: earlier answers do not count")
        if not self._daemon.state.grown:
            lines.append("what was added has not joined the pool")
        return lines

    # -- what people do ------------------------------------------------------------------------

    def _until(self, phase: Phase) -> None:
        deadline = time.monotonic() + PATIENCE
        while (
            self._daemon.healthy_state.phase in (Phase.NEW, Phase.SEED)
            and time.monotonic() < deadline
        ):
            time.sleep(0.005)
        if self._daemon.state.phase not in (phase, Phase.COLLECT):
            raise TimeoutError(self._daemon.log[-3000:])

    def _work(self, rounds: int) -> None:
        """Until so many rounds are over and another batch is out."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            state = self._daemon.healthy_state
            if state.phase is Phase.COLLECT:
                if len(state.evaluated) >= rounds:
                    return
                self._answer_some(self._waiting())
                self._meanwhile()
            time.sleep(0.05)
        raise TimeoutError(f"people have waited: {self._daemon.log[-3000:]}")

    def _finish(self) -> None:
        """Answer the last batch, each answer seen, to the end of the run."""
        deadline = time.monotonic() + PATIENCE
        while self._daemon.healthy_state.phase is not Phase.DONE and time.monotonic() < deadline:
            self._answer_some(self._waiting())
            time.sleep(0.2)
        if self._daemon.ended(120) != 0:
            raise RuntimeError(self._daemon.log[-3000:])

    def _waiting(self) -> list[str]:
        """Records that the address would show, as they are now."""
        self._now = again(self.people.owner, self._now)
        return [
            id_
            for id_, one in self._now.records.items()
            if one.metadata.get(QUEUE) == "open" and not one.is_done
        ]

    def _answer_some(self, ids: list[str]) -> None:
        for id_ in ids:
            one = self._now.records[id_]
            if not marked(one):
                raise RuntimeError(f"in the queue, and not of the run: {one}")
            # Whoever has a draft there would go on with it, and that is no first answer.
            free = [name for name, user in self.people.ids.items() if user not in one.responses]
            self._answer(id_, self._rng.choice(sorted(free)), one)

    def _meanwhile(self) -> None:
        """What has nothing to do with the run."""
        self._now = again(self.people.owner, self._now)
        quiet = [id_ for id_, one in self._now.records.items() if not marked(one)]
        free = [id_ for id_ in quiet if not self._now.records[id_].responses]
        self.people.add_metadata(self._rng.choice(quiet), assigned_to="ann")
        self._answer(self._rng.choice(free), "cyd", self._now.records[free[0]])
        if self._new:
            fields = {"text": self._new.pop(), "note": "added"}
            self.people.add_record({"fields": fields, "metadata": {"source": "added"}})

    def _answer(self, id_: str, name: str, one: Entry) -> None:
        right = self._gold[one.fields["text"]]
        values: dict[str, Any] = {"label": {"value": right}}
        if self._scale.required or self._rng.random() < 0.5:
            values["quality"] = {"value": 2}
        self.people.answer(id_, name, Reply("submitted", values))

    def _look(self) -> Whole:
        return still_there(self.people.owner, self._daemon.dataset)
