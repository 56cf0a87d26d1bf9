"""Owns the nouns of loopd as frozen dataclasses; must not do input, output or arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, NewType, TypeAlias

JsonValue: TypeAlias = (
    "str | int | float | bool | list[JsonValue] | tuple[JsonValue, ...]"
    " | dict[str, JsonValue] | None"
)

PoolId = NewType("PoolId", str)
"""Id of a text: of the pool's, or of the test set's."""

ExternalId = NewType("ExternalId", str)
"""Id under which Argilla has a record: that of a text, or of a copy that asks for a second opinion.

Only where ids are read does a ``str`` become one or the other: in files, in Argilla's records and
in the journal. From one to the other lead :func:`published_as` and :func:`text_of`.
"""


def published_as(pool_id: PoolId) -> ExternalId:
    """The external id of a text that is no copy: the same."""
    return ExternalId(pool_id)


def text_of(external_id: ExternalId) -> PoolId:
    """The pool id of what is no copy: the same.

    Of copies ``State.originals`` has the pool id.
    """
    return PoolId(external_id)


class Span(NamedTuple):
    """A labelled piece of a text.

    Attributes:
        start: first character, from 0 (Python's ``text[start:end]``).
        end: the character after the last one.
        label: name of its label.
    """

    start: int
    end: int
    label: str


Target: TypeAlias = "str | tuple[str, ...] | tuple[Span, ...]"
"""What a model learns from one text, by kind of task.

Single label: the label's name. Multi label: names in the order of the configuration, maybe none.
Spans: spans by their start, none overlapping another, maybe none.
"""


@dataclass(frozen=True, slots=True)
class Record:
    """One text of the pool or of the test set.

    Attributes:
        id: stable identifier, unique in its set.
        text: the text itself; empty where it was withdrawn, and only there.
        gold: the known target (test set, simulation) or ``None``.
        answers: what people said before the run, as (annotator, value as Argilla would give it).
        parts: of a text of several columns, each part that is not empty by its column; ``text`` is
            all of them.
        shown: what people see beside the text, by its column; nothing for a model.
    """

    id: PoolId
    text: str
    gold: Target | None = None
    answers: tuple[tuple[str, JsonValue], ...] = ()
    parts: tuple[tuple[str, str], ...] = ()
    shown: tuple[tuple[str, str], ...] = ()


def blanked(record: Record) -> Record:
    """What is left of a record whose text is withdrawn: its id, and whether answers came with it.

    Which texts are drawn at random depends on the latter.
    """
    return Record(record.id, "", answers=(("", None),) if record.answers else ())


class AnswerStatus(str, Enum):
    """What one person did with one record."""

    SUBMITTED = "submitted"
    DISCARDED = "discarded"
    WITHDRAWN = "withdrawn"
    """Was submitted or discarded before and is now gone or a draft again."""
    INVALID = "invalid"
    """Was submitted with a value the task does not know, such as a label outside the config."""


IMPORT_PREFIX = "import:"
"""Of annotators whose answers came with the pool; Argilla's ids never begin like this."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The present answer of one annotator on one record; a newer one replaces an older one.

    Attributes:
        external_id: of what was answered: a text of the pool, or a copy that asks for a second
            opinion (see :attr:`BatchItem.copy_id`).
        annotator: identifier of the person (Argilla's user id), or ``import:`` and a name for an
            answer that came with the pool.
        status: what the person did.
        value: the submitted value; ``None`` unless the status is ``SUBMITTED`` or ``INVALID``.
        time: when this person began to answer, with a draft maybe, ISO 8601 in UTC as the server
            says; edits do not move it, so that it settles ties the same way however often answers
            were read.
        changed: when the answer became what it is, likewise; empty in journals of versions that had
            none.
        given: when it stopped being a draft, as far as the journal saw: edits do not move it
            either. Empty likewise, and as long as the journal does not hold the answer.
    """

    external_id: ExternalId
    annotator: str
    status: AnswerStatus
    value: JsonValue
    time: str
    changed: str = ""
    given: str = ""

    @property
    def imported(self) -> bool:
        """Whether it came with the pool: nobody gave it in Argilla, or can take it back there."""
        return self.annotator.startswith(IMPORT_PREFIX)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the model proposes to the annotator.

    Attributes:
        value: what the task's ``suggestion`` takes.
        score: probability of the value in [0, 1]; for multi label and spans one of each part.
    """

    value: Target
    score: float | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One record of a batch with the reason why it is in it.

    Attributes:
        record_id: pool id.
        score: informativeness, higher is more informative; ``None`` where the strategy has none.
        suggestion: the model's proposal or ``None``.
        copy_id: external id of the copy that asks for a second opinion on a record that has an
            answer already; ``None`` for a text that is new to annotators.
        draw: whether chance chose it, to measure the model, and no strategy.
        reason: why it was chosen, in a sentence for people; empty for draws, and in journals of
            versions that had none.
        test: whether it is of the test set that people label (``test.ask``); then it is a draw.
    """

    record_id: PoolId
    score: float | None = None
    suggestion: Suggestion | None = None
    copy_id: ExternalId | None = None
    draw: bool = False
    reason: str = ""
    test: bool = False

    @property
    def external_id(self) -> ExternalId:
        """The id under which Argilla has the item."""
        return published_as(self.record_id) if self.copy_id is None else self.copy_id


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are published together, most informative first.

    Attributes:
        id: stable name, unique in the run.
        round: number of the batch, from 0.
        strategy: name of the query strategy that chose it.
        model_id: the model that chose it, ``None`` for the first batch.
        items: the records in order of informativeness.
    """

    id: str
    round: int
    strategy: str
    model_id: str | None
    items: tuple[BatchItem, ...]

    @property
    def record_ids(self) -> tuple[PoolId, ...]:
        """Pool ids in the order of informativeness."""
        return tuple(item.record_id for item in self.items)

    @property
    def external_ids(self) -> tuple[ExternalId, ...]:
        """Ids in Argilla, in the same order."""
        return tuple(item.external_id for item in self.items)


Targets: TypeAlias = Mapping[PoolId, Target]
"""Consensus target per pool id: what a model is trained on."""
