"""Owns how an encoder turns texts into one vector for each atom; must not tag or train.

Imports torch at once, so import this module only where it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own habit)

from loopd.learning.arrays import Positions, Proba
from loopd.learning.classifiers.lean import Drop, LeanEncoder, flat, unplanned
from loopd.learning.classifiers.pooling import (
    SCORING_BUDGET,
    SCORING_BUDGET_CUDA,
    TRAINING_BUDGET,
    Embedder,
    flat_batches,
)
from loopd.learning.features.tokens import batches
from loopd.learning.spans.tokens import SpanTokens


@dataclass(frozen=True)
class AtomStates:
    """An encoder over the atoms of texts: the state of each atom's first token.

    Source: first sub-words as in Devlin et al. 2019 (1810.04805), section 5.3.

    Attributes:
        embedder: the encoder over the texts' tokens; says where, how and when to stop.
        texts: the texts.
    """

    embedder: Embedder
    texts: SpanTokens

    def with_gradient(
        self, rows: Positions, drop: Drop | None = None
    ) -> tuple[torch.Tensor, Positions]:
        """States for training.

        Args:
            rows: (k,) which texts.
            drop: dropout for encoders that go the lean way; others have their own.

        Returns:
            States (T, d) float32 of all their atoms, text by text, and the order in which these
            texts come (k,), as indices of ``rows``.
        """
        embedder = self.embedder
        dtype = torch.bfloat16 if embedder.bf16 else torch.float32
        lean = LeanEncoder(embedder.encoder, dtype, frozen=False) if embedder.lean else None
        groups = batches(self.texts.tokens.lengths[rows], TRAINING_BUDGET)
        parts = []
        for group in groups:
            embedder.interrupt()
            part = self._forward(rows[group], lean, bf16=embedder.bf16, drop=drop)
            part.register_hook(lambda _: embedder.interrupt())  # type: ignore[no-untyped-call]
            parts.append(part)
        return torch.cat(parts), np.concatenate(groups)

    def scored(
        self, rows: Positions, weight: torch.Tensor, bias: torch.Tensor, *, bf16: bool
    ) -> tuple[Proba, Positions]:
        """Probabilities of a linear head over the states.

        The last bits depend on which rows are asked for together: they share batches.

        Args:
            rows: (k,) which texts.
            weight: (K, d) of the head.
            bias: (K,).
            bf16: whether the encoder multiplies in bf16; the head never does.

        Returns:
            (T, K) float32 of all their atoms, text by text in the order of the rows, and where
            each text's begin (k + 1,).
        """
        embedder = self.embedder
        offsets = np.concatenate([[0], np.cumsum(self.texts.counts[rows])]).astype(np.int64)
        proba = np.empty((int(offsets[-1]), len(bias)), dtype=np.float32)
        dtype = torch.bfloat16 if bf16 else torch.float32
        lean = LeanEncoder(embedder.encoder, dtype, frozen=True) if embedder.lean else None
        budget = SCORING_BUDGET if embedder.device.type == "cpu" else SCORING_BUDGET_CUDA
        find, done = flat_batches if lean else batches, 0
        for group in find(self.texts.tokens.lengths[rows], budget):
            embedder.interrupt()
            with torch.inference_mode():
                states = self._forward(rows[group], lean, bf16=bf16)
                part = F.linear(states, weight, bias).softmax(dim=1).cpu().numpy()
            proba[_atoms_of(offsets, group)] = part
            done += len(group)
            embedder.progress(done, len(rows))
        return proba, offsets

    def _forward(
        self, rows: Positions, lean: LeanEncoder | None, *, bf16: bool, drop: Drop | None = None
    ) -> torch.Tensor:
        """States (T, d) float32 of the atoms of rows that are sorted by length."""
        firsts = [self.texts.firsts(int(row)) for row in rows]
        lengths = self.texts.tokens.lengths[rows]
        if lean is not None:
            states = lean.last(flat(self.texts[rows]), drop)
            starts = np.cumsum(lengths) - lengths
        else:
            states = self._padded(rows, bf16).flatten(0, 1)
            starts = np.arange(len(rows)) * int(lengths.max())
        indices = np.concatenate(
            [first + start for first, start in zip(firsts, starts, strict=True)]
        )
        return states[torch.from_numpy(indices).to(states.device)].float()

    def _padded(self, rows: Positions, bf16: bool) -> torch.Tensor:
        """The encoder's own forward pass: (k, longest, d)."""
        embedder = self.embedder
        ids, mask = (
            torch.from_numpy(array).to(embedder.device)
            for array in self.texts.tokens.padded(rows, embedder.padding)
        )
        autocast = torch.autocast(embedder.device.type, dtype=torch.bfloat16, enabled=bf16)
        with autocast, unplanned(embedder.device):
            states: torch.Tensor = embedder.encoder(
                input_ids=ids, attention_mask=mask
            ).last_hidden_state
        return states


def _atoms_of(offsets: Positions, group: Positions) -> Positions:
    """Where the atoms of some texts are among those of all."""
    return np.concatenate([np.arange(offsets[text], offsets[text + 1]) for text in group])
