"""Owns which column of a table says what was decided about its labels; opens nothing.

A name that can mean nothing else is believed. A column that may be a verdict as well as something
about the text is refused until the configuration says which; so is one whose verdicts come late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from loopd.data.cells import Unusable, plain
from loopd.data.formats.contract import Request, values
from loopd.data.formats.literals import literal
from loopd.data.formats.words import (
    APPROVAL_KEYS,
    DONE,
    FLAG_KEYS,
    GENERAL_KEYS,
    UNFINISHED,
    VERDICT_KEYS,
    flag_of,
    key_of,
    verdict_of,
)
from loopd.data.source import Source, SourceRow, Verdict
from loopd.errors import DataError

Verdicts = Verdict | Unusable | list[Verdict | Unusable]
"""What was decided about the answers of a row: one thing about all, or one about each."""

SURE = frozenset(VERDICT_KEYS) - GENERAL_KEYS
"""Names that hardly mean anything else, where any of their words is a verdict."""

SURE_FLAGS = frozenset(FLAG_KEYS) - {"cancelled", "canceled", "rejected", "draft", "is_draft"}

_OWN_WORDS = frozenset(("submitted", "discarded", "draft", "validated", "ignored"))
"""Words that only annotation tools use."""

_OWN_ENDS = ("status", "verdict", "state", "decision", "review")
"""What follows the name of a column of labels in the name of its verdicts."""

_BESIDE = DONE | UNFINISHED
"""Words that may stand in a column of verdicts, and in many others."""

_STRONG = (Verdict.REJECTED, Verdict.DISCARDED)
"""Verdicts that make a column doubtful whatever else it says."""


def verdict_column(source: Source, request: Request) -> str | None:
    """The column of verdicts of a table, ``None`` where there is none.

    Raises:
        DataError: a column may be one, or say something of the text.
    """
    if request.verdict_column is not None or not (request.answers or request.label):
        return request.verdict_column
    own = own_columns(source, request).values()
    free = [name for name in _free(source, request) if name not in own]
    sure = next((name for name in free if _is_sure(source, name)), None)
    if sure is None and request.format == "auto":
        for name in free:
            if words := _doubtful(name, _words(source, name)):
                raise _doubt(source.name, name, words[0], request)
    return sure


def own_columns(source: Source, request: Request) -> dict[str, str]:
    """The column of verdicts of each column of labels that has its own, as ``tone_status``."""
    return {} if request.verdict_column is not None else _own(source, request.named)


def without_verdicts(source: Source, names: Sequence[str]) -> list[str]:
    """The columns that a pattern means, but for verdicts on the others."""
    verdicts = set(_own(source, names).values())
    return [name for name in names if name not in verdicts]


def _own(source: Source, names: Sequence[str]) -> dict[str, str]:
    labels = {key_of(name): name for name in names}
    own: dict[str, str] = {}
    for column in source.columns:
        about, _, what = key_of(column).rpartition("_")
        verdicts = what in _OWN_ENDS and any(map(verdict_of, _words(source, column)))
        if verdicts and about in labels and column != labels[about]:
            own.setdefault(labels[about], column)
    return own


@dataclass(frozen=True, slots=True)
class Watch:
    """Looks out for verdicts that come late in a source.

    Attributes:
        source: where they may be.
        request: what is read of it.
        said: words of the first rows, of columns that may turn out to hold verdicts.
        present: columns that the first rows have; JSON may have others later.
    """

    source: Source
    request: Request
    said: Mapping[str, frozenset[str]]
    present: frozenset[str]

    def check(self, row: SourceRow) -> None:
        """Check that a row has no verdict where the first ones had none.

        Raises:
            DataError: it has.
        """
        late: list[str] = []
        if not row.cells.keys() <= self.present:
            late = _verdict_names(row.cells.keys() - self.present, self.request)
        for name in (*self.said, *late):
            said, cell = self.said.get(name, frozenset()), row.cells.get(name)
            if isinstance(cell, str) and cell.casefold() in said:  # nearly always; the rest is slow
                continue
            new = _split(cell) - said
            if new and (words := _doubtful(name, said | new)):
                where = f"{self.source.name}, {self.source.unit} {row.number}"
                raise _doubt(where, name, words[0], self.request)


def watch_of(source: Source, request: Request) -> Watch | None:
    """What to look out for in a table whose verdicts are not known; ``None`` for nothing."""
    if request.format != "auto" or not (request.answers or request.label):
        return None
    words_by_name = {name: frozenset(_words(source, name)) for name in _free(source, request)}
    said = {name: words for name, words in words_by_name.items() if _may_turn(name, words)}
    return Watch(source, request, said, frozenset(source.columns))


def _free(source: Source, request: Request) -> list[str]:
    return _verdict_names(source.columns, request)


def _verdict_names(names: Iterable[str], request: Request) -> list[str]:
    """Names of columns that the configuration does not name, and that may hold verdicts."""
    keys = {*VERDICT_KEYS, *FLAG_KEYS, *APPROVAL_KEYS}
    return [name for name in names if name not in request.named and key_of(name) in keys]


def _is_sure(source: Source, name: str) -> bool:
    key, words = key_of(name), _words(source, name)
    if key in FLAG_KEYS:
        return key in SURE_FLAGS and all(flag_of(word) is not None for word in words)
    if key in SURE:
        return any(map(verdict_of, words))
    if not words or not all(map(verdict_of, words)):
        return False
    return key in ("answer", "verdict") or (key == "status" and words <= _OWN_WORDS)


def _may_turn(name: str, words: Set[str]) -> bool:
    """Whether a column that says nothing of verdicts so far may do so later."""
    key = key_of(name)
    if key in FLAG_KEYS or key in APPROVAL_KEYS:
        return all(flag_of(word) is not None for word in words)
    return key not in ("answer", "verdict", "review") or words <= _BESIDE


def _doubtful(name: str, words: Set[str]) -> list[str]:
    """The words of a column if they may be verdicts: those first that say that a label is none."""
    key, told = key_of(name), {word: verdict_of(word) for word in words}
    if key in FLAG_KEYS or key in APPROVAL_KEYS:
        flags = {word: flag_of(word) for word in words}
        withheld = [word for word, flag in flags.items() if flag is (key in FLAG_KEYS)]
        # A column of flags that is called by a verdict is doubtful before the first of them.
        doubtful = bool(withheld) or (key in FLAG_KEYS and bool(words))
        return sorted(withheld) + sorted(words) if doubtful and None not in flags.values() else []
    complete = any(told.values()) and all(told[word] or word in _BESIDE for word in words)
    if not complete and not any(verdict in _STRONG for verdict in told.values()):
        return []
    return sorted((word for word in words if told[word]), key=lambda word: _for_last(told, word))


def _for_last(told: Mapping[str, Verdict | None], word: str) -> tuple[bool, bool, str]:
    """What says that a label counts comes last, what says that it does not first."""
    return told[word] is Verdict.SUBMITTED, told[word] not in _STRONG, word


def _doubt(where: str, name: str, word: str, request: Request) -> DataError:
    return DataError(
        f"{where}: column {name!r} says {word!r}: it could be a verdict on the label, which is no "
        "answer then, or something about the text",
        f"set `{request.section}.verdict_column: {name}`, or `{request.section}.format: plain` "
        "if it says nothing about the label",
    )


def _words(source: Source, name: str) -> set[str]:
    return {word for cell in values(source, name) for word in _split(cell)}


def _split(cell: object) -> set[str]:
    """The words of a cell, which may be a list of one for each answer."""
    value = literal(cell)
    cells = value if isinstance(value, (list, tuple)) else [value]
    return {plain(entry).strip().casefold() for entry in cells} - {""}


def verdicts_in(cells: Mapping[str, object], column: str | None) -> Verdicts:
    """What a row's verdict is; a list where it has one for each of several answers."""
    if column is None:
        return Verdict.SUBMITTED
    value = literal(cells.get(column))
    if isinstance(value, (list, tuple)):
        return [verdict_in({column: entry}, column) for entry in value]
    return verdict_in(cells, column)


def verdict_in(cells: Mapping[str, object], column: str | None) -> Verdict | Unusable:
    """What a row's verdict is; an empty cell says that nothing was submitted."""
    if column is None:
        return Verdict.SUBMITTED
    cell, key = cells.get(column), key_of(column)
    flag, word = flag_of(cell), plain(cell).strip()
    if key in FLAG_KEYS and flag is not None:
        return FLAG_KEYS[key] if flag else Verdict.SUBMITTED
    if not word or word.casefold() in UNFINISHED:
        return Verdict.PENDING
    if word.casefold() in DONE:
        return Verdict.SUBMITTED
    told = verdict_of(word) or (None if flag is None else _of_flag(flag))
    return told or Unusable(f"{column} is {word[:40]!r}, which is no verdict")


def _of_flag(flag: bool) -> Verdict:
    return Verdict.SUBMITTED if flag else Verdict.REJECTED
