"""Owns how a run is shown on a terminal: as wide as it is, plain where it cannot do more; pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loopd.metrics_log.measured import measured
from loopd.metrics_log.rows import Row, advice, measure_name, number
from loopd.operations.next_steps import NextStep
from loopd.overview.overview import Overview
from loopd.overview.wording import duration
from loopd.printable import one_line

NARROWEST, WIDEST = 30, 120
"""Columns that are used at least and at most."""

NAME = 11
"""Columns of the names in front of the facts."""

ROUNDS = 6
"""So many of the last rounds have a line of their own."""

SPARKS, PLAIN_SPARKS = "▁▂▃▄▅▆▇█", "_.,-=+*#"
FULL, EMPTY = ("█", "░"), ("#", ".")
"""Both: for a terminal that knows Unicode, and for one that does not."""

COLOURS = {"good": "\x1b[32m", "warn": "\x1b[33m", "dim": "\x1b[2m", "bold": "\x1b[1m"}
RESET = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Look:
    """What the terminal can do.

    Attributes:
        width: columns.
        unicode: whether it shows more than ASCII.
        colour: whether it shows colours.
    """

    width: int = 80
    unicode: bool = True
    colour: bool = False

    @property
    def columns(self) -> int:
        """Columns that are used."""
        return min(max(self.width, NARROWEST), WIDEST)

    def painted(self, text: str, colour: str) -> str:
        """The text in a colour, if there are any."""
        in_colour = self.colour and colour and text
        return f"{COLOURS[colour]}{text}{RESET}" if in_colour else text


def status_text(seen: Overview, alive: Mapping[str, Any], look: Look) -> str:
    """Everything about a run on one screen.

    Args:
        seen: what there is to see.
        alive: ``run_dir``, ``daemon`` (process or ``None``), ``seen`` (seconds since its last sign)
            and ``discarded``, as :func:`~loopd.operations.status.read_status` gives them.
        look: what the terminal can do.
    """
    return "\n".join(_lines(seen, alive, look))


def spark(values: Sequence[float | None], width: int, *, unicode: bool = True) -> str:
    """A line of bars from the least value to the greatest; of many values the last ones."""
    shown = values[-width:] if width > 0 else ()
    numbers = [value for value in shown if value is not None]
    if not numbers:
        return ""
    marks = SPARKS if unicode else PLAIN_SPARKS
    low, span = min(numbers), max(numbers) - min(numbers)
    return "".join(
        " " if value is None else marks[round((value - low) / span * 7) if span else 3]
        for value in shown
    )


def bar(done: int, size: int, width: int, *, unicode: bool = True) -> str:
    """A bar of which ``done`` of ``size`` is full; full only when all is done."""
    full, empty = (marks[0 if unicode else 1] for marks in zip(FULL, EMPTY, strict=True))
    filled = width * done // size if size else 0
    return full * filled + empty * (width - filled)


def _lines(seen: Overview, alive: Mapping[str, Any], look: Look) -> Iterator[str]:
    yield look.painted(cut(seen.title, look), "bold")
    for caution in seen.cautions:
        yield from (look.painted(line, "warn") for line in wrapped(f"! {caution}", look))
    # Some of them are the same at the end.
    said = (seen.standing.sentence, seen.size_note, seen.advice, _choosing(seen), seen.contest)
    for sentence in dict.fromkeys((*said, seen.shift)):
        yield from wrapped(sentence, look)
    yield ""
    for name, value, colour in _facts(seen, alive, look):
        yield fact(name, value, look, colour)
    if seen.rows:
        yield ""
        yield from table_lines(seen, look)
    if seen.next:
        yield ""
        yield from next_lines(seen.next, look)


def _choosing(seen: Overview) -> str:
    """Whether choosing pays, unless a warning has said it."""
    warned = any(caution.startswith(seen.choosing) for caution in seen.cautions)
    return "" if warned else seen.choosing


def fact(name: str, value: str, look: Look, colour: str = "") -> str:
    """A name and a value, no wider than the terminal."""
    line = cut(f"{name:<{NAME}}{value}", look)
    return look.painted(line[:NAME], "dim") + look.painted(line[NAME:], colour)


def table_lines(seen: Overview, look: Look, most: int = ROUNDS) -> Iterator[str]:
    """The last rounds, no more than so many, under a heading."""
    head, *lines = _table(seen, look)
    yield look.painted(head, "dim")
    yield from lines[-most:]


def next_lines(steps: Sequence[NextStep], look: Look) -> Iterator[str]:
    """What can be done now; a command is never cut, as it is there to be pasted."""
    for step in steps:
        yield from wrapped(f"{step.what}:", look)
        yield f"  {one_line(step.command)}"


def _facts(seen: Overview, alive: Mapping[str, Any], look: Look) -> Iterator[tuple[str, str, str]]:
    """Names, values, colours."""
    running = alive["daemon"] is not None
    yield "run", str(alive["run_dir"]), ""
    yield "daemon", _daemon(alive), "good" if running else "warn"
    yield "labels", _labels(seen, f"{alive['discarded']} discarded, "), ""
    if seen.pool:
        yield "pool", seen.pool, ""
    yield from _progress_of(seen, look)


def facts_of_run(seen: Overview, look: Look) -> Iterator[tuple[str, str, str]]:
    """Names, values and colours of what is to be known while a run goes on."""
    yield "labels", _labels(seen), ""
    yield from _progress_of(seen, look)


def _progress_of(seen: Overview, look: Look) -> Iterator[tuple[str, str, str]]:
    room = look.columns - NAME
    yield "rounds", _of(seen.budget.rounds, seen.budget.most_rounds), ""
    for name, value in _measures(seen, room, look):
        yield name, value, ""
    width = max(6, min(24, room - 26))
    for batch in seen.batches:
        drawn = bar(batch.done, batch.size, width, unicode=look.unicode)
        yield f"{batch.id}", f"{drawn} {batch.done} of {batch.size} answered", ""
    if seen.seconds_left is not None:
        yield "time left", f"about {duration(seen.seconds_left)} of answering", ""
    if seen.people:
        names = ", ".join(f"{person.name} {person.submitted}" for person in seen.people)
        yield "people", names, ""


def _daemon(alive: Mapping[str, Any]) -> str:
    if alive["daemon"] is None:
        return "not running"
    sign = "" if alive["seen"] is None else f", last sign of life {alive['seen']:.0f} s ago"
    return f"running (process {alive['daemon']}{sign})"


def _labels(seen: Overview, besides: str = "") -> str:
    spent = _of(seen.budget.labels, seen.budget.most_labels)
    return f"{spent} ({besides}{seen.open_records} open)"


def _of(spent: int, most: int | None) -> str:
    return str(spent) if most is None else f"{spent} of {most}"


def _measures(seen: Overview, room: int, look: Look) -> Iterator[tuple[str, str]]:
    name = measure_name(seen.metric)
    last = seen.measured
    if last is None:
        yield name, "not measured yet"
        return
    within = "" if last.interval is None else " [{:.3f}, {:.3f}]".format(*last.interval)
    value = f"{last.value:.3f}{within}"
    line = spark(
        [point.value for point in seen.curve],
        min(30, room - len(value) - 1),
        unicode=look.unicode,
    )
    yield name, f"{value} {line}"
    yield "measured", last.basis
    if seen.classes:
        weakest = ", ".join(f"{row.label} {row.f1:.2f}" for row in seen.classes[:3])
        yield "weakest", weakest


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    width: int
    cell: Callable[[Row], str]
    worth: int
    """Columns of little worth are left out where the terminal is narrow."""


def _table(seen: Overview, look: Look) -> Iterator[str]:
    """The last rounds."""
    columns = _fitting(seen, look)
    yield "  ".join(column.heading.rjust(column.width) for column in columns)
    for row in seen.rows[-ROUNDS:]:
        cells = (column.cell(row).rjust(column.width) for column in columns)
        yield cut("  ".join(cells), look)


def _fitting(seen: Overview, look: Look) -> list[_Column]:
    metric = seen.metric
    columns = [
        _Column("round", 5, _shown("round", "{:.0f}"), 9),
        _Column("labels", 6, _shown("labels", "{:.0f}"), 9),
        _Column(measure_name(metric)[:9], 9, _accuracy, 8),
        _Column("interval", 13, _interval, 4),
        _Column("macro-F1", 8, _shown("macro_f1", "{:.3f}"), 3),
        _Column("training", 9, _shown("seconds.training", "{:.1f} s"), 5),
        _Column("people", 9, _shown("seconds.waiting", "{:.0f} s"), 6),
        _Column("advise to stop", 22, lambda row: ", ".join(advice(row))[:22] or "-", 2),
    ]
    while sum(column.width + 2 for column in columns) - 2 > look.columns:
        columns.remove(min(columns, key=lambda column: column.worth))
    return columns


def _shown(key: str, form: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        value = number(row, key)
        return "-" if value is None else form.format(value)

    return cell


def _accuracy(row: Row) -> str:
    accuracy = measured(row)
    return "-" if accuracy is None else f"{accuracy.value:.3f}"


def _interval(row: Row) -> str:
    accuracy = measured(row)
    if accuracy is None or accuracy.interval is None:
        return "-"
    return "{:.3f}-{:.3f}".format(*accuracy.interval)


def wrapped(text: str, look: Look) -> Iterator[str]:
    """The text on as many lines as it needs."""
    line = ""
    for word in one_line(text).split():
        if line and _cells(f"{line} {word}") > look.columns:
            yield cut(line, look)
            line = word
        else:
            line = f"{line} {word}".strip()
    if line:
        yield cut(line, look)


def cut(text: str, look: Look) -> str:
    """One line, no wider than the terminal, in characters that it has."""
    line = text if look.unicode else text.encode("ascii", "replace").decode("ascii")
    if _cells(line) <= look.columns:
        return line
    end = "…" if look.unicode else "~"
    while _cells(line) + 1 > look.columns:
        line = line[:-1]
    return line + end


def _cells(text: str) -> int:
    """Columns that a text takes: East Asian characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
