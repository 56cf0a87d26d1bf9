"""Prodigy's exports: only what was accepted is an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loopd.errors import DataError
from tests.data.formats.reads import ENTITIES, answers, golds, jsonl, read, spans


def binary(text: str, label: str, answer: str, **more: Any) -> dict[str, Any]:
    return {"text": text, "label": label, "_view_id": "classification", "answer": answer, **more}


LINES = [
    binary("a", "praise", "accept"),
    binary("b", "praise", "reject"),
    binary("c", "question", "ignore"),
    binary("d", "complaint", "accept"),
]


def choice(text: str, accept: list[Any], answer: str = "accept", **more: Any) -> dict[str, Any]:
    options = [{"id": name, "text": name.upper()} for name in ("praise", "complaint", "question")]
    return {"text": text, "options": options, "accept": accept, "answer": answer, **more}


@pytest.mark.parametrize("name", ["label", "answer", "accept"])
def test_what_was_rejected_or_ignored_is_no_answer(tmp_path: Path, name: str) -> None:
    path = jsonl(tmp_path / "p.jsonl", LINES)
    assert answers(path, answers=name, annotator="ann") == {
        "a": {"ann": "praise"},
        "d": {"ann": "complaint"},
    }


def test_nor_is_it_a_known_label(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "p.jsonl", LINES)
    assert golds(path, label="label") == {"a": "praise", "d": "complaint"}
    pool, report = read(path, label="label", test=True)
    assert [record.text for record in pool] == ["a", "d"]
    assert report.known.withheld == (("ignored", 1), ("rejected", 1))
    _, report = read(path, answers="label")
    assert report.said.withheld == (("ignored", 1), ("rejected", 1))
    assert (report.said.read, report.said.there) == (2, 4)


def test_another_column_of_known_labels_is_not_what_was_judged(tmp_path: Path) -> None:
    rows = [{**line, "truth": "question"} for line in LINES]
    path = jsonl(tmp_path / "p.jsonl", rows)
    assert golds(path, label="truth", answers="label") == dict.fromkeys("abcd", "question")


def test_the_verdict_counts_for_a_column_of_another_name_too(tmp_path: Path) -> None:
    rows = [
        {"text": each["text"], "intent": each["label"], "answer": each["answer"], "_task_hash": 1}
        for each in LINES
    ]
    path = jsonl(tmp_path / "p.jsonl", rows)
    assert answers(path, answers="intent") == {
        "a": {"imported": "praise"},
        "d": {"imported": "complaint"},
    }
    assert golds(path, label="intent") == {"a": "praise", "d": "complaint"}


def test_choices(tmp_path: Path) -> None:
    rows = [
        choice("a", ["praise"]),
        choice("b", [], "ignore"),
        choice("c", ["question"], "reject"),
        choice("d", []),
        choice("e", ["praise", "question"]),
    ]
    path = jsonl(tmp_path / "p.jsonl", rows)
    assert answers(path, answers="accept") == {"a": {"imported": "praise"}}
    several = answers(path, "multi_label", answers="accept", none_label="none")
    assert several == {
        "a": {"imported": ["praise"]},
        "d": {"imported": ["none"]},
        "e": {"imported": ["praise", "question"]},
    }


def test_an_option_may_be_called_by_its_text(tmp_path: Path) -> None:
    options = [{"id": 1, "text": "praise"}, {"id": 2, "text": "complaint"}]
    row = {"text": "a", "options": options, "accept": [2], "answer": "accept"}
    path = jsonl(tmp_path / "p.jsonl", [row])
    assert answers(path, answers="accept") == {"a": {"imported": "complaint"}}


@pytest.mark.parametrize("key", ["_annotator_id", "_session_id"])
def test_several_people_answer_one_text(tmp_path: Path, key: str) -> None:
    rows = [
        binary("a", "praise", "accept", **{key: "data-ann"}),
        binary("a", "complaint", "accept", **{key: "data-bo"}),
        binary("a", "question", "reject", **{key: "data-cy"}),
    ]
    path = jsonl(tmp_path / "p.jsonl", rows)
    assert answers(path, answers="label") == {"a": {"data-ann": "praise", "data-bo": "complaint"}}


def test_a_session_without_a_name_is_nobody(tmp_path: Path) -> None:
    rows = [
        binary("a", "praise", "accept", _session_id="data-2024-01-05_10-00-01"),
        binary("b", "praise", "accept", _session_id="2024-01-06_10-00-01"),
    ]
    path = jsonl(tmp_path / "p.jsonl", rows)
    found = answers(path, answers="label", annotator="ann")
    assert found == {"a": {"ann": "praise"}, "b": {"ann": "praise"}}


def test_of_several_labels_an_answer_needs_a_yes_or_no_to_each(tmp_path: Path) -> None:
    rows = [
        binary("whole", "praise", "accept"),
        binary("whole", "complaint", "reject"),
        binary("part", "praise", "accept"),
        binary("whole", "question", "accept"),
        binary("part", "complaint", "ignore"),
        *(binary("none", name, "reject") for name in ("praise", "complaint", "question")),
    ]
    path = jsonl(tmp_path / "p.jsonl", rows)
    assert answers(path, "multi_label", answers="label", none_label="-/-") == {
        "whole": {"imported": ["praise", "question"]},
        "none": {"imported": ["-/-"]},
    }
    _, report = read(path, "multi_label", answers="label", none_label="-/-")
    assert any("nobody said whether 'complaint' applies" in line for line in report.lines())


def test_spans(tmp_path: Path) -> None:
    span = {"start": 0, "end": 3, "label": "PER", "token_start": 0, "token_end": 0}
    rows: list[dict[str, Any]] = [
        {"text": "Ann saw", "spans": [span], "answer": "accept", "_view_id": "ner_manual"},
        {"text": "Bob saw", "spans": [span], "answer": "reject", "_view_id": "ner_manual"},
        {"text": "Eve saw", "spans": [span], "answer": "ignore", "_view_id": "spans_manual"},
        {"text": "nobody", "spans": [], "answer": "accept", "_view_id": "ner_manual"},
        {
            "text": "Kim saw",
            "spans": [span],
            "answer": "accept",
            "_view_id": "ner",
            "meta": {"score": 0.5},
        },
    ]
    path = jsonl(tmp_path / "p.jsonl", rows)
    assert answers(path, "spans", ENTITIES, answers="spans") == {
        "Ann saw": {"imported": spans((0, 3, "PER"))},
        "nobody": {"imported": []},
    }


def test_a_task_that_nobody_has_seen_is_no_answer(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        LINES[0],
        {"text": "z", "label": "question", "_view_id": "classification"},
    ]
    path = jsonl(tmp_path / "p.jsonl", rows)
    assert answers(path, answers="label") == {"a": {"imported": "praise"}}


def test_the_words_may_be_labels(tmp_path: Path) -> None:
    rows = [{"text": "a", "answer": "accept"}, {"text": "b", "answer": "reject"}]
    path = jsonl(tmp_path / "p.jsonl", rows)
    found = answers(path, labels=("accept", "reject"), answers="answer")
    assert found == {"a": {"imported": "accept"}, "b": {"imported": "reject"}}


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "p.jsonl", LINES)
    with pytest.raises(DataError, match=r"`pool.answers` is 'lable', no question of it"):
        read(path, answers="lable")


def test_words_that_are_the_labels_of_the_task_are_no_verdicts(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "a", "answer": "accept", "label": "x"},
        {"text": "b", "answer": "reject", "spans": []},
    ]
    path = jsonl(tmp_path / "p.jsonl", rows)
    assert answers(path, labels=("accept", "reject"), answers="answer") == {
        "a": {"imported": "accept"},
        "b": {"imported": "reject"},
    }


@pytest.mark.parametrize(
    ("view", "span"),
    [("classification", {}), ("choice", {}), ("ner", {"score": 0.5}), ("ner", {"pattern": 1})],
)
def test_spans_that_nobody_marked_are_no_answers(
    tmp_path: Path, view: str, span: dict[str, object]
) -> None:
    row = {
        **binary("Ann saw", "praise", "accept", _view_id=view),
        "spans": [{"start": 0, "end": 3, "label": "PER", **span}],
    }
    path = jsonl(tmp_path / "p.jsonl", [row])
    _, report = read(path, "spans", ENTITIES, answers="spans")
    assert (report.answers, report.unusable_answers) == (0, 1)


def test_an_option_whose_id_is_another_label_than_its_text_is_refused(tmp_path: Path) -> None:
    options = [{"id": 0, "text": "1"}, {"id": 1, "text": "0"}, {"id": 2, "text": "2"}]
    rows = [
        {"text": f"t{number}", "options": options, "accept": [number], "answer": "accept"}
        for number in range(3)
    ]
    path = jsonl(tmp_path / "p.jsonl", rows)
    _, report = read(path, labels=("0", "1", "2"), answers="accept")
    assert (report.answers, report.unusable_answers) == (1, 2)
    assert "'0' may be the option's id or its text '1'" in report.examples[0]
