"""Owns how a run looks in a notebook: one line of text, or HTML with the curve; pure."""

from __future__ import annotations

from html import escape

from loopd.dashboard.figures.quality import curve_chart
from loopd.metrics_log.measured import Measured
from loopd.metrics_log.rows import measure_name
from loopd.overview.overview import Overview
from loopd.overview.wording import share, unmeasured

WIDTH = 560
"""Pixels that the curve takes at most."""


def line(seen: Overview) -> str:
    """The run in one line."""
    return f"<loopd run {seen.title}: {_labels(seen)}, {accuracy(seen)}; {seen.standing.phase}>"


def html(seen: Overview) -> str:
    """The run as a piece of HTML without script, whose colours suit a dark ground too."""
    chart = curve_chart(seen.rows)
    drawn = "" if chart is None else f'<div style="max-width: {WIDTH}px">{chart.svg()}</div>'
    caveat = "" if seen.measured is None else seen.measured.caveat
    facts = " · ".join((_labels(seen), _rounds(seen), accuracy(seen)))
    sentences = (escape(text) for text in (seen.standing.sentence, facts, caveat) if text)
    paragraphs = "".join(f'<p style="margin: .3em 0">{text}</p>' for text in sentences)
    title = f'<p style="margin: .3em 0"><strong>{escape(seen.title)}</strong></p>'
    return f'<div class="loopd-run">{title}{paragraphs}{drawn}</div>'


def accuracy(seen: Overview) -> str:
    """How good the model is, with its interval and where that comes from."""
    best = seen.measured
    if best is None:
        return unmeasured(seen.rows)
    return f"{measure_name(best.metric)} {share(best.value)}{_interval(best)} {best.basis}"


def _interval(best: Measured) -> str:
    if best.interval is None:
        return ""
    low, high = best.interval
    return f" (95 % interval {share(low)} to {share(high)})"


def _labels(seen: Overview) -> str:
    return _count(seen.budget.labels, "label")


def _rounds(seen: Overview) -> str:
    return _count(seen.budget.rounds, "round")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
