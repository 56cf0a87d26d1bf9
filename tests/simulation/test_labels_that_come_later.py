"""Simulated people know the right labels of files that come while they are at work."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from loopd.config import Config, PoolSection
from loopd.config_file import parse_config
from loopd.data.reading import read_pool
from loopd.errors import DataError
from loopd.oracle.oracle import OracleOptions
from loopd.oracle.people_api import RecordView
from loopd.oracle.rehearsal import oracle_task
from loopd.oracle.right_labels import RightLabels
from tests.simulation.conftest import GOLD, LABELS, Board, gold_of, start

Row = tuple[str, str, str]


def texts(first: int, count: int) -> list[Row]:
    """Rows of a file, with the texts that a board shows."""
    return [(f"r{n:03d}", f"text r{n:03d}", gold_of(n)) for n in range(first, first + count)]


def write(path: Path, rows: Sequence[Row], columns: Sequence[str] = ("id", "text", "y")) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def settings(folder: Path, **argilla: str) -> Config:
    write(folder / "tickets" / "day1.csv", texts(0, 6))
    return parse_config(
        {
            "task": {"labels": list(LABELS)},
            "pool": {"path": "tickets/*.csv", "id": "id", "follow": "1s"},
            "argilla": {"dataset": "later", **argilla},
        },
        folder,
    )


def test_a_file_that_comes_is_read_once_somebody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(tmp_path)
    known, read = oracle_task(config, "y"), list[str]()

    def counted(section: PoolSection, **named: Any) -> object:
        assert section.path is not None
        read.append(section.path.name)
        return read_pool(section, **named)

    monkeypatch.setattr("loopd.oracle.right_labels.read_pool", counted)
    assert dict(known.gold) == {id_: label for id_, _, label in texts(0, 6)}
    assert not known.look_again()
    write(tmp_path / "tickets" / "day2.csv", texts(6, 6))
    assert "r006" not in known.gold
    assert known.look_again()
    assert dict(known.gold) == {id_: label for id_, _, label in texts(0, 12)}
    assert known.ids["text r007"] == "r007"
    assert not known.look_again()
    assert read == ["day2.csv"]


def test_a_file_without_labels_or_that_cannot_be_read_says_nothing_until_it_changes(
    tmp_path: Path,
) -> None:
    config = settings(tmp_path)
    known = oracle_task(config, "y")
    folder = tmp_path / "tickets"
    write(folder / "day2.csv", texts(6, 2), ("id", "text", "another"))
    (folder / "day3.csv").write_bytes(b"\x00\x01")
    (folder / "day4.csv").write_text("id,text,y\nr008,text r008," + gold_of(8)[:2])
    assert not known.look_again()
    write(folder / "day4.csv", [*texts(8, 2), ("bad", "row")])  # type: ignore[list-item]
    assert known.look_again()
    assert set(known.gold) == {*(id_ for id_, _, _ in texts(0, 6)), "r008", "r009"}
    (folder / "day1.csv").unlink()
    assert not known.look_again()
    assert "r000" in known.gold


def test_an_edited_row_does_not_change_what_is_right_of_the_text_that_was_asked(
    tmp_path: Path,
) -> None:
    known = oracle_task(settings(tmp_path), "y")
    edited = [("r000", "another text", gold_of(1)), ("r001", "text r001", gold_of(5))]
    write(tmp_path / "tickets" / "day1.csv", edited)
    os.utime(tmp_path / "tickets" / "day1.csv", ns=(1, 1))
    known.look_again()
    assert (known.gold["r000"], known.gold["r001"]) == (gold_of(0), gold_of(5))


def test_a_pool_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        oracle_task(settings(tmp_path), "another")
    assert not RightLabels(settings(tmp_path), "y").learn([])


def test_whoever_sees_a_text_of_a_later_file_looks_again(tmp_path: Path) -> None:
    known = oracle_task(settings(tmp_path), "y")
    write(tmp_path / "tickets" / "day2.csv", texts(6, 1))

    def seen(id_: str, text: str) -> RecordView:
        return RecordView("1", id_, id_, fields=(("text", text),))

    assert known.recognised(seen("r006", "text r006")).external_id == "r006"
    write(tmp_path / "tickets" / "day3.csv", texts(7, 1))
    assert known.recognised(seen("of others", "text r007")).external_id == "r007"
    assert known.recognised(seen("of others", "nobody knows it")).external_id == "of others"


@pytest.mark.integration
@pytest.mark.timeout(120)
def test_people_at_work_answer_texts_of_later_files_rightly(tmp_path: Path, board: Board) -> None:
    config = settings(tmp_path, dataset=board.name, workspace=board.live.workspace)
    task = oracle_task(config, "y")
    board.create()
    board.log("r000", "r001")
    options = OracleOptions(people=2, poll_seconds=0.1, seconds_per_answer=0.0, seed=1)
    oracle = start(board.live.url, board.live.owner_key, task, options)
    oracle.until(lambda: all(board.answers().values()))
    write(tmp_path / "tickets" / "day2.csv", texts(6, 6))
    board.log(*(id_ for id_, _, _ in texts(6, 6)))
    oracle.until(lambda: all(board.answers().values()))
    report = oracle.end()
    assert (report.submitted, report.unknown, report.wrong) == (8, 0, 0)
    assert board.answers() == {id_: [GOLD[id_]] for id_ in board.answers()}
