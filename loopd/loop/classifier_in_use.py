"""Owns which classifier a round has where ``auto`` decides; what it says follows from the journal.

Must not train, nor look at caches or clocks: a run that was killed decides as it did before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from loopd.evaluation.classifier_choice import PairedCounts, better, is_due
from loopd.events import RoundEvaluated
from loopd.learning.auto_classifiers import CHEAP, CONTENDERS, DEAR
from loopd.learning.learner import Learner
from loopd.machine import State
from loopd.records import JsonValue

if TYPE_CHECKING:
    from loopd.loop.tools import Tools

Figures = Mapping[str, JsonValue]

NEXT = "next"
"""Key of the figures of a comparison: the classifier of the rounds that follow."""

OF = "of"
"""Key of the figures of a comparison: which two were compared (``contenders_digest``)."""

Happened = TypeVar("Happened")


def classifier_of(state: State, tools: Tools) -> str:
    """Name of the classifier of the current round; empty where the configuration names one."""
    return _in_use(state) if tools.learner.contenders else ""


def learner_of(state: State, tools: Tools) -> Learner:
    """The learner of the current round."""
    return tools.learner.contenders.get(_in_use(state), tools.learner)


def with_classifier(
    step: Callable[[State, Tools], Happened],
) -> Callable[[State, Tools], Happened]:
    """The step, with the tools that hold the learner of the round."""
    return lambda state, tools: step(state, tools.having(classifier_of(state, tools)))


def decided(state: State, comparison: PairedCounts) -> str:
    """The classifier of the rounds that follow one in which both were compared."""
    before = [comparison_of(figures) for figures in _earlier(state)]
    return better(_in_use(state), [*reversed(before), comparison], dear=DEAR, cheap=CHEAP)


def compares(state: State, labels: int) -> bool:
    """Whether the current round compares both, its model having learned from so many labels.

    The first round that is measured does not: people wait for it in any case, and only when it has
    shown how long training takes can later ones be begun so early that nobody waits.
    """
    later = any(number < state.round for number in state.evaluated)
    return later and is_due(labels, labels_compared(state))


def labels_compared(state: State) -> int:
    """Labels that were learned from when both were compared last, before the current round."""
    last = next(_earlier(state), {})
    return int(str(last.get("labels", 0)))


def comparison_of(figures: Figures) -> PairedCounts:
    """What the journal tells of a comparison."""
    texts, dear, cheap = (int(str(figures[key])) for key in ("texts", *map(only, CONTENDERS)))
    return PairedCounts(texts, dear, cheap)


def only(name: str) -> str:
    """Key of the number of texts that only this classifier had right."""
    return f"only.{name}"


def comparisons(state: State) -> Iterator[tuple[int, Figures]]:
    """Rounds that compared the two classifiers of now, with the figures, the last one first.

    What others have shown, with another encoder or other options, is left out.
    """
    for number in sorted(state.evaluated, reverse=True):
        event = state.evaluated[number]
        if event.classifiers and _is_of_now(event, state):
            yield number, event.classifiers


def _is_of_now(event: RoundEvaluated, state: State) -> bool:
    """Whether a comparison is one of the classifiers of now.

    An older journal does not say what was compared: it counts as long as no setting has changed
    since then, whichever it was.
    """
    compared = event.classifiers.get(OF, "")
    if compared and state.contenders:
        return compared == state.contenders
    return event.config_digest == state.config_digest


def _in_use(state: State) -> str:
    return str(next(_earlier(state), {}).get(NEXT, CONTENDERS[0]))


def _earlier(state: State) -> Iterator[Figures]:
    """Figures of the comparisons before the current round, the last one first."""
    return (figures for number, figures in comparisons(state) if number < state.round)
