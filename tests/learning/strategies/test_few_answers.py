"""Described labels make a model before people have answered: every strategy goes on, then too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loopd.config import StrategySection
from loopd.data.pool import Pool
from loopd.learning.learner import Learner
from loopd.learning.problems.problem import problem_of
from loopd.learning.strategies.catalogue import STRATEGIES
from loopd.learning.strategies.registry import labels_needed
from loopd.records import PoolId, Target
from tests.learning.conftest import LABELS, WORDS
from tests.learning.strategies.test_through_learner import HNSW

Build = Callable[..., Learner]

DESCRIPTIONS = {label: (" ".join(WORDS[label]),) for label in LABELS}

CASES = [
    (name, kind)
    for name, entry in STRATEGIES.items()
    for kind in entry.kinds
    if kind != "spans" and "dropout" not in entry.needs
    if HNSW or "hnswlib" not in entry.needs
]

OWN = """
import numpy as np
from small_text import QueryStrategy

class OfAll(QueryStrategy):
    def query(self, clf, dataset, indices_unlabeled, indices_labeled, y, n=10):
        if len(set(np.asarray(y).tolist())) < 2:
            raise ValueError("needs two classes")
        return indices_unlabeled[-n:]
"""


def answers(pool: Pool, kind: str, count: int) -> dict[PoolId, Target]:
    """Answers of one kind."""
    same = [record.id for record in pool if record.gold == LABELS[0]][:count]
    target: Target = (LABELS[0],) if kind == "multi_label" else LABELS[0]
    return dict.fromkeys(same, target)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_strategy_goes_on_with_answers_of_one_kind_or_none(
    learner_of: Build, pool: Pool, name: str, kind: str
) -> None:
    learner = learner_of(name, problem=problem_of(kind, LABELS), descriptions=DESCRIPTIONS)
    for count in (0, 1, 4):
        targets = answers(pool, kind, count)
        model = learner.fit(0, targets)
        choice = learner.choose(model, 5, round=1, targets=targets, exclude=())
        ids = {item.record_id for item in choice.items}
        assert len(ids) == 5
        assert not ids & set(targets)
        assert all(item.suggestion is not None for item in choice.items)
        assert all(item.score is None or np.isfinite(item.score) for item in choice.items)
        is_own = choice.strategy.split("/")[0] == name
        assert is_own == learner.can_choose(targets)


def test_what_needs_no_answers_asks_the_model_of_the_descriptions(
    learner_of: Build, pool: Pool
) -> None:
    """A rare label that is described must not wait for chance to bring it."""
    learner = learner_of("margin", descriptions=DESCRIPTIONS)
    targets = answers(pool, "single_label", 4)
    choice = learner.choose(learner.fit(0, targets), 5, round=1, targets=targets, exclude=())
    assert choice.strategy == "margin"
    cold = learner.choose(
        learner.fit(0, targets), 5, round=1, targets=targets, exclude=(), cold=True
    )
    assert cold.strategy.startswith("facility_location")


def test_a_strategy_of_the_user_gets_two_kinds_of_answers_as_ever(
    learner_of: Build, pool: Pool, tmp_path: Any
) -> None:
    (tmp_path / "few_answers_own.py").write_text(OWN)
    learner = learner_of("few_answers_own:OfAll", descriptions=DESCRIPTIONS, code_paths=(tmp_path,))
    targets = answers(pool, "single_label", 4)
    choice = learner.choose(learner.fit(0, targets), 5, round=1, targets=targets, exclude=())
    assert len(choice.items) == 5
    other = next(record for record in pool if record.gold == LABELS[1])
    targets[other.id] = LABELS[1]
    choice = learner.choose(learner.fit(0, targets), 5, round=1, targets=targets, exclude=())
    assert choice.strategy == "few_answers_own:OfAll"


@pytest.mark.parametrize(
    ("section", "needed"),
    [
        ({"name": "margin"}, 0),
        ({"name": "committee"}, 2),
        ({"name": "subsampling"}, 0),
        ({"name": "subsampling", "options": {"base": "committee"}}, 2),
        ({"name": "seals", "options": {"base": "margin"}}, 1),
        ({"name": "my.module:Class"}, 2),
    ],
)
def test_a_wrapper_needs_what_its_base_needs(section: Any, needed: int) -> None:
    assert labels_needed(StrategySection(**section)) == needed
