"""What a Ray cluster costs and how the work is divided: the same run here, and on 1 to 3 machines.

    python benchmarks/ray_nodes.py SOURCE... [--texts 100000] [--nodes 1 2 3] [--model packaged]
        [--classifier frozen-head] [--rounds 1] [--out FOLDER]
    python benchmarks/ray_nodes.py SETS/trec/pool.jsonl --whole --nodes 3 --rounds 10

SOURCE are JSON Lines files with a ``text``, as for ``scale.py``, which makes the texts from them;
with ``--whole`` the texts are those of one file as they are, each once, with its ``label``.
The machines of a cluster are all this one, on 127.0.0.1, with one CPU and one thread each: seconds
by the clock say little where it has fewer cores than that, CPU seconds do. They are those of the
process that waits, and of each worker from the moment at which all have begun.

``--model random`` is a BERT of one layer with random weights, with which an encoding of 100,000
texts takes seconds: so the share of what the cluster itself costs is as large as it ever is.
Writes ``benchmarks/results/ray_nodes.json``; ends with an error if a batch differs.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # 127.0.0.1 is meant as it is
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import machine
from big_pool import random_model
from scale import halves, recombined

KINDS = 4
"""Of texts, by the number of their words."""

BATCH = 20
NODE: dict[str, Any] = {
    "num_cpus": 1,
    "include_dashboard": False,
    "node_ip_address": "127.0.0.1",
    "object_store_memory": 300_000_000,
}


def pool_of(sources: list[Path], count: int) -> Any:
    """Different texts with the number of their words modulo four as a label, in memory."""
    from loopd.data.pool import Pool
    from loopd.records import PoolId, Record

    texts = (row["text"] for row in recombined(halves(sources), count))
    return Pool(
        tuple(
            Record(PoolId(f"r{number:08d}"), text, str(len(text.split()) % KINDS))
            for number, text in enumerate(texts)
        )
    )


def whole(source: Path) -> Any:
    """The texts of a file as they are, in memory."""
    from loopd.data.pool import Pool
    from loopd.records import PoolId, Record

    rows = map(json.loads, source.read_text(encoding="utf-8").splitlines())
    labels = {row["text"]: row["label"] for row in rows}
    return Pool(
        tuple(
            Record(PoolId(f"r{number:08d}"), text, label)
            for number, (text, label) in enumerate(labels.items())
        )
    )


def run(engine: Any, pool: Any, arguments: argparse.Namespace) -> list[Any]:
    """Encode, train and choose; what was chosen, with its scores."""
    from loopd.config import ClassifierSection, StrategySection
    from loopd.learning.learner import Learner

    chosen: list[Any] = []
    with tempfile.TemporaryDirectory(dir=arguments.work) as cache:
        learner = Learner(
            pool,
            tuple(sorted({str(record.gold) for record in pool})),
            classifier=ClassifierSection(
                name=arguments.classifier, model=arguments.model, threads=1
            ),
            strategy=StrategySection(name="breaking_ties", cold_start="random_sampling"),
            seed=1,
            cache=Path(cache),
            engine=engine,
        )
        batch = learner.first_batch(2 * BATCH, round=0, exclude=())
        targets: dict[Any, Any] = {}
        for number in range(1, arguments.rounds + 1):
            targets |= {item.record_id: pool[item.record_id].gold for item in batch.items}
            model = learner.fit(number, targets)
            batch = learner.choose(model, BATCH, round=number, targets=targets, exclude=())
            chosen += [(item.record_id, item.score) for item in batch.items]
    return chosen


def cpu_of(process: int) -> float:
    """Seconds that a process has used."""
    stat = (Path("/proc") / str(process) / "stat").read_text(encoding="ascii")
    fields = stat.rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(engine: Any, pool: Any, arguments: argparse.Namespace) -> tuple[list[Any], Any]:
    """What was chosen, and seconds by the clock and of the CPU."""
    began, before = time.perf_counter(), time.process_time()
    chosen = run(engine, pool, arguments)
    return chosen, {
        "seconds": round(time.perf_counter() - began, 1),
        "CPU of the process that waits": round(time.process_time() - before, 1),
    }


def on_nodes(count: int, pool: Any, arguments: argparse.Namespace) -> tuple[list[Any], Any]:
    """The same by a cluster of so many machines, with the CPU seconds of each."""
    import ray
    from ray.cluster_utils import Cluster

    from loopd.compute.ray_engine import RayEngine
    from loopd.compute.ray_workers import WorkerNeeds

    began = time.perf_counter()
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    try:
        for _ in range(count - 1):
            cluster.add_node(**NODE)
        started = time.perf_counter()
        engine = RayEngine(cluster.address, WorkerNeeds(1))
        facts = engine.workers.wait_for_all(lambda: None, 0.2)
        ready = time.perf_counter()
        before = [cpu_of(each.process) for each in facts]
        chosen, figures = measured(engine, pool, arguments)
        used = [cpu_of(each.process) - was for each, was in zip(facts, before, strict=True)]
    finally:
        ray.shutdown()
        cluster.shutdown()
    figures |= {
        "seconds until Ray was there": round(started - began, 1),
        "seconds until the workers had begun": round(ready - started, 1),
        "CPU of each worker": [round(seconds, 1) for seconds in used],
    }
    return chosen, figures


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--whole", action="store_true", help="the texts as they are")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--model", default="packaged", help="or a folder, or `random`")
    parser.add_argument("--classifier", default="frozen-head")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--out", type=Path, help="folder of the figures")
    arguments = parser.parse_args()
    described, name = machine.described(), arguments.model
    if name == "random":
        arguments.model = str(random_model(arguments.work.absolute() / "random-bert"))
    from loopd.compute.engine import LOCAL

    if arguments.whole:
        pool = whole(arguments.sources[0])
    else:
        pool = pool_of(arguments.sources, arguments.texts)
    chosen, here = measured(LOCAL, pool, arguments)
    print("here:", here)
    results: dict[str, Any] = {"here": here}
    for count in arguments.nodes:
        there, figures = on_nodes(count, pool, arguments)
        print(f"{count} machines:", figures)
        if there != chosen:
            raise SystemExit(f"{count} machines chose another batch")
        results[f"{count} machines"] = figures
    settings = {"texts": len(pool), "model": name, "classifier": arguments.classifier}
    settings["rounds"] = arguments.rounds
    print(machine.write("ray_nodes", {**described, **settings, "runs": results}, arguments.out))


if __name__ == "__main__":
    main()
