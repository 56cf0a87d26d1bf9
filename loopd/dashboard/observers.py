"""Owns which onlookers a configuration asks for; the only place that joins them with a daemon.

Must stay light at the top: ``loopd --help`` and a daemon without any of them pay nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from loopd.config import Config
from loopd.loop.observers import Observer


def observers(config: Config) -> Iterator[Observer]:
    """Everything that is to look on, ready to begin.

    Raises:
        LoopdError: one is asked for that cannot be there, such as a sink whose package is missing.
    """
    if config.dashboard.enabled:
        from loopd.dashboard.serving import Dashboard

        yield Dashboard()
    sinks = config.sinks
    if sinks.csv or sinks.tensorboard is not None or sinks.mlflow is not None:
        from loopd.sinks.configured import sink_writers

        yield from sink_writers(config)
