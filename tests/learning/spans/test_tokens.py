"""Texts as tokens by atoms: kept on disk, cut where the model ends, one piece at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from loopd.learning.spans.alignment import atoms
from loopd.learning.spans.tokens import SpanTokens, Vocabulary, kept, span_tokens

TEXTS = ["Anna Berg's e-mail", "", " \n", "one two three four five", "\ud800x \u0301"]


def letters(pieces: Sequence[str]) -> list[list[int]]:
    """Two characters make a token; marks have none."""
    return [
        [ord(char) % 1000 for char in piece.strip()[::2] if char not in "\u0301\ufffd"]
        for piece in pieces
    ]


def made(texts: Sequence[str] = TEXTS, max_tokens: int = 64) -> SpanTokens:
    vocabulary = Vocabulary(letters, [1], [2], 3, max_tokens)
    return span_tokens(texts, vocabulary, lambda done, total: None)


def test_every_atom_has_a_token_of_its_own() -> None:
    store = made()
    assert store.shape == (5,)
    for row, text in enumerate(TEXTS):
        assert np.array_equal(store.borders(row), atoms(text))
        ids = store[np.array([row])][0]
        pieces = [text[start:end] for start, end in atoms(text).tolist()]
        expected = [letters([piece.replace("\ud800", "\ufffd")])[0] or [3] for piece in pieces]
        assert ids.tolist() == [1, *(one for some in expected for one in some), 2]
        assert [ids[first] for first in store.firsts(row)] == [some[0] for some in expected]
    assert store.counts.tolist() == [7, 0, 0, 5, 3]


def test_a_long_text_keeps_the_atoms_before_the_cut() -> None:
    store = made(max_tokens=6)
    row = np.array([3])
    assert store[row][0].tolist()[-1] == 2
    assert len(store[row][0]) == 6
    assert store.borders(3).tolist() == [[0, 3], [4, 7]]
    assert store.firsts(3).tolist() == [1, 3]


def test_an_atom_whose_first_token_is_read_is_kept_whole() -> None:
    store = made(["one three"], max_tokens=5)
    assert store[np.array([0])][0].tolist() == [1, *letters(["one"])[0], ord("t"), 2]
    assert store.borders(0).tolist() == [[0, 3], [4, 9]]


def test_a_space_before_an_atom_is_part_of_its_piece() -> None:
    seen: list[str] = []

    def watch(pieces: Sequence[str]) -> list[list[int]]:
        seen.extend(pieces)
        return [[5]] * len(pieces)

    vocabulary = Vocabulary(watch, [1], [2], 3, 64)
    span_tokens(["ab, ab  ab", " ab"], vocabulary, lambda done, total: None)
    assert seen == ["ab", ",", " ab"]


def test_tokens_are_read_back_and_made_again_where_damaged(tmp_path: Path) -> None:
    made_times = []

    def make() -> SpanTokens:
        made_times.append(1)
        return made()

    first = kept(tmp_path, "key", TEXTS, make)
    again = kept(tmp_path, "key", TEXTS, make)
    assert len(made_times) == 1
    assert isinstance(again.tokens.ids, np.memmap)
    assert isinstance(again.atoms.ids, np.memmap)
    for file in tmp_path.glob("*/ids.npy"):
        content = file.read_bytes()
        file.unlink()  # not in place: it is mapped
        file.write_bytes(content[:-1])
    mended = kept(tmp_path, "key", TEXTS, make)
    assert len(made_times) == 2
    for store in (first, again, mended):
        assert np.array_equal(store.tokens.ids, made().tokens.ids)
        assert np.array_equal(store.atoms.ids, made().atoms.ids)
    kept(tmp_path, "other key", TEXTS, make)
    assert len(made_times) == 3


def test_a_stop_is_noticed_between_texts() -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        span_tokens(TEXTS, Vocabulary(letters, [1], [2], 3, 64), stop)
