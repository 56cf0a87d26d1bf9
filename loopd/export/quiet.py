"""Owns the parts of a run without Argilla and without a trace: for whoever only reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from loopd.annotation.memory_store import MemoryStore
from loopd.config import Config
from loopd.errors import RunError
from loopd.events import Event
from loopd.export.cache_view import apart
from loopd.export.models import Progress
from loopd.loop.audit_draws import draw_order
from loopd.loop.audit_in_force import in_force
from loopd.loop.data_sets import read_data
from loopd.loop.start_or_resume import is_pool_of
from loopd.loop.stop import Stop, on_signals
from loopd.loop.tools import Tools, build_tools
from loopd.machine import State
from loopd.storage.recorded_run import recorded_run
from loopd.tasks.registry import build_task


@dataclass(frozen=True, slots=True)
class Glance:
    """A run as it is now, for whoever only reads it.

    Attributes:
        config: as the file has it.
        events: of the journal.
        state: their fold.
        tools: the parts of the loop, which leave no trace.
    """

    config: Config
    events: Sequence[Event]
    state: State
    tools: Tools


@contextmanager
def looking(config: Config, progress: Progress | None = None) -> Iterator[Glance]:
    """A look at a run that may be going on; the run is not touched.

    Args:
        config: of the run.
        progress: called with (what, done, total) during long steps.

    Raises:
        RunError: there is no run, or pool or labels are not those of the journal.
        LoopdError: as reading data and journal.
    """
    run, stop = recorded_run(config.run.dir), Stop()
    with on_signals(stop), apart(config) as own:
        tools = quiet_tools(own, run.state, stop, progress)
        yield Glance(config, run.events, run.state, tools)


def quiet_tools(config: Config, state: State, stop: Stop, progress: Progress | None) -> Tools:
    """The parts of the loop, without Argilla: nothing is asked of the store.

    Args:
        config: of the run, its cache apart: see ``cache_view``.
        state: of its journal.
        stop: ends long steps.
        progress: called with (what, done, total) during them.

    Raises:
        RunError: pool or labels are not those of the journal.
        DataError: the pool cannot be read.
    """
    data = read_data(config.model_copy(update={"test": None}), state)
    started = state.started
    if started is not None and not is_pool_of(state, data.pool):
        raise RunError("the pool changed since this run began", "restore it, then try again")
    if started is not None and started.labels != config.task.labels:
        raise RunError("the labels changed since this run began", "restore them, then try again")
    config = in_force(config, state)
    store, order = MemoryStore(build_task(config.task)), draw_order(state)
    return build_tools(config, data, stop, progress, store=store, order=order)
