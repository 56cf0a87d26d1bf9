"""Texts that a linear model can tell apart, and learners over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from loopd.config import ClassifierSection, StrategySection
from loopd.data.pool import Pool
from loopd.learning.learner import Learner, Model
from loopd.records import PoolId, Record, Target, Targets

LABELS = ("animal", "food", "sport")

COLD = ("cold_start", "cold_start_options")

WORDS = {
    "animal": ("cat", "dog", "horse", "bird", "fish", "lion", "mouse", "goat"),
    "food": ("bread", "cheese", "apple", "soup", "rice", "cake", "salad", "bean"),
    "sport": ("tennis", "golf", "rugby", "chess", "skiing", "rowing", "judo", "hockey"),
}
FILLERS = ("we saw", "they like", "a story about", "more on", "please tell me of", "thoughts on")


def make_pool(count: int = 90, seed: int = 0) -> Pool:
    """Different texts of two words of their class in random fillers, with gold labels."""
    rng = np.random.default_rng(seed)
    records: dict[str, Record] = {}
    while len(records) < count:
        gold = LABELS[len(records) % 3]
        first, second = rng.choice(WORDS[gold], size=2, replace=False)
        text = f"{rng.choice(FILLERS)} {first} and {second}"
        records.setdefault(text, Record(PoolId(f"id-{len(records):03d}"), text, gold))
    return Pool(tuple(records.values()))


def gold(pool: Pool, ids: Iterable[str]) -> dict[PoolId, Target]:
    """Known label by id."""
    return {PoolId(id_): str(pool[PoolId(id_)].gold) for id_ in ids}


def all_scores(model: Model) -> NDArray[np.float32]:
    """What a model says of every text of the pool: probabilities (n, C)."""
    from loopd.learning.fitted import PoolScores  # which loads torch

    assert isinstance(model.scores, PoolScores)
    return model.scores.all


@pytest.fixture
def pool() -> Pool:
    return make_pool()


@pytest.fixture
def targets(pool: Pool) -> Targets:
    return gold(pool, [record.id for record in pool.records[:12]])


@pytest.fixture
def learner_of(pool: Pool, tmp_path: Path) -> Callable[..., Learner]:
    """Builds learners over the pool; each shares the cache unless told otherwise."""

    def build(
        strategy: str = "breaking_ties",
        classifier: str = "tfidf",
        *,
        strategy_options: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
        **more: Any,
    ) -> Learner:
        settings: dict[str, Any] = {"seed": 7, "cache": tmp_path / "cache", **more}
        cold = {key: settings.pop(key) for key in COLD if key in settings}
        return Learner(
            settings.pop("pool", pool),
            settings.pop("problem", LABELS),
            classifier=ClassifierSection(name=classifier, options=options or {}),
            strategy=StrategySection(name=strategy, options=strategy_options or {}, **cold),
            **settings,
        )

    return build
