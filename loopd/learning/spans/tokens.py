"""Owns texts as atoms with their token ids: flat, unpadded, memory-mapped; must not know labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loopd.learning.arrays import Positions, Tick
from loopd.learning.features.tokens import TEXTS_AT_ONCE, TokenStore, cached
from loopd.learning.spans.alignment import VERSION, Borders, atoms

Parts = tuple[list[int], list[int]]
"""Of one text: its token ids, and (start, end, first token) of each atom one after the other."""

NUMBERS = 3
"""Stored for each atom: its first character, the one after its last, its first token."""


@dataclass(frozen=True)
class Vocabulary:
    """How pieces of text become token ids.

    Attributes:
        pieces: token ids of each of some pieces, without special tokens; maybe none of one.
        before: special tokens that open a text.
        after: those that close it.
        unknown: stands for a piece that has no token of its own.
        max_tokens: longer texts are cut.
    """

    pieces: Callable[[Sequence[str]], Sequence[Sequence[int]]]
    before: Sequence[int]
    after: Sequence[int]
    unknown: int
    max_tokens: int


@dataclass(frozen=True)
class SpanTokens:
    """n texts as a tagger reads them; an integer array indexes them.

    Of a text that is longer than the model reads, only the atoms before the cut are here: those
    whose first token is read.

    Attributes:
        texts: (n,) as they came.
        tokens: token ids with special tokens.
        atoms: ``NUMBERS`` for each atom, stored as if they were tokens.
    """

    texts: Sequence[str]
    tokens: TokenStore
    atoms: TokenStore

    @property
    def shape(self) -> tuple[int]:
        """(n,)."""
        return self.tokens.shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Positions) -> list[NDArray[np.int32]]:
        """Token ids of each of the rows."""
        return self.tokens[rows]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Atoms of each text (n,)."""
        return self.atoms.lengths // NUMBERS

    def borders(self, row: int) -> Borders:
        """First character of each atom of a text and the one after its last (k, 2)."""
        return self._atoms(row)[:, :2]

    def firsts(self, row: int) -> NDArray[np.int32]:
        """Index of each atom's first token among the tokens of its text (k,)."""
        return self._atoms(row)[:, 2]

    def _atoms(self, row: int) -> NDArray[np.int32]:
        start, end = self.atoms.offsets[row : row + 2]
        return self.atoms.ids[start:end].reshape(-1, NUMBERS)


def span_tokens(
    texts: Sequence[str],
    vocabulary: Vocabulary,
    tick: Tick,
    borders: Sequence[Borders] | None = None,
) -> SpanTokens:
    """Tokenise texts atom by atom.

    Args:
        texts: n texts.
        vocabulary: of the model.
        tick: called with (done, total) now and then; may raise.
        borders: the atoms of each text; ``None`` for those of the text alone.
    """
    tokens, in_atoms = [_flat([])], [_flat([])]
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        tick(start, len(texts))
        some = texts[start : start + TEXTS_AT_ONCE]
        cut = map(atoms, some) if borders is None else borders[start : start + TEXTS_AT_ONCE]
        parts = _encoded(some, list(cut), vocabulary)
        tokens.append(_flat([ids for ids, _ in parts]))
        in_atoms.append(_flat([numbers for _, numbers in parts]))
    tick(len(texts), len(texts))
    return SpanTokens(texts, _together(tokens), _together(in_atoms))


def kept(
    folder: Path, key: str, texts: Sequence[str], make: Callable[[], SpanTokens]
) -> SpanTokens:
    """The tokens under a key, memory-mapped; made and written where missing or damaged.

    Args:
        folder: of the cache.
        key: everything that the tokens depend on but for what an atom is.
        texts: n texts.
        make: tokenises them; called at most once.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    once = cache(make)

    key = f"spans {VERSION}/{key}"
    tokens = cached(folder, f"{key}/tokens", len(texts), lambda: once().tokens)
    in_atoms = cached(folder, f"{key}/atoms", len(texts), lambda: once().atoms)
    return SpanTokens(texts, tokens, in_atoms)


def _encoded(
    texts: Sequence[str], borders: Sequence[Borders], vocabulary: Vocabulary
) -> list[Parts]:
    """Each different piece is tokenised once."""
    pieces = [_pieces(text, cut) for text, cut in zip(texts, borders, strict=True)]
    different = list(dict.fromkeys(piece for some in pieces for piece in some))
    ids = dict(zip(different, vocabulary.pieces(different), strict=True)) if different else {}
    return [
        _joined([ids[piece] or (vocabulary.unknown,) for piece in some], cut, vocabulary)
        for some, cut in zip(pieces, borders, strict=True)
    ]


def _pieces(text: str, borders: Borders) -> list[str]:
    """The atoms as strings, with a space before those that are apart from the one before.

    Byte-level vocabularies write a word's space into its first token.
    """
    text = (
        text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if _odd(text) else text
    )
    flat = borders.tolist()
    ends = [0, *(end for _, end in flat)]
    return [
        " " + text[start:end] if start > before else text[start:end]
        for before, (start, end) in zip(ends, flat, strict=False)
    ]


def _joined(ids: Sequence[Sequence[int]], borders: Borders, vocabulary: Vocabulary) -> Parts:
    room = vocabulary.max_tokens - len(vocabulary.after)
    tokens, numbers = list(vocabulary.before), []
    for atom, (start, end) in zip(ids, borders.tolist(), strict=True):
        if len(tokens) >= room:
            break
        numbers += [start, end, len(tokens)]
        tokens += atom
    return [*tokens[:room], *vocabulary.after], numbers


def _flat(parts: Sequence[Sequence[int]]) -> TokenStore:
    offsets = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    ids = np.fromiter((number for part in parts for number in part), np.int32, int(offsets[-1]))
    return TokenStore(ids, offsets)


def _together(stores: Sequence[TokenStore]) -> TokenStore:
    lengths = np.concatenate([store.lengths for store in stores])
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    return TokenStore(np.concatenate([store.ids for store in stores]), offsets)


def _odd(text: str) -> bool:
    """Whether half of a surrogate pair stands alone, which tokenizers refuse."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
