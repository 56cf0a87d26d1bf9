"""Owns the gate of `make coverage`; must not run a test.

Takes what the tests have left in ``.coverage`` and counts branches alone: lines that only follow
one another would flatter the share.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import coverage

LEAST = 95.0
"""Per cent of all branches of these parts."""

PARTS = {
    "machine": "loopd/machine.py",
    "storage": "loopd/storage/",
    "consensus": "loopd/annotation/consensus/",
    "annotation": "loopd/annotation/",
    "loop": "loopd/loop/",
}
"""The beginning of the files' paths; the first that fits counts."""

Counts = tuple[int, int]
"""Branches that were taken, and all of them."""


def part_of(path: str) -> str | None:
    """The part that a file belongs to."""
    name = path.replace("\\", "/")
    return next((part for part, start in PARTS.items() if name.startswith(start)), None)


def counted(report: dict[str, Any]) -> dict[str, Counts]:
    """Branches by part, of a report as ``coverage json`` writes it."""
    counts = dict.fromkeys(PARTS, (0, 0))
    for path, file in report["files"].items():
        part, summary = part_of(path), file["summary"]
        if part is not None:
            taken, branches = counts[part]
            counts[part] = (
                taken + summary["covered_branches"],
                branches + summary["num_branches"],
            )
    return counts


def share(counts: Counts) -> float:
    """Per cent; nothing is none."""
    taken, branches = counts
    return 100 * taken / branches if branches else 0.0


def verdict(counts: dict[str, Counts]) -> tuple[bool, list[str]]:
    """Whether enough is taken, and a line for each part."""
    whole = (sum(taken for taken, _ in counts.values()), sum(all_ for _, all_ in counts.values()))
    rows = {**counts, "all of them": whole}
    lines = [
        f"{name:12} {share(row):6.2f} %  {row[0]} of {row[1]} branches"
        for name, row in rows.items()
    ]
    return share(whole) >= LEAST and all(all_ for _, all_ in counts.values()), lines


def missing(report: dict[str, Any]) -> list[str]:
    """The branches that nothing has taken, a line for each file."""
    files = ((path, file.get("missing_branches", [])) for path, file in report["files"].items())
    return [
        f"{path}: " + ", ".join(f"{start}->{end}" for start, end in pairs)
        for path, pairs in sorted(files)
        if pairs and part_of(path) is not None
    ]


def measured() -> dict[str, Any]:
    """The report on what was measured last."""
    data = coverage.Coverage()
    data.load()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        data.json_report(outfile=str(path))
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return report


def main() -> None:
    """Print what was not taken and the shares; exit with 1 where it is too little."""
    report = measured()
    enough, lines = verdict(counted(report))
    print("\n".join([*missing(report), "", *lines]))
    sys.exit(not enough)


if __name__ == "__main__":
    main()
