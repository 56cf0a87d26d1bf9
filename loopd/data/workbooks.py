"""Owns reading Excel workbooks; must not judge what the cells hold.

``openpyxl`` is imported only when a workbook is read. Of formulas their last values are read.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.util
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from loopd.data.columns import listing, require
from loopd.data.names import plain
from loopd.data.source import Source, SourceRow, first_rows
from loopd.errors import DataError
from loopd.installation import add_extra

SUFFIXES = (".xlsx", ".xlsm")
"""How workbooks are called that can be read."""

_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
"""How a workbook holds signs that XML has not, and underscores that are none of it."""

_HALVED = b"x005F_"
"""What openpyxl takes out of shared strings: of ``_x005F_x0041_``, which is ``_x0041_``."""

_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, EOFError, KeyError, IndexError, ValueError, TypeError),
    *(AttributeError, SyntaxError, OverflowError),  # XML that is none is a SyntaxError
)
"""What openpyxl raises on a damaged file."""


def require_openpyxl(what: str) -> None:
    """Look for the package.

    Args:
        what: needs it, for the message.

    Raises:
        DataError: it is not installed.
    """
    if importlib.util.find_spec("openpyxl") is None:
        raise DataError(f"{what} needs openpyxl", add_extra("xlsx"))


def workbook_source(path: Path, sheet: str | None = None, *, legacy: bool = False) -> Source:
    """One sheet of a workbook; its first row that is not empty names the columns.

    Args:
        path: of the workbook.
        sheet: name of the sheet; ``None`` for the first that people see and that is not empty.
        legacy: as versions read it that knew no escape but that of the carriage return.

    Raises:
        DataError: no workbook, damaged, no such sheet, or nothing in it.
    """
    require_openpyxl(f"{path.name} is an Excel workbook, and reading one")
    cells = _stored if legacy else _value
    with _opened(path, legacy=legacy) as book:
        name, notes = _sheet(book, sheet, path.name)
        _, header = _header(_lines(book[name], cells))
    if not header:
        raise DataError(f"{path.name} is empty", "the first row must name the columns")
    read = partial(_rows, path, name, legacy)
    return Source(path.name, "row", header, first_rows(read(None)), notes, read)


@contextlib.contextmanager
def _opened(path: Path, *, legacy: bool) -> Iterator[Any]:
    """The workbook; what reading a damaged one raises turns into an error with its name."""
    from openpyxl import load_workbook

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what openpyxl leaves out, such as pictures
        try:
            with path.open("rb") as file:  # openpyxl leaves it open where it fails
                book = load_workbook(file, read_only=True, data_only=True)
                if not legacy:
                    _restore_strings(book)
                yield book
        except _BROKEN as error:
            raise DataError(
                f"{path.name} is no Excel workbook that can be read: {_first_line(error)}",
                "open it, and save it as .xlsx without a password or as CSV (UTF-8)",
            ) from None
        except OSError as error:
            problem = f"cannot read {path}: {error.strerror or error}"
            raise DataError(problem, "see its permissions") from None


def _restore_strings(book: Any) -> None:
    """Give a workbook its shared strings as they are stored: openpyxl halves some escapes."""
    from openpyxl.packaging.manifest import Manifest
    from openpyxl.xml.constants import ARC_CONTENT_TYPES, SHARED_STRINGS
    from openpyxl.xml.functions import fromstring

    archive = book._archive
    part = Manifest.from_tree(fromstring(archive.read(ARC_CONTENT_TYPES))).find(SHARED_STRINGS)
    stored = b"" if part is None else archive.read(part.PartName[1:])
    if _HALVED not in stored:
        return
    strings = _strings(stored)
    for sheet in book.worksheets:
        sheet._shared_strings = strings


def _strings(stored: bytes) -> list[str]:
    """The table of shared strings, as it is stored."""
    from openpyxl.cell.text import Text
    from openpyxl.xml.constants import SHEET_MAIN_NS
    from openpyxl.xml.functions import iterparse

    nodes = (node for _, node in iterparse(io.BytesIO(stored)))
    return [Text.from_tree(node).content for node in nodes if node.tag == f"{{{SHEET_MAIN_NS}}}si"]


def _sheet(book: Any, name: str | None, file: str) -> tuple[str, tuple[str, ...]]:
    """Name of the sheet that is read, and what to say of the others."""
    names = [sheet.title for sheet in book.worksheets]
    if name is not None:
        if name in names:
            return name, ()
        raise DataError(f"{file} has no sheet {name!r}; it has {listing(names)}", "set `split`")
    shown = [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]
    filled = [title for title in shown if _header(_lines(book[title], _value))[1]]
    first = next(iter(filled or shown or names), None)
    if first is None:
        raise DataError(f"{file} has no sheet with cells", "save the table as CSV (UTF-8)")
    more = f"of the sheets {listing(filled)} the first is read; `split` names another"
    return first, (more,) if len(filled) > 1 else ()


def _lines(sheet: Any, value: Callable[[object], object]) -> Iterator[tuple[int, list[object]]]:
    """The cells of each row with its number, without empty ones at its end.

    Empty rows before the first and behind the last row with anything in it are none.
    """
    sheet.reset_dimensions()  # what the file says of them may be wrong
    last = 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        cells = [value(cell) for cell in row]
        while cells and cells[-1] is None:
            cells.pop()
        if cells:
            yield from ((empty, []) for empty in range(last + 1, number) if last)
            yield number, cells
            last = number


def _value(cell: object) -> object:
    """A cell; Excel knows no days, only moments, and writes some signs as their numbers."""
    if not isinstance(cell, str):
        return _stored(cell)
    text = _ESCAPED.sub(lambda sign: chr(int(sign[1], 16)), cell)
    if any("\ud800" <= sign <= "\udfff" for sign in text):  # two numbers may be one sign
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text or None


def _stored(cell: object) -> object:
    """A cell as earlier versions read it: with all escapes but that of the carriage return."""
    if isinstance(cell, dt.datetime) and cell.time() == dt.time():
        return cell.date()
    return (cell.replace("_x000D_", "\r") or None) if isinstance(cell, str) else cell


def _header(lines: Iterator[tuple[int, list[object]]]) -> tuple[int, tuple[str, ...]]:
    """Number and names of the row that names the columns; no names in an empty sheet."""
    number, cells = next(lines, (0, []))
    return number, tuple(plain(cell) for cell in cells)


def _rows(
    path: Path, sheet: str, legacy: bool, names: Collection[str] | None
) -> Iterator[SourceRow]:
    with _opened(path, legacy=legacy) as book:
        lines = _lines(book[sheet], _stored if legacy else _value)
        _, header = _header(lines)
        if names is not None:
            require(names, header, path.name)
        kept = [name for name in dict.fromkeys(header) if names is None or name in names]
        places = [(name, header.index(name)) for name in kept]
        for number, cells in lines:
            yield _row(number, cells, len(header), places)


def _row(
    number: int, cells: Sequence[object], width: int, places: Sequence[tuple[str, int]]
) -> SourceRow:
    values = (*cells, *[None] * (width - len(cells)))
    if len(cells) > width:
        reason = f"{len(cells)} cells where the header has {width}"
        return SourceRow(number, {}, reason, values=values)
    return SourceRow(number, {name: values[index] for name, index in places}, values=values)


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
