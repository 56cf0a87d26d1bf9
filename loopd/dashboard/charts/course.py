"""Owns the numbers of the charts of how a run went; must not compute any metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loopd.dashboard.charts.data import LINES, STACK, Axis, ChartData, ChartPoint, ReferenceLine
from loopd.dashboard.charts.data import ChartSeries as Series
from loopd.metrics_log.rows import Row, number
from loopd.overview.advice import Criterion
from loopd.overview.overview import Overview
from loopd.overview.wording import duration, share

COUNTS = ("label_budget", "max_rounds", "max_iterations")
"""Rules and criteria whose values are counts, even while they are no more than 1."""

STEPS: Mapping[str, str] = {
    "training": "0",
    "scoring": "5",
    "evaluation": "2",
    "choosing": "4",
    "publishing": "3",
}
"""Steps of a round in their order, with their looks."""

UNITS = ((2 * 86_400.0, 86_400.0, "days"), (7200.0, 3600.0, "hours"), (0.0, 60.0, "minutes"))
"""From how many seconds on, seconds of one, and name of the units of time, the longest first."""


def progress_data(seen: Overview) -> ChartData | None:
    """Labels over the time since the run began; ``None`` before anybody labelled."""
    if seen.started is None or not seen.budget.labels:
        return None
    moments = list(_moments(seen, seen.started))
    unit, name = next((size, name) for least, size, name in UNITS if moments[-1][0] >= least)
    points = tuple(
        ChartPoint(round(seconds / unit, 4), labels, f"{labels:,} labels after {duration(seconds)}")
        for seconds, labels in moments
    )
    budget = seen.budget.most_labels
    near = budget is not None and budget <= 3 * seen.budget.labels
    return ChartData(
        "progress",
        "Labels over time",
        LINES,
        _progress_words(seen.budget.labels, moments[-1][0]),
        Axis(f"{name} since the run began"),
        Axis("labels", whole=True),
        (Series("labels", "0", points),),
        rules=(ReferenceLine(budget, f"budget {budget:,}"),) if near and budget is not None else (),
    )


def _moments(seen: Overview, started: float) -> list[tuple[float, int]]:
    """Seconds since the beginning and labels: at the start, after each round, at the last answer.

    Clocks may have been set back: time never goes back here.
    """
    counted = [(number(row, "at"), number(row, "labels")) for row in seen.rows]
    marks = [(0.0, 0.0), *((at - started, labels) for at, labels in counted
                           if at is not None and labels is not None)]  # fmt: skip
    last = max((person.seen for person in seen.people), default=started) - started
    marks.append((max(last, marks[-1][0]), float(seen.budget.labels)))
    moments: dict[float, int] = {}
    latest = 0.0
    for seconds, labels in marks:
        latest = max(latest, seconds)
        moments[latest] = int(labels)
    return list(moments.items())


def _progress_words(labels: int, seconds: float) -> str:
    whole = f"{labels:,} {'label' if labels == 1 else 'labels'} in {duration(seconds)}"
    if seconds < 86_400:
        return f"{whole}."
    return f"{whole}: {labels / seconds * 86_400:.0f} a day."


def criteria_data(seen: Overview) -> ChartData | None:
    """The stopping criteria with values from 0 to 1 over rounds; ``None`` without any."""
    drawn = [one for one in seen.criteria if one.name not in COUNTS and _is_share(one.values)]
    if not drawn:
        return None
    rounds = _rounds(seen.rows)
    return ChartData(
        "criteria",
        "Stopping criteria (large marks advise to stop)",
        LINES,
        f"After round {rounds[-1]:.0f}: {', '.join(map(_verdict, drawn))}.",
        Axis("round", None, whole=True),
        Axis("value (0 to 1)", 0.0, 1.0),
        tuple(_criterion(one, rounds, index) for index, one in enumerate(drawn)),
    )


def _criterion(one: Criterion, rounds: Sequence[float], index: int) -> Series:
    name = one.name.replace("_", " ")
    return Series(
        name,
        str(index % 8),
        tuple(
            ChartPoint(at, value, _said(name, value, stop), strong=stop)
            for at, value, stop in zip(rounds, one.values, one.stops, strict=True)
        ),
        dashed=index >= 8,
    )


def _said(name: str, value: float | None, stop: bool) -> str:
    if value is None:
        return ""
    return f"{name} {share(value)}" + (": advises to stop" if stop else "")


def _verdict(one: Criterion) -> str:
    value = one.values[-1]
    said = "not known yet" if value is None else share(value)
    return f"{one.name.replace('_', ' ')} {said}" + (" (advises to stop)" if one.stops[-1] else "")


def _is_share(values: Sequence[float | None]) -> bool:
    numbers = [value for value in values if value is not None]
    return bool(numbers) and all(0 <= value <= 1 for value in numbers)


def seconds_data(seen: Overview) -> ChartData | None:
    """Seconds of each step of each round, one on the other; ``None`` without a round."""
    rounds = _rounds(seen.rows)
    steps = {name: [number(row, f"seconds.{name}") for row in seen.rows] for name in STEPS}
    if not any(value for values in steps.values() for value in values):
        return None
    total = sum(value or 0.0 for values in steps.values() for value in values)
    return ChartData(
        "seconds",
        "Seconds of each round",
        STACK,
        f"All rounds together took {duration(total)}; the time of people is not in it.",
        Axis("round", None, whole=True),
        Axis("seconds"),
        tuple(_step(name, rounds, values) for name, values in steps.items() if any(values)),
    )


def _step(name: str, rounds: Sequence[float], values: Sequence[float | None]) -> Series:
    points = tuple(
        ChartPoint(at, value, "" if value is None else f"{name} {value:,.1f} s")
        for at, value in zip(rounds, values, strict=True)
    )
    return Series(name, STEPS[name], points)


def waiting_data(seen: Overview) -> ChartData | None:
    """Seconds in which people had nothing to do before each batch; ``None`` where not known."""
    rows = [row for row in seen.rows if number(row, "waiting.p50") is not None]
    if not rows:
        return None
    total = sum(number(row, "waiting.total") or 0.0 for row in seen.rows)
    return ChartData(
        "waiting",
        "How long people waited for each batch",
        LINES,
        f"All people together waited {duration(total)}.",
        Axis("round", None, whole=True),
        Axis("seconds", 0.0),
        (
            _waits(rows, "waiting.p50", "half of the people, at most", "0"),
            _waits(rows, "waiting.p95", "95 % of them, at most", "1"),
        ),
    )


def _waits(rows: Sequence[Row], key: str, name: str, look: str) -> Series:
    points = tuple(
        ChartPoint(number(row, "round") or 0.0, value, f"{name}: {value:,.1f} s")
        for row in rows
        if (value := number(row, key)) is not None
    )
    return Series(name, look, points, dashed=look == "1")


def _rounds(rows: Sequence[Row]) -> list[float]:
    return [number(row, "round") or 0.0 for row in rows]
