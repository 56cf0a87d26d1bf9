"""Owns the pool and the test set in memory, by record id; must not know where they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

from loopd.records import PoolId, Record, Target


@dataclass(frozen=True)
class Pool:
    """A set of records in file order, found by id.

    Positions are the learner's private language: outside ``learning`` only ids are used.

    Attributes:
        records: the records; ids and texts are distinct.
        intakes: of a pool that grows, how many of the records each intake brought, in order; empty
            where all came at once.
    """

    records: tuple[Record, ...]
    intakes: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __getitem__(self, record_id: PoolId) -> Record:
        return self.records[self.positions[record_id]]

    def __contains__(self, record_id: object) -> bool:
        return record_id in self.positions

    @cached_property
    def positions(self) -> Mapping[PoolId, int]:
        """Position of each id."""
        return {record.id: position for position, record in enumerate(self.records)}

    @cached_property
    def texts(self) -> Sequence[str]:
        """All texts in order."""
        return [record.text for record in self.records]

    @property
    def parts(self) -> tuple[tuple[Record, ...], ...]:
        """The records of each intake."""
        ends = tuple(accumulate(self.intakes)) or (len(self.records),)
        return tuple(self.records[begin:end] for begin, end in pairwise((0, *ends)))

    def size_at(self, fingerprint: str) -> int | None:
        """How many records it had when its fingerprint was this; ``None``: it never was."""
        if fingerprint == self.fingerprint:
            return len(self.records)
        sizes = tuple(accumulate(self.intakes))[:-1]
        before = (size for size in sizes if Pool(self.records[:size]).fingerprint == fingerprint)
        return next(before, None)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all ids, texts, targets and given answers in order: 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for record in self.records:
            answers = (json.dumps(record.answers, ensure_ascii=False),) if record.answers else ()
            for part in (record.id, record.text, _written(record.gold), *answers):
                digest.update(part.encode("utf-8", "surrogatepass"))
                digest.update(b"\0")
        return digest.hexdigest()[:16]


def content_id(text: str) -> PoolId:
    """The id of a text that has none: ``t-`` and 16 hexadecimal digits, the same everywhere."""
    # A text that is no Unicode has one too: it is refused later, by its place in its file.
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return PoolId(f"t-{digest[:16]}")


def _written(gold: Target | None) -> str:
    if gold is None or isinstance(gold, str):
        return gold or ""
    return json.dumps(gold, ensure_ascii=False)
