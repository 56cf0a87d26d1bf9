"""Owns the events that a run is made of; must not know what they do to the state.

An event is a fact with its time. The journal keeps them in this form, so a new field has a default
that says what older journals mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from loopd.records import Answer, Batch, ExternalId, JsonValue, PoolId, Target

OPENING = "opening"
"""Why a few records that went out at once are closed as a batch: ``loop.opening``."""

HASHED, SHUFFLED = "hashed", "shuffled"
"""How a run draws texts at random (docs/adr/0024)."""

BEFORE = -1
"""Number of the round before the first batch: its model learned from descriptions of labels."""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run began: everything that identifies it.

    ``random_share`` is the share of random draws that it began with. It holds as long as the
    configuration names none; 0 in journals of versions that had none by default. ``folds`` are the
    parts of its cross-validation, likewise; where it is ``None``, the version had one if there is a
    share, and none otherwise. ``draw_order`` says how texts are drawn at random: ``hashed``, by a
    hash of seed and id, or ``shuffled``, by an order of the whole pool, as in older journals.
    ``texts`` are those of the pool, 0 in older journals. ``contenders`` is a digest of the two
    classifiers between which ``auto`` decides; empty where the configuration names one, and in
    older journals.
    """

    at: float
    config_digest: str
    seed: int
    labels: tuple[str, ...]
    pool_fingerprint: str
    test_fingerprint: str
    dataset_id: str
    versions: Mapping[str, str]
    random_share: float = 0.0
    folds: int | None = None
    draw_order: str = SHUFFLED
    texts: int = 0
    contenders: str = ""


@dataclass(frozen=True, slots=True)
class BatchPlanned:
    """The next batch is chosen; written before Argilla is touched, so that ids are fixed.

    ``seconds`` is the time that choosing took. ``refreshed`` are the records of earlier batches
    that nobody has touched, ranked again with the new model's suggestions; they do not move.
    ``fallback`` are pool ids of new texts of the batch that were drawn at random and train, because
    choosing was behind random draws; ``why`` says so with figures, empty where there are none.
    ``fresh`` new texts of the batch were chosen among those that joined late, which had a share of
    it; 0 in older journals.
    """

    at: float
    batch: Batch
    seconds: float
    refreshed: tuple[Batch, ...] = ()
    fallback: tuple[PoolId, ...] = ()
    why: str = ""
    fresh: int = 0


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
    deleted: tuple[ExternalId, ...] = ()
    restored: tuple[ExternalId, ...] = ()
    departed: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordsReopened:
    """Records that waited for people and that nobody could answer were published again.

    They were completed in Argilla without the answers for it, or not in its search.
    """

    at: float
    records: tuple[ExternalId, ...]


@dataclass(frozen=True, slots=True)
class SettingsAdopted:
    """Somebody has changed in Argilla how many answers complete a record; the run adopts it.

    ``min_submitted`` takes the place of ``queue.min_submitted`` from here on.
    """

    at: float
    min_submitted: int


@dataclass(frozen=True, slots=True)
class PoolChanged:
    """The pool is a dataset in Argilla, and its records have changed since the last start.

    ``added`` texts joined the pool, which has ``pool_fingerprint`` since. ``gone`` are pool ids of
    texts that were never put into a batch and are not there any more, ``back`` those that are there
    again: they keep their places in the pool, and nobody is asked for what is gone.
    """

    at: float
    added: int
    pool_fingerprint: str
    gone: tuple[PoolId, ...] = ()
    back: tuple[PoolId, ...] = ()


@dataclass(frozen=True, slots=True)
class PoolGrew:
    """Texts of a file joined the pool, after all others; they are already in the run's folder.

    ``source`` is what they came from, ``fingerprint`` is of these texts, ``pool_fingerprint`` of
    the pool with them. The first of ``new`` texts has the position ``first``. ``duplicates`` are
    rows whose text the pool had already, under whatever id; ``refused`` those that cannot be used,
    and those whose id stands for another text.
    """

    at: float
    source: str
    fingerprint: str
    pool_fingerprint: str
    first: int
    new: int
    duplicates: int = 0
    refused: int = 0

    @property
    def total(self) -> int:
        """Texts of the pool with these."""
        return self.first + self.new


@dataclass(frozen=True, slots=True)
class TextsWithdrawn:
    """Somebody wants these texts out of the run: nobody is asked for them, and nothing learns.

    ``ids`` are pool ids; nothing else of the texts is written down. They keep their positions, with
    an empty text, and the pool has ``pool_fingerprint`` since.
    """

    at: float
    ids: tuple[PoolId, ...]
    pool_fingerprint: str


@dataclass(frozen=True, slots=True)
class BatchCollected:
    """Enough of the queue is answered. ``reason``: ``complete``, ``watermark`` or ``patience``.

    Or ``opening``: nothing need be answered, the rest of the first batch follows.

    ``queue`` are flat numbers about how people waited for the batch (see
    ``loop.waiting_figures``), empty in journals of versions that had none.
    """

    at: float
    batch_id: str
    reason: str
    open_records: int
    queue: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelTrained:
    """A model was trained when ``labels`` records had a label.

    Where labels are described there is one before the first batch, of round -1.
    ``held_out`` of them are random draws, which it was not shown; ``label_counts`` counts the
    others.
    ``consensus`` are flat numbers about how several annotators agreed (see ``consensus``), empty in
    journals of versions that had none.
    ``encoder_round`` is the round whose model fine-tuned the encoder that this one took over;
    ``None`` where it fine-tuned its own. ``classifier`` is its kind where ``auto`` decides, empty
    where the configuration names one, as in older journals.
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
    encoder_round: int | None = None
    classifier: str = ""


@dataclass(frozen=True, slots=True)
class RoundEvaluated:
    """The model was measured.

    ``metrics`` are flat numbers from the test set; without one those of a cross-validation, if
    one was needed (keys ``cross.*``), else the F1 of classes on random draws, and the measure of
    the task. ``stopping`` are the value
    and verdict of each criterion, ``stop_set`` the encoded predictions that the next replay of
    the criteria needs. ``audit`` are flat numbers about the model that come from random draws,
    ``predicted`` is what it says of texts that are or will be drawn, by pool id; both are empty
    without an audit, and in journals of versions that had none. With ``predicted_since``,
    ``predicted`` holds only what the model of that round did not say; without it, as in older
    journals, it holds everything. ``scoring_seconds`` went into scoring the pool, which the
    stop set and the next query share; ``seconds`` into everything else. ``confusion`` says how
    often texts of the test set, or random draws, with one label (first) were taken for another
    (second); pairs that never occur are left out. It is empty without either, where texts have
    several labels or spans, and in older journals. ``classifiers`` are flat figures of both
    classifiers of ``auto`` on the same texts, which one the next round has, and ``of`` which two
    they are (not in older journals); empty in rounds that do not compare them. ``shift`` are flat
    numbers about texts that joined the pool: whether they are unlike the others, and the share of
    what is chosen next that is theirs; empty while none have joined, and in older journals.
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
    predicted: Mapping[PoolId, Target] = field(default_factory=dict)
    predicted_since: int | None = None
    classifiers: Mapping[str, JsonValue] = field(default_factory=dict)
    shift: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunStopped:
    """The loop ended by itself for a reason."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class RunResumed:
    """The configuration changed in a way that allows the run to continue.

    ``contenders`` as for ``RunStarted``.
    """

    at: float
    config_digest: str
    note: str
    contenders: str = ""


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

    def by_round(self) -> Mapping[int, BatchPublished]:
        """When each batch was published, by its number, as far as that can be told."""
        return {
            batch.round: BatchPublished(at, batch.id, None)
            for batch, at in zip(self.batches, self.published, strict=True)
            if at is not None
        }


Event: TypeAlias = (
    RunStarted
    | BatchPlanned
    | BatchPublished
    | AnswersCollected
    | RecordsReopened
    | SettingsAdopted
    | PoolChanged
    | PoolGrew
    | TextsWithdrawn
    | BatchCollected
    | ModelTrained
    | RoundEvaluated
    | RunStopped
    | RunResumed
    | RunRecovered
)
