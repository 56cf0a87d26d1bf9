"""Owns the mark by which a run holds its dataset; must not talk to a server.

A dataset belongs to the run whose mark it bears: a metadata property of a name that no second one
can have. Argilla refuses to make it twice, so of two runs that come at once only one gets it. No
record is needed for it, and annotators do not see it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

PROPERTY = "loopd_run"
"""Name of the property that is the mark, and of the metadata value on each record of the run."""


@dataclass(frozen=True, slots=True)
class RunMark:
    """The mark that a dataset bears.

    Attributes:
        run_id: of the run that holds the dataset; empty where somebody else made the property.
        name: how people call that run.
        prefix: what stands before loopd's metadata names in this dataset.
    """

    run_id: str
    name: str = ""
    prefix: str = ""

    def property(self) -> dict[str, Any]:
        """The metadata property as Argilla's API wants it at creation."""
        return {
            "name": PROPERTY,
            "title": "Run of loopd",
            "settings": {"type": "terms", "values": [self.run_id, self.name, self.prefix]},
            "visible_for_annotators": False,
        }


class RunIdentity(Protocol):
    """How a run knows itself again."""

    @property
    def name(self) -> str:
        """How people call the run, for the messages of others."""

    def read(self) -> str | None:
        """The run's id, ``None`` as long as it has none."""

    def keep(self, run_id: str) -> None:
        """Keep the id for later processes of the run."""

    def guidelines(self) -> str | None:
        """The guidelines that the run wrote to its dataset last, ``None`` for none."""

    def keep_guidelines(self, text: str) -> None:
        """Keep them for later processes of the run."""


class UnsavedIdentity:
    """The identity of a run that lives in one process, such as a test's."""

    name = "unsaved"

    def __init__(self) -> None:
        self._run_id: str | None = None
        self._guidelines: str | None = None

    def read(self) -> str | None:
        """See :meth:`RunIdentity.read`."""
        return self._run_id

    def keep(self, run_id: str) -> None:
        """See :meth:`RunIdentity.keep`."""
        self._run_id = run_id

    def guidelines(self) -> str | None:
        """See :meth:`RunIdentity.guidelines`."""
        return self._guidelines

    def keep_guidelines(self, text: str) -> None:
        """See :meth:`RunIdentity.keep_guidelines`."""
        self._guidelines = text


def new_run_id() -> str:
    """A random id: 16 hexadecimal digits."""
    return uuid.uuid4().hex[:16]


def mark_in(properties: list[Mapping[str, Any]] | list[dict[str, Any]]) -> RunMark | None:
    """The mark among the metadata properties of a dataset, ``None`` without one."""
    for entry in properties:
        if entry["name"] == PROPERTY:
            values = [str(value) for value in entry["settings"].get("values") or ()]
            return RunMark(*values[:3]) if values else RunMark("")
    return None
