"""Texts and labels that mean harm: counted and left out, or they come back as they were given."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.escaping import original, shown
from loopd.config import ArgillaSection, DataSection, TaskSection
from loopd.data.pool import Pool
from loopd.data.reading import read_pool
from loopd.errors import ConfigError
from loopd.events import AnswersCollected
from loopd.printable import printable
from loopd.records import AnswerStatus, Batch, BatchItem, ExternalId, Span, Suggestion, Target
from loopd.storage.codec import decode, encode
from loopd.tasks.registry import build_task
from tests.live import LiveArgilla

TEXTS = {
    "script": "<script>alert(1)</script> good",
    "image": "<img src=x onerror=alert(1)> good",
    "comment": "<!-- good --> --> ]]> <![CDATA[ x",
    "references": "&lt;b&gt; &amp;amp; &#0; &#x1b; &nosuch;",
    "template": "{{ constructor.constructor('alert(1)')() }} ${x}",
    "controls": "bell\x07 escape\x1b[2J\x1b]0;title\x07 delete\x7f c1\x9b31m",
    "lines": "a\r\nb\rc\u2028d\x85e\x0bf\x0cg",
    "bidi": "\u202egnp.exe\u2066 \u200b\u00adzero",
    "emoji": "😀👩‍👩‍👧 e\u0301 \U0010ffff",
    "sql": "'; DROP TABLE records; -- \" ` \\",
    "csv": '=cmd|"/c calc"!A1',
}

LABELS = ["<b>bold</b>", "&amp;", "'; --", "{{7*7}}", "\u202eright", "../../x", "😀"]


def written(path: Path, rows: list[object]) -> DataSection:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return DataSection(path=path, id="id")


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    rows: list[object] = [{"id": name, "text": text} for name, text in TEXTS.items()]
    found, report = read_pool(written(tmp_path / "pool.jsonl", rows), labels=tuple(LABELS))
    assert report.kept == len(TEXTS)
    return found


def test_what_cannot_be_stored_is_left_out_and_counted(tmp_path: Path) -> None:
    texts = ["x" * 10_000_000, "nul \0", "half \ud800 pair", "\udcff", "\u200b\ufeff", {"a": 1}]
    rows: list[object] = [
        {"id": str(number), "text": text} for number, text in enumerate([*texts, "fine"])
    ]
    section = written(tmp_path / "pool.jsonl", rows).model_copy(update={"tolerate": 1.0})
    pool, report = read_pool(section, labels=None)
    assert pool.texts == ["fine"]
    assert (report.refused, report.empty) == (5, 1)
    assert all(line.isprintable() and len(line) < 200 for line in report.lines())


@pytest.mark.parametrize("label", ["a\0", "a\x1b[2J", "a\nb", "a\x9b", "a\ud800", "a\u2028b"])
def test_labels_that_would_steer_a_terminal_are_refused(label: str, tmp_path: Path) -> None:
    from loopd.config_file import parse_config

    tree = {"task": {"labels": ["x", label]}, "pool": {"path": "p.csv"}}
    with pytest.raises(ConfigError, match="control character") as caught:
        parse_config(tree, tmp_path)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_is_shown_has_no_tag_and_comes_back(text: str) -> None:
    assert original(shown(text)) == text
    assert "<s" not in shown(text)
    assert "<i" not in shown(text)
    assert printable(text).replace("\n", "").replace("\u200d", "").isprintable()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        pytest.param("single_label", LABELS, marks=pytest.mark.slow),
        pytest.param(
            "multi_label",
            [[label, LABELS[0]] for label in LABELS[1:]],
            marks=pytest.mark.slow,
        ),
        ("spans", [[{"start": 0, "end": 2, "label": label}] for label in LABELS]),
    ],
)
@pytest.mark.integration
def test_they_come_back_from_argilla_as_given(
    argilla: LiveArgilla, pool: Pool, kind: str, values: list[object]
) -> None:
    """Published with suggestions, answered over the API, read, journaled and read again."""
    task = build_task(TaskSection.model_validate({"type": kind, "labels": LABELS}))
    name = f"hostile-{uuid.uuid4().hex[:10]}"
    section = ArgillaSection(url=argilla.url, dataset=name)
    store = ArgillaStore(section, argilla.owner_key, DatasetPlan(task, "<b>{{x}}</b>", 1))
    people = argilla.people(name)
    store.open(pool, fresh=True)
    items = tuple(_items(kind, pool))
    store.publish(Batch("b0000", 0, "random", "m", items), {each.id: each.text for each in pool})
    fields = {each["external_id"]: each["fields"]["text"] for each in people.records()}
    assert {key: original(field).rstrip() for key, field in fields.items()} == {
        key: text.rstrip() for key, text in TEXTS.items()
    }
    given = dict(zip(TEXTS, values * 2, strict=False))
    for record_id, value in given.items():
        people.submit(record_id, "ann", value)
    answers = store.sweep([*map(ExternalId, TEXTS)]).answers
    store.close()
    people.close()
    assert {answer.status for answer in answers} == {AnswerStatus.SUBMITTED}
    found = {answer.external_id: answer.value for answer in answers}
    if kind != "spans":  # offsets are counted anew where characters are wide
        assert found == given
    event = AnswersCollected(1.0, answers, (), ())
    assert decode(*encode(event)) == event
    assert all(task.target(value) is not None for value in found.values())


def _items(kind: str, pool: Pool) -> Iterator[BatchItem]:
    for number, record in enumerate(pool):
        label = LABELS[number % len(LABELS)]
        target: Target = label
        if kind == "multi_label":
            target = (label,)
        elif kind == "spans":
            target = (Span(0, len(record.text), label),)
        score = 0.5 if kind == "single_label" else (0.5,)
        yield BatchItem(record.id, 0.5, Suggestion(target, score))
