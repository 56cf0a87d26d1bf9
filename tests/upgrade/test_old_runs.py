"""A run that an earlier version wrote goes on: the same state, the same next batch.

The earlier version runs in a process of its own where its code is in the history of this clone;
a run that it wrote is kept beside the tests for clones that have no history.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from loopd.annotation.consensus import targets, unresolved
from loopd.annotation.memory_store import MemoryStore
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.events import BatchPlanned, Event, ModelTrained, RoundEvaluated
from loopd.loop.data_sets import read_data
from loopd.loop.start_or_resume import first_event, refuse_changes
from loopd.loop.steps import STEPS
from loopd.loop.stop import Stop
from loopd.loop.tools import Tools, build_tools
from loopd.machine import State, apply, fold
from loopd.metrics_log import writer as metrics_log
from loopd.storage.codec import decode, encode
from loopd.storage.journal import Journal
from loopd.storage.newer import refuse_newer
from loopd.storage.run_folder import JOURNAL_NAME, METRICS_NAME
from loopd.tasks.registry import build_task

COMMIT = "e2cc3ab"
DATA = Path(__file__).parent / "data"
CLONE = Path(__file__).parents[2]

SETTINGS: dict[str, Any] = {
    "run": {"dir": "run", "seed": 3},
    "task": {"labels": ["fruit", "tool"]},
    "pool": {"path": "pool.csv", "id": "id"},
    "test": {"path": "test.csv", "id": "id", "label": "label"},
    "classifier": {"name": "tfidf"},
    "queue": {"batch_size": 6, "low_watermark": 0, "min_submitted": 2},
    "consensus": {"strategy": "weighted"},
    "audit": {"random_share": 0.2},
    "stopping": {"max_rounds": 9},
}
"""The same file as in ``old_run.py.txt``: nobody who upgrades changes it."""

CLOCKS = ("at", "seconds", "scoring_seconds")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that the earlier version makes now."""
    folder = tmp_path_factory.mktemp("made")
    _make(folder / "old", folder / "code")
    return folder / "old"


@pytest.fixture(params=["kept", "made"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Of a run of the earlier version, with what that said of it."""
    kept = request.param == "kept"
    source: Path = DATA / COMMIT if kept else request.getfixturevalue("made")
    shutil.copytree(source, tmp_path / "old")
    return tmp_path / "old"


def _make(folder: Path, code: Path) -> None:
    archive = ["git", "-C", str(CLONE), "archive", COMMIT, "loopd"]
    old = subprocess.run(archive, capture_output=True, check=False)
    if old.returncode:
        pytest.skip(f"this clone does not hold commit {COMMIT}")
    with tarfile.open(fileobj=BytesIO(old.stdout)) as file:
        file.extractall(code, filter="data")
    subprocess.run(
        [sys.executable, DATA / "old_run.py.txt", folder],
        env={**os.environ, "PYTHONPATH": str(code)},
        cwd=code,
        check=True,
    )


def _said(folder: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((folder / "next.json").read_text(encoding="utf-8"))
    return said


def _tools(config: Config) -> Tools:
    store = MemoryStore(build_task(config.task))
    return build_tools(config, read_data(config), Stop(), store=store)


def test_it_goes_on(folder: Path) -> None:
    config, said = parse_config(SETTINGS, folder), _said(folder)
    path = config.run.dir / JOURNAL_NAME
    glance = refuse_newer(path)
    assert glance is not None
    state = glance.state
    assert config.digest() == state.config_digest == said["digest"]
    assert _described(state) == said["state"]
    tools = _tools(config)
    refuse_changes(state, config, tools.data)
    assert first_event(state, tools, state.started.dataset_id if state.started else "") is None
    events: list[Event] = []
    with Journal(path) as journal:
        assert journal.follow(glance.last)
        while not events or not isinstance(events[-1], BatchPlanned):
            event = STEPS[state.phase](state, tools)
            assert event is not None
            journal.append(event)
            state = apply(state, event)
            events.append(event)
    assert [type(event) for event in events] == [ModelTrained, RoundEvaluated, BatchPlanned]
    before = [decode(*row) for row in said["next"]]
    assert list(map(_timeless, events)) == list(map(_timeless, before))
    with Journal(path, read_only=True) as journal:
        assert fold(journal.read()) == state


def test_its_journal_is_written_alike(folder: Path) -> None:
    """What is read and written again is the same text, but for fields that are new."""
    with Journal(folder / "run" / JOURNAL_NAME) as journal:
        rows = journal._db.execute("SELECT name, payload FROM events").fetchall()
    for name, payload in rows:
        again, text = encode(decode(name, payload))
        assert again == name
        old, new = json.loads(payload), json.loads(text)
        assert text == payload or _only(new, old) == old
        assert json.dumps(old, ensure_ascii=False, separators=(",", ":")) == payload


def test_its_metrics_log_is_the_same(folder: Path) -> None:
    config = parse_config(SETTINGS, folder)
    before = (config.run.dir / METRICS_NAME).read_text(encoding="utf-8")
    glance = refuse_newer(config.run.dir / JOURNAL_NAME)
    assert glance is not None
    metrics_log.write(glance.state, config.run.dir)
    after = (config.run.dir / METRICS_NAME).read_text(encoding="utf-8")
    old, new = ([json.loads(line) for line in text.splitlines()] for text in (before, after))
    assert [_only(row, like) for row, like in zip(new, old, strict=True)] == old


def _described(state: State) -> dict[str, Any]:
    """As ``old_run.py.txt`` describes it."""
    evaluated = {str(number): event for number, event in state.evaluated.items()}
    return {
        "phase": state.phase.value,
        "round": state.round,
        "batches": [list(batch.external_ids) for batch in state.batches],
        "answers": sorted(
            [*key, answer.status.value, answer.value] for key, answer in state.answers.items()
        ),
        "labels": dict(targets(state)),
        "open": sorted(unresolved(state, 2)),
        "draws": dict(state.draws),
        "evaluated": {number: dict(event.metrics) for number, event in evaluated.items()},
        "predicted": {number: dict(event.predicted) for number, event in evaluated.items()},
    }


def _timeless(event: Event) -> dict[str, Any]:
    """An event without what clocks have a part in, and without how predictions are kept."""
    fields: dict[str, Any] = json.loads(encode(event)[1])
    left_out = (*CLOCKS, "predicted", "predicted_since")
    # How good `weighted` holds its labels to be was wrong in that version; the labels were right.
    fields.get("consensus", {}).pop("consensus.quality", None)
    for item in fields.get("batch", {}).get("items", ()):
        item.pop("reason")  # that version kept none; tests/loop/test_reasons.py knows what it says
    return {name: value for name, value in fields.items() if name not in left_out}


def _only(new: Any, old: Any) -> Any:
    """Of a value what an older one has as well."""
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        return {name: _only(value, old[name]) for name, value in new.items() if name in old}
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        return [_only(*pair) for pair in zip(new, old, strict=True)]
    return new
