"""Owns what a backtest writes down: curves, figures, tables and pictures, all from the journals."""

from __future__ import annotations

import csv
import io
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from loopd.backtest import luck
from loopd.backtest.arms import BASELINE, Arm
from loopd.backtest.comparison import ArmSummary, Comparison, compare
from loopd.backtest.comparison_plot import plot_curves, plot_seconds
from loopd.backtest.comparison_table import comparison_table
from loopd.backtest.experiment import Experiment
from loopd.backtest.interval import IntervalEstimate
from loopd.backtest.learning_curves import learning_curves
from loopd.backtest.trial import Trial
from loopd.config import StrategySection
from loopd.errors import ConfigError
from loopd.loop.start_or_resume import versions
from loopd.machine import State
from loopd.metrics_log import writer as metrics_log
from loopd.metrics_log.rows import MEASURES, Row, Terms, effort_of, measure_name, metric_of
from loopd.storage.files import write_atomic

CURVES, RESULTS, TABLE = "curves.csv", "results.json", "table.md"
CURVES_PLOT, SECONDS_PLOT = "learning_curves.png", "seconds.png"

LEFT_OUT = ("batch_id", "collected", "config_digest", "model_id", "at", "open")
"""Keys of the metrics log that say nothing in a backtest."""

LEFT_OUT_TIMES = ("seconds.publishing", "seconds.waiting", "waiting.", "turnaround", "staleness")


def write_results(
    experiment: Experiment,
    runs: Sequence[tuple[Trial, State]],
    targets: Sequence[float] | None,
    sizes: tuple[int, int],
    metric: str | None = None,
) -> str:
    """Write everything into the experiment's folder; returns the tables.

    Args:
        experiment: what was compared.
        runs: each finished run with what its journal says.
        targets: accuracies to be reached, ``None`` for sensible ones.
        sizes: texts of the pool and of the test set.
        metric: the measure that is compared, ``None`` for the one by which the task is judged.

    Raises:
        ConfigError: no run has the measure.
    """
    folder = experiment.folder
    rows = [row for trial, state in runs for row in run_rows(trial, state)]
    metric = _known_metric(metric or metric_of(rows), rows)
    terms = Terms(measure_name(metric), effort_of(rows))
    curves = learning_curves(rows, metric, terms.effort)
    comparison = compare(curves, targets, baselines(experiment.arms))
    machine = this_machine(experiment.threads)
    name = experiment.config.argilla.dataset
    title = f"Backtest of {name}, {machine['date'][:10]}"
    notes = (*_notes(experiment, sizes, machine), *luck.notes(runs))
    table = comparison_table(title, notes, comparison, terms)
    figures = {
        "metric": metric,
        "effort": terms.effort,
        **_figures(experiment, machine, comparison, runs),
    }
    write_atomic(folder / CURVES, as_csv(rows))
    write_atomic(folder / RESULTS, json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    write_atomic(folder / TABLE, table)
    plot_curves(comparison, folder / CURVES_PLOT, title, terms)
    plot_seconds(curves, folder / SECONDS_PLOT, title, terms)
    return table


def _known_metric(metric: str, rows: Sequence[Row]) -> str:
    measures = sorted({key for row in rows for key in row} & set(MEASURES))
    if measures and metric not in measures:
        raise ConfigError(f"no run has the measure `{metric}`", f"there are {', '.join(measures)}")
    return metric


def run_rows(trial: Trial, state: State) -> Iterator[Row]:
    """The rows of the metrics log with the run they belong to, without what says nothing here."""
    for row in metrics_log.rows(state):
        shown = {
            key: value
            for key, value in row.items()
            if key not in LEFT_OUT and not key.startswith(LEFT_OUT_TIMES)
        }
        yield {"arm": trial.arm, "seed": trial.seed, **shown}


def as_csv(rows: Sequence[Row]) -> str:
    """One line for each arm, seed and round; what a row lacks is empty."""
    keys = dict.fromkeys(key for row in rows for key in row)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(keys), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def baselines(arms: Sequence[Arm]) -> dict[str, str]:
    """By arm the first one with random sampling and, but for the strategy, the same settings."""
    randoms: dict[str, str] = {}
    for arm in arms:
        if arm.config.strategy.name == BASELINE:
            randoms.setdefault(_but_for_the_strategy(arm), arm.name)
    others = [arm for arm in arms if arm.config.strategy.name != BASELINE]
    baseline_of = {arm.name: randoms.get(_but_for_the_strategy(arm)) for arm in others}
    return {name: other for name, other in baseline_of.items() if other is not None}


def _but_for_the_strategy(arm: Arm) -> str:
    same = arm.config.model_copy(update={"strategy": StrategySection()})
    return Arm(arm.name, same).digest


def this_machine(threads: int) -> dict[str, Any]:
    """Processor, cores, versions and date: what seconds depend on."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": cores(),
        "threads_per_run": threads,
        "system": platform.platform(),
        "versions": versions(),
    }


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _notes(
    experiment: Experiment, sizes: tuple[int, int], machine: Mapping[str, Any]
) -> Iterator[str]:
    yield f"pool {sizes[0]:,} texts, test set {sizes[1]:,}, {len(_labels(experiment))} labels"
    shared = experiment.shared_first_batch
    first = "all arms share the first batch" if shared else "each arm chooses its first batch"
    seeds = ", ".join(map(str, experiment.seeds))
    yield f"seeds {seeds}; {first}; {experiment.noise:.0%} wrong answers"
    count, threads = machine["cores"], machine["threads_per_run"]
    yield f"{machine['processor']}; cores {count}, threads of each run {threads}"


def _labels(experiment: Experiment) -> tuple[str, ...]:
    return experiment.config.task.labels


def _figures(
    experiment: Experiment,
    machine: Mapping[str, Any],
    comparison: Comparison,
    runs: Sequence[tuple[Trial, State]],
) -> dict[str, Any]:
    return {
        "experiment": {**experiment.manifest, "seeds": experiment.seeds},
        "machine": machine,
        "interval": "95 % t interval over seeds (scipy.stats.t)",
        "range": [comparison.low, comparison.high],
        "arms": {arm.arm: _arm(arm) for arm in comparison.arms},
        "runs": [
            {
                "arm": trial.arm,
                "seed": trial.seed,
                "rounds": len(state.evaluated),
                "stopped": state.stopped and state.stopped.reason,
                "batches": luck.batches_digest(state),
            }
            for trial, state in runs
        ],
    }


def _arm(arm: ArmSummary) -> dict[str, Any]:
    difference = arm.difference
    return {
        "seeds": arm.seeds,
        "aulc": _estimate(arm.area),
        "final_accuracy": _estimate(arm.final),
        "seconds_per_round": _estimate(arm.seconds),
        "accuracy": [{"labels": labels, **_known(value)} for labels, value in arm.accuracy.items()],
        "labels_to_reach": [
            {
                "accuracy": target,
                "labels": reached.values,
                "reached": reached.count,
                "median": reached.median,
                "mean": _estimate(reached.mean),
            }
            for target, reached in arm.reached.items()
        ],
        "against_random": difference
        and {
            "arm": difference.arm,
            "seeds": difference.seeds,
            "aulc": _estimate(difference.area),
            "final_accuracy": _estimate(difference.final),
        },
    }


def _estimate(value: IntervalEstimate | None) -> dict[str, Any] | None:
    return None if value is None else _known(value)


def _known(value: IntervalEstimate) -> dict[str, Any]:
    return {**asdict(value), "n": value.n}
