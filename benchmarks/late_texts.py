"""Whether the audit's interval covers the truth while a pool grows by texts that are harder.

    python benchmarks/late_texts.py [--runs 200]

Each run begins with 400 texts, easy and hard ones, and takes in more before each of nine further
batches. In the scenario ``daily`` these are 150 each time, and from the fifth time on four in five
are hard in place of one in five; in ``sudden`` 2,000 come at the fifth time and none before or
after it, all of them hard. A batch of 30 is put together by
loopd's own draws: a fifth comes from what was set aside, and the others are taken by a strategy
that prefers the hardest texts it may see. The model is simulated: it is right about an easy text
with 0.9 and about a hard one with 0.5, and a little better after each batch. After each batch the
audit's interval is compared with the share of all texts of the pool that the model gets right: with
strata as loopd does it, and with all draws alike. Writes ``benchmarks/results/late_texts.json``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import machine
import numpy as np
from numpy.typing import NDArray

from loopd.data.pool import Pool
from loopd.evaluation.audit_intervals import (
    Counted,
    share_interval,
    stratified_interval,
    stratified_share,
)
from loopd.events import HASHED, BatchCollected, BatchPlanned, BatchPublished, RunStarted
from loopd.loop.audit_draws import drawn, set_aside, unseen
from loopd.loop.strata import strata
from loopd.machine import State, apply
from loopd.records import Batch, BatchItem, PoolId, Record

BATCH, SHARE = 30, 0.2
EASY_RIGHT, HARD_RIGHT, LEARNT = 0.9, 0.5, 0.02

BEGUN = RunStarted(0.0, "", 0, ("a", "b"), "", "", "", {}, SHARE, 0, HASHED)

Row = dict[str, Any]

Scenario = tuple[tuple[int, float], ...]
"""Texts of each intake, and the share of hard ones among them."""

SCENARIOS: dict[str, Scenario] = {
    "daily": ((400, 0.2), *[(150, 0.2)] * 4, *[(150, 0.8)] * 5),
    "sudden": ((400, 0.2), *[(0, 0.0)] * 4, (2000, 1.0), *[(0, 0.0)] * 4),
}


@dataclass(frozen=True)
class World:
    """Texts that come one intake after the other, and who is right about them.

    Attributes:
        pool: all of them.
        luck: (n,) how hard each is to get right, in [0, 1).
        hard: (n,) whether it is of the hard kind.
    """

    pool: Pool
    luck: NDArray[np.float64]
    hard: NDArray[np.bool_]

    def until(self, intakes: int) -> Pool:
        """The pool after so many intakes; an empty one is none."""
        sizes = self.pool.intakes[:intakes]
        return Pool(self.pool.records[: sum(sizes)], tuple(size for size in sizes if size))

    def right(self, rounds: int) -> NDArray[np.bool_]:
        """(n,) whether the model of a round is right."""
        skill = np.where(self.hard, HARD_RIGHT, EASY_RIGHT) + LEARNT * rounds
        return self.luck < np.minimum(skill, 0.98)


def world(scenario: Scenario, seed: int) -> World:
    """A world; the ids are those of its texts' order, and say nothing of their difficulty."""
    rng, sizes = np.random.default_rng(seed), tuple(size for size, _ in scenario)
    share = np.repeat([share for _, share in scenario], sizes)
    records = tuple(Record(PoolId(f"r{row:05d}"), f"text {row}") for row in range(sum(sizes)))
    luck, kind = rng.random((2, len(records)))
    return World(Pool(records, sizes), luck, kind < share)


def run(scenario: Scenario, seed: int) -> list[Row]:
    """What the audit says after each batch, and the truth."""
    there, state = world(scenario, seed), apply(State(), BEGUN)
    rows = []
    for number in range(len(scenario)):
        pool = there.until(number + 1)
        aside = set_aside(pool, SHARE, seed)
        batch = _batch(state, pool, aside, there, number)
        for event in (
            BatchPlanned(0.0, batch, 0.0),
            BatchPublished(0.0, batch.id, 0.0),
            BatchCollected(0.0, batch.id, "complete", 0),
        ):
            state = apply(state, event)
        rows.append({"round": number, **_audited(state, pool, aside, there.right(number))})
    return rows


def _batch(state: State, pool: Pool, aside: Sequence[PoolId], there: World, number: int) -> Batch:
    """Draws that are due, and the texts that the model finds hardest of those that it may see."""
    draws = drawn(state, aside, SHARE, BATCH)
    hidden = unseen(state, aside) | state.planned_ids
    free = [row for row, record in enumerate(pool) if record.id not in hidden]
    hardest = sorted(free, key=lambda row: -there.luck[row] - there.hard[row])
    items = [BatchItem(pool.records[row].id) for row in hardest[: BATCH - len(draws)]]
    return Batch(f"b{number:04d}", number, "hardest", None, (*draws, *items))


def _audited(state: State, pool: Pool, aside: Sequence[PoolId], right: NDArray[np.bool_]) -> Row:
    """Both intervals, and the share of all texts that are right."""
    counted = [
        Counted(
            sum(bool(right[pool.positions[id_]]) for id_ in part.draws),
            len(part.draws),
            part.texts,
        )
        for part in strata(state, pool, aside)
    ]
    hits, total = sum(part.right for part in counted), sum(part.total for part in counted)
    truth = float(right[: len(pool)].mean())
    plain, own = share_interval(hits, total), stratified_interval(counted)
    return {
        "truth": truth,
        "draws": total,
        "strata": len(counted),
        "error": stratified_share(counted) - truth,
        "covered": own[0] <= truth <= own[1],
        "width": own[1] - own[0],
        "error_alike": hits / total - truth,
        "covered_alike": plain[0] <= truth <= plain[1],
    }


def summary(runs: Sequence[Sequence[Row]]) -> list[Row]:
    """By round: means over the runs."""
    return [
        {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}
        for rows in zip(*runs, strict=True)
    ]


def main() -> None:
    """Run it, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    figures: Row = {"machine": machine.described(), "runs": options.runs}
    for name, scenario in SCENARIOS.items():
        figures[name] = summary([run(scenario, seed) for seed in range(options.runs)])
        for row in figures[name]:
            print(name, json.dumps(row))
    print(machine.write("late_texts", figures))


if __name__ == "__main__":
    main()
