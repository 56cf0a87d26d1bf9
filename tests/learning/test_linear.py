"""The linear head: the span of the rows loses nothing, missing classes, several labels per row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from loopd.learning.classifiers.linear import fit_head, from_tensors


def wide(count: int = 40, width: int = 300) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rows with fewer of them than columns, and their classes."""
    rng = np.random.default_rng(0)
    y = np.arange(count) % 3
    return (rng.normal(size=(count, width)) + y[:, None] * 0.2).astype(np.float32), y


@pytest.mark.parametrize("weights", [None, np.linspace(0.1, 2, 40, dtype=np.float32)])
@pytest.mark.parametrize("balanced", [False, True])
def test_the_span_of_the_rows_gives_what_all_columns_give(weights: Any, balanced: bool) -> None:
    from sklearn.linear_model import LogisticRegression

    rows, y = wide()
    head = fit_head(rows, y, 3, c=0.01, weights=weights, balanced=balanced)
    full = LogisticRegression(
        C=0.01, tol=1e-8, max_iter=5000, class_weight="balanced" if balanced else None
    ).fit(rows.astype(np.float64), y, sample_weight=weights)
    others = np.random.default_rng(1).normal(size=(20, 300)).astype(np.float32)
    assert np.allclose(head.proba(others), full.predict_proba(others), atol=2e-3)


def test_repeated_and_empty_rows_are_fine() -> None:
    rows, y = wide()
    twice = np.concatenate([rows, rows])
    head = fit_head(twice, np.tile(y, 2), 3, c=1.0)
    assert np.isfinite(head.weight).all()
    nothing = fit_head(np.zeros((6, 10), np.float32), np.arange(6) % 2, 3, c=1.0)
    assert np.allclose(nothing.proba(np.zeros((1, 10))), [[0.5, 0.5, 0]], atol=1e-3)


def test_two_classes_of_four() -> None:
    rows, y = wide()
    head = fit_head(rows, np.where(y > 0, 3, 1), 4, c=1.0)
    proba = head.proba(rows)
    assert proba.shape == (40, 4)
    assert not proba[:, [0, 2]].any()
    assert np.allclose(proba.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("sparse", [False, True])
def test_several_labels_have_independent_probabilities(sparse: bool) -> None:
    rng = np.random.default_rng(0)
    given = rng.random((60, 5)) < 0.4
    given[:, 3], given[:, 4] = False, True
    rows = (given @ rng.normal(size=(5, 200)) * 3 + rng.normal(size=(60, 200))).astype(np.float32)
    features = csr_matrix(rows) if sparse else rows
    head = fit_head(features, csr_matrix(given.astype(int)), 5, c=10.0)
    proba = head.proba(features)
    assert head.classes.tolist() == [0, 1, 2, 4]
    assert ((proba > 0.5) == given).mean() > 0.99
    assert not proba[:, 3].any()
    assert (proba[:, 4] > 0.9).all()
    assert not np.allclose(proba.sum(axis=1), 1)
    decided = head.decided(proba)
    assert not isinstance(decided, np.ndarray)
    assert (decided.toarray() == (proba > 0.5)).all()
    again = from_tensors(head.tensors(), 5)
    assert again.multi_label
    assert np.array_equal(again.proba(features), proba)


def test_a_saved_head_of_other_classes_is_refused() -> None:
    rows, y = wide()
    tensors = fit_head(rows, y, 3, c=1.0).tensors()
    with pytest.raises(ValueError, match="classes"):
        from_tensors(tensors, 2)
    with pytest.raises(ValueError, match="classes"):
        from_tensors({**tensors, "head.bias": np.zeros(2)}, 3)
