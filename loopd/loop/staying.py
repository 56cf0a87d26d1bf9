"""Owns what a finished run does that stays: it shows itself, and waits for another configuration.

Must not do a step of the loop, nor decide whether the run may go on: that is for its next start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from loopd import log
from loopd.config import Config
from loopd.config_file import decode_config
from loopd.errors import ConfigError
from loopd.loop.daemon import run_daemon
from loopd.loop.observers import Observer
from loopd.loop.run import LONGEST_SILENCE, Loop
from loopd.loop.stop import Stop, on_signals
from loopd.machine import State
from loopd.storage.removal_requests import RemovalRequests


def run_and_stay(
    path: Path,
    config: Config,
    progress: Callable[[str, int, int], None] | None,
    observers: Callable[[Config], Sequence[Observer]],
) -> State:
    """Run the loop; where it is done, stay, and go on as soon as the configuration allows it.

    Args:
        path: the configuration file, which is looked at every ``queue.poll_interval`` seconds, or
            every 30.
        config: what it says now.
        progress: as for :func:`~loopd.loop.daemon.run_daemon`.
        observers: makes those of one stretch of the run.

    Returns:
        The state when a signal came.

    Raises:
        LoopdError: what ends a daemon; also where a start refuses the new configuration.
    """
    stop = Stop(second_kills=True)
    with on_signals(stop):  # for the moment between two stretches, when the daemon's own are gone
        while True:
            rest = Rest(path, config)
            own = Stop(second_kills=True)
            state = run_daemon(config, progress, observers(config), rest=rest, stop=own)
            if rest.news is None or stop.is_set() or rest.was_stopped():
                return state
            config = rest.news


class Rest:
    """The rest of one run that is done; called with its loop, it waits.

    Attributes:
        news: the configuration with which the run is to go on, ``None`` without one.
    """

    def __init__(self, path: Path, config: Config) -> None:
        self._path, self._config = path, config
        self._seen: bytes | None = None  # it may have changed since it was read
        self.news: Config | None = None
        self._stop: Stop | None = None

    def was_stopped(self) -> bool:
        """Whether a stop was asked for, also while the run's parts were closed."""
        return self._stop is not None and self._stop.is_set()

    def __call__(self, loop: Loop) -> None:
        """Wait until the configuration is another one, or a stop is asked for."""
        log.get("loop").info(
            "staying",
            hint="raise a limit under `stopping` in the configuration, and the run goes on",
        )
        self._stop = loop.stop
        pause = min(self._config.queue.poll_interval, LONGEST_SILENCE)
        while self.news is None and not loop.stop.wait(pause):
            loop.beat()
            self.news = self._look() or self._asked()

    def _asked(self) -> Config | None:
        """The configuration as it is, where somebody wants texts out of the run."""
        return self._config if RemovalRequests(self._config.run.dir).readable() else None

    def _look(self) -> Config | None:
        """The configuration, if it has changed in what shapes the run, and can be used."""
        content = self._content()
        if content is None or content == self._seen:
            return None
        self._seen = content
        try:
            config = decode_config(content, self._path)  # not what is there by now
        except ConfigError as error:
            log.get("loop").warning(
                "configuration_refused", problem=error.message, hint="the run stays as it is"
            )
            return None
        # Of a share that is left open the digest says the same as of none.
        same_share = config.audit.random_share == self._config.audit.random_share
        if same_share and config.digest() == self._config.digest():
            return None
        log.get("loop").info("configuration_changed")
        return config

    def _content(self) -> bytes | None:
        """What is in the file; ``None`` where it is being replaced this very moment."""
        try:
            return self._path.read_bytes()
        except OSError:
            return None
