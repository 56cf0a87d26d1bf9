"""Owns simulated crowds with the truth beside them, and the paired comparison with the majority."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import comb

from loopd.annotation.consensus import Ballots, Vote
from loopd.records import PoolId, Target, Targets

Votes = Mapping[str, Sequence[Vote]]
Person = Callable[[str], str]
"""What somebody answers where a label is true."""

KINDS: Mapping[str, tuple[float, float, float]] = {
    "able": (0, 0, 0),
    "spammers": (0.34, 0, 0),
    "constant": (0, 0.2, 0),
    "adversaries": (0, 0, 0.25),
    "mixed": (0.2, 0.1, 0.1),
}
"""Shares of people who guess, always say the same, and are mostly wrong."""

SHARES: Mapping[str, tuple[float, ...]] = {
    "even": (1, 1),
    "rare": (0.97, 0.03),
    "skewed": (0.7, 0.2, 0.07, 0.03),
    "six": (1, 1, 1, 1, 1, 1),
}
"""How common the labels are."""


@dataclass(frozen=True)
class Crowd:
    """Who answers what.

    Attributes:
        answers: on each text, one of several numbers at random.
        people: how many there are.
        kind: key of ``KINDS``.
        shares: key of ``SHARES``.
        texts: how many there are.
        several: each text has any number of labels, each as common as its share.
        seed: of everything drawn.
    """

    answers: tuple[int, ...]
    people: int
    kind: str
    shares: str
    texts: int
    several: bool
    seed: int

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple("abcdef"[: len(SHARES[self.shares])])

    def drawn(self) -> tuple[Ballots, dict[PoolId, Target]]:
        """Ballots and the truth."""
        rng = random.Random(repr(self))
        crowd = self._people(rng)
        ballots: dict[PoolId, tuple[Vote, ...]] = {}
        truth: dict[PoolId, Target] = {}
        for number in range(self.texts):
            id_ = PoolId(f"r{number:04d}")
            right = self._truth(rng)
            number_of_answers = min(self.people, rng.choice(self.answers))
            people = rng.sample(range(self.people), number_of_answers)
            ballots[id_] = tuple(
                Vote(f"p{who:02d}", self._said(right, crowd[who]), f"t{time}")
                for time, who in enumerate(people)
            )
            truth[id_] = right
        return ballots, truth

    def _truth(self, rng: random.Random) -> Target:
        shares = SHARES[self.shares]
        if not self.several:
            return rng.choices(self.labels, shares)[0]
        return tuple(
            label
            for label, share in zip(self.labels, shares, strict=True)
            if rng.random() < 0.5 * share / max(shares)
        )

    def _said(self, right: Target, person: Person) -> Target:
        if isinstance(right, str):
            return person(right)
        return tuple(
            label for label in self.labels if person("yes" if label in right else "no") == "yes"
        )

    def _people(self, rng: random.Random) -> list[Person]:
        answers = ("yes", "no") if self.several else self.labels
        share = [round(part * self.people) for part in KINDS[self.kind]]
        guessing, constant, wrong = share
        rates = [0.0] * guessing + [0.05] * wrong
        able = self.people - guessing - constant - wrong
        rates += [rng.uniform(0.65, 0.95) for _ in range(able)]
        crowd = [
            _fallible(rng, answers, rate) if rate else _guesser(rng, answers) for rate in rates
        ]
        crowd += [_constant(rng.choice(answers)) for _ in range(constant)]
        rng.shuffle(crowd)
        return crowd


def _fallible(rng: random.Random, labels: Sequence[str], rate: float) -> Person:
    def said(right: str) -> str:
        others = [label for label in labels if label != right]
        return right if rng.random() < rate else rng.choice(others)

    return said


def _guesser(rng: random.Random, labels: Sequence[str]) -> Person:
    return lambda right: rng.choice(labels)


def _constant(label: str) -> Person:
    return lambda right: label


def crowds(
    *,
    answers: Sequence[tuple[int, ...]],
    people: Sequence[int],
    texts: Sequence[int] = (60, 240),
    several: bool = False,
    seeds: int = 1,
) -> list[Crowd]:
    """One of every sort; with several labels the skewed shares alone, which hold all."""
    shares = ("even", "skewed") if several else tuple(SHARES)
    return [
        Crowd(number, many, kind, share, size, several, seed)
        for number, many, kind, share, size, seed in product(
            answers, people, KINDS, shares, texts, range(seeds)
        )
    ]


def decisions(targets: Targets, truth: Targets, labels: Sequence[str]) -> list[bool]:
    """Whether each text is right, or each label of each text where there are several."""
    found = []
    for id_, right in truth.items():
        if isinstance(right, str):
            found.append(targets[id_] == right)
        else:
            found += [(label in targets[id_]) == (label in right) for label in labels]
    return found


def worse_by_chance(one: Sequence[bool], other: Sequence[bool]) -> float:
    """Chance that ``one`` loses as many of the differing decisions where both are as good.

    The exact one-sided test of McNemar, paired over decisions.
    """
    won = sum(a and not b for a, b in zip(one, other, strict=True))
    lost = sum(b and not a for a, b in zip(one, other, strict=True))
    whole = won + lost
    return float(sum(comb(whole, k) for k in range(lost, whole + 1)) / 2**whole)
