"""Argilla's exports: every question, every person, and what was decided about each answer."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from datasets import Dataset

from loopd.errors import DataError
from tests.data.formats.reads import ENTITIES, answers, golds, jsonl, read, spans

ANN, BO, CY = (str(UUID(int=number)) for number in (1, 2, 3))

GIVEN: tuple[tuple[str, str, tuple[tuple[str, str, Any, str], ...]], ...] = (
    (
        "completed",
        'a\'s "text"',
        (
            ("label", ANN, "praise", "submitted"),
            ("label", BO, "complaint", "submitted"),
            ("label", CY, "question", "discarded"),
            ("topics", ANN, ["praise", "question"], "submitted"),
            ("topics", BO, ["complaint"], "submitted"),
            ("who", ANN, [{"start": 0, "end": 1, "label": "PER"}], "submitted"),
            ("note", ANN, "seen", "submitted"),
        ),
    ),
    ("pending", "b", (("label", ANN, "praise", "draft"), ("topics", ANN, ["praise"], "draft"))),
    ("pending", "c", (("label", BO, "praise", "discarded"),)),
    ("pending", "d", ()),
)
"""Record status, text, and question, user, value and status of each response."""


def records() -> list[Any]:
    """Records of the SDK, as it gets them from a server."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import argilla as rg

    made = []
    for number, (status, text, given) in enumerate(GIVEN):
        responses = [
            rg.Response(question, value, UUID(user), status=state)
            for question, user, value, state in given
        ]
        suggestions = [rg.Suggestion("label", "question", score=0.9, agent="old model")]
        record = rg.Record(
            id=f"r{number}",
            fields={"text": text, "title": f"Ticket {number}"},
            metadata={"source": "mail"},
            responses=responses,
            suggestions=suggestions,
        )
        record._model.status = status
        made.append(record)
    return made


def flat() -> Dataset:
    """What ``to_datasets`` makes of them, but for the class numbers of its suggestions."""
    from argilla.records._io import GenericIO

    return Dataset.from_dict(GenericIO.to_dict(records(), flatten=True))


def as_jsonl(folder: Path) -> Path:
    flat().to_json(folder / "argilla.jsonl")
    return folder / "argilla.jsonl"


def as_csv(folder: Path) -> Path:
    flat().to_csv(folder / "argilla.csv")
    return folder / "argilla.csv"


def as_parquet(folder: Path) -> Path:
    flat().to_parquet(folder / "argilla.parquet")
    return folder / "argilla.parquet"


def as_dataset(folder: Path) -> Path:
    flat().save_to_disk(str(folder / "argilla"))
    return folder / "argilla"


def as_nested(folder: Path) -> Path:
    from argilla.records._io import JsonIO

    return Path(JsonIO.to_json(records(), folder / "records.json"))


FLAT = [as_jsonl, as_csv, as_parquet, as_dataset]


@pytest.mark.parametrize("write", FLAT)
@pytest.mark.parametrize("name", ["label", "label.responses"])
def test_to_datasets(tmp_path: Path, write: Any, name: str) -> None:
    path = write(tmp_path)
    assert answers(path, answers=name, id="id") == {'a\'s "text"': {ANN: "praise", BO: "complaint"}}


@pytest.mark.parametrize("write", [*FLAT, as_nested])
def test_several_labels_and_spans(tmp_path: Path, write: Any) -> None:
    path = write(tmp_path)
    text = 'a\'s "text"'
    assert answers(path, "multi_label", answers="topics") == {
        text: {ANN: ["praise", "question"], BO: ["complaint"]}
    }
    assert answers(path, "spans", ENTITIES, answers="who") == {text: {ANN: spans((0, 1, "PER"))}}


def test_records_to_json_says_the_status_of_records_only(tmp_path: Path) -> None:
    path = as_nested(tmp_path)
    found = answers(path, answers="label", id="id")
    # The discarded answer to a completed record cannot be told from the others: see the page.
    assert list(found) == ['a\'s "text"']
    assert answers(path, answers="topics", kind="multi_label").keys() == found.keys()


@pytest.mark.parametrize("write", [*FLAT, as_nested])
def test_fields_and_ids(tmp_path: Path, write: Any) -> None:
    pool, _ = read(write(tmp_path), text="title", id="id", answers="label")
    assert [record.text for record in pool] == [f"Ticket {number}" for number in range(4)]
    assert [record.id for record in pool] == ["r0", "r1", "r2", "r3"]


@pytest.mark.parametrize("write", [*FLAT, as_nested])
def test_suggestions_are_no_answers(tmp_path: Path, write: Any) -> None:
    path = write(tmp_path)
    for name in ("label.suggestion", "suggestions"):
        with pytest.raises(DataError, match="no question of it"):
            read(path, answers=name)


@pytest.mark.parametrize("write", [*FLAT, as_nested])
def test_which_question_it_is_must_be_said(tmp_path: Path, write: Any) -> None:
    with pytest.raises(DataError) as error:
        read(write(tmp_path), answers="responses")
    assert "'label', 'topics', 'who', 'note'" in error.value.message


def test_known_labels_are_what_people_agree_on(tmp_path: Path) -> None:
    rows = [
        {
            "text": "a",
            "label.responses": ["praise", "praise"],
            "label.responses.users": [ANN, BO],
            "label.responses.status": ["submitted", "submitted"],
        },
        {
            "text": "b",
            "label.responses": ["praise", "question"],
            "label.responses.users": [ANN, BO],
            "label.responses.status": ["submitted", "submitted"],
        },
        {
            "text": "c",
            "label.responses": ["praise", "question"],
            "label.responses.users": [ANN, BO],
            "label.responses.status": ["submitted", "discarded"],
        },
        {
            "text": "d",
            "label.responses": ["praise"],
            "label.responses.users": [ANN],
            "label.responses.status": ["discarded"],
        },
    ]
    path = jsonl(tmp_path / "argilla.jsonl", rows)
    assert golds(path, label="label") == {"a": "praise", "c": "praise"}


def test_what_the_server_sends_has_a_status_for_each_response(tmp_path: Path) -> None:
    def response(user: str, value: str, status: str) -> dict[str, Any]:
        return {"user_id": user, "status": status, "values": {"label": {"value": value}}}

    given = [
        response(ANN, "praise", "submitted"),
        response(BO, "question", "discarded"),
        {"user_id": CY, "status": "discarded", "values": None},
    ]
    path = tmp_path / "server.json"
    path.write_text(
        json.dumps([{"fields": {"text": "a"}, "status": "pending", "responses": given}])
    )
    assert answers(path, answers="label") == {"a": {ANN: "praise"}}


# -- Argilla 1 -------------------------------------------------------------------------------------


def classified(text: str, annotation: object, status: str, **more: Any) -> dict[str, Any]:
    agent = None if annotation is None else "ann"
    return {
        "text": text,
        "inputs": {"text": text},
        "prediction": [{"label": "question", "score": 1}],
        "prediction_agent": "model",
        "annotation": annotation,
        "annotation_agent": agent,
        "status": status,
        **more,
    }


CLASSIFIED = [
    classified("a", "praise", "Validated"),
    classified("b", "praise", "Default"),
    classified("c", "praise", "Discarded"),
    classified("d", None, "Default"),
]


def test_classification_of_argilla_1(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "v1.jsonl", CLASSIFIED)
    assert answers(path, answers="annotation") == {"a": {"ann": "praise"}}
    assert answers(path, answers="label") == {"a": {"ann": "praise"}}
    assert golds(path, label="annotation") == {"a": "praise"}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_and_from_a_table(tmp_path: Path, suffix: str) -> None:
    data, path = Dataset.from_list(CLASSIFIED), tmp_path / f"v1.{suffix}"
    data.to_csv(path) if suffix == "csv" else data.to_parquet(path)
    assert answers(path, answers="annotation") == {"a": {"ann": "praise"}}


def test_texts_may_stand_under_inputs_alone(tmp_path: Path) -> None:
    rows = [{**CLASSIFIED[0], "text": None, "inputs": {"body": "a"}}]
    path = jsonl(tmp_path / "v1.jsonl", rows)
    assert answers(path, answers="annotation") == {"a": {"ann": "praise"}}
    assert answers(path, text="body", answers="annotation") == {"a": {"ann": "praise"}}


def test_several_labels_and_tokens_of_argilla_1(tmp_path: Path) -> None:
    several = [classified("a", ["praise", "question"], "Validated")]
    path = jsonl(tmp_path / "v1.jsonl", several)
    assert answers(path, "multi_label", answers="annotation") == {
        "a": {"ann": ["praise", "question"]}
    }
    given = [{"label": "PER", "start": 0, "end": 3}], [["PER", 0, 3]]
    for marked in given:
        tokens = [{**classified("Ann saw", marked, "Validated"), "tokens": ["Ann", "saw"]}]
        path = jsonl(tmp_path / "v1.jsonl", tokens)
        assert answers(path, "spans", ENTITIES, answers="annotation") == {
            "Ann saw": {"ann": spans((0, 3, "PER"))}
        }


def response(user: str | None, value: object, status: str) -> dict[str, Any]:
    return {"user_id": user, "value": value, "status": status}


FEEDBACK = [
    {
        "text": "a",
        "tone": [response("u1", "praise", "submitted"), response("u2", "question", "discarded")],
        "tone-suggestion": "question",
        "tone-suggestion-metadata": {"agent": "m"},
        "topics": [response("u1", ["praise", "complaint"], "submitted")],
        "external_id": "x1",
        "metadata": "{}",
    },
    {
        "text": "b",
        "tone": [response("u1", "praise", "draft")],
        "tone-suggestion": None,
        "tone-suggestion-metadata": {"agent": None},
        "topics": [],
        "external_id": "x2",
        "metadata": "{}",
    },
]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_feedback_of_argilla_1(tmp_path: Path, suffix: str) -> None:
    data, path = Dataset.from_list(FEEDBACK), tmp_path / f"feedback.{suffix}"
    {"jsonl": data.to_json, "csv": data.to_csv, "parquet": data.to_parquet}[suffix](path)
    assert answers(path, answers="tone", id="external_id") == {"a": {"u1": "praise"}}
    assert answers(path, "multi_label", answers="topics") == {"a": {"u1": ["praise", "complaint"]}}
    with pytest.raises(DataError, match="'tone', 'topics'"):
        read(path, answers="responses")


def test_feedback_as_an_object_of_lists(tmp_path: Path) -> None:
    tone = {
        "user_id": ["u1", "u2"],
        "value": ["praise", "question"],
        "status": ["submitted", "discarded"],
    }
    path = jsonl(tmp_path / "feedback.jsonl", [{"text": "a", "tone": tone}])
    assert answers(path, answers="tone") == {"a": {"u1": "praise"}}


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        ("Validated", True),
        ("TaskStatus.validated", True),
        ("TaskStatus.discarded", False),
        ("Whatever", False),
        (None, False),
    ],
)
def test_a_status_of_version_1_that_is_not_validated_is_no_answer(
    tmp_path: Path, status: str | None, counts: bool
) -> None:
    row = {"text": "a", "annotation": "praise", "annotation_agent": "ann", "status": status}
    path = jsonl(tmp_path / "a.jsonl", [row])
    assert answers(path, answers="annotation") == ({"a": {"ann": "praise"}} if counts else {})


def test_another_name_of_the_question_may_not_be_that_of_a_column(tmp_path: Path) -> None:
    row = {"text": "a", "annotation": "praise", "annotation_agent": "ann", "label": "question"}
    path = jsonl(tmp_path / "a.jsonl", [row])
    with pytest.raises(DataError, match="the column of that name or the question 'annotation'"):
        read(path, answers="label")


def test_responses_without_their_status_wait_for_the_record_s(tmp_path: Path) -> None:
    rows = [
        {"text": "a", "tone.responses": ["praise"], "_server_id": "x", "status": "pending"},
        {"text": "b", "tone.responses": ["praise"], "_server_id": "y", "status": "completed"},
    ]
    path = jsonl(tmp_path / "a.jsonl", rows)
    assert answers(path, answers="tone") == {"b": {"imported": "praise"}}
    lost = {"tone.responses.users": ["u"], "tone.responses.status": None}
    path = jsonl(tmp_path / "b.jsonl", [{**row, **lost} for row in rows])
    assert read(path, answers="tone")[1].said.withheld == (("pending", 2),)


def test_the_remark_on_lost_status_is_made_only_where_it_is_lost(tmp_path: Path) -> None:
    row: dict[str, Any] = {"fields": {"text": "a"}, "status": "completed"}
    stated = [{"user_id": "u", "status": "submitted", "values": {"tone": {"value": "praise"}}}]
    path = jsonl(tmp_path / "a.jsonl", [{**row, "responses": stated}])
    assert read(path, answers="tone")[1].is_whole
    silent = {"tone": [{"user_id": "u", "value": "praise"}]}
    path = jsonl(tmp_path / "b.jsonl", [{**row, "responses": silent}])
    assert "no status of single responses" in read(path, answers="tone")[1].notes[0]
