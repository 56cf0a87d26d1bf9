"""Runs with answers in a journal, written without Argilla."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loopd.annotation.memory_store import MemoryStore
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.events import (
    AnswersCollected,
    BatchCollected,
    BatchPlanned,
    BatchPublished,
    Event,
    ModelTrained,
    RunStarted,
)
from loopd.loop.data_sets import read_data
from loopd.loop.start_or_resume import versions
from loopd.loop.stop import Stop
from loopd.loop.tools import Tools, build_tools
from loopd.machine import fold
from loopd.records import Answer, AnswerStatus, Batch, BatchItem, JsonValue, PoolId
from loopd.storage.journal import Journal
from loopd.tasks.registry import build_task

TASKS: dict[str, Any] = {
    "single_label": {"labels": ["animal", "food"]},
    "multi_label": {"labels": ["animal", "food"], "none_label": "none"},
    "spans": {"labels": ["person", "place"]},
}

TEXTS = ("the cat and the dog", "soup with bread", "Ann saw Rome", "a horse ate cake", "we met Bo")

GOLD: dict[str, tuple[JsonValue, ...]] = {
    "single_label": ("animal", "food", "animal", "food", "animal"),
    "multi_label": (["animal"], ["food"], ["none"], ["animal", "food"], ["none"]),
    "spans": (
        [],
        [],
        [
            {"start": 0, "end": 3, "label": "person"},
            {"start": 8, "end": 12, "label": "place"},
        ],
        [],
        [{"start": 7, "end": 9, "label": "person"}],
    ),
}
"""What Argilla would give for each text."""


@dataclass
class Run:
    """A run on disk.

    Attributes:
        config: its configuration.
        kind: of its task.
        events: of its journal.
    """

    config: Config
    kind: str
    events: list[Event]

    @property
    def tools(self) -> Tools:
        data = read_data(self.config.model_copy(update={"test": None}))
        return build_tools(
            self.config, data, Stop(), store=MemoryStore(build_task(self.config.task))
        )

    def write(self, *events: Event) -> None:
        with Journal(self.config.run.dir / "journal.sqlite") as journal:
            journal.read()
            for event in events:
                journal.append(event)
        self.events += events

    def answer(
        self, number: int, annotator: str, value: JsonValue = None, **changes: Any
    ) -> Answer:
        """An answer on a text; the right one unless told otherwise."""
        fields: dict[str, Any] = {
            "external_id": f"r{number}",
            "annotator": annotator,
            "status": AnswerStatus.SUBMITTED,
            "value": GOLD[self.kind][number] if value is None else value,
            "time": f"2024-05-01T00:00:0{number}",
        }
        return Answer(**{**fields, **changes})

    def train(self) -> None:
        """Train the model of the last round and write it down."""
        tools, state = self.tools, fold(self.events)
        labels = tools.resolver.consensus(state, tools).targets
        model = tools.learner.fit(state.round, labels)
        self.write(ModelTrained(9.0, state.round, model.id, len(labels), 0, {}, 1.0))


@pytest.fixture
def make_run(tmp_path: Path) -> Any:
    def make(kind: str = "single_label", **sections: Any) -> Run:
        folder = tmp_path / kind
        folder.mkdir(exist_ok=True)
        lines = [{"key": f"r{number}", "text": text} for number, text in enumerate(TEXTS)]
        (folder / "pool.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (folder / "test.jsonl").write_text('{"text": "a test text", "label": "food"}\n')
        content = {
            "run": {"dir": "run", "seed": 3},
            "task": {"type": kind, **TASKS[kind]},
            "pool": {"path": "pool.jsonl", "id": "key"},
            "classifier": {"name": "tfidf"},
            **sections,
        }
        run = Run(parse_config(content, folder), kind, [])
        run.config.run.dir.mkdir(exist_ok=True)
        run.write(
            RunStarted(
                at=0.0,
                config_digest=run.config.digest(),
                seed=3,
                labels=run.config.task.labels,
                pool_fingerprint=run.tools.data.pool.fingerprint,
                test_fingerprint="f00d",
                dataset_id="d",
                versions=versions(),
            )
        )
        return run

    return make


@pytest.fixture
def asked(make_run: Any) -> Any:
    """A run whose first four texts were asked for and answered by two people."""

    def make(kind: str = "single_label", **sections: Any) -> Run:
        run: Run = make_run(kind, **sections)
        items = tuple(BatchItem(PoolId(f"r{number}"), 0.5 - number / 10) for number in range(4))
        batch = Batch("b0000", 0, "breaking_ties", None, items)
        answers = [run.answer(number, "ann") for number in (0, 1, 2)]
        answers += [run.answer(0, "bo"), run.answer(3, "bo", status=AnswerStatus.DISCARDED)]
        run.write(
            BatchPlanned(1.0, batch, 0.1),
            BatchPublished(2.0, "b0000", 0.1),
            AnswersCollected(3.0, tuple(answers)),
            BatchCollected(4.0, "b0000", "complete", 0),
        )
        return run

    return make
