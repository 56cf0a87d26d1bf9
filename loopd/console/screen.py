"""Owns the lines of the live console: what happens now, bars, the last rounds; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loopd.overview.overview import Overview
from loopd.overview.terminal import (
    Look,
    bar,
    cut,
    fact,
    facts_of_run,
    next_lines,
    table_lines,
    wrapped,
)
from loopd.overview.wording import duration

LONGEST_BAR, SHORTEST_BAR = 30, 6

SPINNER, PLAIN_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
"""Signs of life: for a terminal that knows Unicode, and for one that does not."""

ENOUGH_TO_TELL = 0.02
"""Share of a piece of work from which on its pace says when it ends."""


@dataclass(frozen=True, slots=True)
class Work:
    """A long piece of work.

    Attributes:
        what: it is.
        done, total: of its parts.
        seconds: since it began.
        told_left: what somebody who knows better says of the time that is left.
    """

    what: str
    done: int
    total: int
    seconds: float
    told_left: str = ""

    @property
    def left(self) -> float | None:
        """Seconds until its end at the present pace, ``None`` where nobody can tell."""
        if (
            not self.seconds
            or not 0 < self.done <= self.total
            or self.done < ENOUGH_TO_TELL * self.total
        ):
            return None
        return self.seconds * (self.total - self.done) / self.done


@dataclass(frozen=True, slots=True)
class Frame:
    """What is shown of a run at one moment.

    Attributes:
        seen: of the run; ``None`` before its journal is open.
        work: that goes on, ``None`` without any.
        address, page: where people label, and where the live page is; may be empty.
        seconds: since the console is there.
        stopping: whether a stop was asked for.
    """

    seen: Overview | None
    work: Work | None
    address: str
    page: str
    seconds: float
    stopping: bool = False


def run_lines(frame: Frame, look: Look, height: int) -> Iterator[str]:
    """The screen of a run, the most important first.

    Args:
        frame: what is to be shown.
        look: what the terminal can do.
        height: rows that the terminal has; the table of rounds gets what is left of them.
    """
    lines = [*_head(frame, look), *_links(frame, look)]
    seen = frame.seen
    if seen is not None:
        lines += (
            fact(name, value, look, colour) for name, value, colour in facts_of_run(seen, look)
        )
    yield from lines
    if seen is None:
        return
    room = height - len(lines) - 2
    if seen.rows and room > 1:
        yield ""
        yield from table_lines(seen, look, min(room - 1, 6))
    if seen.next:
        yield ""
        yield from next_lines(seen.next, look)


def work_line(work: Work, look: Look) -> str:
    """A piece of work as a bar, with the time that is left."""
    rest = work.told_left or ("" if work.left is None else duration(work.left))
    left = f", {rest} left" if rest else ""
    told = f"{work.done:,} of {work.total:,}{left}"
    width = min(LONGEST_BAR, look.columns - len(work.what) - len(told) - 2)
    if width < SHORTEST_BAR:
        return cut(f"{work.what} {told}", look)
    drawn = bar(min(work.done, work.total), work.total, width, unicode=look.unicode)
    return f"{work.what} {drawn} {told}"


def sign_of_life(seconds: float, look: Look) -> str:
    """A mark that turns."""
    marks = SPINNER if look.unicode else PLAIN_SPINNER
    return marks[int(seconds * 4) % len(marks)]


def _head(frame: Frame, look: Look) -> Iterator[str]:
    seen, alive = frame.seen, sign_of_life(frame.seconds, look)
    if seen is None:
        yield from wrapped(f"{alive} Reads data and model, and looks for Argilla ...", look)
    else:
        yield from (look.painted(line, "bold") for line in wrapped(seen.title, look))
        for caution in seen.cautions:
            yield from (look.painted(line, "warn") for line in wrapped(f"! {caution}", look))
        over = seen.ended is not None
        yield from wrapped(f"{'' if over else alive + ' '}{seen.standing.sentence}", look)
        yield from _step(frame, look)
    if frame.work is not None:
        yield work_line(frame.work, look)
    if frame.stopping and (seen is None or seen.ended is None):
        text = "Ends as soon as this step is done. Ctrl-C once more ends it at once."
        yield from (look.painted(line, "warn") for line in wrapped(text, look))


def _step(frame: Frame, look: Look) -> Iterator[str]:
    """How far a step is, by the time that it took in the last round."""
    seen = frame.seen
    if seen is None or frame.work is not None:
        return
    usual, since = seen.standing.usual, seen.standing.since
    if not usual or since is None:
        return
    spent = max(0.0, seen.at - since)
    width = min(LONGEST_BAR, look.columns - 24)
    drawn = bar(min(int(10 * spent), int(10 * usual)), max(1, int(10 * usual)), width,
                unicode=look.unicode)  # fmt: skip
    yield f"{drawn} {duration(spent)} of about {duration(usual)}"


def _links(frame: Frame, look: Look) -> Iterator[str]:
    """Addresses, which are never cut."""
    for name, address in (("label at", frame.address), ("page", frame.page)):
        if address:
            yield look.painted(f"{name:<11}", "dim") + address
