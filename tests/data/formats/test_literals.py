"""Lists and objects that were written into cells of text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopd.data.formats.literals import literal

PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
VALUES = st.lists(PLAIN, max_size=4) | st.dictionaries(st.text(max_size=4), PLAIN, max_size=3)


@settings(deadline=None)
@given(VALUES)
def test_what_python_and_json_write_is_read_again(value: object) -> None:
    assert literal(repr(value)) == value
    assert literal(json.dumps(value)) == value


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1))
def test_what_numpy_writes_is_read_again(names: list[str]) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.array(names, dtype=object)
    assert literal(str(array)) == names
    assert literal(repr(array)) == names


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("['a' 'b']", ["a", "b"]),  # which Python reads as ['ab']
        ("[\"it's\" 'b']", ["it's", "b"]),
        (
            "[{'start': 0, 'label': 'x'}\n {'start': 4, 'label': None}]",
            [{"start": 0, "label": "x"}, {"start": 4, "label": None}],
        ),
        ("[array(['a'], dtype=object)\n array([], dtype=object)]", [["a"], []]),
        ("[list(['a', 'b']) list(['c'])]", [["a", "b"], ["c"]]),
        ("[np.str_('a'), np.float64(1.0)]", ["a", 1.0]),
        ("[1. 0. 0.]", [1.0, 0.0, 0.0]),
        ("[nan, 1]", [None, 1]),
        ("(1, 'a')", [1, "a"]),
        ("[-1]", [-1]),
    ],
)
def test_spellings(cell: str, value: object) -> None:
    assert literal(cell) == value


@pytest.mark.parametrize("cell", ["[other]", "[a", "a]", "{x}", "[1", "(see below)", "[", "", "1"])
def test_a_text_stays_a_text(cell: str) -> None:
    assert literal(cell) == cell


@settings(deadline=None)
@given(st.text("[]{}(),:'\"ab1 \n\\"))
def test_no_text_is_too_odd(cell: str) -> None:
    literal(cell)


def test_a_cell_that_is_too_deep_stays_a_text() -> None:
    assert literal("[" * 100_000) == "[" * 100_000
    assert literal("['" * 100_000) == "['" * 100_000
