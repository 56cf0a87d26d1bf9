"""Right labels by consensus strategy and answers a text, on generated crowds and on politeness.

    python benchmarks/consensus.py [--politeness DATA] [--seeds 10] [--name consensus]

The generated crowds have the shape of Snow et al. (2008), *Cheap and Fast - But is it Good?*, task
RTE: 800 texts, yes or no, in sheets of 20, each sheet answered by ten of 164 people, a few of whom
answer most; people are right in .83 of the answers on average, eight guess and two are mostly
wrong. Others have five and fifty labels, one label on 3 % of the texts, or several labels a text.
DATA is the folder of the politeness data, as for ``activelab.py``; there is no truth besides its
five answers a text, so that consensus of some answers is compared with the majority of all five.

Writes ``NAME.json`` into ``benchmarks/results``, or ``--out``, and prints a table.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import machine

from loopd.annotation.consensus import Ballots, ConsensusOptions, Vote, resolve
from loopd.records import PoolId, Target, Targets

STRATEGIES = ("majority", "weighted", "dawid_skene")
ANSWERS = (1, 2, 3, 5, 10)
TEXTS, PEOPLE, SHEET = 800, 164, 20
GUESSING, CONTRARY = 8, 2

Crowd = tuple[Ballots, Targets, tuple[str, ...]]
"""Ballots, the truth, and all labels."""

SHARES: Mapping[str, tuple[float, ...]] = {
    "as RTE": (1, 1),
    "3 % yes": (0.97, 0.03),
    "5 labels": (1,) * 5,
    "50 labels": (1,) * 50,
}
SEVERAL = "several of 4 labels"


def drawn(name: str, answers: int, seed: int) -> Crowd:
    """One crowd."""
    rng = random.Random(f"{name}|{answers}|{seed}")  # noqa: S311 # no secret
    shares = SHARES.get(name, (1, 1, 1, 1))
    labels = tuple(f"l{number:02d}" for number in range(len(shares)))
    rates = _rates(rng)
    weights = [1 / (1 + place) for place in range(PEOPLE)]
    rng.shuffle(weights)
    ballots: dict[PoolId, tuple[Vote, ...]] = {}
    truth: dict[PoolId, Target] = {}
    for number in range(TEXTS):
        if number % SHEET == 0:
            sheet = _people(rng, weights)
        id_ = PoolId(f"t{number:04d}")
        right = rng.choices(labels, shares)[0]
        several = tuple(label for label in labels if rng.random() < 0.3)
        truth[id_] = several if name == SEVERAL else right
        ballots[id_] = tuple(
            Vote(f"p{who:03d}", _said(rng, truth[id_], rates[who], labels), f"{time:02d}")
            for time, who in enumerate(rng.sample(sheet, answers))
        )
    return ballots, truth, labels


def _rates(rng: random.Random) -> list[float | None]:
    """How often people are right; ``None`` for those who guess."""
    able = [min(0.99, rng.betavariate(12, 2.4)) for _ in range(PEOPLE - GUESSING - CONTRARY)]
    rates = [*able, *[None] * GUESSING, *[0.15] * CONTRARY]
    rng.shuffle(rates)
    return rates


def _people(rng: random.Random, weights: list[float]) -> list[int]:
    """Ten people for a sheet, the busy ones more often."""
    keys = [rng.random() ** (1 / weight) for weight in weights]
    return sorted(range(PEOPLE), key=lambda who: -keys[who])[: max(ANSWERS)]


def _said(rng: random.Random, right: Target, rate: float | None, labels: tuple[str, ...]) -> Target:
    if isinstance(right, str):
        if rate is None or rng.random() >= rate:
            return rng.choice(labels if rate is None else [x for x in labels if x != right])
        return right
    chance = 0.5 if rate is None else rate
    return tuple(label for label in labels if (label in right) == (rng.random() < chance))


def politeness(folder: Path, answers: int, seed: int) -> Crowd:
    """So many answers of each text at random, and the majority of all five."""
    labels = ("impolite", "polite")
    ballots: dict[PoolId, tuple[Vote, ...]] = {}
    truth: dict[PoolId, Target] = {}
    with (folder / "train.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for row in rows:
        rng = random.Random(f"{row['id']}|{seed}")  # noqa: S311 # no secret
        cast = [*(row["initial_annotations"] | row["extra_annotations"]).items()]
        rng.shuffle(cast)
        polite = sum(number for _, number in cast)
        if 2 * polite != len(cast):
            truth[row["id"]] = labels[2 * polite > len(cast)]
        ballots[row["id"]] = tuple(
            Vote(who, labels[number], f"{time:02d}")
            for time, (who, number) in enumerate(cast[:answers])
        )
    return ballots, truth, labels


def right(crowd: Crowd, strategy: str) -> float:
    """Share of right labels; of several labels of right yes or no."""
    ballots, truth, labels = crowd
    targets = resolve(ballots, ConsensusOptions(strategy, labels, 0, lambda _: None)).targets
    return fmean(_right(targets[id_], target, labels) for id_, target in truth.items())


def _right(target: Target, truth: Target, labels: tuple[str, ...]) -> float:
    if isinstance(truth, str):
        return float(target == truth)
    return fmean((label in target) == (label in truth) for label in labels)


def compared(draw: Callable[[int, int], Crowd], seeds: int) -> dict[str, dict[str, float]]:
    """Means over seeds by strategy and answers."""
    table: dict[str, dict[str, float]] = {strategy: {} for strategy in STRATEGIES}
    for answers in ANSWERS:
        crowds = [draw(answers, seed) for seed in range(seeds)]
        for strategy in STRATEGIES:
            shares = [right(crowd, strategy) for crowd in crowds]
            table[strategy][str(answers)] = round(fmean(shares), 4)
    return table


def timed_on_many() -> dict[str, float]:
    """Seconds for 300,000 answers of 100 people on 100,000 texts."""
    rng = random.Random(0)  # noqa: S311 # no secret
    labels = ("no", "yes")
    ballots: dict[PoolId, tuple[Vote, ...]] = {}
    for number in range(100_000):
        truth = rng.random() < 0.5
        ballots[PoolId(f"t{number:06d}")] = tuple(
            Vote(f"p{who:02d}", labels[truth ^ (rng.random() < 0.1 + who / 400)], f"{time}")
            for time, who in enumerate(rng.sample(range(100), 3))
        )
    electors = {name: ConsensusOptions(name, labels, 0, lambda _: None) for name in STRATEGIES}
    return {
        name: round(machine.timed(partial(resolve, ballots, voters))[0], 2)
        for name, voters in electors.items()
    }


def markdown(tables: Mapping[str, Any]) -> str:
    """The figures as a table."""
    lines = [f"| crowd, strategy | {' | '.join(map(str, ANSWERS))} |"]
    lines.append("| --- " * (len(ANSWERS) + 1) + "|")
    for name, table in tables.items():
        for strategy, row in table.items():
            cells = [f"{value:.3f}".lstrip("0") for value in row.values()]
            lines.append(f"| {name}, `{strategy}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--politeness", type=Path, help="folder of the politeness data")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--name", default="consensus", help="of the JSON")
    parser.add_argument("--out", type=Path, default=machine.RESULTS, help="of the JSON")
    options = parser.parse_args()
    tables = {}
    for name in (*SHARES, SEVERAL):
        tables[name] = compared(partial(drawn, name), options.seeds)
    if options.politeness:
        tables["politeness"] = compared(partial(politeness, options.politeness), options.seeds)
    figures = {
        "machine": machine.described(),
        "seeds": options.seeds,
        "right": tables,
        "seconds_for_300000_answers": timed_on_many(),
    }
    machine.write(options.name, figures, options.out)
    print(markdown(tables))
    print(figures["seconds_for_300000_answers"])


if __name__ == "__main__":
    main()
