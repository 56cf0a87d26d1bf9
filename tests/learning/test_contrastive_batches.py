"""Contrastive batches: each text once in an epoch, and never alone where its class has another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopd.learning.arrays import Positions
from loopd.learning.classifiers.contrastive import batches_of, share_with_partner
from loopd.learning.classifiers.fine_tuning import Recipe, in_epoch, planned


def recipe(batch_size: int = 32, epochs: int = 2) -> Recipe:
    return Recipe(epochs, 1, 1e-4, batch_size, 0.0)


def alone(y: Positions, batch: Positions) -> Positions:
    """Texts (k,) of a batch without another of their class in it."""
    labels, counts = np.unique(y[batch], return_counts=True)
    return batch[np.isin(y[batch], labels[counts == 1])]


@settings(deadline=None)
@given(
    y=st.lists(st.integers(0, 60), min_size=1, max_size=200).map(np.array),
    batch_size=st.integers(4, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_text_comes_once_in_each_epoch(y: Positions, batch_size: int, seed: int) -> None:
    steps = recipe(batch_size)
    batches = batches_of(y, steps, np.random.default_rng(seed))
    count = in_epoch(len(y), steps)
    seen = np.concatenate(batches)
    for epoch in (seen[: len(y)], seen[len(y) :]):
        assert np.array_equal(np.sort(epoch), np.arange(len(y)))
    assert len(batches) <= 2 * count
    assert max(len(batch) for batch in batches) <= len(y) / count + 3


@settings(deadline=None)
@given(
    y=st.lists(st.integers(0, 150), min_size=80, max_size=300).map(np.array),
    seed=st.integers(0, 2**32 - 1),
)
def test_nobody_is_alone_who_has_a_partner(y: Positions, seed: int) -> None:
    singles = np.flatnonzero(np.bincount(y)[y] == 1)
    if share_with_partner(y, 16) >= 0.3:
        return
    for batch in batches_of(y, recipe(16), np.random.default_rng(seed)):
        assert np.isin(alone(y, batch), singles).all()


def test_few_classes_are_drawn_as_before() -> None:
    y = np.arange(120) % 6
    as_before = planned(120, recipe(), np.random.default_rng(3))
    now = batches_of(y, recipe(), np.random.default_rng(3))
    assert all(np.array_equal(a, b) for a, b in zip(as_before, now, strict=True))


@pytest.mark.parametrize(("classes", "share"), [(6, 1.0), (50, 0.45), (150, 0.18), (1000, 0.03)])
def test_the_share_that_chance_gives(classes: int, share: float) -> None:
    """Close to what was counted in batches of 32, of as many texts of each class."""
    y = np.repeat(np.arange(classes), 20)
    assert share_with_partner(y, 32) == pytest.approx(share, abs=0.02)


def test_several_labels_are_drawn_as_before() -> None:
    y = np.eye(100, dtype=np.int64)[np.arange(200) % 100]
    batches = batches_of(y, recipe(), np.random.default_rng(0))
    as_before = planned(200, recipe(), np.random.default_rng(0))
    assert all(np.array_equal(a, b) for a, b in zip(as_before, batches, strict=True))
