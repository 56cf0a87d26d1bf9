"""Makes the small data sets of the example configurations, out of templates and a seed.

    python configs/data/make_examples.py

Three made-up sets in the folder of this script: hotel reviews with the aspects they speak of
(several labels), messages with names (spans), and requests with the answers of people who do not
always agree (several annotators). They are for trying things out, not for measuring anything.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]

HERE = Path(__file__).parent
POOL, TEST = 240, 80

# -- reviews: which aspects does a guest speak of? -------------------------------------------------

ASPECTS: dict[str, tuple[str, ...]] = {
    "room": (
        "the {bed} was {far} too {soft}", "our room {looked} onto a {noisy} yard",
        "the bathroom had no {window}", "we slept badly behind the thin {walls}",
    ),
    "food": (
        "breakfast came {late} and cold", "the {soup} tasted of nothing",
        "dinner by the {fire} was a feast", "nobody bakes {bread} like theirs",
    ),
    "staff": (
        "the woman at the desk {smiled} at everybody", "the porter {forgot} our bags",
        "somebody carried the trunks up without being asked", "the waiter knew us by {name}",
    ),
    "price": (
        "for that money one may expect {more}", "it was {cheaper} than the campsite",
        "the bill held two {nights} that we never had", "parking costs extra, {naturally}",
    ),
    "place": (
        "the {beach} lies around the corner", "from the station it is a {long} walk",
        "the old town begins at the {door}", "one hears the {harbour} all night",
    ),
}  # fmt: skip
WORDS: dict[str, tuple[str, ...]] = {
    "bed": ("bed", "mattress", "sofa bed", "pillow"), "far": ("far", "much", "really"),
    "soft": ("soft", "hard", "short", "narrow"), "looked": ("looked", "opened"),
    "noisy": ("noisy", "quiet", "grey", "leafy"), "window": ("window", "light", "hook", "mirror"),
    "walls": ("walls", "door", "curtains"), "late": ("late", "early", "in a basket"),
    "soup": ("soup", "stew", "coffee", "cake"), "fire": ("fire", "lake", "window"),
    "bread": ("bread", "rolls", "plum cake"), "smiled": ("smiled", "barked", "sang"),
    "forgot": ("forgot", "found", "dropped", "minded"), "name": ("name", "the second day"),
    "more": ("more", "towels", "quiet"), "cheaper": ("cheaper", "dearer"),
    "nights": ("nights", "dinners", "guests"), "naturally": ("naturally", "alas", "of course"),
    "beach": ("beach", "market", "museum", "ferry"), "long": ("long", "short", "steep", "pretty"),
    "door": ("door", "gate", "bridge"), "harbour": ("harbour", "motorway", "church bells"),
}  # fmt: skip
FILLERS = (
    "We were {count} people and stayed {count} nights.", "We came in {month}.",
    "My {kin} had booked it.", "It rained.", "This was our {nth} time here.", "See you in {month}.",
)  # fmt: skip
COMMON: dict[str, tuple[str, ...]] = {
    "count": ("two", "three", "four", "five"), "month": ("May", "June", "October", "winter"),
    "kin": ("sister", "uncle", "boss", "neighbour"), "nth": ("first", "second", "third", "last"),
}  # fmt: skip


def filled(rng: random.Random, template: str, words: dict[str, tuple[str, ...]]) -> str:
    """The template with a word for each gap."""
    drawn = {name: rng.choice(choices) for name, choices in words.items()}
    return template.format(**drawn)


def sentence(text: str) -> str:
    """The words as a sentence."""
    return f"{text[0].upper()}{text[1:]}."


def review(rng: random.Random) -> Row:
    """Up to three aspects and some idle talk, in any order."""
    aspects = rng.sample(sorted(ASPECTS), rng.choice((0, 1, 1, 1, 2, 2, 3)))
    said = [sentence(filled(rng, rng.choice(ASPECTS[each]), WORDS)) for each in aspects]
    said += [filled(rng, rng.choice(FILLERS), COMMON) for _ in range(rng.choice((1, 1, 2)))]
    rng.shuffle(said)
    return {"text": " ".join(said), "aspects": [each for each in ASPECTS if each in aspects]}


# -- messages: who, where, what? -------------------------------------------------------------------

NAMES: dict[str, tuple[str, ...]] = {
    "person": (
        "Ada Brandt", "Mr Okoye", "Lin", "Señora Peña", "Tom", "Dr. Abendroth", "Noor", "Jo-Ann",
        "Ömer", "Bea O'Neill", "Yuki", "old Fritz",
    ),
    "place": (
        "Lisbon", "the North Gate", "Pier 9", "Zürich", "Kollwitz Square", "the blue house", "Oslo",
        "Hall C", "Montréal", "Upper Lane", "Łódź",
    ),
    "parcel": (
        "a green trunk", "the harp", "three crates", "a box of screws", "the wedding cake",
        "two bicycles", "a letter", "the spare wheel",
    ),
}  # fmt: skip
LINES = (
    "{person} takes {parcel} to {place}.", "Is {person} still in {place}?",
    "Nobody in {place} has seen {parcel} 😕", "{parcel} for {person}, left at {place}!",
    "Please call {person} before eight.", "{place}, {place2} and back, says {person}.",
    "All quiet today.", "Who ordered {parcel}?", "{person} and {person2} share {parcel}.",
    "The road to {place} is closed, tell {person} 🚧.", "Nothing new from the depot.",
)  # fmt: skip


def message(rng: random.Random) -> Row:
    """A line with its names marked."""
    template, text, spans = rng.choice(LINES), "", []
    while template:
        before, _, rest = template.partition("{")
        gap, _, template = rest.partition("}")
        text += before
        if gap:
            label = gap.rstrip("2")
            name = rng.choice(NAMES[label])
            spans.append({"start": len(text), "end": len(text) + len(name), "label": label})
            text += name
    return {"text": text, "spans": spans}


# -- requests: is it polite? -----------------------------------------------------------------------

TONES: dict[str, tuple[str, ...]] = {
    "polite": (
        "Could you {do} {thing} when you have a minute?", "Would it be possible to {do} {thing}?",
        "Many thanks for looking at {thing}.", "Sorry to ask again about {thing}, and thank you.",
        "I would be glad if you could {do} {thing}.",
    ),
    "curt": (
        "{Do} {thing}.", "Why is {thing} still not done?", "I have asked for {thing} twice now.",
        "{Do} {thing} today, not tomorrow.", "What is so hard about {thing}?",
    ),
}  # fmt: skip
ASKED: dict[str, tuple[str, ...]] = {
    "do": ("check", "send", "fix", "update", "translate", "print"),
    "thing": (
        "the invoice", "page four", "my account", "the new poster", "the minutes", "the archive",
        "the broken link", "the list of guests", "the old form", "the map",
    ),
}  # fmt: skip
PEOPLE = {"ines": 0.05, "jonas": 0.15, "kim": 0.35}
"""Share of wrong answers of each."""


def request(rng: random.Random) -> Row:
    """A request with its tone."""
    tone = rng.choice(sorted(TONES))
    drawn = {name: rng.choice(choices) for name, choices in ASKED.items()}
    drawn["Do"] = drawn["do"].capitalize()
    greeting = rng.choice(("", "", "Hello. ", "Hi there, ", "To the office: "))
    return {"text": greeting + rng.choice(TONES[tone]).format(**drawn), "tone": tone}


def answered(rng: random.Random, row: Row) -> Row:
    """The request with two people's answers, some of them wrong."""
    others = {"polite": "curt", "curt": "polite"}
    answers = {
        name: others[row["tone"]] if rng.random() < PEOPLE[name] else row["tone"]
        for name in sorted(rng.sample(sorted(PEOPLE), 2))
    }
    return {**row, "answers": answers}


# -- files -----------------------------------------------------------------------------------------


def distinct(make: Callable[[random.Random], Row], rng: random.Random) -> Iterator[Row]:
    """Rows whose texts are all different."""
    seen: set[str] = set()
    while True:
        row = make(rng)
        if row["text"] not in seen:
            seen.add(row["text"])
            yield row


def write(name: str, rows: list[Row]) -> None:
    """Write a JSON Lines file beside this script."""
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    (HERE / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def main() -> None:
    """Write all sets."""
    for name, make in (("reviews", review), ("messages", message), ("requests", request)):
        rng = random.Random(name)  # noqa: S311 - texts, no secrets
        rows = distinct(make, rng)
        pool = [next(rows) for _ in range(POOL)]
        if name == "requests":
            pool = [
                answered(rng, row) if place < POOL // 6 else row for place, row in enumerate(pool)
            ]
        write(name, pool)
        write(f"{name}-test", [next(rows) for _ in range(TEST)])


if __name__ == "__main__":
    main()
