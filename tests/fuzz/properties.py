"""How properties are tried: a few fixed examples in each run, many new ones if asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopd.errors import LoopdError

HOW_OFTEN = pytest.mark.parametrize(
    "examples", [pytest.param(30, id="few"), pytest.param(1000, id="many", marks=pytest.mark.slow)]
)
"""Of each property: the same examples in every run of ``make test``, new ones in the long run."""


def holds(examples: int, values: st.SearchStrategy[Any], check: Callable[[Any], None]) -> None:
    """Try a property on so many values."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples < 100,
        suppress_health_check=list(HealthCheck),
    )
    @given(values)
    def tried(value: Any) -> None:
        check(value)

    tried()


def is_clear(error: LoopdError) -> None:
    """It says in one line what is wrong."""
    assert error.message
    assert "\n" not in error.message


ODD = st.sampled_from(
    (
        *("", " ", "\0", "\ud800", "\x1b[2J", "😀", "a\r\nb", "\u202e", "9" * 5000, "x" * 300),
        *("<img src=x onerror=alert(1)>", "&lt;", "&#0;", "../../x", "~root", "$HOME", "${"),
        *("nan", "1e999"),
    )
)

TEXTS = st.one_of(ODD, st.text(st.characters(), max_size=20))

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([-1, 0, 1, 2**31, 2**63, 10**400]),
    st.floats(),
    TEXTS,
)

JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)
"""What a JSON parser may give, the odd things included."""


def mixed(*likely: Any) -> st.SearchStrategy[Any]:
    """One of these as a rule, anything now and then."""
    return st.one_of(st.sampled_from(likely), st.sampled_from(likely), JSON)
