"""Owns what is put together of what is said, guessed and asked; must not write a file."""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence

from loopd.config import label_key
from loopd.data.columns import listing
from loopd.data.looking import FileLook
from loopd.data.names import NOTHING
from loopd.errors import ConfigError, DataError
from loopd.printable import printable
from loopd.starting.draft import Draft
from loopd.starting.guessing import (
    MOST_LABELS,
    Guess,
    cell_among_names,
    guess_id,
    guess_label,
    guess_text,
)
from loopd.starting.options import Asker, InitOptions, labels_in, stem_of

TABLES = re.compile(r"\.(csv|tsv|txt|xlsx)(\.gz)?$", re.IGNORECASE)
"""Names of files whose first line holds the names of columns."""

SHOWN = 60
"""Characters of what stands there that a sentence repeats."""

NONE_LABEL = "None of these"
"""The option for texts without a label, where the file has such texts."""

BETWEEN_LABELS = "|"
"""What stands between the labels of a cell that is no list: the default of ``pool.separator``."""


class Drafting:
    """Finds out what a configuration has to say of one file.

    Args:
        options: what is said already.
        look: at the file.
        out: takes each line for people.
        asker: who answers what cannot be guessed; ``None``: nobody.
    """

    def __init__(
        self,
        options: InitOptions,
        look: FileLook,
        out: Callable[[str], None],
        asker: Asker | None,
    ) -> None:
        self._options, self._look, self._out, self._asker = options, look, out, asker

    def draft(self, command: str) -> Draft:
        """All of it."""
        for note in self._look.notes:
            self._out(note)
        self._doubt_names()
        options, stem = self._options, stem_of(self._options.data)
        folder = options.config.parent.resolve()
        text = self._text()
        id_ = self._id({text})
        label = self._label({text, *([id_] if id_ else [])})
        kind, labels, none_label = self._task(label)
        key_file = options.key_file and os.path.relpath(options.key_file.absolute(), folder)
        return Draft(
            command=command,
            dataset=re.sub(r"[^\w-]+", "-", stem).strip("-")[:100] or "texts",
            kind=kind,
            labels=labels,
            path=os.path.relpath(options.data.resolve(), folder),
            text=text,
            id=id_,
            label=label,
            none_label=none_label,
            encoding=options.encoding,
            url=options.url,
            key_file=key_file or None,
        )

    def _doubt_names(self) -> None:
        """Without names of columns in the first line, its text would be lost.

        Raises:
            ConfigError: there are none, unless somebody names the column all the same.
        """
        is_table = TABLES.search(self._options.data.name) is not None
        if not is_table or self._options.text is not None:
            return
        doubtful = cell_among_names(self._look.columns)
        if doubtful is None:
            return
        example = printable(doubtful)[:SHOWN]
        raise ConfigError(
            f"{self._look.name}: the first line seems to hold no names of columns, but {example!r}",
            "write a line with names before it, such as `text`; if it is a name all the same, say "
            "which column holds the texts: --text COLUMN",
        )

    def _text(self) -> str:
        if self._options.text is not None:
            return self._stated("--text", self._options.text)
        guess = guess_text(self._look.columns)
        if guess is not None:
            return self._said("text", guess)
        if self._look.written_by:
            self._out("text: 'text', where the tool that wrote the file keeps it")
            return "text"
        names = [column.name for column in self._look.columns]
        if self._asker is not None:
            return self._asker.choose("Which column holds the texts?", names)
        raise ConfigError(
            f"{self._look.name}: no column looks like texts; it has {listing(names)}",
            "name it: --text COLUMN",
        )

    def _id(self, taken: set[str]) -> str | None:
        if self._options.id is not None:
            return self._stated("--id", self._options.id)
        guess = guess_id(self._look.columns, taken)
        if guess is None or max(self._look.counts(guess.column).values(), default=0) > 1:
            self._out("ids: no column looks like ids; they are made from the texts")
            return None
        return self._said("id", guess)

    def _label(self, taken: set[str]) -> str | None:
        options = self._options
        if options.label is not None:
            return self._stated("--label", options.label)
        if self._look.written_by:
            return None  # a tool's own columns are no labels as they stand
        guess = guess_label(self._look.columns, taken, options.labels)
        return None if guess is None else self._said("label", guess)

    def _task(self, label: str | None) -> tuple[str, tuple[str, ...], str | None]:
        """Kind of the task, its labels, and the option for none of them."""
        column = self._look.column(label) if label is not None else None
        if column is None or label is None:
            return "single_label", self._options.labels or self._asked_labels(), None
        several = column.lists or _has_several(set(column.values))
        kind = "multi_label" if several else "single_label"
        none_label = NONE_LABEL if several and not column.is_full else None
        if several:
            self._out(f"kind: a text may have several labels, as {label!r} has")
        return kind, self._options.labels or self._labels_of(label, several), none_label

    def _labels_of(self, name: str, several: bool) -> tuple[str, ...]:
        """The labels of a column, the most frequent first."""
        counts: dict[str, int] = {}
        for value, count in self._look.counts(name).items():
            for part in value.split(BETWEEN_LABELS) if several else (value,):
                if part.strip() not in NOTHING and label_key(part):
                    counts[label_key(part)] = counts.get(label_key(part), 0) + count
        labels = tuple(sorted(counts, key=lambda label: (-counts[label], label)))
        if not 2 <= len(labels) <= MOST_LABELS:
            raise DataError(
                f"{self._look.name}: {name!r} holds {len(labels)} different values, which are no "
                "labels of a task",
                "name another column with --label, or the labels with --labels a,b,c",
            )
        self._out(f"labels: {listing(labels)}, from {name!r}")
        return labels

    def _asked_labels(self) -> tuple[str, ...]:
        if self._asker is not None:
            while len(labels := labels_in(self._asker.write("Labels, with commas"))) < 2:
                self._out("Two labels at least, such as: question, complaint, praise")
            return labels
        raise ConfigError(
            f"{self._look.name}: no column looks like labels, so nobody knows what to ask people",
            "name them, as --labels billing,delivery, or the column that has them: --label COLUMN",
        )

    def _stated(self, option: str, name: str) -> str:
        """A column that somebody has named.

        Raises:
            ConfigError: there is none.
        """
        names = [column.name for column in self._look.columns]
        if name not in names:
            raise ConfigError(
                f"{option}: {self._look.name} has no column {name!r}; it has {listing(names)}",
                _nearest(name, names),
            )
        return name

    def _said(self, what: str, guess: Guess) -> str:
        self._out(f"{what}: {guess.column!r}, because {guess.reason}")
        return guess.column


def _has_several(values: set[str]) -> bool:
    """Whether some cells hold several labels: then a label is in more than one kind of cell.

    ``Billing | Payments`` may be the name of one.
    """
    if not any(BETWEEN_LABELS in value for value in values):
        return False
    parts = Counter(
        part for value in values for part in {one.strip() for one in value.split(BETWEEN_LABELS)}
    )
    joined = {part.strip() for v in values if BETWEEN_LABELS in v for part in v.split("|")}
    return any(parts[part] > 1 for part in joined)


def _nearest(name: str, names: Sequence[str]) -> str:
    match = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {match[0]!r}?" if match else "name one of them"
