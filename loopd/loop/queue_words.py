"""Owns how queue and batches are sized, in words, and what keeps the queue too short; pure."""

from __future__ import annotations

from loopd.annotation.consensus import index_of, unresolved
from loopd.config import Config
from loopd.events import OPENING
from loopd.loop.queue import QueueNeed, queue_need
from loopd.machine import Phase, State

WORTH_SAYING = 10.0
"""Seconds for which a person waits for a batch and of which nothing is said yet."""


def queue_sentence(state: State, config: Config) -> str:
    """How many records are kept open and why; empty where loopd does not size the queue."""
    need = _need(state, config)
    if need is None or config.queue.watermark is not None:
        return ""
    kept = "1 record is" if need.records == 1 else f"{need.records:,} records are"
    return f"{_measured(need)}: about {kept} kept open, so that nobody waits."


def queue_limit(state: State, config: Config) -> tuple[str, str] | None:
    """That a limit which somebody has set lets people wait, and what would help."""
    need, queue = _need(state, config), config.queue
    mark = queue.watermark
    if need is None or mark is None or mark >= need.records:
        return None
    lasts = 60 * mark / need.per_minute
    if need.turnaround + queue.poll_interval - lasts < WORTH_SAYING:
        return None
    is_small = need.records >= queue.batch_size
    limits = f"`queue.low_watermark: {mark}`"
    if is_small:
        limits += f" with `queue.batch_size: {queue.batch_size}`"
    must = "1 record must" if need.records == 1 else f"{need.records:,} records must"
    sentence = (
        f"{_measured(need)}, so about {must} be open when a batch is begun; "
        f"{limits} is in the way, and people wait."
    )
    return sentence, "set `queue.low_watermark: auto`, which needs no other number"


def size_note(state: State, config: Config) -> str:
    """Why the newest batch has another size than is configured; empty where it has not."""
    if not state.batches or state.phase is Phase.DONE:
        return ""
    batch, queue = state.batch, config.queue
    size, configured = len(batch.items), queue.first_size if batch.round == 0 else queue.batch_size
    if batch.round == 0 and queue.opening_size is not None and size < configured:
        return (
            f"The first batch of {configured} comes in two parts: {_records(size)} drawn at random "
            "to begin with, and the rest as soon as the pool is encoded."
        )
    if _was_opening(state, batch.round - 1):
        return f"These {size} are the rest of the first batch of {queue.first_size}."
    has = f"Batch {batch.id} has {_records(size)} where {configured} {_are(configured)} configured"
    if size > configured and batch.round > 0 and queue.watermark is None:
        need = _need(state, config)
        pace = "" if need is None else f" ({_measured(need)})"
        return f"{has}: it is to last until the next one is there{pace}."
    if size < configured and _spends_the_budget(state, config):
        return f"{has}: more would exceed the label budget of {config.stopping.label_budget}."
    return ""


def _was_opening(state: State, number: int) -> bool:
    closed = state.collected.get(number)
    return closed is not None and closed.reason == OPENING


def _spends_the_budget(state: State, config: Config) -> bool:
    most, needed = config.stopping.label_budget, state.answers_needed(config.queue.min_submitted)
    another = config.relabel.another_person
    open_ids = unresolved(state, needed, another_person=another)
    return most is not None and index_of(state).labelled + len(open_ids) >= most


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _need(state: State, config: Config) -> QueueNeed | None:
    needed = state.answers_needed(config.queue.min_submitted)
    return queue_need(state, needed, config.queue.poll_interval)


def _measured(need: QueueNeed) -> str:
    who = "1 person completes" if need.people == 1 else f"{need.people} people complete"
    pace = f"{need.per_minute:.0f}" if need.per_minute >= 10 else f"{need.per_minute:.1f}"
    return f"{who} {pace} records a minute, and a batch takes {need.turnaround:.0f} s"
