"""Labels spread over unlabelled vectors: as defined, and never where told not to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopd.config import ClassifierSection, StrategySection
from loopd.errors import ModelError
from loopd.learning.arrays import Floats, Positions, Vectors
from loopd.learning.classifiers.described import Descriptions
from loopd.learning.classifiers.linear import fit_head
from loopd.learning.classifiers.spreading import (
    Examples,
    Spreading,
    spread,
    spreading,
    unlabelled,
    with_guesses,
)
from loopd.learning.dataset import IndexedDataset
from loopd.learning.learner import Learner
from loopd.learning.unit_vectors import unit
from tests.learning.conftest import LABELS, gold, make_pool


def groups(count: int, seed: int, *, spreads: float = 0.3) -> tuple[Vectors, Positions]:
    """Vectors (count, 8) around three directions, and which direction."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 3
    around = np.eye(3, 8)[y] + spreads * rng.normal(size=(count, 8))
    return unit(around.astype(np.float32)), y


EVEN = np.full(3, 1 / 3)


def slowly(vectors: Vectors, y: Positions, others: Vectors, shares: Floats) -> Positions:
    """The definition in loops; -1 where nothing arrives."""
    both = np.vstack([vectors, others]).astype(np.float64)
    total = len(both)
    cosines: Floats = both @ both.T
    weights = np.zeros((total, total))
    for row in range(total):
        others_of_row = [column for column in range(total) if column != row]
        for column in sorted(others_of_row, key=lambda column: -cosines[row, column])[:15]:
            weights[row, column] = np.exp((cosines[row, column] - 1) / 0.1)
    weights = np.maximum(weights, weights.T)
    degrees = weights.sum(axis=1)
    weights /= np.sqrt(np.outer(degrees, degrees))
    said = np.zeros((total, y.max() + 1))
    said[np.arange(len(y)), y] = 1
    mass = said
    for _ in range(30):
        mass = 0.9 * weights @ mass + 0.1 * said
    reached = mass[len(vectors) :]
    sized = reached / np.maximum(reached.sum(axis=0), 1e-300) * shares[: y.max() + 1]
    return np.where(reached.sum(axis=1) > 0, sized.argmax(axis=1), -1)


@settings(max_examples=25, deadline=None)
@given(
    labelled=st.integers(3, 12),
    open_texts=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
    # of one text alone each label gets its share: equal ones would be a tie
    shares=st.lists(st.integers(1, 100), min_size=3, max_size=3, unique=True).map(np.array),
)
def test_guesses_are_those_of_the_definition(
    labelled: int, open_texts: int, seed: int, shares: Floats
) -> None:
    vectors, y = groups(labelled, seed)
    others, _ = groups(open_texts, seed + 1, spreads=0.6)
    shares = shares / 100
    guesses = spread(vectors, y, others, shares)
    slow = slowly(vectors, y, others, shares)
    assert np.array_equal(guesses.rows, np.flatnonzero(slow >= 0))
    agree = guesses.y == slow[guesses.rows]
    assert agree.mean() > 0.95  # sums in another order may settle a tie in another way


def test_three_labels_reach_three_groups() -> None:
    vectors, y = groups(3, 0, spreads=0.05)
    others, gold = groups(300, 1, spreads=0.25)
    guesses = spread(vectors, y, others, EVEN)
    assert len(guesses.rows) == 300
    assert (guesses.y == gold).mean() > 0.97


def test_class_numbers_stay_as_they_are() -> None:
    vectors, y = groups(6, 0)
    others, _ = groups(30, 1)
    numbers = np.array([2, 7, 40])
    shares = np.zeros(41)
    shares[numbers] = EVEN
    guesses, renamed = spread(vectors, y, others, EVEN), spread(vectors, numbers[y], others, shares)
    assert np.array_equal(numbers[guesses.y], renamed.y)


def test_a_label_that_counts_for_nothing_gives_nothing() -> None:
    vectors, y = groups(6, 0)
    others, _ = groups(60, 1)
    weights = np.where(y == 2, 0.0, 1.0).astype(np.float32)
    assert 2 in spread(vectors, y, others, EVEN).y
    assert 2 not in spread(vectors, y, others, EVEN, weights).y


def test_a_class_is_guessed_as_often_as_it_is_large() -> None:
    """A rare class with as many labels as the others, as active learning gives it."""
    rng = np.random.default_rng(0)
    vectors, y = groups(9, 0, spreads=0.6)
    gold = rng.choice(3, size=600, p=[0.48, 0.48, 0.04])
    others = unit((np.eye(3, 8)[gold] + 0.6 * rng.normal(size=(600, 8))).astype(np.float32))
    true = np.array([0.48, 0.48, 0.04])
    counted = [
        np.bincount(spread(vectors, y, others, shares).y, minlength=3)[2] for shares in (EVEN, true)
    ]
    assert counted[0] > 3 * counted[1]
    accuracy = [(spread(vectors, y, others, shares).y == gold).mean() for shares in (EVEN, true)]
    assert accuracy[1] > accuracy[0]


def test_the_head_learns_from_the_guesses() -> None:
    vectors, y = groups(3, 5, spreads=0.5)
    others, _ = groups(300, 1)
    unseen, gold = groups(300, 2)
    examples = Examples(vectors, y)
    alone = fit_head(vectors, y, 3, c=10.0)
    more = with_guesses(examples, lambda: others, 0.1, alone.proba)
    spread_head = fit_head(more.vectors, more.y, 3, c=10.0, weights=more.weights)
    accuracy = [(head.proba(unseen).argmax(axis=1) == gold).mean() for head in (alone, spread_head)]
    assert accuracy[1] > accuracy[0] + 0.02
    assert more.weights is not None
    assert more.weights[:3].tolist() == [1, 1, 1]
    assert np.allclose(more.weights[3:], 0.1)


def test_nothing_is_embedded_where_nothing_is_spread() -> None:
    vectors, y = groups(6, 0)
    examples = Examples(vectors, y)

    def never() -> Vectors:
        raise AssertionError("embedded for nothing")

    proba = fit_head(vectors, y, 3, c=10.0).proba
    assert with_guesses(examples, never, 0.0, proba) is examples


def test_the_weight_falls_to_nothing() -> None:
    settings_ = Spreading(texts=1200, until=200)
    weights = [settings_.weight(labels) for labels in range(0, 260, 20)]
    assert weights[:6] == pytest.approx([0.1] * 6)
    assert weights == sorted(weights, reverse=True)
    assert weights[7] == pytest.approx(0.06)
    assert weights[10:] == [0.0] * 3
    assert Spreading(texts=0, until=200).weight(20) == 0


@given(
    total=st.integers(1, 300),
    count=st.integers(0, 400),
    labelled=st.sets(st.integers(0, 299), max_size=60),
)
def test_the_texts_that_are_drawn_have_no_label(total: int, count: int, labelled: set[int]) -> None:
    rows = np.array(sorted(row for row in labelled if row < total), dtype=np.int64)
    drawn = unlabelled(total, rows, count)
    assert len(np.intersect1d(drawn, rows)) == 0
    assert len(drawn) == min(count, total - len(rows))
    assert np.array_equal(drawn, np.unique(drawn))


@given(
    rows=st.sets(st.integers(0, 29), min_size=4, max_size=12),
    aside=st.sets(st.integers(0, 29), max_size=10),
    part=st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True),
    described=st.integers(0, 4),
)
def test_nothing_that_judges_a_model_is_an_unlabelled_text(
    rows: set[int], aside: set[int], part: list[int], described: int
) -> None:
    """Neither draws and test texts, nor what a fold of a cross-validation predicts."""
    y, labelled = np.zeros(len(rows), dtype=np.int64), np.array(sorted(rows))
    apart = np.union1d(labelled, np.array(sorted(aside), dtype=np.int64))
    whole = IndexedDataset(np.zeros((30, 2)), y, np.arange(2), rows=labelled, apart=apart)
    descriptions = Descriptions(np.ones((described, 2)), np.zeros(described, dtype=np.int64))
    for some in (whole, whole.clone(), whole[np.array(part)], whole[np.array(part)].clone()):
        both, _ = descriptions.added_to(some, None)
        for train_set in (some, both, both[np.arange(1)]):
            drawn = unlabelled(train_set.features.shape[0], train_set.taken, 30)
            assert set(drawn.tolist()) == set(range(30)) - rows - aside


@pytest.mark.integration
def test_a_learner_keeps_apart_what_it_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    pool, seen = make_pool(), []

    def noted(total: int, taken: Positions, count: int) -> Positions:
        seen.append(taken)
        return unlabelled(total, taken, count)

    monkeypatch.setattr("loopd.learning.classifiers.frozen_head.unlabelled", noted)
    ids = [record.id for record in pool]
    learner = Learner(
        pool,
        LABELS,
        classifier=ClassifierSection(name="frozen-head", options={"spread": 30}),
        strategy=StrategySection(name="margin"),
        seed=1,
        cache=tmp_path,
        apart=lambda: ids[50:60],
    )
    targets = gold(pool, ids[:12])
    learner.fit(0, targets)
    learner.cross_predicted(0, targets, 3)
    learner.out_of_fold(0, targets, 3)
    assert len(seen) == 7
    for taken in seen:
        assert taken.tolist() == [*range(12), *range(50, 60)]


def test_one_label_more_leaves_the_other_texts_as_they_are() -> None:
    before = unlabelled(5000, np.array([1, 2, 3]), 1200)
    after = unlabelled(5000, np.array([1, 2, 3, int(before[0])]), 1200)
    assert len(np.setdiff1d(before, after)) == 1


@pytest.mark.parametrize("value", [-1, 1.5, "many", True, None])
def test_options_that_mean_nothing_are_refused(value: object) -> None:
    with pytest.raises(ModelError, match="classifier option spread must"):
        spreading(value, 200)
    with pytest.raises(ModelError, match="classifier option spread_until must"):
        spreading(1200, value)
