"""Owns the states of layers that training leaves as they are; must not train or own weights.

Imports torch at once, so import this module only where it is needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from loopd.learning.arrays import Positions
from loopd.learning.classifiers.lean import BLOCK, LeanEncoder, Transformer, flat

MOST_TOKENS = 200_000
"""Tokens whose states are kept: 150 MB in bf16 for a small encoder. Those of others come anew."""


class StillLayers:
    """What lies below the lowest layer that is trained: its states never change in a training.

    Args:
        encoder: that ``lean.supports``.
        dtype: of weights and states.
    """

    def __init__(self, encoder: Transformer, dtype: torch.dtype) -> None:
        self.count = still_layers(encoder)
        self._lower = LeanEncoder(encoder, dtype, frozen=True, layers=slice(0, self.count))
        self._by_row: dict[int, torch.Tensor] = {}
        self._tokens = 0

    def states(self, rows: Positions, texts: Sequence[NDArray[np.int32]]) -> torch.Tensor:
        """States (t, width) above them, texts one after the other as ``flat`` lays them.

        Args:
            rows: (k,) names of the texts, which may repeat.
            texts: token ids, sorted by length.
        """
        names = rows.tolist()
        missing = {row: text for row, text in zip(names, texts, strict=True) if self._lacks(row)}
        by_row = self._by_row | self._computed(missing)
        parts = [by_row[row] for row in names]
        filling = -sum(map(len, parts)) % BLOCK
        return torch.cat([*parts, parts[0].new_zeros(filling, parts[0].shape[1])])

    def _lacks(self, row: int) -> bool:
        return row not in self._by_row

    def _computed(self, texts: dict[int, NDArray[np.int32]]) -> dict[int, torch.Tensor]:
        if not texts:
            return {}
        sizes = [len(text) for text in texts.values()]
        with torch.no_grad():
            states = self._lower.last(flat([*texts.values()]))[: sum(sizes)]
        computed = dict(zip(texts, states.split(sizes), strict=True))  # type: ignore[no-untyped-call]
        if self._tokens + sum(sizes) <= MOST_TOKENS:
            self._by_row |= computed
            self._tokens += sum(sizes)
        return computed


def still_layers(encoder: Transformer) -> int:
    """Layers from the lowest that are not trained, with nothing below them that is."""
    if _is_trained(encoder.embeddings):
        return 0
    trained = [_is_trained(layer) for layer in encoder.encoder.layer]
    return trained.index(True) if True in trained else len(trained)


def _is_trained(module: Transformer) -> bool:
    return any(weight.requires_grad for weight in module.parameters())
