"""Owns tokenised texts: flat, unpadded, memory-mapped, in batches by length; knows no model."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from loopd.learning.arrays import Positions
from loopd.storage.files import make_private, storage_error

TEXTS_AT_ONCE = 1000
"""Texts that the tokenizer gets in one call, so that a stop is noticed between calls."""

Tokenize: TypeAlias = Callable[[Sequence[str]], Sequence[Sequence[int]]]


class Tokens(Protocol):
    """Token ids of n texts, wherever they lie."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n,)."""
        ...

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text (n,)."""
        ...

    def __getitem__(self, rows: Positions, /) -> list[NDArray[np.int32]]:
        """Token ids of each of the rows."""
        ...

    def padded(self, rows: Positions, padding: int) -> tuple[Positions, Positions]:
        """Token ids and attention mask (k, longest of the rows)."""
        ...


def padded(tokens: Tokens, rows: Positions, padding: int) -> tuple[Positions, Positions]:
    """Token ids and attention mask (k, longest of the rows)."""
    return stacked(tokens[rows], padding)


def stacked(texts: Sequence[NDArray[np.int32]], padding: int) -> tuple[Positions, Positions]:
    """Token ids and attention mask (k, longest of the texts)."""
    lengths = np.array([len(text) for text in texts])
    mask = np.arange(lengths.max())[None, :] < lengths[:, None]
    ids = np.full(mask.shape, padding, dtype=np.int64)
    ids[mask] = np.concatenate(texts)
    return ids, mask.astype(np.int64)


@dataclass(frozen=True)
class TokenStore:
    """Token ids of n texts in one array.

    Attributes:
        ids: (total,) int32, all texts one after the other.
        offsets: (n + 1,) int64; text i is ``ids[offsets[i]:offsets[i + 1]]``.
    """

    ids: NDArray[np.int32]
    offsets: Positions

    @property
    def shape(self) -> tuple[int]:
        """(n,)."""
        return (len(self.offsets) - 1,)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Positions, /) -> list[NDArray[np.int32]]:
        """Token ids of each of the rows."""
        ids = np.asarray(self.ids)  # slices of a mapping are mappings, ten times as slow to make
        starts, ends = self.offsets[rows].tolist(), self.offsets[rows + 1].tolist()
        return [ids[start:end] for start, end in zip(starts, ends, strict=True)]

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text (n,)."""
        return np.diff(self.offsets)

    def padded(self, rows: Positions, padding: int) -> tuple[Positions, Positions]:
        """Token ids and attention mask (k, longest of the rows)."""
        return padded(self, rows, padding)


def batches(lengths: NDArray[np.int64], budget: int, at_most: int = 512) -> list[NDArray[np.int64]]:
    """Split texts into batches of similar length, shortest first.

    Args:
        lengths: tokens of each text (n,).
        budget: most tokens of one batch, padding included; a longer text is a batch of its own.
        at_most: most texts of one batch.

    Returns:
        Positions in ``lengths``, each in exactly one batch.
    """
    order = np.argsort(lengths, kind="stable")
    groups, start = [], 0
    while start < len(order):
        end = min(start + at_most, len(order))
        while end > start + 1 and lengths[order[end - 1]] * (end - start) > budget:
            end = max(start + 1, min(end - 1, start + budget // int(lengths[order[end - 1]])))
        groups.append(order[start:end])
        start = end
    return groups


def tokenized(
    texts: Sequence[str], tokenize: Tokenize, tick: Callable[[int, int], None]
) -> TokenStore:
    """Tokenise texts.

    Args:
        texts: n texts.
        tokenize: gives the token ids of some texts, cut but not padded.
        tick: called with (done, total) between calls of it; may raise.
    """
    parts, lengths = [], []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        tick(start, len(texts))
        some = tokenize(texts[start : start + TEXTS_AT_ONCE])
        lengths += [len(ids) for ids in some]
        parts.append(
            np.fromiter((token for ids in some for token in ids), np.int32, sum(map(len, some)))
        )
    tick(len(texts), len(texts))
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    return TokenStore(np.concatenate([np.empty(0, np.int32), *parts]), offsets)


def cached(folder: Path, key: str, count: int, make: Callable[[], TokenStore]) -> TokenStore:
    """The tokens under a key, memory-mapped; made and written where missing or damaged.

    Args:
        folder: of the cache.
        key: everything that the tokens depend on.
        count: number of texts.
        make: tokenises them.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    path = folder / hashlib.sha256(key.encode()).hexdigest()[:16]
    store = _read(path, count)
    if store is None:
        _write(path, make())
        store = _read(path, count)
    return make() if store is None else store


def _read(path: Path, count: int) -> TokenStore | None:
    try:
        ids = np.load(path / "ids.npy", mmap_mode="r", allow_pickle=False)
        offsets = np.load(path / "offsets.npy", allow_pickle=False)
        digest = (path / "digest").read_text(encoding="ascii")
    except (OSError, ValueError, EOFError):
        return None
    whole = len(offsets) == count + 1 and offsets[-1] == len(ids)
    return TokenStore(ids, offsets) if whole and digest == _digest(ids, offsets) else None


def _write(path: Path, store: TokenStore) -> None:
    """Fill a new folder and rename it: a reader sees nothing or all of it."""
    try:
        make_private(path.parent)
        fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            np.save(fresh / "ids.npy", store.ids)
            np.save(fresh / "offsets.npy", store.offsets)
            (fresh / "digest").write_text(_digest(store.ids, store.offsets), encoding="ascii")
            shutil.rmtree(path, ignore_errors=True)
            fresh.replace(path)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise storage_error(path, error) from error


def _digest(*arrays: NDArray[np.int32] | NDArray[np.int64]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
