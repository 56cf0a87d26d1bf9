"""Owns what the loop asks of an annotation server; must not know any one server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from loopd.data.pool import Pool
from loopd.records import Answer, Batch, ExternalId, JsonValue, PoolId, Suggestion

Progress = Callable[[str, int, int], None]
"""Called with (what, done, total)."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Everything that people have answered, as the server shows it now.

    Attributes:
        answers: present answers on the records asked for, and on others of pool texts; drafts are
            left out.
        missing: external ids that were asked for and are gone.
        listed: records that were read for it, those of others included: what the look has cost.
        completed: external ids of records that Argilla shows to nobody any more, for they have
            answers enough.
        is_partial: only some records were read. What is not in it may be there all the same.
    """

    answers: tuple[Answer, ...]
    missing: tuple[ExternalId, ...]
    listed: int = 0
    completed: frozenset[ExternalId] = frozenset()
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class DatasetSettings:
    """What people can change in the settings of a dataset while a run works in it.

    Attributes:
        min_submitted: answers that complete a record.
        guidelines: as annotators read them.
        fields: kind by name.
        questions: kind by name, with ``required`` behind it where people must answer.
        label_texts: what people read, by label.
        people: names of the accounts that can answer.
    """

    min_submitted: int
    guidelines: str
    fields: Mapping[str, str]
    questions: Mapping[str, str]
    label_texts: Mapping[str, str]
    people: frozenset[str]


@dataclass(frozen=True, slots=True)
class VisibleAccounts:
    """The accounts of a server that loopd's own one may see.

    Attributes:
        names: by Argilla's id.
        complete: whether these are all; an admin sees the members of a workspace only.
    """

    names: Mapping[str, str]
    complete: bool


@dataclass(frozen=True, slots=True)
class PublishedItem:
    """One record of the dataset, whoever published it.

    Attributes:
        external_id: the one by which loopd knows it: its own, or that of the pool text which it
            shows; ``None`` for a record that is no concern of loopd's.
        field: what stands in the text field, as ``record_schema.field_text`` makes it; ``None``
            without it.
        metadata: loopd's, as they are now; people may have changed them.
        suggestion: loopd's, ``None`` without one that can be read.
        answered: whether anybody has submitted or discarded it.
        time: when it came, ISO 8601 in UTC as the server says.
    """

    external_id: ExternalId | None
    field: str | None
    metadata: Mapping[str, JsonValue]
    suggestion: Suggestion | None
    answered: bool
    time: str


@dataclass(frozen=True, slots=True)
class Published:
    """Everything in the dataset, its identifier, and the id of the run that holds it."""

    dataset_id: str
    items: tuple[PublishedItem, ...]
    run_id: str | None = None


class AnnotationStore(Protocol):
    """A place where batches are published and people answer.

    The loop is a guest there: nothing that others have put in is ever replaced. Of a record that is
    there fields, vectors, other people's metadata and other agents' suggestions stay as they are,
    and only records of the run are changed.

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

        Raises:
            DatasetError: it does not fit, or another run holds it. Of several runs that come at
                once, one gets it.
        """

    def grow(self, pool: Pool) -> None:
        """Know more texts from now on: ``pool`` begins with those that were known."""

    def publish(self, batch: Batch, texts: Mapping[PoolId, str]) -> frozenset[ExternalId]:
        """Make all items of the batch visible to annotators, most informative first.

        A text that the dataset has already, under whatever id, is not published twice: its record
        becomes the batch's.

        Args:
            batch: new texts, and copies that ask for a second opinion.
            texts: by pool id.

        Returns:
            External ids of items that were left out on purpose, and that nobody will be shown.
        """

    def refresh(self, batches: Sequence[Batch], texts: Mapping[PoolId, str]) -> None:
        """Renew priority, model and suggestion of published records that nobody has touched.

        Records with a response of anybody, a draft too, stay as they are, and so do texts, and
        records for which the task has nothing to show any more. What is gone stays gone.

        Args:
            batches: what is left of published batches, in the new order.
            texts: by pool id.
        """

    def show_only(self, external_ids: Collection[ExternalId]) -> None:
        """Let the address of :meth:`describe` show these records, and no other of the run.

        Of no effect where the run has made all of its records: people's page shows what is open.
        """

    def visible(
        self, batches: Sequence[Batch], *, open_only: bool = False
    ) -> frozenset[ExternalId]:
        """External ids of the records of batches that the search finds which people's page uses.

        Args:
            batches: that were published.
            open_only: leave out what the search knows as completed: people are not shown it.
        """

    def reopen(self, batches: Sequence[Batch]) -> frozenset[ExternalId]:
        """Have Argilla count the answers of records once more and put them into its search anew.

        Nothing in them changes, but that one which has lost its batch's id gets it back. What is
        gone stays gone.

        Args:
            batches: what is to be opened again of published batches.

        Returns:
            External ids of those that wait for answers in Argilla now.
        """

    def accounts(self) -> VisibleAccounts | None:
        """The accounts that there are; ``None`` where nobody can delete any."""

    def published(self, pool: Pool, progress: Progress | None = None) -> Published:
        """Everything in the dataset, in no order; needs no ``open`` and changes nothing.

        Args:
            pool: the texts of the run.
            progress: called while records are read.

        Raises:
            DatasetError: there is no such dataset, or it does not fit the task.
        """

    def activity(self) -> str:
        """A cheap token that changes when somebody answers (not with every kind of change)."""

    def sweep(self, external_ids: Collection[ExternalId]) -> Sweep:
        """Read the answers on these records, and on any other record of a text of the pool."""

    def sweep_batches(self, batches: Sequence[Batch]) -> Sweep:
        """Read the answers on those records of published batches that the search finds.

        The cost grows with the batches, not with the dataset. The sweep is partial: nothing in it
        says that a record or an answer is gone.
        """

    def settings(self) -> DatasetSettings | None:
        """The settings of the dataset now; ``None`` where nobody can change any."""

    def set_aside(self, answers: Collection[Answer]) -> None:
        """Turn submitted answers into discards, so that their records are shown to others again.

        What is not submitted any more is left alone.
        """

    def remove(
        self, external_ids: Collection[ExternalId], is_withdrawn: Callable[[str], bool]
    ) -> frozenset[str]:
        """Delete the run's own records of some texts; take what it has put into those of others.

        Args:
            external_ids: of the texts, and of their copies.
            is_withdrawn: whether a text is one of them.

        Returns:
            Names of the records of others that stay, with their texts.
        """

    def describe(self) -> str:
        """The address at which people answer."""

    def close(self) -> None:
        """Release connections."""
