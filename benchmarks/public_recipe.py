"""Owns the public active-learning recipe that loopd is measured against; must not improve it.

small-text's `TransformerBasedClassification` with its defaults (10 epochs, learning rate 2e-5,
batches of 12, 10 % validation, the model written to disk each epoch) under a
`PoolBasedActiveLearner` with BreakingTies, texts padded to a fixed number of tokens: what
small-text's own examples and Argilla 1's active-learning tutorial did.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from small_text import (
    BreakingTies,
    PoolBasedActiveLearner,
    TransformerBasedClassification,
    TransformerBasedClassificationFactory,
    TransformerModelArguments,
    TransformersDataset,
)
from small_text.integrations.transformers.classifiers.classification import (
    transformers_collate_fn,
)


class PublicRecipe:
    """The recipe over one pool.

    Args:
        texts: the pool.
        num_classes: number of labels.
        model: folder of the encoder.
        padding: tokens that each text is padded or cut to.
        trimmed: whether each mini-batch is cut to its longest text. This changes no result but for
            rounding and dropout's draws (padding is masked), and makes accuracy curves affordable;
            never use it where seconds are reported.
        epochs: small-text's default is 10.
        device: of torch.
    """

    def __init__(
        self,
        texts: Sequence[str],
        num_classes: int,
        model: str,
        *,
        padding: int,
        trimmed: bool = False,
        epochs: int = 10,
        device: str = "cpu",
    ) -> None:
        self.num_classes = num_classes
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        self._padding = padding
        self.pool = self.dataset(texts)
        arguments = TransformerModelArguments(model)
        self._factory = TransformerBasedClassificationFactory(
            arguments, num_classes, kwargs={"device": device, "num_epochs": epochs}
        )
        if trimmed:
            self._factory.new = lambda: TrimmedClassification(
                arguments, num_classes, device=device, num_epochs=epochs
            )

    def dataset(self, texts: Sequence[str]) -> TransformersDataset:
        """Texts as small-text's data set, all padded to one length."""
        encoded = self._tokenizer(
            list(texts),
            padding="max_length",
            truncation=True,
            max_length=self._padding,
            return_tensors="pt",
        )
        rows = zip(encoded["input_ids"], encoded["attention_mask"], strict=True)
        data = [(ids[None], mask[None], -1) for ids, mask in rows]
        return TransformersDataset(data, target_labels=np.arange(self.num_classes))

    def fit(self, positions: NDArray[np.int64], y: NDArray[np.int64], seed: int) -> Any:
        """Train on labelled positions; the active learner, ready for a query."""
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 (small-text draws from this generator)
        learner = PoolBasedActiveLearner(self._factory, BreakingTies(), self.pool)
        learner.initialize_data(positions, y)
        return learner


class TrimmedClassification(TransformerBasedClassification):  # type: ignore[misc] # untyped
    """The same classifier on mini-batches cut to their longest text; predicts texts by length."""

    mini_batch_size: int

    def predict_proba(self, dataset: Any, dropout_sampling: int = 1) -> Any:
        """As upstream, in larger batches of texts of like length."""
        lengths = [int(mask.sum()) for _, mask, _ in dataset.data]
        order = np.argsort(lengths, kind="stable")
        trained_with, self.mini_batch_size = self.mini_batch_size, 64
        try:
            proba = super().predict_proba(dataset[order], dropout_sampling)
        finally:
            self.mini_batch_size = trained_with
        return proba[np.argsort(order, kind="stable")]

    def _create_collate_fn(self, use_sample_weights: bool = False) -> Any:
        whole = partial(
            transformers_collate_fn,
            multi_label=self.multi_label,
            num_classes=self.num_classes,
            use_sample_weights=use_sample_weights,
        )

        def collate(batch: Any) -> Any:
            ids, mask, *rest = whole(batch)
            longest = int(mask.sum(dim=1).max())
            return ids[:, :longest], mask[:, :longest], *rest

        return collate
