"""Owns phases and how events change the state; pure: no clock, file, network or numpy.

Start reading here. A run is its list of events. ``TRANSITIONS`` is the whole machine, ``apply``
folds one event into the state, and everything else in loopd either causes an event or reads the
state::

    SEED -> PUBLISH -> COLLECT -> TRAIN -> EVALUATE -> DECIDE -> DONE
              ^                     |                    |
              +----- next batch ----+--------------------+

Where labels are described, ``SEED`` may train a model first: ``SEED -> EVALUATE -> DECIDE``.

A batch holds new texts and second opinions. A second opinion is a copy of a record that has an
answer already; it lives in Argilla under an id of its own. Answers carry these *external* ids, and
``State.originals`` leads from them to the pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeVar

from loopd.derived import Derived, Kind
from loopd.errors import JournalError, NewerError
from loopd.events import (
    BEFORE,
    OPENING,
    AnswersCollected,
    BatchCollected,
    BatchPlanned,
    BatchPublished,
    Event,
    ModelTrained,
    PoolChanged,
    PoolGrew,
    RecordsReopened,
    RoundEvaluated,
    RunRecovered,
    RunResumed,
    RunStarted,
    RunStopped,
    SettingsAdopted,
    TextsWithdrawn,
)
from loopd.folding import allowed, changed, joined, predictions, records_of, without
from loopd.gc_pause import no_garbage
from loopd.growing_map import growing
from loopd.planned import Planned
from loopd.records import Answer, Batch, ExternalId, PoolId, Targets, published_as, text_of


class Phase(str, Enum):
    """What the loop does next."""

    NEW = "new"
    """Nothing is written yet."""
    SEED = "seed"
    """The first batch must be drawn."""
    PUBLISH = "publish"
    """The planned batch must reach Argilla."""
    COLLECT = "collect"
    """People answer."""
    TRAIN = "train"
    """A model must be trained on the answers."""
    EVALUATE = "evaluate"
    """The model must be measured."""
    DECIDE = "decide"
    """Stop, or choose the next batch."""
    DONE = "done"
    """The loop has ended."""


Fact = TypeVar("Fact")


def _grows(target: Phase) -> dict[type, Phase]:
    return {PoolChanged: target, PoolGrew: target, TextsWithdrawn: target}


TRANSITIONS: dict[Phase, dict[type, Phase]] = {
    Phase.NEW: {RunStarted: Phase.SEED},
    Phase.SEED: {
        AnswersCollected: Phase.SEED,  # those that came with the pool
        ModelTrained: Phase.EVALUATE,  # on descriptions of labels
        BatchPlanned: Phase.PUBLISH,
        RunStopped: Phase.DONE,  # they leave nothing to ask
        RunRecovered: Phase.COLLECT,
        RunResumed: Phase.SEED,
        **_grows(Phase.SEED),
    },
    Phase.PUBLISH: {
        BatchPublished: Phase.COLLECT,
        RunResumed: Phase.PUBLISH,
        **_grows(Phase.PUBLISH),
    },
    Phase.COLLECT: {
        AnswersCollected: Phase.COLLECT,
        RecordsReopened: Phase.COLLECT,
        SettingsAdopted: Phase.COLLECT,
        BatchCollected: Phase.TRAIN,
        RunResumed: Phase.COLLECT,
        **_grows(Phase.COLLECT),
    },
    Phase.TRAIN: {
        AnswersCollected: Phase.TRAIN,  # the last ones, before the process ends
        ModelTrained: Phase.EVALUATE,
        # Too few labels to train on: another cold batch, or the end of the pool.
        BatchPlanned: Phase.PUBLISH,
        RunStopped: Phase.DONE,
        RunResumed: Phase.TRAIN,
        **_grows(Phase.TRAIN),
    },
    # A new configuration may mean another model: train again (the same one comes from the cache).
    # So may other texts, and answers that came before the process ended.
    Phase.EVALUATE: {
        AnswersCollected: Phase.TRAIN,
        RoundEvaluated: Phase.DECIDE,
        RunResumed: Phase.TRAIN,
        **_grows(Phase.TRAIN),
    },
    Phase.DECIDE: {
        AnswersCollected: Phase.DECIDE,  # the last ones, before the loop ends
        BatchPlanned: Phase.PUBLISH,
        RunStopped: Phase.DONE,
        RunResumed: Phase.DECIDE,
        **_grows(Phase.DECIDE),
    },
    # Back to COLLECT or SEED instead where the last round was never evaluated: see `apply`.
    # What is withdrawn wakes nothing.
    Phase.DONE: {RunResumed: Phase.DECIDE, **_grows(Phase.DECIDE), TextsWithdrawn: Phase.DONE},
}


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the events say, folded; never changed in place.

    Attributes:
        phase: what the loop does next.
        started: the first event, ``None`` before it.
        config_digest: of the configuration now in force.
        batches: all planned batches in order; the last one is current.
        answers: the present answer by (external id, annotator).
        deleted: external ids of published records that are gone from Argilla or are withdrawn.
        departed: annotators whose accounts, and with them their answers, are gone from Argilla.
        reopened: how many records were published again because nobody could answer them.
        planned, published, collected, trained, evaluated: the events by round; of the rounds of a
            recovered run only ``published``.
        stopped: why the loop ended, ``None`` while it runs.
        min_submitted: answers that complete a record where that was changed in Argilla meanwhile,
            else ``None``: as configured.
        predicted: what the model of each round says of random draws, by round and pool id.
        derived: what was worked out from the state; no part of it.
        grown, added: fingerprint of a pool that grew, empty before; texts that one in Argilla got.
        gone: pool ids of texts of a pool in Argilla that are not there any more, and that nobody
            was asked for; and of all that are withdrawn.
        intakes: what joined the pool from files after the run began, in order.
        withdrawn: pool ids of texts that were withdrawn; nothing is left of them.
        rewritten: fingerprint of the pool without their texts, empty where it has grown since.
        contenders: digest of the two classifiers of ``auto`` now; empty without, or not written.
    """

    phase: Phase = Phase.NEW
    started: RunStarted | None = None
    config_digest: str = ""
    batches: tuple[Batch, ...] = ()
    answers: Mapping[tuple[ExternalId, str], Answer] = field(default_factory=dict)
    deleted: frozenset[ExternalId] = frozenset()
    departed: frozenset[str] = frozenset()
    reopened: int = 0
    planned: Mapping[int, BatchPlanned] = field(default_factory=dict)
    published: Mapping[int, BatchPublished] = field(default_factory=dict)
    collected: Mapping[int, BatchCollected] = field(default_factory=dict)
    trained: Mapping[int, ModelTrained] = field(default_factory=dict)
    evaluated: Mapping[int, RoundEvaluated] = field(default_factory=dict)
    stopped: RunStopped | None = None
    min_submitted: int | None = None
    predicted: Mapping[int, Targets] = field(default_factory=dict)
    derived: Derived = field(default_factory=Derived, init=False, repr=False, compare=False)
    grown: str = ""
    gone: frozenset[PoolId] = frozenset()
    intakes: tuple[PoolGrew, ...] = ()
    withdrawn: frozenset[PoolId] = frozenset()
    rewritten: str = ""
    contenders: str = ""
    added: int = 0

    @property
    def texts(self) -> int:
        """Texts that the pool has had so far; 0 where no event says so, as in older journals."""
        begun = 0 if self.started is None else self.started.texts
        return self.intakes[-1].total if self.intakes else begun and begun + self.added

    @property
    def pool_fingerprint(self) -> str:
        """Of the pool as the run last took it over, empty before it began."""
        begun = self.started.pool_fingerprint if self.started is not None else ""
        return self.rewritten or self.grown or begun

    def is_withdrawn(self, external_id: ExternalId) -> bool:
        """Whether a record, or a copy of it, is of a text that was withdrawn."""
        if not self.withdrawn:
            return False
        return self.originals.get(external_id, text_of(external_id)) in self.withdrawn

    def answers_needed(self, configured: int) -> int:
        """Answers that one record needs; ``configured`` is ``queue.min_submitted``."""
        return configured if self.min_submitted is None else self.min_submitted

    @property
    def batch(self) -> Batch:
        """The current batch.

        Raises:
            JournalError: none is planned yet.
        """
        if not self.batches:
            raise JournalError("the journal holds no batch yet")
        return self.batches[-1]

    @property
    def round(self) -> int:
        """Number of the current batch, -1 before the first."""
        return len(self.batches) - 1

    @property
    def rounds_measured(self) -> int:
        """Rounds whose model was measured, also where a lost journal held the measures.

        A model chooses a batch only after it was measured in the round before.
        """
        chose = {batch.round - 1 for batch in self.batches[1:] if batch.model_id is not None}
        return sum(map(self.counts, chose | set(self.evaluated)))

    def counts(self, number: int) -> bool:
        """Whether a round with a model is one of those that limits and patience count.

        Not so where the model learned from descriptions, before the whole first batch was out.
        """
        closed = self.collected.get(number)
        return number != BEFORE and (closed is None or closed.reason != OPENING)

    @property
    def planned_ids(self) -> frozenset[PoolId]:
        """Pool ids of every record that was ever put into a batch as a new text."""
        return self.all_planned.texts

    @property
    def draws(self) -> Mapping[PoolId, int]:
        """Batch number by pool id of everything that was drawn at random, in order."""
        return self.all_planned.draws

    @property
    def tests(self) -> frozenset[PoolId]:
        """Pool ids of the test set that people label; each is one of the draws."""
        return self.all_planned.tests

    @property
    def external_ids(self) -> frozenset[ExternalId]:
        """Ids in Argilla of everything that was ever put into a batch, copies included."""
        return self.all_planned.external_ids

    @property
    def originals(self) -> Mapping[ExternalId, PoolId]:
        """Pool id by external id, in the order of planning."""
        return self.all_planned.originals

    @property
    def deleted_texts(self) -> frozenset[PoolId]:
        """Pool ids of texts whose own records are gone from Argilla; their copies may be there."""
        originals = self.originals
        texts = ((id_, originals.get(id_, text_of(id_))) for id_ in self.deleted)
        return frozenset(text for id_, text in texts if published_as(text) == id_)

    @property
    def all_planned(self) -> Planned:
        """Look-ups over the records of all batches."""
        return self.derived.result(_PLANNED, self)


def apply(state: State, event: Event) -> State:
    """Fold one event into the state.

    Raises:
        NewerError: the event is not allowed in the state's phase.
    """
    target = TRANSITIONS[state.phase].get(type(event))
    if target is None:
        # Every event has a digest: the journal is not damaged.
        name, phase = type(event).__name__, state.phase.value
        raise NewerError(f"a newer loopd wrote this: {name} is not allowed in phase {phase}")
    if state.phase is Phase.DONE is not target and state.round not in state.evaluated:
        # It ended without a model: look whether people answered since.
        target = Phase.COLLECT if state.batches else Phase.SEED
    if isinstance(event, AnswersCollected) and state.withdrawn:
        event = allowed(event, state.is_withdrawn)
    after = replace(_fold(state, event), phase=target)
    after.derived.follow(state.derived, event)
    return after


def fold(events: Iterable[Event]) -> State:
    """The state after all the events."""
    state = State()
    with no_garbage():
        for event in joined(events):
            state = apply(state, event)
    return state


def _fold(state: State, event: Event) -> State:
    match event:
        case RunStarted(config_digest=digest, contenders=contenders):
            return replace(state, started=event, config_digest=digest, contenders=contenders)
        case BatchPlanned(batch=batch):
            planned = _with(state.planned, batch.round, event)
            return replace(state, batches=(*state.batches, batch), planned=planned)
        case BatchPublished():
            number = _round_of(state, event.batch_id)
            return replace(state, published=_with(state.published, number, event))
        case AnswersCollected():
            return _fold_answers(state, event)
        case RecordsReopened(records=records):
            return replace(state, reopened=state.reopened + len(records))
        case SettingsAdopted():
            return replace(state, min_submitted=event.min_submitted)
        case PoolChanged():
            gone, grown = (state.gone | set(event.gone)) - set(event.back), event.pool_fingerprint
            state = replace(state, stopped=None, added=state.added + event.added)
            return replace(state, grown=grown, rewritten="", gone=gone)
        case PoolGrew(pool_fingerprint=grown):
            intakes = (*state.intakes, event)
            return replace(state, stopped=None, grown=grown, rewritten="", intakes=intakes)
        case TextsWithdrawn():
            return _fold_withdrawn(state, event)
        case BatchCollected():
            number = _round_of(state, event.batch_id)
            return replace(state, collected=_with(state.collected, number, event))
        case ModelTrained():
            return replace(state, trained=_with(state.trained, event.round, event))
        case RoundEvaluated():
            return _fold_evaluated(state, event)
        case RunStopped():
            return replace(state, stopped=event)
        case RunResumed(config_digest=digest, contenders=contenders):
            # What was adopted before may be what the new configuration says.
            adopted = state.min_submitted if digest == state.config_digest else None
            after = replace(state, config_digest=digest, contenders=contenders)
            return replace(after, stopped=None, min_submitted=adopted)
        case RunRecovered():
            return replace(state, batches=event.batches, published=event.by_round())


def _with(by_round: Mapping[int, Fact], number: int, event: Fact) -> Mapping[int, Fact]:
    return growing(by_round).updated([(number, event)])


def _round_of(state: State, batch_id: str) -> int:
    for batch in reversed(state.batches):
        if batch.id == batch_id:
            return batch.round
    raise JournalError(f"the journal holds no batch {batch_id}")


def _fold_answers(state: State, event: AnswersCollected) -> State:
    deleted = changed(state.deleted, event.deleted, event.restored)
    departed = changed(state.departed, event.departed, event.returned)
    facts = (((answer.external_id, answer.annotator), answer) for answer in event.answers)
    answers = growing(state.answers).updated(facts)
    return replace(state, answers=answers, deleted=deleted, departed=departed)


def _fold_withdrawn(state: State, event: TextsWithdrawn) -> State:
    ids, rewritten = state.withdrawn.union(event.ids), event.pool_fingerprint
    records = records_of(ids, state.originals)
    answers, deleted = without(state.answers, records), state.deleted | records
    after = replace(state, withdrawn=ids, rewritten=rewritten, answers=answers)
    return replace(after, deleted=deleted, gone=state.gone | ids)


def _fold_evaluated(state: State, event: RoundEvaluated) -> State:
    predicted = predictions(event, state.predicted)
    return replace(
        state,
        evaluated=_with(state.evaluated, event.round, event),
        predicted=_with(state.predicted, event.round, predicted),
    )


def _replan(planned: Planned, events: Sequence[Event], _: State) -> Planned | None:
    """Look-ups after these events, ``None`` where others than new batches changed them."""
    if any(isinstance(event, RunRecovered) for event in events):
        return None
    batches = [event.batch for event in events if isinstance(event, BatchPlanned)]
    return planned.plus(batches) if batches else planned


_PLANNED: Kind[State, Planned] = Kind(lambda state: Planned().plus(state.batches), _replan)
