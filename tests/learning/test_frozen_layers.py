"""The lower layers of an encoder stay as they are, and models of versions without that load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopd.config import ClassifierSection
from loopd.errors import ModelError
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.classifiers.fine_tuning import ENCODER
from loopd.learning.classifiers.transformer import TransformerFactory
from loopd.learning.classifiers.transformer_classifier import TransformerClassifier
from loopd.learning.dataset import IndexedDataset
from tests.learning.conftest import LABELS, make_pool

pytestmark = pytest.mark.integration

POOL = make_pool(30)
ROWS = np.arange(12)
QUICK = {"epochs": 1, "min_steps": 2}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def factory_of(cache: Path, **options: Any) -> TransformerFactory:
    section = ClassifierSection(name="transformer", threads=1, options={**QUICK, **options})
    return TransformerFactory(ClassifierContext(POOL, len(LABELS), section, cache))


def trained(factory: TransformerFactory) -> TransformerClassifier:
    y = np.array([LABELS.index(str(POOL.records[int(row)].gold)) for row in ROWS])
    everything = np.arange(len(LABELS))
    return factory.new(5).fit(IndexedDataset(factory.pool_features, y, everything, rows=ROWS))


def changed(factory: TransformerFactory, classifier: TransformerClassifier) -> set[str]:
    """Names of the weights that training has changed, cut behind the layer's number."""
    import torch

    before = dict(factory.backbone.copy().named_parameters())
    return {
        ".".join(name.split(".")[:3])
        for name, weight in classifier.encoder.named_parameters()
        if not torch.equal(weight, before[name])
    }


@pytest.mark.parametrize(
    ("share", "first"), [(0, 0), (1 / 3, 2), (0.5, 3), (0.97, 5)], ids=["0", "1/3", ".5", ".97"]
)
def test_the_layers_above_alone_are_trained(tmp_path: Path, share: float, first: int) -> None:
    factory = factory_of(tmp_path, frozen_share=share)
    names = changed(factory, trained(factory))
    layers = {f"encoder.layer.{number}" for number in range(first, 6)}
    assert {name for name in names if name.startswith("encoder.")} == layers
    assert any(name.startswith("embeddings.") for name in names) == (share == 0)
    assert "embeddings.word_embeddings.weight" not in names


def test_a_third_stays_by_default(tmp_path: Path) -> None:
    factory = factory_of(tmp_path)
    saved = factory.save(trained(factory))
    lower = (f"{ENCODER}encoder.layer.0.", f"{ENCODER}encoder.layer.1.", f"{ENCODER}embeddings.")
    assert not [name for name in saved if name.startswith(lower)]
    assert [name for name in saved if name.startswith(f"{ENCODER}encoder.layer.2.")]


def test_a_model_of_which_more_was_trained_is_read_whole(tmp_path: Path) -> None:
    older = factory_of(tmp_path, frozen_share=0)
    classifier = trained(older)
    newer = factory_of(tmp_path)
    read = newer.load(older.save(classifier))
    everything = IndexedDataset(
        older.pool_features, np.full(30, -1), np.arange(len(LABELS)), rows=np.arange(30)
    )
    assert np.array_equal(read.predict_proba(everything), classifier.predict_proba(everything))
    again = newer.load(newer.save(read))  # as a head that was fitted on it is, later
    assert np.array_equal(again.predict_proba(everything), classifier.predict_proba(everything))


def test_a_file_that_lacks_a_trained_weight_is_refused(tmp_path: Path) -> None:
    factory = factory_of(tmp_path)
    tensors = {**factory.save(trained(factory))}
    del tensors[f"{ENCODER}encoder.layer.5.output.dense.weight"]
    with pytest.raises(KeyError):
        factory.load(tensors)
    with pytest.raises(KeyError):
        factory.load({**factory.save(trained(factory)), f"{ENCODER}else": np.zeros(2)})


@pytest.mark.parametrize("share", [1, -0.1, "a third", True, None])
def test_a_share_that_cannot_be_meant_is_refused(tmp_path: Path, share: object) -> None:
    with pytest.raises(ModelError, match="frozen_share"):
        factory_of(tmp_path, frozen_share=share)


def gradients(factory: TransformerFactory, *, kept: bool) -> tuple[Any, dict[str, Any]]:
    """Vectors of some texts, asked for twice, and the gradients of their sum of squares."""
    classifier = factory.new(0)
    embedder = factory.embedder(classifier.encoder, factory.pool_features, "testing")
    drop = None if kept else (lambda hidden: hidden)  # which makes every step compute all layers
    rows = np.array([3, 1, 3, 7, 20])
    embedder.with_gradient(rows[:2], drop)
    vectors = embedder.with_gradient(rows, drop)
    vectors.square().sum().backward()  # type: ignore[no-untyped-call]
    weights = classifier.encoder.named_parameters()
    return vectors.detach().numpy(), {n: w.grad.numpy() for n, w in weights if w.grad is not None}


def test_states_that_are_kept_change_no_gradient(tmp_path: Path) -> None:
    factory = factory_of(tmp_path, bf16=False)
    (kept, kept_gradients), (all_anew, expected) = (
        gradients(factory, kept=kept) for kept in (True, False)
    )
    assert np.allclose(kept, all_anew, atol=1e-5)
    assert kept_gradients.keys() == expected.keys()
    scale = max(np.abs(gradient).max() for gradient in expected.values())
    for name, gradient in expected.items():
        assert np.allclose(kept_gradients[name], gradient, atol=1e-4 * scale), name


def test_more_texts_than_may_be_kept_train_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    factory = factory_of(tmp_path, bf16=False)
    kept, _ = gradients(factory, kept=True)
    monkeypatch.setattr("loopd.learning.classifiers.still.MOST_TOKENS", 0)
    assert np.allclose(kept, gradients(factory, kept=True)[0], atol=1e-5)
