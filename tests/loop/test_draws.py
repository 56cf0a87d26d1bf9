"""Which texts chance picks: the same ones whatever else the pool holds and however it grew."""

from __future__ import annotations

import json
from itertools import accumulate, pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loopd.data.pool import Pool
from loopd.evaluation.audit_intervals import Counted, stratified_interval, stratified_share
from loopd.events import (
    HASHED,
    SHUFFLED,
    BatchCollected,
    BatchPlanned,
    BatchPublished,
    RunStarted,
)
from loopd.loop.audit_draws import drawn, likely_order, set_aside
from loopd.loop.stop_sets import of_the_beginning, smallest_numbers
from loopd.loop.strata import strata
from loopd.machine import State, apply
from loopd.records import Batch, BatchItem, PoolId, Record
from loopd.storage.codec import decode, encode

BEGUN = RunStarted(0.0, "", 7, ("a", "b"), "", "", "", {}, 0.3, 0, HASHED)


def pool_of(*sizes: int, ids: list[str] | None = None) -> Pool:
    names = ids or [f"r{number}" for number in range(sum(sizes))]
    return Pool(tuple(Record(PoolId(name), f"text {name}") for name in names), sizes)


def after(state: State, *ids: str, draw: bool) -> State:
    """A state with one more batch of these."""
    number = len(state.batches)
    items = tuple(BatchItem(PoolId(id_), draw=draw) for id_ in ids)
    batch = Batch(f"b{number:04d}", number, "x", None, items)
    for event in (
        BatchPlanned(0.0, batch, 0.0),
        BatchPublished(0.0, batch.id, 0.0),
        BatchCollected(0.0, batch.id, "complete", 0),
    ):
        state = apply(state, event)
    return state


# -- what is set aside -----------------------------------------------------------------------------

IDS = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=60, unique=True)


@settings(max_examples=40)
@given(ids=IDS, cuts=st.lists(st.integers(1, 59), max_size=4), seed=st.integers(0, 99))
def test_an_intake_or_an_order_of_the_pool_moves_no_text(
    ids: list[str], cuts: list[int], seed: int
) -> None:
    ends = sorted({0, len(ids), *(cut for cut in cuts if cut < len(ids))})
    sizes = [end - begin for begin, end in pairwise(ends)]
    whole = set_aside(pool_of(len(ids), ids=ids), 0.4, seed)
    assert set_aside(pool_of(*sizes, ids=ids), 0.4, seed) == whole
    assert set_aside(pool_of(len(ids), ids=ids[::-1]), 0.4, seed) == whole
    for size in accumulate(sizes):
        part = set(ids[:size])
        before = set_aside(pool_of(size, ids=ids[:size]), 0.4, seed)
        assert before == tuple(id_ for id_ in whole if id_ in part)


@settings(max_examples=40)
@given(ids=IDS, shares=st.tuples(st.floats(0.01, 0.5), st.floats(0.01, 0.5)))
def test_a_larger_share_goes_on_where_a_smaller_one_ended(
    ids: list[str], shares: tuple[float, float]
) -> None:
    pool = pool_of(len(ids), ids=ids)
    few, many = (set_aside(pool, share, 3) for share in sorted(shares))
    assert many[: len(few)] == few


def test_late_texts_are_as_likely_as_early_ones() -> None:
    pool = pool_of(4_000, *[40] * 100)
    aside = {int(id_[1:]) for id_ in set_aside(pool, 0.2, 5)}
    early, late = sum(row < 4_000 for row in aside), sum(row >= 4_000 for row in aside)
    for count in (early, late):
        assert abs(count - 800) < 4 * np.sqrt(4_000 * 0.2 * 0.8)


def test_seeds_and_purposes_have_nothing_to_do_with_each_other() -> None:
    pool = pool_of(4_000)
    one, other = (set(set_aside(pool, 0.2, seed)) for seed in (1, 2))
    (stop,) = smallest_numbers(pool, 800, 1)
    for both in (one & other, one & set(stop)):
        assert abs(len(both) - 160) < 5 * np.sqrt(160)


# -- runs that began before ------------------------------------------------------------------------


def test_a_run_that_began_under_the_old_order_keeps_it() -> None:
    """What the version before said of this pool."""
    pool = pool_of(20, 10)
    old = ("r1", "r23", "r18", "r14", "r24", "r2", "r15", "r27", "r13")
    assert set_aside(pool, 0.3, 7, SHUFFLED) == old
    assert of_the_beginning(pool, 6, 7) == (("r2", "r4", "r6", "r12", "r14", "r16"),)
    assert set_aside(pool, 0.3, 7) != old


def test_a_journal_without_an_order_is_of_the_old_one() -> None:
    name, payload = encode(BEGUN)
    fields = json.loads(payload)
    assert fields.pop("draw_order") == HASHED
    event = decode(name, json.dumps(fields))
    assert isinstance(event, RunStarted)
    assert event.draw_order == SHUFFLED


def test_what_is_left_of_the_draws_tells_their_order() -> None:
    pool = pool_of(200)
    asides = {order: set_aside(pool, 0.2, 4, order) for order in (HASHED, SHUFFLED)}
    for order, aside in asides.items():
        assert likely_order(asides, aside[:8:2]) == order
    assert likely_order(asides, ()) == HASHED


# -- strata ----------------------------------------------------------------------------------------


def test_an_intake_is_a_stratum_of_its_own_until_its_draws_have_caught_up() -> None:
    before, pool = pool_of(100), pool_of(100, 100)
    first = set_aside(before, 0.3, 7)
    state = after(apply(State(), BEGUN), *first[:20], draw=True)
    (alone,) = strata(state, before, first)
    assert alone.draws == frozenset(first[:20])
    aside = set_aside(pool, 0.3, 7)
    old, new = strata(state, pool, aside)
    assert (old.texts, len(old.draws), new.texts, len(new.draws)) == (100, 20, 100, 0)
    counts = []
    while len(strata(state, pool, aside)) > 1:
        due = drawn(state, aside, 0.5, 2)
        assert all(int(item.record_id[1:]) >= 100 for item in due)
        state = after(state, *(item.record_id for item in due), draw=True)
        counts.append(len(strata(state, pool, aside)[-1].draws))
    (both,) = strata(state, pool, aside)
    assert both.draws == frozenset(aside[: len(both.draws)])
    assert (both.texts, len(counts) > 3) == (200, True)


def test_draws_of_a_larger_share_or_a_test_set_stand_for_their_own_intake_only() -> None:
    pool = pool_of(100, 100)
    aside = set_aside(pool, 0.1, 7)
    others = [id_ for id_ in set_aside(pool, 0.4, 7) if int(id_[1:]) < 100 and id_ not in aside]
    state = after(apply(State(), BEGUN), *aside, *others, draw=True)
    old, new = strata(state, pool, aside)
    assert old.draws >= set(others)
    assert new.draws.isdisjoint(others)


def test_what_a_strategy_took_before_there_were_draws_waits_for_nothing() -> None:
    pool = pool_of(100, 100)
    aside = set_aside(pool, 0.3, 7)
    state = after(apply(State(), BEGUN), aside[0], draw=False)
    state = after(state, *aside[1:9], draw=True)
    assert len(strata(state, pool, aside)) == 1


def test_draws_of_a_pool_that_grew_cover_the_truth() -> None:
    """The quick form of ``benchmarks/late_texts.py``: many hard texts come late, few are drawn."""
    inside, inside_alike = [], []
    before, pool, share = pool_of(400), pool_of(400, 800), 0.2
    for seed in range(60):
        wrong = np.random.default_rng(seed).random(1_200) < np.repeat([0.1, 0.6], [400, 800])
        state = after(apply(State(), BEGUN), *set_aside(before, share, seed)[:30], draw=True)
        aside = set_aside(pool, share, seed)
        late = [item.record_id for item in drawn(state, aside, share, 60)]
        state = after(state, *late, draw=True)
        counted = [
            Counted(sum(not wrong[int(id_[1:])] for id_ in part.draws), len(part.draws), part.texts)
            for part in strata(state, pool, aside)
        ]
        truth = 1 - float(wrong.mean())
        low, high = stratified_interval(counted)
        assert low <= stratified_share(counted) <= high
        inside.append(low <= truth <= high)
        total, right = (sum(getattr(part, name) for part in counted) for name in ("total", "right"))
        low, high = stratified_interval([Counted(right, total, 1_200)])
        inside_alike.append(low <= truth <= high)
    assert np.mean(inside) >= 0.9
    assert np.mean(inside_alike) < 0.8  # the planted mistake is seen


# -- stop sets -------------------------------------------------------------------------------------


def test_a_stop_set_keeps_its_size_and_takes_late_texts_at_their_share() -> None:
    sets = smallest_numbers(pool_of(500, 500, 1_000), 300, 7)
    assert [len(ids) for ids in sets] == [300] * 3
    assert sets[-1] == smallest_numbers(pool_of(2_000), 300, 7)[-1]
    assert sets[0] == smallest_numbers(pool_of(500), 300, 7)[0]
    late = sum(int(id_[1:]) >= 1_000 for id_ in sets[-1])
    assert abs(late - 150) < 4 * np.sqrt(300 / 4)
    rows = [int(id_[1:]) for id_ in sets[-1]]
    assert rows == sorted(rows)


def test_a_small_pool_is_its_own_stop_set() -> None:
    assert [len(ids) for ids in smallest_numbers(pool_of(3, 2), 100, 7)] == [3, 5]
