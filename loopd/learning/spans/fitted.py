"""Owns a trained tagger and how strategies ask it; must not train or choose.

Imports small-text at once, so import this module only where small-text is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from loopd.errors import ModelError
from loopd.learning.arrays import Positions, Proba, Scores, TokenProba, TokenScore, Vectors
from loopd.learning.dataset import IndexedDataset, unlabeled
from loopd.learning.foreign import calling
from loopd.learning.frozen_classifier import FrozenClassifier, exact_best
from loopd.learning.protocols import Embeds, Features, Screens, Tagger
from loopd.learning.representation import Background


@dataclass(frozen=True)
class TagScores:
    """Token probabilities of pool records, computed when they are asked for and then kept.

    As with ``fitted.PoolScores``, what is computed depends on the question alone, never on what
    was asked before.

    Attributes:
        classifier: the trained tagger.
        features: of the pool.
        num_classes: C, the number of labels.
    """

    classifier: Tagger
    features: Features
    num_classes: int
    _kept: dict[bytes, TokenProba] = field(default_factory=dict, repr=False)

    @property
    def preselection(self) -> None:
        """None: strategies for spans narrow a big pool themselves."""
        return None

    def tags(self, rows: Positions) -> TokenProba:
        """Probabilities at pool positions (k,), in full precision."""
        return self._predicted(rows, self.classifier.token_proba, b"exact")

    def of(self, rows: Positions) -> NoReturn:
        """Never; raises as ``own``."""
        del rows
        raise no_class()

    def own(self, rows: Positions) -> NoReturn:
        """Never.

        Raises:
            ModelError: a text with spans has no one class.
        """
        del rows
        raise no_class()

    def decisions(self, rows: Positions) -> Proba:
        """Probabilities (atoms of the texts, 2 C + 1) of tags."""
        return self.tags(rows)[0]

    def fitted(self, background: Background) -> FittedTagger:
        """The model as strategies see it."""
        return FittedTagger(self, background)

    def screen(self, rows: Positions) -> TokenProba | None:
        """Probabilities, fast and rough; ``None`` where nothing is faster than ``tags``."""
        classifier = self.classifier
        rough = classifier.screen_proba if isinstance(classifier, Screens) else None
        return None if rough is None else self._predicted(rows, rough, b"rough")

    def _predicted(
        self, rows: Positions, predict: Callable[[IndexedDataset], TokenProba], kind: bytes
    ) -> TokenProba:
        key = kind + hashlib.sha256(np.ascontiguousarray(rows).data).digest()
        if key not in self._kept:
            dataset = unlabeled(self.features, self.num_classes)[rows]
            with calling("predicting with the classifier"):
                proba, offsets = predict(dataset)
            if not np.isfinite(proba).all():
                raise ModelError(
                    "the classifier gave probabilities that are not numbers",
                    "its training diverged: lower its learning rate",
                )
            self._kept[key] = proba, offsets
        return self._kept[key]


class FittedTagger(FrozenClassifier):
    """A trained tagger as small-text's learner sees it: nothing is trained or scored twice.

    Args:
        scores: the trained tagger.
        background: what strategies may know without it.
    """

    def __init__(self, scores: TagScores, background: Background | None = None) -> None:
        super().__init__(scores.num_classes, background)
        self._scores = scores

    def token_proba(self, data_set: IndexedDataset) -> TokenProba:
        """Probabilities of the tags of all atoms."""
        return self._scores.tags(data_set.rows)

    def most_informative_texts(
        self, score: TokenScore, among: Positions, n: int
    ) -> tuple[Positions, Scores]:
        """The exact best ``n`` of some pool positions, with their scores.

        Args:
            score: of token probabilities, text by text, higher is better.
            among: pool positions (k,).
            n: how many, at most k.

        Returns:
            Positions (n,) best first, ties in the order of the pool, and their scores (n,).
        """
        rough = self._scores.screen(among)
        return exact_best(
            among,
            n,
            None if rough is None else score(*rough),
            lambda rows: score(*self._scores.tags(rows)),
        )

    def predict(self, data_set: IndexedDataset, return_proba: bool = False) -> NoReturn:
        """Never; raises as ``predict_proba``."""
        del data_set, return_proba
        raise no_class()

    def predict_proba(self, data_set: IndexedDataset, **options: object) -> NoReturn:
        """Never.

        Raises:
            ModelError: a text with spans has no one class.
        """
        del data_set, options
        raise no_class()

    def embed(
        self,
        data_set: IndexedDataset,
        return_proba: bool = False,
        pbar: str | None = None,
        **options: object,
    ) -> Vectors:
        """Embeddings (n, d); never with a progress bar.

        Raises:
            ModelError: class probabilities are asked for too.
        """
        del pbar
        if return_proba:
            raise no_class()
        classifier = self._scores.classifier
        if not isinstance(classifier, Embeds):
            raise ModelError(
                "the strategy needs embeddings, which the classifier has not",
                "use `transformer`, or another strategy",
            )
        return classifier.embed(data_set, **options)


def no_class() -> ModelError:
    """What a strategy is told that asks a tagger for classes."""
    return ModelError(
        "the strategy asks for one label of each text, but spans are labelled",
        "use `mnlp`, a `token_...` strategy, or one that only looks at vectors",
    )
