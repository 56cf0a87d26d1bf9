"""One model, two heads: what is chosen does not know of the guesses, what people see does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopd.config import ClassifierSection, StrategySection
from loopd.learning.arrays import Positions, Vectors
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.classifiers.heads import PREDICTING, Heads, as_sure_as
from loopd.learning.classifiers.linear import LinearHead, fit_head
from loopd.learning.classifiers.registry import create
from loopd.learning.classifiers.spreading import Examples
from loopd.learning.cross_validation import CrossPredictor
from loopd.learning.dataset import IndexedDataset
from loopd.learning.learner import Learner
from loopd.learning.predictor import predictor
from loopd.learning.problems.problem import problem_of
from loopd.learning.strategies.catalogue import STRATEGIES
from loopd.learning.unit_vectors import unit
from loopd.records import BatchItem
from tests.learning.conftest import LABELS, gold, make_pool

BY_THE_MODEL = [
    name for name, entry in STRATEGIES.items()
    if "single_label" in entry.kinds and not {"dropout", "hnswlib"} & set(entry.needs)
    and name != "activelab"
]  # fmt: skip
"""Strategies that a head can be asked by."""

BRIEFLY = {"epochs": 1, "min_steps": 2}


def fitted(examples: Examples) -> LinearHead:
    return fit_head(examples.vectors, examples.y, 3, c=10.0, weights=examples.weights)


def drawn(seed: int, labelled: int) -> tuple[Examples, Vectors]:
    """Vectors of three loose groups: labelled ones, and 60 others."""
    rng = np.random.default_rng(seed)
    y = np.arange(labelled + 60) % 3
    vectors = unit((np.eye(3, 8)[y] + 0.5 * rng.normal(size=(len(y), 8))).astype(np.float32))
    return Examples(vectors[:labelled], y[:labelled]), vectors[labelled:]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.floats(0.01, 5))
def test_the_choosing_head_knows_of_no_guess(seed: int, labelled: int, weight: float) -> None:
    examples, others = drawn(seed, labelled)
    alone, heads = fitted(examples), Heads.fitted(examples, lambda: others, weight, fitted)
    assert np.array_equal(heads.choosing.weight, alone.weight)
    assert np.array_equal(heads.choosing.bias, alone.bias)
    assert heads.differ
    assert not np.array_equal(heads.predicting.weight, alone.weight)
    assert not Heads.fitted(examples, lambda: others, 0.0, fitted).differ


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.floats(0.05, 5))
def test_guesses_make_nobody_surer(seed: int, labelled: int, weight: float) -> None:
    examples, others = drawn(seed, labelled)
    heads = Heads.fitted(examples, lambda: others, weight, fitted)
    surest = [head.proba(others).max(axis=1).mean() for head in (heads.choosing, heads.predicting)]
    assert surest[0] == pytest.approx(surest[1], abs=1e-3)


def test_one_factor_changes_no_label() -> None:
    examples, others = drawn(3, 9)
    head = fitted(examples)
    quarter = np.float32(0.25)
    unsure = replace(head, weight=head.weight * quarter, bias=head.bias * quarter)
    brought_down = as_sure_as(unsure, head, others)
    assert brought_down.proba(others).max(axis=1).mean() < head.proba(others).max(axis=1).mean()
    same = brought_down.proba(others).argmax(axis=1) == head.proba(others).argmax(axis=1)
    assert same.all()
    assert np.allclose(brought_down.weight, unsure.weight, rtol=1e-2)


def test_both_heads_are_written_down_and_one_does_both_in_files_of_older_versions() -> None:
    examples, others = drawn(0, 6)
    heads = Heads.fitted(examples, lambda: others, 0.1, fitted)
    tensors = dict(heads.tensors())
    read = Heads.from_tensors(tensors, 3)
    for before, after in ((heads.choosing, read.choosing), (heads.predicting, read.predicting)):
        assert np.array_equal(before.proba(others), after.proba(others))
    old = {name: array for name, array in tensors.items() if not name.startswith(PREDICTING)}
    assert old.keys() == heads.choosing.tensors().keys()
    assert not Heads.from_tensors(old, 3).differ
    assert Heads(heads.choosing, heads.choosing).tensors().keys() == old.keys()
    tensors[PREDICTING + "head.bias"] = tensors[PREDICTING + "head.bias"][:1]
    with pytest.raises(ValueError, match="other classes"):
        Heads.from_tensors(tensors, 3)


# -- a learner with two heads and one with today's -------------------------------------------------


def learner_of(cache: Path, spread: int, strategy: str = "margin", **more: Any) -> Learner:
    """Over one cache, so that the pool is encoded once."""
    classifier = {"name": "frozen-head", "threads": 1, **more.pop("classifier", {})}
    options = {"spread": spread, **classifier.pop("options", {})}
    return Learner(
        make_pool(),
        LABELS,
        classifier=ClassifierSection.model_validate({**classifier, "options": options}),
        strategy=StrategySection(name=strategy),
        seed=more.pop("seed", 7),
        cache=cache,
        **more,
    )


@pytest.mark.integration
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    strategy=st.sampled_from(BY_THE_MODEL),
    rows=st.sets(st.integers(0, 89), min_size=3, max_size=30),
    seed=st.integers(0, 1000),
)
def test_the_chosen_texts_are_those_of_a_model_without_guesses(
    tmp_path: Path, strategy: str, rows: set[int], seed: int
) -> None:
    targets = gold(make_pool(), [f"id-{row:03d}" for row in [0, 1, *sorted(rows)]])
    choices = []
    for spread in (0, 50):
        learner = learner_of(tmp_path, spread, strategy, seed=seed)
        model = learner.fit(1, targets)
        choice = learner.choose(model, 8, round=2, targets=targets, exclude=())
        picks = [(item.record_id, item.score) for item in choice.items]
        stop_set = [record.id for record in make_pool()]
        choices.append((choice.strategy, picks, learner.decisions(model, stop_set).tolist()))
    assert choices[0] == choices[1]


@pytest.mark.integration
def test_what_people_see_is_of_one_head_and_what_is_chosen_by_of_the_other(tmp_path: Path) -> None:
    pool, test = make_pool(), make_pool(60, seed=1)
    targets = gold(pool, [f"id-{row:03d}" for row in range(6)])
    both, alone = (learner_of(tmp_path, spread) for spread in (50, 0))
    model, single = both.fit(1, targets), alone.fit(1, targets)
    ids = [record.id for record in pool]
    shown = both.predict_pool(model, ids)
    assert np.array_equal(both.choosing_proba(model, ids), alone.predict_pool(single, ids))
    assert np.abs(shown - alone.predict_pool(single, ids)).max() > 0.02
    suggested = both.suggested(model, [BatchItem(id_) for id_ in ids])
    predictions = both.predictions_of(model, ids)
    for row, item, said in zip(shown, suggested, predictions, strict=True):
        assert item.suggestion is not None
        assert item.suggestion.value == said.target == LABELS[row.argmax()]
        assert item.suggestion.score == said.score == float(row.max())
    proba = both.predict_proba(model, test)
    assert np.abs(proba - alone.predict_proba(single, test)).max() > 0.02
    assert both.predict(model, test) == [LABELS[column] for column in proba.argmax(axis=1)]
    assert [said.target for said in both.predictions(model, test.texts)] == both.predict(
        model, test
    )
    for folds in (3, 5):
        votes, todays = (learner.out_of_fold(1, targets, folds) for learner in (both, alone))
        assert all(np.array_equal(votes[id_], todays[id_]) for id_ in targets)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "options", "guesses"),
    [
        pytest.param("frozen-head", {}, {"spread": 50}, id="frozen-head"),
        pytest.param("transformer", BRIEFLY, {"spread": 50}, id="transformer"),
        pytest.param("transformer", BRIEFLY, {"self_training": 30}, id="self-training"),
        pytest.param("transformer", BRIEFLY, {"spread": 50, "self_training": 30}, id="both"),
    ],
)
def test_a_model_from_the_cache_predicts_by_guesses_and_chooses_without(
    name: str, options: dict[str, int], guesses: dict[str, int], tmp_path: Path
) -> None:
    pool = make_pool()
    targets = gold(pool, [f"id-{row:03d}" for row in range(6)])
    ids = [record.id for record in pool]

    def answers(**guesses: int) -> tuple[Any, Any, Any]:
        classifier = {"name": name, "options": options | guesses}
        learner = learner_of(tmp_path, 0, classifier=classifier)
        model = learner.fit(1, targets)
        picks = learner.choose(model, 8, round=2, targets=targets, exclude=()).items
        chosen = [(item.record_id, item.score) for item in picks]
        return chosen, learner.choosing_proba(model, ids), learner.predict_pool(model, ids)

    trained, loaded, alone = answers(**guesses), answers(**guesses), answers()
    assert trained[0] == loaded[0] == alone[0]
    assert np.array_equal(trained[1], loaded[1])
    assert np.array_equal(trained[1], alone[1])
    assert np.array_equal(trained[2], loaded[2])
    assert np.abs(trained[2] - alone[2]).max() > 0.02


@pytest.mark.parametrize(("name", "spreads"), [("transformer", True), ("frozen-head", False)])
def test_labels_are_spread_where_the_encoder_is_fine_tuned(name: str, *, spreads: bool) -> None:
    context = ClassifierContext(make_pool(), 3, ClassifierSection(name=name), Path("unused"))
    weight = create(context).spreading.weight  # type: ignore[attr-defined]
    assert (weight(20) > 0) == spreads
    assert weight(200) == 0


# -- who asks which head ---------------------------------------------------------------------------


class TwoFaced:
    """Chooses by one label and predicts another."""

    def __init__(self, column: int = 0) -> None:
        self.column = column

    def fit(self, train_set: IndexedDataset, weights: Any = None) -> None:
        del train_set, weights

    def predict(self, data_set: IndexedDataset, return_proba: bool = False) -> Any:
        proba = self.predict_proba(data_set)
        return (proba.argmax(axis=1), proba) if return_proba else proba.argmax(axis=1)

    def predict_proba(self, data_set: IndexedDataset, /) -> Any:
        return np.eye(3, dtype=np.float32)[np.full(len(data_set), self.column)]

    def as_predictor(self) -> TwoFaced:
        return TwoFaced(1)


def test_cross_validation_measures_what_people_see() -> None:
    y: Positions = np.arange(9) % 3
    labelled = IndexedDataset(np.zeros((9, 1)), y, np.arange(3), rows=np.arange(9))
    new: Callable[[int], Any] = lambda _seed: TwoFaced()  # noqa: E731
    crossed = CrossPredictor(new, problem_of("single_label", LABELS), 0)
    guesses = crossed.predicted(labelled, [LABELS[column] for column in y], 3)
    assert set(guesses.values()) == {LABELS[1]}


def test_a_classifier_with_one_head_is_its_own_predictor() -> None:
    two: Any = TwoFaced()
    assert predictor(two).column == 1  # type: ignore[attr-defined]
    plain: Any = object()
    assert predictor(plain) is plain
