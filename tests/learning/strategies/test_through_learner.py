"""Every registered strategy on a real learner: limits, seeds, options, the user's own."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopd.config import StrategySection
from loopd.data.pool import Pool
from loopd.errors import ModelError
from loopd.learning.learner import Learner
from loopd.learning.strategies.catalogue import STRATEGIES
from loopd.learning.strategies.registry import create
from loopd.records import PoolId, Targets
from tests.learning.conftest import all_scores

Build = Callable[..., Learner]

HNSW = importlib.util.find_spec("hnswlib") is not None
USABLE = [
    name for name, entry in STRATEGIES.items()
    if "dropout" not in entry.needs and "single_label" in entry.kinds
    if HNSW or "hnswlib" not in entry.needs
]  # fmt: skip
SEEDABLE = [name for name in USABLE if STRATEGIES[name].seedable]


def chosen(
    learner: Learner, targets: Targets, size: int, exclude: Any = (), hidden: Any = ()
) -> list[str]:
    model = learner.fit(1, targets)
    choice = learner.choose(model, size, round=2, targets=targets, exclude=exclude, hidden=hidden)
    return [item.record_id for item in choice.items]


@pytest.mark.parametrize("name", USABLE)
def test_never_chooses_the_labelled_or_excluded(
    learner_of: Build, pool: Pool, targets: Targets, name: str
) -> None:
    exclude = [record.id for record in pool.records[20:60]] + ["foreign", next(iter(targets))]
    hidden = [record.id for record in pool.records[55:70]]
    ids = chosen(learner_of(name), targets, 10, exclude, hidden)
    assert len(set(ids)) == 10
    assert not set(ids) & {*exclude, *targets, *hidden}


@pytest.mark.parametrize("name", SEEDABLE)
def test_the_same_seed_gives_the_same_batch(learner_of: Build, targets: Targets, name: str) -> None:
    assert chosen(learner_of(name), targets, 10) == chosen(learner_of(name), targets, 10)


@pytest.mark.parametrize("name", USABLE)
@pytest.mark.parametrize("left", [0, 1, 3, 5, 6])
def test_a_nearly_exhausted_pool(
    learner_of: Build, pool: Pool, targets: Targets, name: str, left: int
) -> None:
    exclude = [record.id for record in pool.records[12 + left :]]
    ids = chosen(learner_of(name), targets, 5, exclude)
    assert len(ids) == min(5, left)
    assert set(ids) <= {record.id for record in pool.records[12 : 12 + left]}


@pytest.mark.parametrize("name", [name for name in USABLE if STRATEGIES[name].scores])
def test_scores_fall_and_the_most_informative_comes_first(
    learner_of: Build, targets: Targets, name: str
) -> None:
    learner = learner_of(name)
    items = learner.choose(learner.fit(1, targets), 10, round=2, targets=targets, exclude=()).items
    scores = [item.score for item in items]
    assert None not in scores
    assert scores == sorted(scores, reverse=True)  # type: ignore[type-var]


@pytest.mark.parametrize("name", [name for name in USABLE if not STRATEGIES[name].scores])
def test_strategies_without_scores_say_so(learner_of: Build, targets: Targets, name: str) -> None:
    learner = learner_of(name)
    items = learner.choose(learner.fit(1, targets), 3, round=2, targets=targets, exclude=()).items
    assert [item.score for item in items] == [None] * 3


def test_suggestions_are_the_model_s_best_label(
    learner_of: Build, targets: Targets, pool: Pool
) -> None:
    learner = learner_of()
    model = learner.fit(1, targets)
    items = learner.choose(model, 10, round=2, targets=targets, exclude=()).items
    proba = learner.predict_pool(model, [item.record_id for item in items])
    for item, row in zip(items, proba, strict=True):
        assert item.suggestion is not None
        assert item.suggestion.score == float(row.max())
        margin = np.sort(row)[-1] - np.sort(row)[-2]
        assert item.score == pytest.approx(1 - margin, abs=1e-6)


def test_breaking_ties_takes_the_smallest_margins(
    learner_of: Build, targets: Targets, pool: Pool
) -> None:
    learner = learner_of()
    model = learner.fit(1, targets)
    rows = np.sort(all_scores(model)[12:], axis=1)
    best = np.argsort(rows[:, -1] - rows[:, -2], kind="stable")[:10] + 12
    ids = chosen(learner, targets, 10)
    assert set(ids) == {pool.records[place].id for place in best}


def test_vectorised_scores_are_small_texts() -> None:
    import small_text
    from small_text.query_strategies.bayesian import _bald

    from loopd.learning.strategies.bald import mutual_information
    from loopd.learning.strategies.uncertainty import entropy, largest, margin

    proba = np.random.default_rng(0).dirichlet(np.ones(5), size=40)
    model = type("Fixed", (), {"predict_proba": lambda self, dataset: proba})()
    for ours, theirs in (
        (-margin(proba), small_text.BreakingTies()),
        (-largest(proba), small_text.LeastConfidence()),
        (entropy(proba), small_text.PredictionEntropy()),
    ):
        assert np.allclose(ours, theirs.get_confidence(model, None, None, None, None))
    sampled = np.stack([proba, np.roll(proba, 1, axis=1)], axis=1)
    assert np.allclose(mutual_information(sampled), _bald(sampled), atol=1e-6)


def test_the_core_set_is_small_texts() -> None:
    from small_text.query_strategies.coresets import greedy_coreset

    from loopd.learning.strategies.coreset import farthest

    rng = np.random.default_rng(0)
    some = rng.normal(size=(60, 8)).astype(np.float32)
    some /= np.linalg.norm(some, axis=1, keepdims=True)
    theirs = greedy_coreset(some, np.arange(50), np.arange(50, 60), 12, distance_metric="euclidean")
    assert farthest(some[:50], some[50:], 12).tolist() == theirs.tolist()


def test_no_global_generator_is_left_changed(learner_of: Build, targets: Targets) -> None:
    import torch

    def state() -> tuple[Any, ...]:
        numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002
        return (
            random.getstate(),
            numpy_state["state"]["key"].tolist(),
            torch.get_rng_state().tolist(),
        )

    before = state()
    for name in ("random_sampling", "embedding_kmeans", "badge", "typiclust", "committee"):
        chosen(learner_of(name), targets, 5)
    assert state() == before


@pytest.mark.parametrize(
    ("section", "match"),
    [
        ({"name": "breaking_tie"}, "`breaking_ties`"),
        ({"name": "embedding_kmeans", "options": {"normalise": True}}, "`normalize`"),
        ({"name": "greedy_coreset", "options": {"space": "outer"}}, "outer"),
        ({"name": "committee", "options": {"disagreement": "loud"}}, "loud"),
        ({"name": "committee", "options": {"members": 1}}, "disagree"),
        ({"name": "class_coverage", "options": {"template": "x"}}, "template"),
        ({"name": "subsampling", "options": {"base": "subsampling"}}, "subsampling"),
        ({"name": "subsampling", "options": {"base": "nope"}}, "nope"),
        ({"name": "no_such_module:Thing"}, "no_such_module"),
        ({"name": "small_text.NoSuch"}, "NoSuch"),
        ({"name": "small_text:"}, "dotted path"),
        ({"name": "collections:OrderedDict"}, "query"),
    ],
)
def test_what_cannot_be_built_is_explained(section: dict[str, Any], match: str) -> None:
    with pytest.raises(ModelError, match=match):
        create(StrategySection.model_validate(section), 3)


OWN = """
import numpy as np
from small_text import QueryStrategy

class Longest(QueryStrategy):
    def __init__(self, shortest=False):
        self.sign = 1 if shortest else -1

    def query(self, clf, dataset, indices_unlabeled, indices_labeled, y, n=10):
        self._validate_query_input(indices_unlabeled, n)
        places = np.argsort(self.sign * np.diff(dataset.x.indptr)[indices_unlabeled], kind="stable")
        return indices_unlabeled[places[:n]]

class Rude(QueryStrategy):
    def query(self, clf, dataset, indices_unlabeled, indices_labeled, y, n=10):
        return indices_labeled[:n]

class Broken(QueryStrategy):
    def query(self, clf, dataset, indices_unlabeled, indices_labeled, y, n=10):
        raise RuntimeError("out of luck")
"""


@pytest.mark.parametrize("name", ["own_picks:Longest", "own_picks.Longest"])
def test_a_strategy_of_the_user_s_own(
    learner_of: Build, targets: Targets, pool: Pool, tmp_path: Path, name: str
) -> None:
    (tmp_path / "own_picks.py").write_text(OWN)
    learner = learner_of(name, code_paths=(tmp_path,))
    ids = chosen(learner, targets, 5)
    short = learner_of(name, code_paths=(tmp_path,), strategy_options={"shortest": True})
    lengths = [len(pool[PoolId(id_)].text.split()) for id_ in (*ids, *chosen(short, targets, 5))]
    assert min(lengths[:5]) > max(lengths[5:])


@pytest.mark.parametrize(("name", "match"), [("Rude", "must not choose"), ("Broken", "luck")])
def test_a_strategy_that_breaks_its_contract_is_refused(
    learner_of: Build, targets: Targets, tmp_path: Path, name: str, match: str
) -> None:
    (tmp_path / "own_rude.py").write_text(OWN)
    with pytest.raises(ModelError, match=match):
        chosen(learner_of(f"own_rude:{name}", code_paths=(tmp_path,)), targets, 5)


def test_modules_that_import_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ring_a.py").write_text("from ring_b import Second\nclass First: ...\n")
    (tmp_path / "ring_b.py").write_text("from ring_a import First\nclass Second: ...\n")
    with pytest.raises(ModelError, match="circular"):
        create(StrategySection(name="ring_a:First"), 3, (tmp_path,))


def test_subsampling_scores_belong_to_the_chosen(learner_of: Build, targets: Targets) -> None:
    options = {"subsample_size": 30, "base": "least_confidence"}
    learner = learner_of("subsampling", strategy_options=options)
    model = learner.fit(1, targets)
    items = learner.choose(model, 5, round=2, targets=targets, exclude=()).items
    proba = learner.predict_pool(model, [item.record_id for item in items])
    expected = [pytest.approx(1 - row.max(), abs=1e-6) for row in proba]
    assert [item.score for item in items] == expected


def test_dropout_is_refused_where_there_is_none(learner_of: Build, targets: Targets) -> None:
    with pytest.raises(ModelError, match="dropout"):
        chosen(learner_of("bald"), targets, 5)


@pytest.mark.skipif(HNSW, reason="hnswlib is installed")
def test_a_missing_package_is_named() -> None:
    with pytest.raises(ModelError, match="hnswlib"):
        create(StrategySection(name="seals"), 3)
