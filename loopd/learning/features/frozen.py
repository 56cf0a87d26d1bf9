"""Owns the features of texts under a frozen encoder, on disk once for each intake; must not train.

One pass over the pool gives two things: the mean-pooled states of several layers, reduced to fewer
dimensions, for a linear head; and the mean of the last layer, which represents a text wherever no
label is involved. What is fitted to texts is fitted to the first intake: those that join later
leave it as it is. Torch is imported at the first use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from loopd.data.pool import Pool
from loopd.errors import ModelError
from loopd.learning.arrays import Options, Positions, Tick, Vectors
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.classifiers.source import identity
from loopd.learning.features.intakes import PoolRows, PoolTokens, intake_rows, intake_tokens
from loopd.learning.features.projection import Projection, fitted, kept
from loopd.learning.features.store import ROWS, FeatureStore, blocks, fill
from loopd.learning.features.tokens import TokenStore, cached, tokenized
from loopd.learning.features.windows import CUT
from loopd.learning.unit_vectors import unit
from loopd.storage.run_folder import FEATURES_FOLDER, TOKENS_FOLDER

if TYPE_CHECKING:
    import torch

    from loopd.learning.classifiers.backbone import Backbone
    from loopd.learning.classifiers.pooling import Embedder

SAMPLE = 4096
"""Texts of the first intake on which the projection is fitted."""

VERSION = 1
"""Raised whenever the same settings begin to give other features."""


@dataclass(frozen=True)
class FeatureOptions:
    """Which features are taken.

    Attributes:
        layers: ``all``, or numbers of layers, 0 for the word embeddings; negative ones count from
            the last.
        dimensions: how many are kept of the layers together; ``None`` keeps all.
        bf16: whether the encoder multiplies in bf16; ``auto`` where the device gains from it.
    """

    layers: str | Sequence[int] = "all"
    dimensions: int | None = 512
    bf16: str | bool = "auto"

    @classmethod
    def of(cls, options: Options) -> FeatureOptions:
        """The options of a classifier.

        Raises:
            ModelError: a value that cannot be meant.
        """
        taken = cls(*(options[name] for name in ("layers", "dimensions", "bf16")))
        numbers = isinstance(taken.layers, (list, tuple)) and len(taken.layers) > 0
        if taken.layers != "all" and not (numbers and all(map(_whole, taken.layers))):
            raise ModelError("classifier option layers must be `all` or a list of layer numbers")
        if taken.dimensions is not None and not (_whole(taken.dimensions) and taken.dimensions > 0):
            raise ModelError("classifier option dimensions must be a whole number above 0 or empty")
        if taken.bf16 not in ("auto", True, False):
            raise ModelError("classifier option bf16 must be `auto`, true or false")
        return taken


class FrozenFeatures:
    """Features of the pool and of other texts; everything is made at the first use.

    Args:
        context: pool, cache and settings.
        find_backbone: gives the pretrained encoder.
        options: which features.
    """

    def __init__(
        self,
        context: ClassifierContext,
        find_backbone: Callable[[], Backbone],
        options: FeatureOptions | None = None,
    ) -> None:
        self.context = context
        self._find_backbone = find_backbone
        self.options = options or FeatureOptions()
        self._whole: Vectors | None = None
        """Of the first intake, between fitting to it and filling its files."""
        self._tokens_by_intake: dict[str, TokenStore] = {}

    @cached_property
    def pool(self) -> PoolRows:
        """Features (n, dimensions) of the pool."""
        return intake_rows([features for features, _ in self._stores])

    @cached_property
    def last(self) -> PoolRows:
        """Means of the last layer (n, d) of the pool, of length 1."""
        return intake_rows([last for _, last in self._stores])

    @cached_property
    def pool_tokens(self) -> PoolTokens:
        """Tokens of the pool, for any classifier."""
        return intake_tokens([self._tokens_of(intake) for intake in self.context.pool.pieces])

    @property
    def first(self) -> Pool:
        """The first intake."""
        return self.context.pool.pieces[0]

    @property
    def key(self) -> str:
        """Changes whenever the same text begins to have other features."""
        return self._projection.digest

    def of(self, texts: Sequence[str], fingerprint: str | None = None) -> FeatureStore | Vectors:
        """Features of other texts in the same space; with a fingerprint they are kept on disk."""
        tokens = self.tokens(texts, fingerprint)

        def make(rows: Positions) -> Vectors:
            return self._projection.apply(self._layers(tokens, rows))

        if fingerprint is None:
            everything = np.arange(len(tokens))
            parts = [make(everything[block]) for block in blocks(everything)]
            return np.concatenate([np.empty((0, self._projection.width), np.float32), *parts])
        store = self._store(fingerprint, self.key, len(tokens), self._projection.width)
        fill([store], lambda rows: [make(rows)], self._tick)
        return store

    def last_of(self, texts: Sequence[str]) -> Vectors:
        """Means of the last layer (k, d) of other texts, of length 1."""
        tokens = self.tokens(texts)
        rows = np.arange(len(tokens))
        embedder = self._embedder(tokens, len(rows))
        return unit(embedder.embed(rows, [self._all_layers[-1]], bf16=self._bf16))

    def tokens(self, texts: Sequence[str], fingerprint: str | None = None) -> TokenStore:
        """Tokens of texts; with a fingerprint they are kept on disk, for any classifier."""
        backbone = self._find_backbone()

        def make() -> TokenStore:
            return tokenized(texts, backbone.tokenize, self._tick_of("tokenising"))

        if fingerprint is None:
            return make()
        key = f"{fingerprint}/{identity(self.context.section.model)}/{backbone.max_tokens}"
        key = "/".join([key, *self._windows])
        return cached(self.context.cache / TOKENS_FOLDER, key, len(texts), make)

    @cached_property
    def _stores(self) -> list[tuple[FeatureStore, FeatureStore]]:
        """Both files of each intake, filled in one pass."""
        pieces = self.context.pool.pieces
        if self.context.is_worker:
            return list(map(self._pair, pieces))
        if self.context.engine.spreads:
            from loopd.learning.shards.encoding import encode_missing

            _ = self.pool_tokens  # workers find them on disk
            encode_missing(self, list(map(self._pair, pieces)), bf16=self._bf16)
        return [self._filled(intake) for intake in pieces]

    def _pair(self, intake: Pool) -> tuple[FeatureStore, FeatureStore]:
        count, fingerprint = len(intake), intake.fingerprint
        sample = self._projection  # made first: it may need the encoder too
        return (
            self._store(fingerprint, sample.digest, count, sample.width),
            self._store(fingerprint, "last", count, self._width),
        )

    def _filled(self, intake: Pool) -> tuple[FeatureStore, FeatureStore]:
        stores = self._pair(intake)
        fill(stores, partial(self._both, intake), self._tick)
        self._whole = None
        return stores

    def encode_piece(self, intake: int, piece: int) -> None:
        """Encode and write one piece of an intake, by their numbers."""
        pool = self.context.pool.pieces[intake]
        stores = self._pair(pool)
        features = self._both(pool, stores[0].rows_of(piece))
        for store, part in zip(stores, features, strict=True):
            store.put(piece, part)

    def _both(self, intake: Pool, rows: Positions) -> tuple[Vectors, Vectors]:
        raw = self._raw(intake, rows) if self._whole is None else self._whole[rows]
        return self._projection.apply(raw[:, : -self._width]), raw[:, -self._width :]

    def _raw(self, intake: Pool, rows: Positions) -> Vectors:
        """The layers of rows of an intake and behind them the last one, each of length 1."""
        embedder = self._embedder(self._tokens_of(intake), len(intake), int(rows[0]))
        return self._unit_layers(
            embedder.embed(rows, [*self._taken_layers, self._all_layers[-1]], bf16=self._bf16)
        )

    def _layers(self, tokens: TokenStore, rows: Positions) -> Vectors:
        embedder = self._embedder(tokens, len(tokens), int(rows[0]))
        return self._unit_layers(embedder.embed(rows, self._taken_layers, bf16=self._bf16))

    def _unit_layers(self, raw: Vectors) -> Vectors:
        layered = raw.reshape(len(raw), -1, self._width)
        return unit(layered).reshape(len(raw), -1)

    @cached_property
    def _projection(self) -> Projection:
        """What reduces the layers; fitted on a sample and kept beside the features."""
        fingerprint = self.first.fingerprint
        path = self.context.cache / FEATURES_FOLDER / f"{self._hash(fingerprint, 'projection')}.npy"
        return kept(path, self._fitted)

    def _fitted(self) -> Projection:
        count, width = len(self.first), self._width * len(self._taken_layers)
        dimensions = self.options.dimensions
        if dimensions is None or dimensions >= min(count, width):
            return Projection.none(width)
        sample = np.random.default_rng(0).permutation(count)[:SAMPLE]
        if count <= ROWS:  # the whole intake is one piece: it is embedded once
            self._whole = self._raw(self.first, np.arange(count))
            sampled = self._whole[sample, :width]
        else:
            sampled = self._layers(self._tokens_of(self.first), np.sort(sample))
        self.context.interrupt()
        return fitted(sampled, dimensions)

    def _tokens_of(self, intake: Pool) -> TokenStore:
        fingerprint = intake.fingerprint
        if fingerprint not in self._tokens_by_intake:
            self._tokens_by_intake[fingerprint] = self.tokens(intake.texts, fingerprint)
        return self._tokens_by_intake[fingerprint]

    @cached_property
    def _all_layers(self) -> range:
        return range(self._find_backbone().layers + 1)

    @cached_property
    def _width(self) -> int:
        """Numbers of one layer."""
        return self._find_backbone().width

    @cached_property
    def _taken_layers(self) -> tuple[int, ...]:
        layers = self._all_layers
        if isinstance(self.options.layers, str):
            return tuple(layers)
        try:
            return tuple(layers[number] for number in self.options.layers)
        except IndexError:
            raise ModelError(
                f"classifier option layers: the model has the layers 0 to {layers[-1]}"
            ) from None

    @cached_property
    def _encoder(self) -> torch.nn.Module:
        return self._find_backbone().copy()

    def _embedder(self, tokens: TokenStore, total: int, start: int = 0) -> Embedder:
        from loopd.learning.classifiers.pooling import Embedder

        progress = self._tick_of("encoding")
        return Embedder(
            self._encoder,
            tokens,
            self._find_backbone().padding,
            self._bf16,
            self.context.interrupt,
            lambda done, _: progress(start + done, total),
            self._find_backbone().window,
        )

    @cached_property
    def _bf16(self) -> bool:
        from loopd.learning.classifiers.backbone import bf16_pays

        option = self.options.bf16
        return bf16_pays(self._find_backbone().device) if option == "auto" else bool(option)

    def _store(self, fingerprint: str, kind: str, count: int, width: int) -> FeatureStore:
        folder = self.context.cache / FEATURES_FOLDER / self._hash(fingerprint, kind)
        return FeatureStore(folder, (count, width))

    def _hash(self, fingerprint: str, kind: str) -> str:
        """Name of a file: whatever its content depends on."""
        backbone = self._find_backbone()
        parts: list[object] = [VERSION, fingerprint, identity(self.context.section.model)]
        parts += [backbone.max_tokens, self._bf16, kind, *self._windows]
        if kind == "projection":
            parts += [self._taken_layers, self.options.dimensions]
        return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:16]

    @property
    def _windows(self) -> list[str]:
        """What the files' names say of windows: nothing where texts are cut, as ever."""
        windows = self.context.section.windows
        return [] if windows == CUT else [windows]

    def _tick(self, done: int, total: int) -> None:
        self._tick_of("encoding")(done, total)

    def _tick_of(self, what: str) -> Tick:
        def tick(done: int, total: int) -> None:
            self.context.interrupt()
            self.context.progress(what, done, total)

        return tick


@dataclass(frozen=True)
class FrozenRepresentation:
    """The frozen encoder's states as what strategies see of a text without any label.

    A vector joins two views of equal weight: the features of all layers, in which form and wording
    show, and the last layer, in which the subject shows; each shifted to mean zero, without which
    all texts of one language look alike, and scaled to length 1.

    Attributes:
        features: shared with the frozen head, so that a pool is encoded once.
    """

    features: FrozenFeatures

    @property
    def pool(self) -> JoinedVectors:
        """Vectors of the pool (n, dimensions + d), of length 1, read from disk when asked for."""
        return JoinedVectors(self)

    def of(self, texts: Sequence[str]) -> Vectors:
        """Vectors of other texts (k, dimensions + d), of length 1."""
        everything = np.arange(len(texts))
        return self.joined(self.features.of(texts)[everything], self.features.last_of(texts))

    def joined(self, layers: Vectors, last: Vectors) -> Vectors:
        """The two views of some texts side by side."""
        return joined_views(layers, last, self.means)

    @cached_property
    def means(self) -> tuple[Vectors, Vectors]:
        """Means of the two views over a fixed part of the first intake."""
        count = len(self.features.first)
        sample = np.sort(np.random.default_rng(0).permutation(count)[:SAMPLE])
        return self.features.pool[sample].mean(axis=0), self.features.last[sample].mean(axis=0)


def joined_views(layers: Vectors, last: Vectors, means: tuple[Vectors, Vectors]) -> Vectors:
    """The two views of some texts, with these means, side by side."""
    both = np.hstack([unit(layers - means[0]), unit(last - means[1])])
    return unit(both.astype(np.float32))


@dataclass(frozen=True)
class JoinedVectors:
    """The rows of a representation as an array that is not in memory.

    Attributes:
        source: what joins them.
    """

    source: FrozenRepresentation

    @property
    def shape(self) -> tuple[int, int]:
        """(n, dimensions + d)."""
        features = self.source.features
        return len(features.last), features.pool.shape[1] + features.last.shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Positions, /) -> Vectors:
        """Vectors (k, dimensions + d) of rows."""
        features = self.source.features
        vectors = np.empty((len(rows), self.shape[1]), dtype=np.float32)
        for block in blocks(rows):
            features.context.interrupt()
            vectors[block] = self.source.joined(
                features.pool[rows[block]], features.last[rows[block]]
            )
        return vectors


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
