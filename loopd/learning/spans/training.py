"""Owns how an encoder and its tag head are fine-tuned; must not know texts, spans or names.

Imports torch at once, so import this module only where it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from loopd.learning.arrays import Positions, Tick, Weights
from loopd.learning.classifiers.fine_tuning import Dropout, Recipe, TrainedHead, descend, planned
from loopd.learning.spans.alignment import Tags
from loopd.learning.spans.states import AtomStates


@dataclass(frozen=True)
class TaggingRecipe:
    """How encoder and head are fine-tuned.

    Attributes:
        steps: what all fine-tuning has in common.
        head_learning_rate: highest rate of the head, which starts from nothing.
    """

    steps: Recipe
    head_learning_rate: float


@dataclass(frozen=True)
class TaggedTexts:
    """What is learned from, text by text in the order of the states' texts.

    Attributes:
        tags: of each text's atoms; n arrays.
        weights: (n,) sample weights.
        tick: called before each step; may raise.
    """

    tags: list[Tags]
    weights: Weights
    tick: Tick = field(repr=False)


def fine_tune(
    states: AtomStates, head: torch.nn.Linear, recipe: TaggingRecipe, texts: TaggedTexts, seed: int
) -> None:
    """Change encoder and head in place: cross entropy of each atom's tag.

    Args:
        states: the encoder over the n texts.
        head: from states (d) to tags (K).
        recipe: the settings.
        texts: tags and weights.
        seed: of the order and of dropout; encoders that are not ``lean`` draw their dropout from
            torch's generator, which the caller seeds.
    """
    rng = np.random.default_rng(seed)
    plan = planned(len(texts.tags), recipe.steps, rng)
    drop = Dropout(recipe.steps.dropout, rng)

    def loss(batch: Positions) -> torch.Tensor:
        return _loss(states, head, texts, (batch, drop))

    trained_head = TrainedHead(list(head.parameters()), recipe.head_learning_rate)
    encoder = states.embedder.encoder
    descend(encoder, recipe.steps, plan, loss, texts.tick, head=trained_head)


def _loss(
    states: AtomStates,
    head: torch.nn.Linear,
    texts: TaggedTexts,
    drawn: tuple[Positions, Dropout],
) -> torch.Tensor:
    """Weighted mean over the atoms of a batch, 0 where it has none."""
    batch, drop = drawn
    hidden, order = states.with_gradient(batch, drop)
    rows = batch[order]
    tags = np.concatenate([texts.tags[row] for row in rows])
    weights = np.repeat(texts.weights[rows], [len(texts.tags[row]) for row in rows])
    logits = head(drop(hidden))
    losses = torch.nn.functional.cross_entropy(
        logits, torch.from_numpy(tags).to(logits.device), reduction="none"
    )
    shares = torch.from_numpy(weights).to(logits.device)
    return (losses * shares).sum() / shares.sum().clamp(min=torch.finfo(shares.dtype).tiny)
