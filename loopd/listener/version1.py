"""Owns recognising version 1's query language, and what to write in its place; pure.

Argilla 1 took Lucene's query strings over the parts of a record; Argilla 2 takes plain words with
``+``, ``-``, ``|``, ``"``, parentheses and a ``*`` at a word's end, and has filters for all else. A
query of the old kind would be searched for as text, and match nothing for ever. What stands in
double quotes is text in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

STATUSES = {
    "validated": ("status", "completed"),
    "default": ("status", "pending"),
    "edited": ("response.status", "draft"),
    "discarded": ("response.status", "discarded"),
}
"""Version 1's statuses, as condition on a record now."""

FIELDS = {
    "annotated_as": "<question>.response",
    "predicted_as": "<question>.suggestion",
    "predicted_by": "<question>.agent",
    "score": "<question>.score",
    "prediction_score": "<question>.score",
    "last_updated": "updated_at",
    "event_timestamp": "inserted_at",
    "id": "id",
}
"""Version 1's parts of a record that have a filter now."""

GONE = {
    "annotated_by": "look at `response.user_id` in the action",
    "predicted": "compare the suggestion with the answer in the action",
    "predicted_mentions": "compare the suggestion with the answer in the action",
    "explanation": "look at the records in the action",
    "tokens": "search for the words alone",
    "text": "search for the words alone",
    "words": "search for the words alone",
    "inputs": "search for the words alone",
    "metrics": "compute it in the action",
    "owner": "look at `response.user_id` in the action",
    "_exists_": "look at the records in the action",
    "_missing_": "look at the records in the action",
}
"""Those that have none, and what to do instead."""

_ALL = ("status", *FIELDS, *GONE)
_PROSE = frozenset({"id", "owner", "score", "status", "text", "tokens", "words", "predicted",
                    "inputs", "explanation"})  # fmt: skip
"""Names that stand before a colon in plain texts too, with a blank behind it."""

_VALUE = r'"[^"]*"|\[[^\]]*\]|\{[^}]*\bTO\b[^}]*\}|\([^)]*\)|[<>]=?\s*[^\s()]+|[^\s()]+'
_FIELD = re.compile(
    rf"(?<![\w.])(?P<name>metadata\.[\w.-]+|(?:inputs|metrics|tokens|text|words)\.[\w.]+|{'|'.join(_ALL)})"
    rf":(?P<blank>\s*)(?P<value>{_VALUE})",
)
_QUOTED = re.compile(r'(?<![:\w])"[^"]*"')
_NEGATED = re.compile(r"(?:\bNOT\s+|[-!])\(?$")
_RANGE = re.compile(r"[\[{]\s*(\S+)\s+TO\s+(\S+?)\s*[\]}]")
_ORDER = re.compile(r"([<>]=?)\s*(.+)")

SIGNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?<!\S)(?:AND|&&)(?!\S)"), "leave `{}` out, because all words must be there"),
    (re.compile(r"(?<!\S)(?:OR|\|\|)(?!\S)"), "write `|` for `{}`"),
    (re.compile(r"(?<!\S)NOT(?!\S)"), "write `-` before the word for `{}`"),
    (re.compile(r"(?<!\S)!(?=[\w(\"])"), "write `-` before the word for `{}`"),
    (re.compile(r"(?<!\S)\*(?::\*)?(?!\S)"), "leave `query` out, because `{}` is any record"),
    (re.compile(r"(?<!\S)\w*[*?](?=[^\W\d])[\w*?]*"), "`{}` is searched as it stands: only the "
     "end of a word may be left open, as in `refund*`"),
    (_RANGE, "`{}` is no range here: use two conditions in `filters`, with `>=` and `<=`"),
)  # fmt: skip
"""What says that words are of the old language, and what to write instead."""


def refusal(query: str) -> str | None:
    """Why a query is not what Argilla 2 takes and what to write, in one line; ``None`` if it is."""
    plain = _QUOTED.sub(lambda match: "x" * len(match[0]), query)
    fields = [match for match in _FIELD.finditer(plain) if _is_field(match)]
    if fields:
        return f"{_LEAD}: {'; '.join(dict.fromkeys(_instead(query, fields)))}"
    for pattern, instead in SIGNS:
        match = pattern.search(plain)
        if match is not None:
            says = instead.format(match[0].strip())
            return f"{_LEAD}: {says}; in double quotes it is text"
    return None


_LEAD = "`query` is in version 1's language, which Argilla 2 does not know"


_STATUSES = "for `status` " + ", ".join(
    f'`{name.capitalize()}` is ("{field}", "==", "{value}")'
    for name, (field, value) in STATUSES.items()
)


def _is_field(match: re.Match[str]) -> bool:
    """Whether it is a part of a record, and not a word of a text with a colon behind it."""
    name, value = match["name"].casefold(), match["value"]
    if not match["blank"] or name not in _PROSE:
        return True
    return bool(_RANGE.match(value)) or (name == "status" and value.casefold() in STATUSES)


def _instead(query: str, fields: list[re.Match[str]]) -> Iterator[str]:
    """What to write for the fields, and for the words that are left."""
    negated = [match for match in fields if _NEGATED.search(query[: match.start()])]
    conditions = [
        condition for match in fields if match not in negated for condition in _conditions(match)
    ]
    outside = _outside(query, fields)
    if negated or re.search(r"\bOR\b|\|\|", outside):
        yield "`filters` know no OR and no NOT, so sort such records out in the action"
    if conditions:
        yield f"write filters=[{', '.join(conditions)}]"
    for match in fields:
        name = match["name"].casefold().partition(".")[0]
        if name in GONE:
            yield f"for `{match['name']}` {GONE[name]}"
        if name == "status" and match["value"].strip('"').casefold() not in STATUSES:
            yield _STATUSES
    words = " ".join(re.sub(r"\b(?:AND|OR|NOT)\b|&&|\|\||[()!]", " ", outside).split()).strip("+-")
    if words:
        yield f"and query={words!r}"


def _outside(query: str, fields: list[re.Match[str]]) -> str:
    """The query without its fields."""
    kept, end = [], 0
    for match in fields:
        kept.append(query[end : match.start()])
        end = match.end()
    return " ".join([*kept, query[end:]])


def _conditions(match: re.Match[str]) -> Iterator[str]:
    """Conditions of ``filters`` for one field."""
    name, value = match["name"], match["value"].strip('"')
    key = name.casefold()
    field = name if key.startswith("metadata.") else FIELDS.get(key)
    if key == "status":
        field, value = STATUSES.get(value.casefold(), (None, value))
    if field is None:
        return
    limits = _limits(value)
    if limits:
        yield from (_condition(field, operator, limit) for operator, limit in limits)
    elif value.startswith("("):
        words = [word.strip('"') for word in re.split(r"\s+(?:OR\s+)?|\|\|", value[1:-1]) if word]
        yield f'("{field}", "in", {words!r})'.replace("'", '"')
    else:
        yield _condition(field, "==", value)


def _limits(value: str) -> list[tuple[str, str]]:
    """Operators and values of a range; an open end, ``*``, is no limit."""
    between = _RANGE.fullmatch(value)
    if between is not None:
        ends = (">=", between[1]), ("<=", between[2])
        return [(operator, end) for operator, end in ends if end != "*"]
    order = _ORDER.fullmatch(value)
    return [(f"{order[1][0]}=", order[2])] if order is not None else []


def _condition(field: str, operator: str, value: str) -> str:
    number = re.fullmatch(r"-?\d+(?:\.\d+)?", value) and (operator != "==" or "score" in field)
    shown = value if number else f'"{value}"'
    return f'("{field}", "{operator}", {shown})'
