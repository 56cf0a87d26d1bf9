"""Owns in which order pieces are handed out, and what becomes of one whose worker is lost.

Must not know who the workers are or how they are reached.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from loopd.errors import ModelError

Result = TypeVar("Result")

LOOK_SECONDS = 0.2
"""How long news of workers are waited for before the wish to stop is looked at again."""

MOST_LOSSES = 3
"""Workers that one piece may cost: more are no accident."""

AHEAD = 4
"""Pieces for each worker that may be done before it is their turn: results wait in memory."""


@dataclass(frozen=True, slots=True)
class PieceOutcome(Generic[Result]):
    """What became of a piece.

    Attributes:
        number: of the piece.
        result: what the work gave; ``None`` where the worker was lost.
        lost: why it was lost; empty where it was not.
    """

    number: int
    result: Result | None = None
    lost: str = ""


class WorkerGroup(Protocol[Result]):
    """Workers that each do one piece at a time."""

    @property
    def size(self) -> int:
        """How many there are, those that are only beginning among them; at least 1."""
        ...

    def give(self, number: int) -> bool:
        """Hand out a piece; whether somebody was free to take it."""
        ...

    def finished(self, seconds: float) -> list[PieceOutcome[Result]]:
        """What has become of pieces; waits so long for the first news.

        Raises:
            LoopdError: the work itself failed, or there are no workers any more.
        """
        ...

    def abandon(self) -> None:
        """Leave what is under way."""
        ...


def in_order(
    workers: WorkerGroup[Result], count: int, interrupt: Callable[[], None]
) -> Iterator[Result]:
    """The results of pieces 0 to ``count`` - 1 in their order; each is given once.

    A piece whose worker was lost is the next to be handed out again.

    Args:
        workers: who does them.
        count: how many there are.
        interrupt: called at each look at the workers; may raise.

    Raises:
        ModelError: a piece has cost too many workers.
        LoopdError: what the workers raise.
    """
    waiting, kept, losses = deque(range(count)), dict[int, Result | None](), Counter[int]()
    following = 0
    try:
        while following < count:
            interrupt()
            _hand_out(workers, waiting, following)
            for outcome in workers.finished(LOOK_SECONDS):
                number = outcome.number
                if number < following or number in kept:
                    continue  # it was done again although its first worker had not been lost
                if outcome.lost:
                    losses[number] += 1
                    if losses[number] > MOST_LOSSES:
                        raise _too_many(losses[number], outcome.lost)
                    waiting.appendleft(number)
                else:
                    kept[number] = outcome.result
            while following in kept:
                following += 1
                yield kept.pop(following - 1)  # type: ignore[misc] # of a piece that is done
    finally:
        workers.abandon()


def _hand_out(workers: WorkerGroup[Result], waiting: deque[int], following: int) -> None:
    """Give all who are free a piece, but none that would have to wait long for its turn."""
    while waiting and waiting[0] < following + AHEAD * workers.size:
        if not workers.give(waiting[0]):
            return
        waiting.popleft()


def _too_many(count: int, reason: str) -> ModelError:
    return ModelError(
        f"{count} workers of the cluster were lost over the same piece of work: {reason}",
        "if memory ran out, let fewer work on a machine; start again to go on",
    )
