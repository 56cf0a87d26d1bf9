"""Owns ``make mutants``: plants all faults one after the other and prints which were caught.

Must not plant anything in the checkout. ``python -m tests.mutants [--jobs N] [NAME ...]``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.fault import Fault
from tests.mutants.faults import FAULTS
from tests.mutants.running import Copy, Outcome

LEAST_CAUGHT = 0.9
"""Share of the faults that tests must notice."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="only faults whose name contains one of these")
    parser.add_argument("--jobs", type=int, default=1, help="how many at the same time")
    parser.add_argument("--limit", type=float, default=180.0, help="seconds for the tests of one")
    options = parser.parse_args()
    faults = [fault for fault in FAULTS if _is_meant(fault, options.words)]
    with tempfile.TemporaryDirectory(prefix="loopd-mutants-") as folder, ExitStack() as stack:
        copies = [Copy(_empty(Path(folder), number)) for number in range(options.jobs)]
        for copy in copies:
            stack.callback(copy.close)
        if problem := _unfit(copies[0], faults, options.limit):
            _say(problem)
            return 2
        outcomes = list(_told(_outcomes(copies, faults, options.limit)))
    return _judged(outcomes)


def _is_meant(fault: Fault, words: Sequence[str]) -> bool:
    return not words or any(word in fault.name for word in words)


def _empty(folder: Path, number: int) -> Path:
    path = folder / str(number)
    path.mkdir()
    return path


def _unfit(copy: Copy, faults: Sequence[Fault], limit: float) -> str:
    """Why a failure would say nothing: the tests fail without any fault, or on another package."""
    if not faults:
        return "there is no such fault"
    if not copy.is_tested():
        return "the tests would run on another loopd than the copy"
    tests = sorted({test for fault in faults for test in fault.tests})
    code, output = copy.test(tests, limit * len(tests))
    return "" if code == 0 else f"{output}\nthe tests fail without any fault"


def _outcomes(copies: Sequence[Copy], faults: Sequence[Fault], limit: float) -> Iterator[Outcome]:
    """In the order of the faults."""
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def outcome(fault: Fault) -> Outcome:
        copy = free.get()
        try:
            return copy.try_fault(fault, limit)
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        yield from pool.map(outcome, faults)


def _told(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """The same; one line is printed for each."""
    _say("| fault | caught by | seconds |\n|---|---|---|")
    for outcome in outcomes:
        caught_by = outcome.caught_by or f"**nothing** {outcome.problem}".strip()
        _say(f"| {outcome.fault.name} | {caught_by} | {outcome.seconds:.1f} |")
        yield outcome


def _judged(outcomes: Sequence[Outcome]) -> int:
    """Print the sum; 0 where enough were caught."""
    survivors = [outcome for outcome in outcomes if not outcome.caught_by]
    caught = len(outcomes) - len(survivors)
    _say(f"\n{caught} of {len(outcomes)} caught ({caught / len(outcomes):.0%})")
    for outcome in survivors:
        reason = outcome.fault.survives or outcome.problem or "NO REASON: write the missing test"
        _say(f"- {outcome.fault.name}: {reason}")
    return int(caught < LEAST_CAUGHT * len(outcomes))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
