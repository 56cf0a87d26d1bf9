"""What the steps of a run cost on this machine: the constants that `loopd plan` calculates with.

    python benchmarks/plan_constants.py

Encoders of several shapes with random weights go over texts of several lengths, with one thread
and in CPU seconds; then tokenising, projecting, writing and reading of features. The costs of an
encoder are fitted to all shapes together by least squares of relative errors, without negative
ones. Writes ``benchmarks/results/plan_constants.json``; the constants in ``loopd/sizing/costs.py``
are rounded from it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine

NAME = "plan_constants"
SHAPES = (
    (1, 32, 64, 2),
    (2, 128, 512, 2),
    (4, 256, 1024, 4),
    (6, 384, 1536, 12),
    (12, 768, 3072, 12),
)
"""Layers, width, inner width and heads."""

WORDS = (12, 126)
"""Tokens without the special ones."""

TOKENS_OF_A_PASS = {32: 60_000, 128: 60_000, 256: 30_000, 384: 16_000, 768: 4_000}
"""By width: so that a pass takes some seconds."""

TURNS = 2


def model_of(folder: Path, shape: tuple[int, int, int, int]) -> Path:
    """A BERT with random weights and the packaged model's tokenizer."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    from loopd.learning.classifiers.source import locate

    layers, width, inner, heads = shape
    place = folder / f"{layers}-{width}"
    tokenizer = AutoTokenizer.from_pretrained(locate("packaged"))
    config = BertConfig(
        vocab_size=len(tokenizer),
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=heads,
        intermediate_size=inner,
    )
    BertModel(config).save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


def encoder_rows(folder: Path) -> list[dict[str, Any]]:
    """CPU seconds of a pass of each shape over texts of each length."""
    from loopd.config import ClassifierSection
    from loopd.sizing.measuring import EncoderPass, made_up

    rows = []
    for shape in SHAPES:
        encoder = EncoderPass(ClassifierSection(model=str(model_of(folder, shape)), threads=1))
        for words in WORDS:
            texts = made_up(TOKENS_OF_A_PASS[shape[1]] // (words + 2), words)
            tokens = encoder.tokens_of(texts)
            tries = [encoder.encoding(texts, time.process_time) for _ in range(TURNS)]
            tokenising = encoder.tokenising(texts, time.process_time)
            row: dict[str, Any] = {"layers": shape[0], "width": shape[1], "inner": shape[2]}
            row |= {"words": words, "texts": len(texts), "tokens": tokens}
            rows.append(row | {"seconds": tries, "tokenising": tokenising})
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure everything."""
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    from loopd.sizing import measuring

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures: dict[str, Any] = {"machine": machine.described()}
        figures["encoders"] = encoder_rows(folder)
        figures["projecting"] = [
            {"width": width, "dimensions": 512, "rows": 4096, "seconds": seconds}
            for width in (2688, 2688, 9984)
            for seconds in [measuring.projecting(4096, width, 512, time.process_time)]
        ]
        figures["storing"] = []
        for width in (96, 896):
            both = measuring.storing(folder / str(width), 65536, width, time.process_time)
            figures["storing"].append({"width": width, "rows": 65536, "seconds": both})
        measuring.taking_in(folder, 1000, 12)
        figures["taking in"] = [
            {"rows": 20_000, "words": words, "seconds": seconds}
            for words in (12, 12, 250)
            for seconds in [measuring.taking_in(folder, 20_000, words, time.process_time)]
        ]
        figures["disk, bytes a second"] = measuring.disk_speed(folder)
        print({name: each for name, each in figures.items() if name != "encoders"})
    machine.write(NAME, figures)


if __name__ == "__main__":
    main()
