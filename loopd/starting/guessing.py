"""Owns the guesses which columns hold texts, ids and labels, with their reasons; reads no file.

A guess is made where a name and what is in the column agree. Where nothing fits there is none: a
wrong column costs people's work, a question costs a word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from loopd.data.columns import SENTENCE
from loopd.data.looking import ColumnLook
from loopd.data.usable import LONGEST_ID

TEXT_NAMES = (
    "text", "body", "message", "content", "utterance", "sentence", "document", "question",
    "comment", "review", "tweet", "post", "feedback", "description", "abstract", "email", "ticket",
    "texte", "texto", "testo", "nachricht", "inhalt", "beschreibung", "kommentar", "frage",
)  # fmt: skip
"""Usual names of columns of texts, or words in them, the likeliest first."""

ID_NAMES = ("id", "uuid", "guid", "uid", "key", "number", "nr", "no", "ref")
"""Usual last words of the names of columns of ids."""

LABEL_NAMES = (
    "label", "labels", "category", "categories", "class", "topic", "topics", "intent", "target",
    "tag", "tags", "sentiment", "gold", "kategorie", "thema", "klasse", "categoria", "etiquette",
)  # fmt: skip
"""Usual last words of the names of columns of labels."""

ABOUT_TEXTS = (
    *("type", "date", "time", "author", "user", "name", "by", "lang", "language", "url", "link"),
    *("status", "source", "length", "count", "score", "title", "subject"),
)
"""Last words of the names of columns that say something about a text, and are none."""

MOST_LABELS = 100
"""So many different values a column of labels has at most."""

LONGEST_LABEL = 60
"""Characters that its values have on average at most."""

SHORTEST_TEXT = 10.0
"""Characters that texts have on average at least, where no usual name speaks for a column."""

_NO_TEXT = re.compile(
    r"https?://\S+|\S+@\S+\.\S+|\d{4}-\d\d-\d\d.*|\d{1,2}[./]\d{1,2}[./]\d{2,4}.*"
)
"""Addresses and dates, which may be long and hold blanks."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A column, and why it is the one.

    Attributes:
        column: its name.
        reason: in a few words, for people.
    """

    column: str
    reason: str


def guess_text(columns: Sequence[ColumnLook]) -> Guess | None:
    """The column that people are to read."""
    texts = [column for column in columns if _is_text(column)]
    named = [column for column in texts if _rank(column.name, TEXT_NAMES) is not None]
    if named:
        best = min(named, key=lambda column: (_order(column.name), -column.mean_length))
        return Guess(best.name, f"it is called so, and holds {_length(best)}")
    if len(columns) == 1 and _has_words(columns[0]):
        return Guess(columns[0].name, "there is no other")
    long = [column for column in texts if column.mean_length >= SHORTEST_TEXT]
    if not long:
        return None
    best = max(long, key=lambda column: column.mean_length)
    return Guess(best.name, f"it holds the longest texts: {_length(best)}")


def guess_id(columns: Sequence[ColumnLook], taken: Collection[str]) -> Guess | None:
    """The column whose values name the rows; whether they do to the end is for others to see."""
    fitting = [
        column
        for column in columns
        if column.name not in taken
        and not column.lists
        and column.is_full
        and column.distinct == column.rows
        and all(value.isprintable() and len(value) <= LONGEST_ID for value in column.values)
        and _last_rank(column.name, ID_NAMES) is not None
    ]
    if not fitting:
        return None
    best = min(fitting, key=lambda column: _last_rank(column.name, ID_NAMES) or (0, 0))
    return Guess(best.name, "it is called so, and no value comes twice")


def guess_label(
    columns: Sequence[ColumnLook], taken: Collection[str], labels: Collection[str] = ()
) -> Guess | None:
    """The column of labels that are known already.

    Args:
        columns: of the file.
        taken: names of columns that hold something else.
        labels: of the task, if they are said: then a column that holds nothing else is one.
    """
    free = [column for column in columns if column.name not in taken and column.values]
    if labels:
        holding = [column for column in free if {*_stripped(column)} <= {*labels}]
        return Guess(holding[0].name, "it holds nothing but your labels") if holding else None
    fitting = [
        column
        for column in free
        if _last_rank(column.name, LABEL_NAMES) is not None and _holds_labels(column)
    ]
    if not fitting:
        return None
    best = min(fitting, key=lambda column: _last_rank(column.name, LABEL_NAMES) or (0, 0))
    return Guess(best.name, f"it is called so, and holds {best.distinct} different values")


def cell_among_names(columns: Sequence[ColumnLook]) -> str | None:
    """What stands where names of columns do, and is rather a cell of the first row of a file.

    A form's question is a sentence, too: this is a doubt, not a proof. What people write over a
    column, such as ``#`` or ``2023``, is none.
    """
    guess = guess_text(columns)
    dated = [c.name for c in columns if _NO_TEXT.fullmatch(c.name.strip())]
    texts = [c.name for c in columns if guess is None or c.name == guess.column]
    sentences = [name for name in texts if _is_sentence(name)]
    if dated or sentences or guess is None or _is_usual(guess.column):
        return next(iter((*dated, *sentences)), None)
    return guess.column if any(map(_is_one_of_its_values, columns)) else None


def _is_sentence(name: str) -> bool:
    words = name.split()
    ended = len(words) > 2 and name.rstrip().endswith((".", "!", "…", "。"))
    return len(words) >= SENTENCE or ended


def _is_usual(name: str) -> bool:
    return _rank(name, TEXT_NAMES) is not None and len(words_of(name)) <= 2


def _is_one_of_its_values(column: ColumnLook) -> bool:
    """Whether the name could stand below: a label among labels, a number that goes on with them."""
    if any(letter.isalpha() for letter in column.name):
        few = 2 * column.distinct <= len(column.values)
        return few and column.name.strip() in _stripped(column)
    try:
        number, values = float(column.name), [float(value) for value in column.values]
    except ValueError:
        return False
    return bool(values) and min(values) - 1 <= number <= max(values) + 1


def words_of(name: str) -> list[str]:
    """The words in the name of a column: ``ticketBody_en`` has three."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[\W_]+", apart.casefold()) if word]


def _is_text(column: ColumnLook) -> bool:
    """Whether it holds words, and seldom the same ones."""
    return _has_words(column) and 4 * column.distinct > len(column.values)


def _has_words(column: ColumnLook) -> bool:
    if column.lists or not column.values:
        return False
    said = [value for value in column.values if any(letter.isalpha() for letter in value)]
    written = [value for value in said if not _NO_TEXT.fullmatch(value.strip())]
    several = [value for value in written if len(value.split()) > 1 or not value.isascii()]
    return 2 * len(several) > len(column.values)


def _holds_labels(column: ColumnLook) -> bool:
    repeated = len(column.values) < 10 or column.distinct < len(column.values)
    return 2 <= column.distinct <= MOST_LABELS and column.mean_length <= LONGEST_LABEL and repeated


def _rank(name: str, names: Sequence[str]) -> tuple[int, int] | None:
    """How well a name is a usual one: whether it is all of the name, and how usual; small is good.

    A name that ends with a word for something else is none of a text, such as ``message_id``.
    """
    words = words_of(name)
    hits = [names.index(word) for word in words if word in names]
    if not hits or (len(words) > 1 and words[-1] in (*ID_NAMES, *LABEL_NAMES, *ABOUT_TEXTS)):
        return None
    return (int(len(words) > 1), min(hits))


def _order(name: str) -> tuple[int, int]:
    return _rank(name, TEXT_NAMES) or (2, 0)


def _last_rank(name: str, names: Sequence[str]) -> tuple[int, int] | None:
    words = words_of(name)
    if not words or words[-1] not in names:
        return None
    return (int(len(words) > 1), names.index(words[-1]))


def _stripped(column: ColumnLook) -> list[str]:
    return [value.strip() for value in column.values]


def _length(column: ColumnLook) -> str:
    return f"{column.mean_length:.0f} characters on average"
