"""Owns what is exported of each labelled text; must not write files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from loopd.annotation.consensus import Consensus
from loopd.data.pool import Pool
from loopd.learning.strategies.registry import RANDOM
from loopd.loop.tools import Tools
from loopd.machine import State
from loopd.records import (
    Answer,
    Batch,
    BatchItem,
    ExternalId,
    PoolId,
    Target,
    published_as,
    text_of,
)


@dataclass(frozen=True, slots=True)
class AskedIn:
    """How a record came to people.

    Attributes:
        batch: the batch that it was in.
        item: its place there, with the reason.
    """

    batch: Batch
    item: BatchItem


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """One person's answer.

    Attributes:
        answer: on a record or on a copy of it.
        asked: how that came to people, ``None`` where it came with the pool, or nobody asked.
        departed: whether the account was deleted in Argilla, and the answer with it.
    """

    answer: Answer
    asked: AskedIn | None
    departed: bool = False


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """One labelled text.

    Attributes:
        id: pool id.
        text: the text.
        target: the consensus of all answers that count.
        quality: of the consensus in [0, 1], ``None`` where the strategy has none.
        answers: every single answer, on second opinions' copies too, oldest first.
        asked: how it first came to people, ``None`` where its answers came with the pool, or nobody
            asked for any.
    """

    id: PoolId
    text: str
    target: Target
    quality: float | None
    answers: tuple[GivenAnswer, ...]
    asked: AskedIn | None

    @property
    def draw(self) -> bool:
        """Whether chance chose it, to measure the model, and not the strategy of its batch."""
        return self.asked is not None and self.asked.item.draw

    @property
    def split(self) -> str:
        """``test`` where it is of the test set that people labelled, else ``train``."""
        return "test" if self.asked is not None and self.asked.item.test else "train"

    @property
    def strategy(self) -> str | None:
        """What chose it."""
        if self.asked is None:
            return None
        return RANDOM if self.draw else self.asked.batch.strategy


def consensus_of(state: State, tools: Tools) -> Consensus:
    """The labels as the configuration wants votes counted; the one place that asks for them.

    Raises:
        ModelError, Interrupted, StorageError: as the learner's predictions, which only some
            strategies need.
    """
    return tools.resolver.consensus(state, tools)


def labelled_rows(
    state: State, pool: Pool, consensus: Consensus, names: Mapping[str, str] | None = None
) -> list[LabelledRow]:
    """A row for each text that has a label, in the order of the pool.

    A copy that asked for a second opinion is no row: its answers are its original's. Only records
    of the pool come in, never those of a test set.

    Args:
        state: of the journal.
        pool: of the run.
        consensus: of people's answers.
        names: of accounts, by their id; where one is not known its id stands for it.
    """
    requests = dict(_asked(state))
    shown = shown_names({answer.annotator for answer in state.answers.values()}, names or {})
    answers, targets = _answers(state, requests, shown), consensus.targets
    return [
        LabelledRow(
            id=record.id,
            text=record.text,
            target=targets[record.id],
            quality=consensus.quality.get(record.id),
            answers=tuple(answers[record.id]),
            asked=requests.get(published_as(record.id)),
        )
        for record in pool
        if record.id in targets
    ]


def shown_names(ids: Collection[str], names: Mapping[str, str]) -> dict[str, str]:
    """How annotators are called: by name, with the id behind it where two have the same."""
    counts = Counter(names.get(id_, id_) for id_ in ids)
    return {
        id_: names[id_] if counts[names[id_]] == 1 else f"{names[id_]} ({id_})"
        for id_ in ids
        if id_ in names
    }


def _answers(
    state: State, requests: Mapping[ExternalId, AskedIn], names: Mapping[str, str]
) -> Mapping[PoolId, list[GivenAnswer]]:
    """All answers by pool id, oldest first."""
    originals = state.originals
    answers: dict[PoolId, list[GivenAnswer]] = defaultdict(list)
    for answer in sorted(state.answers.values(), key=_moment):
        how = None if answer.imported else requests.get(answer.external_id)
        named = replace(answer, annotator=names.get(answer.annotator, answer.annotator))
        own = GivenAnswer(named, how, departed=answer.annotator in state.departed)
        answers[originals.get(answer.external_id, text_of(answer.external_id))].append(own)
    return answers


def _moment(answer: Answer) -> tuple[str, str, str]:
    return answer.time, answer.annotator, answer.external_id


def _asked(state: State) -> Iterator[tuple[ExternalId, AskedIn]]:
    """How each record and each copy came to people, by external id."""
    for batch in state.batches:
        for item in batch.items:
            yield item.external_id, AskedIn(batch, item)
