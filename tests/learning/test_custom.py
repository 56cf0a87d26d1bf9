"""The user's own small-text classifier by dotted path."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopd.config import ClassifierSection
from loopd.errors import ModelError
from loopd.learning.classifiers.registry import identity
from loopd.learning.learner import Learner
from loopd.records import Targets
from tests.learning.conftest import all_scores

Build = Callable[..., Learner]

OWN = '''
import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.naive_bayes import MultinomialNB
from small_text import SklearnClassifier, SklearnClassifierFactory, Classifier

class Hashed:
    """A small-text factory over scikit-learn, with features of its own."""

    def __init__(self, num_classes, alpha=1.0):
        self.factory = SklearnClassifierFactory(MultinomialNB(alpha=alpha), num_classes)

    def encode(self, texts):
        return HashingVectorizer(n_features=512, alternate_sign=False).transform(texts)

    def new(self):
        return self.factory.new()

class Length(Classifier):
    """Sees the texts themselves; draws from numpy's global generator."""

    def __init__(self, num_classes):
        self.num_classes = num_classes

    def fit(self, train_set, weights=None):
        self.noise = np.random.random(self.num_classes)
        return self

    def predict(self, data_set, return_proba=False):
        return self.predict_proba(data_set).argmax(axis=1)

    def predict_proba(self, data_set):
        lengths = np.array([len(text) for text in data_set.x], dtype=float)
        raw = lengths[:, None] * self.noise[None, :] + 1
        return raw / raw.sum(axis=1, keepdims=True)

class Lengths:
    def __init__(self, num_classes):
        self.num_classes = num_classes

    def new(self):
        return Length(self.num_classes)

class NoFactory:
    def __init__(self, num_classes):
        pass
'''


@pytest.fixture(autouse=True)
def _own_code(tmp_path: Path) -> None:
    (tmp_path / "own_model.py").write_text(OWN)


def test_small_text_s_own_class_over_features_of_the_user(
    learner_of: Build, targets: Targets, tmp_path: Path
) -> None:
    learner = learner_of(
        classifier="own_model:Hashed", options={"alpha": 0.5}, code_paths=(tmp_path,)
    )
    assert "own_model:Hashed" in learner.check()
    model = learner.fit(1, targets)
    assert len(learner.choose(model, 5, round=2, targets=targets, exclude=()).items) == 5
    assert learner.predict_proba(model, ["a dog", "some bread"]).shape == (2, 3)


def test_training_is_seeded_and_a_model_that_is_not_on_disk_is_trained_again(
    learner_of: Build, targets: Targets, tmp_path: Path
) -> None:
    learners = [
        learner_of(classifier="own_model:Lengths", code_paths=(tmp_path,)) for _ in range(2)
    ]
    first, second = (learner.fit(1, targets) for learner in learners)
    assert np.array_equal(all_scores(first), all_scores(second))
    assert not (tmp_path / "cache").exists()


def test_a_classifier_that_drops_unseen_classes_is_refused(
    learner_of: Build, targets: Targets, tmp_path: Path
) -> None:
    learner = learner_of(classifier="own_model:Hashed", code_paths=(tmp_path,))
    two = {id_: label for id_, label in targets.items() if label != "food"}
    model = learner.fit(1, two)
    with pytest.raises(ModelError, match="shape") as caught:
        learner.choose(model, 5, round=2, targets=two, exclude=())
    assert "column" in caught.value.hint


def test_embeddings_are_refused_where_there_are_none(
    learner_of: Build, targets: Targets, tmp_path: Path
) -> None:
    learner = learner_of("badge", "own_model:Lengths", code_paths=(tmp_path,))
    with pytest.raises(ModelError, match="embeddings"):
        learner.choose(learner.fit(1, targets), 5, round=2, targets=targets, exclude=())


@pytest.mark.parametrize("name", ["own_model:NoFactory", "own_model:Missing", "own_model:Hashed"])
def test_what_cannot_be_built_is_explained(learner_of: Build, tmp_path: Path, name: str) -> None:
    options = {"beta": 1} if name.endswith("Hashed") else {}
    learner = learner_of(classifier=name, options=options, code_paths=(tmp_path,))
    with pytest.raises(ModelError):
        learner.check()


@pytest.mark.parametrize("name", ["small_text:SklearnClassifierFactory", "SklearnClassifier"])
def test_small_texts_sklearn_classifier_by_its_dotted_path(
    learner_of: Build, targets: Targets, name: str
) -> None:
    options = {"estimator": "sklearn.naive_bayes:MultinomialNB", "estimator_options": {"alpha": 2}}
    path = name if ":" in name else f"small_text.classifiers:{name}"
    learner = learner_of(classifier=path, options=options)
    assert path in learner.check()
    two = {id_: label for id_, label in targets.items() if label != "food"}
    model = learner.fit(1, two)
    assert len(learner.choose(model, 5, round=2, targets=two, exclude=()).items) == 5
    proba = learner.predict_proba(model, ["a dog", "some bread"])
    assert proba.shape == (2, 3)
    assert not proba[:, learner._problem.labels.index("food")].any()
    assert learner.predict(learner.fit(1, targets), ["bread with butter"]) == ["food"]


def test_small_texts_transformer_by_its_dotted_path(learner_of: Build, targets: Targets) -> None:
    path = "small_text:TransformerBasedClassificationFactory"
    learner = learner_of(classifier=path, options={"num_epochs": 1, "lr": 0.001})
    assert path in learner.check()
    model = learner.fit(1, targets)
    items = learner.choose(model, 5, round=2, targets=targets, exclude=()).items
    assert all(item.suggestion is not None for item in items)
    again = learner_of(classifier=path, options={"num_epochs": 1, "lr": 0.001}).fit(1, targets)
    texts = ["a dog", "some bread with butter"]
    proba = learner.predict_proba(model, texts)
    assert proba.shape == (2, 3)
    assert np.allclose(learner.predict_proba(again, texts), proba, atol=1e-5)


def test_small_texts_sklearn_classifier_serves_the_default_strategy_and_ensembles(
    learner_of: Build, targets: Targets
) -> None:
    path = "small_text:SklearnClassifier"
    learner = learner_of("auto", path, cold_start="typiclust")
    assert "cold start typiclust" in learner.check()
    assert len(learner.first_batch(5, round=0, exclude=()).items) == 5
    model = learner.fit(1, targets)
    assert len(learner.choose(model, 5, round=2, targets=targets, exclude=()).items) == 5
    said = [all_scores(learner.fit(1, targets, member)) for member in range(3)]
    assert all(np.abs(one - other).max() > 1e-3 for one, other in combinations(said, 2))


def test_a_classifier_without_embeddings_is_told_before_people_work(
    learner_of: Build, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"auto.*needs embeddings") as caught:
        learner_of("auto", "own_model:Lengths", code_paths=(tmp_path,)).check()
    assert "margin" in caught.value.hint
    assert "margin" in learner_of("margin", "own_model:Lengths", code_paths=(tmp_path,)).check()


def test_a_model_of_another_encoder_is_another_model() -> None:
    section = ClassifierSection(name="small_text:TransformerBasedClassification")
    shorter = section.model_copy(update={"max_tokens": 64})
    assert identity(section) == identity(section.model_copy())
    assert identity(section) != identity(shorter)


def test_small_texts_transformer_reads_the_cache_of_hugging_face(
    learner_of: Build, tmp_path: Path
) -> None:
    learner = learner_of(classifier="small_text:TransformerBasedClassification")
    classifier: Any = learner._trainer.factory.new(0)
    assert classifier.cache_dir is None
    assert not (tmp_path / "cache" / "small-text").exists()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("small_text:SklearnClassifier", {"estimator": "sklearn.svm:LinearSVC"}),
        ("small_text:SklearnClassifier", {"estimator": "sklearn.neighbors:KNeighborsClassifier"}),
        ("small_text:KimCNNFactory", {}),
        ("small_text:SklearnClassifierFactory", {"estimator": "sklearn.nothing:Here"}),
        ("small_text:TransformerBasedClassificationFactory", {"epochs": 3}),
    ],
)
def test_what_small_text_has_and_loopd_cannot_use_is_said_by_check(
    learner_of: Build, name: str, options: dict[str, object]
) -> None:
    with pytest.raises(ModelError) as caught:
        learner_of(classifier=name, options=options).check()
    assert caught.value.hint or "sklearn.nothing" in caught.value.message


def test_an_encoder_that_is_not_there_is_said_by_check(learner_of: Build, tmp_path: Path) -> None:
    learner = learner_of(classifier="small_text:TransformerBasedClassification")
    factory: Any = learner._trainer.factory
    factory._factory._model.model = str(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="cannot load the model"):
        learner.check()
