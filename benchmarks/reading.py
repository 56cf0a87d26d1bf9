"""What people had to read: words and marked names among the texts that each strategy chose.

    python benchmarks/reading.py SET OUT [--at 125 500]

SET is a folder made by ``make_sets.py`` whose labels are spans, OUT what ``loopd simulate`` wrote
for it. The texts are read from the journal of each run. Prints means over seeds, and writes
``benchmarks/results/reading.json``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import machine
import numpy as np

from loopd.config_file import load_config
from loopd.events import BatchPlanned
from loopd.loop.data_sets import read_data
from loopd.records import PoolId, Record
from loopd.storage.journal import Journal


def chosen(run: Path) -> list[PoolId]:
    """The ids of the texts of a run, in the order of its batches."""
    with Journal(run / "journal.sqlite", read_only=True) as journal:
        plans = [event for event in journal.read() if isinstance(event, BatchPlanned)]
    return [item.record_id for plan in plans for item in plan.batch.items]


def cost(records: list[Record]) -> dict[str, int]:
    """Words, as white space parts them, and names."""
    return {
        "words": sum(len(record.text.split()) for record in records),
        "names": sum(len(record.gold or ()) for record in records),
    }


def main() -> None:
    """Parse the arguments and count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("set", type=Path, help="folder made by make_sets.py")
    parser.add_argument("out", type=Path, help="folder of the backtest")
    parser.add_argument("--at", type=int, nargs="+", default=[125, 500], help="numbers of texts")
    arguments = parser.parse_args()
    pool = read_data(load_config(arguments.set / "config.yaml")).pool
    arms: dict[str, Any] = {}
    for arm in sorted((arguments.out / "runs").iterdir()):
        runs = [[pool[each] for each in chosen(run)] for run in sorted(arm.iterdir())]
        arms[arm.name] = {}
        for count in arguments.at:
            costs = [cost(records[:count]) for records in runs if len(records) >= count]
            if not costs:
                continue
            means = {kind: float(np.mean([each[kind] for each in costs])) for kind in costs[0]}
            arms[arm.name][str(count)] = {"seeds": len(costs), **means}
            print(
                f"{arm.name:38} {count:5} texts  {means['words']:8.0f} words  "
                f"{means['names']:6.0f} names  ({len(costs)} seeds)"
            )
    print(machine.write("reading", {"machine": machine.described(), "arms": arms}))


if __name__ == "__main__":
    main()
