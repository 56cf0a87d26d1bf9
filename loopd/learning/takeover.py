"""Owns what a model takes over from an earlier one: its fine-tuned encoder; must not train.

With thousands of labels fine-tuning takes minutes, and a batch more changes little. A model may
then keep the encoder of an earlier model and fit its head alone. Which one is told from outside:
it must follow from the journal, never from what happens to be cached.

Members of an ensemble and the models of a cross-validation take nothing over: an encoder that has
learned from the texts held out would flatter what is said of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from loopd.errors import ModelError
from loopd.learning.arrays import Weights
from loopd.records import Targets

if TYPE_CHECKING:
    from loopd.learning.dataset import IndexedDataset
    from loopd.learning.protocols import Classifier


@dataclass(frozen=True, slots=True)
class Tuned:
    """A model that fine-tuned its encoder.

    Attributes:
        id: of the model.
        round: in which it was trained.
        targets: gives the targets on which it was; only called where it is in no cache.
    """

    id: str
    round: int
    targets: Callable[[], Targets] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Growth:
    """When an encoder is fine-tuned anew.

    Attributes:
        share: how much more labels there must be than at the last time; 0: none, every time.
        least: number of labels below which it is every time.
    """

    share: float
    least: int

    def takes_over(self, labels: int, before: int) -> bool:
        """Whether so many labels go with the encoder that was fine-tuned on ``before``.

        Labels that were taken back count as those that came.
        """
        return self.lends(min(labels, before)) and abs(labels - before) < self.share * before

    def lends(self, labels: int) -> bool:
        """Whether an encoder that was fine-tuned on so many labels may ever be taken over."""
        return self.share > 0 and labels >= self.least


def growth(share: object, least: object) -> Growth:
    """The settings of two options.

    Raises:
        ModelError: one of them cannot be meant.
    """
    if not isinstance(share, (int, float)) or isinstance(share, bool) or share < 0:
        raise ModelError("classifier option retune_growth must be 0 or a number above it")
    if not isinstance(least, int) or isinstance(least, bool) or least < 0:
        raise ModelError("classifier option retune_from must be 0 or a whole number above it")
    return Growth(float(share), least)


@runtime_checkable
class TakesOver(Protocol):
    """A kind of classifier whose models may keep the encoder of an earlier one."""

    @property
    def growth(self) -> Growth:
        """When they do not."""
        ...


@runtime_checkable
class Refits(Protocol):
    """A trained classifier that can be given another head."""

    def refit(self, train_set: IndexedDataset, weights: Weights | None = None) -> None:
        """Fit the head anew on the encoder as it is."""
        ...


@runtime_checkable
class LendsEncoder(Protocol):
    """A trained classifier whose encoder several models may have at once."""

    def with_own_head(self) -> Classifier:
        """Another with the same encoder: ``refit`` of either leaves the other as it is."""
        ...


@dataclass
class Lender:
    """Keeps the model whose encoder was taken over last, with what it knows of texts.

    Attributes:
        id: of that model.
        model: itself; ``None`` as long as there is none.
    """

    id: str = ""
    model: LendsEncoder | None = None

    def lend(self, tuned: str, find: Callable[[], Classifier]) -> Classifier:
        """A classifier with the encoder of a model, for ``refit``.

        Args:
            tuned: id of the model.
            find: gives it, where it is not the one that is kept. If it cannot lend its encoder, it
                is given away itself.
        """
        if self.model is None or self.id != tuned:
            found = find()
            if not isinstance(found, LendsEncoder):
                return found
            self.id, self.model = tuned, found
        return self.model.with_own_head()

    def keep(self, model_ids: Collection[str]) -> None:
        """Forget the model if it is not among these."""
        if self.id not in model_ids:
            self.id, self.model = "", None


def refit(classifier: object, train_set: IndexedDataset, weights: Weights | None = None) -> None:
    """Give a trained classifier another head.

    Args:
        classifier: of any kind.
        train_set: what the head learns from.
        weights: (k,) how much each of its rows counts; left out where ``refit`` takes none, as in
            ``fit``.

    Raises:
        ModelError: it has no ``refit``, or one that is called in another way.
    """
    kind = type(classifier).__name__
    if not isinstance(classifier, Refits) or not callable(classifier.refit):
        raise ModelError(f"the classifier {kind} cannot be given another head: no `refit`", _HINT)
    signature = inspect.signature(classifier.refit)
    takes_weights = weights is not None and "weights" in signature.parameters
    some = {"weights": weights} if takes_weights else {}
    try:
        signature.bind(train_set, **some)
    except TypeError as error:
        raise ModelError(
            f"the classifier {kind} cannot be given another head: `refit{signature}` is called "
            f"with a training set{' and weights' if some else ''} ({error})",
            _HINT,
        ) from None
    classifier.refit(train_set, **some)


_HINT = "write `refit(train_set, weights=None)`, or set `retune_growth: 0`"
