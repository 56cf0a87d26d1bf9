"""Owns the texts of a run that somebody looks at: those that it began with, or none and why."""

from __future__ import annotations

from loopd.config import Config
from loopd.data.pool import Pool
from loopd.errors import Interrupted, LoopdError
from loopd.loop.data_sets import read_data
from loopd.loop.start_or_resume import is_pool_of
from loopd.machine import State

NO_POOL = Pool(())


def texts_of(config: Config, state: State) -> tuple[Pool, list[str]]:
    """The texts, and what to say where they are not those of the run, or cannot be read.

    Raises:
        Interrupted: a stop was asked for.
    """
    try:
        pool = read_data(config.model_copy(update={"test": None}), state).pool
    except Interrupted:
        raise
    except LoopdError as error:  # of the file, of the pool that the run keeps, of its settings
        return NO_POOL, [f"The texts are not shown: {error.message}"]
    if state.started is not None and not is_pool_of(state, pool):
        return NO_POOL, ["The texts are not shown: the pool is another than the run began with."]
    return pool, []
