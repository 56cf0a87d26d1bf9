"""Owns how mean pooling, length 1 and a linear head are said in a stock classification model.

``BertForSequenceClassification`` and its relatives look at the first token alone, while our heads
look at the mean of all tokens, scaled to length 1. One more layer of the same kind makes up for it:

- its queries and keys are zero, so that every token, the first one too, attends to all tokens
  alike: its values, times a big number, are the mean, padding left out as ever;
- the residual, the token's own state, is drowned by that number;
- the layer norm that follows divides by the length. It takes away the mean of the numbers too, but
  what it takes is put beyond reach: the vectors are first turned so that the direction in which
  they do not vary lies there. Behind a layer norm with gain w and bias b there is such a direction,
  1/w: every state has the same product with it, that of b;
- the rest of the layer adds nothing, and the model's own head is made linear: its activation is
  used where it is straight.

The model is a stock one; nothing but weights is ours. Up to rounding it gives the same
probabilities where the product of 1/w and b is zero, and nearly so where it is small against the
length of the vectors.

Imports torch at once, so import this module only where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from loopd.learning.classifiers.linear import LinearHead

SCALE = 2.0**10
"""The last layer's states are made smaller by this, values and their sum larger by as much each:
the residual is a millionth of the mean, and everything fits into half precision too."""

STRAIGHT = 2.0**-12
"""How small the arguments of a tanh are made: there it is a line."""

NEVER = -1e4
"""Logit of a class that was not seen in training; its probability is zero."""


@dataclass(frozen=True)
class Layer:
    """One layer of an encoder in which the norm comes after the sum.

    Attributes:
        query, key, value, out: linear parts of the attention.
        norm: after the attention.
        up, down: linear parts of the feed-forward half.
        last: the norm after that.
    """

    query: Any
    key: Any
    value: Any
    out: Any
    norm: Any
    up: Any
    down: Any
    last: Any


@dataclass(frozen=True)
class Family:
    """Where an architecture keeps its parts.

    Attributes:
        layers: gives all layers of a classification model.
        dense, out: give the two linear parts of its head, between which is the activation.
        straight: makes ``dense`` and returns (factor, shift) so that the activation of a number x
            is factor * x + shift.
    """

    layers: Callable[[Any], list[Layer]]
    dense: Callable[[Any], Any]
    out: Callable[[Any], Any]
    straight: Callable[[Any], tuple[float, float]]


def supports(model_type: str) -> bool:
    """Whether the architecture is known here."""
    return model_type in _FAMILIES


@torch.no_grad()
def express(model: Any, head: LinearHead, length: float) -> None:
    """Make a stock model say what encoder, mean pooling, length 1 and head say.

    Args:
        model: a classification model of a known architecture with the encoder's weights, and one
            more layer than the encoder at its end; changed in place.
        head: our head.
        length: typical length of a mean-pooled vector; counts only where the vectors' fixed product
            is not zero.
    """
    family = _FAMILIES[model.config.model_type]
    before, extra = family.layers(model)[-2:]
    width = int(model.config.hidden_size)
    fixed, product = _fixed_direction(before.last)
    turn = _turned(fixed)
    _shrink(before.last)
    for nothing in (extra.query, extra.key, extra.up, extra.down):
        nothing.weight.zero_()
        nothing.bias.zero_()
    _set(extra.value, turn * SCALE)
    _set(extra.out, torch.eye(width) * SCALE)
    for norm in (extra.norm, extra.last):
        norm.weight.fill_(1)
        norm.bias.zero_()
    factor, shift = family.straight(family.dense(model))
    weight, bias = _logits(head, width)
    # Of a vector v the model has turn @ (v - product * fixed) * sqrt(width) / its length.
    rest = max(length**2 - product**2, 1e-12) ** 0.5
    shown = weight @ turn.T * (rest / length / width**0.5)
    bias = bias + weight @ fixed * (product / length)
    out = family.out(model)
    out.weight.copy_(shown / factor)
    out.bias.copy_(bias - shown.sum(dim=1) * (shift / factor))


def _fixed_direction(norm: Any) -> tuple[torch.Tensor, float]:
    """The direction (d) in which states behind a layer norm do not vary, and their product."""
    gain = norm.weight.double()
    direction = 1 / torch.where(gain.abs() < 1e-12, torch.full_like(gain, 1e-12), gain)
    direction = direction / direction.norm()
    return direction, float(direction @ norm.bias.double())


def _turned(direction: torch.Tensor) -> torch.Tensor:
    """A reflection (d, d) that lays the direction along (1, ..., 1), the mean of all numbers."""
    width = len(direction)
    mirror = direction - torch.full_like(direction, width**-0.5)
    if float(mirror.norm()) < 1e-9:
        return torch.eye(width, dtype=direction.dtype)
    mirror = mirror / mirror.norm()
    return torch.eye(width, dtype=direction.dtype) - 2 * torch.outer(mirror, mirror)


def _shrink(norm: Any) -> None:
    norm.weight.div_(SCALE)
    norm.bias.div_(SCALE)


def _set(linear: Any, weight: torch.Tensor) -> None:
    linear.weight.copy_(weight)
    linear.bias.zero_()


def _logits(head: LinearHead, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (C, d) and biases (C,) of all classes in double precision."""
    weight = torch.zeros(head.num_classes, width, dtype=torch.float64)
    bias = torch.full((head.num_classes,), NEVER, dtype=torch.float64)
    classes = torch.from_numpy(head.classes)
    weight[classes] = torch.from_numpy(head.weight).double()
    bias[classes] = torch.from_numpy(head.bias).double()
    return weight, bias


# -- architectures ---------------------------------------------------------------------------------


def _bert_layer(layer: Any) -> Layer:
    inside, output = layer.attention.self, layer.attention.output
    return Layer(
        inside.query,
        inside.key,
        inside.value,
        output.dense,
        output.LayerNorm,
        layer.intermediate.dense,
        layer.output.dense,
        layer.output.LayerNorm,
    )


def _distilbert_layer(layer: Any) -> Layer:
    inside = layer.attention
    return Layer(
        inside.q_lin,
        inside.k_lin,
        inside.v_lin,
        inside.out_lin,
        layer.sa_layer_norm,
        layer.ffn.lin1,
        layer.ffn.lin2,
        layer.output_layer_norm,
    )


def _through_tanh(dense: Any) -> tuple[float, float]:
    """tanh(STRAIGHT * x) is STRAIGHT * x."""
    _set(dense, torch.eye(dense.in_features) * STRAIGHT)
    return STRAIGHT, 0.0


def _through_relu(dense: Any) -> tuple[float, float]:
    """relu(x + shift) is x + shift: no number of the vectors is below minus their length."""
    shift = dense.in_features**0.5 + 1
    _set(dense, torch.eye(dense.in_features))
    dense.bias.fill_(shift)
    return 1.0, shift


def _encoder_layers(model: Any) -> list[Layer]:
    return [_bert_layer(layer) for layer in model.base_model.encoder.layer]


_BERT = Family(
    layers=_encoder_layers,
    dense=lambda model: model.base_model.pooler.dense,
    out=lambda model: model.classifier,
    straight=_through_tanh,
)
_ROBERTA = Family(
    layers=_encoder_layers,
    dense=lambda model: model.classifier.dense,
    out=lambda model: model.classifier.out_proj,
    straight=_through_tanh,
)
_DISTILBERT = Family(
    layers=lambda model: [_distilbert_layer(layer) for layer in model.base_model.transformer.layer],
    dense=lambda model: model.pre_classifier,
    out=lambda model: model.classifier,
    straight=_through_relu,
)

_FAMILIES: Mapping[str, Family] = {
    "bert": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "distilbert": _DISTILBERT,
}
