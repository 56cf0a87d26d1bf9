"""Second opinions in backtests: who answers; kills between any two facts change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from loopd.annotation.consensus import ballots, repeats
from loopd.backtest.oracle_store import OracleStore
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.data.pool import Pool
from loopd.events import Event
from loopd.loop.data_sets import DataSets
from loopd.loop.run import Loop
from loopd.loop.start_or_resume import begin
from loopd.loop.stop import Stop
from loopd.loop.tools import build_tools
from loopd.machine import Phase, State, fold
from loopd.metrics_log import writer as metrics_log
from loopd.metrics_log.writer import TIMED
from loopd.oracle.behaviour import OracleOptions
from loopd.records import Batch, BatchItem, ExternalId, PoolId, Record
from loopd.storage.codec import decode, encode
from loopd.tasks.registry import build_task
from tests.loop.conftest import LABELS, make_pool, with_answers

PEOPLE = OracleOptions(people=4, error_rates=(0.05, 0.4, 0.1, 0.3), seed=2)


def config(folder: Path, **sections: Any) -> Config:
    settings: dict[str, Any] = {
        "run": {"dir": "run", "seed": 1},
        "task": {"labels": list(LABELS)},
        "pool": {"path": "unused.csv"},
        "test": {"path": "unused.csv", "label": "label"},
        "classifier": {"name": "tfidf"},
        "queue": {"batch_size": 8},
        "strategy": {
            "name": "activelab",
            "cold_start": "random_sampling",
            "options": {"ensemble": 2},
        },
        "consensus": {"strategy": "crowdlab", "folds": 3},
        "stopping": {"max_rounds": 5},
    }
    return parse_config({**settings, **sections}, folder)


class Process:
    """A process that lives for one fact: nothing but the journal outlives it."""

    def __init__(self, settings: Config, pool: Pool, events: list[tuple[str, str]]) -> None:
        self._events, self._stop = events, Stop()
        self.state = fold(decode(*each) for each in events)
        published = [each for each in self.state.batches if each.round in self.state.published]
        store = OracleStore(build_task(settings.task), PEOPLE, published, needed=1)
        data = DataSets(pool, make_pool(20, "t"), {})
        self.tools = build_tools(settings, data, self._stop, store=store)

    def live(self, *, facts: int | None) -> State:
        """Run to the end, or for so many facts."""
        before = len(self._events)

        def write(event: Event, state: State) -> None:
            self._events.append(encode(event))
            if facts is not None and len(self._events) - before >= facts:
                self._stop.set()

        loop = Loop(self.tools, self._stop, write)
        first = begin(
            self.state, self.tools, self.tools.store.open(self.tools.data.pool, fresh=True)
        )
        state = self.state if first is None else loop.record(self.state, first)
        return loop.run(state)


def outcome(state: State) -> list[dict[str, object]]:
    rows = metrics_log.rows(state)
    return [{key: value for key, value in row.items() if not key.startswith(TIMED)} for row in rows]


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_a_process_for_each_fact_gives_the_run_of_one_process(tmp_path: Path, warm: bool) -> None:
    given = {f"r{n:03d}": (("old", LABELS[n % 2]),) for n in range(0, 40, 3)} if warm else {}
    pool = with_answers(make_pool(60), given)
    events: list[tuple[str, str]] = []
    lives = 0
    state = State()
    # Texts of this pool tie exactly; the last bits are the same for one number of threads only.
    with threadpool_limits(1):
        whole = Process(config(tmp_path / "whole"), pool, []).live(facts=None)
        while state.phase is not Phase.DONE:
            state = Process(config(tmp_path / "parts"), pool, events).live(facts=1)
            lives += 1
    assert lives >= 30
    assert state.batches == whole.batches
    assert outcome(state) == outcome(whole)
    assert any(item.copy_id for batch in state.batches for item in batch.items)
    assert repeats(state) == frozenset()
    votes = ballots(state)
    assert all(len({vote.annotator for vote in each}) == len(each) for each in votes.values())


def test_people_take_turns_and_a_copy_goes_to_another(tmp_path: Path) -> None:
    store = OracleStore(build_task(config(tmp_path).task), PEOPLE, needed=2)
    pool = Pool(tuple(Record(PoolId(f"r{n}"), "x", LABELS[n % 2]) for n in range(30)))
    store.open(pool, fresh=True)
    ids = [record.id for record in pool]
    texts = dict.fromkeys(ids, "x")
    store.publish(Batch("b0", 0, "s", None, tuple(map(BatchItem, ids))), texts)
    copies = [BatchItem(id_, copy_id=ExternalId(f"{id_}#2")) for id_ in ids]
    for _ in range(2):
        store.publish(Batch("b1", 1, "s", None, tuple(copies)), texts)
    answers = store.sweep([*map(ExternalId, ids), *(ExternalId(f"{id_}#2") for id_ in ids)]).answers
    who: dict[str, list[str]] = {}
    for each in answers:
        who.setdefault(each.external_id.partition("#")[0], []).append(each.annotator)
    assert all(len(set(people)) == len(people) == 3 for people in who.values())
    assert {each.annotator for each in answers} == {f"oracle-{n + 1}" for n in range(4)}
