"""Owns how an encoder and its tag head are fine-tuned; must not know texts, spans or names.

Imports torch at once, so import this module only where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from loopd.learning.classifiers.contrastive import Dropout
from loopd.learning.spans.states import AtomStates

Tags = NDArray[np.int64]


@dataclass(frozen=True)
class Recipe:
    """How encoder and head are fine-tuned.

    Attributes:
        epochs: passes over the labelled texts.
        min_steps: least number of optimiser steps, for the first rounds with few texts.
        learning_rate: highest rate of the encoder, after the warm-up.
        head_learning_rate: that of the head, which starts from nothing.
        batch_size: texts of one step.
        dropout: share of each layer's outputs that a step does not see; 0 for none. Above 0,
            encoders that are not ``lean`` use the share they were made with.
        weight_decay: AdamW's.
        warmup: share of the steps in which the rates grow; afterwards they fall to zero.
        clip: largest norm of the gradient.
    """

    epochs: int
    min_steps: int
    learning_rate: float
    head_learning_rate: float
    batch_size: int
    dropout: float
    weight_decay: float = 0.01
    warmup: float = 0.1
    clip: float = 1.0


@dataclass(frozen=True)
class Lesson:
    """What is learned from, text by text in the order of the states' texts.

    Attributes:
        tags: of each text's atoms; n arrays.
        weights: (n,) sample weights.
        tick: called before each step with (done, total); may raise.
    """

    tags: list[Tags]
    weights: NDArray[np.float32]
    tick: Callable[[int, int], None] = field(repr=False)


def fine_tune(
    states: AtomStates, head: torch.nn.Linear, recipe: Recipe, lesson: Lesson, seed: int
) -> None:
    """Change encoder and head in place: cross entropy of each atom's tag.

    Args:
        states: the encoder over the n texts of the lesson.
        head: from states (d) to tags (K).
        recipe: the settings.
        lesson: tags and weights.
        seed: of the order and of dropout; encoders that are not ``lean`` draw their dropout from
            torch's generator, which the caller seeds.
    """
    rng = np.random.default_rng(seed)
    plan = _plan(len(lesson.tags), recipe, rng)
    drop = Dropout(recipe.dropout, rng)
    encoder = states.embedder.encoder
    trained = [weight for weight in encoder.parameters() if weight.requires_grad]
    rates = (recipe.learning_rate, recipe.head_learning_rate)
    groups = [{"params": trained}, {"params": list(head.parameters())}]
    optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay, fused=True)
    encoder.train(recipe.dropout > 0)
    for step, batch in enumerate(plan):
        lesson.tick(step, len(plan))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * _rate(step, len(plan), recipe.warmup)
        _loss(states, head, lesson, (batch, drop)).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([*trained, *head.parameters()], recipe.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    encoder.eval()
    lesson.tick(len(plan), len(plan))


def _loss(
    states: AtomStates,
    head: torch.nn.Linear,
    lesson: Lesson,
    drawn: tuple[NDArray[np.int64], Dropout],
) -> torch.Tensor:
    """Weighted mean over the atoms of a batch, 0 where it has none."""
    batch, drop = drawn
    found, order = states.with_gradient(batch, drop)
    rows = batch[order]
    tags = np.concatenate([lesson.tags[row] for row in rows])
    weights = np.repeat(lesson.weights[rows], [len(lesson.tags[row]) for row in rows])
    logits = head(drop(found))
    each = torch.nn.functional.cross_entropy(
        logits, torch.from_numpy(tags).to(logits.device), reduction="none"
    )
    shares = torch.from_numpy(weights).to(logits.device)
    return (each * shares).sum() / shares.sum().clamp(min=torch.finfo(shares.dtype).tiny)


def _plan(count: int, recipe: Recipe, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Batches of all epochs: every text once in each, in equal batches."""
    in_epoch = -(-count // recipe.batch_size)
    epochs = max(recipe.epochs, -(-recipe.min_steps // in_epoch))
    return [
        batch for _ in range(epochs) for batch in np.array_split(rng.permutation(count), in_epoch)
    ]


def _rate(step: int, steps: int, warmup: float) -> float:
    """Share of the highest learning rate: linear up, then linear down to zero."""
    rising = max(1, round(steps * warmup))
    return min((step + 1) / rising, (steps - step) / max(1, steps - rising + 1))
