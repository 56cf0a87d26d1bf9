"""Every registered strategy: one seed one batch, no repeats, and fewer texts than are asked for."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from loopd.learning.strategies.catalogue import STRATEGIES
from tests.learning.strategies.fakes import World

HNSW = importlib.util.find_spec("hnswlib") is not None
FIT = [name for name in STRATEGIES if "single_label" in STRATEGIES[name].kinds]
USABLE = [name for name in FIT if HNSW or "hnswlib" not in STRATEGIES[name].needs]
SEEDABLE = [name for name in USABLE if STRATEGIES[name].seedable]
DRAWING = [
    "random_sampling", "subsampling", "lightweight_coreset", "kmeans_pp", "badge", "committee",
]  # fmt: skip
"""Those whose batch on the pool below hangs on what they draw."""

OPTIONS = {
    "subsampling": {"subsample_size": 20},
    "anchor_subsampling": {"k": 20},
    "seals": {"k": 20},
}

NAMES = {"first": (1.0, 0, 0, 0), "second": (0, 1.0, 0, 0), "third": (0, 0, 1.0, 0)}


def world(count: int = 60, *, left: int | None = None, warm: bool = True) -> World:
    """Random vectors of length 1 and probabilities; four records are labelled, some are out."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(count, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    proba = rng.dirichlet(np.ones(3), size=count)
    ignored = range(4, 10) if left is None else range(4, count - left)
    labelled = {0: 0, 1: 1, 2: 2, 3: 0} if warm else {}
    return World(
        vectors,
        proba if warm else None,
        labelled=labelled,
        ignored=ignored if warm else [*range(4), *ignored],
        names=NAMES,
        samples=rng.dirichlet(np.ones(3), size=(count, 10)),
        num_classes=3,
    )


@pytest.mark.parametrize("name", SEEDABLE)
def test_one_seed_gives_one_batch(name: str) -> None:
    batches = [world().named(name, 8, seed=3, **OPTIONS.get(name, {})) for _ in range(2)]
    assert batches[0] == batches[1]


@pytest.mark.parametrize("name", DRAWING)
def test_other_seeds_give_other_batches(name: str) -> None:
    options = OPTIONS.get(name, {})
    batches = {tuple(sorted(world().named(name, 8, seed, **options))) for seed in range(5)}
    assert len(batches) > 1


@pytest.mark.parametrize("name", USABLE)
def test_a_batch_has_no_repeats_and_leaves_the_known_out(name: str) -> None:
    for size in (1, 2, 8, 30):
        chosen = world().named(name, size, **OPTIONS.get(name, {}) if size < 20 else {})
        assert len(set(chosen)) == size
        assert set(chosen) <= world().free


@pytest.mark.parametrize("name", USABLE)
@pytest.mark.parametrize("left", [0, 1, 2, 5])
def test_with_fewer_left_than_asked_all_are_returned(name: str, left: int) -> None:
    chosen = world(left=left).named(name, 6)
    assert sorted(chosen) == list(range(60 - left, 60))


@pytest.mark.parametrize("name", [name for name in USABLE if STRATEGIES[name].cold])
@pytest.mark.parametrize("left", [0, 1, 5, 50])
def test_those_that_need_no_model_work_without(name: str, left: int) -> None:
    cold = world(left=left, warm=False)
    batches = [cold.named(name, 6, seed=1) for _ in range(2)]
    assert batches[0] == batches[1]
    assert len(set(batches[0])) == min(left, 6)
    assert set(batches[0]) <= cold.free


@pytest.mark.parametrize("name", USABLE)
def test_repeated_texts_and_even_probabilities_are_no_trouble(name: str) -> None:
    same = World(
        np.tile(np.array([[1, 0, 0, 0]], np.float32), (30, 1)),
        np.full((30, 3), 1 / 3),
        labelled={0: 0, 1: 1, 2: 2},
        names=NAMES,
        samples=np.full((30, 10, 3), 1 / 3),
    )
    assert len(set(same.named(name, 5))) == 5


@pytest.mark.parametrize("name", ["typiclust", "probcover", "class_coverage", "greedy_coreset",
                                  "kmeans_pp", "badge"])  # fmt: skip
def test_a_large_pool_is_narrowed_by_the_seed(name: str) -> None:
    chosen = [world().named(name, 5, seed, candidates=10) for seed in (1, 1, 2)]
    assert chosen[0] == chosen[1] != chosen[2]
    assert len(set(world().named(name, 20, candidates=10))) == 20  # never fewer than asked


@pytest.mark.parametrize("name", [name for name in USABLE if STRATEGIES[name].scores])
def test_scores_fall(name: str) -> None:
    strategy = world().build(name, **OPTIONS.get(name, {}))
    _, scores = world().ask_with_scores(strategy, 8)
    assert scores is not None
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("name", [name for name in USABLE if not STRATEGIES[name].scores])
def test_those_without_scores_say_so(name: str) -> None:
    assert world().ask_with_scores(world().build(name), 3)[1] is None
