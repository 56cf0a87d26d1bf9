"""Owns ``loopd oracle``: the people of a configuration, played from a column of its pool."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from loopd.annotation.http_client import front_of
from loopd.config import Config
from loopd.credentials import api_key
from loopd.data.pool import Pool
from loopd.data.reading import read_pool
from loopd.data.remote_files import brought_here
from loopd.errors import ConfigError, DataError
from loopd.loop.argilla_pool import pool_options
from loopd.loop.stop import Stop, on_signals
from loopd.loop.tools import build_store
from loopd.oracle.oracle import OracleOptions, OracleReport, OracleTask, run_oracle
from loopd.oracle.right_labels import RightLabels
from loopd.tasks.registry import build_task


def play_people(
    config: Config, gold_column: str, options: OracleOptions, out: Callable[[str], None]
) -> OracleReport:
    """Answer on the configured Argilla until a signal comes, or until all are idle.

    Args:
        config: where to answer and what the pool is.
        gold_column: column of the pool with the right labels.
        options: how many people and how they behave.
        out: called with lines for people.

    Raises:
        DataError: the column holds no known label.
    """
    stop = Stop(second_kills=True)
    with on_signals(stop):
        return run_oracle(
            config.argilla.url,
            api_key(config.argilla),
            oracle_task(config, gold_column),
            options=options,
            stop=stop,
            report=out,
            front=front_of(config.argilla),
        )


def oracle_task(config: Config, gold_column: str | tuple[str, ...]) -> OracleTask:
    """What the people of a configuration are asked, and what is right."""
    task, known = build_task(config.task), RightLabels(config, gold_column)
    if not known.learn(_pool(config, gold_column)):
        raise DataError(
            f"column `{gold_column}` of the pool holds none of the labels",
            f"the labels are {', '.join(task.labels[:6])}",
        )
    argilla, look_again = config.argilla, known.look_again
    return OracleTask(
        argilla.workspace, argilla.dataset, task, known.gold, known.ids, look_again=look_again
    )


def refuse_argilla(config: Config) -> None:
    """Refuse a pool in Argilla for what is played without that Argilla.

    Raises:
        ConfigError: the pool is there.
    """
    if config.pool.argilla is not None:
        raise ConfigError(
            "the pool is in Argilla: neither `loopd simulate` nor `loopd demo` reads it there",
            "export the dataset from Argilla, and name the file in `pool.path`",
        )


def _pool(config: Config, gold_column: str | tuple[str, ...]) -> Pool:
    """The texts with their labels; of a pool in Argilla as they are there now."""
    task = config.task
    if config.pool.argilla is None:
        with brought_here(config.pool) as section:
            return read_pool(
                section,
                labels=task.labels,
                kind=task.type,
                none_label=task.none_label,
                gold_column=gold_column,
            )[0]
    with closing(build_store(config)) as store:
        name = gold_column if isinstance(gold_column, str) else gold_column[0]
        return store.texts(pool_options(config, name))[0]
