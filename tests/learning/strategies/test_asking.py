"""What strategies ask of a model: the exact best, through views, of plain classifiers too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loopd.errors import ModelError
from loopd.learning.dataset import unlabeled
from loopd.learning.fitted import FittedClassifier, PoolScores
from loopd.learning.strategies.auto import Auto
from loopd.learning.strategies.cluster_margin import in_turn
from loopd.learning.strategies.committee import disagreement
from loopd.learning.strategies.kmeans import clusters, plain, spread
from loopd.learning.strategies.probcover import pure_radius
from loopd.learning.strategies.scores import top
from loopd.learning.strategies.space import most_informative
from loopd.learning.strategies.uncertainty import margin
from tests.learning.strategies.fakes import FakeModel, World, circle, two


@pytest.mark.parametrize("n", [1, 3, 19, 20])
def test_top_is_a_stable_sort(n: int) -> None:
    rng = np.random.default_rng(n)
    values = rng.integers(0, 5, size=20).astype(float)
    positions = rng.permutation(100)[:20]
    expected = sorted(range(20), key=lambda place: (-values[place], positions[place]))[:n]
    assert top(values, positions, n).tolist() == expected


def test_what_is_no_number_comes_last() -> None:
    assert top(np.array([np.nan, 1.0, np.nan, 2.0]), np.arange(4), 3).tolist() == [3, 1, 0]


def test_the_most_informative_of_some_positions() -> None:
    model = World(circle(0, 0, 0, 0, 0), two(0.5, 0.6, 0.9, 0.6, 0.5)).model()
    assert isinstance(model, FittedClassifier)
    positions, scores = model.most_informative(margin, np.array([3, 2, 1]), 2)
    assert positions.tolist() == [1, 3]
    assert scores == pytest.approx([-0.2, -0.2], abs=1e-6)


def test_margins_closer_than_a_float32_are_told_apart() -> None:
    proba = np.array([[0.5 + 3e-8, 0.5 - 3e-8, 0], [0.5, 0.5, 0]], dtype=np.float32)
    assert top(margin(proba), np.arange(2), 1).tolist() == [1]


def test_a_view_of_the_pool_is_asked_by_its_own_indices() -> None:
    proba = two(0.9, 0.5, 0.8, 0.6, 0.7)
    model = World(circle(0, 0, 0, 0, 0), proba).model()
    view = unlabeled(np.arange(5), 2)[np.array([4, 2, 3, 0])]
    chosen, _ = most_informative(model, view, np.array([0, 1, 3]), 2, margin)
    assert chosen.tolist() == [0, 1]  # records 4 and 2


def test_a_plain_classifier_is_scored_as_it_is() -> None:
    plain_model: Any = FakeModel(two(0.9, 0.5, 0.8, 0.6), circle(0, 0, 0, 0))
    dataset = unlabeled(np.arange(4), 2)
    chosen, values = most_informative(plain_model, dataset, np.array([0, 2, 3]), 2, margin)
    assert chosen.tolist() == [3, 2]
    assert values == pytest.approx([-0.2, -0.6], abs=1e-6)


def test_a_classifier_without_representation_says_so() -> None:
    fake = FakeModel(two(0.5, 0.6), circle(0, 90))
    with pytest.raises(ModelError, match="representation") as caught:
        _ = FittedClassifier(PoolScores(fake, np.arange(2), 2)).representation
    assert caught.value.hint


def test_members_that_disagree() -> None:
    agree, split = [0.9, 0.1], ([1.0, 0.0], [0.0, 1.0])
    votes, divergence = disagreement(
        [np.array([agree, split[0]], np.float32), np.array([agree, split[1]], np.float32)]
    )
    assert votes == pytest.approx([0, np.log(2)])
    assert divergence == pytest.approx([0, np.log(2)], abs=1e-6)


def test_no_member_of_a_committee_loses_a_rare_class() -> None:
    vectors = circle(*range(0, 60, 3), 170, 80)
    labelled = {place: place % 2 for place in range(20)} | {20: 2}
    world = World(vectors, np.full((22, 3), 1 / 3), labelled=labelled)
    strategy = world.build("committee")
    heads = strategy._elected(vectors[:21], np.array(list(labelled.values())), 3)
    assert all(head.classes.tolist() == [0, 1, 2] for head in heads)


def test_clusters_take_turns_small_ones_first() -> None:
    assert in_turn(np.array([7, 7, 7, 4, 9, 9])).tolist() == [3, 4, 0, 5, 1, 2]


def test_outer_products_are_drawn_as_if_they_were_built() -> None:
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(30, 3)), rng.normal(size=(30, 4))
    built = np.einsum("ia,ib->iab", left, right).reshape(30, 12)
    drawn = [
        spread(one, other, 10, np.random.default_rng(1), first=4).tolist()
        for one, other in ((left, right), plain(built))
    ]
    assert drawn[0] == drawn[1]
    assert drawn[0][0] == 4


def test_k_means_finds_heaps_and_repeats_itself() -> None:
    heaps = circle(0, 1, 2, 90, 91, 180, 181, 182)
    found = clusters(heaps, 3, np.random.default_rng(0))
    assert len({*found[:3]}) == len({*found[3:5]}) == len({*found[5:]}) == 1
    assert len({*found}) == 3
    assert np.array_equal(found, clusters(heaps, 3, np.random.default_rng(0)))


def test_balls_reach_just_short_of_the_other_heap() -> None:
    radius = pure_radius(circle(0, 1, 2, 92, 93), 2, 0.95, np.random.default_rng(0))
    assert radius == pytest.approx(2 * np.sin(np.radians(45)), rel=0.01)


def test_auto_chooses_and_scores_as_what_it_stands_for() -> None:
    vectors, proba = circle(*range(40)), two(*np.linspace(0.5, 0.9, 40))
    cold = World(vectors, None)
    warm = World(vectors, proba, labelled={0: 0, 1: 1})
    for world, name in ((cold, "facility_location"), (warm, "diverse_margin")):
        strategy = Auto(2)
        assert world.ask_with_scores(strategy, 3) == world.ask_with_scores(world.build(name), 3)
        assert strategy.used_ == name
