"""How fast a pool is scored: loopd's encoder against small-text's, and against the machine.

    python benchmarks/scoring.py SET [--threads N] [--repeats 3] [--sample 300]

SET is a folder with ``pool.jsonl`` (``text``), as ``make_sets.py`` writes them. All arms score the
same texts with the same pretrained weights, one after the other in this one process:

- loopd in fp32 and in bf16 (tokenised before; mean-pooled vectors of every text);
- loopd's exact choice of 20 texts by their margin, as the daemon makes it: all in bf16, in fp32
  those that may be among the 20 (a model fine-tuned on 60 texts of the pool with their labels);
- small-text's ``TransformerBasedClassification.predict_proba`` at padding 64 on the whole pool and
  at padding 512 on a sample, whose seconds are scaled up by the number of texts (its cost is the
  same for each text: all are padded to one length);
- square matrix products of several sizes, by ``torch.matmul`` and by oneDNN with the weights laid
  out before: what the machine can reach.

The share of these peaks is the encoder's own arithmetic (linear layers; attention is left out) over
the seconds. Prints ratios and writes ``benchmarks/results/scoring.json``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import numpy as np
import torch
from public_recipe import PublicRecipe

from loopd.config import ClassifierSection, DataSection
from loopd.data.pool import Pool
from loopd.data.reading import read_pool
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.classifiers.source import locate
from loopd.learning.classifiers.transformer import TransformerFactory
from loopd.learning.dataset import IndexedDataset
from loopd.learning.fitted import FittedClassifier, PoolScores
from loopd.learning.strategies.uncertainty import margin

KINDS = {"fp32": False, "bf16": True}
LIBRARIES = {"torch.matmul": False, "oneDNN": True}


def peaks() -> dict[str, dict[str, float]]:
    """GFLOP/s by kind of number and by library."""
    return {
        name: {by: machine.matmul_peak(bf16, packed=packed) for by, packed in LIBRARIES.items()}
        for name, bf16 in KINDS.items()
    }


def loopds(pool: Pool, threads: int, repeats: int) -> dict[str, Any]:
    """Seconds of loopd's encoder over the pool in fp32 and bf16; the best of some tries."""
    with tempfile.TemporaryDirectory() as cache:
        section = ClassifierSection(threads=threads)
        factory = TransformerFactory(ClassifierContext(pool, 2, section, Path(cache)))
        tokens, encoder = factory.pool_features, factory.backbone.copy()
        embedder = factory.embedder(encoder, tokens, "scoring")
        rows = np.arange(len(pool))
        found: dict[str, Any] = {"tokens": int(tokens.lengths.sum())}
        found["gflop"] = found["tokens"] * flops_of_a_token(encoder) / 1e9
        for name, bf16 in KINDS.items():
            embedder.embed(rows[:500], bf16=bf16)
            score = partial(embedder.embed, rows, bf16=bf16)
            tries = [machine.timed(score)[0] for _ in range(repeats)]
            found[name] = {"seconds": min(tries), "tries": tries}
        found["choice"] = choice_of_20(pool, Path(cache), threads, repeats)
    return found


def choice_of_20(pool: Pool, cache: Path, threads: int, repeats: int) -> dict[str, Any]:
    """Seconds of the exact choice of 20 texts out of the whole pool."""
    labels = sorted({str(record.gold) for record in pool})
    section = ClassifierSection(threads=threads)
    factory = TransformerFactory(ClassifierContext(pool, len(labels), section, cache))
    rows = np.arange(len(pool))
    known = np.random.default_rng(0).choice(rows, 60, replace=False)
    y = np.array([labels.index(str(pool.records[place].gold)) for place in known])
    train_set = IndexedDataset(factory.pool_features, y, np.arange(len(labels)), rows=known)
    classifier = factory.new(0).fit(train_set)

    def choose() -> Any:
        scores = PoolScores(classifier, factory.pool_features, len(labels))  # computes afresh
        return FittedClassifier(scores).most_informative(margin, rows, 20)

    tries = [machine.timed(choose)[0] for _ in range(repeats)]
    return {"seconds": min(tries), "tries": tries}


def flops_of_a_token(encoder: Any) -> float:
    """Of the linear layers of a BERT-like encoder."""
    width, inner = encoder.config.hidden_size, encoder.config.intermediate_size
    layer = 2 * (4 * width * width + 2 * width * inner)
    return float(layer * encoder.config.num_hidden_layers)


def small_texts(texts: list[str], padding: int) -> float:
    """Seconds of small-text's own classifier, with untrained head, over the texts."""
    recipe = PublicRecipe(texts, 2, locate("packaged"), padding=padding)
    classifier = recipe._factory.new()
    classifier.initialize_transformer(classifier.cache_dir)
    classifier.model = classifier.model.eval()
    seconds, _ = machine.timed(lambda: classifier.predict_proba(recipe.pool))
    return seconds


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("set", type=Path, help="folder with pool.jsonl")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=3, help="tries; the best counts")
    parser.add_argument("--sample", type=int, default=300, help="texts at padding 512")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    figures: dict[str, Any] = {"machine": machine.described(), "threads": arguments.threads}
    pool, _ = read_pool(DataSection(path=arguments.set / "pool.jsonl", label="label"), labels=None)
    texts = list(pool.texts)
    before = peaks()
    ours = loopds(pool, arguments.threads, arguments.repeats)
    theirs = {"64": small_texts(texts, 64)}
    some = texts[:: max(1, len(texts) // arguments.sample)]
    theirs["512"] = small_texts(some, 512) * len(texts) / len(some)
    # Once more at the end: what the machine reaches drifts while others use it.
    reached = {
        name: {by: max(found, before[name][by]) for by, found in after.items()}
        for name, after in peaks().items()
    }
    figures |= {"texts": len(texts), "peaks_gflops": reached, "loopd": ours}
    figures |= {"small_text_seconds": theirs, "sampled_at_512": len(some), "ratios": {}}
    for name in (*KINDS, "choice"):
        seconds = ours[name]["seconds"]
        ratios: dict[str, Any] = {padding: theirs[padding] / seconds for padding in theirs}
        figures["ratios"][name] = ratios
        times = f"{ratios['64']:.1f} at padding 64, {ratios['512']:.1f} at 512"
        if name not in KINDS:
            print(f"loopd, the best 20: {seconds:.2f} s; small-text / loopd: {times}")
            continue
        speed = ours["gflop"] / seconds
        ratios["share_of_peak"] = {by: speed / peak for by, peak in reached[name].items()}
        shares = (f"{speed / peak:.0%} of {peak:.0f} ({by})" for by, peak in reached[name].items())
        print(
            f"loopd {name}: {seconds:.2f} s, {len(texts) / seconds:.0f} texts/s, "
            f"{ours['tokens'] / seconds:.0f} tokens/s, {speed:.0f} GFLOP/s = "
            f"{', '.join(shares)}; small-text / loopd: {times}"
        )
    print(f"small-text: {theirs['64']:.1f} s at padding 64, {theirs['512']:.0f} s at 512 (scaled)")
    print(machine.write("scoring", figures))


if __name__ == "__main__":
    main()
