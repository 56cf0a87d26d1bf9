"""Owns a comparison as Markdown tables; must not compute any figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from loopd.backtest.comparison import ArmSummary, Comparison, LabelsToReach
from loopd.backtest.interval import IntervalEstimate
from loopd.metrics_log.rows import USUAL, Terms

COUNTS_SHOWN = 26
"""Most label counts in the table; the results file has all."""

ABSENT = "-"


def comparison_table(
    title: str, notes: Sequence[str], comparison: Comparison, terms: Terms = USUAL
) -> str:
    """All tables under a title.

    Args:
        title: heading.
        notes: lines about data, machine and settings.
        comparison: the figures.
        terms: what they are of, in words.
    """
    measure, effort = terms.measure, terms.effort
    reached = _reached(comparison.arms, measure)
    parts = [
        f"# {title}",
        "\n".join(f"- {note}" for note in (*notes, *_legend(comparison, effort))),
        f"## {_capital(measure)} by {effort}\n\n{_accuracy(comparison.arms, effort)}",
        f"## Whole curves\n\n{_whole(comparison, measure)}",
        f"## {_capital(effort)} to reach {_article(measure)} {measure}\n\n{reached}",
        f"## Against random, paired by seed\n\n{_differences(comparison, measure)}",
    ]
    return "\n\n".join(parts) + "\n"


def _capital(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"


def _legend(comparison: Comparison, effort: str) -> Iterator[str]:
    yield "mean over seeds ± half of its 95 % t interval; intervals of differences in brackets"
    if comparison.low < comparison.high:
        span = f"{comparison.low} to {comparison.high}"
        yield f"AULC: mean height of the learning curve from {span} {effort}, which all runs cover"


def _accuracy(arms: Sequence[ArmSummary], effort: str) -> str:
    counts = _spread(sorted({labels for arm in arms for labels in arm.accuracy}))
    rows = [[str(labels), *(_share(arm.accuracy.get(labels)) for arm in arms)] for labels in counts]
    return aligned([effort, *(arm.arm for arm in arms)], rows)


def _spread(counts: Sequence[int]) -> list[int]:
    """Some of the counts, evenly, with the first and the last."""
    if len(counts) <= COUNTS_SHOWN:
        return list(counts)
    step = (len(counts) - 1) / (COUNTS_SHOWN - 1)
    return [counts[round(index * step)] for index in range(COUNTS_SHOWN)]


def _article(word: str) -> str:
    return "an" if word[:1] in "aeiou" else "a"


def _whole(comparison: Comparison, measure: str) -> str:
    headings = ["arm", "runs", "AULC", f"{measure} at {comparison.high}", "seconds per round"]
    rows = [
        [arm.arm, str(len(arm.seeds)), _share(arm.area), _share(arm.final), _seconds(arm.seconds)]
        for arm in comparison.arms
    ]
    return aligned(headings, rows)


def _reached(arms: Sequence[ArmSummary], measure: str) -> str:
    targets = list(dict.fromkeys(target for arm in arms for target in arm.reached))
    rows = [
        [f"{target:g}", *(_labels(arm, arm.reached[target]) for arm in arms)] for target in targets
    ]
    return aligned([measure, *(arm.arm for arm in arms)], rows)


def _labels(arm: ArmSummary, reached: LabelsToReach) -> str:
    if reached.mean is not None:
        return _form(reached.mean, "{:.0f}")
    if reached.count == 0:
        return f"not reached in {max(arm.accuracy, default=0)}"
    median = "not reached" if reached.median is None else f"{reached.median:.0f}"
    return f"{reached.count} of {len(reached.values)}; median {median}"


def _differences(comparison: Comparison, measure: str) -> str:
    pairs = [(arm, arm.difference) for arm in comparison.arms if arm.difference is not None]
    if not pairs:
        return "There is no arm with random sampling and the same classifier to compare with."
    headings = ["arm", "against", "AULC", f"{measure} at {comparison.high}", "seeds"]
    rows = [
        [
            arm.arm,
            difference.arm,
            _difference(difference.area),
            _difference(difference.final),
            str(len(difference.seeds)),
        ]
        for arm, difference in pairs
    ]
    return aligned(headings, rows)


def _share(value: IntervalEstimate | None) -> str:
    return _form(value, "{:.3f}")


def _seconds(value: IntervalEstimate | None) -> str:
    return _form(value, "{:.2f}")


def _form(value: IntervalEstimate | None, form: str) -> str:
    if value is None:
        return ABSENT
    half = "" if value.half is None else f" ± {form.format(value.half)}"
    return f"{form.format(value.mean)}{half}"


def _difference(value: IntervalEstimate | None) -> str:
    if value is None:
        return ABSENT
    if value.low is None or value.high is None:
        return f"{value.mean:+.3f} (an interval needs 2 seeds)"
    return f"{value.mean:+.3f} [{value.low:+.3f}, {value.high:+.3f}]"


def aligned(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose source is readable too: the first column left, the others right."""
    table = [[cell.replace("|", "\\|") for cell in row] for row in (headings, *rows)]
    widths = [max(3, *map(len, column)) for column in zip(*table, strict=True)]
    ruler = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    pads: list[Callable[[str, int], str]] = [str.ljust, *[str.rjust] * (len(widths) - 1)]
    lines = [table[0], ruler, *table[1:]]
    return "\n".join(
        "| "
        + " | ".join(pad(cell, width) for pad, cell, width in zip(pads, line, widths, strict=True))
        + " |"
        for line in lines
    )
