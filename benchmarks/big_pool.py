"""What a pool that stays on disk costs: seconds and memory of each process of a run.

    python benchmarks/big_pool.py SOURCE... [--texts 100000] [--formats csv jsonl parquet]
        [--work DIR] [--model packaged] [--rounds 3]

SOURCE are JSON Lines files with a ``text``, as for ``scale.py``, which makes the texts from them:
all different, in a table with an id, a text and its number of words modulo four as a label.

Steps are the live loop's own, over a store in memory that answers at once. Each of these is a
process of its own, and its peak the largest resident set, pages of mapped files included:

- ``first start``: read the table, keep it in the run's folder, first batch (drawn at random);
- ``start``: read what the folder keeps, down to the point at which the loop would take its first
  step, with the index of ids made by the process before;
- ``rounds``: the same, then answer, train and choose; the first round encodes the pool;
- ``later rounds``: the same once more, with the features on disk;
- ``status`` and ``page``: what ``loopd status`` reads, and what the page of a run at rest does.

``--model random`` is a BERT of one layer with random weights. It makes an encoding of millions of
texts quick, and features small; what is measured of the texts themselves is the same.
Writes ``benchmarks/results/big_pool.json``.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
from scale import halves, recombined

RESULTS = Path(__file__).parent / "results" / "big_pool.json"
LABELS = 4
BATCH = 20
STEPS = ("first start", "start", "status", "page", "rounds", "later rounds")


# -- tables ----------------------------------------------------------------------------------------


def rows(sources: list[Path], count: int) -> Iterator[tuple[str, str, str]]:
    """Id, text and label of each."""
    for number, row in enumerate(recombined(halves(sources), count)):
        yield f"r{number:08d}", row["text"], str(len(row["text"].split()) % LABELS)


def make_table(path: Path, sources: list[Path], count: int) -> None:
    """Write a table in the format that its name ends with; an existing one is left as it is."""
    if path.exists():
        return
    fresh = path.with_name(f"unfinished{path.suffix}")
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet

        columns = zip(*rows(sources, count), strict=True)
        table = pa.table(dict(zip(("id", "text", "label"), columns, strict=True)))
        pyarrow.parquet.write_table(table, fresh)
    else:
        with fresh.open("w", encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                csv.writer(file).writerow(("id", "text", "label"))
                csv.writer(file).writerows(rows(sources, count))
            else:
                for id_, text, label in rows(sources, count):
                    file.write(json.dumps({"id": id_, "text": text, "label": label}) + "\n")
    fresh.replace(path)


def random_model(folder: Path) -> Path:
    """A BERT of one layer with random weights and the packaged model's tokenizer."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    from loopd.learning.classifiers.source import locate

    if not (folder / "config.json").exists():
        tokenizer = AutoTokenizer.from_pretrained(locate("packaged"))
        config = BertConfig(
            vocab_size=len(tokenizer),
            num_hidden_layers=1,
            hidden_size=32,
            num_attention_heads=2,
            intermediate_size=64,
        )
        BertModel(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


# -- one process of a run --------------------------------------------------------------------------


def config_of(folder: Path, table: Path, model: str) -> Any:
    """Of a run over a table."""
    from loopd.config_file import parse_config

    return parse_config(
        {
            "run": {"dir": "run", "seed": 1},
            "argilla": {"dataset": "big-pool"},
            "task": {"labels": [str(number) for number in range(LABELS)]},
            "pool": {"path": str(table), "id": "id", "label": "label"},
            "classifier": {"name": "frozen-head", "model": model},
            "strategy": {"name": "breaking_ties", "cold_start": "random_sampling"},
            "queue": {"batch_size": BATCH, "low_watermark": 0},
            "audit": {"folds": 0},
            "stopping": {"max_rounds": None},
        },
        folder,
    )


class Process:
    """A daemon's work without Argilla: from the journal to the loop.

    Args:
        config: of the run.
    """

    def __init__(self, config: Any) -> None:
        from loopd.annotation.memory_store import MemoryStore
        from loopd.loop.audit_in_force import in_force
        from loopd.loop.data_sets import read_data, with_news
        from loopd.loop.large_pool import moved_to_disk
        from loopd.loop.pool_source import looks
        from loopd.loop.pool_watch import PoolWatch
        from loopd.loop.run import Loop
        from loopd.loop.start_or_resume import first_event, refuse_changes
        from loopd.loop.stop import Stop
        from loopd.loop.taken_in import keep_first
        from loopd.loop.tools import build_tools
        from loopd.machine import fold
        from loopd.storage.journal import Journal
        from loopd.storage.run_folder import JOURNAL_NAME
        from loopd.tasks.registry import build_task

        config.run.dir.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(config.run.dir / JOURNAL_NAME).__enter__()
        self.state = fold(self.journal.read())
        config = in_force(config, self.state)
        seen = looks(config)
        data = with_news(config, read_data(config, self.state))
        refuse_changes(self.state, config, data)
        self.store = MemoryStore(build_task(config.task))
        tools = build_tools(config, data, Stop(), store=self.store, watch=PoolWatch(config))
        self.store.open(data.pool, fresh=True)  # it has forgotten what was in it
        if not data.is_kept:
            keep_first(config, data.pool, seen, data.reports["pool"])
            tools.work_with(moved_to_disk(config, data.pool))
        del data
        for batch in self.state.batches:
            self.store.publish(batch, {id_: tools.data.pool[id_].text for id_ in batch.record_ids})
        self.loop = Loop(tools, Stop(), lambda event, _: self.journal.append(event))
        for answer in self.state.answers.values():
            self.store.submit(answer.external_id, answer.annotator, answer.value)
        event = first_event(self.state, tools, "memory")
        if event is not None:
            self.record(event)

    def record(self, event: Any) -> None:
        """Fold it and write it down."""
        self.state = self.loop.record(self.state, event)

    def until(self, batches: int) -> None:
        """Turn the loop until so many batches are out; people answer at once."""
        from loopd.records import text_of

        pool = self.loop.tools.data.pool
        while len(self.state.batches) < batches or self.state.phase.value != "collect":
            event = self.loop._step(self.state)
            if event is not None:
                self.record(event)
                continue
            for id_ in sorted(self.state.external_ids):
                if not any(key[0] == id_ for key in self.state.answers):
                    self.store.submit(id_, "ann", str(pool[text_of(id_)].gold))


def peak() -> int:
    """Largest resident set of this program so far, MiB; ``ru_maxrss`` counts its parent's, too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def measure(step: str, config: Any, rounds: int) -> dict[str, Any]:
    """Seconds and memory of one process."""
    began = time.perf_counter()
    seconds: dict[str, Any] = {}

    def lap(name: str) -> None:
        nonlocal began
        now = time.perf_counter()
        seconds[name], began = round(now - began, 2), now
        seconds[f"peak after {name}, MiB"] = peak()

    if step == "status":
        from loopd.operations.status import read_run, read_status

        read_status(config, read_run(config))
        lap("status")
    elif step == "page":
        from loopd.metrics_log import writer
        from loopd.operations.status import read_run
        from loopd.operations.texts import texts_of
        from loopd.overview.overview import overview

        state = read_run(config)
        pool, notes = texts_of(config, state)
        lap("texts")
        overview(state, config, pool, writer.rows(state), time.time(), live=None)
        lap("overview")
        seconds["notes"] = notes
    else:
        process = Process(config)
        lap("start")
        if step == "first start":
            process.until(1)
            lap("first batch")
        for number in range(rounds if step.endswith("rounds") else 0):
            process.until(len(process.state.batches) + 1)
            lap(f"round {number + 1}")
    return seconds | {"peak, MiB": peak()}


def in_a_process(step: str, table: Path, folder: Path, arguments: argparse.Namespace) -> Any:
    """Measure in a fresh interpreter, so that the peak is its own."""
    command = [sys.executable, __file__, "--step", step, "--table", str(table)]
    command += [
        "--work",
        str(folder),
        "--model",
        arguments.model,
        "--rounds",
        str(arguments.rounds),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure all formats, or one step in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sources", nargs="*", type=Path, help="JSON Lines files with `text`")
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--formats", nargs="+", default=["csv", "jsonl", "parquet"])
    parser.add_argument("--work", type=Path, default=Path("big-pool-work"))
    parser.add_argument("--model", default="packaged", help="or a folder, or `random`")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--table", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    work = arguments.work.absolute()
    if arguments.step:
        config = config_of(work, arguments.table, arguments.model)
        print(json.dumps(measure(arguments.step, config, arguments.rounds)))
        return
    if not arguments.sources:
        parser.error("name at least one source")
    work.mkdir(parents=True, exist_ok=True)
    name = arguments.model
    if name == "random":
        arguments.model = str(random_model(work / "random-bert"))
    found: dict[str, Any] = {}
    for number, suffix in enumerate(arguments.formats):
        table = work / f"pool-{arguments.texts}.{suffix}"
        make_table(table, arguments.sources, arguments.texts)
        folder = work / f"{suffix}-{arguments.texts}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        # Rounds are the same whatever the texts were read from.
        steps = [step for step in STEPS if number == 0 or "round" not in step]
        found[suffix] = {}
        for step in steps:
            found[suffix][step] = in_a_process(step, table, folder, arguments)
            print(f"{suffix:>8} {step:>13}: {json.dumps(found[suffix][step])}", flush=True)
    known = json.loads(arguments.results.read_text()) if arguments.results.exists() else {}
    known |= {"machine": machine.described()}
    known.setdefault("texts", {})[str(arguments.texts)] = {"model": name, **found}
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    arguments.results.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
