"""Features of `datasets`: class numbers, lists, zeros and ones; and what pandas makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, Value

from loopd.errors import DataError
from tests.data.formats.reads import LABELS, answers, golds, jsonl, read

NAMES = ClassLabel(names=["question", "praise", "complaint"])
"""In another order than the task's."""


def saved(folder: Path, form: str, label: object, cells: list[Any]) -> Path:
    features = Features({"text": Value("string"), "tone": label})
    rows = [{"text": text, "tone": cell} for text, cell in zip("abcdef", cells, strict=False)]
    data = Dataset.from_list(rows, features=features)
    path = folder / ("data" if form == "folder" else "data.parquet")
    data.save_to_disk(str(path)) if form == "folder" else data.to_parquet(path)
    return path


@pytest.mark.parametrize("form", ["folder", "parquet"])
def test_class_numbers(tmp_path: Path, form: str) -> None:
    path = saved(tmp_path, form, NAMES, [0, 1, -1, None, 2])
    expected = {"a": "question", "b": "praise", "e": "complaint"}
    assert golds(path, label="tone") == expected
    assert answers(path, answers="tone") == {text: {"imported": x} for text, x in expected.items()}


@pytest.mark.parametrize("form", ["folder", "parquet"])
def test_lists_of_class_numbers(tmp_path: Path, form: str) -> None:
    path = saved(tmp_path, form, [NAMES], [[0, 1], [], [-1], None, [2]])
    assert golds(path, "multi_label", label="tone") == {
        "a": ("praise", "question"),
        "b": (),
        "e": ("complaint",),
    }
    assert golds(path, label="tone") == {"e": "complaint"}


VECTORS = [[1, 0, 1], [0, 0, 0], [0, 1, 0], [-1, -1, -1]]


@pytest.mark.parametrize("numbers", [int, float, bool, str])
def test_vectors_are_in_the_order_of_the_task(tmp_path: Path, numbers: Any) -> None:
    cells = [[numbers(each) for each in vector] for vector in VECTORS[:3]]
    rows = [{"text": text, "tone": cell} for text, cell in zip("abc", cells, strict=False)]
    path = jsonl(tmp_path / "t.jsonl", rows)
    if numbers is bool or numbers is not str:
        assert golds(path, "multi_label", label="tone") == {
            "a": ("praise", "question"),
            "b": (),
            "c": ("complaint",),
        }
    assert golds(path, label="tone") == {"c": "complaint"}


def test_a_vector_that_is_not_known(tmp_path: Path) -> None:
    rows = [{"text": text, "tone": cell} for text, cell in zip("abcd", VECTORS, strict=True)]
    path = jsonl(tmp_path / "t.jsonl", rows)
    assert golds(path, "multi_label", label="tone").keys() == {"a", "b", "c"}


def test_a_vector_that_may_be_a_list_of_numbers_is_refused(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "t.jsonl", [{"text": "a", "tone": [0, 1]}, {"text": "b", "tone": [1, 0]}]
    )
    labels = ("praise", "complaint")
    with pytest.raises(DataError) as error:
        read(path, "multi_label", labels, label="tone")
    assert "a zero or one for each label, or a list of class numbers" in error.value.message
    found = golds(path, "multi_label", labels=labels, label="tone", format="one_hot")
    assert found == {"a": ("complaint",), "b": ("praise",)}


def test_a_list_of_labels_that_are_numbers_is_no_vector(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "t.jsonl", [{"text": "a", "tone": ["0", "1"]}, {"text": "b", "tone": []}]
    )
    assert golds(path, "multi_label", labels=("0", "1"), label="tone") == {"a": ("0", "1"), "b": ()}


COLUMNS = "text,tone_praise,tone_complaint,tone_question"


@pytest.mark.parametrize(
    ("one", "zero"), [("1", "0"), ("1.0", "0.0"), ("True", "False"), ("true", "false")]
)
def test_a_column_of_zeros_and_ones_for_each_label(tmp_path: Path, one: str, zero: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        f"{COLUMNS}\na,{one},{zero},{one}\nb,{zero},{zero},{zero}\nc,{zero},{one},{zero}\n"
        f"d,,,\ne,-1,-1,-1\n"
    )
    names = tuple(f"tone_{label}" for label in LABELS)
    assert golds(path, "multi_label", label=names) == {
        "a": ("praise", "question"),
        "b": (),
        "c": ("complaint",),
    }
    assert answers(path, answers="tone_*") == {"c": {"imported": "complaint"}}
    pool, report = read(path, label=names)
    assert len(pool) == 5
    assert any("2 labels where the task takes one" in line for line in report.lines())


def test_columns_of_zeros_and_ones_must_be_those_of_the_labels(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,praise,complaint\na,1,0\n")
    with pytest.raises(DataError, match="are not one for each label"):
        read(path, "multi_label", label=("praise", "complaint"))


def test_people_may_be_called_as_the_labels_are(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,praise,complaint\na,question,praise\n")
    assert answers(path, answers=("praise", "complaint")) == {
        "a": {"praise": "question", "complaint": "praise"}
    }


@pytest.mark.parametrize("cell", ["1.0", "1", " 1 "])
def test_floats_of_pandas(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"text,tone\na,{cell}\nb,\nc,nan\nd,-1.0\n")
    assert golds(path, label="tone", labels=("0", "1")) == {"a": "1"}


def test_and_in_a_file_of_parquet(tmp_path: Path) -> None:
    path = saved(tmp_path, "parquet", Value("float64"), [1.0, None, float("nan"), -1.0, 0.0])
    assert golds(path, label="tone", labels=("0", "1")) == {"a": "1", "e": "0"}
