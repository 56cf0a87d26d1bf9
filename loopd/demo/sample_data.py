"""Owns the bundled sample data set: customer questions of six kinds, composed from phrases.

Must not be needed at run time: the CSV files beside it are committed. ``python -m
loopd.demo.sample_data`` writes them again, byte for byte.
"""

from __future__ import annotations

import csv
import io
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from loopd.storage.files import write_atomic

FOLDER = Path(__file__).parent / "data"
PHRASES = FOLDER / "phrases.yaml"
POOL_FILE = FOLDER / "questions_pool.csv"
TEST_FILE = FOLDER / "questions_test.csv"

LABELS = ("account", "billing", "delivery", "product", "returns", "technical")
"""The six kinds of questions, as the gold column names them."""

SEED = 20
POOL_SIZE = 1800
TEST_SIZE = 450

GUIDELINES = """\
What is the **main request** of the customer? Take the last one if there are two.

- **account**: login, password, profile, privacy, points, newsletter
- **billing**: charges, invoices, prices, vouchers, ways to pay
- **delivery**: where a parcel is, address, courier, shipping times
- **product**: what an item is like, whether it fits, stock, spare parts
- **returns**: sending back, exchange, refund of a returned item, warranty
- **technical**: a device, the app or the site does not work as it should
"""
"""Annotation guidelines of the data set, Markdown."""

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """One generated text.

    Attributes:
        id: ``q`` and four digits, unique in pool and test set together.
        text: what the customer writes.
        label: one of :data:`LABELS`.
    """

    id: str
    text: str
    label: str


def generate(seed: int = SEED) -> tuple[tuple[Question, ...], tuple[Question, ...]]:
    """The pool and the test set: all texts differ, also when case and punctuation are ignored."""
    rng = random.Random(seed)  # noqa: S311 - a sample, not a secret
    by_words: dict[str, tuple[str, str]] = {}
    while len(by_words) < POOL_SIZE + TEST_SIZE:
        label, text = _question(rng)
        by_words.setdefault(re.sub(r"\W+", " ", text.casefold()).strip(), (label, text))
    questions = [
        Question(f"q{number:04d}", text, label)
        for number, (label, text) in enumerate(by_words.values(), start=1)
    ]
    return tuple(questions[TEST_SIZE:]), tuple(questions[:TEST_SIZE])


def write_files(folder: Path = FOLDER) -> tuple[Path, Path]:
    """Write the pool and the test set as CSV with the columns id, text and label."""
    pool, test = generate()
    paths = folder / POOL_FILE.name, folder / TEST_FILE.name
    for path, questions in zip(paths, (pool, test), strict=True):
        write_atomic(path, _csv(questions))
    return paths


def _csv(questions: Sequence[Question]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("id", "text", "label"))
    writer.writerows((question.id, question.text, question.label) for question in questions)
    return buffer.getvalue()


@cache
def _phrases() -> Mapping[str, Any]:
    phrases: dict[str, Any] = yaml.safe_load(PHRASES.read_text(encoding="utf-8"))
    return phrases


def _question(rng: random.Random) -> tuple[str, str]:
    """One random label and text."""
    label = _weighed(rng, _phrases()["labels"], "share")
    intent = _weighed(rng, label["intents"], "often")
    core = _fill(rng, _pick(rng, intent["say"]))
    text = _style(rng, _compose(rng, core))
    return str(label["name"]), text


# Everything is drawn with `random()` alone: the one method that Python promises never to change.
def _pick(rng: random.Random, choices: Sequence[T]) -> T:
    return choices[int(rng.random() * len(choices))]


def _between(rng: random.Random, low: int, high: int) -> int:
    return low + int(rng.random() * (high - low + 1))


def _weighed(rng: random.Random, choices: Sequence[Any], weight: str) -> Any:
    point = rng.random() * sum(choice[weight] for choice in choices)
    for choice in choices:
        point -= choice[weight]
        if point < 0:
            return choice
    return choices[-1]


def _fill(rng: random.Random, pattern: str) -> str:
    """Choose the alternatives, then fill the words; no word comes twice in one text."""
    resolved = re.sub(r"\[([^\]]*)\]", lambda match: _pick(rng, match[1].split("|")), pattern)
    used: set[str] = set()
    filled = re.sub(r"\{(\w+?)2?\}", lambda match: _word(rng, match[1], used), resolved)
    return " ".join(filled.split())


def _word(rng: random.Random, name: str, used: set[str]) -> str:
    word = _filler(rng, name)
    while word in used:
        word = _filler(rng, name)
    used.add(word)
    return word


def _filler(rng: random.Random, name: str) -> str:
    if name in _MADE:
        return _MADE[name](rng)
    return str(_pick(rng, _phrases()["words"][name]))


def _amount(rng: random.Random) -> str:
    cents = _pick(rng, ("", ".50", ".90", ".99"))
    return f"{_between(rng, 4, 240)}{cents} {_pick(rng, ('euros', 'EUR', 'dollars'))}"


_MADE: Mapping[str, Callable[[random.Random], str]] = {
    "number": lambda rng: str(_between(rng, 20_000, 99_999)),
    "amount": _amount,
    "days": lambda rng: str(_between(rng, 2, 12)),
    "date": lambda rng: f"{_pick(rng, MONTHS)} {_between(rng, 1, 28)}",
    "year": lambda rng: str(_between(rng, 2014, 2024)),
    "code": lambda rng: f"{_pick(rng, 'EFHX')}{_between(rng, 10, 99)}",
}
"""Words that are made up on the spot."""


def _compose(rng: random.Random, core: str) -> str:
    """Put something before and after the question, more or less often."""
    parts = [_sentence(core)]
    if rng.random() < 0.1:
        parts.insert(0, _fill(rng, _pick(rng, _phrases()["asides"])))
    if rng.random() < 0.35:
        parts = _open_with(_pick(rng, _phrases()["openers"]), parts)
    if rng.random() < 0.35:
        parts.append(_fill(rng, _pick(rng, _phrases()["closers"])))
    return " ".join(parts)


def _sentence(core: str) -> str:
    end = "" if core.endswith(("?", ".", "!")) else "."
    return core[0].upper() + core[1:] + end


def _open_with(opener: str, parts: list[str]) -> list[str]:
    first = parts[0]
    small = (
        first if opener.endswith(".") or first.startswith("I ") else first[0].lower() + first[1:]
    )
    return [opener, small, *parts[1:]]


def _style(rng: random.Random, text: str) -> str:
    """Write it as people do: some in small letters, some shortened, some with typos."""
    if rng.random() < 0.2:
        text = text.lower().rstrip(".")
    if rng.random() < 0.15:
        text = _shorten(text)
    if rng.random() < 0.18:
        text = _mistype(rng, text)
    return text


SHORT_FORMS = (
    (r"\byou\b", "u"),
    (r"\b[Pp]lease\b", "pls"),
    (r"\b[Tt]hank you\b", "thx"),
    (r"\bdoes not\b", "doesnt"),
    (r"\bcannot\b", "cant"),
    (r"\b[Ii] am\b", "im"),
    (r"\bbecause\b", "bc"),
    (r"\bwith\b", "w/"),
)


def _shorten(text: str) -> str:
    for long, short in SHORT_FORMS:
        text = re.sub(long, short, text)
    return text


def _mistype(rng: random.Random, text: str) -> str:
    """Swap, drop or double a letter inside one or two longer words."""
    words = text.split(" ")
    places = [index for index, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    for _ in range(min(len(places), _between(rng, 1, 2))):
        index = _pick(rng, places)
        words[index] = _slip(rng, words[index])
    return " ".join(words)


def _slip(rng: random.Random, word: str) -> str:
    at = _between(rng, 1, len(word) - 3)
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    dropped = word[:at] + word[at + 1 :]
    doubled = word[:at] + word[at] + word[at:]
    return _pick(rng, (swapped, dropped, doubled))


if __name__ == "__main__":
    write_files()
