"""New texts that are unlike the old are noticed, and hardly ever others."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from loopd.evaluation.drop import Judged, drop, sequence
from loopd.evaluation.shift import (
    AT_ONCE,
    FALSE_ALARMS,
    LEAST,
    MOST_ORDERS,
    Side,
    fresh_share,
    level,
    likeness,
    newcomers,
)


def rows(rng: np.random.Generator, count: int, *, off: float = 0.0) -> NDArray[np.float64]:
    """Vectors around the origin, or off it in one direction."""
    drawn: NDArray[np.float64] = rng.normal(size=(count, 24)) + off * np.eye(24)[0]
    return drawn


# -- the texts -------------------------------------------------------------------------------------


def test_no_number_of_intakes_spends_more_than_there_is() -> None:
    spent = 2 * sum(level(intake) for intake in range(1, 20_000))
    assert 0.99 * FALSE_ALARMS < spent <= FALSE_ALARMS
    early = 2 * sum(level(intake) for intake in range(1, 15))
    assert early == pytest.approx(FALSE_ALARMS / 2)


def test_chance_alone_is_uniform() -> None:
    """Whatever the size: an area that was cross-fitted varies more than its texts would alone."""
    p = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        found = likeness(rows(rng, 30 + seed % 60), rows(rng, 200), allowed=0.05, seed=seed)
        assert found is not None
        p.append(found.p)
    for border in (0.05, 0.2, 0.5):
        error = math.sqrt(border * (1 - border) / 80)
        assert abs(np.mean(np.array(p) <= border) - border) < 3.5 * error


def test_equal_vectors_are_not_told_apart_by_their_order() -> None:
    for value in (0.0, 0.1):
        same = np.full((300, 4), value)
        found = likeness(same[:100], same, allowed=0.01, seed=0)
        assert found is not None
        assert (found.auc, found.is_shift) == (0.5, False)


def test_a_shift_is_noticed_and_measured() -> None:
    rng = np.random.default_rng(1)
    found = likeness(rows(rng, 60, off=2), rows(rng, 400), allowed=0.001, seed=1)
    assert found is not None
    assert found.is_shift
    truth = 0.5 * math.erfc(-2 / math.sqrt(2) / math.sqrt(2))
    assert found.low < truth < found.high
    assert found.low < found.auc < found.high <= 1


def test_the_interval_holds() -> None:
    """Of the area that the best line gets; ten parts of nine tenths come close to it."""
    truth, inside = 0.5 * math.erfc(-1.5 / 2), []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = likeness(rows(rng, 150, off=1.5), rows(rng, 600), allowed=0.01, seed=seed)
        assert found is not None
        inside.append(found.low <= truth <= found.high)
    assert np.mean(inside) >= 0.88


def test_what_comes_a_little_at_a_time_shows_in_two_intakes() -> None:
    picked = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        sizes = [300, 60, 60]
        pool = np.concatenate(
            [rows(rng, size, off=off) for size, off in zip(sizes, (0, 0.8, 0.8), strict=True)]
        )
        found = newcomers(pool, sizes, seed)
        assert found is not None
        assert found.level == level(2) / 2
        assert (found.new, found.old) == (60 * found.intakes, 420 - 60 * found.intakes)
        picked.append(found.intakes)
    assert picked.count(2) > 8
    assert newcomers(pool[:300], sizes[:1], 0) is None


def lumps(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Vectors of which a few lie together far from all others, as a rare kind of texts does."""
    drawn = rows(rng, count)
    drawn[rng.random(count) < 0.04, 0] += 30
    return drawn


def test_few_texts_with_rare_kinds_raise_no_more_alarms() -> None:
    """Means of so few are not normal: taken for normal, six times as many are alarms."""
    level, alarms = 0.001, 0
    for seed in range(1_000):
        rng = np.random.default_rng(seed)
        found = likeness(lumps(rng, 20), lumps(rng, 300), allowed=level, seed=seed)
        assert found is not None
        alarms += found.is_shift
    assert alarms <= 1_000 * level + 2.5 * math.sqrt(1_000 * level)


def test_small_intakes_are_put_together() -> None:
    rng = np.random.default_rng(3)
    pool = rows(rng, 340)
    assert newcomers(pool[:315], [300, 5, 5, 5], 0) is None
    found = newcomers(pool[:320], [300, 5, 5, 5, 5], 0)
    assert found is not None
    assert (found.new, found.old, found.intakes) == (20, 300, 4)
    assert found.level == level(1) / 2
    assert newcomers(pool[:325], [300, 5, 5, 5, 5, 5], 0) is None
    found = newcomers(pool, [300, 5, 5, 5, 5, 20], 0)
    assert found is not None
    assert found.level == level(2) / 2
    assert newcomers(pool[:30], [10, 20], 0) is None  # nothing to compare them with
    found = newcomers(pool[:50], [10, 10, 30], 0)
    assert found is not None
    assert (found.new, found.old, found.intakes) == (30, 20, 1)


@pytest.mark.parametrize(("off", "is_noticed"), [((0, 0), False), ((0, 4), False), ((4, 4), True)])
def test_after_many_intakes_two_of_them_tell(off: tuple[float, float], is_noticed: bool) -> None:
    """One alone cannot: its level is smaller than what any number of orders tells."""
    rng = np.random.default_rng(7)
    sizes = [200, *[20] * 500]
    assert level(500) / 2 < 1 / MOST_ORDERS
    early = rows(rng, sum(sizes[:-2]))
    pool = np.concatenate([early, *(rows(rng, 20, off=one) for one in off)])
    found = newcomers(pool, sizes, 1)
    assert found is not None
    assert found.level == level(500)
    assert found.is_shift == is_noticed


def test_the_product_of_two_looks_is_no_smaller_than_chance() -> None:
    p = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        found = newcomers(rows(rng, 2_600), [800, *[20] * 90], seed)
        assert found is not None
        p.append(found.p)
    for border in (0.05, 0.2, 0.5):
        error = math.sqrt(border * (1 - border) / 200)
        assert np.mean(np.array(p) <= border) - border < 3 * error


@pytest.mark.parametrize(("new", "old"), [(LEAST - 1, 500), (500, LEAST - 1), (0, 500)])
def test_too_few_texts_are_not_compared(new: int, old: int) -> None:
    rng = np.random.default_rng(0)
    assert likeness(rows(rng, new), rows(rng, old), allowed=0.01, seed=0) is None


def test_only_a_part_of_many_texts_is_read() -> None:
    class Counting:
        """An array that counts the rows that are taken from it."""

        shape, taken = (3_000_000, 24), 0

        def __len__(self) -> int:
            return self.shape[0]

        def __getitem__(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
            assert (np.diff(index) > 0).all()  # from front to back
            self.taken += len(index)
            return rows(np.random.default_rng(0), len(index))

    new, old = Counting(), Counting()
    found = likeness(new, old, allowed=0.01, seed=0)
    assert found is not None
    assert (found.new, found.old) == (new.taken, old.taken) == (1_000, 2_000)


def test_the_same_texts_give_the_same_answer() -> None:
    rng = np.random.default_rng(5)
    new, old = rows(rng, 50), rows(rng, 300)
    assert likeness(new, old, allowed=0.1, seed=4) == likeness(new, old, allowed=0.1, seed=4)
    assert likeness(new, old, allowed=0.1, seed=4) != likeness(new, old, allowed=0.1, seed=5)


# -- the model -------------------------------------------------------------------------------------


def test_looking_after_every_label_raises_no_more_alarms() -> None:
    alarms, allowed = 0, level(1)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        before = Judged(int(rng.binomial(40, 0.8)), 40)
        right = np.cumsum(rng.random(150) < 0.8)
        looks = (drop(before, Judged(int(k), n), intake=1) for n, k in enumerate(right, start=1))
        alarms += any(said is not None and said.is_drop for said in looks)
    assert alarms <= 300 * allowed  # a test for one look would have ten times as many


def test_a_model_that_gets_better_raises_none() -> None:
    before = Judged(24, 40)
    for seed in range(50):
        luck = np.random.default_rng(seed).random(100)
        right = np.cumsum(luck < np.linspace(0.6, 0.9, 100))
        looks = (drop(before, Judged(int(k), n), intake=1) for n, k in enumerate(right, start=1))
        assert not any(said is not None and said.is_drop for said in looks)


def test_a_drop_is_noticed_and_a_rise_is_none() -> None:
    said = drop(Judged(36, 40), Judged(4, 20), intake=8)
    assert said is not None
    assert said.is_drop
    assert said.interval[0] < 0.2 < said.interval[1] < 0.9
    better = drop(Judged(8, 40), Judged(19, 20), intake=8)
    assert better is not None
    assert better.evidence > 1 / better.level
    assert not better.is_drop
    assert drop(Judged(0, 0), Judged(1, 2), intake=1) is None
    assert drop(Judged(1, 2), Judged(0, 0), intake=1) is None


def test_evidence_is_a_fair_bet() -> None:
    """Under one accuracy it pays no more than 1 on average; exact: over all outcomes."""
    from scipy.stats import binom

    for share in (0.1, 0.5, 0.8, 0.99):
        pays = sum(
            float(binom.pmf(first, 9, share) * binom.pmf(second, 7, share)) * said.evidence
            for first in range(10)
            for second in range(8)
            if (said := drop(Judged(first, 9), Judged(second, 7), intake=1)) is not None
        )
        assert pays <= 1


def test_a_confidence_sequence_holds_at_all_times_together() -> None:
    wrong = 0
    for seed in range(60):
        right = np.cumsum(np.random.default_rng(seed).random(60) < 0.7)
        ends = [sequence(Judged(int(k), n)) for n, k in enumerate(right, start=1)]
        wrong += any(not low <= 0.7 <= high for low, high in ends)
    assert wrong <= 0.05 * 60
    assert sequence(Judged(0, 0)) == (0.0, 1.0)
    assert sequence(Judged(5, 5))[1] == 1.0
    assert sequence(Judged(0, 5))[0] == 0.0
    low, high = sequence(Judged(350, 500))
    assert 0.6 < low < 0.7 < high < 0.8


# -- what follows ----------------------------------------------------------------------------------

SIDES = st.builds(Side, st.integers(1, 10_000), st.integers(0, 300))


@given(new=SIDES, old=SIDES)
def test_without_an_alarm_new_texts_have_no_share_of_their_own(new: Side, old: Side) -> None:
    assert fresh_share(new, old, alarm=False) == 0


@given(new=SIDES, old=SIDES)
def test_after_an_alarm_they_have_half_at_least_until_they_have_caught_up(
    new: Side, old: Side
) -> None:
    share = fresh_share(new, old, alarm=True)
    assert share == 0 or AT_ONCE <= share < 1
    caught_up = new.labels >= 50 and new.labels * (new.texts + old.texts) >= new.texts * (
        new.labels + old.labels
    )
    assert (share == 0) == (caught_up or new.labels >= new.texts)


def test_many_new_texts_have_their_share_of_the_pool() -> None:
    assert fresh_share(Side(900, 0), Side(100, 80), alarm=True) == 0.9
    assert fresh_share(Side(100, 0), Side(900, 80), alarm=True) == 0.5
