"""Owns how an encoder turns token rows into mean-pooled vectors; must not train or classify.

Imports torch at once, so import this module only where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from loopd.learning.encoding import TokenStore, batches

TRAINING_BUDGET = 4096
"""Tokens of one forward pass in training; a stop is noticed between two of them."""

SCORING_BUDGET = 2048
"""Tokens of one forward pass in scoring; fits the caches of a CPU core."""

SCORING_BUDGET_CUDA = 65536


@dataclass(frozen=True)
class Embedder:
    """An encoder over one token store.

    Attributes:
        encoder: gives ``last_hidden_state`` for token ids and a mask.
        tokens: the texts.
        padding: token id of the padding.
        bf16: whether training multiplies in bf16 (autocast).
        interrupt: called before each forward and backward pass; may raise.
        progress: called with (done, total) rows in scoring.
    """

    encoder: torch.nn.Module
    tokens: TokenStore
    padding: int
    bf16: bool
    interrupt: Callable[[], None] = field(repr=False)
    progress: Callable[[int, int], None] = field(repr=False)

    @property
    def device(self) -> torch.device:
        """Where the encoder is."""
        return next(self.encoder.parameters()).device

    def with_gradient(self, rows: NDArray[np.int64]) -> torch.Tensor:
        """Vectors (k, d) of rows that may repeat, in their order, for training."""
        groups = batches(self.tokens.lengths[rows], TRAINING_BUDGET)
        parts = []
        for group in groups:
            self.interrupt()
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
                part = self._pooled(rows[group])
            part.register_hook(lambda _: self.interrupt())  # type: ignore[no-untyped-call]
            parts.append(part)
        back = np.argsort(np.concatenate(groups), kind="stable")
        return torch.cat(parts)[torch.from_numpy(back).to(self.device)]

    def embed(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Vectors (k, d) float32 of rows, in full precision.

        The last bits depend on which rows are asked for together: they share batches.
        """
        budget = SCORING_BUDGET if self.device.type == "cpu" else SCORING_BUDGET_CUDA
        groups = batches(self.tokens.lengths[rows], budget)
        done, parts = 0, []
        for group in groups:
            self.interrupt()
            with torch.inference_mode():
                parts.append(self._pooled(rows[group]).cpu().numpy())
            done += len(group)
            self.progress(done, len(rows))
        back = np.argsort(np.concatenate(groups), kind="stable")
        vectors: NDArray[np.float32] = np.concatenate(parts)[back]
        return vectors

    def _pooled(self, rows: NDArray[np.int64]) -> torch.Tensor:
        ids, mask = (
            torch.from_numpy(array).to(self.device)
            for array in self.tokens.padded(rows, self.padding)
        )
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        pooled: torch.Tensor = (hidden * weight).sum(dim=1).float() / mask.sum(dim=1, keepdim=True)
        return pooled
