"""A run made by hand: events of some rounds and an open batch, without any training."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from loopd.config import Config
from loopd.config_file import parse_config
from loopd.data.pool import Pool
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
from loopd.records import (
    Answer,
    AnswerStatus,
    Batch,
    BatchItem,
    ExternalId,
    PoolId,
    Record,
    Suggestion,
)

START = 1_700_000_000.0
"""When it began, seconds since 1970."""

SIZE = 4
"""Records in a batch."""

ANN, BOB = "11111111-aaaa", "22222222-bbbb"


def settings(folder: Path, labels: Sequence[str] = ("fruit", "tool"), **sections: object) -> Config:
    """The configuration of the run."""
    values: dict[str, object] = {
        "run": {"dir": "run", "seed": 1},
        "argilla": {"dataset": "story"},
        "task": {"labels": list(labels)},
        "pool": {"path": "pool.csv"},
        "test": {"path": "test.csv", "label": "label"},
        "queue": {"batch_size": SIZE, "low_watermark": 0},
    }
    return parse_config(values | sections, folder)


def pool(size: int = 40, text: str = "text number") -> Pool:
    return Pool(tuple(Record(PoolId(f"r{n:03d}"), f"{text} {n}") for n in range(size)))


def batch(number: int, labels: Sequence[str] = ("fruit", "tool")) -> Batch:
    items = tuple(
        BatchItem(PoolId(f"r{number * SIZE + n:03d}"), 0.9 - n / 10, Suggestion(labels[n % 2], 0.6))
        for n in range(SIZE)
    )
    model = None if number == 0 else f"m{number - 1}"
    strategy = "facility_location" if number == 0 else "margin"
    return Batch(f"b{number:04d}", number, strategy, model, items)


def answer(
    record: str,
    person: str,
    value: str | None,
    at: float,
    status: AnswerStatus = AnswerStatus.SUBMITTED,
) -> Answer:
    time = datetime.fromtimestamp(at, timezone.utc).isoformat()
    return Answer(ExternalId(record), person, status, value, time)


def opening(labels: Sequence[str] = ("fruit", "tool")) -> Event:
    versions = {"loopd": "1", "python": "3"}
    return RunStarted(START, "d1", 1, tuple(labels), "pool", "test", "dataset", versions, folds=5)


def posted(number: int, labels: Sequence[str] = ("fruit", "tool")) -> list[Event]:
    """The batch is planned and out."""
    at = START + 100 * number
    one = batch(number, labels)
    return [BatchPlanned(at + 1, one, 0.5), BatchPublished(at + 2, one.id, 0.25)]


def answered(number: int, count: int = SIZE, labels: Sequence[str] = ("fruit", "tool")) -> Event:
    """So many of the batch's records are answered, by two people in turn."""
    at = START + 100 * number
    given = tuple(
        answer(
            batch(number).items[n].record_id,
            (ANN, BOB)[n % 2],
            labels[n % 2],
            at + 10 * (n + 1),
        )
        for n in range(count)
    )
    return AnswersCollected(at + 60, given)


def learned(number: int, labels: Sequence[str] = ("fruit", "tool")) -> list[Event]:
    """The batch is collected, a model trained and measured."""
    at, known = START + 100 * number, SIZE * (number + 1)
    accuracy = 0.5 + 0.1 * number
    metrics = {
        "accuracy": accuracy,
        "accuracy_low": accuracy - 0.05,
        "accuracy_high": accuracy + 0.05,
        "macro_f1": accuracy - 0.1,
        "test_size": 20,
        **{f"f1.{label}": accuracy - 0.1 * place for place, label in enumerate(labels)},
    }
    stops = {"kappa_average": {"value": 0.9 + number / 100, "stop": number >= 2}}
    counts = dict.fromkeys(labels, known // 2)
    consensus = {"annotations": known, "annotators": 2, "consensus.agreement": 0.9,
                 "consensus.alpha": 0.8, f"annotators.{ANN}.quality": 0.95}  # fmt: skip
    confusion = ((labels[0], labels[0], 9), (labels[0], labels[1], 1), (labels[1], labels[1], 10))
    return [
        BatchCollected(at + 70, f"b{number:04d}", "complete", 0, {"waiting.total": 2.0}),
        ModelTrained(at + 75, number, f"m{number}", known, 0, counts, 4.0, consensus),
        RoundEvaluated(at + 80, number, metrics, stops, "", "d1", 1.0, 0.5, confusion),
    ]


def story(
    rounds: int = 3, done: int = 1, labels: Sequence[str] = ("fruit", "tool"), *, over: bool = False
) -> list[Event]:
    """So many whole rounds, then an open batch of which ``done`` records are answered."""
    events = [opening(labels)]
    for number in range(rounds):
        events += [*posted(number, labels), answered(number, labels=labels)]
        events += learned(number, labels)
    if over:
        return [*events, RunStopped(START + 100 * rounds, "max_rounds")]
    return [*events, *posted(rounds, labels), answered(rounds, done, labels)]
