"""Cross-validation: nobody judges what they have seen, labels are spread, oddities are handled."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from loopd.errors import ModelError
from loopd.learning.dataset import IndexedDataset
from loopd.learning.folds import assigned, out_of_fold
from loopd.records import Span
from tests.learning.strategies.fakes import OnlyScores

POOL = 50


class Witness(OnlyScores):
    """Remembers what it was trained on, and says of each row how it was."""

    made: ClassVar[list[Witness]] = []

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.seen: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.weights: Any = None
        Witness.made.append(self)

    def fit(self, train_set: IndexedDataset, weights: Any = None) -> Witness:
        self.seen, self.weights = train_set.rows, weights
        self.drawn = np.random.random()  # noqa: NPY002 (as libraries draw)
        return self

    def predict_proba(self, data_set: IndexedDataset) -> NDArray[np.float32]:
        assert not set(self.seen) & set(data_set.rows)
        columns = data_set.target_labels.size
        return np.tile(data_set.rows[:, None] / POOL, (1, columns)).astype(np.float32)


@pytest.fixture(autouse=True)
def _nobody() -> None:
    Witness.made.clear()


def rows_of(y: Any, classes: int = 3) -> IndexedDataset:
    """Labelled rows of the pool, not in their order."""
    rows = np.random.default_rng(1).permutation(POOL)[: y.shape[0]]
    return IndexedDataset(np.arange(POOL), y, np.arange(classes), rows=rows)


@pytest.mark.parametrize("several", [False, True])
def test_each_row_is_judged_once_by_a_model_that_saw_all_others(several: bool) -> None:
    y: Any = np.arange(23) % 3
    if several:
        y = csr_matrix(np.eye(3, dtype=np.int64)[y])
    known = rows_of(y)
    proba = out_of_fold(known, Witness, folds=4, seed=5)
    assert np.allclose(proba, known.rows[:, None] / POOL)  # in the order of the rows
    assert len(Witness.made) == 4
    assert sum(23 - len(each.seen) for each in Witness.made) == 23
    assert len({each.seed for each in Witness.made}) == len({each.drawn for each in Witness.made})
    again = [(each.seed, each.drawn, each.seen.tolist()) for each in Witness.made]
    Witness.made.clear()
    before = np.random.get_state(legacy=False)["state"]["key"].tolist()  # noqa: NPY002
    out_of_fold(known, Witness, folds=4, seed=5)
    assert again == [(each.seed, each.drawn, each.seen.tolist()) for each in Witness.made]
    assert before == np.random.get_state(legacy=False)["state"]["key"].tolist()  # noqa: NPY002


def test_weights_go_with_their_rows() -> None:
    known = rows_of(np.arange(9) % 3)
    out_of_fold(known, Witness, folds=3, seed=0, weights=known.rows.astype(np.float32))
    for each in Witness.made:
        assert each.weights.tolist() == each.seen.tolist()


def test_one_label_is_dealt_out_evenly() -> None:
    y = np.repeat([0, 1, 2, 3], [17, 6, 2, 1])
    np.random.default_rng(0).shuffle(y)
    fold = assigned(y, 4, 5, seed=3)
    table = np.array([np.bincount(fold[y == label], minlength=5) for label in range(4)])
    assert (np.ptp(table, axis=1) <= 1).all()
    assert np.ptp(np.bincount(fold)) <= 1
    assert not np.array_equal(fold, assigned(y, 4, 5, seed=4))


def test_several_labels_are_spread_even_the_rare_ones() -> None:
    rng = np.random.default_rng(0)
    given = rng.random((120, 6)) < np.array([0.5, 0.3, 0.1, 0.05, 0.04, 0.02])
    given[:, 4] = given[:, 3] | given[:, 4]  # one label implies another
    fold = assigned(csr_matrix(given.astype(np.int64)), 6, 4, seed=0)
    counts = np.array([given[fold == number].sum(axis=0) for number in range(4)])
    assert (np.ptp(counts, axis=0) <= 3).all()
    assert (np.ptp(counts[:, given.sum(axis=0) < 12], axis=0) <= 1).all()
    assert np.bincount(fold).min() >= 25
    random = np.random.default_rng(1).integers(0, 4, 120)
    scattered = np.array([given[random == number].sum(axis=0) for number in range(4)])
    assert np.ptp(counts, axis=0).sum() < np.ptp(scattered, axis=0).sum() / 2


def test_a_row_without_labels_has_a_fold_too() -> None:
    nothing = csr_matrix((10, 3), dtype=np.int64)
    assert np.bincount(assigned(nothing, 3, 5, seed=0)).tolist() == [2] * 5
    assert len(out_of_fold(rows_of(nothing), Witness, folds=5, seed=0)) == 10


def test_others_of_one_class_give_shares() -> None:
    known = rows_of(np.array([0, 0, 0, 1]))
    proba = out_of_fold(known, Witness, folds=4, seed=0)
    assert proba[3] == pytest.approx([4 / 6, 1 / 6, 1 / 6])  # three of the first class seen
    assert len(Witness.made) == 3


@pytest.mark.parametrize("several", [False, True])
def test_fewer_rows_than_folds(several: bool) -> None:
    y: Any = np.array([0, 1])
    if several:
        y = csr_matrix(np.eye(3, dtype=np.int64)[y])
    assert out_of_fold(rows_of(y), Witness, folds=5, seed=0).shape == (2, 3)
    alone = out_of_fold(rows_of(y[:1]), Witness, folds=5, seed=0)
    assert np.allclose(alone, 1 / 2 if several else 1 / 3)


def test_a_classifier_that_fails_is_one_line() -> None:
    class Broken(Witness):
        def fit(self, train_set: Any, weights: Any = None) -> Any:
            raise ValueError("no")

    with pytest.raises(ModelError, match="training the classifier failed: ValueError: no"):
        out_of_fold(rows_of(np.arange(6) % 2), Broken, folds=2, seed=0)


def test_spans_are_dealt_out_evenly_at_random() -> None:
    y = np.empty(23, dtype=object)
    for row in range(23):
        y[row] = (Span(0, row + 1, "CITY"),) if row % 3 else ()
    fold = assigned(y, 1, 5, seed=2)
    assert sorted(np.bincount(fold)) == [4, 4, 5, 5, 5]
    assert list(fold) == list(assigned(y, 1, 5, seed=2))
    assert list(fold) != sorted(fold)
