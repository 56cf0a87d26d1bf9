"""A real Ray cluster of three machines: the same batches, whoever is killed meanwhile."""

from __future__ import annotations

import csv
import os
import signal
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from loopd.compute import ray_engine
from loopd.compute.engine import LOCAL, Engine
from loopd.compute.ray_engine import RayEngine
from loopd.compute.ray_workers import WorkerNeeds
from loopd.config import ClassifierSection, ComputeSection, StrategySection
from loopd.data.pool import Pool
from loopd.errors import Interrupted
from loopd.learning.learner import Learner
from loopd.records import PoolId, Record
from tests.compute.clusters import cluster, kill_one_at_work, loopd
from tests.learning.conftest import FILLERS, LABELS, WORDS, gold
from tests.simulation.sets import write_set

pytestmark = [
    # Not ``importorskip``: Ray reads variables when it is imported.
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra `ray` is not installed"),
    pytest.mark.slow,
    pytest.mark.integration,
    pytest.mark.timeout(1800),
    # Ray leaves files and sockets to its end.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

QUICK = {"epochs": 1, "min_steps": 2}
ROUNDS = 10
TEXTS = 1_300
"""More than a model scores by itself."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with cluster(3) as found:
        yield found


@pytest.fixture(autouse=True)
def disconnected() -> Iterator[None]:
    """What a test has begun on the cluster goes: the next one may need its room for a process."""
    yield
    import ray

    ray.shutdown()


@pytest.fixture
def engine(address: str) -> RayEngine:
    return RayEngine(address, WorkerNeeds(1))


def record_of(number: int) -> Record:
    """A text of two words of its class, and how often that was said."""
    label = LABELS[number % 3]
    words = WORDS[label]
    first, second = words[number % 8], words[number // 8 % 8]
    text = f"{FILLERS[number % 5]} {first} and {second}, {number} times"
    return Record(PoolId(f"id-{number:04d}"), text, label)


def pool() -> Pool:
    """Texts of several intakes, so that each is a piece of what is encoded."""
    records = [record_of(number) for number in range(TEXTS)]
    parts = Pool(tuple(records[:300]))
    for start in range(300, TEXTS, 250):
        parts = parts.grown(records[start : start + 250])
    return parts


def learner(engine: Engine, cache: Path, name: str, **more: Any) -> Learner:
    return Learner(
        pool(),
        LABELS,
        classifier=ClassifierSection(
            name=name, threads=1, options=QUICK if name == "transformer" else {}
        ),
        strategy=StrategySection(name="breaking_ties"),
        seed=7,
        cache=cache,
        engine=engine,
        **more,
    )


def batches(built: Learner, rounds: int) -> list[Any]:
    """What is chosen in each round, how informative it is, and what is proposed."""
    texts, chosen = pool(), []
    batch = built.first_batch(12, round=0, exclude=())
    targets = gold(texts, [item.record_id for item in batch.items])
    for number in range(1, rounds + 1):
        model = built.fit(number, targets)
        batch = built.choose(model, 12, round=number, targets=targets, exclude=())
        chosen.append([(item.record_id, item.score, item.suggestion) for item in batch.items])
        targets |= gold(texts, [item.record_id for item in batch.items])
    return chosen


def test_a_stop_means_what_it_meant(address: str) -> None:
    def handler(number: int, _: object) -> None: ...

    before = signal.signal(signal.SIGTERM, handler)
    try:
        RayEngine(address, WorkerNeeds(1)).describe()
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("name", ["frozen-head", "transformer"])
def test_ten_rounds_are_the_same(tmp_path: Path, engine: RayEngine, name: str) -> None:
    there = batches(learner(engine, tmp_path / "there", name), ROUNDS)
    assert there == batches(learner(LOCAL, tmp_path / "here", name), ROUNDS)


def encoding(built: Learner) -> Any:
    vectors = built.vectors(pool().ids)
    assert vectors is not None
    return vectors.tolist()


def scoring(built: Learner) -> Any:
    targets = gold(pool(), pool().ids[:12])
    return built.choosing_proba(built.fit(1, targets), pool().ids).tolist()


def a_fold(built: Learner) -> Any:
    targets = gold(pool(), pool().ids[:24])
    found = built.out_of_fold(1, targets, 4)
    return {id_: proba.tolist() for id_, proba in found.items()}


@pytest.mark.parametrize("work", [encoding, scoring, a_fold])
def test_a_worker_is_killed_in_the_middle(
    tmp_path: Path, engine: RayEngine, work: Callable[[Learner], Any]
) -> None:
    killed: list[int] = []
    engine.describe()  # all workers are there
    killer = threading.Thread(target=lambda: killed.append(kill_one_at_work()))
    killer.start()
    there = work(learner(engine, tmp_path / "there", "transformer"))
    killer.join()
    assert killed
    assert there == work(learner(LOCAL, tmp_path / "here", "transformer"))


def test_a_stop_leaves_what_is_under_way(tmp_path: Path, engine: RayEngine) -> None:
    engine.describe()
    looks = iter(range(10**6))

    def interrupt() -> None:
        if next(looks) > 3:
            raise Interrupted("a stop was asked for")

    built = learner(engine, tmp_path, "frozen-head", interrupt=interrupt)
    with pytest.raises(Interrupted):
        encoding(built)
    again = learner(engine, tmp_path, "frozen-head")
    assert encoding(again) == encoding(learner(LOCAL, tmp_path / "here", "frozen-head"))


def test_workers_without_work_are_let_go_and_come_back(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    shared = ray_engine.engine_of(ComputeSection(engine="ray", address=address), 1, "cpu")
    first = encoding(learner(shared, tmp_path / "first", "frozen-head"))
    ray_engine.rest()
    assert ray.is_initialized()  # not at once
    monkeypatch.setattr(ray_engine, "IDLE_SECONDS", 0.0)
    ray_engine.rest()
    assert not ray.is_initialized()
    ray_engine.rest()
    assert encoding(learner(shared, tmp_path / "second", "frozen-head")) == first


def test_simulate_gives_the_same_table(tmp_path: Path, address: str) -> None:
    tables = []
    for place, compute in (("here", {}), ("there", {"engine": "ray", "address": address})):
        folder = tmp_path / place
        folder.mkdir()
        config = write_set(folder, compute=compute, stopping={"max_rounds": 3})
        done = loopd(
            "simulate", str(config), "--seeds", "2", "--jobs", "2", "--out", str(folder / "out"),
            OMP_NUM_THREADS="1",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        tables.append(_measured(folder / "out"))
    assert tables[0] == tables[1]
    assert tables[0]


def _measured(out: Path) -> list[list[str]]:
    """The table of all rounds without what a clock says."""
    with (out / "curves.csv").open(encoding="utf-8", newline="") as file:
        return [
            [value for key, value in sorted(row.items()) if "seconds" not in key]
            for row in csv.DictReader(file)
        ]


def test_nothing_of_ray_is_on_the_terminal(tmp_path: Path, address: str) -> None:
    config = write_set(tmp_path, compute={"engine": "ray", "address": address})
    done = loopd("check", str(config), OMP_NUM_THREADS="1")
    said = done.stdout + done.stderr
    assert "Ray: 3 workers on 3 machines, 1 threads each" in said
    assert "ray.init" not in said
    assert "core_worker" not in said
    assert os.sep + "session_" not in said
