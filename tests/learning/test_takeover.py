"""A model that keeps an earlier encoder: the same model again, whatever is cached."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.config import ClassifierSection, StrategySection
from loopd.errors import ModelError
from loopd.learning.classifiers.described import DescribedClassifier, Descriptions
from loopd.learning.dataset import IndexedDataset
from loopd.learning.learner import Learner, Model
from loopd.learning.takeover import Growth, Lender, Tuned, refit
from loopd.learning.training_sets import Inherited, TrainingSet
from loopd.records import Targets
from tests.learning.conftest import LABELS, all_scores, gold, make_pool

POOL = make_pool()
FEW = gold(POOL, [record.id for record in POOL.records[:12]])
MORE = gold(POOL, [record.id for record in POOL.records[:18]])


@pytest.fixture(scope="module")
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def build(tmp_path: Path, **settings: Any) -> Learner:
    options = {"epochs": 1, "min_steps": 3, **settings.pop("options", {})}
    section = {"name": "transformer", "threads": 1, "options": options}
    return Learner(
        POOL,
        LABELS,
        classifier=ClassifierSection.model_validate(section),
        strategy=StrategySection(),
        seed=7,
        cache=tmp_path / "cache",
        **settings,
    )


def weights(model: Model) -> list[Any]:
    classifier: Any = model.scores.classifier
    return [weight.detach().numpy() for weight in classifier.encoder.parameters()]


def same(first: list[Any], second: list[Any]) -> bool:
    return all(map(np.array_equal, first, second))


def never() -> Targets:
    raise AssertionError("the encoder is in the cache")


@pytest.mark.integration
@pytest.mark.usefixtures("_one_thread")
@pytest.mark.parametrize("described", [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_encoder_stays_and_the_head_is_new_whatever_is_cached(
    tmp_path: Path, described: bool
) -> None:
    settings: dict[str, Any] = (
        {"descriptions": {"food": ("something to eat",)}} if described else {}
    )
    learner = build(tmp_path, **settings)
    first = learner.fit(1, FEW)
    before = weights(first)
    tuned = Tuned(first.id, 1, never)
    second = learner.fit(2, MORE, encoder=tuned)
    assert same(before, weights(second))
    assert same(before, weights(first)), "the earlier model was changed"
    assert not np.array_equal(all_scores(first), all_scores(second))
    assert second.id == learner.model_id(2, MORE, encoder=tuned)
    assert len({second.id, first.id, learner.model_id(2, MORE)}) == 3
    shutil.rmtree(tmp_path / "cache")
    again = build(tmp_path, **settings).fit(2, MORE, encoder=replace(tuned, targets=lambda: FEW))
    assert (again.id, second.id) == (second.id, again.id)
    assert np.array_equal(all_scores(again), all_scores(second))
    third = build(tmp_path, **settings).fit(3, MORE, encoder=tuned)
    assert same(before, weights(third)), "what was made again is kept under its name"


@pytest.mark.integration
@pytest.mark.usefixtures("_one_thread")
def test_no_more_steps_than_the_most(tmp_path: Path) -> None:
    steps: set[int] = set()

    def count(what: str, _done: int, total: int) -> None:
        steps.update({total} if what == "training" else ())

    for options in ({}, {"max_steps": 2}, {"max_steps": 100}):
        build(tmp_path, options=options, progress=count).fit(1, FEW)
    assert steps == {3, 2}


@pytest.mark.parametrize(
    "options",
    [
        *({"max_steps": value} for value in (0, 1.5, True, "3")),
        *({"retune_growth": value} for value in (-0.1, "a", True)),
        *({"retune_from": value} for value in (-1, 2.5, None)),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=next(iter(options))):
        build(tmp_path, options=options).check()


def test_the_defaults_leave_small_runs_as_they_are(tmp_path: Path) -> None:
    learner = build(tmp_path)
    assert not learner.takes_over(1999, 1999)
    assert not learner.takes_over(2199, 1999)
    assert learner.takes_over(2199, 2000)
    assert not learner.takes_over(2200, 2000)
    assert learner.takes_over(20_020, 20_000)


@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 3000), st.floats(0, 1))
def test_when_it_is_fine_tuned_anew(labels: int, before: int, least: int, share: float) -> None:
    takes_over = Growth(share, least).takes_over(labels, before)
    if min(labels, before) < least or abs(labels - before) >= share * before:
        assert not takes_over
    else:
        assert takes_over


def test_a_run_to_20_000_labels_fine_tunes_seldom() -> None:
    growth, tuned, last = Growth(0.1, 1000), 0, 0
    for labels in range(1000, 20_001, 20):
        if not growth.takes_over(labels, last):
            tuned, last = tuned + 1, labels
    assert tuned < 35


class Head:
    """A classifier that can be given another head, in a way of its own."""

    def __init__(self) -> None:
        self.seen: list[Any] = []


class Weighted(Head):
    def refit(self, train_set: Any, weights: Any = None) -> None:
        self.seen.append((len(train_set), None if weights is None else len(weights)))


class Unweighted(Head):
    def refit(self, train_set: Any) -> None:
        self.seen.append((len(train_set), None))


class Positional(Head):
    def refit(self, x: Any, y: Any) -> None:
        raise AssertionError((x, y))


def described(inner: Head) -> DescribedClassifier:
    texts = np.eye(3, dtype=np.float32)
    return DescribedClassifier(inner, Descriptions(texts, np.arange(3)))  # type: ignore[arg-type]


ROWS = IndexedDataset(np.ones((5, 3), dtype=np.float32), np.zeros(5, dtype=np.int64), np.arange(3))


@pytest.mark.parametrize(("kind", "weights"), [(Weighted, 8), (Unweighted, None)])
def test_a_new_head_learns_from_the_descriptions_too(kind: type[Head], weights: int | None) -> None:
    inner = kind()
    refit(described(inner), ROWS)
    assert inner.seen == [(8, weights)]


@pytest.mark.parametrize("kind", [Head, Positional])
def test_a_head_that_cannot_be_fitted_so_is_refused_in_a_sentence(kind: type[Head]) -> None:
    for classifier in (kind(), described(kind())):
        with pytest.raises(ModelError, match=f"{kind.__name__} cannot be given another head"):
            refit(classifier, ROWS)


class Lent:
    def __init__(self, name: str) -> None:
        self.name = name

    def with_own_head(self) -> Lent:
        return Lent(self.name + "'s")


def test_the_model_is_lent_that_was_asked_for_and_forgotten_with_the_others() -> None:
    lender, found = Lender(), list[str]()

    def lend(name: str) -> str:
        def find() -> Any:
            found.append(name)
            return Lent(name)

        lent: Any = lender.lend(name, find)
        return str(lent.name)

    assert [lend("a"), lend("a"), lend("b"), lend("b"), lend("a")] == [
        "a's",
        "a's",
        "b's",
        "b's",
        "a's",
    ]
    assert found == ["a", "b", "a"]
    lender.keep(["a", "c"])
    assert (lend("a"), found) == ("a's", ["a", "b", "a"])
    lender.keep(["c"])
    assert (lend("a"), found) == ("a's", ["a", "b", "a", "a"])


def test_what_cannot_lend_is_given_away_each_time() -> None:
    lender = Lender()
    made: list[Any] = [object(), object()]
    assert [lender.lend("a", partial(made.__getitem__, at)) for at in (0, 1)] == made
    assert lender.model is None


@pytest.mark.parametrize("member", [0, 2])
def test_as_long_as_the_encoder_stays_so_does_the_seed_of_what_is_looked_at(member: int) -> None:
    own, inherited = (
        TrainingSet("a", 9, np.arange(3), np.zeros(3), member, encoder)
        for encoder in (None, Inherited(Tuned("b", 4, never), lambda: own))
    )
    assert own.encoder_step == own.step == inherited.step
    assert inherited.encoder_step == TrainingSet("b", 4, np.arange(2), np.zeros(2), member).step
