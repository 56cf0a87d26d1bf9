"""An engine without Ray: it sends everything, out of order, and does some of it twice."""

from __future__ import annotations

import pickle
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from loopd.compute.schedule import MOST_LOSSES, PieceOutcome, in_order
from loopd.compute.shard_worker import Failure
from loopd.errors import LoopdError


class UnreliableWorkers:
    """Workers that finish in any order, are lost, and send what nobody asked for any more.

    Args:
        do: gives the result of a piece.
        seed: of what happens to them.
        size: how many there are.
        loss: how often one is lost.
        most: how many are lost over one piece.
    """

    def __init__(
        self,
        do: Callable[[int], Any],
        seed: int = 0,
        size: int = 3,
        loss: float = 0.0,
        most: int = MOST_LOSSES,
    ) -> None:
        self._losses, self._most = Counter[int](), most
        self.size = size
        self.given: list[int] = []
        self.abandoned = False
        self._do, self._loss = do, loss
        self._rng = random.Random(seed)
        self._under_way: list[int] = []

    def give(self, number: int) -> bool:
        if len(self._under_way) == self.size:
            return False
        self._under_way.append(number)
        self.given.append(number)
        return True

    def finished(self, seconds: float) -> list[PieceOutcome[Any]]:
        self._rng.shuffle(self._under_way)
        count = self._rng.randint(0, len(self._under_way))
        done, self._under_way = self._under_way[:count], self._under_way[count:]
        return [outcome for number in done for outcome in self._outcomes(number)]

    def abandon(self) -> None:
        self.abandoned = True

    def _outcomes(self, number: int) -> list[PieceOutcome[Any]]:
        if self._rng.random() < self._loss and self._losses[number] < self._most:
            self._losses[number] += 1
            return [PieceOutcome(number, lost="its machine is gone")]
        times = 2 if self._rng.random() < self._loss else 1
        return [PieceOutcome(number, self._do(number)) for _ in range(times)]


class UnreliableEngine:
    """An engine with such workers in this process; all that goes to and fro is pickled.

    Args:
        seed: of what happens.
        loss: how often a worker is lost.
    """

    spreads = True

    def __init__(self, seed: int = 0, loss: float = 0.2) -> None:
        self.work: list[tuple[str, int]] = []
        self._seed, self._loss = seed, loss

    @property
    def done(self) -> set[str]:
        """Names of the functions that were asked for more than one piece."""
        return {name for name, count in self.work if count > 1}

    def run(
        self,
        work: Callable[[Any, Any], Any],
        common: Any,
        pieces: Sequence[Any],
        interrupt: Callable[[], None],
    ) -> Iterator[Any]:
        self.work.append((work.__name__, len(pieces)))
        sent = _sent(common)

        def do(number: int) -> Any:
            try:
                return _sent(work(sent, _sent(pieces[number])))
            except LoopdError as error:
                raise _sent(Failure.of(error)).error() from None

        workers = UnreliableWorkers(do, self._seed, loss=self._loss)
        return in_order(workers, len(pieces), interrupt)

    def describe(self) -> str:
        return "three workers in this process"


def _sent(something: Any) -> Any:
    return pickle.loads(pickle.dumps(something))  # noqa: S301 (our own)
