"""What reading long texts whole gives, and costs: cut, mean of windows, beginning and end.

    python benchmarks/long_texts.py DATA_DIR [--sets throughout somewhere]
        [--classifiers frozen-head transformer] [--labels 60 120] [--seeds 5] [--threads N]

DATA_DIR holds the public raw files as ``make_sets.py`` reads them. Long texts are made of short
ones, 24 to 48 to a text, in two ways:

- ``throughout``: tweets that all had the same emoji (tweeteval_emoji, ten emoji): every part says
  a little about the label, as in reviews and reports;
- ``somewhere``: six questions of one kind (trec, six kinds) in a row, anywhere among comments about
  other things (goemotions): one part says everything, as in tickets and minutes.

For each seed the same labelled texts, drawn at random, go to all ways of reading. Accuracy is that
on texts made of pieces that no text of the pool has. Seconds are those of encoding (once for a
pool, ``frozen-head`` only), of training, and of predicting the test texts. Writes
``benchmarks/results/long_texts.json``, beside what is there of other sets and classifiers.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np
from make_sets import rows_of

from loopd.config import ClassifierSection, StrategySection
from loopd.data.pool import Pool
from loopd.learning.learner import Learner
from loopd.records import PoolId, Record, Target

WAYS = ("none", "mean", "head_tail")
FEWEST, MOST = 24, 48
"""Short texts in a long one."""

IN_A_ROW = 6
"""Questions of one kind in a text of ``somewhere``."""

EMOJI = 10
HELD_OUT = 0.3
"""Share of the questions that go to test texts."""

TEST_TEXTS = 300


@dataclass(frozen=True)
class LongSet:
    """Long texts.

    Attributes:
        labels: their names.
        pool: texts to learn from.
        test: texts to be right about.
    """

    labels: tuple[str, ...]
    pool: Pool
    test: Pool


# -- making the sets -------------------------------------------------------------------------------


def throughout(data: Path) -> LongSet:
    """Tweets of one emoji joined."""
    parts = {name: rows_of(data / f"tweeteval_emoji/{name}.jsonl.gz") for name in ("train", "test")}
    often = Counter(row["label"] for row in parts["train"]).most_common(EMOJI)
    labels = tuple(label for label, _ in often)
    texts = {name: _all_of_one(rows, labels) for name, rows in parts.items()}
    return LongSet(labels, _pool("p", texts["train"]), _pool("t", texts["test"][:TEST_TEXTS]))


def _all_of_one(rows: Sequence[dict[str, Any]], labels: Sequence[str]) -> list[tuple[str, str]]:
    draw, texts = random.Random(0), []  # noqa: S311 - texts, no secrets
    for label in labels:
        left = [row["text"] for row in rows if row["label"] == label]
        draw.shuffle(left)
        while len(left) >= MOST:
            count = draw.randint(FEWEST, MOST)
            texts.append((" ".join(left[:count]), label))
            left = left[count:]
    draw.shuffle(texts)
    return texts


def somewhere(data: Path) -> LongSet:
    """Questions of one kind in a row among comments."""
    questions = rows_of(data / "trec/train.jsonl")
    comments = [row["text"] for row in rows_of(data / "goemotions/train.jsonl.gz")]
    draw = random.Random(0)  # noqa: S311 - texts, no secrets
    draw.shuffle(questions)
    draw.shuffle(comments)
    border = round(len(questions) * HELD_OUT)
    test = _among(questions[:border], comments[: len(comments) // 3], draw)
    pool = _among(questions[border:], comments[len(comments) // 3 :], draw)
    labels = tuple(sorted({row["label"] for row in questions}))
    return LongSet(labels, _pool("p", pool), _pool("t", test[:TEST_TEXTS]))


def _among(
    questions: Sequence[dict[str, Any]], comments: Sequence[str], draw: random.Random
) -> list[tuple[str, str]]:
    texts, by_kind = [], sorted({row["label"] for row in questions})
    for kind in by_kind:
        left = [row["text"] for row in questions if row["label"] == kind]
        while len(left) >= IN_A_ROW:
            around = draw.sample(comments, draw.randint(FEWEST, MOST) - IN_A_ROW)
            where = draw.randint(0, len(around))
            around[where:where] = left[:IN_A_ROW]
            texts.append((" ".join(around), kind))
            left = left[IN_A_ROW:]
    draw.shuffle(texts)
    return texts


def _pool(prefix: str, texts: Sequence[tuple[str, str]]) -> Pool:
    return Pool(
        tuple(
            Record(PoolId(f"{prefix}{number}"), text, label)
            for number, (text, label) in enumerate(texts)
        )
    )


SETS = {"throughout": throughout, "somewhere": somewhere}


# -- measuring -------------------------------------------------------------------------------------


def measured(
    long_set: LongSet, classifier: str, windows: str, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Accuracy by number of labels and seed, seconds, and tokens of one way of reading."""
    with tempfile.TemporaryDirectory() as cache:
        learner = Learner(
            long_set.pool,
            long_set.labels,
            classifier=ClassifierSection.model_validate(
                {"name": classifier, "windows": windows, "threads": arguments.threads}
            ),
            strategy=StrategySection(name="random_sampling", cold_start="random_sampling"),
            seed=0,
            cache=Path(cache),
        )
        encoding, _ = machine.timed(lambda: learner._trainer.factory.pool_features)
        rounds = [
            one_round(learner, long_set, count, seed)
            for count in arguments.labels
            for seed in range(arguments.seeds)
        ]
    return {
        "encoding": round(encoding, 1),
        "tokens read": tokens_read(learner, long_set),
        "rounds": rounds,
        "accuracy": {
            count: float(np.mean([row["accuracy"] for row in rounds if row["labels"] == count]))
            for count in arguments.labels
        },
    }


def one_round(learner: Learner, long_set: LongSet, count: int, seed: int) -> dict[str, Any]:
    """Train on texts drawn at random, and predict the test texts."""
    drawn = random.Random(seed).sample(long_set.pool.records, count)  # noqa: S311 - a draw
    targets: dict[PoolId, Target] = {record.id: str(record.gold) for record in drawn}
    training, model = machine.timed(lambda: learner.fit(seed + 1, targets))
    predicting, guesses = machine.timed(lambda: learner.predict(model, long_set.test))
    right = [guess == record.gold for guess, record in zip(guesses, long_set.test, strict=True)]
    learner.keep(())
    return {
        "labels": count,
        "seed": seed,
        "accuracy": float(np.mean(right)),
        "training": round(training, 2),
        "predicting": round(predicting, 2),
    }


def tokens_read(learner: Learner, long_set: LongSet) -> float:
    """Share of the pool's tokens that the encoder sees."""
    factory: Any = learner._trainer.factory
    texts = list(long_set.pool.texts)
    whole = sum(map(len, factory.backbone.contents(texts)))
    seen = sum(map(len, factory.backbone.tokenize(texts)))
    return min(1.0, seen / whole)


def shown(name: str, classifier: str, found: dict[str, Any]) -> None:
    """A table on the screen, differences to cutting paired by seed."""
    for windows, figures in found.items():
        rounds, cut = figures["rounds"], found["none"]["rounds"]
        parts = []
        for count, accuracy in figures["accuracy"].items():
            pairs = zip(rounds, cut, strict=True)
            gains = [a["accuracy"] - b["accuracy"] for a, b in pairs if a["labels"] == count]
            parts.append(f"{count}: {accuracy:.3f} ({np.mean(gains):+.3f})")
        training = np.mean([row["training"] for row in rounds])
        predicting = np.mean([row["predicting"] for row in rounds])
        print(
            f"{name} {classifier} {windows}: {', '.join(parts)}; read "
            f"{figures['tokens read']:.0%}; encoding {figures['encoding']:.0f} s, "
            f"training {training:.1f} s, predicting {predicting:.1f} s",
            flush=True,
        )


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder with the public raw files")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--classifiers", nargs="+", default=["frozen-head", "transformer"])
    parser.add_argument("--labels", nargs="+", type=int, default=[60, 120])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    arguments = parser.parse_args()
    path = machine.RESULTS / "long_texts.json"
    figures: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    figures["machine"] = machine.described()
    for name in arguments.sets:
        long_set = SETS[name](arguments.data)
        print(f"{name}: {len(long_set.pool)} texts, {len(long_set.test)} test texts", flush=True)
        for classifier in arguments.classifiers:
            found = {way: measured(long_set, classifier, way, arguments) for way in arguments.ways}
            shown(name, classifier, found)
            figures[f"{name}/{classifier}"] = found
            machine.write("long_texts", figures)


if __name__ == "__main__":
    main()
