"""Seconds and accuracy of a fit at many classes: batches that hold pairs, and batches as drawn.

    python benchmarks/many_classes.py POOL WORK [--classes 150,1000] [--labels 600,3000]
        [--model FOLDER] [--seeds 2] [--name many_classes]

No public set here has so many classes, so that some are generated: the texts of POOL, a file of
JSON Lines with ``text``, are clustered by k-means on their TF-IDF in 128 dimensions (latent
semantic analysis), and a text's class is its cluster. TF-IDF, not an encoder: what makes the
classes must not be what learns them. No class has more than its share of the pool twice over; a
tenth of the texts is the test set. The sets are kept in WORK, as ``make_sets.py`` writes its own.

So many random labels (one number for each of ``--classes``) then train a model twice, with the same
seed: with contrastive batches as loopd arranges them, and with batches of texts as they are drawn.
Writes ``NAME.json`` into ``benchmarks/results`` after every fit, beside what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np
from many_labels import accuracy

from loopd.config import ClassifierSection, DataSection, StrategySection
from loopd.data.pool import Pool
from loopd.data.reading import read_pool
from loopd.learning.learner import Learner
from loopd.records import PoolId, Target

ARMS = {"pairs": 0.3, "as drawn": 0.0}
"""Share of texts that meet a partner by chance, from which on batches are not arranged."""


def clustered(texts: list[str], classes: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """The cluster (n,) of every text."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    counted = TfidfVectorizer(min_df=3, stop_words="english", sublinear_tf=True)
    reduced = TruncatedSVD(128, random_state=seed)
    vectors = normalize(reduced.fit_transform(counted.fit_transform(texts)))
    clusters = MiniBatchKMeans(classes, random_state=seed, n_init=1, batch_size=4096)
    numbers: np.ndarray[Any, Any] = clusters.fit_predict(vectors)
    return numbers


def written(source: Path, folder: Path, classes: int) -> None:
    """A pool and a test set with so many classes at most, unless they are there."""
    if (folder / "test.jsonl").exists():
        return
    with source.open(encoding="utf-8") as lines:
        texts = sorted({json.loads(line)["text"] for line in lines})
    numbers, rng = clustered(texts, classes), np.random.default_rng(0)
    most = 2 * len(texts) // classes
    rows: list[int] = []
    for number in np.unique(numbers):
        rows += rng.permutation(np.flatnonzero(numbers == number))[:most].tolist()
    order = rng.permutation(rows).tolist()
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("pool", order[len(order) // 10 :]), ("test", order[: len(order) // 10])):
        records = [{"text": texts[row], "label": f"c{numbers[row]:04d}"} for row in part]
        lines_of = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(lines_of, encoding="utf-8")


def fitted(
    pool: Pool, test: Pool, labels: int, seed: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Accuracy and seconds of one fit in both arms, after the tokens were made."""
    names = tuple(sorted({str(record.gold) for record in pool}))
    order = np.random.default_rng(seed).permutation(len(pool))[:labels]
    targets: dict[PoolId, Target] = {
        pool.records[row].id: str(pool.records[row].gold) for row in order
    }
    row: dict[str, Any] = {
        "seed": seed,
        "labels": labels,
        "classes in labels": len(set(targets.values())),
    }
    section = {"name": "transformer", "threads": arguments.threads, "candidates": 1000}
    section |= {"model": arguments.model} if arguments.model else {}
    for arm, enough in ARMS.items():
        with (
            tempfile.TemporaryDirectory() as cache,
            mock.patch("loopd.learning.classifiers.contrastive.ENOUGH_PARTNERS", enough),
        ):
            learner = Learner(
                pool,
                names,
                classifier=ClassifierSection(**section),
                strategy=StrategySection(name="random_sampling", cold_start="random_sampling"),
                seed=seed,
                cache=Path(cache),
            )
            learner.check()
            seconds, model = machine.timed(lambda: learner.fit(1, targets))  # noqa: B023
            row[arm] = {"seconds": seconds, "accuracy": accuracy(learner, model, test)}
    return row


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pool", type=Path, help="JSON Lines with `text`")
    parser.add_argument("work", type=Path, help="folder for the generated sets")
    parser.add_argument("--classes", default="150,1000")
    parser.add_argument("--labels", default="600,3000")
    parser.add_argument("--model", help="another encoder")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--name", default="many_classes")
    arguments = parser.parse_args()
    path = machine.RESULTS / f"{arguments.name}.json"
    figures: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    counts = [
        [int(count) for count in text.split(",")] for text in (arguments.classes, arguments.labels)
    ]
    for classes, labels in zip(*counts, strict=True):
        folder = arguments.work / f"classes-{classes}"
        written(arguments.pool, folder, classes)
        pool, test = (
            read_pool(DataSection(path=folder / f"{name}.jsonl", label="label"), labels=None)[0]
            for name in ("pool", "test")
        )
        rows: list[dict[str, Any]] = []
        for seed in range(arguments.seeds):
            rows.append(fitted(pool, test, labels, seed, arguments))
            print(classes, rows[-1], flush=True)
            encoder = Path(arguments.model).name if arguments.model else "packaged"
            figures[f"{classes}/{labels}/{encoder}"] = {
                "machine": machine.described(),
                "texts": len(pool),
                "test": len(test),
                "rounds": rows,
            }
            machine.write(arguments.name, figures)


if __name__ == "__main__":
    main()
