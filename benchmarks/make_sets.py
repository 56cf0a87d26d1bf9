"""Turns the public raw files into pools, test sets and configurations for ``loopd simulate``.

    python benchmarks/make_sets.py DATA_DIR OUT_DIR

DATA_DIR holds the raw files as published, one folder for each data set:

- ``trec/{train,test}.jsonl``: ``text``, ``label`` (6 kinds), ``fine_label`` (50 kinds);
- ``tweeteval_emoji/{train,test}.jsonl.gz``: ``text``, ``label`` (20 emoji);
- ``goemotions/{train,test}.jsonl.gz``: ``text``, ``labels`` (28, one or more);
- ``politeness/{train,test}.jsonl``: ``text``; train with ``initial_annotations`` and
  ``extra_annotations`` ({annotator: 0 or 1}), test with ``label`` (0 or 1);
- ``wnut17/{train,dev,test}.jsonl``: ``tokens``, ``tags`` (BIO, 6 types of entities).

OUT_DIR receives a folder for each set, with ``pool.jsonl``, ``test.jsonl`` and ``config.yaml``.
In every set a text that repeats (but for case and white space) is kept once, and a text of the
pool that is also in the whole test set is left out of the pool.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Row = dict[str, Any]
Label = str | list[str] | list[dict[str, Any]]
Pair = tuple[str, Label]
"""A text and its label, its labels, or its spans."""

HELD_OUT = 1_000
"""Training texts that `trec_dev` holds out in place of the test set."""

EKMAN: dict[str, tuple[str, ...]] = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": (
        "joy", "amusement", "approval", "excitement", "gratitude", "love", "optimism", "relief",
        "pride", "admiration", "desire", "caring",
    ),
    "sadness": ("sadness", "disappointment", "embarrassment", "grief", "remorse"),
    "surprise": ("surprise", "realization", "confusion", "curiosity"),
    "neutral": ("neutral",),
}  # fmt: skip
"""Emotions by group, after Demszky et al. (2020), appendix: Ekman's six and neutral."""

GROUP_OF = {emotion: group for group, members in EKMAN.items() for emotion in members}


@dataclass(frozen=True)
class Recipe:
    """How one set is made.

    Attributes:
        title: what people are asked.
        read: pool and test set, from the folder of raw files.
        rounds: batches of a run.
        kind: of task.
        batch: texts of a batch.
        size: of the pool at most; ``None``: all texts.
    """

    title: str
    read: Callable[[Path, int], tuple[Sequence[Pair], Sequence[Pair]]]
    rounds: int
    kind: str = "single_label"
    batch: int = 20
    size: int | None = None


def rows_of(path: Path) -> list[Row]:
    """The objects of a JSON Lines file, gzipped or not."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def normal(text: str) -> str:
    """The text by which repeats are found."""
    return " ".join(text.casefold().split())


def distinct(pairs: Iterable[Pair], taken: Iterable[Pair] = ()) -> list[Pair]:
    """The first of each text, without empty ones and without those that are taken."""
    seen = {"", *(normal(text) for text, _ in taken)}
    kept = []
    for text, label in pairs:
        if normal(text) not in seen:
            seen.add(normal(text))
            kept.append((text, label))
    return kept


def trec(column: str) -> Callable[[Path, int], tuple[Sequence[Pair], Sequence[Pair]]]:
    """TREC questions with the six kinds (``label``) or the fifty (``fine_label``)."""

    def read(raw: Path, _seed: int) -> tuple[Sequence[Pair], Sequence[Pair]]:
        train, test = (
            [(row["text"], row[column]) for row in rows_of(raw / "trec" / f"{name}.jsonl")]
            for name in ("train", "test")
        )
        return train, test

    return read


def trec_dev(raw: Path, seed: int) -> tuple[Sequence[Pair], Sequence[Pair]]:
    """TREC's training texts alone, some held out: for choosing settings without the test set."""
    train, test = trec("label")(raw, seed)
    texts = distinct(train, test)
    held = set(random.Random(seed).sample(range(len(texts)), HELD_OUT))  # noqa: S311
    pool = [pair for place, pair in enumerate(texts) if place not in held]
    return pool, [texts[place] for place in sorted(held)]


def emoji(raw: Path, _seed: int) -> tuple[Sequence[Pair], Sequence[Pair]]:
    """Tweets by the emoji they came with."""
    folder = raw / "tweeteval_emoji"
    train, test = (
        [(row["text"], str(row["label"])) for row in rows_of(folder / f"{name}.jsonl.gz")]
        for name in ("train", "test")
    )
    return train, test


def goemotions(raw: Path, _seed: int) -> tuple[Sequence[Pair], Sequence[Pair]]:
    """Comments whose emotions all fall into one group."""
    train, test = (
        [pair for row in rows_of(raw / "goemotions" / f"{name}.jsonl.gz") for pair in _grouped(row)]
        for name in ("train", "test")
    )
    return train, test


def _grouped(row: Row) -> list[Pair]:
    groups = {GROUP_OF[emotion] for emotion in row["labels"]}
    return [(row["text"], groups.pop())] if len(groups) == 1 else []


def politeness(raw: Path, _seed: int) -> tuple[Sequence[Pair], Sequence[Pair]]:
    """Requests by the majority of all annotations; texts with a tie are left out of the pool."""
    names = ("impolite", "polite")
    train = [
        (row["text"], names[vote])
        for row in rows_of(raw / "politeness" / "train.jsonl")
        if (vote := _majority(row)) is not None
    ]
    test = [
        (row["text"], names[row["label"]]) for row in rows_of(raw / "politeness" / "test.jsonl")
    ]
    return train, test


def _majority(row: Row) -> int | None:
    votes = [*row["initial_annotations"].values(), *row["extra_annotations"].values()]
    ones = sum(votes)
    return None if 2 * ones == len(votes) else int(2 * ones > len(votes))


def emotions(raw: Path, _seed: int) -> tuple[Sequence[Pair], Sequence[Pair]]:
    """Comments with all their emotions."""
    train, test = (
        [(row["text"], row["labels"]) for row in rows_of(raw / "goemotions" / f"{name}.jsonl.gz")]
        for name in ("train", "test")
    )
    return train, test


def wnut(test_file: str) -> Callable[[Path, int], tuple[Sequence[Pair], Sequence[Pair]]]:
    """Sentences with their entities; words are joined by blanks."""

    def read(raw: Path, _seed: int) -> tuple[Sequence[Pair], Sequence[Pair]]:
        train, test = (
            [_marked(row) for row in rows_of(raw / "wnut17" / f"{name}.jsonl")]
            for name in ("train", test_file)
        )
        return train, test

    return read


def _marked(row: Row) -> Pair:
    text, spans = "", []
    for token, tag in zip(row["tokens"], row["tags"], strict=True):
        text += " " if text else ""
        if tag.startswith("B-"):
            spans.append({"start": len(text), "end": len(text), "label": tag[2:]})
        text += token
        if tag != "O":
            spans[-1]["end"] = len(text)
    return text, spans


RECIPES: dict[str, Recipe] = {
    "trec": Recipe("What does the question ask for?", trec("label"), 13),
    "trec_dev": Recipe("What does the question ask for?", trec_dev, 13),
    "trec_fine": Recipe("What exactly does the question ask for?", trec("fine_label"), 25),
    "emoji": Recipe("Which emoji fits?", emoji, 25),
    "goemotions": Recipe("Which emotion does it show?", goemotions, 25),
    "politeness": Recipe("Is the request polite?", politeness, 20),
    "emotions": Recipe("Which emotions does it show?", emotions, 15, "multi_label", 50, 10_000),
    "wnut": Recipe("Mark the names.", wnut("test"), 20, "spans", 25),
    "wnut_dev": Recipe("Mark the names.", wnut("dev"), 20, "spans", 25),
}


def write_set(
    out: Path, recipe: Recipe, data: tuple[Sequence[Pair], Sequence[Pair]], test: int
) -> str:
    """Write one set; returns a line about it."""
    pool = _sample(distinct(data[0], data[1]), recipe.size)
    tests = _sample(distinct(data[1]), test)
    counts = Counter(name for _, label in pool for name in names_in(label))
    labels = sorted(counts, key=lambda label: (-counts[label], label))
    tests = [pair for pair in tests if counts.keys() >= names_in(pair[1])]
    out.mkdir(parents=True, exist_ok=True)
    _write_rows(out / "pool.jsonl", pool)
    _write_rows(out / "test.jsonl", tests)
    text = yaml.safe_dump(_config(out.name, labels, recipe), allow_unicode=True, sort_keys=False)
    (out / "config.yaml").write_text(text, encoding="utf-8")
    share = counts[labels[0]] / len(pool)
    return (
        f"{out.name}: {len(pool)} pool, {len(tests)} test, {len(labels)} labels, "
        f"{share:.1%} of the pool is `{labels[0]}`"
    )


def names_in(label: Label) -> set[str]:
    """Names of labels in a label, a list of labels, or spans."""
    if isinstance(label, str):
        return {label}
    return {each if isinstance(each, str) else each["label"] for each in label}


def _sample(pairs: Sequence[Pair], size: int | None, seed: int = 0) -> list[Pair]:
    if size is None or len(pairs) <= size:
        return list(pairs)
    places = sorted(random.Random(seed).sample(range(len(pairs)), size))  # noqa: S311
    return [pairs[place] for place in places]


def _write_rows(path: Path, pairs: Iterable[Pair]) -> None:
    lines = (
        json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in pairs
    )
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _config(name: str, labels: list[str], recipe: Recipe) -> dict[str, Any]:
    data = {"text": "text", "label": "label"}
    return {
        "run": {"dir": "run", "seed": 0},
        "argilla": {"dataset": name},
        "task": {"type": recipe.kind, "labels": labels, "title": recipe.title},
        "pool": {"path": "pool.jsonl", **data},
        "test": {"path": "test.jsonl", **data},
        "queue": {"batch_size": recipe.batch},
        "stopping": {"max_rounds": recipe.rounds},
    }


def main() -> None:
    """Parse the arguments and write the sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="folder of the raw files")
    parser.add_argument("out", type=Path, help="folder for the sets")
    parser.add_argument("--sets", default=",".join(RECIPES), help="which ones, with commas")
    parser.add_argument("--test", type=int, default=2_000, help="at most so many test texts")
    parser.add_argument("--seed", type=int, default=0, help="of the texts that are held out")
    options = parser.parse_args()
    for name in options.sets.split(","):
        if name not in RECIPES:
            parser.error(f"no set {name}; there are {', '.join(RECIPES)}")
        recipe = RECIPES[name]
        data = recipe.read(options.data, options.seed)
        print(write_set(options.out / name, recipe, data, options.test), flush=True)


if __name__ == "__main__":
    main()
