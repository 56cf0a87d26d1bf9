"""Tells one history: ``python -m tests.faults SEED``; with ``--live`` on a real Argilla."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.faults.checker import Violation
from tests.faults.evidence import Evidence
from tests.faults.history import History
from tests.faults.live_history import LiveHistory, draw_live
from tests.faults.nursery import Nursery
from tests.faults.plan import draw
from tests.live import LiveArgilla


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("seed", type=int)
    parser.add_argument("--live", action="store_true", help="real processes, a real Argilla")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return (in_memory, on_argilla)[given.live](given.seed, Path(folder))


def in_memory(seed: int, folder: Path) -> int:
    history = History(draw(seed), folder)
    violations = history.run()
    evidence = history.evidence(quiet=False)
    return tell(str(history.plan), evidence, history.weather.struck, violations)


def on_argilla(seed: int, folder: Path) -> int:
    live = LiveArgilla.start(folder / "home")
    try:
        with Nursery() as nursery:
            history = LiveHistory(draw_live(seed), folder, live, nursery)
            violations = history.run()
        return tell(str(history.plan), history.evidence(), history.struck, violations)
    finally:
        live.stop()


def tell(
    plan: str, evidence: Evidence, struck: list[str], violations: tuple[Violation, ...]
) -> int:
    out = sys.stdout.write
    out(f"{plan}\n\n")
    for number, (name, payload) in enumerate(evidence.journal, start=1):
        out(f"{number:4d} {name} {json.dumps(payload)[:300]}\n")
    out(f"\nstruck: {', '.join(struck) or 'nothing'}\n")
    out("\n".join(map(str, violations)) + "\n" if violations else "no violation\n")
    return bool(violations)


if __name__ == "__main__":
    sys.exit(main())
