"""What one more round costs in an old run: stopping criteria and metrics log, by rounds so far.

    python benchmarks/old_rounds.py [--rounds 50 500 5000] [--before CHECKOUT]

Each is measured by processor time, the better of two; ``--before`` measures another checkout of
loopd likewise, up to 500 rounds. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from loopd.storage.run_folder import METRICS_NAME

if TYPE_CHECKING:  # an older checkout that is measured does not have it
    from loopd.records import PoolId

TEXTS, CLASSES = 1000, 4
"""Of the stop set."""

CRITERIA = ("kappa_average", "classification_change", "overall_uncertainty")


def measure(rounds: int) -> dict[str, float]:
    """Seconds for one more round after so many."""
    import numpy as np

    from loopd.config import CriterionSection
    from loopd.evaluation.stopping import encode, evaluate_criteria
    from loopd.metrics_log import writer as metrics_log

    rng = np.random.default_rng(0)
    criteria = [CriterionSection.model_validate({"name": name}) for name in CRITERIA]
    history = [encode(rng.integers(0, CLASSES, TEXTS)) for _ in range(rounds)]
    proba = rng.dirichlet(np.ones(CLASSES), TEXTS)
    state = _state(rounds + 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        metrics_log.write(_state(rounds), folder)
        content = (folder / METRICS_NAME).read_bytes()
        add = getattr(metrics_log, "add_last", metrics_log.write)

        def undo() -> None:
            (folder / METRICS_NAME).write_bytes(content)

        return {
            "criteria": _best(lambda: evaluate_criteria(criteria, history, proba)),
            "metrics log": _best(lambda: add(state, folder), undo),
        }


def _state(rounds: int) -> Any:
    from loopd.events import (
        BatchCollected,
        BatchPlanned,
        BatchPublished,
        ModelTrained,
        RoundEvaluated,
        RunStarted,
    )
    from loopd.machine import State, apply
    from loopd.records import Batch, BatchItem

    state = apply(State(), RunStarted(0.0, "c", 1, ("a", "b"), "p", "t", "d", {}))
    for number in range(rounds):
        batch = Batch(
            f"b{number:04d}", number, "x", None, (BatchItem(cast("PoolId", f"r{number}")),)
        )
        for event in (
            BatchPlanned(1.0, batch, 0.1),
            BatchPublished(2.0, batch.id, 0.1),
            BatchCollected(3.0, batch.id, "complete", 0),
            ModelTrained(4.0, number, "m", number, 0, {"a": 1, "b": 1}, 0.1),
            RoundEvaluated(5.0, number, {"accuracy": 0.5}, {}, "", "c", 0.1, 0.1),
        ):
            state = apply(state, event)
    return state


def _best(
    action: Callable[[], object], before: Callable[[], None] = lambda: None, times: int = 2
) -> float:
    seconds = []
    for _ in range(times):
        before()
        start = time.process_time()
        action()
        seconds.append(time.process_time() - start)
    return min(seconds)


def _in(checkout: Path, rounds: int) -> dict[str, float]:
    """The same, by the code of a checkout."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", str(rounds)],
        env={**os.environ, "PYTHONPATH": str(checkout), "HF_HUB_OFFLINE": "1"},
        check=True,
        stdout=subprocess.PIPE,
    )
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, nargs="+", default=[50, 500, 5000])
    parser.add_argument("--before", type=Path)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one)))
        return
    here = Path(__file__).parents[1]
    print("| rounds so far | version | criteria, ms | metrics log, ms |\n| --- | --- | --- | --- |")
    for rounds in options.rounds:
        versions = {"now": here}
        if options.before is not None and rounds <= 500:
            versions = {"before": options.before.absolute(), **versions}
        for name, checkout in versions.items():
            row = _in(checkout, rounds)
            figures = " | ".join(f"{1000 * seconds:.1f}" for seconds in row.values())
            print(f"| {rounds:,} | {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
