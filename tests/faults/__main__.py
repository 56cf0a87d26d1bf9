"""Tells one history: ``python -m tests.faults SEED`` in memory, ``--live`` on a real Argilla."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.faults.history import History
from tests.faults.plan import draw


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("seed", type=int)
    seed = parser.parse_args().seed
    with tempfile.TemporaryDirectory() as folder:
        history = History(draw(seed), Path(folder))
        violations = history.run()
        evidence = history.evidence(quiet=False)
    out = sys.stdout.write
    out(f"{history.plan}\n\n")
    for number, (name, payload) in enumerate(evidence.journal, start=1):
        out(f"{number:4d} {name} {json.dumps(payload)[:300]}\n")
    out(f"\nstruck: {', '.join(history.weather.struck) or 'nothing'}\n")
    out("\n".join(map(str, violations)) + "\n" if violations else "no violation\n")
    return bool(violations)


if __name__ == "__main__":
    sys.exit(main())
