"""Owns how an encoder turns token rows into mean-pooled vectors; must not train or classify.

Imports torch at once, so import this module only where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from loopd.learning.arrays import Positions, Vectors
from loopd.learning.classifiers.lean import (
    EVERY_LAYER,
    Drop,
    LeanEncoder,
    flat,
    supports,
    unplanned,
)
from loopd.learning.classifiers.still import StillLayers
from loopd.learning.features.tokens import Tokens, batches, stacked
from loopd.learning.features.windows import Windows

TRAINING_BUDGET = 4096
"""Tokens of one forward pass in training; a stop is noticed between two of them."""

SCORING_BUDGET = 2048
"""Tokens of one forward pass in scoring; fits the caches of a CPU core."""

SCORING_BUDGET_CUDA = 65536

LAST = (-1,)
"""The last layer alone, as transformers counts ``hidden_states``."""

Fetch: TypeAlias = Callable[[], Vectors]

Batch: TypeAlias = Sequence[NDArray[np.int32]]
"""Token ids of texts that are encoded together."""

Elsewhere: TypeAlias = Callable[[Sequence[Batch], Sequence[int], bool], Iterator[Vectors]]
"""Gives the vectors (k, layers * d) of each batch, in their order, from batches, layers, bf16."""


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
        window: tokens of a window where a text may have several, as ``windows`` lays them out; a
            text's vector is then the mean over them.
        elsewhere: embeds batches in other processes; ``None``: they are embedded here.
    """

    encoder: torch.nn.Module
    tokens: Tokens
    padding: int
    bf16: bool
    interrupt: Callable[[], None] = field(repr=False)
    progress: Callable[[int, int], None] = field(repr=False)
    window: int | None = None
    elsewhere: Elsewhere | None = field(default=None, repr=False)

    @property
    def device(self) -> torch.device:
        """Where the encoder is."""
        return next(self.encoder.parameters()).device

    @cached_property
    def lean(self) -> bool:
        """Whether the encoder goes through ``LeanEncoder``."""
        return supports(self.encoder)

    @cached_property
    def _still(self) -> StillLayers | None:
        """Layers that no step changes, as long as this object lives; ``None`` without any."""
        still = StillLayers(self.encoder, self._dtype(self.bf16))
        return still if still.count else None

    def with_gradient(
        self, rows: Positions, drop: Drop | None = None, rng: np.random.Generator | None = None
    ) -> torch.Tensor:
        """Vectors (k, d) of rows that may repeat, in their order, for training.

        Args:
            rows: which texts.
            drop: dropout for encoders that go the lean way; others have their own.
            rng: draws the one window that is seen of a text of several; without it the draw is
                the same every time.
        """
        dtype = self._dtype(self.bf16)
        still = self._still if self.lean and drop is None and self.window is None else None
        above = EVERY_LAYER if still is None else slice(still.count, None)
        lean = LeanEncoder(self.encoder, dtype, frozen=False, layers=above) if self.lean else None
        pieces = self._windows(rows).one_each(rng or np.random.default_rng(0))
        groups = batches(pieces.length, TRAINING_BUDGET)
        parts = []
        for group in groups:
            self.interrupt()
            texts = self._texts(rows, pieces[group])
            if lean is None:
                part = self._padded(texts, LAST, self.bf16)[:, 0]
            else:
                below = None if still is None else still.states(rows[group], texts)
                part = lean.pooled(flat(texts), LAST, drop, below)[:, 0]
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
        windows = self._windows(rows)
        vectors, done = np.empty((0, 0), dtype=np.float32), 0
        for group, fetch in _ahead(self._embedded(rows, windows, layers, bf16=bf16)):
            part = fetch()
            if not done:
                vectors = np.zeros((len(rows), part.shape[1]), dtype=np.float32)
            if self.window is None:
                vectors[group] = part
            else:
                np.add.at(vectors, windows.text[group], part)
            done += len(group)
            self.progress(done * len(rows) // len(windows), len(rows))
        return vectors / windows.counts[:, None] if self.window else vectors

    def _windows(self, rows: Positions) -> Windows:
        """What is encoded of rows (k,): the whole text, or its windows."""
        lengths = self.tokens.lengths[rows]
        return Windows.of(lengths, self.window or int(lengths.max(initial=1)))

    def _texts(self, rows: Positions, windows: Windows) -> list[NDArray[np.int32]]:
        """Token ids of windows of rows."""
        return windows.cut_from(self.tokens[rows[windows.text]])

    def _embedded(
        self, rows: Positions, windows: Windows, layers: Sequence[int], *, bf16: bool
    ) -> Iterator[tuple[Positions, Fetch]]:
        """Batches, as positions in the windows (k,), and what gives their vectors (k, d)."""
        budget = SCORING_BUDGET if self.device.type == "cpu" else SCORING_BUDGET_CUDA
        find = flat_batches if self._goes_lean else batches
        groups = find(windows.length, budget)
        texts = (self._texts(rows, windows[group]) for group in groups)
        if self.elsewhere is None or self.encoder.training:
            yield from zip(groups, self.passed(texts, layers, bf16=bf16), strict=True)
            return
        for group, part in zip(groups, self.elsewhere(list(texts), layers, bf16), strict=True):
            yield group, partial(_itself, part)

    @property
    def _goes_lean(self) -> bool:
        # Dropout (Monte Carlo samples) is the module's own affair.
        return self.lean and not self.encoder.training

    def passed(
        self, batches_of_texts: Iterable[Batch], layers: Sequence[int], *, bf16: bool
    ) -> Iterator[Fetch]:
        """What gives the vectors (k, layers * d) of each batch.

        Args:
            batches_of_texts: token ids; those of a batch sorted by length, shortest first.
            layers, bf16: as for ``embed``.
        """
        lean = self._goes_lean
        scorer = LeanEncoder(self.encoder, self._dtype(bf16), frozen=True) if lean else None
        for texts in batches_of_texts:
            self.interrupt()
            with torch.inference_mode():
                if scorer is None:
                    part = self._padded(texts, layers, bf16)
                else:
                    part = scorer.pooled(flat(texts), layers)
                fetch = _fetching(part.flatten(1))
            yield fetch

    def _dtype(self, bf16: bool) -> torch.dtype:
        return torch.bfloat16 if bf16 else torch.float32

    def _padded(
        self, texts: Sequence[NDArray[np.int32]], layers: Sequence[int], bf16: bool
    ) -> torch.Tensor:
        """The encoder's own forward pass: (k, layers, d) float32."""
        ids, mask = (
            torch.from_numpy(array).to(self.device) for array in stacked(texts, self.padding)
        )
        autocast = torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bf16)
        with autocast, unplanned(self.device):
            states = self.encoder(
                input_ids=ids, attention_mask=mask, output_hidden_states=True
            ).hidden_states
        share = mask / mask.sum(dim=1, keepdim=True)
        means = [(states[layer].float() * share.unsqueeze(-1)).sum(dim=1) for layer in layers]
        return torch.stack(means, dim=1)


def _itself(part: Vectors) -> Vectors:
    return part


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
