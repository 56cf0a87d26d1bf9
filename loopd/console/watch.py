"""Owns ``loopd status --watch``: the same again and again, as long as somebody wants to see it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TextIO

from loopd.config import Config
from loopd.console.drawn import Drawn
from loopd.data.pool import Pool
from loopd.machine import State
from loopd.metrics_log import writer as metrics_log
from loopd.operations.status import read_run, read_status
from loopd.overview.overview import LiveContext, Overview, overview
from loopd.overview.people import kept_names
from loopd.overview.terminal import Look, status_text
from loopd.progress import can_draw
from loopd.storage.run_folder import JOURNAL_NAME

UNSTEADY = ("seen",)
"""What changes though nothing has happened: the time since the daemon's last sign of life."""


def watch_run(
    config: Config,
    seconds: float,
    out: TextIO,
    *,
    as_json: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show a run until Ctrl-C.

    Args:
        config: of the run.
        seconds: between two looks.
        out: takes it: drawn anew on a terminal, a line for each change elsewhere, and everywhere
            with ``as_json``.
        as_json: a JSON object for each change.
        sleep: waits so many seconds.

    Raises:
        RunError: there is no run.
    """
    watched = Watched(config)
    watched.look()
    with suppress(KeyboardInterrupt):
        if as_json or not can_draw(out):
            _write_lines(watched, seconds, out, as_json=as_json, sleep=sleep)
        else:
            _draw(watched, seconds, out, sleep)


class Watched:
    """A run that is looked at again and again; its journal is read when it has changed.

    Attributes:
        fields: as ``loopd status --json`` has them.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stamp: object = None
        self._state = State()
        self._looks = 0
        self._seen: tuple[int, Overview] | None = None
        self._shown: tuple[int, Look, str] | None = None
        self.fields: Mapping[str, Any] = {}

    def look(self) -> bool:
        """Look; whether anything is another than before."""
        stamp = self._stamped()
        if stamp != self._stamp:
            self._state, self._stamp = read_run(self._config), stamp
        before, self.fields = self.fields, read_status(self._config, self._state)
        self._looks += 1  # last: another thread draws meanwhile
        return _steady(before) != _steady(self.fields)

    def text(self, look: Look) -> str:
        """The whole status for a terminal; between two looks the same, and no work."""
        looks, shown = self._looks, self._shown
        if shown is None or shown[:2] != (looks, look):
            text = status_text(self._overview(looks), self.fields, look)
            shown = self._shown = (looks, look, text)
        return shown[2]

    def _overview(self, looks: int) -> Overview:
        """What is to be seen since so many looks."""
        if self._seen is None or self._seen[0] != looks:
            config, state = self._config, self._state
            live = LiveContext(names=kept_names(config.run.dir))
            rows = metrics_log.rows(state)
            seen = overview(state, config, Pool(()), rows, time.time(), live=live)
            self._seen = (looks, seen)
        return self._seen[1]

    def _stamped(self) -> object:
        """What tells one journal from the same with more in it."""
        paths = (self._config.run.dir / f"{JOURNAL_NAME}{end}" for end in ("", "-wal"))
        stamps = []
        for path in paths:
            with suppress(OSError):
                there = path.stat()
                stamps.append((path.name, there.st_size, there.st_mtime_ns))
        return tuple(stamps)


def line_of(fields: Mapping[str, Any]) -> str:
    """A status in one line."""
    measure = ""
    if fields["measured"] is not None:
        measure = f", {fields['metric']} {fields['measured']:.3f} ({fields['measured_by']})"
    daemon = "daemon runs" if fields["daemon"] is not None else "no daemon"
    return (
        f"{time.strftime('%H:%M:%S')} {fields['phase']}: round {fields['round']}, "
        f"{fields['labels']} labels, {fields['open']} open{measure}; {daemon}"
    )


def _write_lines(
    watched: Watched,
    seconds: float,
    out: TextIO,
    *,
    as_json: bool,
    sleep: Callable[[float], None],
) -> None:
    while True:
        text = json.dumps(watched.fields) if as_json else line_of(watched.fields)
        out.write(f"{text}\n")
        out.flush()
        sleep(seconds)
        while not watched.look():
            sleep(seconds)


def _draw(watched: Watched, seconds: float, out: TextIO, sleep: Callable[[float], None]) -> None:
    def lines(look: Look, height: int) -> list[str]:
        del height
        return watched.text(look).split("\n")

    drawn = Drawn(out, lines)
    drawn.start()
    try:
        while True:
            sleep(seconds)
            watched.look()
    finally:
        drawn.stop()


def _steady(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in UNSTEADY}
