"""Owns what was worked out from an immutable value and is kept beside it; must not know what it is.

Nothing here says more than the value itself: it only spares working the same out again, for this
value or for those that follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from loopd.gc_pause import no_garbage

Source = TypeVar("Source")
Result = TypeVar("Result")

MOST_CHANGES = 256
"""So many changes later a result is worked out anew instead of being carried on."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[Source, Result]):
    """Something that can be worked out.

    Attributes:
        build: works it out from the value alone.
        advance: from the result for an earlier value, the changes since then in order, and the
            value now; ``None`` where it must be built. Must leave the earlier result as it is, and
            give what ``build`` would.
    """

    build: Callable[[Source], Result]
    advance: Callable[[Result, Sequence[Any], Source], Result | None]


class Derived:
    """What was worked out from one value; may be asked from any thread."""

    __slots__ = ("_earlier", "_results")

    def __init__(self) -> None:
        self._results: dict[Kind[Any, Any], Any] = {}
        self._earlier: dict[Kind[Any, Any], tuple[Any, tuple[Any, ...]]] = {}

    def follow(self, before: Derived, change: Any) -> None:
        """Go on from what was worked out for the value before one change."""
        for kind, (result, changes) in before._earlier.copy().items():
            if len(changes) < MOST_CHANGES:
                self._earlier[kind] = (result, (*changes, change))
        for kind, result in before._results.copy().items():
            self._earlier[kind] = (result, (change,))

    def result(self, kind: Kind[Source, Result], source: Source) -> Result:
        """What follows from ``source``, the value that this is kept beside."""
        if kind not in self._results:
            earlier, result = self._earlier.get(kind), None
            if earlier is not None:
                result = kind.advance(*earlier, source)
            if result is None:
                with no_garbage():
                    result = kind.build(source)
            self._results[kind] = result
            self._earlier.pop(kind, None)
        worked_out: Result = self._results[kind]
        return worked_out
