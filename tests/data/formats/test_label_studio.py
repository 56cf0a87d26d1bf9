"""Label Studio's exports: an annotation is a person's answer to each tag."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loopd.errors import DataError
from tests.data.formats.reads import ENTITIES, FILES, answers, golds, read, spans

WRITTEN = ("choices.json", "choices_min.json", "choices.csv", "choices.tsv")
"""As label-studio-converter writes one project."""


@pytest.mark.parametrize("name", WRITTEN)
def test_choices_by_their_people(name: str) -> None:
    path = FILES / f"label_studio_{name}"
    assert answers(path, answers="sentiment") == {
        "Great service": {"ann@x.org": "praise", "bo@x.org": "complaint"}
    }
    assert answers(path, "multi_label", ("a", "b"), answers="topics") == {
        "Great service": {"ann@x.org": ["a", "b"]}
    }


@pytest.mark.parametrize("name", ["ner.json", "ner_min.json", "ner.csv", "ner.tsv"])
def test_entities(name: str) -> None:
    path = FILES / f"label_studio_{name}"
    assert answers(path, "spans", ENTITIES, answers="label") == {
        "Ann saw Rome.": {"1": spans((0, 3, "PER"), (8, 12, "LOC"))},
        "Bo is in Oslo now": {"2": spans((9, 13, "LOC"))},
    }


def test_conll() -> None:
    path = FILES / "label_studio_ner.conll"
    found = answers(path, "spans", ENTITIES, answers="tags")
    assert list(found) == ["Ann saw Rome .", "Bo is in Oslo now"]
    assert found["Bo is in Oslo now"] == {"imported": spans((9, 13, "LOC"))}


def task(text: str, *annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"text": text}, "annotations": list(annotations), **more}


def annotation(who: object, *labels: str, **more: Any) -> dict[str, Any]:
    value = {"choices": list(labels)}
    result = [{"value": value, "from_name": "tone", "to_name": "text", "type": "choices"}]
    return {"completed_by": who, "result": result if labels else [], **more}


def written(path: Path, *tasks: dict[str, Any]) -> Path:
    path.write_text(json.dumps(tasks))
    return path


def test_skipped_drafts_and_predictions_are_no_answers(tmp_path: Path) -> None:
    path = written(
        tmp_path / "l.json",
        task("skipped", annotation(1, "praise", was_cancelled=True)),
        task("skipped too", annotation(1, "praise", skipped=True)),
        task("draft", annotation(2, "praise"), drafts=[annotation(1, "question")]),
        task("predicted", predictions=[annotation(1, "praise")]),
        task("nothing chosen", annotation(1)),
    )
    assert answers(path, answers="tone") == {"draft": {"2": "praise"}}
    assert golds(path, label="tone") == {"draft": "praise"}


def test_a_known_label_is_what_more_than_half_of_the_people_say(tmp_path: Path) -> None:
    said = {
        "same": ("praise", "praise"),
        "most": ("praise", "question", "praise"),
        "half": ("praise", "question"),
        "none": ("praise", "question", "complaint"),
    }
    tasks = [
        task(text, *(annotation(number, label) for number, label in enumerate(labels)))
        for text, labels in said.items()
    ]
    path = written(tmp_path / "l.json", *tasks)
    assert golds(path, label="tone") == {"same": "praise", "most": "praise"}
    pool, report = read(path, label="tone", test=True)
    assert [record.text for record in pool] == ["same", "most"]
    assert report.known.withheld == (("disputed", 2),)


def test_the_list_may_stand_for_the_only_question(tmp_path: Path) -> None:
    path = written(tmp_path / "l.json", task("a", annotation({"id": 4}, "praise")))
    assert answers(path, answers="annotations") == {"a": {"4": "praise"}}
    with pytest.raises(DataError) as error:
        read(FILES / "label_studio_choices.json", answers="annotations")
    assert "'sentiment', 'topics'" in error.value.message


def test_older_releases_say_completions(tmp_path: Path) -> None:
    old = {"id": 1, "data": {"text": "a"}, "completions": [annotation(1, "praise")]}
    assert answers(written(tmp_path / "l.json", old), answers="tone") == {"a": {"1": "praise"}}


def test_no_entities_are_an_answer_where_somebody_looked(tmp_path: Path) -> None:
    region = {"value": {"start": 0, "end": 3, "labels": ["PER"]}, "from_name": "who"}
    path = written(
        tmp_path / "l.json",
        task("Ann", {"completed_by": 1, "result": [region]}),
        task("nobody", {"completed_by": 1, "result": []}),
        task("not seen"),
    )
    found = answers(path, "spans", ENTITIES, answers="who")
    assert found == {"Ann": {"1": spans((0, 3, "PER"))}, "nobody": {"1": []}}
    with pytest.raises(DataError, match="no question of it"):
        read(path, "spans", ENTITIES, answers="whom")


def test_the_text_may_have_another_name(tmp_path: Path) -> None:
    named = {"id": 1, "data": {"review": "a"}, "annotations": [annotation(1, "praise")]}
    path = written(tmp_path / "l.json", named)
    assert answers(path, text="review", answers="tone") == {"a": {"1": "praise"}}
    with pytest.raises(DataError, match="has no field 'text'; it has 'id', 'review'"):
        read(path, answers="tone")


def test_the_first_answer_may_come_late(tmp_path: Path) -> None:
    nobody = [task(f"text {number}") for number in range(300)]
    path = written(tmp_path / "l.json", *nobody, task("a", annotation(1, "praise")))
    for name in ("tone", "annotations"):
        assert answers(path, answers=name) == {"a": {"1": "praise"}}
    with pytest.raises(DataError, match="no question of it"):
        read(path, answers="tune")


def test_columns_that_the_configuration_names_come_first(tmp_path: Path) -> None:
    seen = task("a", annotation(1, "praise"), reviewer="cy", review="accepted")
    refused = task("b", annotation(1, "praise"), reviewer="cy", review="rejected")
    path = written(tmp_path / "l.json", seen, refused)
    assert answers(path, answers="tone", annotator_column="reviewer", verdict_column="review") == {
        "a": {"cy": "praise"}
    }


@pytest.mark.parametrize(
    ("beside", "counts"),
    [
        ({"reviews": [{"id": 1, "accepted": False}]}, False),
        ({"reviews": [{"id": 1, "accepted": False}, {"id": 2, "accepted": True}]}, True),
        ({"last_action": "rejected"}, False),
        ({"last_action": "updated", "reviews": [{"id": 1, "accepted": False}]}, True),
        ({"last_action": "fixed_and_accepted"}, True),
        ({"ground_truth": True, "reviews": []}, True),
    ],
)
def test_what_a_reviewer_rejected_is_no_answer(
    tmp_path: Path, beside: dict[str, Any], counts: bool
) -> None:
    path = written(tmp_path / "l.json", task("a", annotation(1, "praise", **beside)))
    _, report = read(path, answers="tone")
    assert report.said.withheld == (() if counts else (("rejected", 1),))
    assert report.answers == int(counts)


@pytest.mark.parametrize(
    ("kind", "value"), [("rating", 4), ("number", 4.0), ("pairwise", "4"), ("choices", ["4"])]
)
def test_what_else_may_be_a_label(tmp_path: Path, kind: str, value: object) -> None:
    key = {"pairwise": "selected"}.get(kind, kind)
    result = [{"type": kind, "from_name": "stars", "to_name": "text", "value": {key: value}}]
    path = written(tmp_path / "l.json", task("a", {"completed_by": 1, "result": result}))
    assert answers(path, labels=("3", "4"), answers="stars") == {"a": {"1": "4"}}


def test_a_submission_without_a_choice_is_counted(tmp_path: Path) -> None:
    tasks = task("a", annotation(1, "praise"), annotation(2))
    _, report = read(written(tmp_path / "l.json", tasks), answers="tone")
    assert (report.said.read, report.said.blank, report.is_whole) == (1, 1, False)


def test_predictions_alone_are_no_answers(tmp_path: Path) -> None:
    path = written(tmp_path / "l.json", task("a", predictions=[annotation(None, "praise")]))
    with pytest.raises(DataError, match="read as Label Studio nobody has answered anything"):
        read(path, answers="tone")
