"""Every strategy has its own sentence for why it asks, with the numbers that matter."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.learning.strategies import auto, reason_words
from loopd.learning.strategies.catalogue import STRATEGIES, Entry
from loopd.learning.strategies.reason_words import Evidence, sentence, words
from loopd.learning.strategies.registry import own_reason

INNER = [
    value if isinstance(value, str) else value.name
    for name, value in vars(auto).items()
    if name in ("FIRST", "THEN", "THEN_SPANS")
]
NAMES = [*STRATEGIES, *(f"auto/{name}" for name in STRATEGIES)]

EVIDENCE = Evidence((("billing", 0.41), ("delivery", 0.394)), 20, 17, (0.9, 0.43))


def own(name: str) -> Entry:
    return STRATEGIES[name.rpartition("/")[2]]


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_says_why(name: str) -> None:
    entry = own(name)
    assert entry.reason
    assert entry.reason == words(name)
    assert not entry.reason.endswith(".")
    told = sentence(name, EVIDENCE)
    assert told.startswith(entry.reason)
    for number, shown in (
        ("likeliest", "billing 41 %, delivery 39 %"),
        ("unlabelled", "85 % of the 20 most similar texts are unlabelled"),
        ("spans", "the least sure of its 2 spans has 43 %"),
    ):
        assert (shown in told) == (number in entry.numbers)


@pytest.mark.parametrize("name", NAMES)
def test_without_numbers_the_words_stand_alone(name: str) -> None:
    assert sentence(name, Evidence()) == own(name).reason


def test_two_strategies_share_words_only_where_they_are_one() -> None:
    shared = {"margin", "breaking_ties"}, {"entropy", "prediction_entropy"}
    by_words: dict[str, set[str]] = {}
    for name, entry in STRATEGIES.items():
        by_words.setdefault(entry.reason, set()).add(name)
    twice = [names for names in by_words.values() if len(names) > 1]
    assert all(names in shared or len({STRATEGIES[n].path for n in names}) == 1 for names in twice)


def test_what_auto_takes_is_there_and_says_more_than_words() -> None:
    assert len(INNER) == 3
    for name in INNER:
        assert own(f"auto/{name}").numbers, name
    assert inspect.getdoc(auto.Auto)


def test_every_strategy_but_chance_has_numbers_that_fit_its_kinds() -> None:
    for name, entry in STRATEGIES.items():
        assert bool(entry.numbers) == (name != "random_sampling"), name
        assert ("spans" in entry.numbers) == (entry.kinds == ("spans",)), name


def test_a_strategy_of_somebody_else_has_numbers_alone() -> None:
    assert sentence("my.Strategy", EVIDENCE) == "billing 41 %, delivery 39 %"
    assert words("my.Strategy") == ""
    assert sentence("my.Strategy", EVIDENCE, "odd") == "odd: billing 41 %, delivery 39 %"
    assert sentence("margin", Evidence(), "odd") == own("margin").reason


def test_the_words_of_a_strategy_are_one_short_line() -> None:
    class Own:
        reason = "first\n line  and " + "x" * 999

    class Odd:
        reason = 7

    assert own_reason(Own()) == f"first line and {'x' * 999}"[:120]  # type: ignore[arg-type]
    assert own_reason(Odd()) == own_reason(object()) == ""  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spans", "shown"),
    [((), "the model marks nothing"), ((0.5,), "its only span has 50 %"), (None, "")],
)
def test_what_is_said_of_spans(spans: tuple[float, ...] | None, shown: str) -> None:
    assert sentence("mnlp", Evidence(spans=spans)).removeprefix(own("mnlp").reason) == (
        f": {shown}" if shown else ""
    )


@given(
    st.sampled_from(NAMES),
    st.tuples(st.text(), st.floats(0, 1)),
    st.tuples(st.text(), st.floats(0, 1)),
    st.integers(0, 20),
)
def test_a_sentence_is_short_enough_for_metadata(
    name: str, first: tuple[str, float], second: tuple[str, float], unlabelled: int
) -> None:
    told = sentence(name, Evidence((first, second), 20, unlabelled, (0.1,)))
    assert len(told) < 250
    assert reason_words.AGAIN
