"""Which texts are nearly the same as others, against a comparison of each with each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.errors import Interrupted, ModelError
from loopd.learning import near_duplicates
from loopd.learning.arrays import Vectors
from loopd.learning.near_duplicates import ROUNDING, Nearness, first_of_each, twins
from loopd.learning.unit_vectors import unit
from loopd.records import PoolId

LEAST = 0.95


class Texts:
    """Vectors of which many are near each other, and how often they are asked for."""

    def __init__(self, seed: int, count: int) -> None:
        rng = np.random.default_rng(seed)
        kinds = rng.normal(size=(max(1, count // 3), 8))
        noise = rng.normal(size=(count, 8)) * rng.choice([0.0, 0.02, 0.3], size=(count, 1))
        self.rows = unit((kinds[rng.integers(len(kinds), size=count)] + noise).astype(np.float32))
        self.ids = [PoolId(f"r{number}") for number in range(count)]
        self.asked_for = 0

    def vectors(self, ids: Sequence[PoolId]) -> Vectors:
        self.asked_for += len(ids)
        return self.rows[[int(id_[1:]) for id_ in ids]]

    def near(self, some: PoolId, others: Sequence[PoolId]) -> bool:
        cosines = self.vectors([some])[0] @ self.vectors(others).T
        return bool(len(others) and cosines.max() >= LEAST - ROUNDING)


@given(st.integers(0, 1000), st.integers(1, 40), st.data())
def test_near_is_what_a_comparison_of_each_with_each_says(
    seed: int, count: int, data: st.DataObject
) -> None:
    texts = Texts(seed, count)
    nearness = Nearness(texts.ids, texts.vectors)
    for _ in range(3):  # some are asked, more are, or others: the journal was taken back
        asked = data.draw(st.sets(st.sampled_from(texts.ids)))
        expected = {id_ for id_ in texts.ids if id_ not in asked and texts.near(id_, [*asked])}
        assert nearness.near(asked, LEAST) == expected


def test_only_what_was_asked_since_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "AT_ONCE", 7)
    texts = Texts(1, 50)
    nearness = Nearness(texts.ids, texts.vectors)
    first = nearness.near(texts.ids[:20], LEAST)
    texts.asked_for = 0
    assert nearness.near(texts.ids[:20], LEAST) == first
    assert texts.asked_for == 0
    grown = nearness.near(texts.ids[:21], LEAST)
    assert texts.asked_for == 1 + 50
    assert grown == Nearness(texts.ids, texts.vectors).near(texts.ids[:21], LEAST)


@given(st.integers(0, 1000), st.integers(1, 30))
def test_the_first_of_each_is_kept(seed: int, count: int) -> None:
    texts = Texts(seed, count)
    kept = first_of_each(texts.ids, texts.vectors, LEAST)
    assert kept == sorted(kept, key=texts.ids.index)
    for number, id_ in enumerate(kept):
        assert not texts.near(id_, kept[:number])
    for id_ in set(texts.ids) - set(kept):
        before = [other for other in kept if texts.ids.index(other) < texts.ids.index(id_)]
        assert texts.near(id_, before)
    assert first_of_each([], texts.vectors, LEAST) == []


@given(st.integers(0, 1000), st.integers(2, 40))
def test_the_nearest_of_the_others_is_the_twin(seed: int, count: int) -> None:
    texts = Texts(seed, count)
    others, some = texts.ids[::2], texts.ids[1::2]
    found = twins(some, others, texts.vectors, LEAST)
    assert set(found) == {id_ for id_ in some if texts.near(id_, others)}
    for id_, twin in found.items():
        cosines = texts.vectors([id_])[0] @ texts.vectors(others).T
        assert cosines[others.index(twin)] == pytest.approx(cosines.max(), abs=1e-6)


@given(st.integers(0, 1000), st.integers(1, 40), st.data())
def test_near_to_some_keeps_nothing(seed: int, count: int, data: st.DataObject) -> None:
    texts = Texts(seed, count)
    nearness = Nearness(texts.ids, texts.vectors)
    before = nearness.near(texts.ids[:1], LEAST)
    some = data.draw(st.lists(st.sampled_from(texts.ids), unique=True))
    assert nearness.near_to(some, LEAST) == {id_ for id_ in texts.ids if texts.near(id_, some)}
    assert nearness.near(texts.ids[:1], LEAST) == before


def test_a_text_is_as_near_as_can_be_to_itself() -> None:
    rng = np.random.default_rng(3)
    rows = unit(rng.normal(size=(400, 384)).astype(np.float32))
    rows = np.concatenate([rows, rows])
    ids = [PoolId(f"r{number}") for number in range(800)]
    nearness = Nearness(ids, lambda some: rows[[int(id_[1:]) for id_ in some]])
    assert nearness.near(ids[:400], 1.0) == set(ids[400:])


def test_twins_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = Texts(2, 60)
    whole = twins(texts.ids[1::2], texts.ids[::2], texts.vectors, LEAST)
    monkeypatch.setattr(near_duplicates, "AT_ONCE", 4)
    parts = twins(texts.ids[1::2], texts.ids[::2], texts.vectors, LEAST)
    assert whole.keys() == parts.keys()
    assert whole


def test_no_vectors() -> None:
    nearness = Nearness([PoolId("a"), PoolId("b")], lambda _: None)
    with pytest.raises(ModelError, match="no vectors"):
        nearness.near([PoolId("a")], LEAST)


# -- long work -------------------------------------------------------------------------------------


class Ticks:
    """Notes how far somebody is, and stops at one of the ticks."""

    def __init__(self, stop_at: int = 0) -> None:
        self.told: list[tuple[int, int]] = []
        self._stop_at = stop_at

    def __call__(self, done: int, total: int) -> None:
        self.told.append((done, total))
        if len(self.told) == self._stop_at:
            raise Interrupted("a stop was asked for")


def all_of_it(texts: Texts, tick: Ticks, what: str) -> object:
    if what == "near":
        return Nearness(texts.ids, texts.vectors, tick).near(texts.ids[:20], LEAST)
    if what == "near to":
        return Nearness(texts.ids, texts.vectors, tick).near_to(texts.ids[:20], LEAST)
    if what == "first":
        return first_of_each(texts.ids, texts.vectors, LEAST, tick)
    return twins(texts.ids[20:], texts.ids[:20], texts.vectors, LEAST, tick)


@pytest.mark.parametrize("what", ["near", "near to", "first", "twins"])
def test_long_work_says_how_far_it_is_and_can_be_stopped(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_duplicates, "AT_ONCE", 7)
    monkeypatch.setattr(near_duplicates, "BETWEEN_TICKS", 5)
    texts, tick = Texts(1, 50), Ticks()
    all_of_it(texts, tick, what)
    done = [number for number, _ in tick.told]
    assert done == sorted(done)
    assert len({total for _, total in tick.told}) == 1
    assert done[-1] == tick.told[-1][1]
    assert len(done) >= 50 / 7
    for stop_at in range(1, len(done) + 1):
        with pytest.raises(Interrupted):
            all_of_it(texts, Ticks(stop_at), what)


def test_what_was_stopped_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "AT_ONCE", 7)
    texts, tick = Texts(1, 50), Ticks(stop_at=12)
    nearness = Nearness(texts.ids, texts.vectors, tick)
    with pytest.raises(Interrupted):
        nearness.near(texts.ids[:20], LEAST)
    assert nearness.near(texts.ids[30:], LEAST) == Nearness(texts.ids, texts.vectors).near(
        texts.ids[30:], LEAST
    )
