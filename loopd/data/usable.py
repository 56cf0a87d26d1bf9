"""Owns whether a text or an id can be used, and why not; must not read or count anything."""

from __future__ import annotations

from loopd.config.task import INVISIBLE
from loopd.data.cells import plain
from loopd.data.parts import Parts, is_blank
from loopd.data.report import NOT_TEXT
from loopd.data.source import ParsedRow

LONGEST_TEXT = 1_000_000
"""Characters of the longest text that is taken."""

LONGEST_ID = 255
"""Characters of the longest id that is taken."""


def text_in(row: ParsedRow) -> str:
    """The text of a row, as its record has it."""
    return row.text if isinstance(row.text, str) else plain(row.text)


def text_trouble(
    row: ParsedRow, text: str, *, legacy: bool = False
) -> tuple[str, str | None] | None:
    """Why a text is left out, as (kind, reason), or ``None``.

    Args:
        row: as the file has it.
        text: of the row.
        legacy: as earlier versions did, which took some texts in which nothing can be seen.
    """
    if row.broken:
        return "refused", row.broken
    cells = [cell for _, cell in row.text.cells] if isinstance(row.text, Parts) else [row.text]
    for cell in cells:
        if isinstance(cell, (list, dict, tuple, bytes)):
            return "refused", f"the text is a {type(cell).__name__}"
    unseen = isinstance(row.text, Parts) and not legacy and all(map(is_blank, cells))
    if unseen or not text.strip().strip(INVISIBLE):
        return "empty", None
    if len(text) > LONGEST_TEXT:
        return "refused", f"the text has {len(text):,} characters, at most {LONGEST_TEXT:,} fit"
    return None if _storable(text) else ("refused", f"the text holds {NOT_TEXT}")


def id_trouble(record_id: str) -> str | None:
    """Why an id cannot be used, ``None`` where it can."""
    if not record_id or record_id.isspace():
        return "the id is empty"
    if len(record_id) > LONGEST_ID:
        return f"the id has more than {LONGEST_ID} characters"
    if not record_id.isprintable() or not _storable(record_id):
        return "the id holds control characters"
    return None


def _storable(text: str) -> bool:
    """Whether JSON, SQLite and PostgreSQL take the text: no NUL, no half of a surrogate pair."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
