"""Owns which column of a table says what was decided about its labels; opens nothing."""

from __future__ import annotations

from collections.abc import Mapping

from loopd.data.cells import Unusable, plain
from loopd.data.formats.contract import Request, values
from loopd.data.formats.words import FLAG_KEYS, VERDICT_KEYS, flag_of, verdict_of
from loopd.data.source import Source, Verdict
from loopd.errors import DataError

SURE = frozenset(VERDICT_KEYS) - {"status"}
"""Names that hardly mean anything else, where their words are verdicts."""

SURE_FLAGS = frozenset(FLAG_KEYS) - {"cancelled", "canceled", "rejected", "draft", "is_draft"}

_OWN_WORDS = frozenset(("submitted", "discarded", "draft", "validated", "ignored"))
"""Words that only annotation tools use."""


def verdict_column(source: Source, request: Request) -> str | None:
    """The column of verdicts of a table, ``None`` where there is none.

    Raises:
        DataError: a column may be one, or say something of the text.
    """
    if request.verdict_column is not None or not (request.answers or request.label):
        return request.verdict_column
    free = [name for name in source.columns if name not in request.named]
    sure = next((name for name in free if _is_sure(source, name)), None)
    if sure is None and request.format == "auto":
        for name in free:
            _refuse_doubtful(source, name, request)
    return sure


def _is_sure(source: Source, name: str) -> bool:
    key, words = name.casefold(), _words(source, name)
    if key in FLAG_KEYS:
        return key in SURE_FLAGS and all(flag_of(word) is not None for word in words)
    if key not in VERDICT_KEYS or not words or not all(map(verdict_of, words)):
        return False
    return key in SURE or words <= _OWN_WORDS


def _refuse_doubtful(source: Source, name: str, request: Request) -> None:
    key, words = name.casefold(), sorted(_words(source, name), key=_for_last)
    flag = key in FLAG_KEYS and all(flag_of(word) is not None for word in words)
    if words and (flag or (key in VERDICT_KEYS and all(map(verdict_of, words)))):
        raise DataError(
            f"{source.name}: column {name!r} says {words[0]!r}: it could be a verdict on the "
            "label, which is no answer then, or something about the text",
            f"set `{request.section}.verdict_column: {name}`, or `{request.section}.format: plain` "
            "if it says nothing about the label",
        )


def _for_last(word: str) -> tuple[bool, str]:
    """What says that a label counts comes last."""
    return verdict_of(word) is Verdict.SUBMITTED, word


def _words(source: Source, name: str) -> set[str]:
    return {plain(cell).strip().casefold() for cell in values(source, name)} - {""}


def verdict_in(cells: Mapping[str, object], column: str | None) -> Verdict | Unusable:
    """What a row's verdict is; an empty cell says that nothing was submitted."""
    if column is None:
        return Verdict.SUBMITTED
    cell, key = cells.get(column), column.casefold()
    if key in FLAG_KEYS:
        return FLAG_KEYS[key] if flag_of(cell) else Verdict.SUBMITTED
    word = plain(cell).strip()
    if not word:
        return Verdict.PENDING
    flag = flag_of(cell)
    told = verdict_of(word) or (None if flag is None else _of_flag(flag))
    return told or Unusable(f"{column} is {word[:40]!r}, which is no verdict")


def _of_flag(flag: bool) -> Verdict:
    return Verdict.SUBMITTED if flag else Verdict.REJECTED
