"""Owns the pool and the test set, by record id; must not know where they came from.

Here they are in memory; ``data.stored_pool`` has the same of a pool that stays on disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Protocol

from loopd.records import PoolId, Record, Target, blanked


class Digest(Protocol):
    """A hash of ``hashlib``."""

    def copy(self) -> Digest:
        """Another one that has read the same."""

    def update(self, data: bytes, /) -> None:
        """Read on."""

    def hexdigest(self) -> str:
        """The hash so far."""


@dataclass(frozen=True)
class Pool:
    """A set of records in file order, found by id.

    Positions are the learner's private language: outside ``learning`` only ids are used.

    Attributes:
        records: the records; ids and texts are distinct, but for texts that were withdrawn.
        intakes: of a pool that grows, how many of the records each intake brought, in order; empty
            where all came at once.
    """

    records: Sequence[Record]
    intakes: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __getitem__(self, record_id: PoolId) -> Record:
        return self.records[self.positions[record_id]]

    def __contains__(self, record_id: object) -> bool:
        return record_id in self.positions

    def __reduce__(self) -> tuple[type[Pool], tuple[object, ...]]:
        """For another process: hashes cannot be sent."""
        return Pool, (self.records, self.intakes)

    @cached_property
    def positions(self) -> Mapping[PoolId, int]:
        """Position of each id."""
        return {record.id: position for position, record in enumerate(self.records)}

    @cached_property
    def texts(self) -> Sequence[str]:
        """All texts in order."""
        return [record.text for record in self.records]

    @cached_property
    def ids(self) -> Sequence[PoolId]:
        """All ids in order."""
        return [record.id for record in self.records]

    @property
    def text_set(self) -> AbstractSet[str]:
        """All texts, to ask whether one is there."""
        return self.ids_by_text.keys()

    @cached_property
    def ids_by_text(self) -> Mapping[str, PoolId]:
        """The id of each text that is not withdrawn."""
        return {record.text: record.id for record in self.records if record.text}

    @cached_property
    def answered(self) -> Sequence[int]:
        """Positions of records that came with answers, in order."""
        return [position for position, record in enumerate(self.records) if record.answers]

    def find(self, ids: Iterable[PoolId]) -> Sequence[int]:
        """Position of each of the ids; -1 where it is not there."""
        return [self.positions.get(id_, -1) for id_ in ids]

    def find_texts(self, texts: Iterable[str]) -> Sequence[int]:
        """Position of a record with each of the texts; -1 where there is none."""
        ids = (self.ids_by_text.get(text) for text in texts)
        return [-1 if id_ is None else self.positions[id_] for id_ in ids]

    def ids_at(self, positions: Iterable[int]) -> list[PoolId]:
        """Ids of the records at these positions."""
        return [self.records[position].id for position in positions]

    @property
    def ends(self) -> tuple[int, ...]:
        """Position behind each intake."""
        return tuple(accumulate(self.intakes)) or (len(self.records),)

    @property
    def parts(self) -> tuple[Sequence[Record], ...]:
        """The records of each intake."""
        return tuple(self.records[begin:end] for begin, end in pairwise((0, *self.ends)))

    @cached_property
    def pieces(self) -> tuple[Pool, ...]:
        """The intakes as pools of their own: what is kept of one stays valid when others join."""
        return tuple(Pool(records) for records in self.parts) if self.intakes else (self,)

    def grown(self, records: Sequence[Record]) -> Pool:
        """The pool with one more intake; nothing moves, and no text is hashed again."""
        before = self.intakes or (len(self.records),)
        after = Pool((*self.records, *records), (*before, len(records)))
        after.__dict__["pieces"] = (*self.pieces, Pool(tuple(records)))
        after.__dict__["_hashes"] = (*self._hashes, hashed(self._hashes[-1], records))
        return after

    def without_texts(self, ids: Collection[PoolId]) -> Pool:
        """The pool in which these records have no text; nothing moves. Itself if there are none."""
        if not any(self[id_].text for id_ in ids if id_ in self):
            return self
        records = (blanked(record) if record.id in ids else record for record in self.records)
        return Pool(tuple(records), self.intakes)

    def size_at(self, fingerprint: str) -> int | None:
        """How many records it had when its fingerprint was this; ``None``: it never was."""
        sizes = zip(reversed(self.ends), reversed(self._hashes), strict=True)
        return next((size for size, digest in sizes if short(digest) == fingerprint), None)

    def beginning(self, fingerprint: str) -> Pool | None:
        """The first records whose fingerprint is this; ``None`` where there are none such."""
        digest: Digest = hashlib.sha256()
        for number, record in enumerate(self.records, start=1):
            digest = hashed(digest, (record,))
            if short(digest) == fingerprint:
                return Pool(self.records[:number])
        return None

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of the pool as it was behind each intake."""
        return tuple(map(short, self._hashes))

    @property
    def fingerprint(self) -> str:
        """Hash of all ids, texts, targets and given answers in order: 16 hexadecimal digits."""
        return short(self._hashes[-1])

    @cached_property
    def _hashes(self) -> tuple[Digest, ...]:
        """Of the pool as it was behind each intake."""
        start: Digest = hashlib.sha256()
        return tuple(accumulate(self.parts, hashed, initial=start))[1:]


def content_id(text: str) -> PoolId:
    """The id of a text that has none: ``t-`` and 16 hexadecimal digits, the same everywhere."""
    # A text that is no Unicode has one too: it is refused later, by its place in its file.
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return PoolId(f"t-{digest[:16]}")


def hashed(before: Digest, records: Iterable[Record]) -> Digest:
    """A hash that goes on with these records."""
    digest = before.copy()
    for record in records:
        answers = (json.dumps(record.answers, ensure_ascii=False),) if record.answers else ()
        for part in (record.id, record.text, _written(record.gold), *answers):
            digest.update(part.encode("utf-8", "surrogatepass"))
            digest.update(b"\0")
    return digest


def short(digest: Digest) -> str:
    """What a fingerprint shows of it: 16 hexadecimal digits."""
    return digest.hexdigest()[:16]


def _written(gold: Target | None) -> str:
    if gold is None or isinstance(gold, str):
        return gold or ""
    return json.dumps(gold, ensure_ascii=False)
