"""Owns what may be said of a file of texts, and who may be asked; must not look at the file."""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class InitOptions:
    """What is said about a file of texts.

    Attributes:
        data: the file, or a folder made by ``save_to_disk``.
        text, id, label: columns; ``None`` to guess.
        labels: names of labels; empty to take them from the column.
        out: the configuration; ``None``: beside the data, under the same name.
        encoding: of the file; ``None`` to find out.
        url: of Argilla.
        key_file: of Argilla's key, if the configuration is to name one.
    """

    data: Path
    text: str | None = None
    id: str | None = None
    label: str | None = None
    labels: tuple[str, ...] = ()
    out: Path | None = None
    encoding: str | None = None
    url: str = "http://127.0.0.1:6900"
    key_file: Path | None = None

    @property
    def config(self) -> Path:
        """The configuration that belongs to the data."""
        data = self.data if self.data.name not in ("", "..") else self.data.resolve()
        return self.out or data.with_name(f"{stem_of(self.data)}.yaml")


class Asker(Protocol):
    """Somebody at a terminal."""

    def choose(self, question: str, choices: Sequence[str]) -> str:
        """One of the choices."""

    def write(self, question: str) -> str:
        """A line, which may be empty."""


def labels_in(text: str) -> tuple[str, ...]:
    """The names in a list such as ``billing, delivery``; each once.

    A name with a comma stands in double quotes, as in a CSV file: ``billing,"late, or lost"``.
    """
    lines = csv.reader(text.splitlines(), skipinitialspace=True)
    parts = [part.strip() for line in lines for part in line]
    return tuple(dict.fromkeys(part for part in parts if part))


def labels_out(labels: Sequence[str]) -> str:
    """The list that gives these names back."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(labels)
    return line.getvalue()


def word_of(path: Path) -> str:
    """A path as it stands in a command that somebody may paste."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def stem_of(path: Path) -> str:
    """The name of a file of texts without what says its format."""
    name = path.resolve().name
    bare = re.sub(r"\.(gz|gzip)$", "", name, flags=re.IGNORECASE)
    return Path(bare).stem or "texts"
