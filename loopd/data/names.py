"""Owns which names of labels a cell holds; must not know kinds of tasks or files.

A cell that may be two things is refused, and both readings are named.
"""

from __future__ import annotations

import ast
import contextlib
import json
import math
import re
import warnings
from collections.abc import Sequence
from typing import TypeAlias

from loopd.data.labels import Labels, Unusable, two_readings, unknown

NOTHING = frozenset(("nan", "NaN", "NaT", "NA", "<NA>", "#N/A", "null", "NULL", "None"))
"""What programs write where there is nothing: empty, unless the task has such a label."""

PERHAPS_NOTHING = frozenset(("n/a", "na", "none", "nil", "-"))
"""What people write for that, or for an answer of its own; in any case."""

SEPARATORS = ("|", ";", ",", "/", "#", "\t", "\n")
"""What may stand between labels where it is not ``pool.separator``."""

LONGEST_LIST = 100_000
"""Characters of the longest list in Python's spelling that is taken."""

_JOINED_BY_PYTHON = re.compile(r"""['"]\s+['"]""")
"""What numpy writes between strings, and Python reads as one string."""


def plain(value: object) -> str:
    """A cell as text: nothing is empty, whole floats lose their point, booleans are lower case."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    return "" if value is None else str(value)


def is_empty(cell: object) -> bool:
    """Whether there is nothing in a cell, not even an empty list."""
    if isinstance(cell, str):
        return not cell or cell.isspace()
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def named(cell: object, labels: Labels) -> str | None:
    """The label that a whole cell names; ``None`` where it is something else.

    Raises:
        Unusable: two labels may be meant.
    """
    if is_empty(cell) or isinstance(cell, (list, tuple, dict)):
        return None
    if isinstance(cell, float) and cell.is_integer():
        return labels.get_number(cell)
    return labels.get(plain(cell))


def names_in(cell: object, labels: Labels, separator: str) -> list[str] | None:
    """The labels in a cell that is not empty, as the task spells them.

    Args:
        cell: a list, JSON, or a text with a separator between names.
        labels: of the task.
        separator: what stands between names.

    Returns:
        ``None`` where the cell says that nobody knows.

    Raises:
        Unusable: it holds something else, or may be two things.
    """
    value = _as_list(cell, labels)
    if isinstance(value, dict):
        raise Unusable("an object, not a list of labels")
    if isinstance(value, (list, tuple)):
        return [_listed(name, labels) for name in value]
    return _separated(plain(value), named(value, labels), labels, separator)


def _as_list(cell: object, labels: Labels) -> object:
    """A cell, parsed where it is a list or an object in JSON or in Python's spelling."""
    if not isinstance(cell, str) or not cell.lstrip().startswith("["):
        return cell
    return cell if named_exactly(cell, labels) else parsed(cell)


def named_exactly(cell: str, labels: Labels) -> bool:
    """Whether a text is a label as it stands."""
    return labels.names is not None and labels.get(cell) is not None


def _listed(name: object, labels: Labels) -> str:
    if is_empty(name):
        raise Unusable("an empty name in the list")
    label = named(name, labels)
    if label is None:
        raise unknown(plain(name).strip(), labels.options)
    return label


def _separated(text: str, whole: str | None, labels: Labels, separator: str) -> list[str] | None:
    """The labels of a text, whose whole is a label itself or none."""
    if separator not in text:
        return _lone(text.strip(), whole, labels)
    if labels.names is None:
        return [name.strip() for name in text.split(separator) if name.strip()]
    parts = text.split(separator)
    readings = _readings(parts, labels, separator)
    if len(readings) > 1:
        raise two_readings(text, _written(readings[0]), _written(readings[1]))
    if readings:
        return readings[0]
    names = [part.strip() for part in parts if part.strip()]
    strangers = [name for name in names if labels.get(name) is None]
    lost = strangers[0] if 0 < len(strangers) < len(names) else text.strip()
    raise unknown(lost, labels.options)


def _lone(text: str, whole: str | None, labels: Labels) -> list[str] | None:
    """The one label of a text without a separator."""
    if whole is not None:
        return [whole]
    if text in NOTHING:
        return None
    if text.casefold() in PERHAPS_NOTHING:
        raise two_readings(text, "an empty cell", "an answer")
    for sign in SEPARATORS:
        parts = [labels.get(part) for part in text.split(sign) if part.strip()]
        if len(parts) > 1 and None not in parts:
            raise Unusable(
                f"{text[:40]!r} may be {len(parts)} labels with {sign!r} between them, or one that "
                "the task does not have"
            )
    raise unknown(text, labels.options)


Chain: TypeAlias = "tuple[str, Chain] | None"
"""Labels, the first and the rest."""


def _readings(parts: Sequence[str], labels: Labels, separator: str) -> list[list[str]]:
    """The first two ways to read the parts as labels, which may hold the separator themselves."""
    most = 1 + max(name.count(separator) for name in labels.options)
    ways: list[list[Chain]] = [[] for _ in parts] + [[None]]
    for start in range(len(parts) - 1, -1, -1):
        if not parts[start].strip():
            ways[start] = ways[start + 1]
            continue
        for end in range(start + 1, min(start + most, len(parts)) + 1):
            label = labels.get(separator.join(parts[start:end])) if ways[end] else None
            if label is not None:
                ways[start] += [(label, rest) for rest in ways[end]]
        del ways[start][2:]
    return [_unchained(chain) for chain in ways[0]]


def _unchained(chain: Chain) -> list[str]:
    names = []
    while chain is not None:
        name, chain = chain
        names.append(name)
    return names


def _written(names: Sequence[str]) -> str:
    what = "the label" if len(names) == 1 else "the labels"
    return f"{what} {', '.join(repr(name[:40]) for name in names[:4])}"


def parsed(cell: str) -> object:
    """A cell that should be JSON, or a list as Python writes it.

    Raises:
        Unusable: it is neither.
    """
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(cell)
    if len(cell) <= LONGEST_LIST and "'" in cell and not _JOINED_BY_PYTHON.search(cell):
        with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            return _from_python(cell.strip())
    raise Unusable(f"{cell[:40]!r} is not JSON")


def _from_python(cell: str) -> object:
    with warnings.catch_warnings():  # of escapes that Python would rather not see
        warnings.simplefilter("ignore")
        return ast.literal_eval(cell)


def _float(value: float) -> str:
    if math.isnan(value):  # what pandas writes for an empty cell
        return ""
    return str(int(value)) if value.is_integer() else repr(value)
