"""Owns CoNLL files of tagged tokens, to rows and from records; must not judge texts or labels.

One token on a line, its tag in the last column, an empty line between texts. A text is its tokens
with one space between them, unless the comment ``# text =`` above them says how it really reads.

What is written is canonical: for each text the comments that it needs, then token, tab and IOB2
tag on each line, then an empty line. ``# id =`` is there unless the id is made from the text, and
``# text =`` unless the text is its tokens with single spaces (in JSON where it has line breaks).
Reading that gives the records back, and writing them gives the file back, byte for byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import IO

from loopd.data.columns import require
from loopd.data.pool import content_id
from loopd.data.source import Source, SourceRow, first_rows
from loopd.data.tags import TAG, Piece, TagReader, plain_tag, tags_of
from loopd.data.text_files import TextFile
from loopd.data.tokens import WHITE, aligned, joined, pieces
from loopd.errors import DataError
from loopd.records import Record, Span

SUFFIXES = (".conll", ".iob", ".iob2", ".bio")

COLUMNS = ("text", "id", "tags")
"""What the configuration calls the parts of such a file."""

DOCUMENT = "-DOCSTART-"
"""The token of a line between two documents of CoNLL-2003."""

BYTE_ORDER_MARK = "\ufeff"
"""Is lost at the very beginning of a file."""

Shape = tuple[bool, int]
"""Whether tabs stand between the columns of a line, and how many columns there are."""

_NOTE = re.compile(r"# (id|sent_id|text) = (.*)", re.DOTALL)


def conll_source(file: TextFile) -> Source:
    """The texts of a file; the cells of ``tags`` are lists of spans.

    Raises:
        DataError: unreadable, a line without a tag or with something else in its place, tags that
            are neither IOB2 nor IOB1, or tokens that are not those of the text that a comment
            gives.
    """
    read = partial(_rows, file)
    return Source(file.name, "line", COLUMNS, first_rows(read(None)), file.encoding.notes, read)


def _rows(file: TextFile, names: Collection[str] | None) -> Iterator[SourceRow]:
    require(names or (), COLUMNS, file.name)
    reader = TagReader(file.name, "line")
    with file.opened() as lines:
        for sentence in _sentences(lines, file.name):
            text, places = sentence.read(file.name)
            spans = list(reader.spans(sentence.tags, places, sentence.lines))
            cells = {"text": text, "id": sentence.id or content_id(text), "tags": spans}
            yield SourceRow(sentence.lines[0], cells)


def conll_text(record: Record) -> str:
    """The lines of one record, the empty line behind them included.

    Raises:
        DataError: its spans are not known or hold white space at a border, or a label has a tab or
            a line break in it: a tag cannot say that.
    """
    spans = _spans_of(record)
    places = pieces(record.text, spans)
    tokens = [record.text[start:end] for start, end in places]
    starts, ends = {start for start, _ in places}, {end for _, end in places}
    for start, end, label in spans:
        if start not in starts or end not in ends:
            raise _refused(record, f"span {start}-{end} begins or ends with white space")
        if any(sign in label for sign in WHITE.replace(" ", "")):
            raise _refused(record, f"label {label!r} holds a tab or a line break")
    lines = [f"{token}\t{tag}" for token, tag in zip(tokens, tags_of(places, spans), strict=True)]
    return "".join(f"{line}\n" for line in (*_notes(record, tokens), *lines, ""))


@dataclass(slots=True)
class _Sentence:
    """The lines of one text."""

    notes: dict[str, str] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    @property
    def id(self) -> str | None:
        """What a comment names it."""
        return self.notes.get("id") or self.notes.get("sent_id")

    def read(self, name: str) -> tuple[str, list[Piece]]:
        """The text and the places of the tokens in it."""
        noted = self.notes.get("text")
        if noted is None:
            return joined(self.tokens)
        for text in (noted, _from_json(noted)):
            places = None if text is None else aligned(self.tokens, text)
            if text is not None and places is not None:
                return text, places
        raise DataError(
            f"{name}, line {self.lines[0]}: the tokens are not those of the text above them",
            "the comment `# text =` must hold them in order, with white space between them",
        )


def _sentences(file: IO[str], name: str) -> Iterator[_Sentence]:
    usual = _usual(file)
    for block in _blocks(file):
        sentence = _Sentence()
        own = {_shape(line) for _, line in block if not line.startswith("#")}
        for number, line in block:
            if _is_border(line) and "text" not in sentence.notes:
                if sentence.tokens:
                    yield sentence
                sentence = _Sentence()
            elif not sentence.tokens and (note := _NOTE.fullmatch(line)):
                sentence.notes[note[1]] = note[2]
            elif not line.startswith("#") or _is_token(line, own or usual):
                _add(sentence, line, number, name)
        if sentence.tokens:
            yield sentence


def _is_border(line: str) -> bool:
    """Whether this is no token of a text but the beginning of a document, glued to it or not."""
    return line.startswith(DOCUMENT) and _cells(line)[0] == DOCUMENT


def _blocks(file: IO[str]) -> Iterator[list[tuple[int, str]]]:
    """Numbered lines between empty ones."""
    block: list[tuple[int, str]] = []
    for number, raw in enumerate(file, start=1):
        line = raw.rstrip("\r\n")
        if line.strip(" \t"):
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _usual(file: IO[str]) -> set[Shape]:
    """How the first line looks that surely is a token; where none is, that of a plain file."""
    lines = (raw.rstrip("\r\n") for raw in file)
    sure = (line for line in lines if line.strip(" \t") and not line.startswith("#"))
    first = next((line for line in sure if _cells(line)[0] != DOCUMENT), None)
    file.seek(0)
    return {(True, 2), (False, 2)} if first is None else {_shape(first)}


def _is_token(line: str, others: set[Shape]) -> bool:
    """Whether a line that begins with ``#`` is a token: it looks as the others do.

    A comment may well end on a word that could be a tag.
    """
    return _shape(line) in others and TAG.fullmatch(plain_tag(_cells(line)[-1])) is not None


def _shape(line: str) -> Shape:
    return "\t" in line, len(_cells(line))


def _cells(line: str) -> list[str]:
    cells = line.split("\t") if "\t" in line else line.split(" ")
    return [cell for cell in cells if cell.strip(" ")]


def _add(sentence: _Sentence, line: str, number: int, name: str) -> None:
    """Take a line with a token."""
    cells = _cells(line)
    if len(cells) < 2:
        raise DataError(
            f"{name}, line {number}: one column only",
            "a line is a token and its tag, with a tab or a space between; further columns may "
            "stand between the two",
        )
    sentence.tokens.append(cells[0])
    sentence.tags.append(plain_tag(cells[-1]))
    sentence.lines.append(number)


def _spans_of(record: Record) -> tuple[Span, ...]:
    if not isinstance(record.gold, tuple):
        raise _refused(record, "its spans are not known")
    return tuple(span for span in record.gold if isinstance(span, Span))


def _refused(record: Record, reason: str) -> DataError:
    return DataError(
        f"record {record.id[:60]!r} cannot be written as CoNLL: {reason}",
        "write JSONL or Prodigy's JSONL, which say everything",
    )


def _notes(record: Record, tokens: list[str]) -> Iterable[str]:
    if record.id != content_id(record.text) or record.text.startswith(BYTE_ORDER_MARK):
        yield f"# id = {record.id}"
    if record.text != " ".join(tokens) or DOCUMENT in tokens:
        plain = record.text.strip(WHITE) == record.text
        shown = record.text if plain and len(record.text.splitlines()) == 1 else None
        yield f"# text = {json.dumps(record.text) if shown is None else shown}"


def _from_json(noted: str) -> str | None:
    try:
        text = json.loads(noted)
    except (ValueError, RecursionError):
        return None
    return text if isinstance(text, str) else None


def conll_lines(records: Iterable[Record]) -> Iterator[str]:
    """A whole file, text by text.

    Raises:
        DataError: as ``conll_text`` does.
    """
    return map(conll_text, records)
