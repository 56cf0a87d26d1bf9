"""Owns the live console of a backtest: how far it is, and the last rounds of its runs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TextIO

from loopd.console.drawn import Drawn
from loopd.console.screen import Work, sign_of_life, work_line
from loopd.overview.terminal import Look, cut

ROUNDS = 8
"""So many of the last rounds are shown."""

HEADING = f"{'seed':>5} {'round':>5} {'labels':>6} {'measure':>8}  arm"


class BacktestConsole:
    """Shows a backtest on a terminal.

    Args:
        stream: the terminal.
        clock: seconds.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.drawn = Drawn(stream, self._lines)
        self._clock, self._begun = clock, clock()
        self._rounds: deque[str] = deque(maxlen=ROUNDS)
        self._done, self._left = 0, ""
        self._planned: int | None = None

    def tell(self, fields: Mapping[str, object]) -> None:
        """A round of a run is done, or a run.

        Args:
            fields: as in the log: ``arm``, ``seed``, ``round``, ``labels``, the measure under its
                name, ``done`` and ``left``; the last two alone at the end of a run.
        """
        so_far, _, planned = str(fields["done"]).partition("/")
        self._done, self._planned = int(so_far), int(planned) if planned else None
        self._left = str(fields["left"])
        if "round" in fields:
            known = ("arm", "seed", "round", "labels", "done", "left")
            measure = next((value for name, value in fields.items() if name not in known), None)
            told = f"{measure:.3f}" if isinstance(measure, float) else "-"
            self._rounds.append(
                f"{fields['seed']!s:>5} {fields['round']!s:>5} {fields['labels']!s:>6} {told:>8}  "
                f"{fields['arm']}"
            )

    def _lines(self, look: Look, height: int) -> list[str]:
        alive = sign_of_life(self._clock() - self._begun, look)
        lines = [self._bar(alive, look)]
        rounds = list(self._rounds)[-max(1, height - 4) :]
        if rounds:
            lines += [
                look.painted(cut(HEADING, look), "dim"),
                *(cut(line, look) for line in rounds),
            ]
        return lines

    def _bar(self, alive: str, look: Look) -> str:
        left = "" if self._left == "?" else self._left
        if self._planned is None:
            return cut(f"{alive} {self._done:,} rounds are done", look)
        return work_line(Work(f"{alive} rounds", self._done, self._planned, 0.0, left), look)
