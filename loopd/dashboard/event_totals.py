"""Owns the sums that only grow: what happened in a run since it began, folded from all its events.

Not from the state, which knows only the last training of each round. Pure: a process that starts
again counts the same journal and comes to the same sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from loopd.events import (
    AnswersCollected,
    BatchCollected,
    BatchPlanned,
    BatchPublished,
    Event,
    ModelTrained,
    RecordsReopened,
    RoundEvaluated,
)
from loopd.folding import joined
from loopd.growing_map import growing
from loopd.metrics_log.rows import number


@dataclass(frozen=True, slots=True)
class Spent:
    """How often something was done, and the seconds that all of these times took."""

    times: int = 0
    seconds: float = 0.0

    def more(self, seconds: float) -> Spent:
        """Once more; clocks that were set back count as no time."""
        return Spent(self.times + 1, self.seconds + max(0.0, seconds))


@dataclass(frozen=True, slots=True)
class EventTotals:
    """Sums over all events of a run.

    Attributes:
        answers: facts about answers, by status: an edited answer counts again.
        steps: by name of the step: ``choosing``, ``publishing``, ``collecting`` (people at work),
            ``training``, ``scoring``, ``evaluation``.
        records: that were published, copies for second opinions included.
        reopened: that were published again, since nobody could answer them; each time counts.
        idle: seconds in which people had nothing to do, summed over the people.
        last: when the newest event came, seconds since 1970; ``None`` without any.
        planned: records by the id of a planned batch.
        published: when each batch was published, by its id.
    """

    answers: Mapping[str, int] = field(default_factory=dict)
    steps: Mapping[str, Spent] = field(default_factory=dict)
    records: int = 0
    reopened: int = 0
    idle: float = 0.0
    last: float | None = None
    planned: Mapping[str, int] = field(default_factory=dict)
    published: Mapping[str, float] = field(default_factory=dict)

    def after(self, event: Event) -> EventTotals:
        """The sums after one more event."""
        return replace(_after(self, event), last=max(event.at, self.last or event.at))


def totals(events: Iterable[Event]) -> EventTotals:
    """The sums over all the events."""
    sums = EventTotals()
    for event in joined(events):
        sums = sums.after(event)
    return sums


def _after(sums: EventTotals, event: Event) -> EventTotals:
    match event:
        case AnswersCollected():
            sums = _answered(sums, event)
        case BatchPlanned(batch=batch):
            planned = growing(sums.planned).updated([(batch.id, len(batch.items))])
            sums = replace(sums, planned=planned, steps=_spent(sums, choosing=event.seconds))
        case BatchPublished():
            sums = _published(sums, event)
        case RecordsReopened(records=records):
            sums = replace(sums, reopened=sums.reopened + len(records))
        case BatchCollected():
            began = sums.published.get(event.batch_id, event.at)
            idle = sums.idle + (number(event.queue, "waiting.total") or 0.0)
            sums = replace(sums, idle=idle, steps=_spent(sums, collecting=event.at - began))
        case ModelTrained():
            sums = replace(sums, steps=_spent(sums, training=event.seconds))
        case RoundEvaluated():
            steps = _spent(sums, scoring=event.scoring_seconds, evaluation=event.seconds)
            sums = replace(sums, steps=steps)
        case _:
            pass  # nothing that is counted
    return sums


def _published(sums: EventTotals, event: BatchPublished) -> EventTotals:
    return replace(
        sums,
        records=sums.records + sums.planned.get(event.batch_id, 0),
        published=growing(sums.published).updated([(event.batch_id, event.at)]),
        steps=_spent(sums, publishing=event.seconds or 0.0),
    )


def _answered(sums: EventTotals, event: AnswersCollected) -> EventTotals:
    answers = Counter(sums.answers)
    answers.update(answer.status.value for answer in event.answers)
    return replace(sums, answers=answers)


def _spent(sums: EventTotals, **seconds: float) -> Mapping[str, Spent]:
    more = {name: sums.steps.get(name, Spent()).more(spent) for name, spent in seconds.items()}
    return {**sums.steps, **more}
