"""Spans to atoms and back: nothing is lost, whatever the text."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from loopd.config import ClassifierSection
from loopd.errors import DataError
from loopd.learning.spans.alignment import (
    atoms,
    checked,
    refined,
    spans_of,
    tagged,
    trimmed,
)
from loopd.learning.spans.tokens import SpanTokens, Vocabulary, span_tokens
from loopd.records import Span

LABELS = ("person", "creative-work", "B-odd")

FRAGMENTS = (
    "Paris", "don't", "e-mail", "@user_name", "3.5km", "http://t.co/a?b=c", "naïve", "ﬁne", "İ",
    "👩‍👩‍👧", "👍🏽", "🇩🇪", "❤️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "e\u0301", "\u0301", "\u200d", "\u200f", "\u00ad", "\ufeff",
    "שלום", "مرحبا", "می‌خواهم", "東京に行く", "สวัสดี", "नमस्ते", "한국어", "[SEP]", "[UNK]", "##s",
    " ", "  ", "\t", "\r\n", "\u00a0", "\u3000", "\x00", "\x07", "\ufffd", "\ue000", "…", "“x”",
    "x" * 130, "\ud800", "½", "Ⅷ", "a\u0327\u0323",
)  # fmt: skip

TEXTS = st.lists(
    st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), min_size=1, max_size=12
).map("".join)


@st.composite
def labelled_texts(draw: st.DrawFn) -> tuple[str, tuple[Span, ...]]:
    """A text and legal spans of it: anywhere, also inside words and graphemes, also adjacent."""
    text = draw(TEXTS.filter(bool))
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=10)))
    spans = [
        Span(start, end, draw(st.sampled_from(LABELS)))
        for start, end in pairwise(cuts)
        if draw(st.booleans())
    ]
    return text, tuple(spans)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    """That of the packaged model."""
    from transformers import AutoTokenizer

    from loopd.learning.classifiers.source import locate

    tokenizer = AutoTokenizer.from_pretrained(locate(ClassifierSection().model))
    return Vocabulary(
        lambda some: tokenizer(list(some), add_special_tokens=False)["input_ids"],
        [tokenizer.cls_token_id],
        [tokenizer.sep_token_id],
        tokenizer.unk_token_id,
        4096,
    )


def tokens_of(text: str, spans: tuple[Span, ...], vocabulary: Vocabulary) -> SpanTokens:
    borders = refined(atoms(text), spans)
    return span_tokens([text], vocabulary, lambda done, total: None, [borders])


def back_and_forth(text: str, spans: tuple[Span, ...], vocabulary: Vocabulary) -> None:
    """Spans to tags of tokens, as a model sees them, and back from these alone."""
    store = tokens_of(text, spans, vocabulary)
    ids, firsts = store[np.array([0])][0], store.firsts(0)
    of_tokens = np.full(len(ids), -100)
    of_tokens[firsts] = tagged(store.borders(0), spans, LABELS)
    assert len(set(firsts.tolist())) == len(firsts) == store.counts[0]
    assert [ids[0], ids[-1]] == [vocabulary.before[0], vocabulary.after[0]]
    assert all(0 < first < len(ids) - 1 for first in firsts.tolist())
    assert spans_of(store.borders(0), of_tokens[firsts], LABELS) == spans


COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(COMMON, max_examples=500)
@given(labelled_texts())
def test_spans_to_tokens_and_back_lose_nothing(
    vocabulary: Vocabulary, some: tuple[str, tuple[Span, ...]]
) -> None:
    back_and_forth(*some, vocabulary)


@pytest.mark.slow
@settings(COMMON, max_examples=10_000)
@given(labelled_texts())
def test_spans_to_tokens_and_back_lose_nothing_in_ten_thousand_texts(
    vocabulary: Vocabulary, some: tuple[str, tuple[Span, ...]]
) -> None:
    back_and_forth(*some, vocabulary)


@settings(max_examples=100, deadline=None)
@given(TEXTS)
@example("\t\u0301")  # a mark on what nothing can sit on
@example("a\u200b\u0301 \n\u0301")
def test_atoms_cover_all_that_is_visible_once(text: str) -> None:
    borders = atoms(text)
    flat = borders.reshape(-1).tolist()
    assert flat == sorted(flat)
    assert (borders[:, 0] < borders[:, 1]).all()
    inside = np.zeros(len(text), dtype=bool)
    for start, end in borders.tolist():
        inside[start:end] = True
    assert not any(char.isalnum() and not inside[place] for place, char in enumerate(text))
    assert not any(text[start:end].isspace() for start, end in borders.tolist())


@settings(max_examples=100, deadline=None)
@given(labelled_texts())
def test_spans_that_begin_and_end_with_atoms_need_no_cut(
    some: tuple[str, tuple[Span, ...]],
) -> None:
    text, _ = some
    borders = atoms(text)
    spans = tuple(Span(start, end, "person") for start, end in borders.tolist())
    assert np.array_equal(refined(borders, spans), borders)
    assert spans_of(borders, tagged(borders, spans, LABELS), LABELS) == spans


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("I don't", ["I", "don", "'", "t"]),
        ("@a_b 3.5km!", ["@", "a", "_", "b", "3", ".", "5km", "!"]),
        ("👩‍👩‍👧🇩🇪👍🏽", ["👩‍👩‍👧", "🇩🇪", "👍🏽"]),
        ("e\u0301a \u200f", ["e\u0301a"]),
        ("می‌خواهم שלום", ["می‌خواهم", "שלום"]),
        ("東京 สวัสดี", ["東", "京", "ส", "วั", "ส", "ดี"]),
        ("नमस्ते", ["नमस्ते"]),
        (" \r\n\x00\u00a0", []),
    ],
)
def test_what_an_atom_is(text: str, pieces: list[str]) -> None:
    assert [text[start:end] for start, end in atoms(text).tolist()] == pieces


def test_neighbours_of_one_label_stay_apart() -> None:
    text = "Anna Berg"
    spans = (Span(0, 4, "person"), Span(5, 9, "person"))
    tags = tagged(atoms(text), spans, LABELS)
    assert tags.tolist() == [1, 1]
    assert spans_of(atoms(text), tags, LABELS) == spans


def test_an_inside_tag_without_its_begin_begins_a_span() -> None:
    borders = atoms("a b c d")
    assert spans_of(borders, np.array([2, 2, 4, 0]), LABELS) == (
        Span(0, 3, "person"),
        Span(4, 5, "creative-work"),
    )


def test_a_span_is_tagged_as_far_as_the_model_sees() -> None:
    borders = atoms("one two three")[:2]
    assert tagged(borders, [Span(4, 13, "person")], LABELS).tolist() == [0, 1]
    assert tagged(borders, [Span(8, 13, "person")], LABELS).tolist() == [0, 0]


def test_overlaps_are_refused_with_the_names_of_both() -> None:
    spans = [(6, 12, "person"), (0, 8, "creative-work")]
    with pytest.raises(DataError) as error:
        checked("Harry Potter", spans, LABELS)
    assert error.value.message == (
        "spans overlap: 'Harry Po' (creative-work, 0-8) and 'Potter' (person, 6-12)"
    )


@pytest.mark.parametrize("span", [(3, 3, "person"), (-1, 2, "person"), (0, 99, "person")])
def test_spans_outside_the_text_are_refused(span: tuple[int, int, str]) -> None:
    with pytest.raises(DataError, match="empty or outside a text of 5 characters"):
        checked("hello", [span], LABELS)


def test_unknown_labels_are_refused() -> None:
    with pytest.raises(DataError, match=r"'hello' \(ghost, 0-5\) has a label outside"):
        checked("hello", [(0, 5, "ghost")], LABELS)


def test_white_space_at_borders_is_trimmed() -> None:
    text = " Anna \u200f, \u00a0 x"
    spans = (Span(0, 7, "person"), Span(8, 11, "person"))
    assert trimmed(text, spans) == (Span(1, 5, "person"),)
