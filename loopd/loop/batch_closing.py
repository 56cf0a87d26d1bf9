"""Owns when collecting for a batch ends; must not fetch answers."""

from __future__ import annotations

from collections import Counter

from loopd.annotation.consensus import NOTHING, any_answered, index_of
from loopd.annotation.second_opinions import askable
from loopd.config import ACTIVELAB, Config
from loopd.events import OPENING
from loopd.loop.opening import is_opening
from loopd.loop.queue import has_room, runs_low
from loopd.machine import Phase, State
from loopd.records import ExternalId

LAST_LOOKS = 3
"""So often all answers are read before a run ends, if they have changed each time."""


class Closing:
    """Remembers for which state it was too early, so that an idle loop counts nothing again."""

    def __init__(self) -> None:
        self._early: State | None = None
        self._last_looks: Counter[tuple[Phase, int]] = Counter()

    def may_look_again(self, state: State) -> bool:
        """Whether all answers are to be read before this phase of the round ends.

        Who never stops editing does not keep a run from its end.
        """
        return self._last_looks[state.phase, state.round] < LAST_LOOKS

    def looked(self, state: State) -> None:
        """All answers were read in this phase."""
        self._last_looks[state.phase, state.round] += 1

    def known_early(self, state: State, config: Config) -> bool:
        """Whether nothing can have changed since ``too_early``: no batch closes by time alone."""
        return state is self._early and config.queue.patience is None

    def too_early(self, state: State) -> None:
        """This state goes on collecting."""
        self._early = state


def reason_to_close(
    state: State,
    config: Config,
    waiting: frozenset[ExternalId],
    *,
    pool_size: int,
    now: float,
    noticed_after: float | None = None,
) -> str | None:
    """Why the batch is closed now, ``None`` to go on collecting.

    Args:
        state: what the journal says, with a published batch.
        config: the configuration in force.
        waiting: external ids that wait for an answer.
        pool_size: texts of the pool.
        now: wall clock in seconds.
        noticed_after: seconds until an answer is noticed; ``queue.poll_interval`` if not given.

    Returns:
        ``complete``: nothing is open. ``opening``: the rest of the first batch is due.
        ``watermark``: little is open. ``patience``: it is overdue.
    """
    queue = config.queue
    if is_opening(state, config, pool_size) and not _all_are_taken(state, pool_size):
        return OPENING
    if not waiting:
        return "complete"
    may_be_early = _something_came(state, waiting) and not is_last(
        state, config, waiting, pool_size
    )
    delay = config.queue.poll_interval if noticed_after is None else noticed_after
    if may_be_early and _few_are_open(state, config, waiting, delay):
        return "watermark"
    waited = now - state.published[state.round].at
    if queue.patience is None or waited < queue.patience:
        return None
    another, ids = config.relabel.another_person, state.batch.external_ids
    return "patience" if any_answered(state, ids, another_person=another) else None


def _few_are_open(
    state: State, config: Config, waiting: frozenset[ExternalId], delay: float
) -> bool:
    """Whether it is time for the next batch although records are open."""
    queue = config.queue
    if queue.watermark is not None:
        return len(waiting) <= queue.watermark
    needed = state.answers_needed(queue.min_submitted)
    another = config.relabel.another_person
    is_low = runs_low(state, waiting, needed, delay, another_person=another)
    return is_low and has_room(state, len(waiting), needed, queue.batch_size)


def _something_came(state: State, waiting: frozenset[ExternalId]) -> bool:
    """Whether any record was resolved since the batch before was closed."""
    before = state.collected.get(state.round - 1)
    left = before.open_records if before is not None else 0
    return len(waiting) < left + len(state.batch.items)


def is_last(state: State, config: Config, waiting: frozenset[ExternalId], pool_size: int) -> bool:
    """Whether no batch can come after this one: then all answers are waited for."""
    stopping, index = config.stopping, index_of(state)
    if _all_are_taken(state, pool_size) and not _asks_again(state, config):
        return True
    # The round is one of them if a model can be trained on its answers.
    if stopping.max_rounds is not None and state.rounds_measured + 1 >= stopping.max_rounds:
        return True
    records = {state.originals[id_] for id_ in waiting}
    spent = index.labelled + sum(not index.records[id_].labelled for id_ in records)
    return stopping.label_budget is not None and spent >= stopping.label_budget


def _all_are_taken(state: State, pool_size: int) -> bool:
    """Whether no text is left that nobody was asked for."""
    index = index_of(state)
    never_asked = state.gone - state.planned_ids
    gone = sum(not index.records.get(id_, NOTHING).unplanned for id_ in never_asked)
    return len(state.planned_ids) + index.unplanned + gone >= pool_size


def _asks_again(state: State, config: Config) -> bool:
    """Whether second opinions could be asked with what is known now, were the batch closed."""
    if config.strategy.name != ACTIVELAB or not state.rounds_measured:
        return False
    needed = state.answers_needed(config.queue.min_submitted)
    again = askable(state, needed, config.relabel)
    return not again <= set(state.draws)
