"""Each registered strategy on a tiny pool where the right pick is known by hand."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loopd.config import StrategySection
from loopd.learning.dataset import unlabeled
from loopd.learning.seeding import seeded
from loopd.learning.strategies.catalogue import STRATEGIES
from loopd.learning.strategies.registry import create
from tests.learning.strategies.fakes import World, circle, two

HNSW = importlib.util.find_spec("hnswlib") is not None

PICKS: dict[str, Callable[[str], None]] = {}
"""The test of each strategy, by its name."""


def pick(*names: str) -> Callable[[Callable[[str], None]], Callable[[str], None]]:
    def note(test: Callable[[str], None]) -> Callable[[str], None]:
        PICKS.update(dict.fromkeys(names, test))
        return test

    return note


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_right_pick(name: str) -> None:
    if "hnswlib" in STRATEGIES[name].needs and not HNSW:
        pytest.skip("hnswlib is not installed")
    PICKS[name](name)


def test_every_strategy_has_a_pick() -> None:
    assert set(PICKS) == set(STRATEGIES)


class Tagger:
    """Three texts: sure of all its tokens, unsure of one, a little unsure of each."""

    table = (
        [[0.98, 0.01, 0.01]] * 4,
        [[0.98, 0.01, 0.01], [0.34, 0.33, 0.33], [0.98, 0.01, 0.01], [0.98, 0.01, 0.01]],
        [[0.8, 0.1, 0.1]] * 12,
    )

    def token_proba(self, dataset: Any) -> Any:
        rows = [np.array(self.table[row], dtype=np.float32) for row in dataset.rows]
        return np.concatenate(rows), np.cumsum([0, *map(len, rows)])

    def embed(self, dataset: Any) -> Any:
        return np.eye(3, dtype=np.float32)[dataset.rows]


def asked(name: str, n: int, **options: Any) -> list[int]:
    """What a token strategy chooses of the three texts."""
    strategy = create(StrategySection(name=name, options=options), 1)
    none = np.empty(0, dtype=np.int64)
    with seeded(0):
        tagger: Any = Tagger()
        chosen = strategy.query(tagger, unlabeled(np.zeros(3), 1), np.arange(3), none, none, n=n)
    return list(chosen)


@pick("token_entropy", "token_margin", "token_least_confidence")
def token_strategies_take_the_unsure(name: str) -> None:
    assert asked(name, 3, aggregate="max") == [1, 2, 0]
    assert asked(name, 3, aggregate="sum") == [2, 1, 0]


@pick("mnlp")
def mnlp_is_fair_to_long_texts(name: str) -> None:
    # Mean log probability: .28 in the middle text, .22 in the long one.
    assert asked(name, 3) == [1, 2, 0]


@pick("diverse_tokens")
def diverse_tokens_take_the_unsure(name: str) -> None:
    assert asked(name, 2, factor=1) == [2, 1]


@pick("random_sampling")
def random_takes_each_alike(name: str) -> None:
    world = World(circle(0, 0, 0, 0, 0), ignored=[4])
    drawn = Counter(world.named(name, 1, seed)[0] for seed in range(80))
    assert set(drawn) == {0, 1, 2, 3}
    assert min(drawn.values()) > 10


@pick("margin", "breaking_ties")
def margin_takes_the_closest_race(name: str) -> None:
    # Margins .1, .12, .05, .3; by entropy or confidence record 1 would be first.
    proba = np.array([[0.5, 0.4, 0.1], [0.44, 0.24, 0.32], [0.5, 0.45, 0.05], [0.6, 0.3, 0.1]])
    world = World(circle(0, 0, 0, 0), proba)
    chosen, scores = world.ask_with_scores(world.build(name), 3)
    assert chosen == [2, 0, 1]
    assert scores == pytest.approx([0.95, 0.9, 0.88], abs=1e-6)


@pick("least_confidence", "activelab")
def least_confidence_takes_the_lowest_best(name: str) -> None:
    proba = np.array([[0.5, 0.5, 0.0], [0.4, 0.3, 0.3], [0.6, 0.2, 0.2], [0.45, 0.44, 0.11]])
    world = World(circle(0, 0, 0, 0), proba)
    chosen, scores = world.ask_with_scores(world.build(name), 2)
    assert chosen == [1, 3]
    assert scores == pytest.approx([0.6, 0.55], abs=1e-6)


@pick("entropy", "prediction_entropy")
def entropy_takes_the_most_even(name: str) -> None:
    # Record 0 has no margin at all, but one class is out of the race.
    proba = np.array([[0.5, 0.5, 0.0], [0.4, 0.32, 0.28], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    world = World(circle(0, 0, 0, 0), proba)
    chosen, scores = world.ask_with_scores(world.build(name), 3)
    assert chosen == [3, 1, 0]
    assert scores is not None
    assert scores[0] == pytest.approx(np.log(3), abs=1e-6)
    assert scores[2] == pytest.approx(np.log(2), abs=1e-6)


@pick("bald")
def bald_takes_what_dropout_changes(name: str) -> None:
    # Record 0 is even in every sample; record 1 is certain in each, but not of the same class.
    samples = np.array([[[0.5, 0.5]] * 2, [[1, 0], [0, 1]], [[0.9, 0.1]] * 2], dtype=float)
    world = World(circle(0, 0, 0), two(0.5, 0.5, 0.9), samples=samples)
    strategy = world.build(name, dropout_samples=2)
    chosen, scores = world.ask_with_scores(strategy, 1)
    assert chosen == [1]
    assert scores == pytest.approx([1.0])


@pick("subsampling")
def subsampling_asks_another_about_a_part(name: str) -> None:
    # Whichever three of the four are drawn, two of them are unsure.
    world = World(circle(0, 0, 0, 0), two(0.99, 0.5, 0.52, 0.54))
    for seed in range(20):
        chosen = world.named(name, 2, seed, base="margin", subsample_size=3)
        assert 0 not in chosen
        assert chosen == sorted(chosen)
    assert world.named(name, 2, base="margin", subsample_size=100) == [1, 2]


@pick("embedding_kmeans")
def kmeans_takes_the_middle_of_each_heap(name: str) -> None:
    world = World(circle(-9, 0, 9, 80, 90, 100), two(*[0.5] * 6))
    assert sorted(world.named(name, 2)) == [1, 4]


@pick("contrastive_active_learning")
def contrastive_takes_the_odd_one_of_its_neighbourhood(name: str) -> None:
    proba = two(0.9, 0.9, 0.1, 0.9, 0.1, 0.1, 0.1, 0.1)  # record 2 among those of the other kind
    world = World(circle(0, 1, 2, 3, 90, 91, 92, 93), proba)
    assert world.named(name, 1, k=4) == [2]


@pick("discriminative_active_learning")
def discriminative_takes_what_is_unlike_the_labelled(name: str) -> None:
    world = World(circle(0, 3, 1, 2, 90, 2, 1), two(*[0.5] * 7), labelled={0: 0, 1: 1})
    assert world.named(name, 1) == [4]


@pick("greedy_coreset")
def coreset_takes_the_farthest_from_the_known(name: str) -> None:
    vectors = circle(0, 10, 90, 50, 170)
    # 170 is 170 from the labelled 0; 90 is then 80 from 170 and 90 from 0; 50 is 40 from 90.
    assert World(vectors, two(*[0.5] * 5), labelled={0: 0}).named(name, 3) == [4, 2, 3]
    # With 170 out with an annotator too, 90 is the farthest.
    known = World(vectors, two(*[0.5] * 5), labelled={0: 0}, ignored=[4])
    assert known.named(name, 1) == [2]
    assert known.named(name, 1, space="representation") == [2]
    # Without anything known the most central one comes first, then what is farthest from it.
    assert World(circle(0, 40, 50, 60, 130)).named(name, 2) == [2, 4]


@pick("kmeans_pp")
def kmeans_pp_never_repeats_what_is_known(name: str) -> None:
    vectors = circle(0, 0, 0, 0, 90, 0, 180)
    for seed in range(10):
        world = World(vectors, two(*[0.5] * 7), labelled={0: 0})
        assert sorted(world.named(name, 2, seed)) == [4, 6]
    # Squared distances from the labelled: 4 at 180 degrees, 2 at 90.
    firsts = Counter(world.named(name, 1, seed)[0] for seed in range(90))
    assert firsts[6] / firsts[4] == pytest.approx(2, rel=0.4)


@pick("lightweight_coreset")
def lightweight_coreset_draws_the_outlier_most(name: str) -> None:
    world = World(circle(*[0] * 9, 180), two(*[0.5] * 10))
    drawn = Counter(world.named(name, 1, seed)[0] for seed in range(60))
    assert drawn[9] > 25  # more than half of the mass is its own: 1/20 + 1/2 of nearly all
    assert len(drawn) > 3


@pick("badge")
def badge_takes_the_uncertain_and_different(name: str) -> None:
    # 0 and 1 are the same text twice, 3 is as unsure but elsewhere, 2 is certain.
    world = World(circle(0, 0, 45, 90), two(0.5, 0.5, 1.0, 0.5))
    for seed in range(20):
        chosen = world.named(name, 2, seed)
        assert chosen[0] == 0
        assert 1 not in chosen
    drawn = Counter(world.named(name, 2, seed)[1] for seed in range(90))
    # Squared distances to the first gradient (.5, -.5) x e1: 1 for record 3, 1/2 for record 2.
    assert drawn[3] / drawn[2] == pytest.approx(2, rel=0.4)


@pick("committee")
def committee_takes_what_its_members_dispute(name: str) -> None:
    # Labelled at 0 and 180 degrees: a text at 90 says nothing of either, 10 and 170 much.
    vectors = circle(0, 180, 2, 178, 10, 90, 170)
    world = World(vectors, two(*[0.5] * 7), labelled={0: 0, 1: 1, 2: 0, 3: 1})
    for disagreement in ("vote_entropy", "kl"):
        strategy = world.build(name, disagreement=disagreement)
        chosen, scores = world.ask_with_scores(strategy, 1)
        assert chosen == [5]
        assert scores is not None
        assert scores[0] > 0


@pick("cluster_margin")
def cluster_margin_takes_the_unsure_from_each_cluster(name: str) -> None:
    # The three closest races are one heap; the fourth is elsewhere; the fifth is certain.
    world = World(circle(0, 1, 2, 90, 180), two(0.5, 0.51, 0.52, 0.6, 1.0))
    for space in ("embedding", "representation"):
        strategy = world.build(name, factor=2, space=space)
        chosen, scores = world.ask_with_scores(strategy, 2)
        assert chosen == [0, 3]
        assert scores == pytest.approx([1.0, 0.8], abs=1e-6)
    assert world.named("margin", 2) == [0, 1]


HEAPS = circle(-9, -6, -3, -1, 0, 1, 3, 6, 9, 80, 88, 90, 92, 100, 180)
"""A heap of nine, close together about 4, a heap of five about 11, and one text by itself."""


@pick("typiclust")
def typiclust_takes_the_middle_of_each_heap(name: str) -> None:
    world = World(HEAPS)
    assert world.named(name, 2) == [4, 11]
    assert 14 not in world.named(name, 3)  # alone is no cluster
    # With the middle of the large heap labelled, the other heap comes first.
    assert World(HEAPS, labelled={4: 0}).named(name, 1) == [11]
    assert World(HEAPS, ignored=[4]).named(name, 1) == [11]


@pick("probcover")
def probcover_takes_the_balls_that_cover_most(name: str) -> None:
    # Within 12 degrees 1 covers 0, 1 and 2; 4 covers 3, 4 and nobody's 5; the rest cover less.
    vectors = circle(0, 10, 20, 90, 100, 180)
    radius = 2 * np.sin(np.radians(6))
    world = World(vectors)
    assert world.named(name, 3, radius=radius) == [1, 3, 5]
    assert World(vectors, labelled={1: 0}).named(name, 1, radius=radius) == [3]
    # By itself it finds a radius at which balls keep to one of two heaps.
    heaps = World(circle(0, 1, 2, 90, 91, 92, 93))
    assert heaps.named(name, 2) == [3, 0]


@pick("class_coverage")
def class_coverage_takes_turns_between_names(name: str) -> None:
    names = {"north": (0.0, 1.0), "east": (1.0, 0.0)}
    vectors = circle(0, 0, 30, 90, 60)  # three easterly, two northerly
    world = World(vectors, names=names)
    assert world.named(name, 2) == [3, 0]
    # The second of the east is not the first's twin.
    assert world.named(name, 4) == [3, 0, 4, 2]
    # A label that has a record waits.
    assert World(vectors, names=names, labelled={3: 0}).named(name, 1) == [0]


APART = circle(-4, -2, 0, 2, 4, 118, 120, 122, 240)
"""A heap of five, a heap of three and one text by itself, each far from the others."""


@pick("facility_location")
def facility_location_serves_the_most_first(name: str) -> None:
    # 2 is the middle of five, 6 of three; then 8, alone, gains more than a second one nearby.
    assert World(APART).named(name, 3) == [2, 6, 8]
    assert World(APART, labelled={2: 0}).named(name, 1) == [6]
    assert World(APART, ignored=[2, 6]).named(name, 1) == [8]


@pick("uherding")
def herding_covers_doubt_that_nothing_known_is_near(name: str) -> None:
    # Three heaps; the model is unsure in the second and in the third, a little less there.
    proba = two(*[1.0] * 5, 0.5, 0.5, 0.5, 0.6)
    assert World(APART, proba).named(name, 2) == [6, 8]
    assert World(APART, proba, labelled={6: 0, 2: 1}).named(name, 1) == [8]
    assert World(APART, proba, ignored=[6, 8]).named(name, 1) != [6]
    # Without a model it stands for the pool, on the side where the other heap lies.
    assert World(APART).ask(World(APART).build(name), 2) == [3, 6]


@pick("diverse_margin")
def diverse_margin_takes_the_middle_of_each_kind_of_doubt(name: str) -> None:
    # Of the six least certain, three are one heap with the middle 1 and three another with 4.
    world = World(circle(0, 1, 2, 90, 92, 94, 180), two(0.5, 0.52, 0.51, 0.53, 0.54, 0.55, 1.0))
    for space in ("embedding", "representation"):
        strategy = world.build(name, factor=3, space=space)
        chosen, scores = world.ask_with_scores(strategy, 2)
        assert chosen == [1, 4]
        assert scores == pytest.approx([0.96, 0.92], abs=1e-6)
    assert world.named("margin", 2) == [0, 2]


@pick("auto")
def auto_begins_with_what_stands_for_the_pool(name: str) -> None:
    strategy = World(APART).build(name)
    assert World(APART).ask(strategy, 2) == [2, 6]
    assert strategy.used_ == "facility_location"


@pick("seals")
def seals_looks_near_the_labelled_only(name: str) -> None:
    # The closest race, 5, is far from what is labelled.
    world = World(
        circle(0, 1, 2, 3, 4, 90, 91), two(1, 0.9, 0.6, 0.8, 1, 0.5, 0.5), labelled={0: 0}
    )
    assert world.named(name, 1, base="margin", k=4) == [2]


@pick("anchor_subsampling")
def anchors_look_near_the_labelled_only(name: str) -> None:
    world = World(
        circle(0, 1, 2, 3, 4, 90, 91), two(1, 0.9, 0.6, 0.8, 1, 0.5, 0.5), labelled={0: 0, 4: 1}
    )
    assert world.named(name, 1, base="margin", k=3, subsample_size=4) == [2]


@pick("cvirs", "category_vector_inconsistency_and_ranking")
def category_vectors_need_several_labels(name: str) -> None:
    # The set of record 2 is unlike the known one; record 3 is as unsure, record 1 is sure.
    proba = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.6], [0.6, 0.4]])
    world = World(circle(0, 0, 0, 0), proba, labelled={0: (0,)}, several=True)
    assert world.named(name, 1) == [2]
