"""Owns what a worker of a cluster does: pieces of work, one after the other.

Must not import Ray at its top: the class is made an actor by whoever starts it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from loopd import __version__, errors
from loopd.errors import LoopdError, ModelError, UnexpectedError

KEPT = 2
"""What pieces shared lately, such as models, stays in a worker."""

ALIKE = ("numpy", "scikit-learn", "torch", "transformers")
"""Packages whose versions shape the results."""


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What must be the same for all who work together, and who says so.

    Attributes:
        versions: by name of the program or package.
        node: name of the machine.
        process: its number there.
    """

    versions: dict[str, str]
    node: str
    process: int

    def unlike(self, other: WorkerFacts) -> str:
        """The first difference from another, as ``torch 2.13.0 and not 2.12.0``; empty if none."""
        for name, version in other.versions.items():
            if self.versions.get(name) != version:
                return f"{name} {self.versions.get(name) or 'is missing'} and not {version}"
        return ""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of loopd's own as it goes to the process that waits for the piece.

    Attributes:
        kind: name of the class.
        message, hint: of the error.
    """

    kind: str
    message: str
    hint: str

    @classmethod
    def of(cls, error: LoopdError) -> Failure:
        """The error as plain words: exceptions with arguments of their own cannot be pickled."""
        return cls(type(error).__name__, error.message, error.hint)

    def error(self) -> LoopdError:
        """The same error again."""
        kind = vars(errors).get(self.kind, LoopdError)
        return UnexpectedError(self.message) if kind is UnexpectedError else self._of(kind)

    def _of(self, kind: type[LoopdError]) -> LoopdError:
        return kind(self.message, self.hint)


def facts() -> WorkerFacts:
    """Those of this process."""
    versions = {"loopd": __version__, "Python": "{}.{}".format(*sys.version_info)}
    for package in ALIKE:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return WorkerFacts(versions, platform.node(), os.getpid())


class ShardWorker:
    """One worker; Ray starts it as an actor.

    Args:
        folder: the working folder of the process that waits, to which paths may be relative.
    """

    def __init__(self, folder: str) -> None:
        with contextlib.suppress(OSError):  # absent here: then paths had better be absolute
            os.chdir(folder)
        self._kept: OrderedDict[str, object] = OrderedDict()

    def facts(self) -> WorkerFacts:
        """Who works here, with what."""
        return facts()

    def do(
        self,
        work: Callable[[Any, Any], object],  # any work and any piece of it
        key: str,
        common: Sequence[Any],
        piece: Any,
    ) -> object:
        """The result of a piece, or a :class:`Failure`.

        Args:
            work: the function.
            key: of what the pieces share.
            common: a reference to it, in a list so that Ray does not fetch it each time.
            piece: what is to be done.
        """
        try:
            return work(self._common(key, common), piece)
        except LoopdError as error:
            return Failure.of(error)

    def _common(self, key: str, reference: Sequence[Any]) -> object:
        if key not in self._kept:
            import ray
            from ray.exceptions import RayError

            while len(self._kept) >= KEPT:
                self._kept.popitem(last=False)
            try:
                self._kept[key] = ray.get(reference[0])
            except (RayError, LoopdError) as error:
                problem = f"{platform.node()}, a machine of the cluster, cannot read the run: "
                said = [line for line in str(error).splitlines() if line.strip()] or [repr(error)]
                raise ModelError(
                    problem + said[-1].strip()[:200],
                    "all machines must see run.dir under one path, as the same user",
                ) from None
        self._kept.move_to_end(key)
        return self._kept[key]
