"""Tables: long, wide, with objects in their cells, with a column of verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopd.data.formats.words import APPROVAL_KEYS, VERDICT_KEYS
from loopd.data.source import HEAD
from loopd.errors import DataError
from tests.data.formats.reads import ENTITIES, answers, golds, jsonl, read, spans

EVERYBODY = {"a": {"w1": "praise", "w2": "question"}, "b": {"w1": "complaint"}}


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n")
    return path


# -- long ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["worker_id", "Annotator", "coder", "completed_by"])
def test_long_tables_are_known_by_the_name_of_a_column(tmp_path: Path, column: str) -> None:
    rows = (f"text,{column},tone", "a,w1,praise", "a,w2,question", "b,w1,complaint")
    assert answers(table(tmp_path / "t.csv", *rows), answers="tone") == EVERYBODY


@pytest.mark.parametrize("keys", [{"annotator_column": "user"}, {"format": "long"}])
def test_or_by_the_configuration(tmp_path: Path, keys: dict[str, Any]) -> None:
    rows = ("text,user,tone", "a,w1,praise", "a,w2,question", "b,w1,complaint")
    assert answers(table(tmp_path / "t.csv", *rows), answers="tone", **keys) == EVERYBODY


def test_a_column_that_may_be_the_authors_is_refused(tmp_path: Path) -> None:
    rows = ("text,user,tone", "a,w1,praise", "a,w2,question", "b,w1,complaint")
    path = table(tmp_path / "t.csv", *rows)
    with pytest.raises(DataError) as error:
        read(path, answers="tone")
    assert "'user' could say who answered or who wrote the text" in error.value.message
    assert error.value.hint is not None
    assert "pool.annotator_column: user" in error.value.hint
    assert answers(path, answers="tone", format="plain", annotator="me") == {
        "a": {"me": "praise"},
        "b": {"me": "complaint"},
    }


def test_authors_whose_texts_do_not_repeat_are_no_annotators(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "text,user,tone", "a,w1,praise", "b,w2,question")
    found = answers(path, answers="tone")
    assert found == {"a": {"imported": "praise"}, "b": {"imported": "question"}}


def test_a_long_table_without_people_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "text,tone", "a,praise")
    with pytest.raises(DataError, match="no column is called as if it said who answered"):
        read(path, answers="tone", format="long")


def test_lists_of_people_and_their_answers(tmp_path: Path) -> None:
    rows = [
        {"text": "a", "annotators": ["w1", "w2"], "tones": ["praise", "question"]},
        {"text": "b", "annotators": ["w1"], "tones": ["complaint"]},
    ]
    assert answers(jsonl(tmp_path / "t.jsonl", rows), answers="tones") == EVERYBODY


def test_the_later_of_two_answers_counts(tmp_path: Path) -> None:
    rows = (
        "text,worker,tone,updated_at",
        "a,w1,praise,2024-05-01T10:00:00Z",
        "a,w1,question,2024-05-02T10:00:00Z",
        "b,w1,praise,2024-05-02T10:00:00Z",
        "b,w1,question,2024-05-01T10:00:00Z",
    )
    path = table(tmp_path / "t.csv", *rows)
    assert answers(path, answers="tone") == {"a": {"w1": "question"}, "b": {"w1": "praise"}}
    _, report = read(path, answers="tone")
    assert (report.said.read, report.said.superseded, report.said.there) == (2, 2, 4)


def test_without_a_time_the_first_counts_and_the_second_is_counted(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "text,worker,tone", "a,w1,praise", "a,w1,question")
    pool, report = read(path, answers="tone")
    assert pool.records[0].answers == (("w1", "praise"),)
    assert report.unusable_answers == 1


# -- wide ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("w1", "w2"), "w*", ("w1", "w*")])
def test_wide_tables(tmp_path: Path, names: object) -> None:
    path = table(tmp_path / "t.csv", "text,w1,w2,other", "a,praise,question,x", "b,complaint,,y")
    assert answers(path, answers=names) == EVERYBODY


def test_one_person_alone_is_a_wide_table_if_it_is_said(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "text,w1", "a,praise")
    assert answers(path, answers="w1", format="wide") == {"a": {"w1": "praise"}}
    assert answers(path, answers="w1") == {"a": {"imported": "praise"}}


def test_a_pattern_must_fit(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "text,w1", "a,praise")
    with pytest.raises(DataError, match=r"no column 'v\*'; it has 'text', 'w1'"):
        read(path, answers="v*")
    with pytest.raises(DataError, match="no column 'w3'"):
        read(path, answers=("w1", "w3"))


# -- objects in cells ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        {"w1": "praise", "w2": "question"},
        [{"user": "w1", "label": "praise"}, {"user": "w2", "label": "question"}],
        [
            {"annotator": "w1", "value": ["praise"], "status": "submitted"},
            {"annotator": "w2", "value": "question", "status": "accepted"},
            {"annotator": "w3", "value": "praise", "status": "discarded"},
            {"annotator": "w4", "value": "praise", "rejected": True},
        ],
        {
            "w1": {"label": "praise"},
            "w2": {"label": "question", "status": "submitted"},
            "w3": {"label": "praise", "status": "draft"},
        },
        [
            {"worker_id": 1.0, "choice": "x"},
            {"worker_id": "w1", "choice": "praise"},
            {"worker_id": "w2", "choice": "question"},
        ],
    ],
)
@pytest.mark.parametrize("written", ["json", "python"])
def test_a_cell_with_objects(tmp_path: Path, cell: object, written: str) -> None:
    rows = [{"text": "a", "given": cell}]
    path = jsonl(tmp_path / "t.jsonl", rows)
    assert answers(path, answers="given") == {"a": EVERYBODY["a"]}
    text = json.dumps(cell) if written == "json" else repr(cell)
    path = table(tmp_path / "t.csv", "text;given", f"a;{text}")
    assert answers(path, answers="given") == {"a": EVERYBODY["a"]}


def test_one_object_is_one_answer(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "t.jsonl", [{"text": "a", "given": {"label": "praise", "user": "w1"}}])
    assert answers(path, answers="given") == {"a": {"w1": "praise"}}
    assert golds(path, label="given") == {"a": "praise"}


def test_an_object_that_could_be_two_things_is_left_out(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "t.jsonl", [{"text": "a", "given": {"label": "x", "user": "y"}}])
    _, report = read(path, labels=("x", "y"), answers="given")
    assert report.unusable_answers == 1
    reason = (
        "could be one answer, 'x' by 'y', or the answers of two people called 'user' and 'label'"
    )
    assert any(reason in line for line in report.lines())


def test_spans_with_their_people(tmp_path: Path) -> None:
    marked = [
        {"user": "w1", "start": 0, "end": 3, "label": "PER"},
        {"user": "w1", "start": 8, "end": 12, "label": "LOC"},
        {"user": "w2", "start": 0, "end": 3, "label": "PER"},
    ]
    path = jsonl(tmp_path / "t.jsonl", [{"text": "Ann saw Rome", "given": marked}])
    assert answers(path, "spans", ENTITIES, answers="given") == {
        "Ann saw Rome": {"w1": spans((0, 3, "PER"), (8, 12, "LOC")), "w2": spans((0, 3, "PER"))}
    }


def test_several_labels_of_one_person_are_no_answers_of_several(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "t.jsonl", [{"text": "a", "given": ["praise", "question"]}])
    _, report = read(path, answers="given")
    assert report.unusable_answers == 1
    assert answers(path, "multi_label", answers="given") == {
        "a": {"imported": ["praise", "question"]}
    }


def test_arrays_of_json(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"text": "a", "tone": "praise"}, {"text": "b"}]
    path = tmp_path / "t.json"
    path.write_text(f"\n [\n{json.dumps(rows)[1:]}")
    assert answers(path, answers="tone") == {"a": {"imported": "praise"}}
    path.write_text(json.dumps([{"text": "a"}, 3]))
    with pytest.raises(DataError, match="row 2: a int, not an object"):
        read(path)
    path.write_text('[{"text": "a"},\n{"text": ')
    with pytest.raises(DataError, match="line 2: not JSON"):
        read(path)


# -- verdicts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "yes", "no"),
    [
        ("response_status", "submitted", "discarded"),
        ("annotation_status", "Accepted", "REJECTED"),
        ("status", "submitted", "draft"),
        ("status", "Validated", "Discarded"),
        ("was_cancelled", "False", "True"),
        ("is_discarded", "0", "1"),
    ],
)
def test_a_verdict_beside_a_label_counts(tmp_path: Path, column: str, yes: str, no: str) -> None:
    path = table(tmp_path / "t.csv", f"text,tone,{column}", f"a,praise,{yes}", f"b,praise,{no}")
    assert answers(path, answers="tone") == {"a": {"imported": "praise"}}
    assert golds(path, label="tone") == {"a": "praise"}


def test_a_verdict_that_may_be_about_the_text_is_refused(tmp_path: Path) -> None:
    rows = ("text,tone,status", "a,praise,approved", "b,praise,rejected")
    path = table(tmp_path / "t.csv", *rows)
    with pytest.raises(DataError) as error:
        read(path, answers="tone")
    assert "could be a verdict on the label" in error.value.message
    assert answers(path, answers="tone", verdict_column="status") == {"a": {"imported": "praise"}}
    assert answers(path, answers="tone", format="plain").keys() == {"a", "b"}


def test_a_status_in_other_words_is_no_verdict(tmp_path: Path) -> None:
    rows = ("text,tone,status", "a,praise,shipped", "b,praise,cancelled", "c,praise,pending")
    path = table(tmp_path / "t.csv", *rows)
    assert answers(path, answers="tone").keys() == {"a", "b", "c"}
    others = ("text,tone,status", "a,praise,open", "b,praise,rejected")
    path = table(tmp_path / "u.csv", *others)
    assert answers(path, answers="tone", format="plain").keys() == {"a", "b"}
    _, report = read(path, answers="tone", verdict_column="status")
    assert report.unusable_answers == 1
    assert any("status is 'open', which is no verdict" in line for line in report.lines())


@pytest.mark.parametrize(
    ("column", "word"),
    [("status", "approved"), ("rejected", "0"), ("cancelled", "True"), ("draft", "no")],
)
def test_a_doubtful_verdict_is_refused_whatever_its_first_lines_say(
    tmp_path: Path, column: str, word: str
) -> None:
    path = table(tmp_path / "t.csv", f"text,tone,{column}", f"a,praise,{word}")
    with pytest.raises(DataError, match="could be a verdict"):
        read(path, answers="tone")
    assert answers(path, answers="tone", format="plain") == {"a": {"imported": "praise"}}


VERDICTS = st.sampled_from(("Rejected", "reject", "discarded", "DISCARDED"))

NAMES = st.sampled_from((*VERDICT_KEYS, "Status", "AssignmentStatus", "ASSIGNMENT:status"))

OTHERS = st.lists(
    st.sampled_from(("accepted", "final", "completed", "open", "closed", "new", "")), max_size=4
)


@given(name=NAMES, verdict=VERDICTS, others=OTHERS, late=st.booleans())
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_rejected_label_is_an_answer_whatever_stands_beside_it(
    tmp_path: Path, *, name: str, verdict: str, others: list[str], late: bool
) -> None:
    if name in ("answer", "verdict", "review") and {"open", "closed", "new"} & {*others}:
        return  # then the column says something else
    words = [*others, *[""] * (HEAD if late else 0), verdict]
    rows = [f"t{number},praise,{word}" for number, word in enumerate(words)]
    path = table(tmp_path / "t.csv", f"text,tone,{name}", *rows)
    for key in ("answers", "label"):
        refusal = ""
        column: dict[str, Any] = {key: "tone"}
        try:
            pool, _ = read(path, **column)
            last = pool.records[-1]
            assert (last.answers, last.gold) == ((), None)
        except DataError as error:
            refusal = f"{error.message} {error.hint}"
        assert not refusal or (
            "could be a verdict on the label" in refusal
            and f"set `pool.verdict_column: {name}`" in refusal
        )


@pytest.mark.parametrize("column", sorted(APPROVAL_KEYS))
def test_what_nobody_approved_is_refused_or_left_out(tmp_path: Path, column: str) -> None:
    rows = (f"text,tone,{column}", "a,praise,True", "b,praise,0.0")
    path = table(tmp_path / "t.csv", *rows)
    with pytest.raises(DataError, match=r"says '0\.0': it could be a verdict"):
        read(path, answers="tone")
    assert answers(path, answers="tone", verdict_column=column) == {"a": {"imported": "praise"}}


def test_flags_that_pandas_wrote_and_unfinished_assignments(tmp_path: Path) -> None:
    rows = ("text,tone,was_cancelled", "a,praise,0.0", "b,praise,1.0", "c,praise,")
    path = table(tmp_path / "t.csv", *rows)
    assert answers(path, answers="tone").keys() == {"a", "c"}
    words = ("APPROVED", "REJECTED", "SKIPPED", "ACTIVE", "EXPIRED")
    others = ("text,tone,ASSIGNMENT:status", *(f"{word},praise,{word}" for word in words))
    assert answers(table(tmp_path / "u.csv", *others), answers="tone").keys() == {"APPROVED"}


def test_a_list_of_verdicts_is_one_for_each_answer(tmp_path: Path) -> None:
    row = {
        "text": "a",
        "annotators": ["x", "y"],
        "tone": ["praise", "question"],
        "status": ["submitted", "discarded"],
    }
    path = jsonl(tmp_path / "t.jsonl", [row])
    assert answers(path, answers="tone") == {"a": {"x": "praise"}}
    path = jsonl(tmp_path / "u.jsonl", [{**row, "status": ["submitted"]}])
    assert read(path, answers="tone")[1].unusable_answers == 2


@pytest.mark.parametrize(
    ("beside", "counts"),
    [
        ({"accepted": True}, True),
        ({"accepted": False}, False),
        ({"is_valid": "no"}, False),
        ({"state": "discarded"}, False),
        ({"state": "Ohio"}, True),
        ({"decision": "reject"}, False),
    ],
)
def test_what_an_object_says_beside_its_answer(
    tmp_path: Path, beside: dict[str, object], counts: bool
) -> None:
    cell = [{"worker": "w1", "label": "praise", **beside}]
    path = jsonl(tmp_path / "t.jsonl", [{"text": "a", "given": cell}])
    assert answers(path, answers="given") == ({"a": {"w1": "praise"}} if counts else {})


def test_an_object_of_lists_is_a_list_of_objects(tmp_path: Path) -> None:
    lists = {
        "annotator": ["x", "y"],
        "label": ["praise", "question"],
        "status": ["submitted", "rejected"],
    }
    path = jsonl(tmp_path / "t.jsonl", [{"text": "a", "given": lists}])
    assert answers(path, answers="given") == {"a": {"x": "praise"}}
    path = jsonl(tmp_path / "u.jsonl", [{"text": "a", "given": {**lists, "label": ["praise"]}}])
    assert read(path, answers="given")[1].unusable_answers == 1


def test_what_is_known_of_an_answer_is_no_answer_of_its_own(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "t.jsonl", [{"text": "a", "given": {"label": "praise", "confidence": 0.9}}]
    )
    assert answers(path, answers="given") == {"a": {"imported": "praise"}}


@pytest.mark.parametrize("cell", ["nan", "None", "<NA>"])
def test_a_program_s_word_for_nobody_is_nobody_s_name(tmp_path: Path, cell: str) -> None:
    path = table(tmp_path / "t.csv", "text,annotator,tone", f"a,{cell},praise", "b,x,praise")
    assert answers(path, answers="tone") == {"a": {"imported": "praise"}, "b": {"x": "praise"}}


def test_columns_of_people_may_hold_the_numbers_that_labels_are(tmp_path: Path) -> None:
    rows = ("text,r1,r2,r3", "a,1.0,0.0,", "b,,True,1")
    path = table(tmp_path / "t.csv", *rows)
    assert answers(path, labels=("0", "1"), answers="r*") == {
        "a": {"r1": "1", "r2": "0"},
        "b": {"r2": "1", "r3": "1"},
    }


def test_tables_of_crowds(tmp_path: Path) -> None:
    rows = (
        "HITId,WorkerId,AssignmentStatus,Input.text,Answer.tone",
        "h1,A1,Approved,a,praise",
        "h1,A2,Rejected,a,question",
        "h1,A3,Submitted,a,complaint",
    )
    path = table(tmp_path / "t.csv", *rows)
    assert answers(path, text="Input.text", answers="Answer.tone") == {
        "a": {"A1": "praise", "A3": "complaint"}
    }


def test_an_object_without_a_person_is_one_answer(tmp_path: Path) -> None:
    rows = [
        {"text": "a", "given": {"label": "praise", "status": "completed"}},
        {"text": "b", "given": {"label": "praise", "status": "rejected"}},
    ]
    path = jsonl(tmp_path / "t.jsonl", rows)
    assert answers(path, answers="given") == {"a": {"imported": "praise"}}
    several = jsonl(
        tmp_path / "u.jsonl", [{"text": "a", "given": [{"label": "praise"}, {"label": "question"}]}]
    )
    assert answers(several, "multi_label", answers="given") == {
        "a": {"imported": ["praise", "question"]}
    }


def test_a_table_with_numbers_of_annotations_is_not_label_studios(tmp_path: Path) -> None:
    rows = (
        "text,annotation_id,annotator,tone,status",
        "a,1,w1,praise,submitted",
        "a,2,w2,question,discarded",
    )
    path = table(tmp_path / "t.csv", *rows)
    assert answers(path, answers="tone") == {"a": {"w1": "praise"}}


def test_a_number_that_pandas_wrote_with_a_point_is_the_same_person(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "text,annotator,tone", "a,1.0,praise", "a,2,question", "b,,")
    assert answers(path, answers="tone") == {"a": {"1": "praise", "2": "question"}}


def test_an_object_that_holds_the_entities_names_nobody(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "t.jsonl", [{"text": "Ann", "given": {"entities": [[0, 3, "PER"]]}}])
    assert answers(path, "spans", ENTITIES, answers="given") == {
        "Ann": {"imported": spans((0, 3, "PER"))}
    }


@pytest.mark.parametrize(
    ("person", "verdict"),
    [
        ("Annotator ID", "Annotation Status"),
        ("annotatorName", "annotationStatus"),
        ("worker-id", "assignment.status"),
        ("CODER", "tone_status"),
        ("raterId", "tone.verdict"),
    ],
)
def test_names_are_known_however_they_are_spelled(
    tmp_path: Path, person: str, verdict: str
) -> None:
    rows = (f"text,tone,{person},{verdict}", "a,praise,x,Accepted", "a,question,y,Rejected")
    path = table(tmp_path / "t.csv", *rows)
    assert answers(path, answers="tone") == {"a": {"x": "praise"}}
    assert any(
        f"column {verdict!r} says which labels" in line
        for line in read(path, answers="tone")[1].notes
    )


@pytest.mark.parametrize("names", [("r1", "r2"), "r*"])
def test_each_person_s_column_may_have_its_own_verdicts(tmp_path: Path, names: Any) -> None:
    rows = (
        "text,r1,r1_status,r2,r2_status",
        "a,praise,submitted,question,discarded",
        "b,question,,praise,submitted",
    )
    path = table(tmp_path / "t.csv", *rows)
    _, report = read(path, answers=names)
    assert report.said.withheld == (("discarded", 1), ("pending", 1))
    assert answers(path, answers=names) == {"a": {"r1": "praise"}, "b": {"r2": "praise"}}


@pytest.mark.parametrize(
    ("column", "cell"),
    [("answer", "reject"), ("was_cancelled", True), ("status", "discarded"), ("approved", False)],
)
def test_a_verdict_that_only_late_rows_have_is_refused(
    tmp_path: Path, column: str, cell: object
) -> None:
    rows: list[dict[str, object]] = [
        {"text": f"t{number}", "tone": "praise"} for number in range(HEAD)
    ]
    path = jsonl(tmp_path / "t.jsonl", [*rows, {"text": "z", "tone": "praise", column: cell}])
    with pytest.raises(DataError, match=f"line {HEAD + 1}: column '{column}' says"):
        read(path, answers="tone")
    assert "z" in answers(path, answers="tone", format="plain")


def test_people_whose_names_come_late_are_told_apart(tmp_path: Path) -> None:
    rows = [f"t{number},praise," for number in range(HEAD)]
    path = table(tmp_path / "t.csv", "text,tone,annotator", *rows, "z,praise,x", "z,question,y")
    assert answers(path, answers="tone")["z"] == {"x": "praise", "y": "question"}
