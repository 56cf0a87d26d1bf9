"""Windows of long texts: nothing is lost or read twice, and their borders follow from lengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.learning.features.windows import Specials, Windows, all_windows, head_and_tail

BEFORE, AFTER = [101], [102]
AROUND = Specials(BEFORE, AFTER)
contents = st.lists(st.integers(1, 90), max_size=60)
sizes = st.integers(3, 20)


def cut(laid_out: list[list[int]], most: int) -> list[tuple[int, list[int]]]:
    """The windows of texts, each with the index of its text."""
    windows = Windows.of(np.array([len(ids) for ids in laid_out]), most)
    whole = [np.array(laid_out[text], dtype=np.int32) for text in windows.text.tolist()]
    parts = [part.tolist() for part in windows.cut_from(whole)]
    return list(zip(windows.text.tolist(), parts, strict=True))


@given(st.lists(contents, min_size=1, max_size=5), sizes, st.integers(0, 2), st.integers(0, 2))
def test_every_token_is_read_once_in_even_windows(
    texts: list[list[int]], most: int, before: int, after: int
) -> None:
    around = Specials(BEFORE * before, AFTER * after)
    room = around.room(most)
    if room + before + after > most:
        return
    parts = cut([all_windows(text, around, most) for text in texts], most)
    for number, text in enumerate(texts):
        mine = [ids for owner, ids in parts if owner == number]
        bare = [ids[before : len(ids) - after] for ids in mine]
        assert [token for ids in bare for token in ids] == text
        assert [around.around(ids) for ids in bare] == mine
        assert len(mine) == max(1, -(-len(text) // room))
        assert max(map(len, mine)) <= most
        assert max(map(len, mine)) - min(map(len, mine)) <= 1


@given(contents, sizes)
def test_head_and_tail_are_the_ends_and_fill_one_window(content: list[int], most: int) -> None:
    ids = head_and_tail(content, AROUND, most)
    inside = ids[1:-1]
    if len(content) <= most - 2:
        assert inside == content
        return
    assert len(ids) == most
    tail = len(inside) // 2
    assert inside[: len(inside) - tail] == content[: len(inside) - tail]
    assert inside[len(inside) - tail :] == content[len(content) - tail :]


@given(st.lists(st.integers(1, 70), min_size=1, max_size=6), st.integers(0, 9))
def test_one_window_of_each_text_is_drawn_by_the_seed(lengths: list[int], seed: int) -> None:
    windows = Windows.of(np.array(lengths), 10)
    drawn = windows.one_each(np.random.default_rng(seed))
    again = windows.one_each(np.random.default_rng(seed))
    assert drawn.text.tolist() == list(range(len(lengths)))
    assert drawn.start.tolist() == again.start.tolist()
    of_text = list(zip(windows.text.tolist(), windows.start.tolist(), strict=True))
    assert set(zip(drawn.text.tolist(), drawn.start.tolist(), strict=True)) <= set(of_text)


def test_every_window_of_a_text_is_drawn_sometimes() -> None:
    windows, rng = Windows.of(np.array([35]), 10), np.random.default_rng(0)
    starts = {int(windows.one_each(rng).start[0]) for _ in range(60)}
    assert starts == set(windows.start.tolist())


def test_texts_of_one_window_draw_nothing() -> None:
    rng, untouched = np.random.default_rng(0), np.random.default_rng(0)
    Windows.of(np.array([4, 10, 1]), 10).one_each(rng)
    assert rng.integers(2**60) == untouched.integers(2**60)


@pytest.mark.parametrize(
    ("whole", "before", "after"),
    [([1, 7, 8, 2], [1], [2]), ([7, 8, 2], [], [2]), ([7, 8], [], []), ([1, 9, 2], [], [])],
)
def test_specials_are_what_lies_around_the_text(
    whole: list[int], before: list[int], after: list[int]
) -> None:
    assert Specials.between(whole, [7, 8]) == Specials(before, after)
