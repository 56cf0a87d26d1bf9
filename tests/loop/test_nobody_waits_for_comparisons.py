"""Comparisons of `auto` in simulated time: the first one, too, keeps nobody waiting.

A round takes 36 seconds, 20 of them for training; one that compares trains five times more.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from loopd.annotation.consensus import index_of
from loopd.config.audit import USUAL_FOLDS
from loopd.events import BatchCollected, ModelTrained, RoundEvaluated
from loopd.learning.auto_classifiers import DEAR
from loopd.loop.classifier_in_use import NEXT, compares
from loopd.loop.queue import lasting
from loopd.loop.waiting_figures import figures
from loopd.records import JsonValue
from tests.loop.test_nobody_waits import FROM_THIRD, SLOW, TURNAROUND, Office, config

TRAINING = 20.0
OTHER_STEPS = (TURNAROUND - TRAINING) / 4
ROUNDS = 8


@dataclass
class ComparingOffice(Office):
    """People, their server, and a daemon whose `auto` never comes to another decision.

    Attributes:
        compared: numbers of the rounds that compared both classifiers.
    """

    compared: list[int] = field(default_factory=list)

    def _next_batch(self, reason: str) -> None:
        number, labels = self.state.round, index_of(self.state).labelled
        id_, waiting = self.state.batch.id, len(self._waiting())
        told = figures(self.state, self.needed)
        self._apply(BatchCollected(self._wall(), id_, reason, waiting, told))
        self._apply(
            ModelTrained(self._wall(), number, "m", labels, 0, {}, TRAINING, classifier=DEAR)
        )
        contest: dict[str, JsonValue] = {}
        if compares(self.state, labels):
            contest = {"labels": labels, NEXT: DEAR}
            self.compared.append(number)
        more = USUAL_FOLDS * TRAINING if contest else 0.0
        steps = OTHER_STEPS, OTHER_STEPS + more
        self._apply(
            RoundEvaluated(self._wall(), number, {}, {}, "", "c", *steps, classifiers=contest)
        )
        size = lasting(self.state, self.needed, self.config.queue.batch_size)
        self._work_until(self.now + TURNAROUND + more)
        self._publish(size)


@pytest.mark.parametrize("first", [20, pytest.param(40, marks=SLOW)])
@pytest.mark.parametrize("people", [1, 3, pytest.param(20, marks=SLOW)])
def test_nobody_waits_for_a_comparison_not_even_for_the_first(people: int, first: int) -> None:
    office = ComparingOffice(people, config(first_batch_size=first))
    office.run(ROUNDS)
    assert office.state.round == ROUNDS
    assert len(office.compared) >= 2
    waits = {number: office.idle[number] for number in range(FROM_THIRD, ROUNDS + 1)}
    assert waits == dict.fromkeys(waits, 0.0), (waits, office.sizes, office.compared)


def test_the_first_round_compares_nothing_however_many_labels_there_are() -> None:
    office = ComparingOffice(1, config(first_batch_size=40))
    office.run(2)
    assert office.compared == [1]
    assert office.idle[1] < TURNAROUND + USUAL_FOLDS * TRAINING
