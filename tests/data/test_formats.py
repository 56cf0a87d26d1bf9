"""CoNLL and JSON Lines, ours and Prodigy's: in and out are the identity."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from loopd.config import DataSection
from loopd.config.task import INVISIBLE
from loopd.data.conll import conll_lines, conll_text
from loopd.data.json_lines import jsonl_lines, prodigy_lines
from loopd.data.pool import content_id
from loopd.data.reading import read_pool
from loopd.data.tokens import WHITE
from loopd.errors import DataError
from loopd.records import PoolId, Record, Span

LABELS = ("person", "creative work", "O", "B-x", "مكان", "#")

NER = ("PER", "LOC")

CHARACTERS = st.sampled_from("aB.,'#\"=O-  \t\n\r\u00a0\u2028\ufeff\u200dé👩🏽e\u0301אש1")
"""White space of all kinds, punctuation, emoji of several characters, right-to-left letters."""


def readable(text: str) -> bool:
    return bool(text.strip().strip(INVISIBLE))


@st.composite
def tagged_texts(draw: st.DrawFn) -> tuple[str, tuple[Span, ...]]:
    text = draw(st.text(CHARACTERS, min_size=1, max_size=40).filter(readable))
    borders = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    chosen = draw(st.lists(st.booleans(), min_size=len(borders), max_size=len(borders)))
    labels = st.sampled_from(LABELS)
    return text, tuple(
        Span(start, end, draw(labels))
        for (start, end), wanted in zip(pairwise(borders), chosen, strict=False)
        if wanted
    )


def record_of(text: str, spans: tuple[Span, ...] | None, number: int | None = None) -> Record:
    return Record(
        PoolId(content_id(text)) if number is None else PoolId(f"r {number}"), text, spans
    )


def trimmed(record: Record) -> Record:
    """The record without spans that begin or end with white space, which CoNLL cannot say."""
    assert isinstance(record.gold, tuple)
    kept = [
        span
        for span in record.gold
        if isinstance(span, Span)
        and record.text[span.start] not in WHITE
        and record.text[span.end - 1] not in WHITE
    ]
    return Record(record.id, record.text, tuple(kept))


Writer = Callable[[Iterable[Record]], Iterator[str]]


def rewritten(path: Path, write: Writer, label: str, records: list[Record]) -> None:
    """Check that writing, reading and writing again gives the same records and the same bytes."""
    content = "".join(write(records)).encode()
    path.write_bytes(content)
    section = DataSection(path=path, id="id", label=label)
    pool, _ = read_pool(section, labels=LABELS, kind="spans")
    assert list(pool) == records
    assert "".join(write(pool)).encode() == content


FORMATS = {
    "conll": (conll_lines, "tags", ".conll"),
    "prodigy": (prodigy_lines, "spans", ".jsonl"),
    "jsonl": (jsonl_lines, "label", ".jsonl"),
}


@pytest.mark.parametrize("name", FORMATS)
@given(texts=st.lists(tagged_texts(), min_size=1, max_size=4, unique_by=lambda each: each[0]))
@example(texts=[("\ufeffa", ()), ("-DOCSTART-", ()), ("# id = x", (Span(0, 1, "person"),))])
@example(texts=[('"ab"', ()), ('"a b"\n', (Span(1, 2, "O"),)), ("#", ()), ("a\u00a0b  c", ())])
@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_in_and_out_are_the_identity(
    name: str, tmp_path: Path, texts: list[tuple[str, tuple[Span, ...]]]
) -> None:
    write, label, suffix = FORMATS[name]
    records = [
        record_of(text, spans, number if number % 2 else None)
        for number, (text, spans) in enumerate(texts)
    ]
    if name == "conll":
        records = [trimmed(record) for record in records]
    rewritten(tmp_path / f"texts{suffix}", write, label, records)


@given(tagged_texts())
@settings(deadline=None)
def test_prodigy_tokens_spell_the_text_and_fit_the_spans(
    case: tuple[str, tuple[Span, ...]],
) -> None:
    text, spans = case
    (line,) = prodigy_lines([record_of(text, spans)])
    task = json.loads(line)
    tokens = task["tokens"]
    assert "".join(token["text"] + " " * token["ws"] for token in tokens) == text
    assert [token["id"] for token in tokens] == list(range(len(tokens)))
    for span in task["spans"]:
        first, last = tokens[span["token_start"]], tokens[span["token_end"]]
        assert (first["start"], last["end"]) == (span["start"], span["end"])


def test_what_prodigy_lines_look_like() -> None:
    (line,) = prodigy_lines([Record(PoolId("r1"), "In Paris.", (Span(3, 8, "LOC"),))])
    assert json.loads(line) == {
        "id": "r1",
        "text": "In Paris.",
        "tokens": [
            {"text": "In", "start": 0, "end": 2, "id": 0, "ws": True},
            {"text": "Paris", "start": 3, "end": 8, "id": 1, "ws": False},
            {"text": ".", "start": 8, "end": 9, "id": 2, "ws": False},
        ],
        "spans": [{"start": 3, "end": 8, "token_start": 1, "token_end": 1, "label": "LOC"}],
        "answer": "accept",
    }


def test_unknown_spans_are_ignored_in_prodigy(tmp_path: Path) -> None:
    records = [
        Record(PoolId("r1"), "a b"),
        Record(PoolId("r2"), "c d", ()),
        Record(PoolId("r3"), "e", ()),
    ]
    path = tmp_path / "tasks.jsonl"
    lines = list(prodigy_lines(records))
    path.write_text("".join(lines).replace('"answer":"accept"', '"answer":"reject"', 1))
    pool, report = read_pool(
        DataSection(path=path, id="id", label="spans"), labels=NER, kind="spans"
    )
    assert [record.gold for record in pool] == [None, None, ()]
    assert report.unlabeled == 2


@pytest.mark.parametrize("column", ["label", "answers"])
def test_what_prodigy_accepts_without_spans_has_no_entities(tmp_path: Path, column: str) -> None:
    tasks = [
        {"text": "nothing", "answer": "accept"},
        {"text": "null", "spans": None, "answer": "accept"},
        {"text": "skipped", "answer": "ignore"},
        {"text": "wrong", "spans": [], "answer": "reject"},
        {"text": "not seen yet"},
    ]
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    section = DataSection(path=path, annotator="ann", **{column: "spans"})
    pool, _ = read_pool(section, labels=NER, kind="spans")
    answers: Any = ((("ann", []),), ())
    none, unknown = ((), None) if column == "label" else answers
    found = [record.gold if column == "label" else record.answers for record in pool]
    assert found == [none, none, unknown, unknown, unknown]


# -- CoNLL -----------------------------------------------------------------------------------------


def read_conll(path: Path, content: str, **keys: str) -> list[Record]:
    path.write_bytes(content.encode())
    section = DataSection(path=path, **{"label": "tags", **keys})
    return list(read_pool(section, labels=NER, kind="spans")[0])


def spans(records: list[Record]) -> list[list[tuple[str, str]]]:
    found = []
    for record in records:
        assert isinstance(record.gold, tuple)
        marked = [each for each in record.gold if isinstance(each, Span)]
        found.append([(record.text[span.start : span.end], span.label) for span in marked])
    return found


PLAIN = "EU\tB-PER\nof\tI-PER\nParis\tB-LOC\nRome\tB-LOC\n.\tO\n\n#\tO\ntag\tI-O\n\n".replace(
    "tag\tI-O", "tag\tB-PER"
)


def test_a_plain_file_goes_out_as_it_came(tmp_path: Path) -> None:
    records = read_conll(tmp_path / "plain.iob2", PLAIN)
    assert [record.text for record in records] == ["EU of Paris Rome .", "# tag"]
    assert spans(records) == [
        [("EU of", "PER"), ("Paris", "LOC"), ("Rome", "LOC")],
        [("tag", "PER")],
    ]
    assert "".join(conll_lines(records)) == PLAIN


def test_spaces_further_columns_documents_and_comments(tmp_path: Path) -> None:
    content = (
        "-DOCSTART- -X- -X- O\r\n\r\n# a comment\r\n# sent_id = s1\r\n"
        "Ann NNP I-NP B-PER\r\nsleeps VBZ I-VP O\r\n\r\n\r\n# sent_id = s2\r\n"
        "# text = (Ann)\r\n( X X O\r\n# NN B-NP O\r\n".replace("# NN B-NP O\r\n", "")
        + "Ann NNP I-NP B-PER\r\n) X X O"
    )
    records = read_conll(tmp_path / "old.bio", content, id="id")
    assert [(record.id, record.text) for record in records] == [
        ("s1", "Ann sleeps"),
        ("s2", "(Ann)"),
    ]
    assert spans(records) == [[("Ann", "PER")], [("Ann", "PER")]]


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ("# a note on vitamin O\nAnn B-PER\n", ["Ann"]),
        ("# a note on vitamin O\n\nAnn B-PER\n", ["Ann"]),
        ("# see page O\nAnn NNP B-PER\n\n# NN O\n1 CD O\n", ["Ann", "# 1"]),
        ("# O\nAnn\tB-PER\n", ["Ann"]),  # no tab
        ("-DOCSTART- -X- O O\n\n# a b O\n\n# O\n\nAnn B-PER\n", ["#", "Ann"]),
        ("# a b O\n\n#1\tO\n", ["#1"]),
        ("#tag O\nAnn B-PER\n# O\n", ["#tag Ann #"]),
    ],
)
def test_a_hash_is_a_token_where_its_line_looks_like_the_others(
    tmp_path: Path, content: str, texts: list[str]
) -> None:
    assert [record.text for record in read_conll(tmp_path / "a.conll", content)] == texts


@pytest.mark.parametrize(
    "content",
    [
        "-DOCSTART- -X- O O\nAnn NNP I-NP B-PER\n\nBob NNP I-NP B-PER\n",
        "Ann B-PER\n-DOCSTART- O\nBob B-PER\n",
        "-DOCSTART- O\n\nAnn B-PER\n\n-DOCSTART- O\n\n-DOCSTART- O\nBob B-PER\n-DOCSTART- O\n",
    ],
)
def test_a_document_that_is_glued_to_a_sentence_is_a_border(tmp_path: Path, content: str) -> None:
    records = read_conll(tmp_path / "a.conll", content)
    assert [record.text for record in records] == ["Ann", "Bob"]
    assert spans(records) == [[("Ann", "PER")], [("Bob", "PER")]]


@pytest.mark.parametrize("tag", ["B-PER ", " B-PER", "B- PER", "B-PER\u00a0"])
def test_white_space_around_a_tag_does_not_count(tmp_path: Path, tag: str) -> None:
    records = read_conll(tmp_path / "a.conll", f"Ann\t{tag}\nLee\tI-PER\nis\tO \n")
    assert spans(records) == [[("Ann Lee", "PER")]]


def test_a_text_that_holds_the_word_of_a_border_comes_back(tmp_path: Path) -> None:
    records = [Record(content_id(text), text, ()) for text in ("-DOCSTART- a", "a -DOCSTART-")]
    assert list(read_conll(tmp_path / "a.conll", "".join(conll_lines(records)))) == records


def test_iob1_is_read(tmp_path: Path) -> None:
    content = "A I-PER\nB I-PER\nC B-PER\nD I-LOC\nE O\nF I-LOC\n"
    records = read_conll(tmp_path / "one.iob", content)
    assert spans(records) == [[("A B", "PER"), ("C", "PER"), ("D", "LOC"), ("F", "LOC")]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("A B-PER\n\nB O\nC I-LOC\n", "line 4: I-LOC begins an entity, but on line 1 B-PER does"),
        ("A I-PER\nB O\nC B-LOC\n", "line 1: I-PER begins an entity, but on line 3 B-LOC does"),
        ("A S-PER\n", "line 1: 'S-PER' is no tag"),
        ("A B-\n", "'B-' is no tag"),
        ("A O\nword\n", "line 2: one column only"),
        ("# text = A C\nA O\nB O\n", "line 2: the tokens are not those of the text above"),
    ],
)
def test_what_is_no_conll_says_where(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_conll(tmp_path / "bad.conll", content)


def test_conll_has_three_columns_and_is_for_spans(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'label'; it has 'text', 'id', 'tags'"):
        read_conll(tmp_path / "a.conll", "A O\n", label="label")
    with pytest.raises(DataError, match=r"a\.conll holds tagged tokens"):
        read_pool(DataSection(path=tmp_path / "a.conll"), labels=None)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            Record(PoolId("r"), "a b", (Span(0, 2, "PER"),)),
            "span 0-2 begins or ends with white space",
        ),
        (
            Record(PoolId("r"), "a \t b", (Span(2, 3, "PER"),)),
            "span 2-3 begins or ends with white space",
        ),
        (Record(PoolId("r"), "ab", (Span(0, 1, "P\tR"),)), "holds a tab or a line break"),
        (Record(PoolId("r"), "ab"), "its spans are not known"),
    ],
)
def test_what_conll_cannot_say_is_refused(record: Record, message: str) -> None:
    with pytest.raises(DataError, match=message):
        conll_text(record)


def test_a_span_inside_a_word_is_not_lost() -> None:
    record = Record(PoolId("r"), "unParisian!", (Span(2, 7, "LOC"),))
    assert conll_text(record) == (
        "# id = r\n# text = unParisian!\nun\tO\nParis\tB-LOC\nian!\tO\n\n"
    )


@pytest.mark.parametrize("border", ["-DOCSTART- -X- O O", "-DOCSTART-\tO", "-DOCSTART-"])
@pytest.mark.parametrize("gap", ["", "\n"])
def test_a_beginning_of_a_document_is_no_token_of_the_text_beside_it(
    tmp_path: Path, border: str, gap: str
) -> None:
    path = tmp_path / "pool.conll"
    path.write_text(
        f"{border}\n{gap}Ann X B-PER\nsaw X O\n{gap}{border}\n{gap}# id = r2\nRome X B-LOC\n"
    )
    section = DataSection(path=path, id="id", label="tags")
    pool, _ = read_pool(section, labels=NER, kind="spans")
    assert [record.text for record in pool] == ["Ann saw", "Rome"]
    assert pool.records[1].id == "r2"


@pytest.mark.parametrize("text", ["-DOCSTART-", "see -DOCSTART- there", "-DOCSTART- and more"])
def test_a_text_may_hold_the_word(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pool.conll"
    path.write_text("".join(conll_lines([record_of(text, ())])))
    pool, _ = read_pool(DataSection(path=path, label="tags"), labels=NER, kind="spans")
    assert [record.text for record in pool] == [text]
