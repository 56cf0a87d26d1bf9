"""Owns a mapping that grows without being copied, and never changes for whoever holds it.

Must not know what it holds. Keys keep the order in which they came and are never taken out.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import chain, islice
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

BITS = 8
CHUNK = 1 << BITS
"""Values that are copied where one of them changes."""


class GrowingMap(Mapping[Key, Value]):
    """An immutable mapping whose successors share its memory.

    ``updated`` gives a successor and leaves this one as it is; with n keys it costs about as much
    as the changes, and n / 256 pointers. Keys lie in one table that all successors share: each of
    them sees as many as it has. Values lie in chunks, of which only those that change are copied.
    Any thread may read, and update, any of them at any time.

    Args:
        items: pairs of key and value; the last one of several with the same key counts.
    """

    __slots__ = ("_chunks", "_size", "_table")

    def __init__(self, items: Iterable[tuple[Key, Value]] = ()) -> None:
        pairs = dict(items)
        self._table: _Table[Key] = _Table(pairs)
        self._size = len(pairs)
        self._chunks: Chunks[Value] = _extended((), tuple(pairs.values()))

    def updated(self, changes: Iterable[tuple[Key, Value]]) -> GrowingMap[Key, Value]:
        """A successor in which these pairs are new, or in the place of those with their keys."""
        pairs = dict(changes)
        if not pairs:
            return self
        slots = self._table.slots
        changed = [key for key in pairs if slots.get(key, self._size) < self._size]
        new = pairs if not changed else {key: pairs[key] for key in pairs if key not in self}
        after: GrowingMap[Key, Value] = GrowingMap.__new__(GrowingMap)
        after._table = self._table.grown(list(new), self._size) if new else self._table
        after._size = self._size + len(new)
        chunks = _replaced(self._chunks, [(slots[key], pairs[key]) for key in changed])
        after._chunks = _extended(chunks, tuple(new.values()))
        return after

    def __getitem__(self, key: Key) -> Value:
        slot = self._table.slots[key]
        if slot >= self._size:
            raise KeyError(key)
        return self._chunks[slot >> BITS][slot & (CHUNK - 1)]

    def __contains__(self, key: object) -> bool:
        return self._table.slots.get(key, self._size) < self._size  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Key]:
        return islice(self._table.keys, self._size)

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)!r})"

    def keys(self) -> KeysView[Key]:
        """As of a dict."""
        return _GrowingKeys(self)

    def values(self) -> ValuesView[Value]:
        """As of a dict."""
        return _Values(self)

    def items(self) -> ItemsView[Key, Value]:
        """As of a dict."""
        return _Items(self)

    def _every_value(self) -> Iterator[Value]:
        return chain.from_iterable(self._chunks)


def growing(mapping: Mapping[Key, Value]) -> GrowingMap[Key, Value]:
    """The mapping itself where it can grow, else a copy that can."""
    return mapping if isinstance(mapping, GrowingMap) else GrowingMap(mapping.items())


class _Table(Generic[Key]):
    """The keys of a mapping and of its successors, and the slots of their values."""

    __slots__ = ("_lock", "keys", "slots")

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys = list(keys)
        self.slots = dict(zip(self.keys, range(len(self.keys)), strict=True))
        self._lock = Lock()

    def grown(self, new: list[Key], size: int) -> _Table[Key]:
        """A table with new keys behind the first ``size``.

        It is this one, unless another successor has put its own keys there.
        """
        with self._lock:
            table = self if len(self.keys) == size else _Table(self.keys[:size])
            table.slots.update(zip(new, range(size, size + len(new)), strict=True))
            table.keys.extend(new)
        return table


class _GrowingKeys(KeysView[Key]):
    """Keys at the speed of a list."""

    __slots__ = ()
    _mapping: GrowingMap[Key, object]


class _Values(ValuesView[Value]):
    """Values at the speed of a tuple."""

    __slots__ = ()
    _mapping: GrowingMap[object, Value]

    def __iter__(self) -> Iterator[Value]:
        return self._mapping._every_value()


class _Items(ItemsView[Key, Value]):
    """Pairs at the speed of a tuple."""

    __slots__ = ()
    _mapping: GrowingMap[Key, Value]

    def __iter__(self) -> Iterator[tuple[Key, Value]]:
        return zip(self._mapping, self._mapping._every_value(), strict=True)


Chunks = tuple[tuple[Value, ...], ...]


def _replaced(chunks: Chunks[Value], changes: Iterable[tuple[int, Value]]) -> Chunks[Value]:
    """The chunks with these values in their slots."""
    opened: dict[int, list[Value]] = {}
    for slot, value in changes:
        number = slot >> BITS
        if number not in opened:
            opened[number] = list(chunks[number])
        opened[number][slot & (CHUNK - 1)] = value
    if not opened:
        return chunks
    after = list(chunks)
    for number, chunk in opened.items():
        after[number] = tuple(chunk)
    return tuple(after)


def _extended(chunks: Chunks[Value], new: tuple[Value, ...]) -> Chunks[Value]:
    """The chunks with these values behind them."""
    if not new:
        return chunks
    whole = chunks if not chunks or len(chunks[-1]) == CHUNK else chunks[:-1]
    rest = chunks[len(whole)] + new if len(whole) < len(chunks) else new
    starts = range(0, len(rest), CHUNK)
    return (*whole, *(rest[start : start + CHUNK] for start in starts))
