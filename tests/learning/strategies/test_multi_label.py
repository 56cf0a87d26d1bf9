"""Strategies where texts have several labels: the right pick by hand, seeds, limits, refusals."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from loopd.config import StrategySection
from loopd.errors import ModelError
from loopd.learning.strategies.catalogue import STRATEGIES
from loopd.learning.strategies.category_vectors import entropy_distance, ranking
from loopd.learning.strategies.multi_label import nearness
from loopd.learning.strategies.registry import check, refuse_unfit
from tests.learning.strategies.fakes import World, circle

HNSW = importlib.util.find_spec("hnswlib") is not None
FIT = [name for name in STRATEGIES if "multi_label" in STRATEGIES[name].kinds]
USABLE = [name for name in FIT if HNSW or "hnswlib" not in STRATEGIES[name].needs]
OPTIONS = {"subsampling": {"subsample_size": 20}, "seals": {"k": 20}}
NAMES = {"first": (1.0, 0, 0, 0), "second": (0, 1.0, 0, 0), "third": (0, 0, 1.0, 0)}


def several(*proba: list[float], **more: Any) -> World:
    """Records at one place whose labels are all that tells them apart."""
    return World(circle(*[0] * len(proba)), np.array(proba), several=True, **more)


def world(count: int = 60, *, left: int | None = None) -> World:
    """Random vectors and independent probabilities; four records are labelled, one with nothing."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(count, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return World(
        vectors,
        rng.random((count, 3)),
        labelled={0: (0,), 1: (1, 2), 2: (), 3: (0, 1)},
        ignored=range(4, 10) if left is None else range(4, count - left),
        names=NAMES,
        samples=rng.random((count, 10, 3)),
        several=True,
        thresholds=[0.3, 0.5, 0.6],
    )


@pytest.mark.parametrize("name", USABLE)
def test_one_seed_one_batch_without_repeats_of_what_is_open(name: str) -> None:
    for size in (1, 8):
        first, again = (world().named(name, size, 3, **OPTIONS.get(name, {})) for _ in range(2))
        assert first == again or not STRATEGIES[name].seedable
        assert len(set(first)) == size
        assert set(first) <= world().free


@pytest.mark.parametrize("name", USABLE)
@pytest.mark.parametrize("left", [0, 1, 5])
def test_with_fewer_left_than_asked_all_are_returned(name: str, left: int) -> None:
    assert sorted(world(left=left).named(name, 6)) == list(range(60 - left, 60))


@pytest.mark.parametrize("name", USABLE)
def test_scores_fall_or_are_none(name: str) -> None:
    found = world().ask_with_scores(world().build(name, **OPTIONS.get(name, {})), 8)[1]
    if not STRATEGIES[name].scores:
        assert found is None
    else:
        assert found is not None
        assert found == sorted(found, reverse=True)
        assert found[0] > found[-1]


@pytest.mark.parametrize("name", USABLE)
def test_repeated_texts_and_even_or_no_probabilities_are_no_trouble(name: str) -> None:
    for proba in (0.5, 0.0, 1.0):
        same = World(
            np.tile(np.array([[1, 0, 0, 0]], np.float32), (30, 1)),
            np.full((30, 3), proba),
            labelled={0: (0,), 1: ()},
            names=NAMES,
            samples=np.full((30, 10, 3), proba),
            several=True,
        )
        assert len(set(same.named(name, 5))) == 5


def test_margin_is_the_distance_from_the_thresholds() -> None:
    # Thresholds .2 and .5. Record 0 is nearest to one half, record 1 to its own thresholds.
    pool = several([0.5, 0.9], [0.18, 0.45], [0.2, 1.0], [0.0, 0.0], thresholds=[0.2, 0.5])
    chosen, scores = pool.ask_with_scores(pool.build("margin", aggregate="mean"), 4)
    assert chosen == [1, 2, 0, 3]
    assert scores == pytest.approx([0.9, 0.5, (0.625 + 0.2) / 2, 0], abs=1e-6)
    chosen, scores = pool.ask_with_scores(pool.build("margin", aggregate="max"), 2)
    assert chosen == [2, 1]
    assert scores == pytest.approx([1, 0.9], abs=1e-6)


def test_nearness_is_measured_in_the_way_to_the_end_of_the_scale() -> None:
    found = nearness(np.array([[0.05, 0.25, 0.55, 1.0]]), np.array([0.1, 0.5, 0.1, 0.3]))
    assert found == pytest.approx(np.array([[-0.5, -0.5, -0.5, -1.0]]))


def test_entropy_and_confidence_look_at_yes_and_no_of_each_label() -> None:
    # As one distribution record 0 would be the most even; by labels it is sure of everything.
    pool = several([0.02, 0.02], [0.5, 0.01], [0.3, 0.35], [0.98, 0.99])
    assert pool.named("entropy", 2, aggregate="mean") == [2, 1]
    assert pool.named("entropy", 2, aggregate="max") == [1, 2]
    assert pool.named("least_confidence", 2, aggregate="mean") == [2, 1]
    chosen, scores = pool.ask_with_scores(pool.build("least_confidence", aggregate="max"), 1)
    assert chosen == [1]
    assert scores == pytest.approx([0.5])


@pytest.mark.parametrize("name", ["cvirs", "category_vector_inconsistency_and_ranking"])
def test_category_vectors_take_what_is_unsure_and_unlike_the_known_sets(name: str) -> None:
    # Records 2 and 3 are as unsure; the set of record 3 is that of the labelled ones.
    pool = several(
        [0.9, 0.1, 0.1], [0.9, 0.1, 0.1], [0.6, 0.6, 0.4], [0.6, 0.4, 0.4], [0.95, 0.05, 0.05],
        labelled={0: (0,), 1: (0,)},
    )  # fmt: skip
    assert pool.named(name, 1) == [2]


def test_the_entropy_distance_of_sets_worked_by_hand() -> None:
    sets = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]]) > 0
    found = entropy_distance(sets[:1], sets)[0]
    # Halves that overlap by half know nothing of each other; opposites count as 1 by definition;
    # the empty set tells nothing, so that all of the other's entropy is left.
    assert found == pytest.approx([0, 1, 1, 0, 1])
    three = np.array([[1, 0, 0, 0], [1, 1, 0, 0]]) > 0
    joint = -(2 * 0.25 * np.log(0.25) + 0.5 * np.log(0.5))
    one, two = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75)), np.log(2)
    assert entropy_distance(three[:1], three[1:])[0, 0] == pytest.approx(
        (2 * joint - one - two) / joint
    )


def test_the_rank_is_the_share_of_surer_records() -> None:
    assert ranking(np.array([[0.5], [0.9], [0.3]])) == pytest.approx([1, 0, 0.5])


def test_badge_takes_the_longest_gradient_by_the_thresholds() -> None:
    # At .3 a label with the threshold .25 is given, and surprising; with .5 it would not be.
    pool = several([0.3, 0.0], [0.4, 0.0], [0.6, 0.0], thresholds=[0.25, 0.5])
    assert pool.named("badge", 1) == [0]
    assert replace(pool, thresholds=None).named("badge", 1) == [1]


def test_bald_and_the_committee_add_up_labels() -> None:
    samples = np.array([[[0.5, 0.5]] * 2, [[1, 0], [0, 0]], [[1, 0], [0, 1]]], dtype=float)
    pool = several([0.5, 0.5], [0.5, 0.0], [0.5, 0.5], samples=samples)
    chosen, scores = pool.ask_with_scores(pool.build("bald", dropout_samples=2), 2)
    assert chosen == [2, 1]
    assert scores == pytest.approx([2, 1])
    # Where nothing like a record is labelled, the members differ.
    vectors = circle(0, 0, 0, 0, 5, 80)
    labelled = {0: (0,), 1: (0,), 2: (), 3: (0,)}
    disputed = World(vectors, np.full((6, 2), 0.5), labelled=labelled, several=True)
    chosen, scores = disputed.ask_with_scores(disputed.build("committee", disagreement="kl"), 2)
    assert sorted(chosen) == [4, 5]
    assert scores is not None
    assert min(scores) > 0


def test_class_coverage_counts_every_label_of_a_record() -> None:
    # Both labels of record 0 are covered once; the third is not at all.
    vectors = np.eye(3, dtype=np.float32)[[0, 0, 1, 2, 2]]
    names = {"a": (1.0, 0, 0), "b": (0, 1.0, 0), "c": (0, 0, 1.0)}
    pool = World(vectors, None, labelled={0: (0, 1)}, names=names, num_classes=3, several=True)
    assert pool.named("class_coverage", 1)[0] in {3, 4}


def test_what_does_not_fit_the_task_is_refused_with_what_does() -> None:
    for name, kind in (("cvirs", "single_label"), ("contrastive_active_learning", "multi_label")):
        with pytest.raises(ModelError, match=f"{name}.*{kind}") as caught:
            check(StrategySection(name=name), 3, (), represented=True, kind=kind)
        assert "margin" in caught.value.hint
        assert name not in caught.value.hint
    wrapped = StrategySection(name="subsampling", options={"base": "cvirs"})
    with pytest.raises(ModelError, match="cvirs"):
        refuse_unfit(wrapped, "single_label")
    refuse_unfit(wrapped, "multi_label")
    refuse_unfit(StrategySection(name="my_module:Mine"), "multi_label")
    with pytest.raises(ModelError, match="several labels"):
        World(circle(0, 0), np.full((2, 2), 0.5)).named("cvirs", 1)
    with pytest.raises(ModelError, match="aggregate"):
        world().build("margin", aggregate="median")
