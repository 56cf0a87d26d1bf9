"""Owns what the learner asks of an engine, and the one that works in this process.

Must not know what a piece of work is: it is a function of something that all pieces share and of
the piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

Common = TypeVar("Common")
Piece = TypeVar("Piece")
Result = TypeVar("Result")


class Engine(Protocol):
    """Does work that falls into pieces, none of which depends on another."""

    @property
    def spreads(self) -> bool:
        """Whether other processes work too, so that cutting work into pieces pays."""
        ...

    def run(
        self,
        work: Callable[[Common, Piece], Result],
        common: Common,
        pieces: Sequence[Piece],
        interrupt: Callable[[], None],
    ) -> Iterator[Result]:
        """The result of each piece, in the order of the pieces.

        A piece may be done more than once, after its worker was lost: ``work`` must give the same
        for the same arguments, and may only write what another one would write too. What is passed
        to and fro can be pickled.

        Args:
            work: a function of a module.
            common: what all pieces need; it reaches each worker once.
            pieces: small things that say what is to be done.
            interrupt: called at least every second; may raise ``Interrupted``, which leaves what
                is under way.

        Raises:
            LoopdError: what ``work`` raised, or no worker could do a piece.
        """
        ...

    def describe(self) -> str:
        """Where the work is done, in a few words; connects if that is needed.

        Raises:
            ConfigError: the cluster cannot be used.
        """
        ...


class LocalEngine:
    """Does all work in this process."""

    spreads = False

    def run(
        self,
        work: Callable[[Common, Piece], Result],
        common: Common,
        pieces: Sequence[Piece],
        interrupt: Callable[[], None],
    ) -> Iterator[Result]:
        """One piece after the other."""
        for piece in pieces:
            interrupt()
            yield work(common, piece)

    def describe(self) -> str:
        """This process."""
        return "this process"


LOCAL = LocalEngine()
