"""Owns how an encoder turns token rows into mean-pooled vectors; must not train or classify.

Imports torch at once, so import this module only where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
import torch

from loopd.learning.arrays import Positions, Vectors
from loopd.learning.classifiers.lean import Drop, LeanEncoder, flat, supports, unplanned
from loopd.learning.features.tokens import TokenStore, batches

TRAINING_BUDGET = 4096
"""Tokens of one forward pass in training; a stop is noticed between two of them."""

SCORING_BUDGET = 2048
"""Tokens of one forward pass in scoring; fits the caches of a CPU core."""

SCORING_BUDGET_CUDA = 65536

LAST = (-1,)
"""The last layer alone, as transformers counts ``hidden_states``."""

Fetch: TypeAlias = Callable[[], Vectors]


@dataclass(frozen=True)
class Embedder:
    """An encoder over one token store.

    Encoders that ``lean`` supports go through its forward pass, others through their own.

    Attributes:
        encoder: gives ``last_hidden_state`` for token ids and a mask.
        tokens: the texts.
        padding: token id of the padding.
        bf16: whether training multiplies in bf16.
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

    @cached_property
    def lean(self) -> bool:
        """Whether the encoder goes through ``LeanEncoder``."""
        return supports(self.encoder)

    def with_gradient(self, rows: Positions, drop: Drop | None = None) -> torch.Tensor:
        """Vectors (k, d) of rows that may repeat, in their order, for training.

        Args:
            rows: which texts.
            drop: dropout for encoders that go the lean way; others have their own.
        """
        dtype = self._dtype(self.bf16)
        lean = LeanEncoder(self.encoder, dtype, frozen=False) if self.lean else None
        groups = batches(self.tokens.lengths[rows], TRAINING_BUDGET)
        parts = []
        for group in groups:
            self.interrupt()
            if lean is None:
                part = self._padded(rows[group], LAST, self.bf16)[:, 0]
            else:
                part = lean.pooled(flat(self.tokens[rows[group]]), LAST, drop)[:, 0]
            part.register_hook(lambda _: self.interrupt())  # type: ignore[no-untyped-call]
            parts.append(part)
        back = np.argsort(np.concatenate(groups), kind="stable")
        return torch.cat(parts)[torch.from_numpy(back).to(self.device)]

    def embed(
        self, rows: Positions, layers: Sequence[int] = LAST, *, bf16: bool = False
    ) -> Vectors:
        """Mean-pooled states of some layers, one layer after the other.

        The last bits depend on which rows are asked for together: they share batches.

        Args:
            rows: (k,) which texts.
            layers: which, as transformers counts ``hidden_states``: 0 is the embeddings.
            bf16: whether to multiply in bf16, two to four times faster where the device has it.

        Returns:
            (k, layers * d) float32.
        """
        vectors, done = np.empty((0, 0), dtype=np.float32), 0
        for group, fetch in _ahead(self._embedded(rows, layers, bf16)):
            part = fetch()
            if not done:
                vectors = np.empty((len(rows), part.shape[1]), dtype=np.float32)
            vectors[group] = part
            done += len(group)
            self.progress(done, len(rows))
        return vectors

    def _embedded(
        self, rows: Positions, layers: Sequence[int], bf16: bool
    ) -> Iterator[tuple[Positions, Fetch]]:
        """Batches, as positions in the rows (k,), and what gives their vectors (k, d)."""
        budget = SCORING_BUDGET if self.device.type == "cpu" else SCORING_BUDGET_CUDA
        # Dropout (Monte Carlo samples) is the module's own affair.
        lean = self.lean and not self.encoder.training
        scorer = LeanEncoder(self.encoder, self._dtype(bf16), frozen=True) if lean else None
        find = flat_batches if lean else batches
        for group in find(self.tokens.lengths[rows], budget):
            self.interrupt()
            with torch.inference_mode():
                if scorer is None:
                    part = self._padded(rows[group], layers, bf16)
                else:
                    part = scorer.pooled(flat(self.tokens[rows[group]]), layers)
                fetch = _fetching(part.flatten(1))
            yield group, fetch

    def _dtype(self, bf16: bool) -> torch.dtype:
        return torch.bfloat16 if bf16 else torch.float32

    def _padded(self, rows: Positions, layers: Sequence[int], bf16: bool) -> torch.Tensor:
        """The encoder's own forward pass: (k, layers, d) float32."""
        ids, mask = (
            torch.from_numpy(array).to(self.device)
            for array in self.tokens.padded(rows, self.padding)
        )
        autocast = torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bf16)
        with autocast, unplanned(self.device):
            states = self.encoder(
                input_ids=ids, attention_mask=mask, output_hidden_states=True
            ).hidden_states
        share = mask / mask.sum(dim=1, keepdim=True)
        means = [(states[layer].float() * share.unsqueeze(-1)).sum(dim=1) for layer in layers]
        return torch.stack(means, dim=1)


def _fetching(part: torch.Tensor) -> Fetch:
    """Begin to copy a result from where it is; the function waits for it."""
    if part.device.type != "cuda":
        return part.cpu().numpy
    copied = part.to("cpu", non_blocking=True)
    copying = torch.cuda.current_stream(part.device).record_event()

    def fetch() -> Vectors:
        copying.synchronize()
        whole: Vectors = copied.numpy()
        return whole

    return fetch


def _ahead(results: Iterator[tuple[Positions, Fetch]]) -> Iterator[tuple[Positions, Fetch]]:
    """The same, each when the next one is under way: a GPU need not wait for its results."""
    before = next(results, None)
    while before is not None:
        after = next(results, None)
        yield before
        before = after


def flat_batches(lengths: Positions, budget: int) -> list[Positions]:
    """Split texts into batches, shortest text first, by the sum of their tokens.

    Args:
        lengths: tokens of each text (n,).
        budget: most tokens of one batch; a longer text is a batch of its own.

    Returns:
        Positions in ``lengths``, each in exactly one batch.
    """
    order = np.argsort(lengths, kind="stable")
    ends = np.cumsum(lengths[order])
    groups, start, before = [], 0, 0
    while start < len(order):
        end = max(start + 1, int(np.searchsorted(ends, before + budget, side="right")))
        groups.append(order[start:end])
        start, before = end, int(ends[end - 1])
    return groups


def unit(vectors: Vectors) -> Vectors:
    """Vectors (n, d) scaled to length 1; zero stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = vectors / np.maximum(lengths, 1e-12)
    return scaled
