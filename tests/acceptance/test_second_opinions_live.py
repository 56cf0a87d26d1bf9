"""ActiveLab live: a real daemon, a real Argilla, three people who err differently, and SIGKILL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from loopd.annotation.consensus import ConsensusOptions, ballots, repeats, resolve
from loopd.events import Event, ModelTrained
from loopd.machine import Phase, State, apply
from loopd.oracle.oracle import OracleOptions, OracleTask
from loopd.records import Target, Targets
from loopd.storage.journal import Journal
from loopd.tasks.single_label import SingleLabelTask
from tests.acceptance.conftest import MakeDaemon
from tests.daemon import Daemon
from tests.live import LiveArgilla
from tests.loop.conftest import LABELS, make_pool
from tests.simulation.conftest import Running, start

pytestmark = [pytest.mark.integration, pytest.mark.acceptance, pytest.mark.timeout(600)]

ROUNDS = 14  # more annotations than the pool has texts: at least half are second opinions
SETTINGS = {
    "queue": {"batch_size": 8, "first_batch_size": 12, "low_watermark": 0},
    "strategy": {"name": "activelab", "cold_start": "random_sampling"},
    "consensus": {"strategy": "weighted", "folds": 3},
    "relabel": {"max_annotations": 3},
    "stopping": {"max_rounds": ROUNDS, "criteria": []},
}
PEOPLE = OracleOptions(
    people=3, error_rates=(0.05, 0.6, 0.15), poll_seconds=0.1, seconds_per_answer=0.1, seed=3
)


def copies(state: State) -> dict[str, str]:
    """Original by copy, of all batches."""
    return {
        item.copy_id: item.record_id
        for batch in state.batches
        for item in batch.items
        if item.copy_id is not None
    }


def out_and_half_answered(state: State) -> bool:
    """Whether a batch with copies is with the people, and one of its copies was answered."""
    again = copies(state)
    asked = state.phase is Phase.COLLECT and set(again) & set(state.batch.external_ids)
    return bool(asked) and any(id_ in again for id_, _ in state.answers)


@pytest.fixture
def people() -> Iterator[list[Running]]:
    """Oracles that end with the test."""
    started: list[Running] = []
    yield started
    for each in started:
        each.stop.set()
        each.thread.join(30)


@pytest.mark.slow
def test_second_opinions_change_labels_and_survive_a_kill(
    argilla: LiveArgilla, make_daemon: MakeDaemon, people: list[Running]
) -> None:
    daemon = make_daemon(argilla, **SETTINGS)
    gold: dict[str, Target] = {
        record.id: record.gold for record in make_pool(60) if record.gold is not None
    }
    task = SingleLabelTask(LABELS, "label", "text", "Which label fits?")
    at_work = OracleTask(argilla.server.workspace, daemon.dataset, task, gold)
    people.append(start(argilla.url, argilla.owner_key, at_work, PEOPLE))
    daemon.start()
    daemon.wait(out_and_half_answered, 300)
    daemon.kill()
    killed = daemon.state
    daemon.start()
    assert daemon.ended(300) == 0, daemon.log[-3000:]
    state = daemon.state
    assert state.batches[: len(killed.batches)] == killed.batches
    check_copies(argilla, daemon, state)
    before, after = labels_over_time(daemon)
    changed = {id_ for id_ in before if before[id_] != after[id_]}
    assert changed & set(copies(state).values()), "no second opinion changed a label"
    rows = daemon.rows
    assert len(rows) == ROUNDS
    assert rows[-1]["annotators"] == 3
    assert sum(row["second_opinions"] for row in rows) == len(copies(state)) > 0
    assert rows[-1]["annotations"] == sum(len(given) for given in ballots(state).values())


def check_copies(argilla: LiveArgilla, daemon: Daemon, state: State) -> None:
    """Each copy is once in Argilla, points at its original, and somebody else has answered it."""
    there = argilla.people(daemon.dataset)
    records = {record["external_id"]: record for record in there.records()}
    there.close()
    assert len(records) == len(state.external_ids)
    assert repeats(state) == frozenset()
    for copy_id, original in copies(state).items():
        assert records[copy_id]["metadata"]["second_opinion_of"] == original
        assert records[copy_id]["suggestions"] == []
        again = {who for id_, who in state.answers if id_ == copy_id}
        others = {
            who for id_, who in state.answers if id_ != copy_id and state.originals[id_] == original
        }
        assert not again & others


def labels_over_time(daemon: Daemon) -> tuple[Targets, Targets]:
    """The label of each text when it was first trained on, and in the end."""
    first: Targets = {}
    last: Targets = {}
    state = State()
    for event in _events(daemon):
        if isinstance(event, ModelTrained):
            last = _labels(state)
            first = {**last, **first}
        state = apply(state, event)
    return first, last


def _events(daemon: Daemon) -> list[Event]:
    with Journal(daemon.run_dir / "journal.sqlite", read_only=True) as journal:
        return journal.read()


def _labels(state: State) -> Targets:
    consensus_options = ConsensusOptions("weighted", LABELS, 0, lambda majority: None)
    return resolve(ballots(state), consensus_options).targets
