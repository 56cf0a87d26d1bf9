"""A dataset in memory that a listener can watch, and an action that writes down its calls."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from loopd.listener.filters import BoundSearch
from loopd.listener.firing import Context, SearchResult


@dataclass
class FakeSource:
    """Answers by record id, for each batch; every record matches the batch it is in."""

    answers: dict[int, dict[str, str]] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)
    dataset: str = "the dataset"
    moved: int = 0
    searches: int = 0

    def answer(self, batch: int, record: str, value: str = "fruit", *, bulk: bool = False) -> None:
        self.answers.setdefault(batch, {})[record] = value
        self.moved += not bulk

    def activity(self) -> str:
        if self.failures:
            raise self.failures.pop(0)
        return str(self.moved)

    def search(self, wanted: BoundSearch) -> SearchResult:
        self.searches += 1
        ((_, _, batch),) = wanted.conditions
        matching = self.answers.get(batch, {})
        return SearchResult(tuple(sorted(matching)), json.dumps(matching, sort_keys=True))


@dataclass
class Calls:
    """An action: what it was called with, and what it does then."""

    seen: list[tuple[int, int, list[Any]]] = field(default_factory=list)
    then: Any = None

    def more_than(self, number: int) -> bool:
        return len(self.seen) > number

    def __call__(self, records: list[Any], ctx: Context) -> None:
        self.seen.append((ctx.query_params["batch_id"], ctx.search.total, records))
        if self.then is not None:
            self.then(ctx)
