"""Owns how an unknown name or option is answered with the nearest known one; holds no names."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from loopd.errors import ModelError


def unknown_name(kind: str, name: str, known: Collection[str]) -> ModelError:
    """The error for a name that is not registered."""
    return ModelError(
        f"unknown {kind} {name!r}{_nearest(name, known)}",
        f"known: {', '.join(sorted(known))}; or a dotted path such as package.module:Class",
    )


def refuse_unknown_options(owner: str, options: Iterable[str], known: Collection[str]) -> None:
    """Check option names.

    Raises:
        ModelError: one is not known, with the nearest spelling.
    """
    for option in options:
        if option not in known:
            choices = ", ".join(sorted(known)) or "it has none"
            raise ModelError(
                f"{owner} has no option {option!r}{_nearest(option, known)}", f"options: {choices}"
            )


def _nearest(name: str, known: Collection[str]) -> str:
    match = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" (did you mean `{match[0]}`?)" if match else ""
