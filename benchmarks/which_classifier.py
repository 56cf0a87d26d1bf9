"""Whether `classifier: auto` is ever behind the better of its two classifiers.

    python benchmarks/which_classifier.py SETS [--names trec politeness] [--seeds 3]
        [--counts 20 30 45 70 105] [--layers 2] [--texts 3000] [--threads 1] [--judge-only]

SETS holds a folder for each set, as ``make_sets.py`` writes them. Labels are drawn at random, more
of them for each count, and both classifiers learn from the same ones. Of each round there are the
accuracy on the test set, CPU seconds, and what a cross-validation of both says of the labelled
texts. Then the rule of ``loopd.evaluation.classifier_choice`` goes through the rounds as a run
does: it knows only the cross-validations before a round, and the dear classifier costs nothing
where it is not trained.

With ``--layers`` both have only the lowest layers of the packaged encoder, which is quicker; with
``--texts`` the pool has no more texts than that. What is measured stays round by round in
``benchmarks/results/which_classifier.json`` (or ``which_classifier_2_layers.json``): a run that was
cut off goes on, and ``--judge-only`` applies the rule anew in a second.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np
from preselection import Sets

from loopd.backtest.interval import IntervalEstimate, estimate
from loopd.config import ClassifierSection, StrategySection
from loopd.config.learning import PACKAGED_MODEL
from loopd.data.pool import Pool
from loopd.evaluation.classifier_choice import PairedCounts, better, is_due
from loopd.learning.auto_classifiers import CHEAP, CONTENDERS, DEAR
from loopd.learning.classifiers.source import locate
from loopd.learning.learner import Learner
from loopd.records import Targets

RESULTS = "which_classifier"
NAMES = ("trec", "trec_fine", "politeness", "goemotions", "emoji")
FOLDS = 5
MOST_TESTED = 600
"""Texts of a test set that are looked at."""

Round = dict[str, Any]


def learner_of(
    sets: Sets, name: str, seed: int, folders: tuple[str, Path], threads: int
) -> Learner:
    """One of the classifiers over a pool, with an encoder and a cache."""
    model, cache = folders
    return Learner(
        sets.pool,
        sets.labels,
        classifier=ClassifierSection(name=name, model=model, threads=threads),
        strategy=StrategySection(name="random_sampling", cold_start="random_sampling"),
        seed=seed,
        cache=cache,
    )


def lowest_layers(count: int) -> str:
    """A folder with the packaged encoder cut to its lowest layers."""
    from transformers import AutoModel, AutoTokenizer

    source, folder = locate(PACKAGED_MODEL), tempfile.mkdtemp(prefix="loopd-layers-")
    model = AutoModel.from_pretrained(source)
    model.encoder.layer = model.encoder.layer[:count]
    model.config.num_hidden_layers = count
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    return folder


def measured_round(sets: Sets, learners: Mapping[str, Learner], targets: Targets) -> Round:
    """What both classifiers do with the same labels."""
    told: Round = {}
    right: dict[str, np.ndarray[Any, Any]] = {}
    for name, learner in learners.items():
        began = time.process_time()
        model = learner.fit(len(targets), targets)
        fitted = time.process_time()
        crossed = learner.cross_predicted(len(targets), targets, FOLDS)
        told[f"{name}.cpu"] = round(fitted - began, 2)
        told[f"{name}.cross_cpu"] = round(time.process_time() - fitted, 2)
        told[f"{name}.accuracy"] = sets.accuracy(learner, model)
        right[name] = np.array([targets[id_] == guess for id_, guess in sorted(crossed.items())])
    dear, cheap = right[DEAR], right[CHEAP]
    only = {"dear_only": int((dear & ~cheap).sum()), "cheap_only": int((cheap & ~dear).sum())}
    return {**told, "texts": len(dear), **only}


def smaller(sets: Sets, most: int, texts: int | None = None) -> Sets:
    """The sets with a test set that is quickly looked at, and a pool of no more texts."""
    pool = sets.pool if texts is None else some(sets.pool, texts)
    return Sets(pool, some(sets.test, most), sets.labels)


def some(pool: Pool, most: int) -> Pool:
    """Random texts of a pool."""
    order = np.random.default_rng(0).permutation(len(pool))[:most]
    return Pool(tuple(pool.records[row] for row in sorted(order)))


def measure(arguments: argparse.Namespace, rows: list[Round]) -> Iterator[Round]:
    """Every round that is not measured yet, seed by seed."""
    model = PACKAGED_MODEL if arguments.layers is None else lowest_layers(arguments.layers)
    done = {(row["set"], row["seed"], row["labels"]) for row in rows}
    for seed in range(arguments.seeds):
        for name in arguments.names:
            counts = [n for n in arguments.counts if (name, seed, n) not in done]
            if counts:
                yield from rounds_of(arguments, (name, seed), model, counts)


def rounds_of(
    arguments: argparse.Namespace, which: tuple[str, int], model: str, counts: Sequence[int]
) -> Iterator[Round]:
    """The rounds of one set and seed."""
    name, seed = which
    sets = smaller(Sets.read(arguments.sets / name), MOST_TESTED, arguments.texts)
    cache = (arguments.cache or Path(tempfile.mkdtemp(prefix="loopd-which-"))) / name
    folders = (model, cache)
    learners = {one: learner_of(sets, one, seed, folders, arguments.threads) for one in CONTENDERS}
    for learner in learners.values():
        learner.vectors([sets.pool.records[0].id])  # encoding the pool is no part of a round
    order = [record.id for record in sets.pool]
    np.random.default_rng(seed).shuffle(order)
    for count in counts:
        row = measured_round(sets, learners, sets.gold(order[:count]))
        yield {"set": name, "seed": seed, "labels": count, **row}
        for learner in learners.values():
            learner.keep([])


# -- the rule --------------------------------------------------------------------------------------


def judged(rounds: Iterable[Round]) -> Iterator[Round]:
    """The rounds of one set and seed, in order, with what ``auto`` would have had and paid."""
    name, compared, last = DEAR, list[PairedCounts](), 0
    for row in rounds:
        cpu = row[f"{name}.cpu"]
        due = is_due(row["labels"], last)
        if due:
            cpu += row[f"{CHEAP}.cross_cpu"] + row[f"{DEAR}.cross_cpu"]
            compared.append(PairedCounts(row["texts"], row["dear_only"], row["cheap_only"]))
            last = row["labels"]
        yield {
            "labels": row["labels"],
            "name": name,
            "accuracy": row[f"{name}.accuracy"],
            "cpu": cpu,
        }
        name = better(name, compared, dear=DEAR, cheap=CHEAP) if due else name


def table(rows: Sequence[Round]) -> list[Round]:
    """For each set and count: means, and ``auto`` minus the better one, over seeds."""
    lines = []
    for name in dict.fromkeys(row["set"] for row in rows):
        own = [row for row in rows if row["set"] == name]
        seeds = sorted({row["seed"] for row in own})
        paths = {
            seed: list(judged(sorted((r for r in own if r["seed"] == seed), key=_labels)))
            for seed in seeds
        }
        counts = sorted({row["labels"] for row in own})
        lines += [_line(name, count, own, paths) for count in counts]
    return lines


def _labels(row: Round) -> int:
    return int(row["labels"])


def _line(
    name: str, count: int, own: Sequence[Round], paths: Mapping[int, Sequence[Round]]
) -> Round:
    here = {row["seed"]: row for row in own if row["labels"] == count}
    auto = {seed: next(r for r in paths[seed] if r["labels"] == count) for seed in here}
    line: Round = {"set": name, "labels": count, "seeds": len(here)}
    for one in CONTENDERS:
        line[f"{one}.accuracy"] = _mean(row[f"{one}.accuracy"] for row in here.values())
        line[f"{one}.cpu"] = _mean(row[f"{one}.cpu"] for row in here.values())
    line["auto.accuracy"] = _mean(row["accuracy"] for row in auto.values())
    line["auto.cpu"] = _mean(row["cpu"] for row in auto.values())
    line["auto.dear"] = sum(row["name"] == DEAR for row in auto.values())
    best = max(CONTENDERS, key=lambda one: float(line[f"{one}.accuracy"]))
    gaps = [auto[seed]["accuracy"] - here[seed][f"{best}.accuracy"] for seed in here]
    told = estimate(gaps)
    return line if told is None else line | {"better": best, **_interval(told)}


def _interval(told: IntervalEstimate) -> Round:
    ends = {"gap_low": told.low, "gap_high": told.high}  # unknown with one seed
    rounded = {key: None if end is None else round(end, 4) for key, end in ends.items()}
    return {"gap": round(told.mean, 4), **rounded}


def _mean(values: Iterable[float]) -> float:
    return round(float(np.mean(list(values))), 4)


def markdown(lines: Sequence[Round]) -> Iterator[str]:
    """The table for the documentation."""
    yield "| set | labels | `transformer` | `frozen-head` | `auto` | `auto` minus the better one |"
    yield "|---|---|---|---|---|---|"
    for line in lines:
        shares = " | ".join(
            f"{line[f'{one}.accuracy']:.3f}, {line[f'{one}.cpu']:.1f} s"
            for one in (*CONTENDERS, "auto")
        )
        gap = f"{line['gap']:+.3f}"
        if line["gap_low"] is not None:
            gap += f" [{line['gap_low']:+.3f}, {line['gap_high']:+.3f}]"
        yield f"| {line['set']} | {line['labels']} | {shares} | {gap} |"


def main() -> None:
    """Measure what is missing, then judge everything."""
    arguments = parsed()
    result = RESULTS if arguments.layers is None else f"{RESULTS}_{arguments.layers}_layers"
    path = machine.RESULTS / f"{result}.json"
    rows: list[Round] = json.loads(path.read_text())["rounds"] if path.exists() else []
    if not arguments.judge_only:
        for row in measure(arguments, rows):
            print(json.dumps(row), flush=True)
            rows.append(row)
            machine.write(result, {"machine": machine.described(), "table": [], "rounds": rows})
    lines = table(rows)
    machine.write(result, {"machine": machine.described(), "table": lines, "rounds": rows})
    print("\n".join(markdown(lines)))


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", type=Path)
    parser.add_argument("--names", nargs="+", default=NAMES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--counts", type=int, nargs="+", default=(20, 30, 45, 70, 105))
    parser.add_argument("--layers", type=int, help="of the packaged encoder; default: all")
    parser.add_argument("--texts", type=int, help="of the pool at most; default: all")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="kept between runs: the pools' encodings")
    parser.add_argument("--judge-only", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
