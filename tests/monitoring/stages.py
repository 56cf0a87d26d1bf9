"""Runs at several stages, as somebody may look at them: made by hand, with numbers as in life."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from loopd.events import (
    AnswersCollected,
    BatchCollected,
    BatchPlanned,
    BatchPublished,
    Event,
    ModelTrained,
    RoundEvaluated,
    RunStarted,
    RunStopped,
)
from loopd.records import Batch, BatchItem, JsonValue, PoolId, Suggestion
from tests.monitoring.rounds import HOSTILE
from tests.monitoring.story import ANN, BOB, START, answer

LABELS = ("billing", "delivery", "technical", "returns", "account", "praise", "complaint", "other")

TYPED = (
    *HOSTILE,
    "</script><script>window.harmed = 3</script>",
    "عربي نص طويل من اليمين",
    "👩‍👩‍👧 family \u202eevil",
)
"""Labels that try to be more than text, from both directions, and longer than there is room."""

SIZE = 20
ROUND = 1800.0
"""Records in a batch, and seconds from one to the next."""

STAGES: Mapping[str, Sequence[Event]]


def run_of(
    rounds: int, *, labels: Sequence[str] = LABELS, test: bool = True, over: bool = False
) -> list[Event]:
    """So many measured rounds, and a batch that is out and partly answered unless it is over."""
    versions = {"loopd": "1", "python": "3"}
    test_set = "test" if test else ""
    events: list[Event] = [
        RunStarted(START, "d1", 1, tuple(labels), "pool", test_set, "dataset", versions)
    ]
    for number in range(rounds):
        events += [*_out(number, labels), _answers(number, SIZE, labels)]
        events += _learned(number, labels, test)
    if over:
        return [*events, RunStopped(START + ROUND * rounds, "max_rounds")]
    return [*events, *_out(rounds, labels), _answers(rounds, 7, labels)]


def batch_of(number: int, labels: Sequence[str]) -> Batch:
    """A batch that says why each of its records is in it."""
    return Batch(
        f"b{number:04d}",
        number,
        "breaking_ties" if number else "k_center",
        f"m{number - 1}" if number else None,
        tuple(_item(number, place, labels) for place in range(SIZE)),
    )


def _item(number: int, place: int, labels: Sequence[str]) -> BatchItem:
    one, other = labels[place % len(labels)], labels[(place + 1) % len(labels)]
    sure = 0.52 - place / 100
    reason = (
        "the two likeliest labels are close to each other: "
        f"{one} {sure:.0%}, {other} {sure - 0.03:.0%}"
        if number
        else "unlike every text that is asked already"
    )
    id_ = PoolId(f"r{number * SIZE + place:03d}")
    suggestion = Suggestion(one, sure) if number else None
    score = 0.97 - place / 50 if number else None
    return BatchItem(id_, score, suggestion, draw=place % 7 == 3, reason=reason)


def _out(number: int, labels: Sequence[str]) -> list[Event]:
    at, one = START + ROUND * number, batch_of(number, labels)
    return [BatchPlanned(at + 1, one, 1.5), BatchPublished(at + 4, one.id, 0.75)]


def _answers(number: int, count: int, labels: Sequence[str]) -> Event:
    at = START + ROUND * number
    items = batch_of(number, labels).items[:count]
    return AnswersCollected(
        at + 10 + 60 * count,
        tuple(
            answer(
                item.record_id,
                (ANN, BOB)[place % 2],
                labels[int(len(labels) * (place / SIZE) ** 1.6)],
                at + 10 + 60 * place,
            )
            for place, item in enumerate(items)
        ),
    )


def _learned(number: int, labels: Sequence[str], test: bool) -> list[Event]:
    at, known = START + ROUND * number, SIZE * (number + 1)
    metrics = _tested(number, labels) if test else {}
    audit = {} if test else _audited(number, known)
    stops: dict[str, dict[str, JsonValue]] = {
        "kappa_average": {
            "value": None if number < 1 else 1 - 0.5 / (number + 1),
            "stop": number > 6,
        },
        "classification_change": {"value": 0.4 / (number + 1), "stop": number > 4},
        "max_rounds": {"value": number + 1, "stop": False},
    }
    counts = {
        label: max(0, round(known * share))
        for label, share in zip(labels, _shares(len(labels)), strict=True)
    }
    consensus: dict[str, JsonValue] = {
        "annotations": known, "annotators": 2, "consensus.agreement": 0.9, "consensus.alpha": 0.8,
        f"annotators.{ANN}.quality": 0.95,
    }  # fmt: skip
    queue: dict[str, JsonValue] = {
        "waiting.total": 4.0 * number, "waiting.p50": 2.0 * number % 7,
        "waiting.p95": 5.0 * number % 11,
    }  # fmt: skip
    confusion = _confusion(number, labels) if test else ()
    return [
        BatchCollected(at + 1300, f"b{number:04d}", "complete", 0, queue),
        ModelTrained(at + 1310, number, f"m{number}", known, 0, counts, 4.0 + number, consensus),
        RoundEvaluated(at + 1320, number, metrics, stops, "", "d1", 1.5, 0.75, confusion, audit),
    ]


def _shares(count: int) -> list[float]:
    parts = [1 / (place + 1.5) for place in range(count)]
    return [part / sum(parts) for part in parts]


def _accuracy(number: int) -> float:
    return 0.9 - 0.45 * math.exp(-number / 4)


def _tested(number: int, labels: Sequence[str]) -> dict[str, JsonValue]:
    value = _accuracy(number)
    return {
        "accuracy": value,
        "accuracy_low": value - 0.06,
        "accuracy_high": value + 0.05,
        "macro_f1": value - 0.08,
        "test_size": 200,
        **{
            f"f1.{label}": max(0.0, value + 0.05 - 0.07 * place)
            for place, label in enumerate(labels)
        },
    }


def _audited(number: int, known: int) -> dict[str, JsonValue]:
    """By cross-validation first, then by draws, as a run without a test set."""
    value, draws = _accuracy(number), 4 * (number + 1)
    crossed: dict[str, JsonValue] = {
        "cross.accuracy": value - 0.06, "cross.accuracy_low": value - 0.2,
        "cross.accuracy_high": value + 0.06, "cross.texts": known,
    }  # fmt: skip
    wide = 0.9 / math.sqrt(draws)
    drawn: dict[str, JsonValue] = {
        "audit.draws": draws, "audit.discarded": 0, "audit.open": 1,
        "audit.accuracy": None if draws < 5 else value,
        "audit.accuracy_low": None if draws < 5 else max(0.0, value - wide),
        "audit.accuracy_high": None if draws < 5 else min(1.0, value + wide / 2),
        "audit.compared": None if draws < 16 else 40,
        "audit.chosen_accuracy": None if draws < 16 else value - 0.05,
        "audit.random_accuracy": None if draws < 16 else value - 0.1,
        "audit.saved": None if draws < 16 else 12.0, "audit.saved_low": None if draws < 16 else 2.0,
        "audit.saved_high": None if draws < 16 else 25.0,
    }  # fmt: skip
    return drawn if draws >= 20 else drawn | crossed


def _confusion(number: int, labels: Sequence[str]) -> tuple[tuple[str, str, int], ...]:
    times: dict[tuple[str, str], int] = {}
    for row, right in enumerate(labels):
        for step, count in ((0, 14 + number - row % 3), (1, 3 + row % 4), (3, row % 3)):
            pair = (right, labels[(row + step) % len(labels)])
            times[pair] = times.get(pair, 0) + count
    return tuple((*pair, count) for pair, count in times.items() if count)


STAGES = {
    "beginning": run_of(0),
    "middle": run_of(9),
    "untested-beginning": run_of(0, test=False),
    "untested-first": run_of(1, test=False),
    "untested-middle": run_of(9, test=False),
    "ended": run_of(12, over=True),
    "typed": run_of(6, labels=TYPED),
}
"""By name; those that are called untested have no test set."""
