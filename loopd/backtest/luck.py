"""Owns what a backtest's seeds could not vary, and which runs trained nothing; pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence

from loopd.backtest.trial import Trial
from loopd.errors import RunError
from loopd.loop.obstacles import obstacle
from loopd.machine import State

Runs = Sequence[tuple[Trial, State]]


def batches_digest(state: State, count: int | None = None) -> str:
    """Hash of the first ``count`` batches in order, or of all: equal for the same records."""
    ids = [batch.record_ids for batch in state.batches[:count]]
    return hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:16]


def notes(runs: Runs) -> Iterator[str]:
    """Sentences about seeds that are alike, and about runs without a model.

    Without them a reader takes an interval of ± 0.000 for certainty.
    """
    by_arm = _by_arm(runs)
    yield from _first_batches(by_arm)
    for arm, states in by_arm.items():
        if len(states) > 1 and len({batches_digest(state) for state in states}) == 1:
            yield (
                f"{arm}: all {len(states)} seeds chose the same texts in the same order: ± is not "
                "the luck of another run"
            )
    for trial, state in runs:
        if not state.rounds_measured:
            yield f"{trial.arm}, seed {trial.seed} trained nothing: {_reason(trial, state)}"


def _first_batches(by_arm: Mapping[str, Sequence[State]]) -> Iterator[str]:
    """Arms whose seeds all begin alike, which may choose their first batches themselves."""
    repeated = {arm: states for arm, states in by_arm.items() if len(states) > 1}
    alike = [
        arm
        for arm, states in repeated.items()
        if len({batches_digest(state, 1) for state in states}) == 1
    ]
    if not alike:
        return
    where = "" if len(alike) == len(repeated) else f"{', '.join(alike)}: "
    yield (
        f"{where}all {len(repeated[alike[0]])} seeds begin with the same batch: what chose it "
        "draws nothing from a pool of this size, so that ± leaves out the luck of the first "
        "batch (`strategy.cold_start: random_sampling` draws it)"
    )


def refuse_untrained(runs: Runs) -> None:
    """Nothing can be compared where no run trained a model.

    Raises:
        RunError: that is so; it says why of the first run.
    """
    if runs and not any(state.rounds_measured for _, state in runs):
        raise RunError(f"no run trained a model: {_reason(*runs[0])}", _MORE)


_MORE = "give the pool known labels of at least two kinds, and the runs more rounds (--rounds)"


def _reason(trial: Trial, state: State) -> str:
    """Why a run has no model."""
    lack = obstacle(state, trial.config)
    if lack is not None:
        return lack.sentence.removeprefix("The run ended without a model: ").rstrip(".")
    return "it did not begin" if state.stopped is None else f"it ended by {state.stopped.reason}"


def _by_arm(runs: Runs) -> Mapping[str, list[State]]:
    by_arm: dict[str, list[State]] = {}
    for trial, state in runs:
        by_arm.setdefault(trial.arm, []).append(state)
    return by_arm
