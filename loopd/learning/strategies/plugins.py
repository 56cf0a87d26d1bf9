"""Owns query strategies that other installed packages offer; must not know loopd's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from importlib.metadata import EntryPoint, entry_points

from loopd.errors import LoopdError, ModelError

GROUP = "loopd.strategies"
"""Entry points of this group are query strategies: their name is that in the configuration."""


def names() -> Collection[str]:
    """Names of all strategies that packages offer."""
    return {point.name for point in entry_points(group=GROUP)}


def offered(name: str, taken: Collection[str]) -> EntryPoint | None:
    """The entry point of a name; ``None`` where no package has it.

    Args:
        name: as in the configuration.
        taken: loopd's own names.

    Raises:
        ModelError: two packages offer it, or one offers a name of loopd's own.
    """
    points = [point for point in entry_points(group=GROUP) if point.name == name]
    if not points:
        return None
    if name in taken or len(points) > 1:
        whose = Counter(point.value for point in points)
        rival = "loopd itself has" if name in taken else "another package has"
        raise ModelError(
            f"the strategy name {name!r} of {', '.join(sorted(whose))} is one that {rival}",
            f"rename the entry point in the group {GROUP}, or name the class by its dotted path",
        )
    return points[0]


def load(point: EntryPoint) -> object:
    """What the entry point names.

    Raises:
        ModelError: it cannot be imported.
    """
    try:
        loaded: object = point.load()
    except (LoopdError, KeyboardInterrupt):  # a stop that was asked for, too
        raise
    except BaseException as error:  # sys.exit() at import would end us without a word
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ModelError(f"cannot import {point.value!r} for {point.name!r}: {reason}") from error
    return loaded
