"""Owns what the stopping criteria and limits say, over time and in one sentence; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loopd.annotation.consensus import index_of
from loopd.config import StoppingSection
from loopd.loop.verdict import LIMITS
from loopd.machine import State
from loopd.metrics_log.rows import Row, criterion_names, number
from loopd.overview.run_status import end_reason


@dataclass(frozen=True, slots=True)
class Criterion:
    """A stopping criterion or rule.

    Attributes:
        name: as in the configuration.
        values: one of each round, ``None`` where it is not known.
        stops: whether it advises to stop after each round.
        held: the last rounds in a row in which it does.
        may_end: whether the configuration lets it end the run.
        wanted: of these rounds in a row, where it may end the run.
    """

    name: str
    values: tuple[float | None, ...]
    stops: tuple[bool, ...]
    held: int
    may_end: bool
    wanted: int


@dataclass(frozen=True, slots=True)
class Budget:
    """What was spent of what may be spent; ``None`` where there is no limit.

    Attributes:
        labels, most_labels: records with a label.
        rounds, most_rounds: rounds that were measured.
        target: value of the task's measure at which the run ends.
    """

    labels: int
    most_labels: int | None
    rounds: int
    most_rounds: int | None
    target: float | None


def criteria(rows: Sequence[Row], section: StoppingSection) -> tuple[Criterion, ...]:
    """Every criterion and rule that any round recorded, in the order in which they turn up."""
    return tuple(_criterion(name, rows, section) for name in criterion_names(rows))


def budget(state: State, section: StoppingSection) -> Budget:
    """What is spent now."""
    return Budget(
        index_of(state).labelled,
        section.label_budget,
        state.rounds_measured,
        section.max_rounds,
        section.target_accuracy,
    )


def sentence(state: State, criteria: Sequence[Criterion]) -> str:
    """What the user is advised to do now."""
    if state.stopped is not None:
        return f"The run is over: {end_reason(state.stopped.reason)}."
    if not state.evaluated:
        return "Nothing is known yet: the first round is not measured."
    advising = [criterion for criterion in criteria if criterion.held]
    ending = [criterion for criterion in advising if criterion.may_end]
    if ending:
        return f"Stop: {_names(ending)} {_verb(ending)} and {_consequence(ending)}."
    if advising:
        rule = "may end the run by the configuration: that is yours to decide"
        return (
            f"Consider stopping: {_names(advising)} {_verb(advising)} "
            f"({len(advising)} of {len(criteria)}). None of them {rule}."
        )
    return "Go on: nothing advises to stop." if criteria else "Go on: no criterion is configured."


def _criterion(name: str, rows: Sequence[Row], section: StoppingSection) -> Criterion:
    stops = tuple(row.get(f"stop.{name}.stop") is True for row in rows)
    held = next((index for index, stop in enumerate(reversed(stops)) if not stop), len(stops))
    configured: dict[str, bool] = {criterion.name: criterion.stop for criterion in section.criteria}
    return Criterion(
        name=name,
        values=tuple(number(row, f"stop.{name}.value") for row in rows),
        stops=stops,
        held=held,
        may_end=configured.get(name, True),
        wanted=1 if name in LIMITS else section.patience,
    )


def _names(some: Sequence[Criterion]) -> str:
    names = [criterion.name for criterion in some]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _verb(some: Sequence[Criterion]) -> str:
    return "advises to stop" if len(some) == 1 else "advise to stop"


def _consequence(ending: Sequence[Criterion]) -> str:
    nearest = min(ending, key=lambda criterion: criterion.wanted - criterion.held)
    left = nearest.wanted - nearest.held
    if left <= 0:
        return "the run ends"
    more = "one more round" if left == 1 else f"{left} more rounds"
    return f"the run ends if {nearest.name} does so for {more}"
