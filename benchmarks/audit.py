"""How far the audit can be trusted: coverage of its estimate, and the sign of what choosing saved.

    python benchmarks/audit.py WORK [--runs 200] [--set SET] [--seeds 10]

Coverage, on the bundled sample data: each run shuffles all 2,250 texts, shows 320 of them to the
strategy, sets 80 aside for the audit, keeps the other 1,850 hidden as the truth, and runs loopd's
own steps with the tf-idf classifier, five batches of 30 with a fifth of them drawn at random. After
each round the model's accuracy on the truth is compared with the audit's interval; and at the end,
as a naive estimate, with the model's cross-validated accuracy on the chosen labels.

Savings, with SET, a folder as ``make_sets.py`` writes it (TREC): the frozen head, ten batches of
40 with a quarter drawn at random, once with the true labels and once with labels shuffled over the
pool. What the audit says is saved is compared with an oracle, which knows all labels: the same head
on many random sets, judged on 800 texts that the run never saw; and with runs of the loop itself
that choose at random.

Runs are kept in WORK and go on where they were. Writes ``benchmarks/results/audit.json``.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np
from numpy.typing import NDArray

from loopd.backtest.oracle_store import OracleStore
from loopd.config import Config
from loopd.config_file import load_config, parse_config
from loopd.data.pool import Pool
from loopd.data.reading import read_pool
from loopd.demo.sample_data import LABELS, POOL_FILE, TEST_FILE
from loopd.evaluation.savings import FARTHEST, Head, Material
from loopd.events import ModelTrained, RoundEvaluated
from loopd.learning.learner import Model
from loopd.loop.audit_draws import set_aside
from loopd.loop.data_sets import DataSets, read_data
from loopd.loop.start_or_resume import begin
from loopd.loop.steps import STEPS
from loopd.loop.stop import Stop
from loopd.loop.tools import Tools, build_tools
from loopd.machine import Phase, State, apply
from loopd.metrics_log import writer as metrics_log
from loopd.oracle.behaviour import OracleOptions
from loopd.records import PoolId, Record
from loopd.tasks.registry import build_task

POOL, ROUNDS, BATCH, SHARE = 400, 5, 30, 0.2
SAVING = {"rounds": 10, "batch": 40, "share": 0.25}
JUDGES, ORACLE_SETS = 800, 30
GRID = (0.2, 0.3, 0.45, 0.67, 1.0, 1.4, FARTHEST)

Row = dict[str, Any]
Floats = NDArray[np.float64]


# -- a run of the loop -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        tools: its parts.
        state: its end.
        rows: of its metrics log, with what was looked at after each round.
    """

    tools: Tools
    state: State
    rows: list[Row]


def finished(config: Config, data: DataSets, answers: Pool, truth: Sequence[Record] = ()) -> Run:
    """Step a run to its end, the oracle answering at once.

    Args:
        config: the run's configuration.
        data: pool and test set.
        answers: the pool with the labels that the oracle gives.
        truth: texts of the pool that are hidden from the whole run, to judge it by.
    """
    people = OracleOptions(seed=config.run.seed)
    store = OracleStore(build_task(config.task), people)
    tools = build_tools(config, data, Stop(), store=store)
    if truth:
        held = frozenset(record.id for record in truth)
        seen = Pool(tuple(record for record in data.pool if record.id not in held))
        aside = set_aside(seen, config.audit.share, config.run.seed)
        vars(tools)["_hashed_aside"] = (*aside, *(record.id for record in truth))
    state, looked = State(), []
    event: Any = begin(state, tools, store.open(answers, fresh=True))
    while event is not None:
        state = apply(state, event)
        if isinstance(event, RoundEvaluated):
            looked.append(_looked(state, tools, truth))
        if isinstance(event, ModelTrained):
            tools.learner.keep([event.model_id])
        event = STEPS[state.phase](state, tools) if state.phase is not Phase.DONE else None
    found = [row | more for row, more in zip(metrics_log.rows(state), looked, strict=True)]
    return Run(tools, state, found)


def _looked(state: State, tools: Tools, truth: Sequence[Record]) -> Row:
    """What the audit cannot know: the model on the truth and on what is left to choose from."""
    if not truth:
        return {}
    labels = tools.resolver.consensus(state, tools).targets
    taught = {id_: target for id_, target in labels.items() if id_ not in state.draws}
    model = tools.learner.fit(state.round, taught)
    gone = state.planned_ids.union(record.id for record in truth)
    left = [record for record in tools.data.pool if record.id not in gone]
    found: Row = {
        "truth": _accuracy(tools, model, truth),
        "left": _accuracy(tools, model, left),
        "naive": None,
    }
    if state.round == ROUNDS - 1:
        proba = tools.learner.out_of_fold(state.round, taught)
        names = tools.config.task.labels
        hit = [names[int(proba[id_].argmax())] == target for id_, target in taught.items()]
        found["naive"] = float(np.mean(hit))
    return found


def _accuracy(tools: Tools, model: Model, records: Sequence[Record]) -> float:
    guessed = tools.learner.predict(model, [record.text for record in records])
    return _mean(one == record.gold for one, record in zip(guessed, records, strict=True))


# -- coverage --------------------------------------------------------------------------------------


def coverage_run(seed: int, work: Path) -> list[Row]:
    """The rows of one run on the sample data, each with the truth."""
    config = _config(
        {
            "run": {"dir": str(work / "coverage"), "seed": seed},
            "task": {"labels": list(LABELS)},
            "pool": {"path": str(POOL_FILE), "label": "label"},
            "classifier": {"name": "tfidf"},
            "queue": {"batch_size": BATCH, "low_watermark": 0},
            "stopping": {"max_rounds": ROUNDS, "criteria": []},
            "audit": {"random_share": SHARE},
        },
        work,
    )
    parts = (config.pool, config.pool.model_copy(update={"path": TEST_FILE}))
    records = [record for part in parts for record in read_pool(part, labels=LABELS)[0].records]
    order = np.random.default_rng(seed).permutation(len(records))
    mixed = [records[place] for place in order]
    pool = Pool(tuple(mixed))
    run = finished(config, DataSets(pool, None, {}), pool, mixed[POOL:])
    names = ("draws", "accuracy", "accuracy_low", "accuracy_high")
    return [
        {
            **{name: row[f"audit.{name}"] for name in names},
            **{name: row[name] for name in ("truth", "left", "naive")},
            "seconds": row["seconds.evaluation"],
        }
        for row in run.rows
    ]


def coverage(runs: Sequence[list[Row]]) -> list[Row]:
    """By round: coverage with its Wilson interval, bias and width."""
    from scipy.stats import binomtest

    found: list[Row] = []
    for number in range(ROUNDS):
        known = [run[number] for run in runs if run[number]["accuracy"] is not None]
        if not known:
            found.append({"round": number, "known": 0})
            continue
        inside = sum(_inside(row, row["truth"]) for row in known)
        interval = binomtest(inside, len(known)).proportion_ci(0.95, method="wilson")
        bias = np.array([row["accuracy"] - row["truth"] for row in known])
        found.append(
            {
                "round": number,
                "labels": (number + 1) * BATCH,
                "draws": known[0]["draws"],
                "known": len(known),
                "covered": inside / len(known),
                "covered_low": float(interval.low),
                "covered_high": float(interval.high),
                "covered_left": float(np.mean([_inside(row, row["left"]) for row in known])),
                "bias": float(bias.mean()),
                "bias_error": float(bias.std(ddof=1) / np.sqrt(len(bias))),
                "width": _mean(row["accuracy_high"] - row["accuracy_low"] for row in known),
                "truth": _mean(row["truth"] for row in known),
                "truth_left": _mean(row["left"] for row in known),
                "naive_bias": None
                if known[0]["naive"] is None
                else _mean(row["naive"] - row["truth"] for row in known),
                "seconds": _mean(row["seconds"] for row in known),
            }
        )
    return found


def _inside(row: Row, truth: float) -> bool:
    return bool(row["accuracy_low"] <= truth <= row["accuracy_high"])


def _mean(values: Iterator[float]) -> float:
    return float(np.mean(list(values)))


# -- savings ---------------------------------------------------------------------------------------


def saving_run(place: Path, seed: int, kind: str, work: Path) -> Row:
    """What the audit says at the end of a run on a set, and what the oracle knows.

    Args:
        place: folder of the set.
        seed: of the run.
        kind: ``true``, ``shuffled`` or ``random`` (true labels, chosen at random).
        work: where features are kept.
    """
    config = load_config(place / "config.yaml")
    settings = config.model_dump(mode="json") | {
        "run": {"dir": str(work / "saving"), "seed": seed},
        "classifier": {"name": "frozen-head"},
        "strategy": {"name": "random_sampling" if kind == "random" else "auto"},
        "queue": {"batch_size": SAVING["batch"], "low_watermark": 0},
        "stopping": {"max_rounds": SAVING["rounds"], "criteria": []},
        "audit": {"random_share": SAVING["share"]},
    }
    config = _config(settings, place)
    data = read_data(config)
    answers = data.pool if kind != "shuffled" else _shuffled(data.pool, seed)
    if kind == "shuffled":
        data = replace(data, test=None)
    run = finished(config, data, answers)
    curve = [[row["labels"], row.get("accuracy")] for row in run.rows]
    if kind == "random":
        return {"curve": curve}
    row = run.rows[-1]
    told = {name: value for name, value in row.items() if name.startswith("audit.")}
    return {"curve": curve, **told, **_oracle(run, answers, int(row["audit.compared"]), seed)}


def _shuffled(pool: Pool, seed: int) -> Pool:
    order = np.random.default_rng(seed).permutation(len(pool))
    return Pool(
        tuple(
            replace(record, gold=pool.records[place].gold)
            for record, place in zip(pool.records, order, strict=True)
        )
    )


def _oracle(run: Run, answers: Pool, labels: int, seed: int) -> Row:
    """The true gain and saving of the head at so many labels, each limited as the audit's are."""
    planned, rng = run.state.planned_ids, np.random.default_rng(seed)
    judges = [id_ for id_ in run.tools.aside(run.state) if id_ not in planned][:JUDGES]
    kept = set(judges)
    others = [record.id for record in answers if record.id not in kept]
    items = (item for batch in run.state.batches for item in batch.items)
    chosen = [item.record_id for item in items if not item.draw][:labels]
    most = round(max(GRID) * labels)
    sets = [rng.choice(len(others), most, replace=False) for _ in range(ORACLE_SETS)]
    some = sorted({others[place] for each in sets for place in each} - set(chosen))
    ids = [*chosen, *judges, *some]
    head, row_of = _head(run, answers, ids), {id_: row for row, id_ in enumerate(ids)}
    asked = np.array([row_of[id_] for id_ in judges])

    def accuracy(learned: Sequence[str]) -> float:
        return float(head.right(np.array([row_of[id_] for id_ in learned]), asked).mean())

    sizes = [round(share * labels) for share in GRID]
    curve = [
        _mean(accuracy([others[place] for place in each[:size]]) for each in sets) for size in sizes
    ]
    reached, rising = accuracy(chosen), np.maximum.accumulate(curve)
    worth = float(np.interp(reached, rising, sizes, left=0))
    gain = reached - curve[GRID.index(1.0)]
    return {"true_gain": gain, "true_saved": worth - labels, "true_curve": [sizes, curve]}


def _head(run: Run, answers: Pool, ids: Sequence[PoolId]) -> Head:
    vectors = run.tools.learner.vectors(ids)
    names = run.tools.config.task.labels
    y = np.array([names.index(str(answers[id_].gold)) for id_ in ids])
    none = np.empty(0, dtype=np.int64)
    if vectors is None:
        raise SystemExit("the classifier has no vectors")
    return Head(Material(vectors.astype(np.float64), y, none, none, none))


def savings(runs: Mapping[str, Sequence[Row]]) -> Row:
    """How often the sign was right, and the loop's own curves."""
    found: Row = {}
    for kind in ("true", "shuffled"):
        some = runs[kind]
        known = [row for row in some if row["audit.saved"] is not None]
        found[kind] = {
            "runs": len(some),
            "draws": _mean(row["audit.draws"] for row in some),
            "compared": _mean(row["audit.compared"] for row in some),
            "gain": _mean(row["audit.gain"] for row in some),
            "true_gain": _mean(row["true_gain"] for row in some),
            "gain_covered": _mean(
                row["audit.gain_low"] <= row["true_gain"] <= row["audit.gain_high"] for row in some
            ),
            "saved_known": len(known),
            "saved": _mean(row["audit.saved"] for row in known) if known else None,
            "saved_median": float(np.median([row["audit.saved"] for row in known]))
            if known
            else None,
            "saved_above_zero": sum(row["audit.saved"] > 0 for row in known),
            "claims_saving": sum(row["audit.saved_low"] > 0 for row in known),
            "claims_loss": sum(row["audit.saved_high"] < 0 for row in known),
            "true_saved": _mean(row["true_saved"] for row in some),
            "each": [_brief(row) for row in some],
        }
    found["loop"] = {kind: _curve(runs[kind]) for kind in ("true", "random")}
    return found


def _brief(row: Row) -> Row:
    names = ("gain", "gain_low", "gain_high", "saved", "saved_low", "saved_high", "next_gain")
    told = {name: row[f"audit.{name}"] for name in names}
    return {**told, "true_gain": row["true_gain"], "true_saved": row["true_saved"]}


def _curve(rows: Sequence[Row]) -> list[list[float]]:
    """Labels and mean test accuracy."""
    return [
        [labels, _mean(row["curve"][place][1] for row in rows)]
        for place, (labels, _) in enumerate(rows[0]["curve"])
    ]


# -- the whole -------------------------------------------------------------------------------------


def _config(settings: Mapping[str, Any], folder: Path) -> Config:
    return parse_config(dict(settings), folder)


def _kept(path: Path, make: Any) -> Any:
    """What a file holds, or is made and written to it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        found = make()
        path.with_suffix(".part").write_text(json.dumps(found), encoding="utf-8")
        path.with_suffix(".part").rename(path)
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """Run what is not there yet, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--set", type=Path, dest="place")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    work = options.work.absolute()
    covered = []
    for seed in range(options.runs):
        path = work / "runs" / f"coverage-{seed}.json"
        covered.append(_kept(path, lambda seed=seed: coverage_run(seed, work)))
    figures: Row = {"machine": machine.described(), "coverage": coverage(covered)}
    for row in figures["coverage"]:
        print(json.dumps(row))
    if options.place:
        figures["savings"] = savings(
            {
                kind: [
                    _kept(
                        work / "runs" / f"saving-{kind}-{seed}.json",
                        lambda seed=seed, kind=kind: saving_run(options.place, seed, kind, work),
                    )
                    for seed in range(options.seeds)
                ]
                for kind in ("true", "shuffled", "random")
            }
        )
        print(json.dumps(figures["savings"], indent=1))
    print(machine.write("audit", figures))


if __name__ == "__main__":
    main()
