"""Known labels of every kind of task, and earlier answers, from every kind of file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from loopd.config import DataSection
from loopd.data.pool import Pool
from loopd.data.reading import ReadingReport, read_pool
from loopd.errors import DataError
from loopd.records import PoolId, Record, Span

TOPICS = ("price", "service", "food")

NER = ("PER", "LOC")

NONE = "None of these"


def read(
    path: Path, kind: str, rows: list[Any] | str, **options: Any
) -> tuple[Pool, ReadingReport]:
    """Write and read label cells: a list for JSON Lines, or the text of a CSV file."""
    if isinstance(rows, str):
        path = path.with_suffix(".csv")
        path.write_text(rows, encoding="utf-8")
    else:
        lines = [{"text": f"Ann is in Rome {n}", "label": cell} for n, cell in enumerate(rows)]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    keys = {
        name: options.pop(name) for name in ("answers", "annotator", "separator") if name in options
    }
    section = DataSection(path=path, label=options.pop("label", "label"), tolerate=1, **keys)
    labels = NER if kind == "spans" else TOPICS
    return read_pool(section, labels=labels, kind=kind, **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pool.jsonl"


def golds(pool: Pool) -> list[object]:
    return [record.gold for record in pool]


# -- several labels --------------------------------------------------------------------------------


def test_several_labels_come_in_the_order_of_the_task(path: Path) -> None:
    cells = [["food", "price"], [], None, "service", " food | price ", '["food"]', "", [NONE]]
    pool, report = read(path, "multi_label", cells, none_label=NONE)
    known = [("price", "food"), (), None, ("service",), ("price", "food"), ("food",), None, ()]
    assert golds(pool) == known
    assert report.unlabeled == 2


def test_several_labels_in_csv(path: Path) -> None:
    rows = 'text,label\na,food;price\nb,\nc,;\nd,"[""food""]"\n'
    pool, _ = read(path, "multi_label", rows, separator=";")
    assert golds(pool) == [("price", "food"), None, (), ("food",)]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (["food", "food"], "label 'food' is there twice"),
        (["food", "fod"], "unknown label 'fod', nearest is 'food'"),
        (["food", NONE], "'None of these' together with labels"),
        ({"food": 1}, "an object, not a list of labels"),
        ("[food", "'[food' is not JSON"),
    ],
)
def test_several_labels_that_cannot_be_used(path: Path, cell: object, reason: str) -> None:
    pool, report = read(path, "multi_label", [["food"], cell], none_label=NONE)
    assert golds(pool) == [("food",), None]
    assert report.examples == (f"line 2: {reason}",)
    with pytest.raises(DataError) as caught:
        read(path, "multi_label", [["food"], cell], none_label=NONE, require_gold=True)
    if reason.startswith("unknown"):
        assert "did you mean 'food'" in caught.value.hint
    else:
        assert caught.value.message == f"pool.jsonl, line 2: {reason}"


# -- spans -----------------------------------------------------------------------------------------

ANN, ROME = Span(0, 3, "PER"), Span(10, 14, "LOC")


@pytest.mark.parametrize(
    "cell",
    [
        [[10, 14, "LOC"], [0, 3, "PER"]],
        [
            {"start": 0, "end": 3, "label": "PER", "token_end": 0},
            {"start": 10, "end": 14, "label": "LOC"},
        ],
        {"start": [0.0, 10], "end": [3, 14], "label": ["PER", "LOC"]},
        '[[0, 3, "PER"], [10, 14, "LOC"]]',
    ],
)
def test_spans_come_by_their_start(path: Path, cell: object) -> None:
    pool, _ = read(path, "spans", [cell, [], None, ""])
    assert golds(pool) == [(ANN, ROME), (), None, None]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ([[0, 5, "PER"], [4, 6, "LOC"]], "spans 0-5 PER and 4-6 LOC overlap"),
        ([[0, 3, "PER"], [0, 3, "PER"]], "spans 0-3 PER and 0-3 PER overlap"),
        ([[0, 99, "PER"]], "span 0-99 PER is not inside the text of 16 characters"),
        ([[3, 3, "PER"]], "span 3-3 PER is not inside the text of 16 characters"),
        ([[-1, 3, "PER"]], "span -1-3 PER is not inside the text of 16 characters"),
        ([[0, 3, "PRE"]], "unknown label 'PRE', nearest is 'PER'"),
        ([[0, "3", "PER"]], "'3' is no offset: it must be a whole number"),
        ([[0, True, "PER"]], "'True' is no offset: it must be a whole number"),
        ([[0, 3]], "'[0, 3]' is no span: it needs start, end and label"),
        ([[0, 3, 1]], "the label of a span is '1'"),
        ({"start": 1}, "an object, not a list of spans"),
        ("PER", "'PER' is not JSON"),
        (7, "'7' is no list of spans"),
    ],
)
def test_spans_that_cannot_be_used(path: Path, cell: object, reason: str) -> None:
    pool, report = read(path, "spans", [[], cell])
    assert golds(pool) == [(), None]
    assert report.examples == (f"line 2: {reason}",)
    with pytest.raises(DataError, match=r"pool\.jsonl") as caught:
        read(path, "spans", [[], cell], require_gold=True)
    if reason.startswith("unknown"):
        assert "did you mean 'PER'" in caught.value.hint
    else:
        assert caught.value.message == f"pool.jsonl, line 2: {reason}"


def test_tokens_with_tags(path: Path) -> None:
    rows = [
        {"tokens": ["Ann", "B", "."], "tags": ["B-PER", "I-PER", "O"]},
        {"tokens": ["Rome"], "tags": []},
        {"tokens": ["Oslo"], "tags": ["B-LOC", "O"]},
        {"tokens": ["a", ""], "tags": ["O", "O"]},
        {"tokens": ["Bonn"], "tags": ["E-LOC"]},
        {"tokens": ["Kyiv"]},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    section = DataSection(path=path, text="tokens", label="tags", tolerate=1)
    pool, report = read_pool(section, labels=NER, kind="spans")
    assert [(record.text, record.gold) for record in pool] == [
        ("Ann B .", (Span(0, 5, "PER"),)),
        ("Rome", ()),
        ("Oslo", None),
        ("Bonn", None),
        ("Kyiv", None),
    ]
    assert report.refused == 1
    assert "line 3: 2 tags for 1 tokens" in report.examples
    assert "line 5: pool.jsonl, line 5: 'E-LOC' is no tag" in report.examples


@pytest.mark.parametrize("place", ["set.parquet", "folder"])
def test_class_numbers_in_lists_and_spans_turn_into_names(tmp_path: Path, place: str) -> None:
    import datasets as hf

    classes = hf.ClassLabel(names=list(NER))
    span = {"start": hf.Value("int32"), "end": hf.Value("int32"), "label": classes}
    features = hf.Features(
        {"text": hf.List(hf.Value("string")), "tags": hf.List(hf.ClassLabel(names=["O", "B-PER"]))}
        | {"spans": hf.List(span), "whole": hf.Value("string")}
    )
    rows = {
        "text": [["Ann", "is"]],
        "tags": [[1, 0]],
        "spans": [[{"start": 0, "end": 3, "label": 0}]],
        "whole": ["Ann is"],
    }
    data = hf.Dataset.from_dict(rows, features)
    if place == "folder":
        data.save_to_disk(str(tmp_path / place))
    else:
        data.to_parquet(str(tmp_path / place))
    for text, label in (("text", "tags"), ("whole", "spans")):
        section = DataSection(path=tmp_path / place, text=text, label=label)
        pool, _ = read_pool(section, labels=NER, kind="spans")
        assert [(record.text, record.gold) for record in pool] == [("Ann is", (ANN,))]


# -- fingerprints ----------------------------------------------------------------------------------


def test_the_fingerprint_of_a_single_label_pool_is_the_old_one() -> None:
    records = (Record(PoolId("1"), "a", "x"), Record(PoolId("2"), "b"))
    old = hashlib.sha256(b"\0".join([b"1", b"a", b"x", b"2", b"b", b"", b""])).hexdigest()[:16]
    assert Pool(records).fingerprint == old


def test_the_fingerprint_knows_targets_of_every_kind() -> None:
    golds = [None, (), ("x",), ("x", "y"), ("xy",), (ANN,), (ANN, ROME), (Span(0, 3, "LOC"),)]
    assert len({Pool((Record(PoolId("1"), "a", gold),)).fingerprint for gold in golds}) == len(
        golds
    )


# -- earlier answers -------------------------------------------------------------------------------


def answers(pool: Pool) -> list[object]:
    return [record.answers for record in pool]


def test_answers_of_a_named_annotator_and_of_several(path: Path) -> None:
    cells = [
        "food",
        None,
        {"ann": "food", "bo": "price", "cy": None},
        '{"ann": "food"}',
        {"cy": ""},
    ]
    pool, report = read(path, "single_label", cells, answers="label", annotator="team", label=None)
    assert answers(pool) == [
        (("team", "food"),),
        (),
        (("ann", "food"), ("bo", "price")),
        (("ann", "food"),),
        (),
    ]
    assert golds(pool) == [None] * 5
    assert (report.answers, report.unlabeled) == (4, 0)
    assert report.lines()[0] == "pool.jsonl: 5 rows, 5 kept, 4 answers"


def test_answers_of_several_labels_and_of_spans_are_what_argilla_gives(path: Path) -> None:
    cells = [["food", "price"], {"ann": [], "bo": "food"}]
    pool, _ = read(path, "multi_label", cells, answers="label", none_label=NONE)
    assert answers(pool) == [
        (("imported", ["price", "food"]),),
        (("ann", [NONE]), ("bo", ["food"])),
    ]
    spans = {"start": [0], "end": [3], "label": ["PER"]}
    pool, _ = read(path, "spans", [[[0, 3, "PER"]], [], {"ann": []}, spans], answers="label")
    value = [{"start": 0, "end": 3, "label": "PER"}]
    assert answers(pool) == [
        (("imported", value),),
        (("imported", []),),
        (("ann", []),),
        (("imported", value),),
    ]


def test_answers_that_cannot_be_used_are_reported_and_left_out(path: Path) -> None:
    cells = [{"ann": "food", "bo": "fod", " ": "food", "x" * 256: "food"}, "{broken", "fod"]
    pool, report = read(path, "single_label", cells, answers="label", label=None)
    assert answers(pool) == [(("ann", "food"),), (), ()]
    assert (report.answers, report.unusable_answers) == (1, 5)
    assert report.examples[0] == "line 1: answer of 'bo': unknown label 'fod', nearest is 'food'"
    pool, report = read(path, "multi_label", [[]], answers="label", label=None)
    assert report.examples == (
        "line 1: answer of 'imported': no label, and the task has no none_label",
    )


def test_rows_that_repeat_a_text_bring_the_answers_of_others(path: Path) -> None:
    rows = [("a", {"ann": "food"}), ("b", None), ("a", {"bo": "price", "ann": "price"})]
    path.write_text("".join(json.dumps({"text": text, "y": y}) + "\n" for text, y in rows))
    section = DataSection(path=path, answers="y", tolerate=1)
    pool, report = read_pool(section, labels=TOPICS, kind="single_label")
    assert answers(pool) == [(("ann", "food"), ("bo", "price")), ()]
    assert (report.duplicates, report.answers, report.unusable_answers) == (1, 2, 1)
    assert "line 3: answer of 'ann': a second answer of the same annotator" in report.examples


def test_answers_in_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    given = pa.array([{"ann": "food", "bo": None}, None])
    pairs = pa.array([[("ann", "food")], []], pa.map_(pa.string(), pa.string()))
    table = pa.table({"text": ["a", "b"], "struct": given, "map": pairs})
    parquet.write_table(table, tmp_path / "pool.parquet")
    for column in ("struct", "map"):
        section = DataSection(path=tmp_path / "pool.parquet", answers=column)
        pool, _ = read_pool(section, labels=TOPICS)
        assert answers(pool) == [(("ann", "food"),), ()]


@pytest.mark.parametrize("mark", ["\u200e", "\u200f", "\u061c", "\xad", "\u200b", "\u00a0"])
def test_marks_around_a_label_do_not_count(path: Path, mark: str) -> None:
    pool, report = read(path, "single_label", [f"{mark}food{mark}"])
    assert [record.gold for record in pool] == ["food"]
    assert report.is_whole


def test_labels_that_doccano_joined_are_told_apart_in_the_message(path: Path) -> None:
    _, report = read(path, "multi_label", ["food#price"])
    assert "may be 2 labels with '#' between them" in report.examples[0]
