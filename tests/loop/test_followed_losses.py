"""Rows of a followed file that cannot be used: the others join, and what is lost is counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from loopd.data.report import AnswerCounts, Limits, ReadBefore, ReadingReport
from loopd.errors import DataError
from loopd.machine import Phase
from tests.loop.growing import GrowingRun, Row, rows, write_rows

BAD = "b001,one cell,too many,for this table\n"


def begun(folder: Path, count: int, **pool: Any) -> GrowingRun:
    write_rows(folder / "tickets" / "day1.csv", rows(0, count))
    run = GrowingRun(folder, {"pool": pool})
    run.people_rest = True
    run.start()
    run.run_until(lambda state: state.phase is Phase.COLLECT)
    return run


def with_bad(folder: Path, name: str, good: Sequence[Row], bad: int = 1) -> None:
    path = folder / "tickets" / name
    write_rows(path, good)
    with path.open("a") as file:
        file.write(BAD * bad)


def looked(run: GrowingRun, seconds: int = 70) -> list[Any]:
    with capture_logs() as lines:
        for _ in range(seconds):
            run.turn()
    return list(lines)


def warnings(lines: Sequence[Any]) -> list[str]:
    return [
        f"{line['event']}: {line.get('detail', line.get('problem'))}"
        for line in lines
        if line["event"] in ("reading", "file_left_out")
    ]


def test_one_bad_row_does_not_keep_the_others_of_a_small_file_away(tmp_path: Path) -> None:
    run = begun(tmp_path, 150)
    with_bad(tmp_path, "day2.csv", rows(150, 4))
    told = warnings(looked(run))
    (fact,) = run.grown
    assert (fact.source, fact.new, fact.refused) == ("day2.csv", 4, 1)
    assert run.tools.data.pool.ids[150:] == [id_ for id_, _, _ in rows(150, 4)]
    assert told[0] == "reading: day2.csv: 5 rows, 4 kept, 1 refused"
    assert any(line.startswith("reading: line 6: ") for line in told)
    assert warnings(looked(run)) == [], "it is said once"
    assert len(run.grown) == 1


def test_rows_that_are_appended_later_join_and_a_bad_one_is_counted_once(tmp_path: Path) -> None:
    run = begun(tmp_path, 150)
    with_bad(tmp_path, "day2.csv", rows(150, 4))
    looked(run)
    path = tmp_path / "tickets" / "day2.csv"
    more = "".join(f"{','.join(row)}\n" for row in rows(154, 2))
    path.write_text(path.read_text() + more)
    assert warnings(looked(run)) == []
    assert [(fact.new, fact.refused) for fact in run.grown] == [(4, 1), (2, 0)]


def test_all_files_together_have_the_room_of_the_pool(tmp_path: Path) -> None:
    """1 % of 150 rows is one row, in whichever file it is."""
    run = begun(tmp_path, 150)
    with_bad(tmp_path, "day2.csv", rows(150, 4))
    looked(run)
    with_bad(tmp_path, "day3.csv", rows(154, 4))
    told = warnings(looked(run))
    assert len(run.grown) == 1
    assert told == [
        "file_left_out: day3.csv: 1 of 5 rows cannot be used, more than 1 %: "
        "line 6: 4 cells where the header has 3"
    ]
    write_rows(tmp_path / "tickets" / "day4.csv", rows(158, 200))
    looked(run)
    assert [fact.new for fact in run.grown] == [4, 200]


@pytest.mark.parametrize(("tolerate", "new"), [(None, []), (0.0, []), (0.2, [4])])
def test_a_small_pool_has_no_more_room_than_at_its_first_reading(
    tmp_path: Path, tolerate: float | None, new: list[int]
) -> None:
    run = begun(tmp_path, 40, tolerate=tolerate)
    with_bad(tmp_path, "day2.csv", rows(40, 4))
    looked(run)
    assert [fact.new for fact in run.grown] == new


def test_a_file_of_other_columns_or_encoding_is_left_out_whatever_the_pool_is(
    tmp_path: Path,
) -> None:
    run = begun(tmp_path, 400)
    with_bad(tmp_path, "day2.csv", rows(400, 1), bad=2)
    told = warnings(looked(run))
    assert run.grown == []
    assert [line.split(":")[0] for line in told] == ["file_left_out"]


# -- the limit -------------------------------------------------------------------------------------


def report(rows: int, refused: int) -> ReadingReport:
    lost = AnswerCounts()
    return ReadingReport("f.csv", rows, rows - refused, 0, 0, refused, 0, said=lost, known=lost)


def is_refused(limits: Limits, rows: int, lost: int) -> bool:
    try:
        limits.check(report(rows, lost), {})
    except DataError:
        return True
    return False


@given(
    st.integers(1, 50),
    st.integers(0, 50),
    st.integers(0, 5000),
    st.integers(0, 60),
    st.sampled_from([None, 0.0, 0.05, 0.5, 1.0]),
)
def test_what_a_file_of_its_own_may_lose_it_may_lose_beside_others_too(
    count: int, lost: int, before: int, refused: int, tolerate: float | None
) -> None:
    lost = min(lost, count)
    alone = is_refused(Limits("pool", tolerate), count, lost)
    beside = is_refused(Limits("pool", tolerate, ReadBefore(before, refused)), count, lost)
    assert alone or not beside
    assert not (alone and 2 * lost > count) or beside
    share = 0.01 if tolerate is None else tolerate
    if alone and not beside:
        assert lost + refused <= share * (max(count, before) + refused)
    if lost and tolerate == 0.0:
        assert beside
