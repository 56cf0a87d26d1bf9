"""Owns what the report says, from values that are known; reads and writes no file but templates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

from loopd import __version__
from loopd.config import Config
from loopd.dashboard.figures import Chart
from loopd.dashboard.templating import environment
from loopd.machine import State
from loopd.metrics_log.measured import TEST
from loopd.metrics_log.rows import measure_name
from loopd.overview.overview import Overview
from loopd.overview.provenance import flat, origin, settings_in_force
from loopd.overview.wording import duration, figure, figure_name, unmeasured
from loopd.printable import one_line


@dataclass(frozen=True, slots=True)
class RoundColumn:
    """A column of the table of rounds.

    Attributes:
        key: of the metrics log.
        heading: for people.
        digits: behind the point.
    """

    key: str
    heading: str
    digits: int = 3


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A line of the table of batches; ``None`` is not known or not yet.

    Attributes:
        id, round, strategy: of the batch.
        records: in it, copies included.
        copies: of these that ask for a second opinion.
        published, collected: when, seconds since 1970.
        reason: why collecting ended.
        waiting: seconds from published to collected.
        choosing, publishing, training, scoring: seconds.
        model: that was trained on its answers.
    """

    id: str
    round: int
    strategy: str
    records: int
    copies: int
    published: float | None
    collected: float | None
    reason: str | None
    waiting: float | None
    choosing: float | None
    publishing: float | None
    training: float | None
    scoring: float | None
    model: str | None


def report_html(
    seen: Overview,
    state: State,
    config: Config,
    pictures: Sequence[Chart],
    *,
    notes: Sequence[str] = (),
    texts: bool = True,
) -> str:
    """The whole report as one HTML document.

    Args:
        seen: what there is to see.
        state: what the journal says.
        config: now in force.
        pictures: the charts.
        notes: warnings besides those of the overview.
        texts: whether texts of records are in ``seen``.
    """
    style = files("loopd.dashboard").joinpath("templates", "report.css").read_text("utf-8")
    return environment().get_template("report.html.jinja").render(
        seen=seen,
        style=style,
        version=__version__,
        warnings=[*seen.cautions, *notes],
        summary=list(_summary(seen, config)),
        charts=pictures,
        columns=columns(seen),
        keys=list(dict.fromkeys(key for row in seen.rows for key in row)),
        interval=_interval_words(seen),
        agreement=[(figure_name(key), figure(value)) for key, value in seen.agreement.items()],
        batches=list(batch_lines(state)),
        origin=[(key, one_line(value)) for key, value in origin(state, config).items()],
        settings=[(one_line(k), one_line(v)) for k, v in flat(settings_in_force(config))],
        texts=texts,
    )  # fmt: skip


def columns(seen: Overview) -> list[RoundColumn]:
    """The columns of the table of rounds: what the run measures."""
    metric, name = seen.metric, measure_name(seen.metric)
    tested = any(row.get("measured_by") == TEST for row in seen.rows)
    accuracy = metric if tested else "measured"
    candidates = (
        RoundColumn("round", "Round"),
        RoundColumn("labels", "Labels"),
        RoundColumn("annotations", "Answers"),
        RoundColumn("discarded", "Discarded"),
        RoundColumn("open", "Open"),
        RoundColumn(accuracy, _capital(name)),
        RoundColumn(f"{accuracy}_low", "Low"),
        RoundColumn(f"{accuracy}_high", "High"),
        *([] if tested else [RoundColumn("measured_by", "Measured by")]),
        *([] if tested else [RoundColumn("measured_on", "On texts")]),
        *([] if metric == "macro_f1" else [RoundColumn("macro_f1", "Macro-F1")]),
        RoundColumn("seconds.training", "Training, s", 1),
        RoundColumn("seconds.scoring", "Scoring, s", 1),
        RoundColumn("seconds.waiting", "People, s", 0),
    )
    return [column for column in candidates if any(column.key in row for row in seen.rows)]


def batch_lines(state: State) -> Iterator[BatchLine]:
    """Every batch that was planned, oldest first."""
    for batch in state.batches:
        number_ = batch.round
        planned, published = state.planned.get(number_), state.published.get(number_)
        collected, trained = state.collected.get(number_), state.trained.get(number_)
        evaluated = state.evaluated.get(number_)
        yield BatchLine(
            id=batch.id,
            round=number_,
            strategy=one_line(batch.strategy),
            records=len(batch.items),
            copies=sum(item.copy_id is not None for item in batch.items),
            published=published.at if published else None,
            collected=collected.at if collected else None,
            reason=collected.reason if collected else None,
            waiting=max(0.0, collected.at - published.at) if collected and published else None,
            choosing=planned.seconds if planned else None,
            publishing=published.seconds if published else None,
            training=trained.seconds if trained else None,
            scoring=evaluated.scoring_seconds if evaluated else None,
            model=trained.model_id if trained else None,
        )


def _summary(seen: Overview, config: Config) -> Iterator[tuple[str, str]]:
    budget = seen.budget
    yield "Phase", seen.standing.phase
    yield "Labels", _of(budget.labels, budget.most_labels)
    yield "Rounds measured", _of(budget.rounds, budget.most_rounds)
    if seen.measured is not None:
        yield _capital(measure_name(seen.metric)), f"{seen.measured.value:.3f}"
        if seen.measured.interval is not None:
            yield "95 % interval", "{:.3f} to {:.3f}".format(*seen.measured.interval)
        yield "Measured", seen.measured.basis
    yield "Records out now", str(seen.open_records)
    yield "People", str(len(seen.people))
    if seen.started is not None:
        yield "Running for", duration((seen.ended or seen.at) - seen.started)
    yield "People at work", duration(seen.seconds["waiting"])
    machine = sum(spent for name, spent in seen.seconds.items() if name != "waiting")
    yield "Machine at work", duration(machine)
    yield "Strategy", seen.strategy
    yield "Classifier", seen.classifier
    yield "Seed", str(config.run.seed)


def _capital(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"


def _of(spent: int, most: int | None) -> str:
    return f"{spent:,}" if most is None else f"{spent:,} of {most:,}"


def _interval_words(seen: Overview) -> str:
    accuracy = seen.measured
    if accuracy is None:
        return f"{_capital(unmeasured(seen.rows))}."
    name = measure_name(accuracy.metric)
    return f"The {name} is measured {accuracy.basis}. {accuracy.caveat}".rstrip()
