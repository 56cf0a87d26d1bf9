"""Owns how the queue of open records is sized, in words, and what keeps it too short; pure."""

from __future__ import annotations

from loopd.config import Config
from loopd.loop.queue import QueueNeed, queue_need
from loopd.machine import State

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
    sentence = (
        f"{_measured(need)}, so about {need.records:,} records must be open when a batch is begun; "
        f"{limits} is in the way, and people wait."
    )
    return sentence, "set `queue.low_watermark: auto`, which needs no other number"


def _need(state: State, config: Config) -> QueueNeed | None:
    needed = state.answers_needed(config.queue.min_submitted)
    return queue_need(state, needed, config.queue.poll_interval)


def _measured(need: QueueNeed) -> str:
    who = "1 person completes" if need.people == 1 else f"{need.people} people complete"
    pace = f"{need.per_minute:.0f}" if need.per_minute >= 10 else f"{need.per_minute:.1f}"
    return f"{who} {pace} records a minute, and a batch takes {need.turnaround:.0f} s"
