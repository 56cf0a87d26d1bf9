"""Owns IOB tags: one tag for each token, to spans and back; must not know files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from loopd.config.task import label_key
from loopd.errors import DataError
from loopd.records import Span

OUTSIDE = "O"

TAG = re.compile(r"O|[BI]-.+", re.DOTALL)

Piece = tuple[int, int]
"""First character of a token, and the one after its last."""


def plain_tag(tag: str) -> str:
    """A tag without white space around it or its label, its letters composed as usual."""
    stripped = tag.strip()
    if TAG.fullmatch(stripped) is None or stripped == OUTSIDE:
        return stripped
    return f"{stripped[:2]}{label_key(stripped[2:])}"


@dataclass(slots=True)
class TagReader:
    """Reads the tags of one source, IOB2 or IOB1, and notices when it is neither.

    In IOB2 an entity begins with ``B-``. In IOB1 it begins with ``I-``, and with ``B-`` only where
    it follows an entity of the same label. Both are read by one rule: ``I-`` goes on with what
    went before if that has the same label, and begins an entity otherwise. A source that has an
    ``I-`` which only IOB1 allows and a ``B-`` which only IOB2 allows is neither.

    Attributes:
        name: how messages call the source.
        unit: what a place counts, ``line`` or ``row``.
    """

    name: str
    unit: str
    _only_iob1: tuple[int, str] | None = None
    _only_iob2: tuple[int, str] | None = None

    def spans(
        self, tags: Sequence[str], pieces: Sequence[Piece], places: Sequence[int]
    ) -> tuple[Span, ...]:
        """The spans that the tags of one text mark.

        Args:
            tags: one for each token.
            pieces: where the tokens are in the text, in order.
            places: line or row of each token.

        Raises:
            DataError: something that is no tag, or the source is neither IOB1 nor IOB2.
        """
        spans: list[Span] = []
        before = ""  # label of the token before, empty outside
        for raw, (start, end), number in zip(tags, pieces, places, strict=True):
            tag = plain_tag(raw)
            label = self._label(tag, number)
            if label and (tag[0] == "B" or label != before):
                self._note(tag, before, label, number)
                spans.append(Span(start, end, label))
            elif label:
                spans[-1] = spans[-1]._replace(end=end)
            before = label
        return tuple(spans)

    def _label(self, tag: str, number: int) -> str:
        if not TAG.fullmatch(tag):
            raise DataError(
                f"{self.name}, {self.unit} {number}: {tag[:40]!r} is no tag",
                "tags are O, B-label and I-label; turn IOBES or BILOU into IOB2 first",
            )
        return tag[2:]

    def _note(self, tag: str, before: str, label: str, number: int) -> None:
        """Remember which scheme allows this beginning of an entity."""
        if tag[0] == "I":
            self._only_iob1 = self._only_iob1 or (number, tag)
        elif before != label:
            self._only_iob2 = self._only_iob2 or (number, tag)
        if self._only_iob1 and self._only_iob2:
            (inside, wrong), (begin, fine) = self._only_iob1, self._only_iob2
            raise DataError(
                f"{self.name}, {self.unit} {inside}: {wrong} begins an entity, but on {self.unit} "
                f"{begin} {fine} does: this is neither IOB2 nor IOB1",
                f"in IOB2 an entity begins with B-: write B-{wrong[2:]} on {self.unit} {inside}",
            )


def tags_of(pieces: Sequence[Piece], spans: Sequence[Span]) -> list[str]:
    """The IOB2 tag of each token; no token may lie across the border of a span."""
    tags, left = [], list(reversed(spans))
    for start, end in pieces:
        while left and left[-1].end <= start:
            left.pop()
        span = left[-1] if left and left[-1].start < end else None
        if span is None:
            tags.append(OUTSIDE)
        else:
            tags.append(f"{'B' if span.start == start else 'I'}-{span.label}")
    return tags
