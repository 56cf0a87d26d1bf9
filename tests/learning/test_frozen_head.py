"""The frozen head over the real packaged weights: features once, a quick round, the same bits."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from loopd.config import ClassifierSection
from loopd.errors import Interrupted, ModelError
from loopd.learning.classifiers import registry
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.dataset import IndexedDataset
from loopd.learning.learner import Learner
from loopd.records import Targets
from tests.learning.conftest import LABELS, gold, make_pool

pytestmark = pytest.mark.integration

Build = Callable[..., Learner]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tests run beside each other; more threads than cores make torch many times slower."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def factory_of(tmp_path: Path, name: str = "frozen-head", **more: Any) -> Any:
    section = ClassifierSection(name=name, threads=1, options=more.pop("options", {}))
    pool = more.pop("pool", None) or make_pool()
    return registry.create(ClassifierContext(pool, 3, section, tmp_path / "cache", **more))


@pytest.mark.parametrize("name", ["frozen-head", "frozen_head"])
def test_it_learns(learner_of: Build, name: str) -> None:
    pool, test = make_pool(), make_pool(60, seed=1)
    learner = learner_of(classifier=name, pool=pool)
    assert "frozen head over packaged" in learner.check()
    targets = gold(pool, [record.id for record in pool.records[:18]])
    proba = learner.predict_proba(learner.fit(1, targets), test)
    guessed = [LABELS[place] for place in proba.argmax(axis=1)]
    right = [guess == record.gold for guess, record in zip(guessed, test, strict=True)]
    assert np.mean(right) > 0.9
    assert np.allclose(proba.sum(axis=1), 1, atol=1e-5)


def test_both_spellings_are_one_model() -> None:
    both = [ClassifierSection(name=name) for name in ("frozen-head", "frozen_head")]
    assert registry.identity(both[0]) == registry.identity(both[1])


def test_trained_loaded_and_made_again_are_equal_to_the_last_bit(
    learner_of: Build, targets: Targets, tmp_path: Path
) -> None:
    ids = [record.id for record in make_pool()]
    options = {"dimensions": 20}

    def proba() -> Any:
        learner = learner_of(classifier="frozen-head", options=options)
        return learner.predict_pool(learner.fit(1, targets), ids)

    trained, loaded = proba(), proba()
    shutil.rmtree(tmp_path / "cache" / "features")
    again = proba()
    shutil.rmtree(tmp_path / "cache")
    from_nothing = proba()
    for other in (loaded, again, from_nothing):
        assert np.array_equal(trained, other)


def test_a_head_of_another_space_is_not_loaded(tmp_path: Path) -> None:
    factories = [factory_of(tmp_path, options={"layers": layers}) for layers in ([2], [3])]
    classifier = factories[0].new(0)
    rows = np.arange(12)
    classifier.fit(IndexedDataset(factories[0].pool_features, rows % 3, np.arange(3), rows=rows))
    tensors = factories[0].save(classifier)
    factories[0].load(tensors)
    with pytest.raises(ValueError, match="other features"):
        factory_of(tmp_path, options={"dimensions": 10}).load(tensors)


def test_the_pool_is_encoded_once_for_head_and_representation(tmp_path: Path) -> None:
    seen: list[str] = []

    def progress(what: str, done: int, total: int) -> None:
        seen.append(what)

    first = factory_of(tmp_path, progress=progress)
    assert first.pool_features.shape == (90, 7 * 384)
    vectors = first.representation.pool[np.arange(90)]
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    other = factory_of(tmp_path, "transformer")
    assert np.array_equal(other.representation.pool[np.arange(90)], vectors)
    texts = make_pool().texts[:5]
    assert np.allclose(other.representation.of(texts), vectors[:5], atol=2e-2)
    assert np.allclose(first.encode(texts), first.pool_features[np.arange(5)], atol=2e-2)
    assert "encoding" in seen


def test_features_are_means_over_the_text_alone(tmp_path: Path) -> None:
    import torch

    factory = factory_of(tmp_path, options={"bf16": False, "layers": [0, -1]})
    text = "a story about cheese and rice"
    found = factory.encode([text, "cat " * 60])[0]
    backbone = factory.backbone
    (ids,) = backbone.tokenize([text])
    with torch.inference_mode():
        states = backbone.copy()(
            input_ids=torch.tensor([ids]), output_hidden_states=True
        ).hidden_states
    means = [states[layer][0].mean(dim=0) for layer in (0, -1)]
    expected = torch.cat([mean / mean.norm() for mean in means]).numpy()
    assert np.allclose(found, expected, atol=1e-5)


def test_dimensions_are_reduced_and_other_texts_follow(tmp_path: Path) -> None:
    factory = factory_of(tmp_path, options={"dimensions": 16})
    assert factory.pool_features.shape == (90, 16)
    kept = factory.encode(make_pool(30, seed=2).texts, "a fingerprint")
    assert kept.shape == (30, 16)
    assert np.allclose(kept[np.arange(30)], factory.encode(make_pool(30, seed=2).texts), atol=2e-2)
    assert factory.encode([]).shape == (0, 16)


def test_an_interruption_leaves_nothing_half_done(tmp_path: Path) -> None:
    def stop() -> None:
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        _ = factory_of(tmp_path, interrupt=stop).pool_features
    assert factory_of(tmp_path).pool_features.shape[0] == 90


def test_several_labels_and_weights(tmp_path: Path) -> None:
    factory = factory_of(tmp_path)
    pool = make_pool()
    given = np.array([[record.gold == label for label in LABELS] for record in pool], dtype=int)
    given[:, 0] |= given[:, 1]
    rows = np.arange(45)
    classifier = factory.new(0)
    classifier.fit(
        IndexedDataset(factory.pool_features, csr_matrix(given[:45]), np.arange(3), rows=rows),
        weights=np.ones(45, dtype=np.float32),
    )
    others = np.arange(45, 90)
    dataset = IndexedDataset(factory.pool_features, given[45:], np.arange(3), rows=others)
    labels, proba = classifier.predict(dataset, return_proba=True)
    assert (labels.toarray() == given[45:]).mean() > 0.9
    assert proba.sum(axis=1).max() > 1.2
    assert factory.load(factory.save(classifier)).head.multi_label


def test_weights_count(tmp_path: Path) -> None:
    factory = factory_of(tmp_path)
    rows = np.arange(30)
    dataset = IndexedDataset(factory.pool_features, rows % 3, np.arange(3), rows=rows)
    heavy = np.where(rows % 3 == 1, 50, 0.02).astype(np.float32)
    plain, weighted = (factory.new(0).fit(dataset, weights=each) for each in (None, heavy))
    assert weighted.predict_proba(dataset)[:, 1].mean() > plain.predict_proba(dataset)[:, 1].mean()
    assert weighted.embed(dataset).shape == (30, 7 * 384)


@pytest.mark.parametrize(
    "options",
    [{"layers": "some"}, {"layers": []}, {"layers": [1.5]}, {"dimensions": 0}, {"c": "10"},
     {"bf16": "yes"}, {"layer": [1]}],
)  # fmt: skip
def test_bad_options_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="option"):
        factory_of(tmp_path, options=options)


def test_a_layer_that_the_model_lacks(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="0 to 6"):
        _ = factory_of(tmp_path, options={"layers": [7]}).pool_features
