"""Owns which label of the task a name in a file stands for; must not know cells or files."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from loopd.config.task import label_key
from loopd.data.source import Verdict

NUMBER = re.compile(r"(-?(?:0|[1-9]\d{0,17}))(?:\.0+)?")
"""A whole number, maybe as a float. What begins with a nought is a code, and not a number."""

BOOLEANS = {"true": "1", "false": "0"}
"""The words that programs write for truth, and the figures that stand for them."""


class Unusable(Exception):  # noqa: N818 - says what a cell is; never leaves this folder
    """A cell that cannot be used.

    Args:
        reason: why, in a few words.
        unknown: the label that the task does not have, if that is why.
        verdict: what was decided about it, where that is why: then it is left out, and no fault.
    """

    def __init__(
        self, reason: str, unknown: str | None = None, verdict: Verdict | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.unknown = unknown
        self.verdict = verdict


@dataclass(frozen=True, slots=True)
class Blank:
    """A cell that says that nobody knows, although it is not empty.

    Attributes:
        cell: what is in it.
    """

    cell: object


@dataclass(frozen=True)
class Labels:
    """The labels of a task.

    Attributes:
        names: label names in order, ``None`` to take any.
        none_label: multi label: the option for "none of these".
    """

    names: tuple[str, ...] | None
    none_label: str | None = None
    _by_name: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {})
        self._by_name.update((label_key(name), name) for name in self.options)
        self._by_name.update((name, name) for name in self.options)

    @property
    def options(self) -> tuple[str, ...]:
        """All names that may be answered."""
        none = () if self.none_label is None else (self.none_label,)
        return (*(self.names or ()), *none)

    def exact(self, name: str) -> str | None:
        """The label of the task that is spelled so."""
        return self._by_name.get(name)

    def get(self, name: str) -> str | None:
        """The label that is meant, as the task spells it; ``None`` where it has none of the kind.

        White space around a name and the way in which Unicode composes its letters do not count.

        Raises:
            Unusable: two labels may be meant.
        """
        label = self._by_name.get(name)
        if label is not None:
            return label
        key = label_key(name)
        label = self._by_name.get(key)
        if label is not None:
            return label
        if self.names is None:
            return key
        return _one_of(self._alike(key), name)

    def get_number(self, value: float) -> str | None:
        """The label that a whole number kept as a float stands for.

        Raises:
            Unusable: two may be meant, as ``1`` and ``1.0``.
        """
        name = str(int(value))
        return name if self.names is None else _one_of(self._alike(name), repr(value))

    def resolve(self, name: str) -> str:
        """As :meth:`get`.

        Raises:
            Unusable: the task does not have the label, or two may be meant.
        """
        label = self.get(name)
        if label is None:
            raise unknown(name, self.options)
        return label

    def _alike(self, key: str) -> list[str]:
        """Labels that a program's number or truth value may stand for."""
        if number := NUMBER.fullmatch(key):
            return [name for name in self.options if _number(name) == number[1]]
        if key.casefold() not in BOOLEANS:
            return []
        folded = key.casefold()
        same = [name for name in self.options if label_key(name).casefold() == folded]
        if not same and {*self._by_name} == {*BOOLEANS.values()}:
            return [self._by_name[BOOLEANS[folded]]]
        return same


def _number(name: str) -> str | None:
    number = NUMBER.fullmatch(label_key(name))
    return number and number[1]


def _one_of(labels: Sequence[str], name: str) -> str | None:
    if len(labels) > 1:
        raise two_readings(name, *(repr(label) for label in labels[:2]))
    return labels[0] if labels else None


def unknown(name: str, options: Iterable[str]) -> Unusable:
    """The trouble with a label that the task does not have."""
    near = nearest(name, options)
    return Unusable(
        f"unknown label {name[:40]!r}" + (f", nearest is {near[:40]!r}" if near else ""), name
    )


def two_readings(cell: str, first: str, second: str) -> Unusable:
    """The trouble with a cell that may be two things."""
    return Unusable(f"{cell[:40]!r} may be {first} or {second}")


def nearest(name: str, options: Iterable[str]) -> str | None:
    """The label that is most like a name, whatever its case, accents and white space."""
    folded = {_folded(option): option for option in options}
    match = difflib.get_close_matches(_folded(name[:300]), list(folded), n=1)
    return folded[match[0]] if match else None


def _folded(name: str) -> str:
    parts = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(sign for sign in parts if not unicodedata.combining(sign))
    return " ".join(letters.replace("_", " ").replace("-", " ").split())
