"""Owns how records are written as JSON Lines, ours and Prodigy's; must not judge them.

Both are canonical: reading a file that was written gives the records back, and writing those gives
the file back, byte for byte. ``id``, ``label`` and ``answers`` (Prodigy: ``id``, ``spans``) are the
columns to read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from loopd.data.cells import json_value
from loopd.data.tokens import pieces
from loopd.records import JsonValue, Record, Span


def jsonl_lines(records: Iterable[Record]) -> Iterator[str]:
    """Lines with id, text and label, of any kind; ``answers`` where there are any.

    A span is an object with ``start``, ``end`` (characters, Python's ``text[start:end]``) and
    ``label``. A label that is not known is null.
    """
    for record in records:
        item: dict[str, JsonValue] = {
            "id": record.id,
            "text": record.text,
            "label": json_value(record.gold),
        }
        if record.answers:
            item["answers"] = dict(record.answers)
        yield json.dumps(item, ensure_ascii=False) + "\n"


def prodigy_lines(records: Iterable[Record]) -> Iterator[str]:
    """Lines of Prodigy's ``ner.manual``: text, tokens, spans, answer.

    Tokens end at white space and at the borders of spans. A space behind a token is its ``ws``, as
    in spaCy, and other white space is a token of its own, so that the tokens spell the text. Where
    the spans are not known the ``answer`` is ``ignore``.
    """
    for record in records:
        spans = [span for span in record.gold or () if isinstance(span, Span)]
        places = _with_spaces(record.text, spans)
        item: dict[str, JsonValue] = {
            "id": record.id,
            "text": record.text,
            "tokens": [
                {"text": record.text[start:end], "start": start, "end": end, "id": number, "ws": ws}
                for number, (start, end, ws) in enumerate(places)
            ],
            "spans": _numbered(spans, places),
            "answer": "ignore" if record.gold is None else "accept",
        }
        yield json.dumps(item, ensure_ascii=False, separators=(",", ":")) + "\n"


def _with_spaces(text: str, spans: Sequence[Span]) -> list[tuple[int, int, bool]]:
    """Start, end and whether a space follows, of each token."""
    starts, ends = {span.start for span in spans}, {span.end for span in spans}
    places = pieces(text, spans, white=True)
    tokens: list[tuple[int, int, bool]] = []
    for start, end in places:
        follows = bool(tokens) and not text[slice(*tokens[-1][:2])].isspace()
        # A space that begins or ends a span cannot be left to the token before it.
        if follows and text[start] == " " and start not in starts and start + 1 not in ends:
            tokens[-1] = (*tokens[-1][:2], True)
            start += 1  # noqa: PLW2901 - what is left of the run
        if start < end:
            tokens.append((start, end, False))
    return tokens


def _numbered(spans: Sequence[Span], places: Sequence[tuple[int, int, bool]]) -> list[JsonValue]:
    first = {start: number for number, (start, _, _) in enumerate(places)}
    last = {end: number for number, (_, end, _) in enumerate(places)}
    return [
        {
            "start": span.start,
            "end": span.end,
            "token_start": first[span.start],
            "token_end": last[span.end],
            "label": span.label,
        }
        for span in spans
    ]
