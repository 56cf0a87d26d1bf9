"""Owns vectors of texts that an encoder has made already; must not embed itself.

A text is known by its tokens, not by its row: rows move when a pool grows or loses texts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from loopd.learning.arrays import Positions, Tensors, Vectors

MOST = 65_536
"""Texts whose vectors are remembered: 100 MB at 384 numbers each, three times the candidates."""

PREFIX = "known."
"""Of the arrays in the saved form."""

Texts = Sequence[NDArray[np.int32]]
"""Token ids of each text."""

Digests = NDArray[np.uint64]

Embed = Callable[[Positions], Vectors]
"""Gives the vectors (m, d) of the texts at these positions (m,) of what was asked for."""


def _no_digests() -> Digests:
    return np.empty(0, dtype=np.uint64)


def _no_vectors() -> Vectors:
    return np.empty((0, 0), dtype=np.float32)


@dataclass(frozen=True)
class KnownVectors:
    """Vectors of some texts, by an encoder that has not changed since.

    Attributes:
        digests: (m,) of the texts, ascending, each once.
        vectors: (m, d) theirs.
    """

    digests: Digests = field(default_factory=_no_digests)
    vectors: Vectors = field(default_factory=_no_vectors)

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> KnownVectors:
        """What ``tensors`` wrote down; nothing, where nothing was."""
        if PREFIX + "digests" not in tensors:
            return cls()
        digests, vectors = (tensors[PREFIX + name] for name in ("digests", "vectors"))
        return cls(digests.astype(np.uint64), vectors.astype(np.float32))

    def tensors(self) -> Tensors:
        """As arrays; none where nothing is known."""
        if not len(self.digests):
            return {}
        return {PREFIX + "digests": self.digests, PREFIX + "vectors": self.vectors}

    def and_of(self, texts: Texts, vectors: Vectors) -> KnownVectors:
        """These and the vectors (k, d) of other texts (k,)."""
        if not len(texts):
            return self
        digests = np.concatenate([self.digests, digests_of(texts)])
        both = np.concatenate([self.vectors, vectors]) if len(self.digests) else vectors
        each, first = np.unique(digests, return_index=True)
        return KnownVectors(each, both[first])

    def of(self, texts: Texts, embed: Embed) -> Vectors:
        """Vectors (k, d) of texts (k,), of which ``embed`` makes those that are not known."""
        at = self._found(digests_of(texts))
        if not (at >= 0).any():
            return embed(np.arange(len(texts)))
        vectors = self.vectors[at]
        missing = np.flatnonzero(at < 0)
        if len(missing):
            vectors[missing] = embed(missing)
        return vectors

    def _found(self, digests: Digests) -> Positions:
        """Where each of the texts (k,) is among those that are known; -1: it is not."""
        if not len(self.digests):
            return np.full(len(digests), -1)
        at = np.minimum(np.searchsorted(self.digests, digests), len(self.digests) - 1)
        return np.where(self.digests[at] == digests, at, -1)


@dataclass
class Remembering:
    """Vectors that are made at the first question and kept for the next, of ``MOST`` texts.

    Attributes:
        known: so far.
    """

    known: KnownVectors = field(default_factory=KnownVectors)

    def of(self, texts: Texts, embed: Embed) -> Vectors:
        """As ``KnownVectors.of``; where there are too many, those asked for last are kept."""
        before = self.known
        vectors = before.of(texts, embed)
        after = before.and_of(texts, vectors)
        if len(after.digests) > MOST:
            after = KnownVectors().and_of(texts[:MOST], vectors[:MOST])
        self.known = after
        return vectors


def digests_of(texts: Texts) -> Digests:
    """Eight bytes (n,) of the tokens of each text: among ``MOST``, two are alike once in 10^10."""
    made = b"".join(hashlib.blake2b(text.tobytes(), digest_size=8).digest() for text in texts)
    return np.frombuffer(made, dtype=np.uint64)
