"""Owns phases, events and how events change the state; pure: no clock, file, network or numpy.

Start reading here. A run is its list of events. ``TRANSITIONS`` is the whole machine, ``apply``
folds one event into the state, and everything else in loopd either causes an event or reads the
state::

    SEED -> PUBLISH -> COLLECT -> TRAIN -> EVALUATE -> DECIDE -> DONE
              ^                     |                    |
              +----- next batch ----+--------------------+

A batch holds new texts and second opinions. A second opinion is a copy of a record that has an
answer already; it lives in Argilla under an id of its own. Answers carry these *external* ids, and
``State.originals`` leads from them to the pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import chain, groupby
from typing import TypeAlias, TypeVar

from loopd.derived import Derived, Kind
from loopd.errors import JournalError
from loopd.growing import growing
from loopd.keeping import no_garbage
from loopd.planned import Planned
from loopd.records import Answer, Batch, JsonValue, Target, Targets


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


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run began: everything that identifies it."""

    at: float
    config_digest: str
    seed: int
    labels: tuple[str, ...]
    pool_fingerprint: str
    test_fingerprint: str
    dataset_id: str
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BatchPlanned:
    """The next batch is chosen; written before Argilla is touched, so that ids are fixed.

    ``seconds`` is the time that choosing took. ``refreshed`` are the records of earlier batches
    that nobody has touched, ranked anew with what the new model proposes; they stay where they are.
    """

    at: float
    batch: Batch
    seconds: float
    refreshed: tuple[Batch, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchPublished:
    """All records of the batch are in Argilla, and all but ``unseen`` are found by its search.

    ``seconds`` is the time that publishing took, ``None`` where the run was recovered. ``unseen``
    is 0 in journals of versions that had none: they looked for one record only.
    """

    at: float
    batch_id: str
    seconds: float | None
    unseen: int = 0


@dataclass(frozen=True, slots=True)
class AnswersCollected:
    """Answers that are new or changed, and records that vanished from Argilla or came back.

    All ids of records are external ones. Before the first batch: the answers that came with the
    pool. ``departed`` and ``returned`` are annotators whose accounts were deleted, or came back
    with a copy of the database.
    """

    at: float
    answers: tuple[Answer, ...]
    deleted: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    departed: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordsReopened:
    """Records that waited for people and that nobody could answer were published again.

    They were completed in Argilla without the answers for it, or not in its search.
    """

    at: float
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SettingsAdopted:
    """Somebody has changed in Argilla how many answers complete a record; the run goes on with it.

    ``min_submitted`` takes the place of ``queue.min_submitted`` from here on.
    """

    at: float
    min_submitted: int


@dataclass(frozen=True, slots=True)
class PoolChanged:
    """The pool is a dataset in Argilla, and its records are others than at the last start.

    ``added`` texts joined the pool, which has ``pool_fingerprint`` since. ``gone`` are pool ids of
    texts that were never put into a batch and are not there any more, ``back`` those that are there
    again: they keep their places in the pool, and nobody is asked for what is gone.
    """

    at: float
    added: int
    pool_fingerprint: str
    gone: tuple[str, ...] = ()
    back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchCollected:
    """Enough of the queue is answered. ``reason``: ``complete``, ``watermark`` or ``patience``.

    ``queue`` are flat numbers about how people waited for the batch (see ``loop.waiting``), empty
    in journals of versions that had none.
    """

    at: float
    batch_id: str
    reason: str
    open_records: int
    queue: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelTrained:
    """A model was trained when ``labels`` records had a label.

    ``held_out`` of them are random draws, which it was not shown; ``label_counts`` counts the
    others.
    ``consensus`` are flat numbers about how several annotators agreed (see ``consensus``), empty in
    journals of versions that had none.
    """

    at: float
    round: int
    model_id: str
    labels: int
    discarded: int
    label_counts: Mapping[str, int]
    seconds: float
    consensus: Mapping[str, JsonValue] = field(default_factory=dict)
    held_out: int = 0


@dataclass(frozen=True, slots=True)
class RoundEvaluated:
    """The model was measured.

    ``metrics`` are flat numbers (empty without a test set), ``stopping`` the value and verdict of
    each criterion, ``stop_set`` the encoded predictions that the next replay of the criteria needs.
    ``audit`` are flat numbers about the model that come from random draws, ``predicted`` is what it
    says of texts that are or will be drawn, by pool id; both are empty without an audit, and in
    journals of versions that had none. With ``predicted_since``, ``predicted`` holds only what the
    model of that round did not say; without it, as in older journals, it holds everything.
    ``scoring_seconds`` went into scoring the pool, which the stop set and the next query share;
    ``seconds`` into everything else. ``confusion`` says how often texts of the test set with one
    label (first) were taken for another (second); pairs that never occur are left out. It is empty
    without a test set, where texts have several labels or spans, and in older journals.
    """

    at: float
    round: int
    metrics: Mapping[str, JsonValue]
    stopping: Mapping[str, Mapping[str, JsonValue]]
    stop_set: str
    config_digest: str
    scoring_seconds: float
    seconds: float
    confusion: tuple[tuple[str, str, int], ...] = ()
    audit: Mapping[str, JsonValue] = field(default_factory=dict)
    predicted: Mapping[str, Target] = field(default_factory=dict)
    predicted_since: int | None = None


@dataclass(frozen=True, slots=True)
class RunStopped:
    """The loop ended by itself for a reason."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class RunResumed:
    """The configuration changed in a way that allows the run to go on."""

    at: float
    config_digest: str
    note: str


@dataclass(frozen=True, slots=True)
class RunRecovered:
    """The journal was lost; these are the batches that Argilla still shows.

    ``published`` is when the last record of each batch came to Argilla, by the server's clock;
    ``None`` for a batch of which nothing is left. ``notes`` say to people what was odd.
    """

    at: float
    batches: tuple[Batch, ...]
    published: tuple[float | None, ...]
    notes: tuple[str, ...] = ()


Event: TypeAlias = (
    RunStarted
    | BatchPlanned
    | BatchPublished
    | AnswersCollected
    | RecordsReopened
    | SettingsAdopted
    | PoolChanged
    | BatchCollected
    | ModelTrained
    | RoundEvaluated
    | RunStopped
    | RunResumed
    | RunRecovered
)

Fact = TypeVar("Fact")

TRANSITIONS: dict[Phase, dict[type, Phase]] = {
    Phase.NEW: {RunStarted: Phase.SEED},
    Phase.SEED: {
        AnswersCollected: Phase.SEED,  # those that came with the pool
        BatchPlanned: Phase.PUBLISH,
        RunStopped: Phase.DONE,  # they leave nothing to ask
        RunRecovered: Phase.COLLECT,
        RunResumed: Phase.SEED,
        PoolChanged: Phase.SEED,
    },
    Phase.PUBLISH: {
        BatchPublished: Phase.COLLECT,
        RunResumed: Phase.PUBLISH,
        PoolChanged: Phase.PUBLISH,
    },
    Phase.COLLECT: {
        AnswersCollected: Phase.COLLECT,
        RecordsReopened: Phase.COLLECT,
        SettingsAdopted: Phase.COLLECT,
        BatchCollected: Phase.TRAIN,
        RunResumed: Phase.COLLECT,
        PoolChanged: Phase.COLLECT,
    },
    Phase.TRAIN: {
        ModelTrained: Phase.EVALUATE,
        # Too few labels to train on: another cold batch, or the end of the pool.
        BatchPlanned: Phase.PUBLISH,
        RunStopped: Phase.DONE,
        RunResumed: Phase.TRAIN,
        PoolChanged: Phase.TRAIN,
    },
    # A new configuration may mean another model: train again (the same one comes from the cache).
    # So may other texts.
    Phase.EVALUATE: {
        RoundEvaluated: Phase.DECIDE,
        RunResumed: Phase.TRAIN,
        PoolChanged: Phase.TRAIN,
    },
    Phase.DECIDE: {
        BatchPlanned: Phase.PUBLISH,
        RunStopped: Phase.DONE,
        RunResumed: Phase.DECIDE,
        PoolChanged: Phase.DECIDE,
    },
    # Back to COLLECT or SEED instead where the last round was never evaluated: see `apply`.
    Phase.DONE: {RunResumed: Phase.DECIDE, PoolChanged: Phase.DECIDE},
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
        deleted: external ids of published records that are gone from Argilla.
        departed: annotators whose accounts are gone from Argilla; what the run has of their answers
            is no longer there.
        reopened: how many records were published again because nobody could answer them.
        planned, published, collected, trained, evaluated: the events by round; of the rounds of a
            recovered run only ``published``.
        stopped: why the loop ended, ``None`` while it runs.
        min_submitted: answers that complete a record where that was changed in Argilla meanwhile,
            else ``None``: as configured.
        predicted: what the model of each round says of random draws, by round and pool id.
        derived: what was worked out from the state; no part of it.
        grown: fingerprint of the pool since it grew, empty before.
        gone: pool ids of texts of a pool in Argilla that are not there any more, and that nobody
            was asked for.
    """

    phase: Phase = Phase.NEW
    started: RunStarted | None = None
    config_digest: str = ""
    batches: tuple[Batch, ...] = ()
    answers: Mapping[tuple[str, str], Answer] = field(default_factory=dict)
    deleted: frozenset[str] = frozenset()
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
    gone: frozenset[str] = frozenset()

    @property
    def pool_fingerprint(self) -> str:
        """Of the pool as the run last took it over, empty before it began."""
        return self.grown or (self.started.pool_fingerprint if self.started is not None else "")

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
        return len(chose | set(self.evaluated))

    @property
    def planned_ids(self) -> frozenset[str]:
        """Pool ids of every record that was ever put into a batch as a new text."""
        return self.all_planned.texts

    @property
    def draws(self) -> Mapping[str, int]:
        """Batch number by pool id of everything that was drawn at random, in order."""
        return self.all_planned.draws

    @property
    def external_ids(self) -> frozenset[str]:
        """Ids in Argilla of everything that was ever put into a batch, copies included."""
        return self.all_planned.external_ids

    @property
    def originals(self) -> Mapping[str, str]:
        """Pool id by external id, in the order of planning."""
        return self.all_planned.originals

    @property
    def all_planned(self) -> Planned:
        """Look-ups over the records of all batches."""
        return self.derived.result(_PLANNED, self)


def apply(state: State, event: Event) -> State:
    """Fold one event into the state.

    Raises:
        JournalError: the event is not allowed in the state's phase.
    """
    target = TRANSITIONS[state.phase].get(type(event))
    if target is None:
        raise JournalError(
            f"event {type(event).__name__} is not allowed in phase {state.phase.value}",
            "the journal was damaged or written by another version of loopd",
        )
    if state.phase is Phase.DONE and state.round not in state.evaluated:
        # It ended without a model: look whether people answered since.
        target = Phase.COLLECT if state.batches else Phase.SEED
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


def joined(events: Iterable[Event]) -> Iterator[Event]:
    """The same facts in fewer events: answers that came one after the other come at once."""
    for only_answers, some in groupby(events, _is_only_answers):
        if only_answers:
            facts = [event for event in some if isinstance(event, AnswersCollected)]
            answers = tuple(chain.from_iterable(fact.answers for fact in facts))
            yield AnswersCollected(max(fact.at for fact in facts), answers)
        else:
            yield from some


def _is_only_answers(event: Event) -> bool:
    return isinstance(event, AnswersCollected) and event == AnswersCollected(
        event.at, event.answers
    )


def _fold(state: State, event: Event) -> State:
    match event:
        case RunStarted():
            return replace(state, started=event, config_digest=event.config_digest)
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
            gone = (state.gone | set(event.gone)) - set(event.back)
            return replace(state, stopped=None, grown=event.pool_fingerprint, gone=gone)
        case BatchCollected():
            number = _round_of(state, event.batch_id)
            return replace(state, collected=_with(state.collected, number, event))
        case ModelTrained():
            return replace(state, trained=_with(state.trained, event.round, event))
        case RoundEvaluated():
            return _fold_evaluated(state, event)
        case RunStopped():
            return replace(state, stopped=event)
        case RunResumed():
            # What was adopted before may be what the new configuration says.
            digest = event.config_digest
            return replace(state, stopped=None, config_digest=digest, min_submitted=None)
        case RunRecovered():
            return replace(state, batches=event.batches, published=_found_published(event))


def _with(by_round: Mapping[int, Fact], number: int, event: Fact) -> Mapping[int, Fact]:
    return growing(by_round).updated([(number, event)])


def _round_of(state: State, batch_id: str) -> int:
    for batch in reversed(state.batches):
        if batch.id == batch_id:
            return batch.round
    raise JournalError(f"the journal holds no batch {batch_id}")


def _found_published(event: RunRecovered) -> Mapping[int, BatchPublished]:
    return {
        batch.round: BatchPublished(at, batch.id, None)
        for batch, at in zip(event.batches, event.published, strict=True)
        if at is not None
    }


def _fold_answers(state: State, event: AnswersCollected) -> State:
    deleted = state.deleted
    if event.deleted or event.restored:
        deleted = deleted.union(event.deleted).difference(event.restored)
    departed = state.departed
    if event.departed or event.returned:
        departed = departed.union(event.departed).difference(event.returned)
    facts = (((answer.record_id, answer.annotator), answer) for answer in event.answers)
    answers = growing(state.answers).updated(facts)
    return replace(state, answers=answers, deleted=deleted, departed=departed)


def _fold_evaluated(state: State, event: RoundEvaluated) -> State:
    before: Targets = {}
    if event.predicted_since is not None:
        if event.predicted_since not in state.predicted:
            raise JournalError(f"the journal holds no round {event.predicted_since}")
        before = state.predicted[event.predicted_since]
    predicted = growing(before).updated(event.predicted.items())
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
