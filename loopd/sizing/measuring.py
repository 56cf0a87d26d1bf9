"""Owns measuring what this machine can do, in short passes; must not calculate a plan.

Everything heavy is imported where it is used.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from loopd.config import ClassifierSection, DataSection
from loopd.errors import ConfigError
from loopd.learning.classifiers.contract import never_interrupted

Clock = Callable[[], float]

WORDS = ("the", "red", "house", "of", "my", "old", "friend", "is", "near", "a", "river", "now")
"""Each is one token of the usual vocabularies."""

SPECIAL_TOKENS = 2
"""What a tokenizer puts around a text."""


def made_up(count: int, words: int) -> list[str]:
    """Different texts of so many words each."""
    draw = random.Random(0)  # noqa: S311 - texts, no secrets
    return [" ".join(draw.choices(WORDS, k=words)) for _ in range(count)]


def starting(folder: Path, clock: Clock = time.perf_counter) -> float:
    """Seconds until a fresh interpreter has loaded the loop, without a model's libraries."""
    began = clock()
    _python(folder, "import loopd.loop.run")
    return clock() - began


def _python(folder: Path, program: str, *arguments: str) -> str:
    """The last line of what a program prints.

    Args:
        folder: where it runs: Python would take modules from the folder that it runs in.
        program: its text.
        arguments: for it.

    Raises:
        ConfigError: it fails.
    """
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.splitlines() or ["nothing was said"])[-1]
        raise ConfigError(f"Python could not be measured: {said}", "leave out --measure")
    return (done.stdout.splitlines() or [""])[-1]


class EncoderPass:
    """A model that encodes texts as the features of a pool are made: the means of all layers.

    Args:
        section: model, device and threads.

    Raises:
        ModelError: the model cannot be loaded.
    """

    def __init__(self, section: ClassifierSection) -> None:
        from loopd.learning.classifiers.backbone import Backbone, bf16_pays

        self._backbone = Backbone(section)
        self._bf16 = bf16_pays(self._backbone.device)
        self.on_gpu = self._backbone.device.type != "cpu"

    def tokens_of(self, texts: Sequence[str]) -> int:
        """Tokens of texts together."""
        return sum(map(len, self._backbone.tokenize(texts)))

    def tokenising(self, texts: Sequence[str], clock: Clock = time.perf_counter) -> float:
        """Seconds to tokenise texts."""
        from loopd.learning.features.tokens import tokenized

        began = clock()
        tokenized(texts, self._backbone.tokenize, _quiet)
        return clock() - began

    def encoding(self, texts: Sequence[str], clock: Clock = time.perf_counter) -> float:
        """Seconds of a pass over texts that are tokenised already; the first pass warms up."""
        import numpy as np

        from loopd.learning.classifiers.pooling import Embedder
        from loopd.learning.features.tokens import tokenized

        backbone = self._backbone
        tokens = tokenized(texts, backbone.tokenize, _quiet)
        embedder = Embedder(
            backbone.copy(), tokens, backbone.padding, self._bf16, never_interrupted, _quiet
        )
        layers = [*range(backbone.layers + 1), backbone.layers]
        rows = np.arange(len(texts))
        embedder.embed(rows[: len(rows) // 8 or 1], layers, bf16=self._bf16)
        began = clock()
        embedder.embed(rows, layers, bf16=self._bf16)
        return clock() - began


def projecting(rows: int, width: int, dimensions: int, clock: Clock = time.perf_counter) -> float:
    """Seconds to scale rows of features to length 1 and to reduce them."""
    import numpy as np

    from loopd.learning.features.projection import Projection
    from loopd.learning.unit_vectors import unit

    features = np.random.default_rng(0).random((rows, width), dtype=np.float32)
    directions = np.ones((width, dimensions), np.float32)
    projection = Projection(np.zeros(width, np.float32), directions)
    projection.apply(unit(features[: rows // 8]))
    began = clock()
    projection.apply(unit(features))
    return clock() - began


def storing(
    folder: Path, rows: int, width: int, clock: Clock = time.perf_counter
) -> tuple[float, float]:
    """Seconds to write features as pieces of a pool are written, and to read them again."""
    import numpy as np

    from loopd.learning.features.store import FeatureStore

    store = FeatureStore(folder, (rows, width))
    features = np.random.default_rng(0).random((rows, width), dtype=np.float32)
    began = clock()
    for piece in store.pieces:
        store.put(piece, features[store.rows_of(piece)])
    written = clock() - began
    began = clock()
    for piece in store.pieces:
        _ = store[store.rows_of(piece)]
    return written, clock() - began


def taking_in(folder: Path, rows: int, words: int, clock: Clock = time.perf_counter) -> float:
    """Seconds to read a CSV of made-up texts, to keep them, and to make their index."""
    import numpy as np

    from loopd.data.reading import read_pool
    from loopd.data.stored_pool import Stored, StoredPool
    from loopd.storage.pool_table import PoolTable

    path = folder / "texts.csv"
    lines = (f"r{row:08d},{text} {row}\n" for row, text in enumerate(made_up(rows, words)))
    path.write_text("id,text\n" + "".join(lines), encoding="utf-8")
    began = clock()
    pool, _ = read_pool(DataSection(path=path, id="id"), labels=None)
    prints = pool.fingerprint, pool.fingerprint
    PoolTable(folder).put(0, tuple(pool), fingerprints=prints)
    stored = StoredPool([Stored(intake, *prints) for intake in PoolTable(folder).stored()])
    _ = stored.ids_at(np.arange(rows)[:1])
    _ = stored.find([next(iter(pool)).id])
    return clock() - began


TAKE_IN = """
import sys, pathlib
from loopd.sizing.measuring import taking_in
folder, rows, words = pathlib.Path.cwd(), int(sys.argv[1]), int(sys.argv[2])
taking_in(folder, 1000, words)
print(taking_in(folder, rows, words))
"""
"""A program that loads what it needs first."""


def taking_in_anew(folder: Path, rows: int, words: int) -> float:
    """The same in a fresh process: memory that is used again is faster than what a run has."""
    return float(_python(folder, TAKE_IN, str(rows), str(words)))


def disk_speed(folder: Path, size: int = 2**26) -> float:
    """Bytes a second that reach the disk."""
    content = os.urandom(size)
    began = time.perf_counter()
    with (folder / "bytes").open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return size / (time.perf_counter() - began)


def _quiet(done: int, total: int) -> None:
    del done, total
