"""Owns what the loop asks of an annotation server; must not know any one server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from loopd.data.pool import Pool
from loopd.records import Answer, Batch, JsonValue, Suggestion

Progress = Callable[[str, int, int], None]
"""Called with (what, done, total)."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Everything that people have answered, as the server shows it now.

    Attributes:
        answers: present answers on the records asked for; drafts are left out.
        missing: external ids that were asked for and are gone.
        listed: records that were read for it, those of others included: what the look has cost.
    """

    answers: tuple[Answer, ...]
    missing: tuple[str, ...]
    listed: int = 0


@dataclass(frozen=True, slots=True)
class PublishedItem:
    """One record of the dataset, whoever published it.

    Attributes:
        external_id: ``None`` where nobody gave it one.
        field: what stands in the text field (see ``schema.field_text``), ``None`` without it.
        metadata: as it is now; people may have changed it.
        suggestion: loopd's, ``None`` without one that can be read.
        answered: whether anybody has submitted or discarded it.
        time: when it came, ISO 8601 in UTC as the server says.
    """

    external_id: str | None
    field: str | None
    metadata: Mapping[str, JsonValue]
    suggestion: Suggestion | None
    answered: bool
    time: str


@dataclass(frozen=True, slots=True)
class Published:
    """Everything in the dataset, and its identifier."""

    dataset_id: str
    items: tuple[PublishedItem, ...]


class AnnotationStore(Protocol):
    """A place where batches are published and people answer.

    Every method may raise ``TransientError`` (wait and call again), ``AuthError``,
    ``DatasetError`` or ``ArgillaError``; every method may be repeated without harm.
    """

    def open(self, pool: Pool, *, fresh: bool) -> str:
        """Find the dataset and check that it fits; returns its identifier.

        Args:
            pool: a dataset with other texts under the pool's ids is refused.
            fresh: the run has published nothing yet: create the dataset if it is absent, finish
                one that was half created, refuse one that holds another run's batches. Otherwise
                an absent dataset is an error.
        """

    def publish(self, batch: Batch, texts: Mapping[str, str]) -> None:
        """Make all items of the batch visible to annotators; an upsert by external id.

        Args:
            batch: new texts, and copies that ask for a second opinion.
            texts: by pool id.
        """

    def refresh(self, batches: Sequence[Batch], texts: Mapping[str, str]) -> None:
        """Renew priority, model and suggestion of published records that nobody has touched.

        Records with a response of anybody, a draft too, stay as they are, and so do texts, and
        records for which the task has nothing to show any more. What is gone stays gone.

        Args:
            batches: what is left of published batches, in the new order.
            texts: by pool id.
        """

    def shows(self, batch: Batch) -> bool:
        """Whether the search that the page uses finds a record of the batch."""

    def published(self, progress: Progress | None = None) -> Published:
        """Everything in the dataset, in no order; needs no ``open`` and changes nothing.

        Raises:
            DatasetError: there is no such dataset, or it does not fit the task.
        """

    def activity(self) -> str:
        """A cheap token that changes when somebody answers (not with every kind of change)."""

    def sweep(self, external_ids: Collection[str]) -> Sweep:
        """Read the answers on these records."""

    def set_aside(self, answers: Collection[Answer]) -> None:
        """Turn submitted answers into discards, so that their records are shown to others again.

        What is not submitted any more is left alone.
        """

    def describe(self) -> str:
        """The address at which people answer."""

    def close(self) -> None:
        """Release connections."""
