"""The lean forward pass gives what the encoder's own gives, and so do its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    RobertaConfig,
    RobertaModel,
)

from loopd.learning.classifiers.contrastive import supervised_contrastive_loss
from loopd.learning.classifiers.fine_tuning import Dropout
from loopd.learning.classifiers.lean import BLOCK, LeanEncoder, _attended, flat, supports
from loopd.learning.classifiers.pooling import Embedder, flat_batches
from loopd.learning.features.tokens import TokenStore

SMALL: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 80,
}
LENGTHS = (3, 3, 7, 13, 16, 16, 21, 60)


def encoder(kind: str) -> Any:
    """A small encoder with random weights, some of them large."""
    torch.manual_seed(0)
    config, model = {"bert": (BertConfig, BertModel), "roberta": (RobertaConfig, RobertaModel)}[
        kind
    ]
    made = model(config(**SMALL)).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return made


def texts() -> list[NDArray[np.int32]]:
    rng = np.random.default_rng(1)
    return [rng.integers(5, 50, length, dtype=np.int32) for length in LENGTHS]


def own(model: Any, text: NDArray[np.int32], layer: int) -> torch.Tensor:
    """The module's own forward pass of one text alone, mean pooled."""
    ids = torch.from_numpy(text.astype(np.int64))[None]
    states = model(input_ids=ids, output_hidden_states=True).hidden_states
    mean: torch.Tensor = states[layer][0].mean(dim=0)
    return mean


@pytest.mark.parametrize("kind", ["bert", "roberta"])
@pytest.mark.parametrize("frozen", [True, False])
def test_every_layer_is_the_modules_own(kind: str, frozen: bool) -> None:
    model = encoder(kind)
    assert supports(model)
    with torch.no_grad():
        lean = LeanEncoder(model, torch.float32, frozen=frozen)
        found = lean.pooled(flat(texts()), layers=(0, 1, -1))
        for place, text in enumerate(texts()):
            expected = torch.stack([own(model, text, layer) for layer in (0, 1, -1)])
            assert torch.allclose(found[place], expected, atol=2e-5)


def test_gradients_are_the_modules_own() -> None:
    model = encoder("bert")
    target = torch.randn(len(LENGTHS), 32, generator=torch.Generator().manual_seed(2))
    lean = LeanEncoder(model, torch.float32, frozen=False)
    (lean.pooled(flat(texts()))[:, 0] * target).sum().backward()  # type: ignore[no-untyped-call]
    named = [(name, weight) for name, weight in model.named_parameters() if "pooler" not in name]
    found = {name: weight.grad.clone() for name, weight in named}
    model.zero_grad()
    whole = torch.stack([own(model, text, -1) for text in texts()])
    (whole * target).sum().backward()  # type: ignore[no-untyped-call]
    for name, weight in named:
        assert torch.allclose(found[name], weight.grad, atol=1e-3, rtol=1e-3), name


@pytest.mark.parametrize("tokens", [1, 8, 9, 13, 16, 17, 40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_keys_that_fill_up_are_not_seen(tokens: int, dtype: torch.dtype) -> None:
    count, heads, size, behind = 5, 2, 16, 20
    drawn = torch.Generator().manual_seed(tokens)
    mixed = torch.randn(3 + count * tokens + behind, 3 * heads * size, generator=drawn).to(dtype)
    end = 3 + count * tokens
    run = mixed[3:end].view(count, tokens, 3, heads, size)
    with torch.inference_mode():
        among_others, alone = _attended(run, behind), _attended(run, 0)
        mixed[end:] *= 1000
        assert torch.equal(_attended(run, behind), among_others)
    assert torch.equal(among_others, alone)
    query, key, value = run.float().permute(2, 0, 3, 1, 4)
    seen = (query @ key.transpose(2, 3) * size**-0.5).softmax(dim=-1) @ value
    expected = seen.transpose(1, 2).reshape(count * tokens, -1)
    assert torch.allclose(alone.float(), expected, atol=1e-5 if dtype == torch.float32 else 0.03)


def test_bf16_is_near_and_not_equal() -> None:
    model = encoder("bert")
    with torch.no_grad():
        exact = LeanEncoder(model, torch.float32, frozen=True).pooled(flat(texts()))
        rough = LeanEncoder(model, torch.bfloat16, frozen=True).pooled(flat(texts()))
    cosines = torch.nn.functional.cosine_similarity(exact[:, 0], rough[:, 0])
    assert not torch.equal(exact, rough)
    assert cosines.min() > 0.99


def test_the_number_of_tokens_is_filled_up() -> None:
    for count in (1, 3, 8):
        assert len(flat(texts()[:count]).ids) % BLOCK == 0


def test_other_architectures_go_their_own_way() -> None:
    small = DistilBertConfig(vocab_size=50, dim=32, n_layers=2, n_heads=4, hidden_dim=64)
    model = DistilBertModel(small).eval()  # type: ignore[no-untyped-call]
    assert not supports(model)
    lengths = [len(text) for text in texts()]
    store = TokenStore(np.concatenate(texts()), np.concatenate([[0], np.cumsum(lengths)]))
    embedder = Embedder(model, store, 0, False, lambda: None, lambda done, total: None)
    rows = np.array([4, 0, 7])
    with torch.no_grad():
        expected = torch.stack([own(model, texts()[row], -1) for row in rows])
    assert np.allclose(embedder.embed(rows), expected.numpy(), atol=1e-5)
    assert np.allclose(embedder.with_gradient(rows).detach(), expected.numpy(), atol=1e-5)


def test_rows_come_back_in_the_order_asked_for() -> None:
    model = encoder("bert")
    lengths = [len(text) for text in texts()]
    store = TokenStore(np.concatenate(texts()), np.concatenate([[0], np.cumsum(lengths)]))
    embedder = Embedder(model, store, 0, False, lambda: None, lambda done, total: None)
    rows = np.array([7, 0, 3, 3, 1])
    with torch.no_grad():
        expected = torch.stack([own(model, texts()[row], -1) for row in rows]).numpy()
    assert np.allclose(embedder.embed(rows), expected, atol=2e-5)
    assert np.allclose(embedder.with_gradient(rows).detach().numpy(), expected, atol=2e-5)
    two = embedder.embed(rows, (1, -1))
    assert two.shape == (5, 64)
    assert np.allclose(two[:, 32:], expected, atol=2e-5)


def test_batches_hold_the_budget_and_every_text_once() -> None:
    lengths = np.array([5, 100, 3, 8, 8, 2, 40])
    found = flat_batches(lengths, 20)
    assert sorted(np.concatenate(found).tolist()) == list(range(7))
    assert all(lengths[group].sum() <= 20 or len(group) == 1 for group in found)
    assert flat_batches(np.array([], dtype=np.int64), 20) == []


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    ones = torch.ones(200, 500)
    dropped = Dropout(0.25, np.random.default_rng(0))(ones)
    assert (dropped == 0).float().mean() == pytest.approx(0.25, abs=0.01)
    assert dropped.mean() == pytest.approx(1.0, abs=0.02)
    assert torch.equal(Dropout(0.0, np.random.default_rng(0))(ones), ones)


def test_an_anchor_without_a_partner_counts_nothing() -> None:
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [0.6, 0.8], [0, 1.0]]), dim=1)
    ones = torch.ones(3)
    alone = supervised_contrastive_loss(vectors, torch.tensor([0, 1, 2]), ones, 0.5)
    assert alone == 0
    pair = supervised_contrastive_loss(vectors, torch.tensor([0, 0, 2]), ones, 0.5)
    # By hand: anchors 0 and 1, cosines 0.6 (0-1), 0 (0-2), 0.8 (1-2), divided by 0.5.
    first = -np.log(np.exp(1.2) / (np.exp(1.2) + 1))
    second = -np.log(np.exp(1.2) / (np.exp(1.2) + np.exp(1.6)))
    assert pair.item() == pytest.approx((first + second) / 2, abs=1e-6)
