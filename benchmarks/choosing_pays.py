"""How often a run says rightly, and how often wrongly, that choosing texts does not pay.

    python benchmarks/choosing_pays.py WORK SET [SET ...] [--runs 200] [--cases 40]

Each SET is a folder as ``make_sets.py`` writes it (trec, emoji, goemotions, politeness). Its texts
are encoded once by the frozen head's encoder; the vectors are kept in WORK. A run is then simulated
on vectors: 3,000 texts that a strategy may choose from, a fifth of each batch drawn at random, the
head of ``frozen-head``, loopd's own margin and clusters, and after each batch the verdict of
``loopd.evaluation.edge``. Up to 2,000 other texts are the truth that no run sees.

- **alarms**: chosen at random. Whoever says "behind" or "ahead" after any round is wrong.
- **cases**: what the strategies really do against random runs with the same draws and first batch,
  on the truth, and how often the verdict says so.
- **power**: a strategy that takes what the model is surest of in so many of its picks, the worst
  that there is; how often it is found out, by the draws that were judged.
- **fallback**: area under the curve without it, with it, and of random runs.

Writes ``benchmarks/results/choosing_pays.json``.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np
from numpy.typing import NDArray
from preselection import Sets

from loopd.config import ClassifierSection, StrategySection
from loopd.evaluation.edge import BatchRows, differences, interval
from loopd.evaluation.savings import Head, Material
from loopd.learning.classifiers.linear import LinearHead, fit_head
from loopd.learning.learner import Learner
from loopd.learning.strategies.diverse_margin import central
from loopd.learning.strategies.uncertainty import margin

POOL, TRUTH, SHARE, FIRST = 3000, 2000, 0.2, 20
SMALL, BIG = (20, 20), (200, 5)
"""Texts in a batch and batches after the first."""

Row = dict[str, Any]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


# -- vectors ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Vectors:
    """Texts of a set.

    Attributes:
        features: (n, d) that the head learns from.
        vectors: (n, e) of length 1, that the verdict is made on.
        y: (n,) class numbers.
        classes: how many there are.
    """

    features: Floats
    vectors: Floats
    y: Rows
    classes: int


def encoded(folder: Path, work: Path) -> Vectors:
    """The vectors of all texts of a set, made once."""
    path = work / f"{folder.name}.npz"
    if not path.exists():
        sets = Sets.read(folder)
        learner = Learner(
            sets.pool,
            sets.labels,
            classifier=ClassifierSection(name="frozen-head"),
            strategy=StrategySection(name="random_sampling"),
            seed=1,
            cache=work / "cache" / folder.name,
        )
        ids = [record.id for record in sets.pool]
        features = np.asarray(learner._dataset(sets.pool).x)
        y = np.array([sets.labels.index(str(record.gold)) for record in sets.pool])
        np.savez(path, F=features, V=np.asarray(learner.vectors(ids)), y=y, C=len(sets.labels))
    kept = np.load(path)
    return Vectors(kept["F"], kept["V"], kept["y"].astype(np.int64), int(kept["C"]))


# -- a run -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run is like.

    Attributes:
        strategy: ``random``, ``margin``, ``auto`` (diverse margin) or ``surest``.
        batch, batches: texts in a batch, and batches after the first.
        shuffled: share of the pool's labels that are shuffled.
        share: of a batch that the strategy chooses; the others are random, but counted as chosen.
        fallback: ``never``, ``told`` (after the verdict) or ``always``: half of each batch.
    """

    strategy: str
    batch: int = SMALL[0]
    batches: int = SMALL[1]
    shuffled: float = 0.0
    share: float = 1.0
    fallback: str = "never"


@dataclass(frozen=True)
class Run:
    """What came of it, after each batch.

    Attributes:
        accuracy: (r,) on the truth.
        judged: (r,) draws.
        low, high: (r,) ends of the verdict's interval.
    """

    accuracy: Floats
    judged: Rows
    low: Floats
    high: Floats

    @property
    def area(self) -> float:
        """Mean accuracy over all batches after the first."""
        return float(self.accuracy[1:].mean())


def finished(texts: Vectors, setting: Setting, seed: int, *, measured: bool = True) -> Run:
    """One run; the same seed means the same pool, truth, draws and first batch.

    Args:
        texts: of the set.
        setting: what it is like.
        seed: of everything that is drawn.
        measured: whether the truth is looked at.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(texts.y))
    tests, some = np.split(order, [min(TRUTH, len(order) // 3)])
    truth, pool = texts_of(texts, tests), shuffled(texts_of(texts, some[:POOL]), setting, rng)
    order = rng.permutation(len(pool.y))
    draws, others = np.split(order, [int(SHARE * len(order))])
    free = np.zeros(len(order), dtype=bool)
    free[others] = True
    batches: list[BatchRows] = []
    taught, drawn, curve = np.empty(0, dtype=np.int64), 0, []
    head: LinearHead | None = None
    for number in range(setting.batches + 1):
        due, size = _sizes(setting, number)
        half = size // 2 if number and _mixes(pool, setting, batches) else 0
        picks = _picked(pool, setting, size - half, head, (free, number, rng))
        free[picks] = False
        mixed_in = rng.choice(np.flatnonzero(free), half, replace=False)
        free[mixed_in] = False
        batches.append(BatchRows(picks, draws[drawn : drawn + due]))
        taught, drawn = np.concatenate([taught, picks, mixed_in]), drawn + due
        head = _fitted(pool, taught) if measured else None
        curve.append(np.nan if head is None else _accuracy(head, truth))
    return Run(np.array(curve), *_verdicts(pool, batches))


def _mixes(pool: Vectors, setting: Setting, batches: Sequence[BatchRows]) -> bool:
    """Whether the next batch mixes in random texts."""
    if setting.fallback != "told":
        return setting.fallback == "always"
    return bool(_verdicts(pool, batches)[2][-1] < 0)


def texts_of(texts: Vectors, rows: Rows) -> Vectors:
    """Some of the texts."""
    vectors, y = texts.vectors[rows], texts.y[rows]
    return replace(texts, features=texts.features[rows], vectors=vectors, y=y)


def shuffled(texts: Vectors, setting: Setting, rng: np.random.Generator) -> Vectors:
    """The texts, a share of their labels among each other."""
    rows = np.flatnonzero(rng.random(len(texts.y)) < setting.shuffled)
    y = texts.y.copy()
    y[rows] = y[rng.permutation(rows)]
    return replace(texts, y=y)


def _sizes(setting: Setting, number: int) -> tuple[int, int]:
    """Draws and other texts of a batch."""
    before = 0 if number == 0 else FIRST + (number - 1) * setting.batch
    size = FIRST if number == 0 else setting.batch
    due = int(SHARE * (before + size) + 1e-9) - int(SHARE * before + 1e-9)
    return due, size - due


def _picked(
    pool: Vectors,
    setting: Setting,
    size: int,
    head: LinearHead | None,
    now: tuple[NDArray[np.bool_], int, np.random.Generator],
) -> Rows:
    """What the strategy chooses; the first batch is random for all."""
    free, number, rng = now
    candidates = np.flatnonzero(free)
    if number == 0 or setting.strategy == "random" or head is None:
        return rng.choice(candidates, size, replace=False)
    by_strategy = round(setting.share * size)
    proba = head.proba(pool.features[candidates])
    unsure = margin(proba) if setting.strategy != "surest" else -margin(proba)
    ranked = candidates[np.argsort(-unsure, kind="stable")]
    picks = ranked[:by_strategy]
    if setting.strategy == "auto":
        ranked = ranked[: 10 * by_strategy]
        picks = ranked[central(pool.features[ranked].astype(np.float32), by_strategy, rng)]
    rest = np.setdiff1d(candidates, picks)
    return np.concatenate([picks, rng.choice(rest, size - by_strategy, replace=False)])


def _fitted(pool: Vectors, rows: Rows) -> LinearHead:
    if len(np.unique(pool.y[rows])) < 2:
        only = pool.y[rows][:1]
        zeros = np.zeros((1, pool.features.shape[1]), dtype=np.float32)
        return LinearHead(zeros, np.zeros(1, dtype=np.float32), only, pool.classes)
    return fit_head(pool.features[rows], pool.y[rows], pool.classes, c=10.0)


def _accuracy(head: LinearHead, truth: Vectors) -> float:
    return float((head.proba(truth.features).argmax(axis=1) == truth.y).mean())


def _verdicts(pool: Vectors, batches: Sequence[BatchRows]) -> tuple[Rows, Floats, Floats]:
    """After each batch: draws that were judged, and the interval.

    What comes later changes no difference, so that they are worked out once.
    """
    rows = np.concatenate([part for batch in batches for part in (batch.selected, batch.draws)])
    place = np.zeros(len(pool.y), dtype=np.int64)
    place[rows] = np.arange(len(rows))
    none = np.empty(0, dtype=np.int64)
    judge = Head(Material(pool.vectors[rows].astype(np.float64), pool.y[rows], none, none, none))
    told = differences(judge, [BatchRows(place[b.selected], place[b.draws]) for b in batches], 0)
    drawn = np.cumsum([len(batch.draws) for batch in batches])
    judged = np.maximum(0, drawn - (drawn[-1] - len(told)))
    ends = np.array([interval(told[:count]) if count else (-1.0, 1.0) for count in judged])
    return judged, ends[:, 0], ends[:, 1]


# -- what is looked at -----------------------------------------------------------------------------


def alarms(texts: Vectors, setting: Setting, runs: int) -> Row:
    """How often a run that chooses at random is called behind or ahead after any round."""
    done = [finished(texts, setting, seed, measured=False) for seed in range(runs)]
    return {
        **_named(setting),
        "runs": runs,
        "judged": int(done[0].judged[-1]),
        "behind": _counted([bool((run.high < 0).any()) for run in done]),
        "ahead": _counted([bool((run.low > 0).any()) for run in done]),
    }


def case(texts: Vectors, setting: Setting, runs: int) -> Row:
    """What a strategy gains over random runs, and what the verdict says of it."""
    pairs = [_pair(texts, setting, seed) for seed in range(runs)]
    done = [run for run, _ in pairs]
    return {
        **_named(setting),
        "runs": runs,
        "judged": int(done[0].judged[-1]),
        "gain": _mean_of([run.area - random.area for run, random in pairs]),
        "gain_at_the_end": _mean_of([a.accuracy[-1] - b.accuracy[-1] for a, b in pairs]),
        "low": float(np.median([run.low[-1] for run in done])),
        "high": float(np.median([run.high[-1] for run in done])),
        "behind": _counted([bool((run.high < 0).any()) for run in done]),
        "ahead": _counted([bool((run.low > 0).any()) for run in done]),
    }


def fallback(texts: Vectors, setting: Setting, runs: int) -> Row:
    """Areas of a strategy alone, with its fall-back, and of random runs."""
    pairs = [_pair(texts, setting, seed) for seed in range(runs)]
    modes = {
        mode: [finished(texts, replace(setting, fallback=mode), seed) for seed in range(runs)]
        for mode in ("told", "always")
    }
    random = np.array([other.area for _, other in pairs])
    alone = np.array([run.area for run, _ in pairs])
    areas = {mode: np.array([run.area for run in done]) for mode, done in modes.items()}
    told = np.array([bool((run.high < 0).any()) for run in modes["told"]])
    return {
        **_named(setting),
        "runs": runs,
        "told": int(told.sum()),
        "random": _mean_of(random),
        "alone_minus_random": _mean_of(alone - random),
        **{f"{mode}_minus_random": _mean_of(area - random) for mode, area in areas.items()},
        **{f"{mode}_minus_alone": _mean_of(area - alone) for mode, area in areas.items()},
    }


def _pair(texts: Vectors, setting: Setting, seed: int) -> tuple[Run, Run]:
    random = replace(setting, strategy="random", fallback="never", share=1.0)
    return finished(texts, setting, seed), _random(texts, random, seed)


@cache
def _random(texts: Vectors, setting: Setting, seed: int) -> Run:
    """A random run, which several settings are compared with."""
    return finished(texts, setting, seed)


def _named(setting: Setting) -> Row:
    return {name: getattr(setting, name) for name in Setting.__slots__ if name != "fallback"}


def _counted(marks: Sequence[bool]) -> Row:
    """How many, and the exact 95 % interval of the share."""
    from loopd.evaluation.audit_intervals import share_interval

    low, high = share_interval(sum(marks), len(marks))
    return {"count": sum(marks), "share_low": low, "share_high": high}


def _mean_of(values: Sequence[float] | Floats) -> Row:
    """Mean and 95 % t interval over runs."""
    from scipy.stats import t

    some = np.asarray(values, dtype=np.float64)
    half = float(t.ppf(0.975, len(some) - 1) * some.std(ddof=1) / np.sqrt(len(some)))
    return {
        "mean": float(some.mean()),
        "low": float(some.mean()) - half,
        "high": float(some.mean()) + half,
    }


# -- the whole -------------------------------------------------------------------------------------


def looked_at(name: str) -> Iterator[tuple[str, Setting]]:
    """Kind and setting of everything that is looked at on a set."""
    noises = (0.0, 0.4) if name == "trec" else (0.0,)
    for noise in noises:
        yield "alarms", Setting("random", *SMALL, shuffled=noise)
        yield "alarms", Setting("random", *BIG, shuffled=noise)
    yield "power", Setting("surest", *SMALL)
    yield "power", Setting("surest", *BIG)
    yield "power", Setting("surest", *BIG, share=0.5)
    for noise in noises:
        yield "cases", Setting("auto", *SMALL, shuffled=noise)
        yield "cases", Setting("margin", *SMALL, shuffled=noise)
        yield "cases", Setting("margin", *BIG, shuffled=noise)
    yield "fallback", Setting("surest", *SMALL)
    yield "fallback", Setting("surest", *BIG)
    yield "fallback", Setting("margin", *BIG, shuffled=noises[-1])
    yield "fallback", Setting("auto", *SMALL, shuffled=noises[-1])


LOOKS: Mapping[str, Callable[[Vectors, Setting, int], Row]] = {
    "alarms": alarms,
    "cases": case,
    "power": case,
    "fallback": fallback,
}


def main() -> None:
    """Simulate and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--runs", type=int, default=200, help="that look for false alarms")
    parser.add_argument("--cases", type=int, default=40, help="runs of everything else")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    results: Row = {"machine": machine.described(), "sets": {}}
    for folder in arguments.sets:
        texts, rows = encoded(folder, arguments.work), results["sets"].setdefault(folder.name, {})
        for kind, setting in looked_at(folder.name):
            started = time.monotonic()
            runs = arguments.runs if kind == "alarms" else arguments.cases
            row = LOOKS[kind](texts, setting, runs)
            rows.setdefault(kind, []).append({**row, "seconds": time.monotonic() - started})
            print(folder.name, kind, row, flush=True)
            machine.write("choosing_pays", results)


if __name__ == "__main__":
    main()
