"""Owns why each open record is with people: strategy, score, what the model proposes; pure."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from itertools import islice

from loopd.annotation.consensus import index_of, is_given
from loopd.data.pool import Pool
from loopd.learning.strategies import reason_words
from loopd.machine import State
from loopd.printable import one_line
from loopd.records import Batch, BatchItem, ExternalId, Span, Suggestion

SHOWN = 60
"""Open records that are shown at most."""

LONGEST_TEXT = 280
"""Characters of a text that are shown."""

AUDIT, TEST_SET, AT_RANDOM = "audit", "test set", "drawn at random, to judge the model by"
"""What chose a random draw, and why."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One part of what the model proposes.

    Attributes:
        label: its name.
        piece: of the text, for spans; else empty.
        certainty: probability from 0 to 1.
    """

    label: str
    piece: str
    certainty: float


@dataclass(frozen=True, slots=True)
class OpenRecord:
    """A record that waits for somebody, and why it was chosen.

    Attributes:
        id: external id.
        text: what people read, one line, cut where it is long, control characters written out.
        batch: id of its batch.
        strategy: that chose it; ``AUDIT`` for a random draw, ``TEST_SET`` for one of those.
        why: why it was chosen, with the numbers that matter; empty where that is not known.
        score: informativeness, higher first; ``None`` where the strategy has none.
        proposals: of the model; none where it proposes nothing.
        again: whether it asks for a second opinion.
        answers: that it has already.
    """

    id: str
    text: str
    batch: str
    strategy: str
    why: str
    score: float | None
    proposals: tuple[Proposal, ...]
    again: bool
    answers: int


def open_records(
    state: State, pool: Pool, open_ids: frozenset[ExternalId]
) -> tuple[OpenRecord, ...]:
    """Open records, the oldest batch first, at most ``SHOWN``."""
    positions = state.all_planned.positions
    batches = [state.batches[one] for one in sorted({positions[id_] for id_ in open_ids})]
    waits = (
        (item, batch) for batch in batches for item in batch.items if item.external_id in open_ids
    )
    shown = list(islice(waits, SHOWN))
    oldest = batches[0].round if batches else 0
    latest = _ranked_anew(state, {item.external_id for item, _ in shown}, oldest)
    return tuple(
        _record(latest.get(item.external_id, item), batch, pool, _reactions(state, item))
        for item, batch in shown
    )


def why(item: BatchItem, strategy: str) -> str:
    """Why a record was chosen, in words; empty where that is not known.

    A journal of a version that kept no reasons has those of its strategies, without numbers.
    """
    if item.draw:
        return AT_RANDOM
    if item.reason:
        return one_line(item.reason)
    return reason_words.AGAIN if item.copy_id is not None else reason_words.words(strategy)


def proposals(suggestion: Suggestion | None, text: str) -> tuple[Proposal, ...]:
    """The parts of a suggestion on a text, the surest first."""
    if suggestion is None:
        return ()
    value, score = suggestion.value, suggestion.score
    parts: tuple[str | Span, ...] = (value,) if isinstance(value, str) else value
    scores = score if isinstance(score, tuple) else (score,) * len(parts)
    ranked = [
        Proposal(*_part(part, text), certainty)
        for part, certainty in zip(parts, scores, strict=False)
    ]
    return tuple(sorted(ranked, key=lambda proposal: -proposal.certainty))


def _ranked_anew(state: State, ids: Set[ExternalId], oldest: int) -> Mapping[ExternalId, BatchItem]:
    """Those of the records that were ranked anew since they were published, as they are now.

    ``oldest`` is the first round in which any of them was planned.
    """
    return {
        item.external_id: item
        for number in range(oldest + 1, state.round + 1)
        if number in state.planned
        for batch in state.planned[number].refreshed
        for item in batch.items
        if item.external_id in ids
    }


def _reactions(state: State, item: BatchItem) -> int:
    """Answers that one record of a batch has already."""
    entry = index_of(state).records[item.record_id]
    ids = (answer.external_id for answer in entry.answers if is_given(answer))
    return sum(id_ == item.external_id for id_ in ids)


def _record(item: BatchItem, batch: Batch, pool: Pool, answers: int) -> OpenRecord:
    text = pool[item.record_id].text if item.record_id in pool else ""
    again = item.copy_id is not None
    drawn_for = TEST_SET if item.test else AUDIT
    return OpenRecord(
        id=one_line(item.external_id),
        text=cut(text),
        batch=batch.id,
        strategy=drawn_for if item.draw else one_line(batch.strategy),
        why=why(item, batch.strategy),
        score=item.score,
        proposals=proposals(item.suggestion, text),
        again=again,
        answers=answers,
    )


def cut(text: str, longest: int = LONGEST_TEXT) -> str:
    """A text on one line, cut where it is long; control characters are written out."""
    short = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return one_line(short)


def _part(part: str | Span, text: str) -> tuple[str, str]:
    if isinstance(part, Span):
        return one_line(part.label), cut(text[part.start : part.end], 60)
    return one_line(part), ""
