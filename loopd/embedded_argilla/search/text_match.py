"""Whether a record's texts meet a text query; pure, knows neither SQL nor Argilla."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loopd.embedded_argilla.search.text_query import Group, Part, Phrase, Prefix, Words
from loopd.embedded_argilla.search.words import split_words


@dataclass(frozen=True, slots=True)
class FieldText:
    """One field's words: `segments` in order (a chat has one per message), and all as a set."""

    segments: tuple[tuple[str, ...], ...]
    words: frozenset[str]


def field_text(texts: Iterable[str]) -> FieldText:
    """Cut the texts of one field into words; phrases do not reach over from one to the next."""
    segments = tuple(tuple(split_words(text)) for text in texts)
    return FieldText(segments, frozenset(word for segment in segments for word in segment))


def keyword_text(values: Iterable[str]) -> FieldText:
    """Return values that match as a whole only, such as the roles of a chat."""
    segments = tuple((value.lower(),) for value in values)
    return FieldText(segments, frozenset(segment[0] for segment in segments))


def matches(group: Group, fields: Sequence[FieldText]) -> bool:
    """Tell whether the fields together meet the query: each part in any one of them."""
    met = True
    for number, step in enumerate(group.steps):
        if number and met == (step.operator == "or"):
            continue
        met = _matches_part(step.part, fields) != step.negated
    return met


def _matches_part(part: Part, fields: Sequence[FieldText]) -> bool:
    if isinstance(part, Group):
        return matches(part, fields)
    return any(_field_matches(part, field) for field in fields)


def _field_matches(part: Words | Prefix | Phrase, field: FieldText) -> bool:
    if isinstance(part, Prefix):
        return any(word.startswith(part.start) for word in field.words)
    if isinstance(part, Words) and part.edits:
        return all(
            any(_near(term, word, part.edits) for word in field.words) for term in part.words
        )
    if not field.words.issuperset(part.words):
        return False
    return isinstance(part, Words) or any(_in_order(part, segment) for segment in field.segments)


def _in_order(phrase: Phrase, words: Sequence[str]) -> bool:
    """Sloppy phrase matching as in Lucene: how far the words' places stray from the phrase's."""
    shifts: set[tuple[int, int]] | None = None
    for offset, query_word in enumerate(phrase.words):
        here = [position - offset for position, word in enumerate(words) if word == query_word]
        if shifts is None:
            shifts = {(shift, shift) for shift in here}
        else:
            shifts = {(min(low, shift), max(high, shift)) for low, high in shifts for shift in here}
            shifts = {(low, high) for low, high in shifts if high - low <= phrase.slop}
        if not shifts:
            return False
    return True


def _near(query_word: str, word: str, edits: int) -> bool:
    """Tell whether at most `edits` letters need to be added, left out or changed (Levenshtein)."""
    if abs(len(query_word) - len(word)) > edits:
        return False
    row = list(range(len(word) + 1))
    for line, letter in enumerate(query_word, start=1):
        above, row[0] = row[0], line
        for column, other in enumerate(word, start=1):
            best = min(row[column] + 1, row[column - 1] + 1, above + (letter != other))
            above, row[column] = row[column], best
    return row[-1] <= edits
