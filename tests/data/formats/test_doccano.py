"""doccano's exports, of all its releases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.data.formats.reads import ENTITIES, FILES, answers, golds, jsonl, read, spans


@pytest.mark.parametrize("name", ["categories.jsonl", "categories.json", "categories.csv"])
def test_labels(name: str) -> None:
    path = FILES / f"doccano_{name}"
    assert answers(path, answers="label") == {"Great service": {"imported": "praise"}}
    several = {"Great service": ["praise"], "Slow, but kind": ["praise", "complaint"]}
    found = answers(path, "multi_label", answers="label", annotator="ann")
    assert found == {text: {"ann": labels} for text, labels in several.items()}
    _, report = read(path, answers="label")
    assert any("2 labels where" in line for line in report.lines())


@pytest.mark.parametrize(("name", "column"), [("spans", "label"), ("relations", "entities")])
def test_spans_where_an_empty_list_says_nothing(name: str, column: str) -> None:
    path = FILES / f"doccano_{name}.jsonl"
    marked = spans((0, 3, "PER"), (8, 12, "LOC"))
    assert answers(path, "spans", ENTITIES, answers=column) == {
        "Ann saw Rome.": {"imported": marked}
    }
    assert list(golds(path, "spans", labels=ENTITIES, label=column)) == ["Ann saw Rome."]


def test_intents_and_slots() -> None:
    path = FILES / "doccano_intents.jsonl"
    assert answers(path, labels=("flight", "hotel"), answers="cats") == {
        "Fly to Rome": {"imported": "flight"}
    }
    assert answers(path, "spans", ENTITIES, answers="entities") == {
        "Fly to Rome": {"imported": spans((7, 11, "LOC"))}
    }


def annotation(user: int, label: object, **more: Any) -> dict[str, Any]:
    return {"id": 1, "document": 5, "user": user, "label": label, "prob": 0.0, **more}


def test_older_releases_say_who_it_was(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "text": "a", "annotations": [annotation(1, "praise"), annotation(2, "question")]},
        {"id": 2, "text": "b", "annotations": []},
    ]
    path = jsonl(tmp_path / "d.jsonl", rows)
    assert answers(path, answers="annotations") == {"a": {"1": "praise", "2": "question"}}


def test_and_so_do_spans(tmp_path: Path) -> None:
    given = [
        annotation(1, "PER", start_offset=0, end_offset=3),
        annotation(1, "LOC", start_offset=8, end_offset=12),
        annotation(2, "PER", start_offset=0, end_offset=3),
    ]
    path = jsonl(tmp_path / "d.jsonl", [{"id": 1, "text": "Ann saw Rome.", "annotations": given}])
    assert answers(path, "spans", ENTITIES, answers="annotations") == {
        "Ann saw Rome.": {"1": spans((0, 3, "PER"), (8, 12, "LOC")), "2": spans((0, 3, "PER"))}
    }


def test_a_number_of_doccanos_is_no_label(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "d.jsonl", [{"text": "a", "annotations": [annotation(1, 12)]}])
    pool, report = read(path, answers="annotations")
    assert pool.records[0].answers == ()
    assert any("doccano's number of a label" in line for line in report.lines())


def test_somebody_approved_that_there_is_nothing(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "a", "labels": [], "meta": {}, "annotation_approver": "ann"},
        {"text": "b", "labels": [], "meta": {}, "annotation_approver": None},
    ]
    path = jsonl(tmp_path / "d.jsonl", rows)
    assert answers(path, "spans", ENTITIES, answers="labels") == {"a": {"imported": []}}


def test_a_text_that_is_called_data(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "d.jsonl", [{"id": 1, "data": "a", "label": ["praise"], "Comments": []}]
    )
    assert answers(path, answers="label") == {"a": {"imported": "praise"}}


def test_a_label_may_hold_the_sign_between_labels(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("id,text,label,Comments\n1,a,C#,\n2,b,C#Java,\n")
    found = answers(path, "multi_label", ("C#", "C", "Java"), answers="label")
    assert found == {"a": {"imported": ["C#"]}, "b": {"imported": ["C", "Java"]}}


def test_a_column_of_people_beside_it_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("id,text,label,Comments,annotator\n1,a,praise,,ann\n1,a,question,,bo\n")
    assert answers(path, answers="label") == {"a": {"ann": "praise", "bo": "question"}}


@pytest.mark.parametrize(
    ("comments", "labels", "others"),
    [("nice", ["praise"], []), ("", "praise|question", ""), ("x", "praise; question", "")],
)
def test_a_column_of_comments_alone_is_not_doccano_s(
    tmp_path: Path, comments: str, labels: object, others: object
) -> None:
    rows = [
        {"id": 1, "text": "a", "label": labels, "Comments": comments},
        {"id": 2, "text": "b", "label": others, "Comments": ""},
    ]
    path = jsonl(tmp_path / "t.jsonl", rows)
    _, report = read(path, "multi_label", answers="label", none_label="none")
    assert report.written_by == ""
    assert report.answers + report.unusable_answers == (2 if others == [] else 1)
