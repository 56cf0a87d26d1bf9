"""Owns what simulated people do with a record; pure, must not send anything."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from loopd.errors import ConfigError


@dataclass(frozen=True, slots=True)
class OracleOptions:
    """How simulated people behave.

    Attributes:
        people: how many annotate at the same time.
        seconds_per_answer: mean seconds that one answer takes a person; 0 answers at once.
        error_rate: share of records that are given a wrong label for good.
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

    def __post_init__(self) -> None:
        rates = (self.error_rate, self.discard_rate, self.edit_rate)
        if any(not 0 <= rate <= 1 for rate in rates) or sum(rates) > 1 + 1e-9:
            raise ConfigError(
                "the oracle's error, discard and edit rates must lie in [0, 1] and sum to at most 1"
            )
        if self.people < 1 or not self.seconds_per_answer >= 0 or not self.poll_seconds > 0:
            raise ConfigError("the oracle needs at least one person and no negative times")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What one person does with one record.

    Attributes:
        first: the label that is submitted; ``None`` discards the record.
        later: the label that replaces it afterwards, ``None`` for no edit.
        wrong: whether the last word is a wrong label.
    """

    first: str | None
    later: str | None = None
    wrong: bool = False


def behave(
    options: OracleOptions,
    gold: Mapping[str, str],
    labels: tuple[str, ...],
    *,
    person: str,
    external_id: str | None,
) -> Behaviour | None:
    """What a person does with a record: always the same for the same seed, record and person.

    Args:
        options: the rates and the seed.
        gold: right label by external id.
        labels: the labels that can be submitted.
        person: name of the account.
        external_id: the record's id in the loop.

    Returns:
        ``None`` where the right label is not known or not among the labels.
    """
    right = None if external_id is None else gold.get(external_id)
    if right is None or right not in labels:
        return None
    rng = random.Random(f"{options.seed}|{person}|{external_id}")  # noqa: S311 - not a secret
    mood, slip = rng.random(), rng.random()
    others = [label for label in labels if label != right]
    wrong = others[int(slip * len(others))] if others else right
    if mood < options.discard_rate:
        return Behaviour(None)
    if mood < options.discard_rate + options.error_rate:
        return Behaviour(wrong, wrong=True)
    if mood < options.discard_rate + options.error_rate + options.edit_rate:
        return Behaviour(wrong, later=right)
    return Behaviour(right)
