"""What a history is like: its configuration and its people, all of it drawn from its seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from loopd.data.pool import Pool
from loopd.records import Record
from tests.loop.conftest import LABELS, make_pool

OTHER = {LABELS[0]: LABELS[1], LABELS[1]: LABELS[0]}

Settings = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Plan:
    """One history.

    Attributes:
        seed: of everything.
        settings: sections of the configuration.
        size: texts of the pool.
        people: names.
        rounds: how many must be over before people and faults rest.
        resumes: whether a run that came to its end goes on with another configuration.
        pace: most clicks while the loop waits once.
        faults: how many at most.
        rate: how likely each opportunity for a fault is used.
        jumps: whether the wall clock does.
        warm: texts of the pool that come with answers.
    """

    seed: int
    settings: Settings
    size: int
    people: tuple[str, ...]
    rounds: int
    resumes: bool
    pace: int
    faults: int
    rate: float
    jumps: bool
    warm: int

    @property
    def pool(self) -> Pool:
        """Texts in which a fruit or a tool is named; some with answers."""
        rng = random.Random(f"answers of {self.seed}")
        plain = _plain(self.size)
        chosen = set(rng.sample([record.id for record in plain], self.warm))

        def answers(record: Record) -> tuple[tuple[str, str], ...]:
            names = rng.sample(("old", "new"), rng.choice((1, 1, 2)))
            return tuple((name, opinion(name, record.text, 0)) for name in names)

        known = {id_: answers(plain[id_]) for id_ in sorted(chosen)}
        return Pool(tuple(replace(each, answers=known.get(each.id, ())) for each in plain))


@cache
def _plain(size: int) -> Pool:
    return make_pool(size)


def right(text: str) -> str:
    """What the text is about; read from its words."""
    return LABELS[0] if any(word in text for word in ("apple", "pear", "plum")) else LABELS[1]


def opinion(person: str, text: str, change: int) -> str:
    """What a person says of a text: mostly what is right, now and then not, another time else."""
    careless = random.Random(f"{person} on {text}").random() < 0.1
    return OTHER[right(text)] if careless != (change % 2 == 1) else right(text)


def draw(seed: int) -> Plan:
    """The history of a seed."""
    rng = random.Random(f"plan {seed}")
    size = rng.choice((14, 24, 24, 40))
    again = rng.random() < 0.2
    needed = rng.choice((1, 1, 1, 2))
    people = ("ann", "bob", "cyd")[: rng.randint(2 if again else needed, 3)]
    rounds = rng.randint(2, 4)
    batch_size = rng.randint(2, 7)
    queue = {
        "batch_size": batch_size,
        "first_batch_size": rng.choice((None, None, 4, 9)),
        "min_submitted": needed,
        "low_watermark": rng.choice((0, 0, 1, batch_size - 1, "auto", "auto")),
        "patience": rng.choice((None, None, None, 40.0)),
        "sweep_interval": rng.choice((3.0, 10.0, 30.0)),
        "suggestions": rng.random() < 0.7,
        "refresh": rng.random() < 0.6,
    }
    stopping: dict[str, Any] = {"max_rounds": rng.choice((3, rounds, rounds + 2, None))}
    if rng.random() < 0.2:
        stopping["label_budget"] = rng.randint(6, 20)
    if rng.random() < 0.85:
        stopping["criteria"] = []
    settings: Settings = {
        "run": {"seed": rng.randrange(1000), "keep_models": rng.choice((1, 2))},
        "argilla": {"give_up_after": rng.choice((None, None, 2.0))},
        "classifier": {"name": "tfidf"},
        "strategy": {
            "name": "activelab" if again else rng.choice(_STRATEGIES),
            "cold_start": rng.choice(("random_sampling", "facility_location")),
        },
        "relabel": {"another_person": rng.random() < 0.7},
        "queue": queue,
        "stopping": stopping,
    }
    calm = rng.random() < 0.15
    return Plan(
        seed=seed,
        settings=settings,
        size=size,
        people=people,
        rounds=rounds,
        resumes=rng.random() < 0.5,
        pace=rng.choice((1, 2, 4, 8)),
        faults=0 if calm else rng.randint(2, 14),
        rate=rng.choice((0.02, 0.05, 0.12)),
        jumps=rng.random() < 0.4,
        warm=rng.randint(1, size // 3) if rng.random() < 0.25 else 0,
    )


_STRATEGIES = ("breaking_ties", "breaking_ties", "auto", "random_sampling", "prediction_entropy")
