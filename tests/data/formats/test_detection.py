"""Which format a file is: sure, named, or refused with both readings; and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from loopd.config import DataSection
from loopd.config.data import FORMATS as NAMES
from loopd.data.formats import registry
from loopd.data.formats.contract import Request
from loopd.data.source import Source, SourceRow
from loopd.errors import DataError
from tests.data.formats.reads import FILES, LABELS, read

REQUEST = Request("pool", "single_label", LABELS, "text", answers=("label",))


def source(*rows: Mapping[str, object]) -> Source:
    numbered = tuple(SourceRow(number, row) for number, row in enumerate(rows, start=1))
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    return Source("file", "line", columns, numbered, (), lambda _: iter(numbered))


def test_the_configuration_names_the_formats_that_there_are() -> None:
    assert ("auto", *registry.FORMATS) == NAMES
    annotation = DataSection.model_fields["format"].annotation
    assert get_args(annotation) == NAMES


SHAPES: dict[str, list[Mapping[str, object]]] = {
    "argilla2": [{"text": "a", "label.responses": ["x"], "label.responses.users": ["u"]}],
    "argilla1": [{"text": "a", "annotation": "x", "annotation_agent": "u", "status": "Default"}],
    "prodigy": [{"text": "a", "label": "praise", "answer": "accept"}],
    "doccano": [{"id": 1, "text": "a", "label": ["x"], "Comments": []}],
    "label_studio": [{"id": 1, "data": {"text": "a"}, "annotations": []}],
    "loopd": [
        {
            "id": "1",
            "text": "a",
            "label": "praise",
            "quality": 1.0,
            "strategy": "random",
            "draw": False,
            "answers": [
                {
                    "annotator": "u",
                    "value": "praise",
                    "status": "submitted",
                    "time": "",
                    "record_id": "1",
                }
            ],
        }
    ],
}


@pytest.mark.parametrize("name", SHAPES)
def test_what_tools_write_is_known_by_its_columns(name: str) -> None:
    assert registry.format_of(source(*SHAPES[name]), REQUEST).name == name


@pytest.mark.parametrize("name", SHAPES)
def test_and_is_nothing_else(name: str) -> None:
    others = [form for form in registry.TOOLS if form.name != name]
    assert not [form.name for form in others if form.recognises(source(*SHAPES[name]), REQUEST)]


@pytest.mark.parametrize(
    "row",
    [
        {"text": "a", "label": "praise"},
        {"text": "a", "label": ["praise"], "id": 1},
        {"text": "a", "label": "praise", "status": "open", "source": "mail"},
        {"text": "a", "annotation": "praise"},
        {"text": "a", "label": "praise", "answer": "forty-two"},
        {"text": "a", "annotations": [{"user": "u", "label": "praise"}]},
        {"text": "a", "entities": [{"start": 0, "end": 1, "label": "x"}]},
        {"text": "a", "responses": ["b"], "fields": "c"},
        {"text": "a", "data": "b", "annotations": "c"},
        {"text": "a", "answers": [{"annotator": "u", "value": "x"}]},
    ],
)
def test_a_table_is_no_tools_export(row: Mapping[str, object]) -> None:
    assert registry.format_of(source(row), REQUEST).name == "plain"


def test_two_readings_are_named() -> None:
    both = {**SHAPES["prodigy"][0], **SHAPES["argilla2"][0]}
    with pytest.raises(DataError) as error:
        registry.format_of(source(both), REQUEST)
    assert "could be those of Argilla 2 or Prodigy" in error.value.message
    assert error.value.hint == "set `pool.format` to `argilla2` or `prodigy`"


def test_an_unknown_name_is_refused_with_the_list() -> None:
    with pytest.raises(ValueError, match=r"'doccano'.*'one_hot'"):
        DataSection(path=Path("x.csv"), format="docano")


def said(path: Path, **keys: Any) -> list[str]:
    return list(read(path, **keys)[1].notes)


@pytest.mark.parametrize(
    ("name", "question"),
    [("doccano_categories.jsonl", "label"), ("label_studio_choices.json", "sentiment")],
)
def test_answers_that_nobody_reads_are_mentioned(name: str, question: str) -> None:
    lines = said(FILES / name)
    assert any(f"write `answers: {question}` under `pool`" in line for line in lines)


def test_columns_of_labels_that_nobody_reads_are_mentioned(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,tone,who\na,praise,x\nb,,y\n")
    assert any("labels in 'tone' that are not read" in line for line in said(path))
    assert not any("not read" in line for line in said(path, answers="tone"))


def test_a_tools_export_is_called_that() -> None:
    _, report = read(FILES / "label_studio_ner.csv", "spans", ("PER", "LOC"), answers="label")
    assert report.lines()[0].startswith("label_studio_ner.csv, read as Label Studio: 2 rows")
    assert report.is_whole


def test_what_was_assumed_is_said(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,tone,worker,status\na,praise,w1,submitted\n")
    lines = said(path, answers="tone")
    assert any("column 'worker' says who answered" in line for line in lines)
    assert any("column 'status' says which labels count" in line for line in lines)
    assert not said(path, answers="tone", annotator_column="worker", verdict_column="status")
