"""Owns what is exported of each labelled text; must not write files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from loopd.annotation.consensus import Consensus
from loopd.data.pool import Pool
from loopd.loop.tools import Tools
from loopd.machine import State
from loopd.records import Answer, Batch, BatchItem, Target


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text.

    Attributes:
        id: pool id.
        text: the text.
        target: the consensus of all answers that count.
        quality: of the consensus in [0, 1], ``None`` where the strategy has none.
        answers: every single answer, on second opinions' copies too, oldest first.
        batch: the batch that asked for it first, ``None`` where the answers came with the pool.
        score: informativeness when it was chosen, ``None`` where there was none.
    """

    id: str
    text: str
    target: Target
    quality: float | None
    answers: tuple[Answer, ...]
    batch: Batch | None
    score: float | None


def consensus_of(state: State, tools: Tools) -> Consensus:
    """The labels as the configuration wants votes counted; the one place that asks for them.

    Raises:
        ModelError, Interrupted, StorageError: as the learner's predictions, which only some
            strategies need.
    """
    return tools.election.consensus(state, tools)


def labelled_rows(state: State, pool: Pool, consensus: Consensus) -> list[Row]:
    """A row for each text that has a label, in the order of the pool.

    A copy that asked for a second opinion is no row: its answers are its original's. Only records
    of the pool come in, never those of a test set.
    """
    answers, asked = _answers(state), dict(_asked(state))
    targets = consensus.targets
    rows = []
    for record in pool:
        if record.id in targets:
            batch, item = asked.get(record.id, (None, None))
            rows.append(
                Row(
                    id=record.id,
                    text=record.text,
                    target=targets[record.id],
                    quality=consensus.quality.get(record.id),
                    answers=tuple(answers[record.id]),
                    batch=batch,
                    score=None if item is None else item.score,
                )
            )
    return rows


def _answers(state: State) -> Mapping[str, list[Answer]]:
    """All answers by pool id, oldest first."""
    originals = state.originals
    found: dict[str, list[Answer]] = defaultdict(list)
    for answer in state.answers.values():
        found[originals.get(answer.record_id, answer.record_id)].append(answer)
    for some in found.values():
        some.sort(key=lambda answer: (answer.time, answer.annotator, answer.record_id))
    return found


def _asked(state: State) -> Iterator[tuple[str, tuple[Batch, BatchItem]]]:
    """The batch and the item by which each record first came to people."""
    for batch in state.batches:
        for item in batch.items:
            if item.copy_id is None:
                yield item.record_id, (batch, item)
