"""Owns what simulated people do with a record; pure, must not send anything."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from loopd.errors import ConfigError
from loopd.oracle.mistakes import mistaken
from loopd.records import JsonValue, Target
from loopd.tasks.task import Task


@dataclass(frozen=True, slots=True)
class OracleOptions:
    """How simulated people behave.

    Attributes:
        people: how many annotate at the same time.
        seconds_per_answer: mean seconds that one answer takes a person; 0 answers at once.
        error_rate: share of records that are given a wrong label for good.
        error_rates: that share for each person, in the place of ``error_rate``; where there are
            more people, they begin again. Empty: all are alike.
        discard_rate: share of records that are discarded.
        edit_rate: share of records that are given a wrong label first, and later the right one.
        seed: of everything random in their behaviour.
        shuffle: whether each takes the records in an order of their own.
        idle_exit: seconds without anything to do after which all go home; ``None``: never.
        poll_seconds: seconds between looks into an empty queue.
    """

    people: int = 1
    seconds_per_answer: float = 0.0
    error_rate: float = 0.0
    discard_rate: float = 0.0
    edit_rate: float = 0.0
    seed: int = 0
    shuffle: bool = True
    idle_exit: float | None = None
    poll_seconds: float = 1.0
    error_rates: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for errors in (self.error_rate, *self.error_rates):
            rates = (errors, self.discard_rate, self.edit_rate)
            if any(not 0 <= rate <= 1 for rate in rates) or sum(rates) > 1 + 1e-9:
                raise ConfigError(
                    "the oracle's error, discard and edit rates must lie in [0, 1] and sum to at "
                    "most 1"
                )
        if self.people < 1 or not self.seconds_per_answer >= 0 or not self.poll_seconds > 0:
            raise ConfigError("the oracle needs at least one person and no negative times")

    def of_person(self, number: int) -> OracleOptions:
        """The options of one person, counted from 0."""
        if not self.error_rates:
            return self
        own = self.error_rates[number % len(self.error_rates)]
        return replace(self, error_rate=own, error_rates=())


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What one person does with one record.

    Attributes:
        first: the value that is submitted; ``None`` discards the record.
        later: the value that replaces it afterwards, ``None`` for no edit.
        wrong: whether the last word is wrong.
    """

    first: JsonValue
    later: JsonValue = None
    wrong: bool = False


def behave(
    options: OracleOptions,
    gold: Mapping[str, Target],
    task: Task,
    *,
    person: str,
    external_id: str | None,
    original_id: str | None = None,
) -> Behaviour | None:
    """What a person does with a record: always the same for the same seed, record and person.

    Args:
        options: the rates and the seed.
        gold: right target by external id.
        task: what can be submitted.
        person: name of the account.
        external_id: the record's id in the loop.
        original_id: of a copy that asks for a second opinion the id of the text's own record: a
            person who thinks again may come to another answer.

    Returns:
        ``None`` where the right target is not known or cannot be submitted.
    """
    record_id = original_id or external_id
    target = None if record_id is None else gold.get(record_id)
    if target is None or not task.is_valid(task.value(target)):
        return None
    rng = random.Random(f"{options.seed}|{person}|{external_id}")  # noqa: S311 - not a secret
    mood, slip = rng.random(), rng.random()
    right, wrong = task.value(target), task.value(mistaken(task, target, slip))
    if mood < options.discard_rate:
        return Behaviour(None)
    if mood < options.discard_rate + options.error_rate:
        return Behaviour(wrong, wrong=True)
    if mood < options.discard_rate + options.error_rate + options.edit_rate:
        return Behaviour(wrong, later=right)
    return Behaviour(right)
