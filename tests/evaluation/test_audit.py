"""Random draws: intervals that hold, an estimate without bias, and savings of the right sign."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from loopd.data.pool import Pool
from loopd.evaluation.audit_intervals import (
    Counted,
    f1_interval,
    hits,
    log_slope,
    share_interval,
    stratified_interval,
    stratified_share,
)
from loopd.evaluation.gain_forecast import AHEAD, expected
from loopd.evaluation.savings import Material, Savings, compare
from loopd.loop.audit_draws import set_aside
from loopd.records import PoolId, Record, Span

RUNS = 200


# -- intervals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [5, 12, 40])
@pytest.mark.parametrize("share", [0.5, 0.83, 0.97])
def test_the_interval_of_a_share_covers_it_for_few_draws_too(size: int, share: float) -> None:
    from scipy.stats import binom

    counts = range(size + 1)
    covered = [low <= share <= high for low, high in (share_interval(k, size) for k in counts)]
    assert binom.pmf(counts, size, share) @ covered >= 0.95  # exact: no luck is involved


def test_a_plain_normal_interval_would_not() -> None:
    from scipy.stats import binom

    counts = np.arange(13)
    half = 1.96 * np.sqrt(counts / 12 * (1 - counts / 12) / 12)
    covered = np.abs(counts / 12 - 0.97) <= half
    assert binom.pmf(counts, 12, 0.97) @ covered < 0.5


@pytest.mark.parametrize("size", [8, 20, 60])
@pytest.mark.parametrize("skill", [0.6, 0.9])
def test_the_interval_of_f1_covers_it(size: int, skill: float) -> None:
    rng = np.random.default_rng(size)
    inside = []
    for _ in range(RUNS):
        true, found = _tagged(rng, size, skill)
        interval = f1_interval(found.tolist(), true.tolist())
        if interval is not None:
            inside.append(interval[0] <= skill <= interval[1])
    assert len(inside) > RUNS / 2
    assert np.mean(inside) >= 0.92  # 3 standard errors below 95 %


def _tagged(
    rng: np.random.Generator, size: int, skill: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Texts with some labels, of which so many are found and as many wrong ones: F1 is the skill.

    A text is easy or hard as a whole, so that its labels are right or wrong together.
    """
    labels = rng.integers(0, 4, size=size)
    ease = rng.beta(2 * skill, 2 * (1 - skill), size=size)
    return 2 * labels, rng.binomial(labels, ease)


def test_f1_of_nothing_is_not_known() -> None:
    assert f1_interval([0] * 30, [0] * 30) is None
    assert f1_interval([1, 1, 0, 0], [2, 2, 2, 2]) is None


def test_f1_stays_between_none_and_all() -> None:
    low, high = f1_interval([2] * 10, [4] * 10) or (2.0, 2.0)
    assert 0.5 < low < 0.9
    assert high == 1


def test_hits_are_counted_text_by_text() -> None:
    assert hits([("a", "b"), ()], [("b", "c"), ("a",)]) == ([1, 0], [4, 1])
    spans = (Span(0, 4, "city"), Span(9, 12, "name"))
    assert hits([spans], [(Span(0, 4, "city"), Span(9, 11, "name"))]) == ([1], [4])


# -- no bias, where the strategy takes the hard texts first ----------------------------------------


def _hardest_first(seed: int, *, aside: bool) -> tuple[float, float, float]:
    """A run of 20 rounds of 9 chosen texts and 1 draw: truth, estimate, and that of what is left.

    The model is wrong on hard texts that it has not seen. Those of a strategy that knows which are
    hard are gone after a few rounds: who draws from what is left then finds easy ones.
    """
    rng = np.random.default_rng(seed)
    wrong = rng.random(400) < 0.4
    pool = Pool(tuple(Record(PoolId(str(n)), f"text {n}") for n in range(400)))
    kept = [int(id_) for id_ in set_aside(pool, 0.1, seed)] if aside else []
    left = [n for n in rng.permutation(400).tolist() if n not in kept]
    draws: list[int] = []
    for _ in range(20):
        for pick in sorted(left, key=lambda n: not wrong[n])[:9]:
            left.remove(pick)
        draws.append(kept[len(draws)] if aside else left.pop())
    return float(wrong.mean()), float(wrong[draws].mean()), float(wrong[left].mean())


def test_draws_from_what_was_set_aside_have_no_bias_and_others_have() -> None:
    runs = np.array([_hardest_first(seed, aside=True) for seed in range(RUNS)])
    off = runs[:, 1] - runs[:, 0]
    assert abs(off.mean()) < 3 * off.std() / np.sqrt(RUNS)
    naive = np.array([_hardest_first(seed, aside=False) for seed in range(RUNS)])
    assert (naive[:, 1] - naive[:, 0]).mean() < -0.04  # the planted mistake is seen


# -- strata ----------------------------------------------------------------------------------------


def test_the_interval_of_one_stratum_is_that_of_a_share() -> None:
    assert stratified_interval([Counted(8, 11, 300)]) == share_interval(8, 11)
    low, high = stratified_interval([Counted(8, 11, 300), Counted(0, 0, 0)])
    assert (low, high) == pytest.approx(share_interval(8, 11), abs=0.01)


@pytest.mark.parametrize(
    ("draws", "skills", "texts"),
    [
        ((40, 1), (0.9, 0.4), (400, 600)),
        ((20, 6), (0.8, 0.8), (900, 100)),
        ((12, 12), (0.5, 0.97), (900, 100)),
        ((12, 12), (0.9, 0.4), (400, 600)),
        ((30, 0), (0.9, 0.9), (700, 300)),
    ],
)
def test_the_interval_of_strata_covers_the_whole(
    draws: tuple[int, int], skills: tuple[float, float], texts: tuple[int, int]
) -> None:
    """Weighted by the probability of every outcome: no luck is involved but in the quantiles."""
    from scipy.stats import binom

    truth, inside = np.dot(skills, texts) / 1000, 0.0
    likely = [
        [(k, p) for k in range(n + 1) if (p := float(binom.pmf(k, n, skill))) > 0.001]
        for n, skill in zip(draws, skills, strict=True)
    ]
    total = 0.0
    for first, p in likely[0]:
        for second, q in likely[1]:
            counted = [Counted(first, draws[0], texts[0]), Counted(second, draws[1], texts[1])]
            low, high = stratified_interval(counted)
            inside += p * q * (low <= truth <= high)
            total += p * q
    assert inside / total >= 0.95


def test_a_stratum_without_draws_may_be_anything() -> None:
    known = [Counted(36, 40, 700)]
    low, high = stratified_interval([*known, Counted(0, 0, 300)])
    one = share_interval(36, 40)
    assert (low, high) == pytest.approx((0.7 * one[0], 0.7 * one[1] + 0.3), abs=0.01)
    assert stratified_share([*known, Counted(0, 0, 300)]) == 0.9


def test_strata_count_by_their_texts() -> None:
    assert stratified_share([Counted(9, 10, 100), Counted(1, 2, 300)]) == pytest.approx(0.6)


def test_f1_counts_by_weights() -> None:
    right, either = [1] * 6 + [0] * 6, [2] * 12
    alike = f1_interval(right, either, [1.0] * 12)
    assert alike == f1_interval(right, either)
    heavy = f1_interval(right, either, [1.8] * 6 + [0.2] * 6)
    assert alike is not None
    assert heavy is not None
    assert heavy[0] > alike[0] + 0.1


# -- chosen against random labels ------------------------------------------------------------------


def _material(seed: int, *, useful: bool, shuffled: bool = False, draws: int = 90) -> Material:
    """Groups of texts, one label each, two frequent and four rare; chosen ones are clear cases.

    Without use the "chosen" labels are nearly all of one group.
    """
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(6, 24))
    shares = np.array([0.4, 0.3, 0.1, 0.08, 0.07, 0.05])
    spread = shares if useful else np.array([0.9, 0.1, 0, 0, 0, 0])
    y = np.concatenate([rng.choice(6, 120, p=spread), rng.choice(6, draws, p=shares)])
    noise = np.where(np.arange(len(y)) < 120, 0.4 if useful else 1.2, 1.2)
    vectors = centres[y] + noise[:, None] * rng.normal(size=(len(y), 24))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    if shuffled:
        y = rng.permutation(y)
    rows = np.arange(len(y))
    return Material(vectors, y, np.empty(0, dtype=np.int64), rows[:120], rows[120:])


def _compared(seed: int, **options: bool) -> Savings:
    found = compare(_material(seed, **options), seed)
    assert found is not None
    return found


def test_choosing_well_gains_and_choosing_badly_loses() -> None:
    well = [_compared(seed, useful=True) for seed in range(4)]
    badly = [_compared(seed, useful=False) for seed in range(4)]
    assert np.mean([each.gain for each in well]) > 0.03
    assert np.mean([each.gain for each in badly]) < -0.1
    assert np.mean([each.saved for each in well if each.saved is not None]) > 0
    known = [each for each in badly if each.saved is not None]
    assert len(known) >= 3
    assert all((each.saved_high or 0) < 0 for each in known)


def test_nothing_is_saved_where_labels_say_nothing() -> None:
    found = [_compared(seed, useful=True, shuffled=True) for seed in range(5)]
    claims = [each for each in found if each.saved_low is not None and each.saved_low > 0]
    assert not claims
    assert sum(each.saved is None for each in found) >= 4


def test_the_same_material_gives_the_same_comparison() -> None:
    assert _compared(3, useful=True) == _compared(3, useful=True)


def test_too_little_is_not_compared() -> None:
    assert compare(_material(0, useful=True, draws=19), 0) is None
    material = _material(0, useful=True)
    few = Material(
        material.vectors, material.y, material.shared, material.selected[:5], material.draws
    )
    assert compare(few, 0) is None


def test_labels_from_before_the_run_are_given_to_both_arms() -> None:
    material = _material(1, useful=False)
    rows = np.arange(210)
    both = Material(material.vectors, material.y, rows[:80], rows[80:120], rows[120:])
    found = compare(both, 1)
    assert found is not None
    assert found.labels == 38


# -- the next labels -------------------------------------------------------------------------------


def _history(seed: int, exponent: float, draws: int = 60) -> tuple[list[int], NDArray[np.bool_]]:
    """Rounds whose models are wrong with probability ``1.6 * labels ** -exponent`` on each draw."""
    rng = np.random.default_rng(seed)
    labels = list(range(40, 201, 20))
    hard = rng.random(draws)  # a text that is hard for one model is so for the next
    errors = 1.6 * np.array(labels, dtype=float)[:, None] ** -exponent
    return labels, hard[None, :] >= errors


def test_the_next_labels_are_foreseen_with_an_interval_that_holds() -> None:
    truth = 1.6 * (200**-0.3 - (200 + AHEAD) ** -0.3)
    found = [expected(*_history(seed, 0.3), seed) for seed in range(30)]
    inside = [each is not None and each.low <= truth <= each.high for each in found]
    assert np.mean(inside) >= 0.85


def test_a_flat_curve_promises_nothing() -> None:
    labels, right = _history(0, 0.3)
    flat = expected(labels, np.tile(right[0], (len(labels), 1)), 0)
    assert flat is not None
    assert flat.gain == pytest.approx(0, abs=1e-9)


def test_too_little_is_not_foreseen() -> None:
    labels, right = _history(0, 0.3)
    assert expected(labels[:3], right[:3], 0) is None
    assert expected([*labels[:3], 70], right[:4], 0) is None  # further than to twice the labels
    assert expected(labels, right[:, :19], 0) is None


def test_a_power_law_is_found_again() -> None:
    sizes = np.array([10.0, 20.0, 40.0])
    level, exponent = log_slope(sizes, 0.9 * sizes**-0.4)
    assert exponent == pytest.approx(0.4)
    assert np.exp(level) == pytest.approx(0.9 * 40**-0.4)
    assert log_slope(sizes, np.array([0.1, 0.2, 0.3]))[1] == 0
