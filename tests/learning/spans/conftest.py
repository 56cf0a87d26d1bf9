"""Texts in which people and places can be told apart, and taggers over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopd.config import ClassifierSection
from loopd.data.pool import Pool
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.dataset import IndexedDataset
from loopd.learning.spans.factory import SpanTaggerFactory
from loopd.learning.spans.tagger import SpanTagger
from loopd.records import PoolId, Record, Span

LABELS = ("person", "place")

PEOPLE = ("Anna Berg", "Otto Krause", "Mary Smith", "John Miller", "Peter Jones", "Lucy Brown")
PLACES = ("Paris", "New York", "Berlin", "Rome", "Los Angeles", "London")
FRAMES = (
    "{person} flew to {place} last week.",
    "we met {person} in {place}",
    "{place} is where {person} was born",
    "it rained all day in {place}!",
    "{person} said nothing",
    "nothing to see here, move on",
)

QUICK = {"epochs": 1, "min_steps": 30, "batch_size": 8}


def make_pool(count: int = 48, seed: int = 0) -> Pool:
    """Different texts with known spans."""
    rng = np.random.default_rng(seed)
    records: dict[str, Record] = {}
    while len(records) < count:
        frame = FRAMES[len(records) % len(FRAMES)]
        text, spans = frame, []
        for label, names in zip(LABELS, (PEOPLE, PLACES), strict=True):
            text = text.replace(f"{{{label}}}", str(rng.choice(names)))
        text = f"{text} #{len(records)}"
        for label, names in zip(LABELS, (PEOPLE, PLACES), strict=True):
            for name in names:
                start = text.find(name)
                if start >= 0:
                    spans.append(Span(start, start + len(name), label))
        records[text] = Record(PoolId(f"id-{len(records):03d}"), text, tuple(sorted(spans)))
    return Pool(tuple(records.values()))


def gold(pool: Pool, rows: Any) -> np.ndarray[Any, Any]:
    """Known spans of rows of the pool (n,), as a training set has them."""
    y = np.empty(len(rows), dtype=object)
    for place, row in enumerate(rows):
        y[place] = pool.records[row].gold
    return y


def train_set(factory: SpanTaggerFactory, rows: Any, y: Any) -> IndexedDataset:
    """Rows of the factory's pool with spans."""
    return IndexedDataset(factory.pool_features, y, np.arange(len(LABELS)), rows=np.asarray(rows))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tests run beside each other; more threads than cores make torch many times slower."""
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pool() -> Pool:
    return make_pool()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def factory_of(pool: Pool, cache: Path) -> Callable[..., SpanTaggerFactory]:
    """Builds factories over the pool that share the cache."""

    def build(options: dict[str, Any] | None = None, **more: Any) -> SpanTaggerFactory:
        section = {"threads": 1, "options": {**QUICK, **(options or {})}, **more.pop("section", {})}
        around = {"pool": pool, "labels": LABELS, "kind": "spans", "cache": cache, **more}
        return SpanTaggerFactory(
            ClassifierContext(
                section=ClassifierSection.model_validate(section),
                num_classes=len(around["labels"]),
                **around,
            )
        )

    return build


@pytest.fixture(scope="session")
def factory(factory_of: Callable[..., SpanTaggerFactory]) -> SpanTaggerFactory:
    return factory_of()


TRAINED_ROWS = np.arange(24)


@pytest.fixture(scope="session")
def trained(factory: SpanTaggerFactory, pool: Pool) -> SpanTagger:
    """A tagger that knows half of the pool."""
    return factory.new(3).fit(train_set(factory, TRAINED_ROWS, gold(pool, TRAINED_ROWS)))
