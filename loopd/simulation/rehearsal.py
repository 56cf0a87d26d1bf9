"""Owns ``loopd oracle``: the people of a configuration, played from a column of its pool."""

from __future__ import annotations

from collections.abc import Callable

from loopd.annotation.front import front_of
from loopd.config import Config
from loopd.credentials import api_key
from loopd.data.reading import read_pool
from loopd.errors import DataError
from loopd.loop.stop import Stop, on_signals
from loopd.simulation.oracle import OracleOptions, OracleReport, OracleTask, run_oracle
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
    stop = Stop()
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
    task = build_task(config.task)
    pool, _ = read_pool(
        config.pool,
        labels=task.labels,
        kind=config.task.type,
        none_label=config.task.none_label,
        gold_column=gold_column,
    )
    gold = {record.id: record.gold for record in pool if record.gold is not None}
    if not gold:
        raise DataError(
            f"column `{gold_column}` of the pool holds none of the labels",
            f"the labels are {', '.join(task.labels[:6])}",
        )
    ids = {record.text: record.id for record in pool}
    return OracleTask(config.argilla.workspace, config.argilla.dataset, task, gold, ids)
