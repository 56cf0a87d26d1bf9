"""Tables of answers, written in every format and read back: the same answers of the same people."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopd.data.pool import content_id
from tests.data.formats.reads import LABELS, Answers, answers, read

PEOPLE = ("ann", "bo", "o'neil", "Ünal")


class One(NamedTuple):
    """What one person did with one text."""

    text: str
    who: str
    label: str
    counts: bool


@st.composite
def tables(draw: st.DrawFn) -> list[One]:
    """Each person does one thing with a text at most; some of it does not count."""
    texts = draw(st.lists(st.sampled_from(["a", "b b", 'c "c"', "d, d"]), min_size=1, unique=True))
    every = [(text, who) for text in texts for who in PEOPLE]
    chosen = draw(st.lists(st.sampled_from(every), min_size=1, unique=True))
    first = One(*chosen[0], LABELS[0], counts=True)
    return [first] + [
        One(text, who, draw(st.sampled_from(LABELS)), draw(st.booleans()))
        for text, who in chosen[1:]
    ]


def by_text(table: Sequence[One]) -> Mapping[str, list[One]]:
    return {one.text: [each for each in table if each.text == one.text] for one in table}


def expected(table: Sequence[One]) -> Answers:
    found: Answers = {}
    for one in table:
        if one.counts:
            found.setdefault(one.text, {})[one.who] = one.label
    return found


Write = Callable[[Path, Sequence[One]], tuple[Path, dict[str, Any]]]


def as_array(path: Path, rows: object) -> Path:
    path.write_text(json.dumps(rows))
    return path


def as_lines(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def as_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def flat_rows(table: Sequence[One]) -> list[dict[str, Any]]:
    return [
        {
            "text": text,
            "tone.responses": [one.label for one in ones],
            "tone.responses.users": [one.who for one in ones],
            "tone.responses.status": ["submitted" if one.counts else "discarded" for one in ones],
        }
        for text, ones in by_text(table).items()
    ]


def argilla_lines(folder: Path, table: Sequence[One]) -> tuple[Path, dict[str, Any]]:
    return as_lines(folder / "x.jsonl", flat_rows(table)), {"answers": "tone"}


def argilla_csv(folder: Path, table: Sequence[One]) -> tuple[Path, dict[str, Any]]:
    return as_csv(folder / "x.csv", flat_rows(table)), {"answers": "tone.responses"}


def argilla_feedback(folder: Path, table: Sequence[One]) -> tuple[Path, dict[str, Any]]:
    def response(one: One) -> dict[str, str]:
        status = "submitted" if one.counts else "draft"
        return {"user_id": one.who, "value": one.label, "status": status}

    rows = [
        {"text": text, "tone": list(map(response, ones)), "tone-suggestion": LABELS[0]}
        for text, ones in by_text(table).items()
    ]
    return as_lines(folder / "x.jsonl", rows), {"answers": "tone"}


def prodigy(folder: Path, table: Sequence[One]) -> tuple[Path, dict[str, Any]]:
    rows = [
        {
            "text": one.text,
            "label": one.label,
            "_annotator_id": one.who,
            "answer": "accept" if one.counts else "reject",
        }
        for one in table
    ]
    return as_lines(folder / "x.jsonl", rows), {"answers": "label"}


def prodigy_choices(folder: Path, table: Sequence[One]) -> tuple[Path, dict[str, Any]]:
    options = [{"id": label, "text": label} for label in LABELS]
    rows = [
        {
            "text": one.text,
            "options": options,
            "accept": [one.label],
            "_session_id": one.who,
            "answer": "accept" if one.counts else "ignore",
        }
        for one in table
    ]
    return as_array(folder / "x.json", rows), {"answers": "accept"}


def label_studio(folder: Path, table: Sequence[One]) -> tuple[Path, dict[str, Any]]:
    def annotation(one: One) -> dict[str, Any]:
        result = {"from_name": "tone", "value": {"choices": [one.label]}, "type": "choices"}
        return {
            "completed_by": {"email": one.who},
            "result": [result],
            "was_cancelled": not one.counts,
        }

    rows = [
        {"id": number, "data": {"text": text}, "annotations": list(map(annotation, ones))}
        for number, (text, ones) in enumerate(by_text(table).items())
    ]
    return as_array(folder / "x.json", rows), {"answers": "tone"}


def loopd(folder: Path, table: Sequence[One]) -> tuple[Path, dict[str, Any]]:
    def given(one: One) -> dict[str, str]:
        status = "submitted" if one.counts else "withdrawn"
        return {
            "annotator": f"import:{one.who}",
            "value": one.label,
            "status": status,
            "time": "1970-01-01T00:00:00.000000",
            "record_id": content_id(one.text),
        }

    rows = [
        {
            "id": content_id(text),
            "text": text,
            "label": LABELS[0],
            "quality": None,
            "answers": list(map(given, ones)),
            "batch_id": None,
            "round": None,
            "score": None,
            "strategy": None,
            "draw": False,
        }
        for text, ones in by_text(table).items()
    ]
    return as_lines(folder / "x.jsonl", rows), {"answers": "answers"}


def long(folder: Path, table: Sequence[One]) -> tuple[Path, dict[str, Any]]:
    rows = [
        {
            "text": one.text,
            "tone": one.label,
            "coder": one.who,
            "response_status": "submitted" if one.counts else "rejected",
        }
        for one in table
    ]
    return as_csv(folder / "x.csv", rows), {"answers": "tone"}


def wide(folder: Path, table: Sequence[One]) -> tuple[Path, dict[str, Any]]:
    rows = [
        {
            "text": text,
            **dict.fromkeys(PEOPLE, ""),
            **{one.who: one.label for one in ones if one.counts},
        }
        for text, ones in by_text(table).items()
    ]
    return as_csv(folder / "x.csv", rows), {"answers": PEOPLE}


def objects(folder: Path, table: Sequence[One]) -> tuple[Path, dict[str, Any]]:
    rows = [
        {
            "text": text,
            "given": [
                {
                    "by": one.who,
                    "choice": one.label,
                    "status": "accepted" if one.counts else "skipped",
                }
                for one in ones
            ],
        }
        for text, ones in by_text(table).items()
    ]
    return as_csv(folder / "x.csv", rows), {"answers": "given"}


def one_hot(folder: Path, table: Sequence[One]) -> tuple[Path, dict[str, Any]]:
    rows = [
        {
            "text": one.text,
            "annotator": one.who,
            "was_cancelled": not one.counts,
            **{f"is {label}": float(label == one.label) for label in LABELS},
        }
        for one in table
    ]
    return as_csv(folder / "x.csv", rows), {"answers": "is *"}


FORMATS: tuple[Write, ...] = (
    argilla_lines,
    argilla_csv,
    argilla_feedback,
    prodigy,
    prodigy_choices,
    label_studio,
    loopd,
    long,
    wide,
    objects,
    one_hot,
)


@pytest.mark.parametrize("write", FORMATS)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(table=tables())
def test_what_counts_comes_back_and_nothing_else(
    tmp_path: Path, write: Write, table: list[One]
) -> None:
    path, keys = write(tmp_path, table)
    assert answers(path, **keys) == expected(table)
    _, report = read(path, **keys)
    counting = [one for one in table if one.counts]
    assert report.said.read == len(counting)
    assert report.said.there == len(counting if write is wide else table)
