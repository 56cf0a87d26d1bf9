"""Whether `loopd plan` is right: measured seconds, memory and disk beside planned ones.

    python benchmarks/plan_check.py SOURCE... [--texts 10000 100000] [--formats csv]
        [--model packaged] [--classifiers frozen-head transformer] [--work DIR] [--without-encoding]
        [--reference] [--name plan_check]
    python benchmarks/plan_check.py          # the last figures beside what is planned now

SOURCE are JSON Lines files with a ``text``, as for ``scale.py``, which makes the texts from them.
For each size these processes run one after the other, each with the live loop's own steps and the
default strategy, over a store in memory that answers at once:

- ``intake``: read the table and keep it (``read``), then index it, encode it and choose the first
  batch (``first batch``; with ``--without-encoding`` only the index is made, and the batch drawn);
- ``rounds``: open the run (``open``), one round (``first round``) and two more (``later round``,
  their mean).

All with one thread. Seconds are those of the processor, so that other work on the machine counts
less; memory is the largest resident set until then, pages of mapped files included. ``--model
random`` is a BERT of one layer with random weights, with which millions of texts are encoded in
minutes. The plan is that of ``loopd plan --measure``, which looks at the machine before anything
else; with ``--reference``, on the machine that the constants come from, that of ``loopd plan``.
Writes ``benchmarks/results/plan_check.json`` (or ``--name``), size by size; other sizes stay.
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
from dataclasses import asdict
from itertools import islice, product
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
from big_pool import BATCH, LABELS, Process, make_table, peak, random_model

NAME, ELSEWHERE = "plan_check", "plan_check_epyc"
"""The files of the machine that the constants come from, and of another one."""

SAMPLE = 5000
LATER_ROUNDS = 2
LABELS_AT_THE_END = 100
"""Of the plan, whose later rounds are those at half of it; the measured ones have 40 and 60."""
TOGETHER = {"first batch": ("index", "encode"), "index": ("index",)}
"""Which steps of a plan one lap takes; any other is a step."""

OF_A_RUN = {"pool": "pool", "features": "cache/features", "tokens": "cache/tokens"}
"""What is on disk, and where in the run's folder."""


def config_of(folder: Path, table: Path, arguments: argparse.Namespace) -> Any:
    """Of a run over a table, with whatever is left open at its default."""
    from loopd.config_file import parse_config

    cold = {"cold_start": "random_sampling"} if arguments.without_encoding else {}
    return parse_config(
        {
            "run": {"dir": "run", "seed": 1},
            "argilla": {"dataset": "plan-check"},
            "task": {"labels": [str(number) for number in range(LABELS)]},
            "pool": {"path": str(table), "id": "id", "label": "label"},
            "classifier": {"name": arguments.classifier, "model": arguments.model, "threads": 1},
            "strategy": cold,
            "queue": {"batch_size": BATCH, "low_watermark": 0},
            "stopping": {"max_rounds": None},
        },
        folder,
    )


# -- measured --------------------------------------------------------------------------------------


def laps(step: str, config: Any) -> dict[str, dict[str, float]]:
    """CPU seconds and peak (MiB) of what one process does."""
    found: dict[str, dict[str, float]] = {}
    spent = 0.0  # imports are part of what it does

    def lap(name: str, times: int = 1) -> None:
        nonlocal spent
        now = time.process_time()
        found[name] = {"seconds": round((now - spent) / times, 2), "memory": peak()}
        spent = now

    process = Process(config)
    lap("read" if step == "intake" else "open")
    process.until(len(process.state.batches) + 1)
    first = "index" if config.strategy.cold_start == "random_sampling" else "first batch"
    lap(first if step == "intake" else "first round")
    if step == "rounds":
        process.until(len(process.state.batches) + LATER_ROUNDS)
        lap("later round", LATER_ROUNDS)
    return found


def in_a_process(
    step: str, table: Path, folder: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """The laps of a fresh interpreter, so that the peak is its own."""
    command = [sys.executable, __file__, "--step", step, "--table", str(table)]
    command += ["--work", str(folder), "--model", arguments.model]
    command += ["--classifier", arguments.classifier]
    command += ["--without-encoding"] if arguments.without_encoding else []
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def on_disk(run: Path) -> dict[str, float]:
    """MiB of parts of a run's folder."""
    return {
        name: round(sum(file.stat().st_size for file in (run / place).rglob("*")) / 2**20, 1)
        for name, place in OF_A_RUN.items()
    }


def measured(table: Path, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """All laps of a classifier over a table, and what it leaves on disk."""
    found = in_a_process("intake", table, folder, arguments)
    if not arguments.without_encoding:
        found |= in_a_process("rounds", table, folder, arguments)
    return found | {"disk": on_disk(folder / "run")}


def workload(table: Path, count: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """What a plan is asked for: the shape of the encoder, and how long the texts are."""
    from transformers import AutoTokenizer

    from loopd.learning.classifiers.source import locate
    from loopd.sizing.encoder_shape import shape_of

    first = table.with_suffix(".csv")
    make_table(first, arguments.sources, count)
    with first.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in islice(csv.DictReader(file), SAMPLE)]
    ids = AutoTokenizer.from_pretrained(locate(arguments.model))(texts)["input_ids"]
    return {
        "texts": count,
        "tokens": round(sum(map(len, ids)) / len(texts), 2),
        "text_bytes": round(sum(len(text.encode()) for text in texts) / len(texts), 1),
        "id_bytes": 9,
        "encoder": asdict(shape_of(arguments.model)) | {"name": arguments.named},
        "classifier": arguments.classifier,
        "classes": LABELS,
        "labels": LABELS_AT_THE_END,
        "batch": BATCH,
        "format": table.suffix[1:],
    }


# -- planned ---------------------------------------------------------------------------------------


def asked_of(work: dict[str, Any]) -> Any:
    """What a plan is asked for, from what was written of it."""
    from loopd.sizing.workload import Encoder, Workload

    return Workload(**work | {"encoder": Encoder(**work["encoder"])})


def speed_of(work: dict[str, Any], model: str, folder: Path) -> dict[str, Any]:
    """How this machine compares with the reference, as ``loopd plan --measure`` sees it."""
    from loopd.sizing.calibrating import measured_speed
    from loopd.sizing.workload import Machines

    named = work | {"encoder": work["encoder"] | {"name": model}}
    return asdict(measured_speed(asked_of(named), Machines(), folder, print))


def compared(entry: dict[str, Any]) -> Iterator[tuple[str, str, float, float]]:
    """Lap, what is measured, measured and planned: seconds, and MiB of memory and disk."""
    from loopd.sizing.costs import MIB, Speed
    from loopd.sizing.estimate import planned
    from loopd.sizing.workload import Machines

    speed = Speed(**entry.get("speed", {}))
    plan = planned(asked_of(entry["workload"]), Machines(), speed)
    for lap, measured in entry["measured"].items():
        if lap == "disk":
            for name, size in measured.items():
                if size:
                    yield name, "disk", size, plan.disk[name] / MIB
            continue
        steps = [plan.step(name) for name in TOGETHER.get(lap, (lap,))]
        yield lap, "seconds", measured["seconds"], sum(step.seconds for step in steps)
        yield lap, "memory", measured["memory"], max(step.memory for step in steps) / MIB


HEADING = (
    "| texts | table | classifier, encoder | step | CPU seconds (planned over measured) | "
    "memory (planned over measured) |",
    "| --- | --- | --- | --- | --- | --- |",
)


def table_of(entries: list[dict[str, Any]]) -> list[str]:
    """Rows of Markdown: what was measured, and in brackets planned over measured."""
    lines = []
    for entry in entries:
        work = entry["workload"]
        model = f"{work['classifier']}, {work['encoder']['name']}"
        name = f"{work['texts']:,} | {work['format']} | {model}"
        figures: dict[str, dict[str, str]] = {}
        for lap, what, measured, plan in compared(entry):
            unit = "s" if what == "seconds" else "MiB"
            digits = 1 if what == "seconds" and measured < 100 else 0
            shown = f"{measured:,.{digits}f} {unit} ({plan / measured:.2f})"
            figures.setdefault(lap, {})[what] = shown
        for lap, cells in figures.items():
            if "disk" not in cells:
                lines.append(f"| {name} | {lap} | {cells['seconds']} | {cells['memory']} |")
    return lines


def write(entry: dict[str, Any], name: str) -> None:
    """Keep the figures in the place of those of the same run."""
    path = machine.RESULTS / f"{name}.json"
    entries = last(name) if path.exists() else []
    kept = [each for each in entries if _key(each) != _key(entry)]
    runs = sorted([*kept, entry], key=_key)
    machine.write(name, {"runs": runs})


def _key(entry: dict[str, Any]) -> tuple[Any, ...]:
    work = entry["workload"]
    encodes = "index" not in entry["measured"]
    return work["texts"], work["encoder"]["name"], work["classifier"], work["format"], encodes


def last(name: str = NAME) -> list[dict[str, Any]]:
    """The figures that were written."""
    runs: list[dict[str, Any]] = json.loads((machine.RESULTS / f"{name}.json").read_text())["runs"]
    return runs


def main() -> None:
    """Measure all sizes, or one step in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sources", nargs="*", type=Path, help="JSON Lines files with `text`")
    parser.add_argument("--texts", nargs="+", type=int, default=[10_000, 100_000])
    parser.add_argument("--formats", nargs="+", default=["csv"])
    parser.add_argument("--classifiers", nargs="+", default=["frozen-head"])
    parser.add_argument("--model", default="packaged", help="or a folder, or `random`")
    parser.add_argument("--without-encoding", action="store_true")
    parser.add_argument("--reference", action="store_true", help="the constants as they are")
    parser.add_argument("--name", default=NAME, help="of the file under benchmarks/results")
    parser.add_argument("--work", type=Path, default=Path("plan-check-work"))
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--classifier", help=argparse.SUPPRESS)
    parser.add_argument("--table", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    work = arguments.work.absolute()
    if arguments.step:
        config = config_of(work, arguments.table, arguments)
        print(json.dumps(laps(arguments.step, config)))
    elif arguments.sources:
        work.mkdir(parents=True, exist_ok=True)
        arguments.named = arguments.model
        if arguments.model == "random":
            arguments.model = str(random_model(work / "random-bert"))
        measure_all(work, arguments)
    else:
        print("\n".join(table_of(last(arguments.name))))


def measure_all(work: Path, arguments: argparse.Namespace) -> None:
    """Each size, format and classifier."""
    for count, suffix, classifier in product(
        arguments.texts, arguments.formats, arguments.classifiers
    ):
        arguments.classifier = classifier
        table = work / f"pool-{count}.{suffix}"
        make_table(table, arguments.sources, count)
        folder = work / f"{suffix}-{count}-{arguments.named}-{classifier}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        asked = workload(table, count, arguments)
        entry: dict[str, Any] = {"workload": asked}
        if not arguments.reference:
            entry["speed"] = speed_of(asked, arguments.model, work)
        entry |= {"measured": measured(table, folder, arguments), "machine": machine.described()}
        write(entry, arguments.name)
        print("\n".join(table_of([entry])), flush=True)


if __name__ == "__main__":
    main()
