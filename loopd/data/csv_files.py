"""Owns reading CSV and TSV files; must not judge what the cells hold.

Between tabs quotes are text, unless every cell that begins with one is quoted as CSV quotes. With
any other sign between the cells quotes are those of CSV.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from operator import itemgetter

from loopd.data.columns import require
from loopd.data.source import Source, SourceRow, first_rows
from loopd.data.text_files import TextFile
from loopd.errors import DataError

FIELD_LIMIT = 2**31 - 1
"""Longest CSV cell in characters: over-long texts are refused later, not a reason to end."""

TAB = "\t"

DELIMITERS = (",", TAB, ";", "|")

_SEPARATOR_LINE = re.compile(r'"?sep=(?P<sign>[^"\r\n])"?(?P=sign)*\s*', re.IGNORECASE)
"""What Excel reads before the header."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is to be taken apart.

    Attributes:
        delimiter: what stands between cells.
        quoted: whether quotes hold cells together.
        skipped: lines before the header.
    """

    delimiter: str
    quoted: bool = True
    skipped: int = 0

    def split(self, line: str) -> list[str]:
        """The cells of one line, whose last cell may go on in the next."""
        return next(csv.reader([line], delimiter=self.delimiter), [])

    def reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """The rows of lines; quotes that do not match are a ``csv.Error``."""
        if self.quoted:
            return csv.reader(lines, delimiter=self.delimiter, strict=True)
        return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE)


def csv_source(file: TextFile, text: str) -> Source:
    """A file with a header; comma, tab, semicolon or bar between the cells.

    Args:
        file: the file.
        text: name of the column of texts, which tells the delimiter.

    Raises:
        DataError: unreadable or empty.
    """
    # The limit belongs to the csv module as a whole; there is no other way to lift it.
    csv.field_size_limit(FIELD_LIMIT)
    dialect = _dialect(file, text)
    with file.opened() as lines:
        rows = _Rows(file.name, lines, dialect)
        head = first_rows(rows.read(None))
    read = partial(_rows, file, dialect)
    return Source(file.name, "line", tuple(rows.header), head, file.encoding.notes, read)


def _rows(file: TextFile, dialect: Dialect, names: Collection[str] | None) -> Iterator[SourceRow]:
    with file.opened() as lines:
        rows = _Rows(file.name, lines, dialect)
        if names is None:
            yield from rows.whole() if len(rows.header) == 1 else rows.read(None)
        else:
            require(names, rows.header, file.name)
            yield from rows.read(names)


# -- delimiter and quotes --------------------------------------------------------------------------


def _dialect(file: TextFile, text: str) -> Dialect:
    with file.opened() as lines:
        first, second = next(lines, ""), next(lines, "")
    if stated := _SEPARATOR_LINE.fullmatch(first):
        dialect = Dialect(stated["sign"], skipped=1)
    else:
        dialect = Dialect(_delimiter(first, text, tabs=".tsv" in file.name.lower()))
    if dialect.delimiter != TAB:
        return dialect
    width = len(dialect.split(second if dialect.skipped else first))
    with file.opened() as lines:
        quoted = _is_quoted(islice(lines, dialect.skipped, None), dialect, width)
    return Dialect(TAB, quoted=quoted, skipped=dialect.skipped)


def _delimiter(header_line: str, text: str, *, tabs: bool) -> str:
    """The first delimiter with which the header holds the text column; else that of most cells."""
    signs = (TAB, *DELIMITERS) if tabs else DELIMITERS
    cells = {sign: Dialect(sign).split(header_line) for sign in signs}
    return next((sign for sign in signs if text in cells[sign]), "") or max(
        signs, key=lambda sign: len(cells[sign])
    )


def _is_quoted(lines: Iterable[str], dialect: Dialect, width: int) -> bool:
    """Whether every cell that begins with a quote is quoted as CSV quotes."""
    kept: list[str] = []
    try:
        for _ in dialect.reader(_noted(lines, kept)):
            if len(kept) > 1 and _are_rows(kept, dialect, width):
                return False
            kept.clear()
    except csv.Error:
        return False
    return True


def _noted(lines: Iterable[str], kept: list[str]) -> Iterator[str]:
    """The lines, each of which is also kept until the list is emptied."""
    for line in lines:
        kept.append(line)
        # Older csv modules stop at a NUL; as a lone surrogate it only gets its row refused.
        yield line.replace("\0", "\udc00")


def _are_rows(lines: Sequence[str], dialect: Dialect, width: int) -> bool:
    """Whether the lines of one row look as if each were a row itself: a quote swallowed them."""
    cells = [line.count(dialect.delimiter) + 1 for line in lines if line.strip()]
    alone = (len(dialect.split(line)) for line in lines if line.strip())
    return width > 1 and all(width in sizes for sizes in zip(cells, alone, strict=True))


# -- rows ------------------------------------------------------------------------------------------


class _Rows:
    """The rows of an open file, the header apart."""

    def __init__(self, name: str, lines: Iterable[str], dialect: Dialect) -> None:
        self._name = name
        self._dialect = dialect
        self._line = dialect.skipped
        self._kept: list[str] = []
        self._reader = dialect.reader(_noted(islice(lines, dialect.skipped, None), self._kept))
        self.header = next((cells for cells in self._records() if cells), [])
        self._kept.clear()
        if not self.header:
            raise DataError(f"{name} is empty", "the first line must name the columns")

    def _records(self) -> Iterator[list[str]]:
        """The cells of each row; ``_line`` is its last line."""
        kept = self._kept
        try:
            for cells in self._reader:
                self._line += len(kept)
                yield cells
                kept.clear()
        except csv.Error as error:
            raise self._trouble(error) from None

    def _trouble(self, error: csv.Error) -> DataError:
        last = self._line + len(self._kept)
        opened = f"; its row begins on line {self._line + 1}" if len(self._kept) > 1 else ""
        hint = 'a quote inside a quoted cell is written twice ("")'
        return DataError(f"{self._name}, line {last}: not CSV: {error}{opened}", hint)

    def read(self, names: Collection[str] | None) -> Iterator[SourceRow]:
        """All rows, with these columns only where some are named."""
        header, kept = self.header, self._kept
        width = len(header)
        columns = [name for name in dict.fromkeys(header) if names is None or name in names]
        places = [header.index(name) for name in columns]
        # One column alone would come without its tuple.
        pick = itemgetter(*places) if len(places) > 1 else None
        for cells in self._records():
            remark = self._remark() if len(kept) > 1 else ""
            if len(cells) != width:
                if not cells:
                    continue
                if len(cells) < width or any(cells[width:]):
                    reason = f"{len(cells)} cells where the header has {width}"
                    yield SourceRow(self._line, {}, reason, remark, tuple(cells))
                    continue
            values = pick(cells) if pick else [cells[index] for index in places]
            whole = tuple(cells[:width]) if names is None else ()
            yield SourceRow(self._line, dict(zip(columns, values)), "", remark, whole)  # noqa: B905 - speed

    def whole(self) -> Iterator[SourceRow]:
        """All rows of a file of one column, with all that is on their lines.

        Between two rows a blank line is a row whose cell is empty; behind the last one it is none.
        What stands behind a delimiter belongs to the cell, as far as the pool does not read it.
        """
        kept, header = self._kept, self.header[0]
        blank: list[int] = []
        for cells in self._records():
            if not cells:
                blank.append(self._line)
                continue
            for line in blank:
                yield SourceRow(line, {header: ""}, values=("",))
            blank.clear()
            remark = self._remark() if len(kept) > 1 else ""
            cell = self._dialect.delimiter.join(cells)
            broken = f"{len(cells)} cells where the header has 1" if any(cells[1:]) else ""
            read = {} if broken else {header: cells[0]}
            yield SourceRow(self._line, read, broken, remark, (cell,))

    def _remark(self) -> str:
        if not _are_rows(self._kept, self._dialect, len(self.header)):
            return ""
        first = self._line - len(self._kept) + 1
        return (
            f"a quote holds lines {first} to {self._line} together, and every one of them looks "
            "like a row: was it left open?"
        )
