"""Owns what a sink is given and must promise; must not know any one of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from loopd.metrics_log.rows import Row

Ending = Literal["running", "done", "stopped", "failed"]

_ODD = re.compile(r"[^\w.-]")
"""What not every tool takes in the name of a number."""


@dataclass(frozen=True, slots=True)
class LastModel:
    """The last model of a run that is done.

    Attributes:
        id: as the journal has it.
        write: writes it as a folder for ``from_pretrained``, which must not exist.
    """

    id: str
    write: Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything that there is to be written about a run by now.

    Attributes:
        identity: of the run; the same after every restart.
        name: of the run, for people.
        began: when, in seconds since 1970.
        rows: all rounds that are known, oldest first.
        settings: the configuration in force, flat, without secrets.
        origin: seed, fingerprints, versions.
        ending: how it ended, if it has.
        model: the last model, once the run is done.
    """

    identity: str
    name: str
    began: float
    rows: tuple[Row, ...]
    settings: Mapping[str, str]
    origin: Mapping[str, str]
    ending: Ending = "running"
    model: LastModel | None = None


class Sink(Protocol):
    """A place for rounds. All is called from one thread that may wait as long as it likes."""

    @property
    def name(self) -> str:
        """What people call it."""

    def write(self, story: RunRecord) -> None:
        """Write what is missing there, and nothing a second time.

        Called again and again with the whole story; after it raised, once more later. What another
        process wrote before must be found, not remembered.
        """

    def close(self) -> None:
        """Release everything; may be called twice."""


def numbers(row: Row) -> Iterator[tuple[str, float]]:
    """The numbers of a round by name; yes is 1 and no is 0."""
    for key, value in row.items():
        if isinstance(value, (int, float)):
            yield plain_name(key), float(value)


def plain_name(key: str) -> str:
    """The key in letters, digits, ``_``, ``-`` and ``.``, which every tool takes.

    Labels may hold anything. Where something had to be replaced, six digits of the key's digest
    come behind it, so that two keys stay two.
    """
    clean = _ODD.sub("_", key)[:200]
    if clean == key and ".." not in clean:
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{clean.replace('..', '._')}-{digest}"
