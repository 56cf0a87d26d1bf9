"""Owns the charts of how a run went: criteria, seconds, waiting; must not compute any metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loopd.dashboard.figures.chart import GRID, Chart, brief, new_chart, note
from loopd.drawing import COLOURS, style
from loopd.metrics_log.curve import series
from loopd.metrics_log.rows import Row, criterion_names, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STEPS: Mapping[str, str] = {
    "training": COLOURS[0],
    "scoring": COLOURS[5],
    "evaluation": COLOURS[2],
    "choosing": COLOURS[4],
    "publishing": COLOURS[3],
}
"""Steps of a round in their order, with their colours."""

COUNTS = ("label_budget", "max_rounds", "max_iterations")
"""Rules and criteria whose values are counts, even while they are no more than 1."""

BARS = 60
"""More rounds than this are drawn as areas: bars would be hairs."""


def criteria_chart(rows: Sequence[Row]) -> Chart | None:
    """The stopping criteria with values from 0 to 1 over rounds; ``None`` without any.

    A large mark is a round in which the criterion advised to stop.
    """
    drawn = {
        name: values
        for name in criterion_names(rows)
        if name not in COUNTS and _is_share(values := series(rows, f"stop.{name}.value"))
    }
    if not drawn:
        return None
    title = "Stopping criteria"
    figure, axes = new_chart("criteria", title, 3.3)
    rounds = _rounds(rows)
    for index, (name, values) in enumerate(drawn.items()):
        look = style(index)
        axes.plot(rounds, values, **look, linewidth=1.6, label=f"line {index}")
        stops = [value if row.get(f"stop.{name}.stop") is True else math.nan
                 for row, value in zip(rows, values, strict=True)]  # fmt: skip
        axes.plot(rounds, stops, **{**look, "markersize": 9}, linestyle="none", alpha=0.45)
    axes.set_ylim(-0.02, 1.04)
    _over_rounds(axes, rows)
    note(axes, "large marks: it advises to stop")
    _legend(axes, [line for line in axes.lines if line.get_linestyle() == "-"], list(drawn))
    return Chart("criteria", title, _criteria_words(rows[-1], drawn), figure)


def _is_share(values: Sequence[float]) -> bool:
    numbers = [value for value in values if not math.isnan(value)]
    return bool(numbers) and all(0 <= value <= 1 for value in numbers)


def _criteria_words(last: Row, drawn: Mapping[str, Sequence[float]]) -> str:
    words = [
        f"{name} {'not known yet' if math.isnan(values[-1]) else f'{values[-1]:.3f}'}"
        + (" (advises to stop)" if last.get(f"stop.{name}.stop") is True else "")
        for name, values in drawn.items()
    ]
    return f"After round {last.get('round')}: {', '.join(words)}."


def seconds_chart(rows: Sequence[Row]) -> Chart | None:
    """Seconds of each step of each round, one on the other; ``None`` without a round.

    Choosing and publishing are those of the round's own batch.
    """
    seconds = {name: _finite(series(rows, f"seconds.{name}")) for name in STEPS}
    if not rows or not any(map(any, seconds.values())):
        return None
    title = "Seconds of each round"
    figure, axes = new_chart("seconds", title, 3.0)
    parts = _stack(axes, _rounds(rows), seconds)
    axes.set_ylabel("seconds")
    axes.set_ylim(bottom=0)
    _over_rounds(axes, rows)
    _legend(axes, parts, list(STEPS))
    total = [math.fsum(step) for step in zip(*seconds.values(), strict=True)]
    words = ", ".join(f"{name} {values[-1]:.1f} s" for name, values in seconds.items())
    summary = (
        f"Round {rows[-1].get('round')}: {words}. All rounds together took {sum(total):.0f} s; "
        "the time in which people worked is not in it."
    )
    return Chart("seconds", title, summary, figure)


def _stack(
    axes: Axes, rounds: Sequence[float], seconds: Mapping[str, Sequence[float]]
) -> list[Any]:
    """Bars, or areas where there are many rounds; returns one of each step for the legend."""
    colours = list(STEPS.values())
    if len(rounds) > BARS:
        return list(axes.stackplot(rounds, *seconds.values(), colors=colours, linewidth=0))
    below, parts = [0.0] * len(rounds), []
    for (name, values), colour in zip(seconds.items(), colours, strict=True):
        parts.append(axes.bar(rounds, values, bottom=below, color=colour, width=0.8, label=name))
        below = [one + other for one, other in zip(below, values, strict=True)]
    return parts


def waiting_chart(rows: Sequence[Row]) -> Chart | None:
    """Seconds in which people had nothing to do before each batch; ``None`` where not known."""
    median, worst = series(rows, "waiting.p50"), series(rows, "waiting.p95")
    if all(math.isnan(value) for value in (*median, *worst)):
        return None
    title = "How long people waited for each batch"
    figure, axes = new_chart("waiting", title, 2.6)
    rounds = _rounds(rows)
    lines = [
        *axes.plot(rounds, median, **style(0), linewidth=1.8),
        *axes.plot(rounds, worst, **style(1), linewidth=1.4, linestyle="--"),
    ]
    axes.set_ylabel("seconds")
    axes.set_ylim(bottom=0, top=max(1.0, axes.get_ylim()[1]))
    _over_rounds(axes, rows)
    _legend(axes, lines, ["half of the people", "95 % of them, at most"])
    total = math.fsum(_finite(series(rows, "waiting.total")))
    return Chart("waiting", title, f"All people together waited {total:.0f} s.", figure)


def _rounds(rows: Sequence[Row]) -> list[float]:
    return [number(row, "round") or 0.0 for row in rows]


def _finite(values: Sequence[float]) -> list[float]:
    return [0.0 if math.isnan(value) else value for value in values]


def _over_rounds(axes: Axes, rows: Sequence[Row]) -> None:
    from matplotlib.ticker import MaxNLocator

    rounds = _rounds(rows)
    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.set_xlim(min(rounds) - 0.6, max(rounds) + 0.6)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def _legend(axes: Axes, parts: Sequence[Any], names: Sequence[str]) -> None:
    """Below the panel, where it takes no width."""
    drawn_legend = axes.figure.legend(
        parts, ["." for _ in names], loc="outside lower left", ncols=3, frameon=False, fontsize=8.5
    )
    for text, name in zip(drawn_legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(brief(name, 24))
