"""The gate of `make coverage` counts branches, by part, and fails where too few are taken."""

from __future__ import annotations

from typing import Any

import pytest

from tests.branches import LEAST, PARTS, counted, missing, part_of, share, verdict


def report(**files: tuple[int, int]) -> dict[str, Any]:
    paths = {part: f"{start.removesuffix('.py')}x.py" for part, start in PARTS.items()}
    paths["machine"] = PARTS["machine"]
    return {
        "files": {
            paths.get(part, f"loopd/{part}.py"): {
                "summary": {"covered_branches": taken, "num_branches": branches},
                "missing_branches": [[7, -1]] * (branches - taken),
            }
            for part, (taken, branches) in files.items()
        }
    }


FULL = dict.fromkeys(PARTS, (20, 20))


def test_each_file_belongs_to_one_part() -> None:
    assert part_of("loopd/annotation/consensus/votes.py") == "consensus"
    assert part_of("loopd\\annotation\\store.py") == "annotation"
    assert part_of("loopd/cli.py") is None
    assert counted(report(**FULL, cli=(0, 500))) == FULL


@pytest.mark.parametrize(
    ("taken", "enough"), [((20, 20), True), ((15, 20), True), ((14, 20), False), ((0, 20), False)]
)
def test_too_few_branches_fail(taken: tuple[int, int], enough: bool) -> None:
    counts = counted(report(**{**FULL, "loop": taken}))
    assert verdict(counts)[0] is enough
    assert LEAST == 95.0


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_was_not_measured_fails(part: str) -> None:
    files = {name: counts for name, counts in FULL.items() if name != part}
    assert not verdict(counted(report(**files)))[0]


def test_what_is_missing_is_named() -> None:
    assert missing(report(**{**FULL, "loop": (18, 20), "cli": (0, 9)})) == [
        "loopd/loop/x.py: 7->-1, 7->-1"
    ]
    assert share((0, 0)) == 0.0
