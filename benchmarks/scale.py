"""How seconds and memory of the learner grow with the pool: 10 k, 100 k and 1 M texts.

    python benchmarks/scale.py SOURCE... [--sizes 10000 100000 1000000] [--work DIR] [--threads N]
        [--device auto]

SOURCE are JSON Lines files (also .gz) with a ``text`` and, where there is one, a ``label``: such as
TREC's and tweeteval_emoji's training texts. The pools are made from them: each text is the first
half of one sentence and the second half of another, seeded, all different. Its made-up label is
that of the first half, or else the half's number of words modulo four.

Each size runs in a process of its own with the real reader, learner, strategy and cache:
reading (ids, positions, fingerprint), encoding (tokens and features, once for a pool), a first
round in a fresh process, and later rounds: fit, predict a stop set of 1,000 texts, choose 20.
The peak is the process's largest resident set (``ru_maxrss``). With ``--transformer`` one more
process runs a round of the `transformer` classifier, narrowed to ``--candidates`` texts.

Writes ``benchmarks/results/scale.json``. Pools and features stay in DIR, so that a second run does
not encode again; its figures for encoding are then those of reading the files.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import machine

RESULTS = Path(__file__).parent / "results" / "scale.json"

LABELS = 4
SEED = 1


# -- making pools ----------------------------------------------------------------------------------


def halves(sources: list[Path]) -> list[tuple[str, str, str]]:
    """First half, second half and label of each text with at least four words."""
    found = []
    for source in sources:
        opened = gzip.open if source.suffix == ".gz" else open
        with opened(source, "rt", encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                words = row["text"].split()
                if len(words) < 4:
                    continue
                middle = len(words) // 2
                label = str(row.get("label", len(words) % LABELS))
                found.append((" ".join(words[:middle]), " ".join(words[middle:]), label))
    return found


def recombined(parts: list[tuple[str, str, str]], count: int) -> Iterator[dict[str, str]]:
    """Different texts of two halves."""
    draw = random.Random(0)  # noqa: S311 - texts, no secrets
    seen: set[int] = set()
    while len(seen) < count:
        first, second = draw.choice(parts), draw.choice(parts)
        text = f"{first[0]} {second[1]}"
        mark = hash(text)
        if mark not in seen:
            seen.add(mark)
            yield {"text": text, "label": first[2]}


def make_pool(sources: list[Path], count: int, work: Path) -> Path:
    """The file with a pool of one size; an existing one is taken as it is."""
    path = work / f"pool-{count}.jsonl"
    if not path.exists():
        fresh = path.with_suffix(".part")
        parts = halves(sources)
        with fresh.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in recombined(parts, count))
        fresh.replace(path)
    return path


# -- measuring, in a process of its own ------------------------------------------------------------


class Stopwatch:
    """Seconds of named steps and the process's largest memory after each."""

    def __init__(self) -> None:
        self.figures: dict[str, Any] = {}

    def __call__(self, name: str, step: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = step()
        self.figures[name] = round(time.perf_counter() - started, 3)
        self.figures[f"peak after {name}, MiB"] = peak()
        return result


def peak() -> int:
    """Largest resident set so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def measure(path: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """All steps for one pool and one classifier."""
    from loopd.config import ClassifierSection, DataSection, StrategySection
    from loopd.data.reading import read_pool
    from loopd.learning.learner import Learner

    shutil.rmtree(arguments.work / "cache" / path.stem / "models", ignore_errors=True)
    watch = Stopwatch()
    section = DataSection(path=path, label="label")
    pool, _ = watch("read", lambda: read_pool(section, labels=None))
    watch("index", lambda: (pool.positions, pool.texts, pool.fingerprint))
    names = tuple(sorted({str(record.gold) for record in pool}))
    learner = Learner(
        pool,
        names,
        classifier=ClassifierSection(
            name=arguments.classifier,
            threads=arguments.threads,
            candidates=arguments.candidates,
            device=arguments.device,
        ),
        strategy=StrategySection(name="breaking_ties", cold_start="random_sampling"),
        seed=SEED,
        cache=arguments.work / "cache" / path.stem,
        progress=shown,
    )
    watch("encode", lambda: learner._trainer.factory.pool_features)
    if arguments.classifier == "transformer":
        watch("features for narrowing", lambda: learner._trainer.factory.screening)
    batch = learner.first_batch(20, round=1, exclude=())
    targets = {item.record_id: str(pool[item.record_id].gold) for item in batch.items}
    stop_set = [record.id for record in pool.records[: 1000 * 7 : 7]]
    later = []
    for number in range(1, arguments.rounds + 1):
        started = time.perf_counter()
        model = learner.fit(number, targets)
        fitted = time.perf_counter()
        learner.predict_pool(model, stop_set)
        chosen = learner.choose(model, 20, round=number + 1, targets=targets, exclude=())
        ended = time.perf_counter()
        later.append({"fit": fitted - started, "predict and choose": ended - fitted})
        targets |= {item.record_id: str(pool[item.record_id].gold) for item in chosen.items}
    seconds = [sum(each.values()) for each in later]
    return {
        **watch.figures,
        "labels at the end": len(targets),
        "first round": round(seconds[0], 3),
        "later rounds": [round(each, 3) for each in seconds[1:]],
        "last round in parts": {key: round(value, 3) for key, value in later[-1].items()},
        "peak, MiB": peak(),
        **of_the_gpu(),
    }


def of_the_gpu() -> dict[str, int]:
    """Largest memory that torch took of the GPU so far, MiB; empty where it took none."""
    import torch

    held = torch.cuda.max_memory_reserved() // 2**20 if torch.cuda.is_available() else 0
    return {"GPU peak, MiB": held} if held else {}


def shown(what: str, done: int, total: int) -> None:
    """A line on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{what} {done:,}/{total:,}   ", end="", file=sys.stderr)


# -- the whole -------------------------------------------------------------------------------------


def in_a_process(path: Path, classifier: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure in a fresh interpreter, so that the peak is that of one pool alone."""
    command = [sys.executable, __file__, "--measure", str(path), "--classifier", classifier]
    command += ["--work", str(arguments.work), "--rounds", str(arguments.rounds)]
    command += ["--candidates", str(arguments.candidates), "--device", arguments.device]
    command += ["--threads", str(arguments.threads)] if arguments.threads else []
    environment = {"HF_HUB_OFFLINE": "1", **os.environ}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def disk(folder: Path) -> int:
    """MiB in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) // 2**20


def report(results: dict[str, Any], sizes: list[int]) -> None:
    """Growth from size to size."""
    for size in sizes:
        figures = results["sizes"][str(size)]["frozen-head"]
        later = figures["later rounds"]
        print(
            f"{size:>9,} texts: read {figures['read']:.1f} s, encode {figures['encode']:.1f} s, "
            f"first round {figures['first round']:.2f} s, later {sum(later) / len(later):.2f} s, "
            f"peak {figures['peak, MiB']:,} MiB, cache {figures['cache, MiB']:,} MiB"
        )
        if "transformer" in results["sizes"][str(size)]:
            slow = results["sizes"][str(size)]["transformer"]
            print(f"{'':>9} transformer: later rounds {slow['later rounds']} s")
    for smaller, larger in itertools.pairwise(sizes):
        before, after = (results["sizes"][str(size)]["frozen-head"] for size in (smaller, larger))
        ratios = {
            "texts": larger / smaller,
            "read": after["read"] / before["read"],
            "later round": sum(after["later rounds"]) / sum(before["later rounds"]),
            "peak": after["peak, MiB"] / before["peak, MiB"],
        }
        print(
            f"{smaller:,} to {larger:,}: " + ", ".join(f"{k} x{v:.1f}" for k, v in ratios.items())
        )


def main() -> None:
    """Measure all sizes, or one in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sources", nargs="*", type=Path, help="JSON Lines files with `text`")
    parser.add_argument("--sizes", nargs="+", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--work", type=Path, default=Path("scale-work"))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="auto", help="of torch: auto, cpu, cuda or cuda:N")
    parser.add_argument("--candidates", type=int, default=20_000)
    parser.add_argument("--transformer", action="store_true", help="measure this classifier too")
    parser.add_argument("--classifier", default="frozen-head", help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments)))
        return
    if not arguments.sources:
        parser.error("name at least one source")
    arguments.work.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {
        "machine": machine.described(),
        "threads": arguments.threads or "all",
        "candidates": arguments.candidates,
        "sizes": {},
    }
    for size in arguments.sizes:
        path = make_pool(arguments.sources, size, arguments.work)
        found = {"frozen-head": in_a_process(path, "frozen-head", arguments)}
        found["frozen-head"]["cache, MiB"] = disk(arguments.work / "cache" / path.stem)
        if arguments.transformer:
            found["transformer"] = in_a_process(path, "transformer", arguments)
        results["sizes"][str(size)] = found
        arguments.results.parent.mkdir(parents=True, exist_ok=True)
        arguments.results.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    report(results, arguments.sizes)


if __name__ == "__main__":
    main()
