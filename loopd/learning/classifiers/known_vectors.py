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

MOST = 128 * 2**20
"""Bytes of vectors that are remembered: 87,000 texts at 384 numbers each."""

PREFIX = "known."
"""Of the arrays in the saved form."""

Digests = NDArray[np.uint64]
"""Of the tokens of each text, see ``digests_of``."""

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

    def and_of(self, digests: Digests, vectors: Vectors, most: int | None = None) -> KnownVectors:
        """The vectors (k, d) of texts (k,), and these.

        Args:
            digests: of the texts; some may be known, or come several times.
            vectors: theirs.
            most: of how many texts; of more, these are forgotten first.
        """
        if not len(digests):
            return self
        every = np.concatenate([digests, self.digests])
        both = np.concatenate([vectors, self.vectors]) if len(self.digests) else vectors
        each, first = np.unique(every, return_index=True)
        kept = np.sort(np.argsort(first)[:most])
        return KnownVectors(each[kept], both[first[kept]])

    def of(self, digests: Digests, embed: Embed) -> Vectors:
        """Vectors (k, d) of texts (k,), of which ``embed`` makes those that are not known."""
        missing = self.missing(digests)
        if len(missing) == len(digests):
            return embed(missing)
        vectors = self.vectors[self._found(digests)]
        if len(missing):
            vectors[missing] = embed(missing)
        return vectors

    def missing(self, digests: Digests) -> Positions:
        """Which of the texts (k,) are not known."""
        return np.flatnonzero(self._found(digests) < 0)

    def _found(self, digests: Digests) -> Positions:
        """Where each of the texts (k,) is among those that are known; -1: it is not."""
        if not len(self.digests):
            return np.full(len(digests), -1)
        at = np.minimum(np.searchsorted(self.digests, digests), len(self.digests) - 1)
        return np.where(self.digests[at] == digests, at, -1)


@dataclass
class Remembering:
    """Vectors that are made at the first question and kept for the next, ``MOST`` bytes of them.

    Attributes:
        known: so far.
    """

    known: KnownVectors = field(default_factory=KnownVectors)

    def of(self, digests: Digests, embed: Embed) -> Vectors:
        """As ``KnownVectors.of``; where there are too many, earlier ones are forgotten first."""
        before = self.known
        vectors, missing = before.of(digests, embed), before.missing(digests)
        if len(missing):
            most = most_texts(vectors.shape[1])
            _, once = np.unique(digests[missing], return_index=True)
            new = missing[np.sort(once)[:most]]
            self.known = before.and_of(digests[new], vectors[new], most)
        return vectors


def most_texts(width: int) -> int:
    """Of how many texts vectors of so many numbers are remembered."""
    return max(1, MOST // (width * np.dtype(np.float32).itemsize))


def digests_of(texts: Sequence[NDArray[np.int32]]) -> Digests:
    """Eight bytes (n,) of each text's token ids: of 100,000, two are alike once in 10^9."""
    made = b"".join(hashlib.blake2b(text.tobytes(), digest_size=8).digest() for text in texts)
    return np.frombuffer(made, dtype=np.uint64)
