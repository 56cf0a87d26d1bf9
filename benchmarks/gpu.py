"""What a GPU gives: how long people wait, texts a second, and a pool of a million texts.

    python benchmarks/gpu.py [--set SET] [--sources FILE...] [--texts 1000000] [--parts PART...]
        [--smoke]

One command, under ten minutes on a current GPU. SET is a folder with ``pool.jsonl`` and
``test.jsonl``, as ``make_sets.py`` writes them (TREC in the figures kept here); without it the
script makes questions of six kinds up. Three parts:

- `turnaround`: from the last label of a batch to the next batch, with 20, 140 and 260 labels, by
  loopd's default classifier on the CPU and on the GPU, and by the public recipe (see
  ``public_recipe.py``) at padding 512, in full, on the GPU. A turn runs once unmeasured, then
  three times; the median counts. Also whether the same answers give the same model again;
- `scoring`: texts a second through loopd's encoder in fp32 and bf16 on both, tokenised before, the
  share of the matrix products that torch reaches there (linear layers; attention is left out), and
  how far the GPU's vectors are from the CPU's in fp32;
- `pool`: a million short texts, made as ``scale.py`` makes them from FILE... (or SET's pool): read,
  tokenise, encode once; rounds with the `transformer` classifier over 20,000 candidates, with
  `frozen-head`, and with `transformer` over the whole pool. Peak memory of host and GPU.

Each measurement runs in a process of its own. Without a GPU the script says so and ends with exit
code 2; with ``--smoke`` it runs on a few texts wherever it is, to see that it works. Writes
``benchmarks/results/gpu.json`` after each measurement, ``gpu_smoke.json`` with ``--smoke``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np
import scale
import torch

from loopd.config import ClassifierSection, DataSection
from loopd.data.pool import Pool
from loopd.data.reading import read_pool
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.classifiers.transformer import TransformerFactory
from loopd.learning.dataset import IndexedDataset

PEAK_SIZES = {"cpu": (1024, 2048, 4096), "cuda": (4096, 8192)}
COMPARED = 2000
"""Texts whose vectors are compared between the devices."""

WHOLE = 10**9
"""As many candidates as no pool has texts."""

KINDS = {"fp32": False, "bf16": True}


# -- texts -----------------------------------------------------------------------------------------

THINGS = ("river", "book", "bridge", "song", "planet", "city", "game", "metal", "king", "island")
DEEDS = ("written", "built", "found", "painted", "won", "ruled", "sunk", "crossed", "named", "lost")
NAMES = ("Alba", "Borneo", "Cadiz", "Delhi", "Essen", "Fargo", "Genoa", "Hanoi", "Izmir", "Jaffa")
SIZES = ("largest", "oldest", "smallest", "first", "last", "deepest", "best", "longest")

QUESTIONS = {
    "person": ("Who had the {size} {thing} of {name} {deed} ?", "Which king of {name} {deed} it ?"),
    "place": ("Where is the {size} {thing} of {name} ?", "In what city was the {thing} {deed} ?"),
    "number": ("How many of the {thing}s of {name} were {deed} ?", "When was {name} {deed} ?"),
    "thing": ("What {size} {thing} was {deed} in {name} ?", "Name a {thing} {deed} by {name} ."),
    "description": ("Why was the {thing} of {name} {deed} ?", "How is the {size} {thing} {deed} ?"),
    "abbreviation": ("What does {name} stand for in {thing}s ?", "What is {name} short for ?"),
}
"""Two patterns of each kind."""


def questions(count: int) -> Iterator[dict[str, str]]:
    """Different questions with their kind."""
    draw = random.Random(0)  # noqa: S311 - texts, no secrets
    seen: set[str] = set()
    while len(seen) < count:
        kind = draw.choice(sorted(QUESTIONS))
        words = {"deed": draw.choice(DEEDS), "thing": draw.choice(THINGS)}
        words |= {"name": f"{draw.choice(NAMES)} {draw.choice(NAMES)}", "size": draw.choice(SIZES)}
        text = draw.choice(QUESTIONS[kind]).format(**words)
        if text not in seen:
            seen.add(text)
            yield {"text": text, "label": kind}


def make_set(folder: Path, count: int) -> Path:
    """A folder with generated questions: a pool of so many, and a test set of a tenth."""
    rows = [json.dumps(row) + "\n" for row in questions(count + count // 10)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pool.jsonl").write_text("".join(rows[:count]), encoding="utf-8")
    (folder / "test.jsonl").write_text("".join(rows[count:]), encoding="utf-8")
    return folder


def read(path: Path) -> Pool:
    """Texts with their labels."""
    return read_pool(DataSection(path=path, label="label"), labels=None)[0]


# -- measuring, in a process of its own ------------------------------------------------------------


def turnaround(device: str, arguments: Namespace) -> dict[str, Any]:
    """Seconds of the parts of a turn by the number of labels."""
    from turnaround import Loopd, labelled

    pool, test = read(arguments.set / "pool.jsonl"), read(arguments.set / "test.jsonl")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        ours = Loopd(pool, test, arguments.threads, Path(folder) / "cache", device=device)
        first = ours.turn(labelled(pool, arguments.labels[0]), 1)
        figures: dict[str, Any] = {"first turn, unmeasured": first}
        for number, count in enumerate(arguments.labels, start=1):
            places = labelled(pool, count)
            tries = [ours.turn(places, 100 * number + again) for again in range(arguments.tries)]
            middle = sorted(tries, key=lambda turn: turn["total"])[len(tries) // 2]
            totals = [turn["total"] for turn in tries]
            figures[str(count)] = {**middle, "tries": totals, "accuracy": ours.accuracy}
        figures["same model again"] = again_the_same(pool, device, Path(folder), arguments)
    return {**figures, **memory()}


def again_the_same(
    pool: Pool, device: str, cache: Path, arguments: Namespace
) -> dict[str, float | bool]:
    """Whether two fits on the same answers give the same probabilities."""
    labels = sorted({str(record.gold) for record in pool})
    factory = TransformerFactory(
        ClassifierContext(pool, len(labels), section(device, arguments), cache)
    )
    rows = np.arange(min(arguments.labels[-1], len(pool)))
    y = np.array([labels.index(str(pool.records[row].gold)) for row in rows])
    lesson = IndexedDataset(factory.pool_features, y, np.arange(len(labels)), rows=rows)
    one, two = (factory.new(5).fit(lesson).predict_proba(lesson) for _ in range(2))
    return {"equal": bool(np.array_equal(one, two)), "most": float(np.abs(one - two).max())}


def recipe(device: str, arguments: Namespace) -> dict[str, Any]:
    """Seconds of the public recipe's turn by the number of labels."""
    from public_recipe import PublicRecipe
    from turnaround import labelled, whole

    from loopd.learning.classifiers.source import locate

    pool = read(arguments.set / "pool.jsonl")
    names = sorted({str(record.gold) for record in pool})
    gold = np.array([names.index(str(record.gold)) for record in pool])
    figures: dict[str, Any] = {"padding": arguments.padding}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        public = PublicRecipe(
            pool.texts, len(names), locate("packaged"), padding=arguments.padding, device=device
        )
        warm = [] if arguments.smoke else arguments.labels[:1]  # unmeasured
        for count in (*warm, *arguments.labels):
            places = labelled(pool, count)
            figures[str(count)] = whole(public, places, gold[places])
    return {**figures, **memory()}


def scoring(device: str, arguments: Namespace) -> dict[str, Any]:
    """Texts and GFLOP a second of the encoder, and the share of the device's peak."""
    from scoring import flops_of_a_token

    with tempfile.TemporaryDirectory() as cache:
        pool = read(first_lines(arguments.pool, arguments.scored[device], Path(cache)))
        around = ClassifierContext(pool, 2, section(device, arguments), Path(cache))
        factory = TransformerFactory(around)
        embedder = factory.embedder(factory.backbone.copy(), factory.pool_features, "scoring")
        rows, tokens = np.arange(len(pool)), int(embedder.tokens.lengths.sum())
        work = tokens * flops_of_a_token(embedder.encoder) / 1e9
        figures: dict[str, Any] = {"texts": len(rows), "tokens": tokens, "gflop": work}
        for name, bf16 in KINDS.items():
            score = partial(embedder.embed, rows, bf16=bf16)
            vectors = score()
            tries = [machine.timed(score)[0] for _ in range(arguments.tries)]
            peak = machine.matmul_peak(bf16, device=device, sizes=PEAK_SIZES[device])
            figures[name] = {
                "texts a second": len(rows) / median(tries),
                "tokens a second": tokens / median(tries),
                "gflops": work / median(tries),
                "peak gflops": peak,
                "share of peak": work / median(tries) / peak,
                "tries": tries,
                **compared(vectors[:COMPARED], name, device, arguments.work),
            }
    return {**figures, **memory()}


def first_lines(path: Path, count: int, folder: Path) -> Path:
    """A file with the first texts of another."""
    with path.open(encoding="utf-8") as whole:
        part = folder / "part.jsonl"
        part.write_text("".join(islice(whole, count)), encoding="utf-8")
    return part


def compared(vectors: Any, name: str, device: str, work: Path) -> dict[str, float]:
    """How far vectors are from those of the CPU in fp32, which is measured first and kept."""
    place = work / "vectors.npy"
    if device == "cpu" and name == "fp32":
        np.save(place, vectors)
    exact = np.load(place)[: len(vectors)]
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(exact, axis=1)
    apart = 1 - (vectors * exact).sum(axis=1) / lengths
    error = np.linalg.norm(vectors - exact) / np.linalg.norm(exact)
    return {"relative error": float(error), "largest cosine distance": float(apart.max())}


def section(device: str, arguments: Namespace) -> ClassifierSection:
    """The default classifier on a device."""
    return ClassifierSection(device=device, threads=arguments.threads)


def memory() -> dict[str, int]:
    """Peaks of this process, MiB."""
    return {"peak, MiB": scale.peak(), **scale.of_the_gpu()}


MEASURES: dict[str, Callable[[str, Namespace], dict[str, Any]]] = {
    "turnaround": turnaround,
    "recipe": recipe,
    "scoring": scoring,
}


# -- the whole -------------------------------------------------------------------------------------


def in_a_process(measure: str, device: str, arguments: Namespace) -> dict[str, Any]:
    """Measure in a fresh interpreter."""
    given = {**vars(arguments), "measure": measure, "device": device}
    command = [sys.executable, __file__, "--measure", json.dumps(given, default=str)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def in_this_process(text: str) -> dict[str, Any]:
    """What ``in_a_process`` asked for."""
    arguments = Namespace(**json.loads(text))
    for name in ("set", "pool", "work"):
        setattr(arguments, name, Path(getattr(arguments, name)))
    warnings.simplefilter("ignore")
    return MEASURES[arguments.measure](arguments.device, arguments)


def rounds(classifier: str, candidates: int, device: str, arguments: Namespace) -> dict[str, Any]:
    """``scale.py``'s measurement of the pool."""
    told = Namespace(
        work=arguments.work,
        rounds=3,
        threads=arguments.threads,
        candidates=candidates,
        device=device,
    )
    return scale.in_a_process(arguments.pool, classifier, told)


def steps(devices: list[str], arguments: Namespace) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Where the figures of each measurement go, and what gives them."""
    last = devices[-1]
    if "turnaround" in arguments.parts:
        for device in devices:
            yield ("turnaround", device), partial(in_a_process, "turnaround", device, arguments)
        yield ("turnaround", "public recipe"), partial(in_a_process, "recipe", last, arguments)
    if "scoring" in arguments.parts:
        for device in devices:
            yield ("scoring", device), partial(in_a_process, "scoring", device, arguments)
    if "pool" in arguments.parts:
        narrow, wide = arguments.candidates
        # The first one tokenises and encodes, the others read what it left.
        for name, classifier, candidates in (
            ("transformer, narrowed", "transformer", narrow),
            ("frozen-head", "frozen-head", narrow),
            ("transformer, whole pool", "transformer", wide),
        ):
            yield ("pool", name), partial(rounds, classifier, candidates, last, arguments)


def measured(devices: list[str], arguments: Namespace) -> bool:
    """Take all measurements and write them one by one; whether all went well."""
    figures: dict[str, Any] = {
        "machine": machine.described(),
        "devices": devices,
        "set": arguments.set.name,
        "threads": arguments.threads,
        "texts of the pool": arguments.texts,
        "candidates": arguments.candidates[0],
        "failed": [],
    }
    began = time.perf_counter()
    for (part, name), measure in steps(devices, arguments):
        try:
            seconds, found = machine.timed(measure)
        except subprocess.CalledProcessError as error:
            figures["failed"].append(f"{part}, {name}: exit code {error.returncode}")
            continue
        figures.setdefault(part, {})[name] = found
        figures["seconds"] = time.perf_counter() - began
        print(f"{part}, {name} ({seconds:.0f} s): {summary(found)}", flush=True)
        machine.write(arguments.name, figures, arguments.results)
    print(machine.write(arguments.name, figures, arguments.results))
    for line in figures["failed"]:
        print(f"failed: {line}", file=sys.stderr)
    return not figures["failed"]


def summary(found: dict[str, Any]) -> str:
    """One line: the figures of a measurement, the inner ones by their most telling one."""
    telling = ("total", "texts a second", "most")
    shown = []
    for name, figure in found.items():
        inner = figure if isinstance(figure, dict) else {name: figure}
        value = next((inner[key] for key in (*telling, name) if key in inner), None)
        if isinstance(value, (int, float)) and not name.startswith("peak after"):
            shown.append(f"{name} {value:,.2f}".removesuffix(".00"))
    return ", ".join(shown)


def prepared(arguments: Namespace) -> Namespace:
    """Arguments with every text in place."""
    small = arguments.smoke
    arguments.work = arguments.work.resolve()
    arguments.texts = arguments.texts or (1_200 if small else 1_000_000)
    arguments.labels = arguments.labels or ([12] if small else [20, 140, 260])
    arguments.tries = 1 if small else 3
    arguments.padding = 16 if small else 512
    arguments.candidates = [1_000, WHOLE] if small else [20_000, WHOLE]
    arguments.scored = {"cpu": 200, "cuda": 400} if small else {"cpu": 5_000, "cuda": 200_000}
    arguments.name = "gpu_smoke" if small else "gpu"
    fresh = partial(make_set, arguments.work / "questions", 120 if small else 5_000)
    arguments.set = (arguments.set or fresh()).resolve()
    sources = arguments.sources or [arguments.set / "pool.jsonl"]
    arguments.pool = scale.make_pool(sources, arguments.texts, arguments.work)
    return arguments


def main() -> None:
    """Measure all parts, or one in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--set", type=Path, help="folder with pool.jsonl and test.jsonl")
    parser.add_argument("--sources", nargs="+", type=Path, help="JSON Lines files for the pool")
    parser.add_argument("--texts", type=int, help="of the pool")
    parser.add_argument("--labels", type=int, nargs="+")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--parts", nargs="+", default=["turnaround", "scoring", "pool"])
    parser.add_argument("--work", type=Path, default=Path("gpu-work"))
    parser.add_argument("--results", type=Path, default=machine.RESULTS)
    parser.add_argument("--smoke", action="store_true", help="a few texts, with or without a GPU")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(in_this_process(arguments.measure)))
        return
    card = machine.gpu()
    if card is None:
        print(f"no GPU: torch {torch.__version__} sees no CUDA device", file=sys.stderr)
        if not arguments.smoke:
            print("nothing is measured; --smoke tries the script on the CPU", file=sys.stderr)
            sys.exit(2)
    else:
        print(", ".join(f"{name} {value}" for name, value in card.items()), flush=True)
    arguments.work.mkdir(parents=True, exist_ok=True)
    devices = ["cpu"] if card is None else ["cpu", "cuda"]
    sys.exit(0 if measured(devices, prepared(arguments)) else 1)


if __name__ == "__main__":
    main()
