"""Owns the log line of each event, and of what keeps a run; must not change anything."""

from __future__ import annotations

from collections import Counter

from loopd import log
from loopd.config import Config
from loopd.events import (
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
from loopd.loop.obstacles import obstacle
from loopd.loop.queue_words import queue_limit, queue_sentence
from loopd.machine import Phase, State
from loopd.metrics_log.audit import audit_sentence
from loopd.metrics_log.measured import TEST, measured_in
from loopd.metrics_log.rows import number
from loopd.metrics_log.shift import INTAKES, newly_raised, shift_sentence
from loopd.records import AnswerStatus, JsonValue


def narrate(event: Event, state: State) -> None:
    """Write one line that says what happened."""
    logger = log.get("loop").bind(round=state.round)
    match event:
        case RunStarted():
            logger.info("run_started", config=event.config_digest, classes=len(event.labels))
        case BatchPlanned():
            _planned(event, state)
        case BatchPublished():
            seconds = round(event.seconds or 0.0, 2)
            logger.info("batch_published", batch=event.batch_id, seconds=seconds)
        case AnswersCollected():
            _answers(event, state)
        case RecordsReopened():
            some = list(event.records[:5])
            logger.warning("records_published_again", count=len(event.records), records=some)
        case SettingsAdopted():
            logger.warning("settings_adopted", min_submitted=event.min_submitted)
        case PoolChanged():
            _pool_changed(event, state)
        case PoolGrew():
            _pool_grew(event, state)
        case TextsWithdrawn():
            logger.warning("texts_withdrawn", count=len(event.ids), records=list(event.ids[:5]))
        case BatchCollected():
            logger.info("batch_collected", batch=event.batch_id, reason=event.reason)
        case ModelTrained():
            logger.info(
                "model_trained",
                labels=event.labels,
                annotations=event.consensus.get("annotations"),
                discarded=event.discarded,
                seconds=round(event.seconds, 2),
            )
        case RoundEvaluated():
            _evaluated(event, state)
            _compared(event, state)
        case RunStopped():
            logger.info("run_stopped", reason=event.reason)
        case RunResumed():
            logger.info("run_resumed", note=event.note, config=event.config_digest)
        case RunRecovered():
            records = len(state.external_ids)
            logger.info("run_recovered", batches=len(event.batches), records=records)


class ObstacleNotes:
    """Says why nothing happens when that changes, and not at each look."""

    def __init__(self) -> None:
        self._said = ("", "")
        self._sized = (-1, False)

    def look(self, state: State, config: Config) -> None:
        """Write a line if the obstacle is another than before."""
        self._look_at_queue(state, config)
        now = obstacle(state, config)
        key = ("", "") if now is None else (now.kind, now.subject)
        if key == self._said:
            return
        self._said = key
        logger = log.get("loop").bind(round=state.round)
        if now is None:
            logger.info("obstacle_gone")
        else:
            logger.warning("obstacle", kind=now.kind, says=now.sentence, hint=now.hint)

    def _look_at_queue(self, state: State, config: Config) -> None:
        """Once a batch is out: how many records are kept open, or what is in the way of that."""
        if state.phase is not Phase.COLLECT or self._sized[0] == state.round:
            return
        limit, sentence = queue_limit(state, config), queue_sentence(state, config)
        was_limited = self._sized[1]
        self._sized = (state.round, limit is not None)
        logger = log.get("loop").bind(round=state.round)
        if limit is not None and not was_limited:
            logger.warning("queue_limited", says=limit[0], hint=limit[1])
        elif sentence:
            logger.info("queue_sized", says=sentence)


def _planned(event: BatchPlanned, state: State) -> None:
    batch = event.batch
    log.get("loop").bind(round=state.round).info(
        "batch_planned",
        batch=batch.id,
        records=len(batch.items),
        second_opinions=sum(item.copy_id is not None for item in batch.items),
        strategy=batch.strategy,
        **({"from_new_texts": event.fresh} if event.fresh else {}),
    )


def _answers(event: AnswersCollected, state: State) -> None:
    logger = log.get("loop").bind(round=state.round)
    if event.answers:
        logger.info("answers", **Counter(answer.status.value for answer in event.answers))
    for answer in event.answers:
        if answer.status is AnswerStatus.INVALID:
            logger.warning(
                "unknown_label_skipped", record=answer.external_id, value=str(answer.value)[:80]
            )
    if event.deleted:
        logger.warning("records_deleted_in_argilla", records=list(event.deleted[:5]))
    if event.restored:
        logger.info("records_back_in_argilla", records=list(event.restored[:5]))


def _pool_changed(event: PoolChanged, state: State) -> None:
    logger = log.get("loop").bind(round=state.round)
    if event.added:
        logger.info("texts_joined_the_pool", count=event.added)
    if event.gone:
        logger.warning(
            "texts_gone_from_the_pool",
            count=len(event.gone),
            records=list(event.gone[:5]),
            hint="no record of the dataset shows them any more; nobody is asked for them",
        )
    if event.back:
        logger.info("texts_back_in_the_pool", count=len(event.back), records=list(event.back[:5]))


def _pool_grew(event: PoolGrew, state: State) -> None:
    left_out = {"duplicates": event.duplicates, "refused": event.refused}
    log.get("loop").info(
        "texts_joined_the_pool",
        round=state.round,
        count=event.new,
        source=event.source,
        pool=event.total,
        **{name: count for name, count in left_out.items() if count},
    )


def _evaluated(event: RoundEvaluated, state: State) -> None:
    shown: dict[str, JsonValue] = {
        name: round(value, 4)
        for name, value in event.metrics.items()
        if name in ("accuracy", "f1", "macro_f1", "micro_f1") and isinstance(value, float)
    }
    accuracy = measured_in(event)
    if accuracy is not None and accuracy.source != TEST:
        shown |= {accuracy.metric: round(accuracy.value, 4), "measured": accuracy.basis}
    advice = [name for name, verdict in event.stopping.items() if verdict["stop"]]
    labels = state.trained[event.round].labels
    log.get("loop").info(
        "round_evaluated", round=event.round, labels=labels, **shown, advice=advice
    )
    if event.audit:
        figures = {name.removeprefix("audit."): value for name, value in event.audit.items()}
        rounded = {name: _rounded(value) for name, value in figures.items() if value is not None}
        says = audit_sentence({**event.audit, **_metric(event)})
        log.get("loop").info("round_audited", round=event.round, **rounded, says=says)


def _compared(event: RoundEvaluated, state: State) -> None:
    """What was found about new texts: once for each intake, and as a warning once for an alarm."""
    earlier = [each for each in state.evaluated if each < event.round]
    before = state.evaluated[max(earlier)].shift if earlier else {}
    says, logger = shift_sentence(event.shift), log.get("loop").bind(round=event.round)
    if newly_raised(event.shift, before):
        hint = "look at some of the new texts: guidelines and labels may have to say more"
        logger.warning("new_texts_differ", says=says, hint=hint)
    elif says and number(event.shift, INTAKES) != number(before, INTAKES):
        logger.info("new_texts_compared", says=says)


def _metric(event: RoundEvaluated) -> dict[str, JsonValue]:
    return {name: value for name, value in event.metrics.items() if name == "metric"}


def _rounded(value: JsonValue) -> JsonValue:
    return round(value, 4) if isinstance(value, float) else value
