"""Owns the run that `long_run.py` measures: a journal of many answers, made the same way each time.

500 rounds, 100 annotators, three answers to each text, an audit with one random draw in twenty, and
the last batch half answered.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from loopd.config import Config
from loopd.config_file import load_config
from loopd.events import (
    AnswersCollected,
    BatchCollected,
    BatchPlanned,
    BatchPublished,
    Event,
    ModelTrained,
    RoundEvaluated,
    RunStarted,
)
from loopd.loop.data_sets import read_data
from loopd.records import Answer, AnswerStatus, Batch, BatchItem, Suggestion
from loopd.storage.journal import Journal

if TYPE_CHECKING:  # an older checkout that is measured does not have them
    from loopd.records import ExternalId, PoolId

ROUNDS, PEOPLE, EACH = 500, 100, 3
LAST = 40
"""Texts of the last batch."""

LABELS = ("billing", "delivery", "praise", "returns")
PACE = 60.0
"""Seconds between two answers of one person."""

BEGIN = datetime(2026, 1, 1)  # noqa: DTZ001 - Argilla's times have no zone either
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001
SAYS_WHAT_CHANGED = "predicted_since" in {each.name for each in fields(RoundEvaluated)}


@dataclass
class Story:
    """A run while it is made up.

    Args:
        texts: that were asked in all rounds together.
    """

    texts: int
    rng: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311
    seconds: float = 0.0
    draws: list[str] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return (BEGIN - EPOCH).total_seconds() + self.seconds

    def events(self, pool_fingerprint: str) -> Iterator[Event]:
        """All of it."""
        yield RunStarted(self.now, "c", 1, LABELS, pool_fingerprint, "", "dataset", {"loopd": "0"})
        most = self.texts - LAST
        for number in range(ROUNDS - 1):
            first, last = (most * end // (ROUNDS - 1) for end in (number, number + 1))
            ids = [cast("PoolId", f"r{text}") for text in range(first, last)]
            yield from self._asked(number, ids)
            yield from self.answers(ids)
            yield from self._learned(number, last)
        ids = [cast("PoolId", f"r{text}") for text in range(most, self.texts)]
        yield from self._asked(ROUNDS - 1, ids)
        yield from self.answers(ids[: LAST // 2])

    def answers(self, ids: list[PoolId]) -> Iterator[Event]:
        """Three answers to each text, which come together."""
        for id_ in ids:
            self.seconds += PACE * EACH / PEOPLE
            people = self.rng.sample(range(PEOPLE), EACH)
            yield AnswersCollected(self.now, tuple(self._answer(id_, who) for who in people))

    def _answer(self, id_: PoolId, person: int) -> Answer:
        time = (BEGIN + timedelta(seconds=self.seconds + self.rng.random())).isoformat()
        label = self.rng.choice(LABELS)
        who, external_id = f"person-{person:02d}", cast("ExternalId", id_)
        return Answer(external_id, who, AnswerStatus.SUBMITTED, label, time, time, time)

    def _asked(self, number: int, ids: list[PoolId]) -> Iterator[Event]:
        items = tuple(
            BatchItem(id_, draw=True)
            if self.rng.random() < 0.05
            else BatchItem(id_, self.rng.random(), Suggestion(self.rng.choice(LABELS), 0.6))
            for id_ in ids
        )
        self.draws += [item.record_id for item in items if item.draw]
        model = f"m{number - 1}" if number else None
        batch = Batch(f"b{number:04d}", number, "margin", model, items)
        yield BatchPlanned(self.now, batch, 1.0)
        self.seconds += 2.0
        yield BatchPublished(self.now, batch.id, 1.0)

    def _learned(self, number: int, labels: int) -> Iterator[Event]:
        queue = {"last_answer": self.now, "waiting.total": 0.0, "staleness": 0}
        yield BatchCollected(self.now, f"b{number:04d}", "complete", 0, queue)
        counts = dict.fromkeys(LABELS, labels // len(LABELS))
        figures = {"annotations": labels * EACH, "annotators": PEOPLE, "consensus.alpha": 0.7}
        yield ModelTrained(self.now, number, f"m{number}", labels, 0, counts, 1.0, figures)
        said = self._predicted(number)
        metrics = {"accuracy": 0.8, "accuracy_low": 0.7, "accuracy_high": 0.9}
        stopping = {"kappa_average": {"value": 0.9, "stop": False}}
        audit = {"audit.draws": len(self.draws), "audit.accuracy": 0.8}
        yield RoundEvaluated(
            self.now, number, metrics, stopping, "[]", "c", 1.0, 1.0, audit=audit, **said
        )

    def _predicted(self, number: int) -> dict[str, Any]:
        """What the model says of the draws: of two in a hundred not what the one before said."""
        before, self.told = self.told, dict(self.told)
        for id_ in self.draws:
            if id_ not in before or self.rng.random() < 0.02:
                self.told[id_] = self.rng.choice(LABELS)
        if not SAYS_WHAT_CHANGED or not number:
            return {"predicted": self.told}
        news = {id_: label for id_, label in self.told.items() if before.get(id_) != label}
        return {"predicted": news, "predicted_since": number - 1}


def write(folder: Path, answers: int) -> tuple[Config, Story]:
    """Configuration, pool and journal of a run with so many answers."""
    story = Story(answers // EACH)
    folder.mkdir(parents=True)
    with (folder / "pool.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text"])
        rows.writerows((f"r{n}", f"This is text number {n}.") for n in range(2 * story.texts))
    settings = {
        "run": {"dir": "run", "seed": 1},
        "argilla": {"dataset": "long", "api_key_command": ["none"]},
        "task": {"labels": list(LABELS)},
        "pool": {"path": "pool.csv", "id": "id"},
        "queue": {"batch_size": max(LAST, story.texts // ROUNDS), "min_submitted": EACH},
        "audit": {"random_share": 0.05},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    config = load_config(folder / "config.yaml")
    fingerprint = read_data(config).pool.fingerprint
    with Journal(config.run.dir / "journal.sqlite") as journal:
        journal._db.execute("PRAGMA synchronous=OFF")  # it is thrown away
        journal._db.execute("BEGIN")
        for event in story.events(fingerprint):
            journal.append(event)
        journal._db.execute("COMMIT")
    return config, story
