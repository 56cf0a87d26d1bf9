"""Which columns are taken for texts, ids and labels, and which are not."""

from __future__ import annotations

import pytest

from loopd.data.looking import ColumnLook
from loopd.starting.guessing import guess_id, guess_label, guess_text, words_of

TEXTS = tuple(f"My parcel number {n} has not come, what can I do?" for n in range(20))
LONG = tuple(f"{text} {text}" for text in TEXTS)
SHORT = tuple(f"parcel {n}" for n in range(20))
NUMBERS = tuple(str(n) for n in range(20))
CLASSES = tuple(("billing", "delivery", "other")[n % 3] for n in range(20))
DATES = tuple(f"2026-01-{n + 1:02d} 10:00:00 UTC" for n in range(20))
LINKS = tuple(f"https://example.org/a/very/long/path/of/words/{n}" for n in range(20))
MAILS = tuple(f"somebody.{n}@a-long-name.example.org" for n in range(20))
NAMES = tuple(("Ann Lee", "Bo Ek", "Cy Orr")[n % 3] for n in range(20))


def column(
    name: str, values: tuple[str, ...], *, lists: bool = False, rows: int = 20
) -> ColumnLook:
    return ColumnLook(name, rows, values, lists)


def columns(**values: tuple[str, ...]) -> tuple[ColumnLook, ...]:
    return tuple(column(name, cells) for name, cells in values.items())


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (columns(id=NUMBERS, text=TEXTS, notes=LONG), "text"),
        (columns(subject=SHORT, body=TEXTS), "body"),
        (columns(title=SHORT, story=LONG), "story"),
        (columns(MessageBody=TEXTS, internal_notes=LONG), "MessageBody"),
        (columns(message_id=TEXTS, question_type=LONG, review_en=TEXTS), "review_en"),
        (columns(comment_author=NAMES, comment_body=TEXTS), "comment_body"),
        (columns(created=DATES, link=LINKS, mail=MAILS, story=TEXTS), "story"),
        (columns(Nachricht=TEXTS, Anhang=LONG), "Nachricht"),
        (columns(whatever=SHORT), "whatever"),
        (columns(whatever=("My parcel is late", "It is broken") * 10), "whatever"),
        (columns(Beschreibung=("商品がまだ届きません",) * 10 + TEXTS[:10]), "Beschreibung"),
        (columns(created=DATES, link=LINKS, mail=MAILS), None),
        (columns(text=NUMBERS, label=CLASSES), None),
        (columns(agent=NAMES, kind=CLASSES), None),
        ((column("text", (), rows=20),), None),
        ((column("text", TEXTS, lists=True),), None),
    ],
)
def test_the_column_of_texts(there: tuple[ColumnLook, ...], expected: str | None) -> None:
    guess = guess_text(there)
    assert (guess and guess.column) == expected
    assert guess is None or guess.reason


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (columns(text=TEXTS, ticket_id=NUMBERS, id=NUMBERS), "id"),
        (columns(text=TEXTS, TicketNumber=NUMBERS), "TicketNumber"),
        (columns(text=TEXTS, customer_id=CLASSES), None),
        (columns(text=TEXTS, paid=NUMBERS), None),
        ((column("id", NUMBERS[:19]),), None),
        (columns(id=tuple(f"\ufeff{number}" for number in NUMBERS)), None),
        (columns(key=tuple(number * 200 for number in NUMBERS)), None),
    ],
)
def test_the_column_of_ids(there: tuple[ColumnLook, ...], expected: str | None) -> None:
    guess = guess_id(there, {"text"})
    assert (guess and guess.column) == expected


@pytest.mark.parametrize(
    ("there", "labels", "expected"),
    [
        (columns(text=TEXTS, topic=CLASSES), (), "topic"),
        (columns(text=TEXTS, topic=CLASSES, label=CLASSES), (), "label"),
        (columns(text=TEXTS, ticket_category=CLASSES), (), "ticket_category"),
        (columns(text=TEXTS, channel=CLASSES), (), None),
        (columns(text=TEXTS, label=TEXTS), (), None),
        (columns(text=TEXTS, label=("x",) * 20), (), None),
        (columns(text=TEXTS, channel=CLASSES), ("other", "billing", "delivery"), "channel"),
        (columns(text=TEXTS, label=CLASSES), ("spam", "ham"), None),
    ],
)
def test_the_column_of_labels(
    there: tuple[ColumnLook, ...], labels: tuple[str, ...], expected: str | None
) -> None:
    guess = guess_label(there, {"text"}, labels)
    assert (guess and guess.column) == expected


def test_words_in_names() -> None:
    assert words_of("ticketBody_en") == ["ticket", "body", "en"]
    assert words_of("Message Body") == ["message", "body"]
    assert words_of("  ") == []
