"""Owns the nouns of loopd as frozen dataclasses; must not do input, output or arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

JsonValue: TypeAlias = (
    "str | int | float | bool | list[JsonValue] | tuple[JsonValue, ...]"
    " | dict[str, JsonValue] | None"
)


@dataclass(frozen=True, slots=True)
class Record:
    """One text of the pool or of the test set.

    Attributes:
        id: stable identifier, unique in its set.
        text: the text itself, never empty.
        gold: the known target (test set, simulation) or ``None``.
    """

    id: str
    text: str
    gold: str | None = None


class AnswerStatus(str, Enum):
    """What one person did with one record."""

    SUBMITTED = "submitted"
    DISCARDED = "discarded"
    WITHDRAWN = "withdrawn"
    """Was submitted or discarded before and is now gone or a draft again."""
    INVALID = "invalid"
    """Was submitted with a value the task does not know, such as a label outside the config."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The present answer of one annotator on one record; a newer one replaces an older one.

    Attributes:
        record_id: pool id of the record.
        annotator: identifier of the person (Argilla's user id).
        status: what the person did.
        value: the submitted value; ``None`` unless the status is ``SUBMITTED`` or ``INVALID``.
        time: when this person first answered, ISO 8601 in UTC as the server says; edits do not
            move it, so that it settles ties the same way however often answers were read.
    """

    record_id: str
    annotator: str
    status: AnswerStatus
    value: JsonValue
    time: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the model proposes to the annotator.

    Attributes:
        value: a label name (single label).
        score: probability of the value in [0, 1].
    """

    value: str
    score: float


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One record of a batch with the reason why it is in it.

    Attributes:
        record_id: pool id.
        score: informativeness, higher is more informative; ``None`` where the strategy has none.
        suggestion: the model's proposal or ``None``.
    """

    record_id: str
    score: float | None = None
    suggestion: Suggestion | None = None


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
    def record_ids(self) -> tuple[str, ...]:
        """Pool ids in the order of informativeness."""
        return tuple(item.record_id for item in self.items)


Targets: TypeAlias = Mapping[str, str]
"""Consensus label per record id: what a model is trained on."""
