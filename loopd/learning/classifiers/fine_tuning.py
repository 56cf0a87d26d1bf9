"""Owns how a pretrained encoder is fine-tuned, step by step; must not know the loss or the labels.

Imports torch at once, so import this module only where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from loopd.learning.arrays import Positions, Tensors, Tick
from loopd.learning.classifiers.backbone import Backbone
from loopd.learning.classifiers.lean import Transformer

ENCODER = "encoder."
"""Prefix of the encoder's weights in the saved form."""


@dataclass(frozen=True)
class Recipe:
    """What contrastive fine-tuning and that of taggers have in common.

    Attributes:
        epochs: passes over the labelled texts.
        min_steps: least number of optimiser steps, for the first rounds with few texts.
        learning_rate: highest rate of the encoder, after the warm-up.
        batch_size: texts of one step.
        dropout: share of each layer's outputs that a step does not see; 0 for none. Above 0,
            encoders that are not ``lean`` use the share they were made with.
        weight_decay: AdamW's.
        warmup: share of the steps in which the rates grow; afterwards they fall to zero.
        clip: largest norm of the gradient.
        max_steps: most optimiser steps, whatever ``epochs`` says; ``None``: no limit.
    """

    epochs: int
    min_steps: int
    learning_rate: float
    batch_size: int
    dropout: float
    weight_decay: float = 0.01
    warmup: float = 0.1
    clip: float = 1.0
    max_steps: int | None = None


@dataclass(frozen=True)
class TrainedHead:
    """Weights that are trained beside the encoder, with a rate of their own.

    Attributes:
        weights: all of them.
        learning_rate: the highest.
    """

    weights: Sequence[torch.nn.Parameter]
    learning_rate: float


class Dropout:
    """Dropout whose masks come from a numpy generator: bytes, ten times faster than torch's.

    Args:
        rate: share of zeros, rounded to 1/256.
        rng: draws the masks.
    """

    def __init__(self, rate: float, rng: np.random.Generator) -> None:
        self._below, self._rng = round(rate * 256), rng

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """The input with zeros, the rest scaled up."""
        if self._below == 0:
            return hidden
        drawn = np.frombuffer(bytearray(self._rng.bytes(hidden.numel())), dtype=np.uint8)
        kept = torch.from_numpy(drawn).to(hidden.device).view(hidden.shape) >= self._below
        return hidden * (kept.to(hidden.dtype) * (256 / (256 - self._below)))


def descend(
    encoder: torch.nn.Module,
    recipe: Recipe,
    plan: Sequence[Positions],
    loss: Callable[[Positions], torch.Tensor],
    tick: Tick,
    *,
    head: TrainedHead | None = None,
) -> None:
    """Change an encoder, and a head, in place by AdamW.

    Args:
        encoder: those of its weights are trained that require a gradient.
        recipe: the settings.
        plan: the batches of :func:`planned`.
        loss: of one batch.
        tick: called before each step and at the end; may raise.
        head: trained too.
    """
    trained = [weight for weight in encoder.parameters() if weight.requires_grad]
    parts = [TrainedHead(trained, recipe.learning_rate), *([] if head is None else [head])]
    optimizer = torch.optim.AdamW(
        [{"params": list(part.weights)} for part in parts],
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    encoder.train(recipe.dropout > 0)
    for step, batch in enumerate(plan):
        tick(step, len(plan))
        for group, part in zip(optimizer.param_groups, parts, strict=True):
            group["lr"] = part.learning_rate * _rate(step, len(plan), recipe.warmup)
        loss(batch).backward()  # type: ignore[no-untyped-call]
        every = [weight for part in parts for weight in part.weights]
        torch.nn.utils.clip_grad_norm_(every, recipe.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    encoder.eval()
    tick(len(plan), len(plan))


def planned(count: int, recipe: Recipe, rng: np.random.Generator) -> list[Positions]:
    """Batches of all epochs: every text once in each, in equal batches."""
    steps = in_epoch(count, recipe)
    return [
        batch
        for _ in range(epochs_of(count, recipe))
        for batch in np.array_split(rng.permutation(count), steps)
    ]


def in_epoch(count: int, recipe: Recipe) -> int:
    """Steps of one pass over so many texts."""
    return -(-count // recipe.batch_size)


def epochs_of(count: int, recipe: Recipe) -> int:
    """Passes over so many texts: more than configured where these are too few steps."""
    return max(recipe.epochs, -(-recipe.min_steps // in_epoch(count, recipe)))


def _rate(step: int, steps: int, warmup: float) -> float:
    """Share of the highest learning rate: linear up, then linear down to zero."""
    rising = max(1, round(steps * warmup))
    return min((step + 1) / rising, (steps - step) / max(1, steps - rising + 1))


def trainable_encoder(
    backbone: Backbone, *, freeze_embeddings: bool, frozen_share: float = 0.0
) -> torch.nn.Module:
    """A copy of the pretrained encoder to be fine-tuned.

    Args:
        backbone: gives the copy.
        freeze_embeddings: whether the word vectors stay as they are.
        frozen_share: share of the layers, from the lowest, that stay as they are, rounded; where
            there is one, all that lies below them stays too. The highest is always trained. Layers
            that share their weights are all trained, as none of them can stay alone.
    """
    encoder = backbone.copy()
    below = min(round(frozen_share * backbone.layers), backbone.layers - 1)
    low = backbone.weights_below(below) if below > 0 else frozenset()
    words = {id(weight) for weight in _word_vectors(encoder)} if freeze_embeddings else set()
    for name, weight in encoder.named_parameters():
        is_word = freeze_embeddings and ("word_embeddings" in name or id(weight) in words)
        weight.requires_grad_(not (is_word or name in low))
    return encoder


def _word_vectors(encoder: Transformer) -> Iterator[torch.nn.Parameter]:
    """Whatever an encoder calls them."""
    try:
        yield from encoder.get_input_embeddings().parameters()
    except NotImplementedError:  # transformers finds none in it
        return


def trained_weights(encoder: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The weights that training may change, by their names in the saved form."""
    return {
        ENCODER + name: weight
        for name, weight in encoder.named_parameters()
        if weight.requires_grad
    }


def restored(encoder: torch.nn.Module, tensors: Tensors) -> None:
    """Put saved numbers in the place of an encoder's weights; those that were not saved stay.

    Earlier versions trained more of them. Whatever is read counts as trained from then on, so that
    it is saved again with a head that was fitted on it.

    Raises:
        KeyError, ValueError: the arrays do not fit, or lack a weight that training may change.
    """
    every = {ENCODER + name: weight for name, weight in encoder.named_parameters()}
    needed = {*trained_weights(encoder), *(name for name in tensors if name.startswith(ENCODER))}
    for name in needed & every.keys():
        every[name].requires_grad_(True)
    restore({name: every[name] for name in sorted(needed)}, tensors)


def saved(weights: Mapping[str, torch.Tensor]) -> Tensors:
    """Weights as arrays."""
    return {name: weight.detach().cpu().numpy() for name, weight in weights.items()}


def restore(weights: Mapping[str, torch.Tensor], tensors: Tensors) -> None:
    """Put saved numbers in the place of weights.

    Raises:
        KeyError, ValueError: the arrays do not fit.
    """
    with torch.no_grad():
        for name, weight in weights.items():
            numbers = torch.from_numpy(tensors[name])
            if numbers.shape != weight.shape:
                raise ValueError(f"{name} has another shape")
            weight.copy_(numbers)
