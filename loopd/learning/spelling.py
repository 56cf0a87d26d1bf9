"""Owns how a wrong name or option is answered with the nearest right one; holds no names."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from loopd.errors import ModelError


def unknown_name(kind: str, name: str, registered: Collection[str]) -> ModelError:
    """The error for a name that is not registered."""
    return ModelError(
        f"unknown {kind} {name!r}{_nearest(name, registered)}",
        f"known: {', '.join(sorted(registered))}; or a dotted path such as package.module:Class",
    )


def refuse_unknown_options(owner: str, options: Iterable[str], allowed: Collection[str]) -> None:
    """Check option names.

    Raises:
        ModelError: one is not known, with the nearest spelling.
    """
    for option in options:
        if option not in allowed:
            choices = ", ".join(sorted(allowed)) or "it has none"
            raise ModelError(
                f"{owner} has no option {option!r}{_nearest(option, allowed)}",
                f"options: {choices}",
            )


def _nearest(name: str, names: Collection[str]) -> str:
    match = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f" (did you mean `{match[0]}`?)" if match else ""
