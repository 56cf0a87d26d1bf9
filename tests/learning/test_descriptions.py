"""What people write of labels trains the model: before any answer, and the less the more come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_matrix
from small_text import Classifier

from loopd.config import ClassifierSection, StrategySection, TaskSection
from loopd.learning.arrays import Positions
from loopd.learning.classifiers.described import Descriptions
from loopd.learning.classifiers.linear import LinearHead
from loopd.learning.classifiers.thresholds import best_thresholds, with_thresholds
from loopd.learning.dataset import IndexedDataset
from loopd.learning.features.joined import joined
from loopd.learning.features.tokens import TokenStore
from loopd.learning.folds import assigned
from loopd.learning.learner import Learner
from loopd.learning.problems.problem import problem_of
from tests.learning.conftest import LABELS, WORDS, gold, make_pool

DESCRIPTIONS = {label: (" ".join(WORDS[label]),) for label in LABELS}


def learner_of(
    cache: Path, name: str = "tfidf", descriptions: Any = DESCRIPTIONS, kind: str = "single_label"
) -> Learner:
    return Learner(
        make_pool(),
        problem_of(kind, LABELS),
        classifier=ClassifierSection(name=name),
        strategy=StrategySection(name="random_sampling"),
        seed=1,
        cache=cache,
        descriptions=descriptions,
    )


def accuracy(learner: Learner, targets: Any) -> float:
    test = make_pool(60, seed=1)
    predicted = learner.predict(learner.fit(0, targets), test)
    return float(np.mean([a == b.gold for a, b in zip(predicted, test, strict=True)]))


@pytest.mark.parametrize(
    "name", ["tfidf", pytest.param("frozen-head", marks=pytest.mark.integration)]
)
def test_a_model_without_any_answer(name: str, tmp_path: Path) -> None:
    learner = learner_of(tmp_path, name)
    assert learner.can_fit({})
    assert not learner_of(tmp_path / "none", name, None).can_fit({})
    assert accuracy(learner, {}) > 0.7


def test_several_labels_are_described_too(tmp_path: Path) -> None:
    learner = learner_of(tmp_path, kind="multi_label")
    assert learner.can_fit({})
    proba = learner.predict_proba(learner.fit(0, {}), make_pool(30, seed=2))
    own = [LABELS.index(str(record.gold)) for record in make_pool(30, seed=2)]
    assert proba[np.arange(30), own].mean() > proba.mean()


def test_descriptions_help_where_labels_are_few(tmp_path: Path) -> None:
    pool = make_pool()
    few = gold(pool, [pool.records[row].id for row in (0, 1, 2)])
    assert accuracy(learner_of(tmp_path / "with"), few) > accuracy(
        learner_of(tmp_path / "without", descriptions=None), few
    )


def test_they_are_part_of_what_a_model_is(tmp_path: Path) -> None:
    targets = gold(make_pool(), ["id-000", "id-001"])
    with_, without = learner_of(tmp_path), learner_of(tmp_path, descriptions=None)
    other = learner_of(tmp_path, descriptions={**DESCRIPTIONS, LABELS[0]: ("else",)})
    names = {learner.model_id(0, targets) for learner in (with_, without, other)}
    assert len(names) == 3


def test_a_trained_model_comes_back_as_it_was(tmp_path: Path) -> None:
    first = learner_of(tmp_path)
    again = learner_of(tmp_path)
    test = make_pool(20, seed=3)
    proba = [learner.predict_proba(learner.fit(0, {}), test) for learner in (first, again)]
    assert np.array_equal(proba[0], proba[1])


def test_they_are_never_held_out(tmp_path: Path) -> None:
    """Nothing but answers is cross-validated, and every part learns from the descriptions."""
    pool = make_pool()
    animals = [record.id for record in pool if record.gold == LABELS[0]][:8]
    targets = gold(pool, animals)
    guesses = learner_of(tmp_path).cross_predicted(1, targets, 4)
    assert set(guesses) == set(animals)
    assert sum(guess == LABELS[0] for guess in guesses.values()) >= 6
    proba = learner_of(tmp_path / "b").out_of_fold(1, targets, 4)
    assert all(row[1:].max() > 0 for row in proba.values()), "labels without an answer are known"


class Shares(Classifier):  # type: ignore[misc] # small-text is not typed
    """Gives each label its share of what it was trained on, more or less by the first feature."""

    def __init__(self, seen: list[int]) -> None:
        self.seen = seen

    def fit(self, train_set: Any, weights: Any = None) -> Any:
        self.seen.append(int((train_set.rows >= 40).sum()))
        self.shares = shares_of(train_set.y, weights)
        return self

    def predict(self, data_set: Any, return_proba: bool = False) -> Any:
        raise AssertionError

    def predict_proba(self, data_set: Any) -> Any:
        assert (data_set.rows < 40).all(), "no description is predicted"
        return self.shares * data_set.x[:, :1]


def shares_of(y: Any, weights: Any) -> Any:
    return np.average(y.toarray(), axis=0, weights=weights)


@given(
    described=st.lists(st.integers(0, 2), min_size=2, max_size=12),
    answered=st.integers(0, 30),
    folds=st.integers(2, 5),
)
def test_thresholds_are_those_of_people_s_answers_alone(
    described: list[int], answered: int, folds: int
) -> None:
    """Descriptions train in each fold; what decides about a threshold is what people said."""
    rng = np.random.default_rng(answered)
    pool = rng.random((40, 3)).astype(np.float32)
    y = csr_matrix((rng.random((answered, 3)) < 0.4).astype(np.int64))
    train_set = IndexedDataset(pool, y, np.arange(3), rows=np.arange(answered))
    theirs = csr_matrix(np.eye(3, dtype=np.int64)[described])
    descriptions = Descriptions(np.ones((len(described), 3), dtype=np.float32), theirs)
    both, weights = descriptions.added_to(train_set, None)
    seen: list[int] = []
    nothing = np.zeros((3, 3), dtype=np.float32)
    head = LinearHead(nothing, nothing[0], np.arange(3), 3, multi_label=True)
    parts = min(folds, answered)
    told = with_thresholds(head, both, lambda _: Shares(seen), folds=folds, seed=1, weights=weights)
    assert seen == [len(described)] * parts
    if not answered:
        assert told.thresholds is None
        return
    assert told.thresholds is not None
    fold = assigned(y, 3, parts, 1)
    proba = np.empty((answered, 3))
    for number in range(parts):
        kept = np.concatenate([fold != number, np.ones(len(described), dtype=bool)])
        shares = shares_of(both.y[np.flatnonzero(kept)], weights[kept])
        proba[fold == number] = shares * pool[:answered, :1][fold == number]
    expected = best_thresholds(proba.astype(np.float32), y.toarray() > 0)
    assert np.allclose(told.thresholds, expected, atol=1e-5)


def test_their_weight_falls() -> None:
    descriptions = Descriptions(np.zeros((2, 1)), np.array([0, 1]))
    weights = [descriptions.weight(labels) for labels in (0, 20, 60, 200, 1000)]
    assert weights[0] > 1
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] < 1


def some_rows(total: int) -> st.SearchStrategy[Positions]:
    return st.lists(st.integers(0, total - 1), max_size=12).map(lambda rows: np.array(rows, int))


@given(rows=some_rows(7), values=arrays(np.float32, (7, 3), elements=st.floats(-5, 5, width=32)))
def test_joined_rows_are_those_of_one_matrix(rows: Positions, values: Any) -> None:
    for kind in (np.asarray, csr_matrix):
        both = joined(kind(values[:4]), kind(values[4:]))
        assert both.shape == (7, 3)
        part = both[rows]
        assert np.array_equal(part if kind is np.asarray else part.toarray(), values[rows])


@given(
    rows=some_rows(5),
    texts=st.lists(st.lists(st.integers(0, 99), min_size=1), min_size=5, max_size=5),
)
def test_joined_tokens_are_those_of_one_store(rows: Positions, texts: list[list[int]]) -> None:
    def store(some: list[list[int]]) -> TokenStore:
        ids = np.array([token for text in some for token in text], dtype=np.int32)
        return TokenStore(ids, np.cumsum([0, *map(len, some)]).astype(np.int64))

    whole, both = store(texts), joined(store(texts[:2]), store(texts[2:]))
    assert both.shape == whole.shape
    assert [list(ids) for ids in both[rows]] == [list(ids) for ids in whole[rows]]
    assert np.array_equal(both.lengths, whole.lengths)  # type: ignore[attr-defined] # of tokens
    if len(rows):
        for mine, theirs in zip(both.padded(rows, 0), whole.padded(rows, 0), strict=True):  # type: ignore[attr-defined]
            assert np.array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("descriptions", "words"),
    [
        ({"dog": ["a text"]}, "'dog' is no label"),
        ({"animal": ["  "]}, "a description is empty"),
        ({"animal": ["x"] * 51}, "more than 50"),
    ],
)
def test_odd_descriptions_are_refused(descriptions: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TaskSection.model_validate({"labels": LABELS, "descriptions": descriptions})
    with pytest.raises(ValueError, match="says nothing of spans"):
        TaskSection.model_validate(
            {"type": "spans", "labels": LABELS, "descriptions": {"animal": ["x"]}}
        )


def test_one_text_needs_no_list() -> None:
    task = TaskSection.model_validate({"labels": LABELS, "descriptions": {"animal": "cats"}})
    assert task.descriptions == {"animal": ("cats",)}
