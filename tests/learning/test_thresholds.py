"""Thresholds: the best F1 by hand, rare labels lean on the common one, saved with the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import f1_score

from loopd.config import ClassifierSection
from loopd.data.pool import Pool
from loopd.errors import ModelError
from loopd.learning.classifiers import registry
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.classifiers.thresholds import COMMON, best_threshold, best_thresholds
from loopd.learning.dataset import IndexedDataset, unlabeled
from loopd.records import PoolId, Record


def test_the_threshold_lies_half_way_below_the_best_cut() -> None:
    proba, given = np.array([0.9, 0.1, 0.5, 0.3]), np.array([1, 0, 1, 0]) > 0
    assert best_threshold(proba, given) == pytest.approx(0.4)
    assert best_threshold(proba, np.ones(4, dtype=bool)) == pytest.approx(0.05)
    assert best_threshold(proba, np.zeros(4, dtype=bool)) is None
    # Only equal ones can be told from the rest: two hits and one mistake, or everything.
    assert best_threshold(np.array([0.5, 0.5, 0.5, 0.2]), np.array([1, 1, 0, 0]) > 0) == 0.35
    # A label that nobody could have known has no threshold; neither has what is not there.
    assert best_threshold(np.array([0.0, 0.0, 0.0]), np.array([1, 0, 0]) > 0) is None
    assert best_threshold(np.array([]), np.array([], dtype=bool)) is None


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    proba = rng.integers(0, 12, 60) / 12
    given = rng.random(60) < proba / 2
    found = best_threshold(proba, given)
    assert found is not None
    reached = f1_score(given, proba >= found)
    others = [f1_score(given, proba >= least, zero_division=0) for least in np.arange(1, 24) / 24]
    assert reached == pytest.approx(max(others))


def test_rare_labels_lean_on_the_common_threshold() -> None:
    rng = np.random.default_rng(0)
    proba, given = rng.random((400, 3)), np.zeros((400, 3), dtype=bool)
    given[:, 0] = proba[:, 0] > 0.5
    given[:4, 1] = True
    proba[:4, 1], proba[4:, 1] = 0.05, proba[4:, 1] * 0.02
    found = best_thresholds(proba, given)
    common = best_threshold(proba.ravel(), given.ravel())
    own = [best_threshold(proba[:, place], given[:, place]) or 0.0 for place in (0, 1)]
    assert common is not None
    assert found[0] == pytest.approx((given[:, 0].sum() * own[0] + COMMON * common)
                                     / (given[:, 0].sum() + COMMON))  # fmt: skip
    assert found[1] == pytest.approx((4 * own[1] + COMMON * common) / (4 + COMMON))
    assert found[2] == pytest.approx(common)  # never seen
    nothing = best_thresholds(proba, np.zeros((400, 3), dtype=bool))
    assert nothing.tolist() == [0.5] * 3


TOPICS = ("cat", "dog", "tea", "jam")


def texts(count: int, seed: int) -> tuple[Pool, Any]:
    """Texts that hold some topics' words among noise, and the topics; some are rarely named."""
    rng = np.random.default_rng(seed)
    given = rng.random((count, 4)) < np.array([0.4, 0.2, 0.1, 0.08])
    words = np.array(["so", "then", "well", "but", "and", "or", "if", "as", "now", "here"])
    records = []
    for place, row in enumerate(given):
        named = [topic for topic, on in zip(TOPICS, row, strict=True) if on and rng.random() < 0.9]
        noise = rng.choice(words, size=8).tolist()
        records.append(Record(PoolId(f"{seed}-{place}"), " ".join([*noise, *named, f"n{place}"])))
    return Pool(tuple(records)), csr_matrix(given.astype(np.int64))


def factory_of(tmp_path: Any, pool: Pool, **options: Any) -> Any:
    section = ClassifierSection(name="tfidf", options=options)
    return registry.create(
        ClassifierContext(pool, 4, section, tmp_path, labels=TOPICS, kind="multi_label")
    )


def test_thresholds_find_what_one_half_misses(tmp_path: Any) -> None:
    pool, y = texts(150, 0)
    test, expected = texts(300, 1)
    found = {}
    for folds in (0, 5):
        factory = factory_of(tmp_path, pool, c=1.0, threshold_folds=folds)
        train_set = IndexedDataset(factory.pool_features, y, np.arange(4))
        classifier = factory.new(0).fit(train_set)
        given, proba = classifier.predict(
            unlabeled(factory.encode(test.texts), 4), return_proba=True
        )
        assert given.shape == proba.shape == (300, 4)
        least = classifier.thresholds if folds else np.full(4, 0.5)
        assert np.array_equal(given.toarray(), proba >= least)
        found[folds] = f1_score(expected.toarray(), given.toarray(), average="macro")
        loaded = factory.load(factory.save(classifier))
        assert (loaded.thresholds is None) == (folds == 0)
        again = loaded.predict(unlabeled(factory.encode(test.texts), 4))
        assert np.array_equal(again.toarray(), given.toarray())
    assert found[5] > found[0] + 0.2


def test_one_label_for_each_text_has_no_thresholds(tmp_path: Any) -> None:
    pool, _ = texts(40, 0)
    factory = factory_of(tmp_path, pool)
    train_set = IndexedDataset(factory.pool_features, np.arange(40) % 4, np.arange(4))
    classifier = factory.new(0).fit(train_set)
    assert classifier.thresholds is None
    assert set(factory.save(classifier)) == {"head.weight", "head.bias", "head.classes"}


def test_thresholds_of_other_labels_are_refused(tmp_path: Any) -> None:
    pool, y = texts(40, 0)
    factory = factory_of(tmp_path, pool)
    saved = factory.save(factory.new(0).fit(IndexedDataset(factory.pool_features, y, np.arange(4))))
    with pytest.raises(ValueError, match="classes"):
        factory.load({**saved, "head.thresholds": np.zeros(3, dtype=np.float32)})


@pytest.mark.parametrize("folds", [1, -1, True, 2.5, "3"])
def test_folds_that_cannot_be_meant_are_explained(tmp_path: Any, folds: Any) -> None:
    with pytest.raises(ModelError, match="threshold_folds"):
        factory_of(tmp_path, texts(4, 0)[0], threshold_folds=folds)
