"""Owns the parts of a run without Argilla and without a trace: for whoever only reads it."""

from __future__ import annotations

from loopd.annotation.memory_store import MemoryStore
from loopd.config import Config
from loopd.errors import RunError
from loopd.export.models import Progress
from loopd.loop.draws import in_force
from loopd.loop.start import is_pool_of
from loopd.loop.stop import Stop
from loopd.loop.tools import Tools, build_tools, read_data
from loopd.machine import State
from loopd.tasks.registry import build_task


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
    data = read_data(config.model_copy(update={"test": None}))
    started = state.started
    if started is not None and not is_pool_of(state, data.pool):
        raise RunError("the pool changed since this run began", "restore it, then try again")
    if started is not None and started.labels != config.task.labels:
        raise RunError("the labels changed since this run began", "restore them, then try again")
    config = in_force(config, state)
    return build_tools(config, data, stop, progress, store=MemoryStore(build_task(config.task)))
