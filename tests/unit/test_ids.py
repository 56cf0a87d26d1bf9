"""Pool ids and external ids: mypy tells them apart, and nothing at run time does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from loopd.records import BatchItem, ExternalId, PoolId, published_as, text_of

CLONE = Path(__file__).parents[2]

HEAD = """
from loopd.data.pool import Pool
from loopd.events import AnswersCollected, RecordsReopened
from loopd.machine import State
from loopd.records import (
    Answer, AnswerStatus, BatchItem, ExternalId, PoolId, Record, Targets, published_as, text_of
)

def _(text: PoolId, asked: ExternalId, state: State, pool: Pool, targets: Targets) -> None:
"""

RIGHT = (
    "Answer(asked, 'ann', AnswerStatus.SUBMITTED, 'tool', '')",
    "Answer(published_as(text), 'ann', AnswerStatus.SUBMITTED, 'tool', '')",
    "BatchItem(text, copy_id=asked)",
    "AnswersCollected(0.0, (), deleted=(asked,))",
    "state.originals[asked] == text",
    "asked in state.deleted",
    "published_as(text) == asked",
    "targets[text_of(asked)]",
    "pool[state.originals[asked]].text",
)

WRONG = (
    "Answer(text, 'ann', AnswerStatus.SUBMITTED, 'tool', '')",
    "Answer('r1', 'ann', AnswerStatus.SUBMITTED, 'tool', '')",
    "Record(asked, 'a text')",
    "Record('r1', 'a text')",
    "BatchItem(asked)",
    "BatchItem(text, copy_id=text)",
    "AnswersCollected(0.0, (), deleted=(text,))",
    "RecordsReopened(0.0, (text,))",
    "state.originals[text]",
    "state.originals[asked] == asked",
    "text in state.deleted",
    "text in state.external_ids",
    "asked in state.planned_ids",
    "state.answers[text, 'ann']",
    "text == asked",
    "targets[asked]",
    "pool[asked]",
    "published_as(asked)",
    "text_of(text)",
)


@pytest.mark.slow
def test_mixing_them_is_an_error_that_mypy_finds(tmp_path: Path) -> None:
    lines = (*RIGHT, *WRONG)
    planted = tmp_path / "planted.py"
    planted.write_text(HEAD + "".join(f"    {line}\n" for line in lines))
    first = HEAD.count("\n") + 1
    done = subprocess.run(
        [sys.executable, "-m", "mypy", str(planted)],  # strict, and with the cache of `make types`
        cwd=CLONE,
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    refused = {lines[int(error.split(":")[1]) - first] for error in errors}
    assert refused == set(WRONG), done.stdout + done.stderr


def test_a_text_is_published_under_its_own_id_and_a_copy_under_another() -> None:
    text, copy = PoolId("r1"), ExternalId("r1#2")
    assert BatchItem(text).external_id == published_as(text) == "r1"
    assert BatchItem(text, copy_id=copy).external_id == copy
    assert text_of(published_as(text)) == text
