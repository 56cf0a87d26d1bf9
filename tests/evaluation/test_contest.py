"""Which of two classifiers is better: when the cheap one takes over, and when it must not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.evaluation.classifier_choice import (
    GROWTH,
    LEAST,
    TOLERATED,
    PairedCounts,
    better,
    is_due,
)

COUNTS = (30, 45, 68, 102, 153, 230)
"""Labels at which a run compares them."""

LEVEL, LEADING = PairedCounts(200, 8, 12), PairedCounts(200, 40, 10)


@st.composite
def comparisons(draw: st.DrawFn) -> PairedCounts:
    texts = draw(st.integers(1, 400))
    dear = draw(st.integers(0, texts))
    return PairedCounts(texts, dear, draw(st.integers(0, texts - dear)))


def after(current: str, *seen: PairedCounts) -> str:
    return better(current, seen, dear="dear", cheap="cheap")


@pytest.mark.parametrize(
    ("current", "seen", "expected"),
    [
        ("dear", (), "dear"),
        ("dear", (LEVEL,), "dear"),
        ("dear", (LEVEL, LEVEL), "cheap"),
        ("dear", (PairedCounts(60, 1, 9),), "cheap"),
        ("dear", (PairedCounts(60, 3, 8),), "dear"),
        ("dear", (LEVEL, LEADING, LEVEL), "dear"),
        ("dear", (LEADING, LEVEL, LEVEL), "cheap"),
        ("cheap", (LEVEL, LEADING), "dear"),
        ("cheap", (LEVEL, LEVEL, PairedCounts(1000, 30, 10)), "cheap"),
        ("dear", (PairedCounts(20, 0, 9), PairedCounts(20, 0, 9)), "dear"),
        ("cheap", (PairedCounts(20, 9, 0),), "cheap"),
    ],
)
def test_the_next_round_has(current: str, seen: tuple[PairedCounts, ...], expected: str) -> None:
    assert after(current, *seen) == expected


@given(seen=st.lists(comparisons(), max_size=6))
def test_what_brings_the_cheap_one_in_does_not_throw_it_out(seen: list[PairedCounts]) -> None:
    if seen and after("dear", *seen) == "cheap":
        assert after("cheap", *seen) == "cheap"


@given(one=comparisons())
def test_one_comparison_brings_the_cheap_one_in_only_if_it_is_ahead(one: PairedCounts) -> None:
    if one.lead >= -2 * one.error:
        assert after("dear", one) == "dear"
        assert after("dear", LEADING, one) == "dear"


@given(one=comparisons())
def test_of_too_few_texts_nothing_follows(one: PairedCounts) -> None:
    if one.texts < LEAST:
        assert after("dear", one, one) == "dear"
        assert after("cheap", one) == "cheap"


@given(before=st.integers(0, 10_000), labels=st.integers(0, 20_000))
def test_a_comparison_comes_when_labels_have_grown(before: int, labels: int) -> None:
    assert is_due(labels, before) == (labels >= LEAST and labels >= GROWTH * before)


def runs(lead: float, count: int) -> list[list[str]]:
    """Classifiers along runs in which a fifth of the texts tells them apart."""
    rng = np.random.default_rng(3)
    chances = [0.1 + lead / 2, 0.1 - lead / 2, 0.8]
    lines = []
    for _ in range(count):
        names, seen = ["dear"], list[PairedCounts]()
        for texts in COUNTS:
            dear, cheap, _ = rng.multinomial(texts, chances)
            seen.append(PairedCounts(texts, int(dear), int(cheap)))
            names.append(after(names[-1], *seen))
        lines.append(names)
    return lines


def test_a_tenth_ahead_the_dear_one_stays() -> None:
    shares = np.mean([[name == "cheap" for name in line] for line in runs(0.1, 400)], axis=0)
    assert shares.max() < 0.05


def test_where_both_are_alike_the_cheap_one_takes_over() -> None:
    shares = np.mean([[name == "cheap" for name in line] for line in runs(0.0, 400)], axis=0)
    assert shares[-1] > 0.5
    assert TOLERATED < 0.1
