"""Mean pooling, length 1 and a head in the words of a stock model give the same probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers

from loopd.export.mean_layer import express, supports
from loopd.learning.classifiers.linear import LinearHead

WIDTH, CLASSES = 32, 5

SIZES: dict[str, Any] = {"vocab_size": 60, "max_position_embeddings": 40}

CONFIGS = {
    "bert": {"hidden_size": WIDTH, "num_attention_heads": 4, "intermediate_size": 48},
    "roberta": {"hidden_size": WIDTH, "num_attention_heads": 4, "intermediate_size": 48},
    "xlm-roberta": {"hidden_size": WIDTH, "num_attention_heads": 4, "intermediate_size": 48},
    "camembert": {"hidden_size": WIDTH, "num_attention_heads": 4, "intermediate_size": 48},
    "distilbert": {"dim": WIDTH, "n_heads": 4, "hidden_dim": 48},
}


def encoder_of(kind: str, bias: float) -> Any:
    """A random encoder with two layers; its norms' gains and biases are random too."""
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **SIZES, **CONFIGS[kind], num_hidden_layers=2)
    encoder = transformers.AutoModel.from_config(config).eval()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for name, weight in encoder.named_parameters():
            if "norm" in name.lower():
                noise = torch.randn_like(weight)
                weight.copy_(1 + 0.3 * noise if name.endswith("weight") else bias * noise)
            else:
                weight.mul_(4)
    return encoder


def stock_of(encoder: Any, head: LinearHead, length: float = 1.0) -> Any:
    config = transformers.AutoConfig.for_model(**encoder.config.to_dict())
    config.num_hidden_layers += 1
    config.num_labels = head.num_classes
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval()  # type: ignore[no-untyped-call]
    model.base_model.load_state_dict(encoder.state_dict(), strict=False)
    express(model, head, length)
    return model


def batch() -> dict[str, torch.Tensor]:
    """Texts of different lengths, padded."""
    torch.manual_seed(1)
    lengths = (3, 30, 7, 12, 1, 21)
    ids, mask = torch.ones(len(lengths), 30, dtype=torch.int64), torch.zeros(len(lengths), 30)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(5, 60, (length,))
        mask[row, :length] = 1
    return {"input_ids": ids, "attention_mask": mask.long()}


def unit_means(encoder: Any, tokens: dict[str, torch.Tensor]) -> tuple[Any, float]:
    states = encoder(**tokens).last_hidden_state
    mask = tokens["attention_mask"].unsqueeze(-1)
    means = (states * mask).sum(dim=1) / mask.sum(dim=1)
    lengths = means.norm(dim=1, keepdim=True)
    return (means / lengths).numpy(), float(lengths.mean())


def head_of(*, multi_label: bool = False) -> LinearHead:
    """A head that has not seen class 1."""
    rng = np.random.default_rng(0)
    classes = np.array([0, 2, 3, 4])
    return LinearHead(
        weight=rng.normal(0, 4, (4, WIDTH)).astype(np.float32),
        bias=rng.normal(0, 1, 4).astype(np.float32),
        classes=classes,
        num_classes=CLASSES,
        multi_label=multi_label,
    )


@pytest.mark.parametrize("kind", CONFIGS)
@torch.inference_mode()
def test_the_stock_model_says_what_ours_says(kind: str) -> None:
    assert supports(kind)
    with torch.inference_mode(mode=False):
        encoder, head, tokens = encoder_of(kind, bias=0.0), head_of(), batch()
        model = stock_of(encoder, head)
    vectors, _ = unit_means(encoder, tokens)
    theirs = model(**tokens).logits.softmax(dim=-1).numpy()
    assert np.abs(head.proba(vectors) - theirs).max() < 2e-5
    alone = {name: tensor[2:3, :7] for name, tensor in tokens.items()}
    one = model(**alone).logits.softmax(dim=-1).numpy()
    assert np.abs(one - theirs[2:3]).max() < 1e-5


def test_sigmoids_and_classes_never_seen() -> None:
    encoder, head, tokens = encoder_of("bert", bias=0.0), head_of(multi_label=True), batch()
    model = stock_of(encoder, head)
    with torch.inference_mode():
        vectors, _ = unit_means(encoder, tokens)
        theirs = model(**tokens).logits.sigmoid().numpy()
    assert np.abs(head.proba(vectors) - theirs).max() < 2e-5
    assert (theirs[:, 1] == 0).all()


def test_a_norm_with_a_bias_is_met_nearly() -> None:
    encoder, head, tokens = encoder_of("bert", bias=0.2), head_of(), batch()
    with torch.inference_mode():
        vectors, length = unit_means(encoder, tokens)
    model = stock_of(encoder, head, length)
    with torch.inference_mode():
        theirs = model(**tokens).logits.softmax(dim=-1).numpy()
    ours = head.proba(vectors)
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).all()
    assert np.abs(ours - theirs).mean() < 0.01


def test_half_precision_still_works() -> None:
    encoder, head, tokens = encoder_of("bert", bias=0.0), head_of(), batch()
    with torch.inference_mode():
        vectors, _ = unit_means(encoder, tokens)
    for dtype in (torch.bfloat16, torch.float16):
        model = stock_of(encoder, head).to(dtype)
        with torch.inference_mode():
            theirs = model(**tokens).logits.float().softmax(dim=-1).numpy()
        assert np.abs(head.proba(vectors) - theirs).mean() < 0.03


def test_other_architectures_are_not_claimed() -> None:
    assert not any(map(supports, ("mpnet", "deberta-v2", "modernbert", "albert")))
