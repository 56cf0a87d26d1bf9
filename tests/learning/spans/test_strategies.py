"""Token strategies: the right texts, in order, the same each time; others on a tagger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from loopd.config import StrategySection
from loopd.errors import ModelError
from loopd.learning import small_text_query
from loopd.learning.dataset import unlabeled
from loopd.learning.representation import Background
from loopd.learning.seeding import seeded
from loopd.learning.spans.factory import SpanTaggerFactory
from loopd.learning.spans.fitted import FittedTagger, TagScores
from loopd.learning.spans.strategies import (
    MNLP,
    DiverseTokens,
    TokenEntropy,
    TokenLeastConfidence,
    TokenMargin,
)
from loopd.learning.spans.tagger import SpanTagger
from loopd.learning.strategies.registry import create
from tests.learning.strategies.fakes import OnlyScores

ALL = [
    TokenLeastConfidence,
    TokenEntropy,
    TokenMargin,
    MNLP,
    DiverseTokens,
    lambda: TokenEntropy("max"),
    lambda: TokenMargin("sum"),
]


@dataclass
class FakeTagger(OnlyScores):
    """Tag probabilities from a table: one array (k, K) for each text."""

    proba: list[NDArray[np.float32]]
    asked: int = 0

    def predict_scored(self, data_set: Any, /) -> Any:
        raise NotImplementedError

    def token_proba(self, data_set: Any) -> Any:
        self.asked += 1
        some = [self.proba[row] for row in data_set.rows]
        empty = np.empty((0, self.proba[0].shape[1]), dtype=np.float32)
        return np.concatenate([empty, *some]), np.cumsum([0, *map(len, some)])

    def embed(self, data_set: Any, **options: Any) -> Any:
        rng = np.random.default_rng(0).normal(size=(len(self.proba), 4))
        return rng[data_set.rows].astype(np.float32)


def fake(count: int = 40, seed: int = 0) -> FakeTagger:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 9, size=count)
    return FakeTagger([rng.dirichlet(np.ones(5), size=k).astype(np.float32) for k in lengths])


def ask(
    tagger: Any, strategy: Any, n: int, labelled: Any = (), ignored: Any = (), seed: int = 0
) -> tuple[NDArray[np.int64], Any]:
    features = np.zeros(len(tagger.proba))
    fitted = FittedTagger(TagScores(tagger, features, 2))
    known = np.array(labelled, dtype=np.int64)
    with seeded(seed):
        return small_text_query.query(
            strategy,
            fitted,
            unlabeled(features, 2),
            n,
            labelled=(known, np.zeros(len(known), dtype=np.int64)),
            ignored=np.array(ignored, dtype=np.int64),
        )


def by_hand(of_tokens: Callable[[Any], Any], aggregate: str) -> Callable[[Any], float]:
    ways: dict[str, Callable[[Any], Any]] = {"mean": np.mean, "max": np.max, "sum": np.sum}
    combine = ways[aggregate]
    return lambda proba: float(combine(of_tokens(proba))) if len(proba) else 0.0


MEASURES = {
    TokenLeastConfidence: lambda proba: 1 - proba.max(axis=1),
    TokenEntropy: lambda proba: -(proba * np.log(proba)).sum(axis=1),
    TokenMargin: lambda proba: 1 - np.sort(proba)[:, -1] + np.sort(proba)[:, -2],
}


@pytest.mark.parametrize("aggregate", ["mean", "max", "sum"])
@pytest.mark.parametrize("kind", list(MEASURES))
def test_the_least_sure_come_first_with_their_scores(kind: Any, aggregate: str) -> None:
    tagger = fake()
    score = by_hand(MEASURES[kind], aggregate)
    values = np.array([score(proba.astype(np.float64)) for proba in tagger.proba])
    free = np.setdiff1d(np.arange(40), [3, 4, 5, 11])
    chosen, scores = ask(tagger, kind(aggregate), 6, [3, 4, 5], [11])
    expected = free[np.argsort(-values[free], kind="stable")[:6]]
    assert chosen.tolist() == expected.tolist()
    assert scores == pytest.approx(values[expected].tolist(), abs=1e-5)


def test_mnlp_divides_by_the_length() -> None:
    sure, unsure = [0.9, 0.05, 0.05], [0.6, 0.3, 0.1]
    texts = [[sure] * 9, [unsure, sure], [unsure], [], [sure, unsure, sure]]
    tagger = FakeTagger([np.array(text, dtype=np.float32).reshape(-1, 3) for text in texts])
    chosen, scores = ask(tagger, MNLP(), 5)
    logs = -np.log([0.6, np.sqrt(0.6 * 0.9), np.cbrt(0.6 * 0.9 * 0.9), 0.9, 1.0])
    assert chosen.tolist() == [2, 1, 4, 0, 3]
    assert scores == pytest.approx(logs.tolist(), abs=1e-6)


def test_mnlp_looks_at_the_likeliest_legal_tags() -> None:
    # Inside alone is likeliest, but a span cannot begin with it.
    tagger = FakeTagger([np.array([[0.3, 0.1, 0.6]], dtype=np.float32)])
    assert ask(tagger, MNLP(), 1)[1] == pytest.approx([-np.log(0.3)])


def test_ties_are_in_the_order_of_the_pool() -> None:
    same = np.full((3, 5), 0.2, dtype=np.float32)
    tagger = FakeTagger([same] * 9)
    for build in (TokenLeastConfidence, TokenEntropy, TokenMargin, MNLP):
        assert ask(tagger, build(), 4, [0], [2])[0].tolist() == [1, 3, 4, 5]


@pytest.mark.parametrize("build", ALL)
def test_the_same_question_has_the_same_answer_and_all_that_is_left_is_enough(build: Any) -> None:
    first, again = ask(fake(), build(), 7, [1]), ask(fake(), build(), 7, [1])
    assert first[0].tolist() == again[0].tolist()
    assert first[1] == again[1]
    assert sorted(first[1], reverse=True) == first[1]
    rest = ask(fake(), build(), 99, range(30), range(30, 36))
    assert sorted(rest[0].tolist()) == [36, 37, 38, 39]


def test_a_big_pool_is_narrowed_the_same_way_each_time() -> None:
    one = [ask(fake(), MNLP(candidates=10), 3, seed=1)[0].tolist() for _ in range(2)]
    assert one[0] == one[1]
    assert one[0] != ask(fake(), MNLP(), 3, seed=1)[0].tolist()


def test_nothing_is_scored_twice() -> None:
    tagger = fake()
    fitted = FittedTagger(TagScores(tagger, np.zeros(40), 2))
    data_set = unlabeled(np.zeros(40), 2)
    for _ in range(2):
        MNLP().query(fitted, data_set, np.arange(30), np.arange(30, 40), np.zeros(10), n=3)
    assert tagger.asked == 1


def test_unknown_aggregates_and_other_models_are_refused() -> None:
    with pytest.raises(ModelError, match="unknown aggregate 'median'"):
        TokenEntropy("median")
    none = np.empty(0, dtype=np.int64)
    other: Any = object()
    with pytest.raises(ModelError, match="needs a model that tags tokens"):
        MNLP().query(other, unlabeled(np.zeros(3), 2), np.arange(3), none, none, n=1)


def test_probabilities_that_are_no_numbers_are_refused() -> None:
    broken = FakeTagger([np.full((2, 3), np.nan, dtype=np.float32)])
    with pytest.raises(ModelError, match="not numbers"):
        ask(broken, MNLP(), 1)


def fitted_on(factory: SpanTaggerFactory, tagger: SpanTagger) -> FittedTagger:
    scores = TagScores(tagger, factory.pool_features, 2)
    return FittedTagger(scores, Background(factory.labels, lambda: factory.representation))


def ask_real(factory: SpanTaggerFactory, fitted: FittedTagger, strategy: Any) -> Any:
    with seeded(5):
        return small_text_query.query(
            strategy,
            fitted,
            unlabeled(factory.pool_features, 2),
            6,
            labelled=(np.arange(24), np.zeros(24, dtype=np.int64)),
            ignored=np.array([30, 31]),
        )


@pytest.mark.integration
@pytest.mark.parametrize(
    "name",
    [
        "random_sampling",
        "kmeans_pp",
        "greedy_coreset",
        "facility_location",
        "typiclust",
        "probcover",
    ],
)
def test_strategies_without_classes_work_unchanged(
    factory: SpanTaggerFactory, trained: SpanTagger, name: str
) -> None:
    fitted = fitted_on(factory, trained)
    chosen, _ = ask_real(factory, fitted, create(StrategySection(name=name), 2))
    again, _ = ask_real(factory, fitted, create(StrategySection(name=name), 2))
    assert chosen.tolist() == again.tolist()
    assert set(chosen.tolist()) <= {*range(24, 48)} - {30, 31}


@pytest.mark.integration
def test_strategies_that_need_one_class_say_so(
    factory: SpanTaggerFactory, trained: SpanTagger
) -> None:
    with pytest.raises(ModelError) as error:
        ask_real(factory, fitted_on(factory, trained), create(StrategySection(name="badge"), 2))
    assert "one label of each text" in error.value.message
    assert "mnlp" in error.value.hint


@pytest.mark.integration
@pytest.mark.parametrize("build", [MNLP, TokenMargin, DiverseTokens])
def test_screening_does_not_change_the_choice(
    factory: SpanTaggerFactory, trained: SpanTagger, build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    screened = ask_real(factory, fitted_on(factory, trained), build())
    monkeypatch.setattr(SpanTagger, "screen_proba", None)
    exact = ask_real(factory, fitted_on(factory, trained), build())
    assert screened[0].tolist() == exact[0].tolist()
    assert screened[1] == pytest.approx(exact[1], abs=1e-5)
