"""Owns how a text is cut into tokens for files that need them, and how tokens become a text.

No tokenizer of a model is involved: the rule is that of white space and of the spans' borders, so
that no span is ever lost and a text that came as tokens goes out as the same tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from loopd.data.cells import Unusable, plain
from loopd.data.source import ParsedRow
from loopd.data.tags import Piece, TagReader
from loopd.errors import DataError
from loopd.records import Span

WHITE = " \t\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""What parts tokens: the space, the tab, and whatever may end a line. A no-break space does not."""

_RUNS = re.compile(f"[^{WHITE}]+|[{WHITE}]+")


def pieces(text: str, spans: Sequence[Span], *, white: bool = False) -> list[Piece]:
    """Tokens of a text: runs without white space, cut at the borders of spans too.

    Args:
        text: the text.
        spans: in order, without overlaps.
        white: whether runs of white space are pieces as well.
    """
    borders = [border for span in spans for border in span[:2]]
    bounds, at = [], 0
    for run in _RUNS.finditer(text):
        while at < len(borders) and borders[at] <= run.start():
            at += 1
        cuts = [run.start()]
        while at < len(borders) and borders[at] < run.end():
            cuts += [borders[at]] if borders[at] > cuts[-1] else []
            at += 1
        if white or run.group()[0] not in WHITE:
            bounds += list(zip(cuts, [*cuts[1:], run.end()], strict=True))
    return bounds


def joined(tokens: Sequence[str]) -> tuple[str, list[Piece]]:
    """The text of tokens, one space between two of them, and where they are in it."""
    places, start = [], 0
    for token in tokens:
        places.append((start, start + len(token)))
        start += len(token) + 1
    return " ".join(tokens), places


def aligned(tokens: Sequence[str], text: str) -> list[Piece] | None:
    """Where the tokens are in a text that holds them in order; ``None`` if it holds anything else.

    Only white space may stand around tokens.
    """
    places, at = [], 0
    for token in tokens:
        while text[at : at + 1] and text[at] in WHITE and not text.startswith(token, at):
            at += 1
        if not text.startswith(token, at):
            return None
        places.append((at, at + len(token)))
        at += len(token)
    return None if text[at:].strip(WHITE) else places


def token_rows(rows: Iterable[ParsedRow], name: str, unit: str) -> Iterator[ParsedRow]:
    """Rows whose text may be a list of tokens and whose labels are then a list of tags.

    Such a text is made of its tokens with one space between them, its tags are turned into spans.
    """
    labels, answers = TagReader(name, unit), TagReader(name, unit)
    for row in rows:
        tokens = row.text
        if not isinstance(tokens, (list, tuple)):
            yield row
        elif not all(isinstance(token, str) and token.strip() for token in tokens):
            yield row._replace(broken="a token is empty or no text")
        else:
            text, places = joined([str(token) for token in tokens])
            label = _tagged(labels, row.label, row.number, places)
            tagged = tuple(
                answer._replace(value=_tagged(answers, answer.value, row.number, places))
                for answer in row.answers
            )
            yield row._replace(text=text, label=label, answers=tagged)


def _tagged(reader: TagReader, tags: object, number: int, places: list[Piece]) -> object:
    """The spans of a cell of tags; another cell as it is; the trouble where it cannot be read."""
    if (
        not isinstance(tags, (list, tuple))
        or not tags
        or not all(isinstance(tag, str) for tag in tags)
    ):
        return tags
    if len(tags) != len(places):
        return Unusable(f"{len(tags)} tags for {len(places)} tokens")
    try:
        return list(reader.spans([plain(tag) for tag in tags], places, [number] * len(places)))
    except DataError as error:
        return Unusable(error.message)
