"""Owns supervised contrastive fine-tuning of an encoder; must not know texts, names or heads.

Imports torch at once, so import this module only where it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from loopd.learning.arrays import Positions, Tick, Weights
from loopd.learning.classifiers.fine_tuning import (
    Dropout,
    Recipe,
    descend,
    epochs_of,
    in_epoch,
    planned,
)
from loopd.learning.classifiers.pooling import Embedder
from loopd.learning.classifiers.spreading import Guesses


@dataclass(frozen=True)
class ContrastiveRecipe:
    """How the encoder is fine-tuned.

    Attributes:
        steps: what all fine-tuning has in common.
        views: how often each text of a step is embedded, under different dropout. With one view a
            text learns from the others of its class alone, at half the cost.
        temperature: of the contrastive loss.
    """

    steps: Recipe
    views: int
    temperature: float


@dataclass(frozen=True)
class ClassifiedTexts:
    """What is learned from.

    Attributes:
        rows: (n,) rows of the embedder's tokens.
        y: (n,) class numbers, or (n, C) zeros and ones for several labels.
        weights: (n,) sample weights.
        tick: called before each step; may raise.
    """

    rows: Positions
    y: Positions
    weights: Weights
    tick: Tick = field(repr=False)

    def with_guesses(self, guesses: Guesses, weight: float) -> ClassifiedTexts:
        """The same with guessed labels of other rows, each of which counts so much."""
        counts = np.full(len(guesses.rows), weight, dtype=np.float32)
        return replace(
            self,
            rows=np.concatenate([self.rows, guesses.rows]),
            y=np.concatenate([self.y, guesses.y]),
            weights=np.concatenate([self.weights, counts]),
        )


def fine_tune(
    embedder: Embedder, recipe: ContrastiveRecipe, texts: ClassifiedTexts, seed: int
) -> None:
    """Change the encoder in place so that texts of one class lie together.

    Source: Khosla et al. 2020, Supervised Contrastive Learning (arXiv 2004.11362, L_out); dropout
    as augmentation from Gao et al. 2021, SimCSE (2104.08821). With several labels for each text
    partners weigh as much as their labels are alike (see ``likeness``; on such weights Huang et al.
    2024, 2410.13439).

    Args:
        embedder: the encoder with its tokens.
        recipe: the settings.
        texts: with their labels.
        seed: of the order and of dropout; encoders that are not ``lean`` draw their dropout from
            torch's generator, which the caller seeds.
    """
    rng = np.random.default_rng(seed)
    plan = batches_of(texts.y, recipe.steps, rng)[: recipe.steps.max_steps]
    drop = Dropout(recipe.steps.dropout, rng) if recipe.steps.dropout else None

    def loss(batch: Positions) -> torch.Tensor:
        return _loss(embedder, recipe, texts, (batch, drop, rng))

    descend(embedder.encoder, recipe.steps, plan, loss, texts.tick)


ENOUGH_PARTNERS = 0.3
"""Share of texts that meet a partner by chance from which on batches need no arranging."""


def batches_of(y: Positions, steps: Recipe, rng: np.random.Generator) -> list[Positions]:
    """Batches of all epochs: every text once in each, and with a partner where its class has one.

    A text without another of its class in the batch teaches nothing. With six classes nearly every
    text meets one by chance; with 150 hardly any does, so that texts then come in pairs.

    Args:
        y: (n,) class numbers, or (n, C) zeros and ones, of which no batches are arranged.
        steps: the settings.
        rng: of the order.
    """
    if y.ndim > 1 or share_with_partner(y, steps.batch_size) >= ENOUGH_PARTNERS:
        return planned(len(y), steps, rng)
    return [batch for _ in range(epochs_of(len(y), steps)) for batch in _paired(y, steps, rng)]


def share_with_partner(y: Positions, batch_size: int) -> float:
    """Share of the texts that meet another of their class in a batch drawn at random.

    Texts that are alone in their class count for nothing: no batch gives them a partner.
    """
    _, index, counts = np.unique(y, return_inverse=True, return_counts=True)
    others = counts[index] - 1
    if not others.any():
        return 1.0
    drawn = min(batch_size, len(y)) - 1
    alone = (1 - others / (len(y) - 1)) ** drawn
    return float(1 - alone[others > 0].mean())


def _paired(y: Positions, steps: Recipe, rng: np.random.Generator) -> list[Positions]:
    """One epoch in batches that hold whole pairs; of an odd class three texts stay together."""
    groups: list[Positions] = []
    for label in rng.permutation(np.unique(y)):
        members = rng.permutation(np.flatnonzero(y == label))
        groups += np.array_split(members, max(1, len(members) // 2))
    order = rng.permutation(len(groups))
    ends = np.cumsum([len(groups[group]) for group in order])
    count = in_epoch(len(y), steps)
    even = np.arange(1, count) * len(y) / count
    inner = ends[:-1, None]
    nearest = np.abs(inner - even).argmin(axis=0) if len(inner) else np.empty(0, dtype=np.int64)
    cuts = np.unique(nearest + 1)
    return [np.concatenate([groups[group] for group in part]) for part in np.split(order, cuts)]


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
    losses = -(logs * partners).sum(dim=1) / torch.where(counts > 0, counts, 1.0)
    weights = weights * (counts > 0)
    return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)


def likeness(y: torch.Tensor) -> torch.Tensor:
    """How much rows are partners (m, m), from 0 to 1.

    Of one class: 1, else 0. With several labels the share of common ones among all that either row
    has (Jaccard); two rows without a label are alike.

    Args:
        y: (m,) class numbers, or (m, C) zeros and ones.
    """
    if y.ndim == 1:
        return (y[:, None] == y[None, :]).float()
    table = y.float()
    common, sizes = table @ table.T, table.sum(dim=1)
    either = sizes[:, None] + sizes[None, :] - common
    return torch.where(either > 0, common / either.clamp(min=1), 1.0)


def _loss(
    embedder: Embedder,
    recipe: ContrastiveRecipe,
    texts: ClassifiedTexts,
    drawn: tuple[Positions, Dropout | None, np.random.Generator],
) -> torch.Tensor:
    batch, drop, rng = drawn
    seen = np.tile(batch, recipe.views)
    embedded = embedder.with_gradient(texts.rows[seen], drop, rng)
    device = embedded.device
    return supervised_contrastive_loss(
        torch.nn.functional.normalize(embedded, dim=1),
        torch.from_numpy(texts.y[seen]).to(device),
        torch.from_numpy(texts.weights[seen]).to(device),
        recipe.temperature,
    )
