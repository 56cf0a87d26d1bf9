"""The texts of a pool in Argilla, written anew: what is to stay is not touched, damage is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loopd.errors import StorageError
from loopd.records import PoolId, Record, blanked
from loopd.storage.argilla_intakes import Intakes
from loopd.storage.run_folder import POOL_FOLDER

FIRST = tuple(Record(PoolId(f"r{n}"), f"text {n}") for n in range(3))
SECOND = (Record(PoolId("r3"), "text 3"),)


@pytest.fixture
def intakes(tmp_path: Path) -> Intakes:
    intakes = Intakes(tmp_path)
    intakes.begin(FIRST, 1.0)
    intakes.add(SECOND)
    return intakes


def test_an_intake_of_which_nothing_changes_is_not_written_again(
    intakes: Intakes, tmp_path: Path
) -> None:
    files = [tmp_path / POOL_FOLDER / f"00000{number}.jsonl" for number in range(2)]
    before = [path.stat().st_ino for path in files]
    intakes.rewrite(lambda one: blanked(one) if one.id == "r1" else one)
    assert intakes.read() == ((FIRST[0], replace(FIRST[1], text=""), FIRST[2]), SECOND)
    assert "text 1" not in files[0].read_text()
    assert [path.stat().st_ino == old for path, old in zip(files, before, strict=True)] == [
        False,
        True,
    ]


def test_a_damaged_intake_keeps_others_from_being_written(intakes: Intakes, tmp_path: Path) -> None:
    damaged = tmp_path / POOL_FOLDER / "000000.jsonl"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    before = (tmp_path / POOL_FOLDER / "000001.jsonl").read_bytes()
    with pytest.raises(StorageError, match=r"000000.jsonl is damaged"):
        intakes.rewrite(blanked)
    assert (tmp_path / POOL_FOLDER / "000001.jsonl").read_bytes() == before


@pytest.mark.parametrize("line", ['["r3", "text 3"]', '["r3"]', '"r3"', "3", "null"])
def test_a_line_that_is_no_object_is_damage(intakes: Intakes, tmp_path: Path, line: str) -> None:
    path = tmp_path / POOL_FOLDER / "000001.jsonl"
    path.write_text(f"{path.read_text().splitlines()[0]}\n{line}\n")
    with pytest.raises(StorageError, match=r"000001.jsonl is damaged"):
        intakes.read()


@pytest.mark.parametrize("head", ["[]", "2", '"version"', "null"])
def test_a_first_line_of_another_kind_is_damage_and_no_newer_version(
    intakes: Intakes, tmp_path: Path, head: str
) -> None:
    path = tmp_path / POOL_FOLDER / "000000.jsonl"
    path.write_text("\n".join([head, *path.read_text().split("\n")[1:]]))
    intakes.refuse_newer()
    with pytest.raises(StorageError, match="does not know its texts") as caught:
        intakes.read()
    assert "loopd recover" in (caught.value.hint or "")
