"""Owns what a planted fault is, and planting it in a copy; must not run tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of the package, put wrong.

    Attributes:
        name: what is wrong then.
        file: below ``loopd/``.
        old: what stands there exactly once.
        new: what is planted instead.
        tests: files or single tests, from the root of the repository, that should notice.
        survives: why none of them does, empty where one must.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    survives: str = ""

    def path(self, root: Path) -> Path:
        """The file in a copy of the repository."""
        return root / "loopd" / self.file

    def occurrences(self, root: Path) -> int:
        """How often the old text stands in the file."""
        return self.path(root).read_text(encoding="utf-8").count(self.old)

    def planted(self, root: Path) -> str:
        """The text of the file with the fault.

        Raises:
            ValueError: the old text does not stand there exactly once.
        """
        text = self.path(root).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: the text is not in {self.file} exactly once")
        return text.replace(self.old, self.new)
