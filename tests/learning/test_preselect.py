"""A big pool is narrowed: bounded work, the unsure first, some at random, nothing lost below."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare

from loopd.config import ClassifierSection
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.dataset import unlabeled
from loopd.learning.fitted import PoolScores
from loopd.learning.learner import Learner
from loopd.learning.preselect import RANDOM_SHARE, Preselection, ScoringLimit, candidates, preselect
from loopd.records import Targets
from tests.learning.conftest import make_pool

Build = Callable[..., Learner]


def line(count: int = 200) -> NDArray[np.float32]:
    """Points from -1 to 1: the nearer to 0, the less sure the classifier is."""
    return np.linspace(-1, 1, count, dtype=np.float32)[:, None]


def ask(rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """A classifier that is sure at the ends of the line."""
    right = 1 / (1 + np.exp(-6 * line()[rows]))
    return np.hstack([1 - right, right]).astype(np.float32)


def narrow(seed: int = 0, size: int = 40) -> Preselection:
    labelled = np.array([0, 199, 1, 198])
    return preselect(
        line(), ask, labelled, limit=ScoringLimit(size), seed=seed, interrupt=lambda: None
    )


def test_a_random_half_and_the_unsure() -> None:
    asked: list[int] = []

    def asking(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        asked.extend(rows.tolist())
        return ask(rows)

    found = preselect(
        line(), asking, np.array([0, 199]), limit=ScoringLimit(40), seed=0, interrupt=lambda: None
    )
    assert len(asked) == 40 * RANDOM_SHARE
    assert len(found.positions) == 40
    assert not set(found.positions) & {0, 199}
    assert set(asked) <= set(found.positions.tolist())
    assert set(range(93, 107)) <= set(found.positions.tolist())
    assert sorted([*found.positions, *found.others()]) == list(range(200))


def test_the_student_guesses_what_it_was_not_told() -> None:
    everything = np.arange(200)
    assert np.abs(narrow().proba - ask(everything)).max() < 0.1
    assert (narrow().proba.argmax(axis=1) == ask(everything).argmax(axis=1)).mean() > 0.97


def test_the_seed_moves_the_random_half() -> None:
    first, again, other = narrow(1), narrow(1), narrow(2)
    assert np.array_equal(first.positions, again.positions)
    assert len(np.setdiff1d(first.positions, other.positions)) > 5


@given(
    labelled=st.lists(st.integers(0, 199), max_size=60, unique=True),
    more=st.lists(st.integers(0, 199), max_size=60, unique=True),
    seed=st.integers(0, 1000),
)
def test_with_one_seed_the_random_half_stays_as_texts_are_labelled(
    labelled: list[int], more: list[int], seed: int
) -> None:
    drawn: list[set[int]] = []

    def asking(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        drawn.append(set(rows.tolist()))
        return ask(rows)

    for taken in (labelled, sorted({*labelled, *more})):
        preselect(
            line(),
            asking,
            np.array(taken, dtype=np.int64),
            limit=ScoringLimit(40),
            seed=seed,
            interrupt=lambda: None,
        )
    before, after = drawn
    assert len(before) == len(after) == 40 * RANDOM_SHARE
    assert before - {*more} <= after
    assert not after & {*labelled, *more}


def test_more_than_there_are_is_all_that_is_free() -> None:
    assert len(narrow(size=1000).positions) == 196


def test_candidates_are_found_by_position() -> None:
    chosen = Preselection(np.array([3, 5, 9]), np.zeros((10, 2), np.float32))
    assert chosen.among(np.array([9, 0, 5, 4])).tolist() == [0, 2]


LONG, SHORT = 200, 8
"""Tokens of texts on the left and on the right half of the line."""


def lengths() -> NDArray[np.int64]:
    return np.where(line()[:, 0] < 0, LONG, SHORT)


def idle() -> None:
    """Nobody stops this run."""


def within(tokens: int | None, texts: int = 100, seed: int = 0) -> Preselection:
    limit = ScoringLimit(texts, tokens, lengths())
    return preselect(
        line(), ask, np.array([0, 199]), limit=limit, seed=seed, interrupt=lambda: None
    )


@pytest.mark.parametrize("tokens", [None, 10**6])
def test_where_tokens_do_not_matter_the_choice_is_that_by_texts(tokens: int | None) -> None:
    by_texts = narrow(3).positions
    limit = ScoringLimit(40, tokens, lengths())
    labelled = np.array([0, 199, 1, 198])
    found = preselect(line(), ask, labelled, limit=limit, seed=3, interrupt=lambda: None)
    assert np.array_equal(found.positions, by_texts)


@pytest.mark.parametrize("tokens", [1500, 3000, 6000])
def test_long_texts_are_fewer(tokens: int) -> None:
    found = [within(tokens, seed=seed) for seed in range(40)]
    spent = [int(lengths()[one.positions].sum()) for one in found]
    assert max(len(one.positions) for one in found) < 100
    assert 0.6 * tokens < np.mean(spent) < 1.1 * tokens  # what does not fit is left out
    unsure = [np.abs(line()[one.positions, 0]).argsort()[:5] for one in found]
    assert all(len(five) == 5 for five in unsure)
    assert within(tokens).others().size + len(within(tokens).positions) == 200


def test_how_many_are_drawn_does_not_follow_from_the_draw() -> None:
    free = np.arange(1, 199)
    limit = ScoringLimit(100, 3000, lengths())
    assert limit.at_random(free) == int(1500 / lengths()[free].mean())
    drawn = np.zeros(200)
    for seed in range(300):
        asked: list[int] = []

        def asking(rows: NDArray[np.int64], asked: list[int] = asked) -> NDArray[np.float32]:
            asked.extend(rows.tolist())
            return ask(rows)

        preselect(line(), asking, np.array([0, 199]), limit=limit, seed=seed, interrupt=idle)
        drawn[asked] += 1
    assert chisquare(drawn[free], np.full(len(free), drawn.sum() / len(free))).pvalue > 1e-4


def test_one_long_text_keeps_no_others_out() -> None:
    """In the middle of the line, where the student is least sure, lies one that never fits."""
    middle = int(np.abs(line()[:, 0]).argmin())
    tokens = np.where(np.arange(200) == middle, 10**6, SHORT)
    limit = ScoringLimit(100, 400, tokens)
    assert limit.fitting(np.array([middle, 3, 4]), np.array([7])).tolist() == [3, 4]
    assert limit.fitting(np.arange(90), np.array([middle])).size == 0
    found = limit.fitting(np.arange(200), np.arange(20))
    assert limit.tokens_of(found) == 400 - 20 * SHORT


def test_a_limit_too_small_for_any_text_still_draws_one() -> None:
    assert len(within(1).positions) == 1


class Reading:
    """A kind of classifier that counts its tokens, and is not asked for them without need."""

    def __init__(self, each: int) -> None:
        self.each, self.counted = each, 0
        self.screening = line(90)

    def token_counts(self) -> NDArray[np.int64]:
        self.counted += 1
        return np.full(90, self.each)


@pytest.mark.parametrize(
    ("settings", "each", "narrowed", "counted"),
    [
        ({}, 64, None, 0),
        ({"windows": "mean"}, 64, None, 1),
        ({"windows": "mean"}, 10**6, 1, 1),
        ({"candidates": 30}, 10**6, 30, 0),
        ({"candidates": 200}, 10**6, None, 0),
        ({"candidates": 200, "candidate_tokens": 900, "windows": "mean"}, 10, None, 1),
        ({"candidates": 200, "candidate_tokens": 90 * 256}, 10, None, 0),
        ({"candidates": 200, "candidate_tokens": 800}, 10, 80, 1),
        ({"candidates": 30, "candidate_tokens": 200}, 10, 20, 1),
    ],
)
def test_a_pool_is_narrowed_by_its_texts_or_by_their_tokens(
    settings: dict[str, int], each: int, narrowed: int | None, counted: int, tmp_path: Path
) -> None:
    usual = ClassifierSection(name="transformer").model_dump()
    section = ClassifierSection.model_construct(**{**usual, **settings})
    factory = Reading(each)
    context = ClassifierContext(make_pool(90), 2, section, tmp_path)
    found = candidates(factory, context, np.array([], dtype=np.int64), 0, ask)  # type: ignore[arg-type]
    assert (found and len(found.positions)) == narrowed
    assert factory.counted == counted


def test_the_usual_limit_of_tokens_goes_with_the_usual_number_of_texts() -> None:
    assert ClassifierSection().candidate_limit == 64 * ClassifierSection().candidates
    assert ClassifierSection(candidates=5000).candidate_limit is None
    assert ClassifierSection(candidates=5000, candidate_tokens=10**6).candidate_limit == 10**6
    assert ClassifierSection(candidate_tokens=10**6).candidate_limit == 10**6


class Counting:
    """A slow classifier's stand-in that counts what it is asked for."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.rows: list[int] = []

    def predict_proba(self, dataset: Any) -> Any:
        self.rows += dataset.rows.tolist()
        return self.real.predict_proba(dataset)


def said_by(counting: Counting, model: Any, rows: NDArray[np.int64]) -> Any:
    """The classifier's own probabilities, past all that stands before it."""
    return counting.real.predict_proba(unlabeled(model.scores.features, 3)[rows])


@pytest.fixture
def narrowed(learner_of: Build, targets: Targets, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A learner whose classifier is slow, over a pool that is too big for it."""
    from loopd.learning.classifiers.tfidf import TfidfFactory

    monkeypatch.setattr(
        TfidfFactory, "screening", property(lambda factory: factory.representation.pool)
    )
    section = ClassifierSection.model_construct(
        **{**ClassifierSection(name="tfidf").model_dump(), "candidates": 30}
    )

    def build(
        strategy: str = "breaking_ties", options: dict[str, Any] | None = None
    ) -> tuple[Learner, Any, Counting]:
        learner = learner_of(strategy, pool=make_pool(90), strategy_options=options)
        object.__setattr__(learner._context, "section", section)
        model = learner.fit(1, targets)
        counting = Counting(model.scores.classifier)
        object.__setattr__(model.scores, "classifier", counting)
        return learner, model, counting

    return build


@pytest.mark.parametrize("strategy", ["breaking_ties", "least_confidence"])
def test_only_candidates_are_scored_and_chosen(
    narrowed: Any, targets: Targets, strategy: str
) -> None:
    learner, model, counting = narrowed(strategy)
    items = learner.choose(model, 10, round=2, targets=targets, exclude=["id-050"]).items
    chosen = {learner._pool.positions[item.record_id] for item in items}
    assert len(chosen) == 10
    assert chosen <= set(model.scores.preselection.positions.tolist())
    assert len(set(counting.rows)) <= 30


@pytest.mark.parametrize(
    "strategy",
    ["random_sampling", "facility_location", "typiclust", "probcover", "committee", "subsampling"],
)
def test_a_strategy_that_asks_no_model_chooses_from_the_whole_pool(
    narrowed: Any, targets: Targets, strategy: str
) -> None:
    options = {"base": "random_sampling"} if strategy == "subsampling" else {}
    learner, model, _ = narrowed(strategy, options)
    items = learner.choose(model, 40, round=2, targets=targets, exclude=["id-050"]).items
    chosen = {learner._pool.positions[item.record_id] for item in items}
    assert len(chosen) == 40 > len(model.scores.preselection.positions)
    assert not chosen & {learner._pool.positions[id_] for id_ in ("id-050", *targets)}


def test_random_records_are_random_whatever_the_model_is_unsure_of(
    narrowed: Any, targets: Targets
) -> None:
    learner, model, _ = narrowed("random_sampling")
    free = np.setdiff1d(np.arange(90), learner._rows(list(targets)))
    drawn = np.zeros(90)
    for round_ in range(2, 302):
        items = learner.choose(model, 8, round=round_, targets=targets, exclude=()).items
        drawn[learner._rows([item.record_id for item in items])] += 1
    assert drawn.sum() == 2400 == drawn[free].sum()
    expected = 2400 / len(free)
    assert chisquare(drawn[free], np.full(len(free), expected)).pvalue > 1e-4


@pytest.mark.parametrize("strategy", ["greedy_coreset", "kmeans_pp"])
def test_what_is_no_candidate_is_not_taken_for_known_to_people(
    narrowed: Any, targets: Targets, strategy: str
) -> None:
    learner, model, _ = narrowed(strategy)
    embedded: list[int] = []
    real = model.scores.classifier.real

    def embed(dataset: Any, **options: Any) -> Any:
        embedded.extend(dataset.rows.tolist())
        return real.embed(dataset, **options)

    model.scores.classifier.embed = embed
    exclude = ["id-050", "id-051"]
    items = learner.choose(model, 10, round=2, targets=targets, exclude=exclude).items
    candidates = set(model.scores.preselection.positions.tolist())
    known = {learner._pool.positions[id_] for id_ in (*targets, *exclude)}
    assert {learner._pool.positions[item.record_id] for item in items} <= candidates - known
    assert set(embedded) <= candidates | known


def test_members_of_an_ensemble_answer_for_themselves_about_candidates_of_another(
    narrowed: Any, targets: Targets
) -> None:
    """Also where they have fewer candidates of their own than they are asked about."""
    learner, model, counting = narrowed()
    ids = [record.id for record in learner._pool.records[20:80]]
    assert len(ids) > len(model.scores.preselection.positions)
    assert np.array_equal(
        learner.choosing_proba(model, ids), said_by(counting, model, np.arange(20, 80))
    )


def test_the_stop_set_is_judged_by_the_classifier_however_big_it_is(
    narrowed: Any, targets: Targets
) -> None:
    learner, model, counting = narrowed()
    ids = [record.id for record in learner._pool.records[20:80]]
    decided = learner.decisions(model, ids)
    assert np.array_equal(decided, said_by(counting, model, np.arange(20, 80)))


def test_probabilities_come_in_the_order_in_which_they_are_asked_for(
    learner_of: Build, targets: Targets
) -> None:
    scores = learner_of().fit(1, targets).scores
    assert isinstance(scores, PoolScores)
    backwards = np.arange(scores.features.shape[0])[::-1]
    assert np.array_equal(scores.of(backwards), scores.all[::-1])


def test_where_too_few_candidates_are_left_the_others_may_be_chosen(
    narrowed: Any, targets: Targets
) -> None:
    learner, model, _ = narrowed()
    out = [learner._pool.records[place].id for place in model.scores.preselection.positions[:25]]
    items = learner.choose(model, 10, round=2, targets=targets, exclude=out).items
    assert len({item.record_id for item in items} - {*out, *targets}) == 10


def test_predictions_for_people_come_from_the_classifier_itself(
    narrowed: Any, targets: Targets
) -> None:
    learner, model, counting = narrowed()
    ids = [record.id for record in learner._pool.records[60:80]]
    proba = learner.predict_pool(model, ids)
    rows = np.arange(60, 80)
    assert set(rows.tolist()) <= set(counting.rows)
    assert np.array_equal(proba, said_by(counting, model, rows))


def test_a_small_pool_is_scored_as_a_whole(learner_of: Build, targets: Targets) -> None:
    assert learner_of().fit(1, targets).scores.preselection is None
