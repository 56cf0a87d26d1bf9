"""Owns supervised contrastive fine-tuning of an encoder; must not know texts, names or heads.

Imports torch at once, so import this module only where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from loopd.learning.classifiers.pooling import Embedder


@dataclass(frozen=True)
class Recipe:
    """How the encoder is fine-tuned.

    Attributes:
        epochs: passes over the labelled texts.
        min_steps: least number of optimiser steps, for the first rounds with few texts.
        learning_rate: highest rate, after the warm-up.
        batch_size: texts of one step.
        views: how often each text of a step is embedded, under different dropout. With one view a
            text learns from the others of its class alone, at half the cost.
        dropout: share of each layer's outputs that a step does not see; 0 for none. Above 0,
            encoders that are not ``lean`` use the share they were made with.
        temperature: of the contrastive loss.
        weight_decay: AdamW's.
        warmup: share of the steps in which the rate grows; afterwards it falls to zero.
        clip: largest norm of the gradient.
    """

    epochs: int
    min_steps: int
    learning_rate: float
    batch_size: int
    views: int
    dropout: float
    temperature: float
    weight_decay: float = 0.01
    warmup: float = 0.1
    clip: float = 1.0


@dataclass(frozen=True)
class Lesson:
    """What is learned from.

    Attributes:
        rows: (n,) rows of the embedder's tokens.
        y: (n,) class numbers, or (n, C) zeros and ones for several labels.
        weights: (n,) sample weights.
        tick: called before each step with (done, total); may raise.
    """

    rows: NDArray[np.int64]
    y: NDArray[np.int64]
    weights: NDArray[np.float32]
    tick: Callable[[int, int], None] = field(repr=False)


def fine_tune(embedder: Embedder, recipe: Recipe, lesson: Lesson, seed: int) -> None:
    """Change the encoder in place so that texts of one class lie together.

    Source: Khosla et al. 2020, Supervised Contrastive Learning (arXiv 2004.11362, L_out); dropout
    as augmentation from Gao et al. 2021, SimCSE (2104.08821). With several labels for each text
    partners weigh as much as their labels are alike (see ``likeness``; on such weights Huang et al.
    2024, 2410.13439).

    Args:
        embedder: the encoder with its tokens.
        recipe: the settings.
        lesson: the texts and labels.
        seed: of the order and of dropout; encoders that are not ``lean`` draw their dropout from
            torch's generator, which the caller seeds.
    """
    rng = np.random.default_rng(seed)
    plan = _plan(len(lesson.rows), recipe, rng)
    drop = Dropout(recipe.dropout, rng)
    weights = [weight for weight in embedder.encoder.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    embedder.encoder.train(recipe.dropout > 0)
    for step, batch in enumerate(plan):
        lesson.tick(step, len(plan))
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _rate(step, len(plan), recipe.warmup)
        loss = _step(embedder, recipe, lesson, (batch, drop))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, recipe.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    embedder.encoder.eval()
    lesson.tick(len(plan), len(plan))


def supervised_contrastive_loss(
    embedded: torch.Tensor, y: torch.Tensor, weights: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Mean over the anchors of minus the mean log probability of their partners.

    Args:
        embedded: (m, d), of length 1.
        y: (m,) class numbers, or (m, C) zeros and ones for several labels.
        weights: (m,) of the anchors. A row without a partner, another row that is like it, is no
            anchor; it still stands against the others.
        temperature: divides the cosines.
    """
    cosines = embedded @ embedded.T / temperature
    itself = torch.eye(len(y), dtype=torch.bool, device=y.device)
    logits = cosines.masked_fill(itself, -torch.inf)
    logs = (logits - torch.logsumexp(logits, dim=1, keepdim=True)).masked_fill(itself, 0.0)
    partners = likeness(y).masked_fill(itself, 0.0)
    counts = partners.sum(dim=1)
    each = -(logs * partners).sum(dim=1) / torch.where(counts > 0, counts, 1.0)
    weights = weights * (counts > 0)
    return (each * weights).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)


def likeness(y: torch.Tensor) -> torch.Tensor:
    """How much rows are partners (m, m), from 0 to 1.

    Of one class: 1, else 0. With several labels the share of common ones among all that either row
    has (Jaccard); two rows without a label are alike.

    Args:
        y: (m,) class numbers, or (m, C) zeros and ones.
    """
    if y.ndim == 1:
        return (y[:, None] == y[None, :]).float()
    given = y.float()
    common, sizes = given @ given.T, given.sum(dim=1)
    either = sizes[:, None] + sizes[None, :] - common
    return torch.where(either > 0, common / either.clamp(min=1), 1.0)


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


def _step(
    embedder: Embedder, recipe: Recipe, lesson: Lesson, drawn: tuple[NDArray[np.int64], Dropout]
) -> torch.Tensor:
    batch, drop = drawn
    seen = np.tile(batch, recipe.views)
    embedded = embedder.with_gradient(lesson.rows[seen], drop)
    device = embedded.device
    return supervised_contrastive_loss(
        torch.nn.functional.normalize(embedded, dim=1),
        torch.from_numpy(lesson.y[seen]).to(device),
        torch.from_numpy(lesson.weights[seen]).to(device),
        recipe.temperature,
    )


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
