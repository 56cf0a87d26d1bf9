"""An encoder learns from its surest guesses, of each class, beside the labels of people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.config import ClassifierSection, StrategySection
from loopd.data.pool import Pool
from loopd.errors import ModelError
from loopd.learning.arrays import Positions, Proba
from loopd.learning.classifiers.contrastive import ClassifiedTexts, fine_tune
from loopd.learning.classifiers.self_training import (
    LOOKED_AT,
    PASSES,
    SelfTraining,
    self_training,
    surest,
)
from loopd.learning.classifiers.spreading import Guesses
from loopd.learning.learner import Learner
from loopd.learning.trainer import Model
from tests.learning.conftest import LABELS, gold, make_pool

OPTIONS = {"epochs": 1, "min_steps": 3, "batch_size": 8, "bf16": False}


def slowly(proba: Proba) -> dict[int, list[int]]:
    """By guessed class the rows that are sure enough, in loops; of equal ones the first."""
    rows: dict[int, list[int]] = {}
    for row, values in enumerate(proba.tolist()):
        rows.setdefault(values.index(max(values)), []).append(row)
    return {
        label: sorted(of, key=lambda row: -max(proba[row].tolist()))[: max(1, len(of) // 2)]
        for label, of in rows.items()
    }


@st.composite
def probabilities(draw: st.DrawFn) -> Proba:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, classes = draw(st.integers(0, 60)), draw(st.integers(2, 6))
    return rng.dirichlet(np.full(classes, 0.5), size=rows).astype(np.float32)


@given(proba=probabilities(), count=st.integers(0, 80), seed=st.integers(0, 2**32 - 1))
def test_the_surest_half_of_each_class_is_drawn_from(proba: Proba, count: int, seed: int) -> None:
    allowed = {row: label for label, rows in slowly(proba).items() for row in rows}
    guesses = surest(proba, count, seed)
    rows = guesses.rows.tolist()
    assert rows == sorted(set(rows))
    assert len(rows) == min(count, len(allowed))
    assert [allowed[row] for row in rows] == guesses.y.tolist()
    again = surest(proba, count, seed)
    assert np.array_equal(guesses.rows, again.rows)


def test_no_class_is_crowded_out_by_one_that_is_easy_to_tell() -> None:
    sure = np.tile([0.99, 0.01], (100, 1))
    unsure = np.tile([0.45, 0.55], (4, 1))
    guesses = surest(np.vstack([sure, unsure]).astype(np.float32), 1000, 0)
    assert np.bincount(guesses.y).tolist() == [50, 2]


@given(st.integers(0, 500), st.integers(0, 500), st.integers(1, 600))
def test_guesses_end_with_enough_labels(texts: int, until: int, labels: int) -> None:
    assert SelfTraining(texts, until).count(labels) == (texts if labels < until else 0)


@pytest.mark.parametrize("value", [-1, 1.5, True, "many", None])
def test_options_that_cannot_be_meant(value: object) -> None:
    with pytest.raises(ModelError, match="classifier option self_training must"):
        self_training(value, 100)
    with pytest.raises(ModelError, match="classifier option self_training_until must"):
        self_training(300, value)


# -- with a real encoder ---------------------------------------------------------------------------


class Tuned:
    """What each fine-tuning of a fit began with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[ClassifiedTexts] = []
        self.sums: list[float] = []

        def noted(embedder: Any, recipe: Any, texts: ClassifiedTexts, seed: int) -> None:
            self.texts.append(texts)
            weights = embedder.encoder.parameters()
            self.sums.append(float(sum(weight.detach().double().abs().sum() for weight in weights)))
            fine_tune(embedder, recipe, texts, seed)

        monkeypatch.setattr("loopd.learning.classifiers.transformer_classifier.fine_tune", noted)


def fitted(cache: Path, labelled: int, **options: Any) -> tuple[Learner, Model]:
    learner = Learner(
        make_pool(),
        LABELS,
        classifier=ClassifierSection(name="transformer", threads=1, options=OPTIONS | options),
        strategy=StrategySection(name="margin"),
        seed=7,
        cache=cache,
    )
    ids = [f"id-{row:03d}" for row in range(labelled)]
    return learner, learner.fit(1, gold(make_pool(), ids))


def proba_of(made: tuple[Learner, Model]) -> Proba:
    learner, model = made
    return learner.predict_proba(model, make_pool(60, seed=1))


@pytest.mark.integration
def test_a_second_encoder_begins_anew_and_learns_from_labels_and_guesses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = Tuned(monkeypatch)
    learned = fitted(tmp_path, 12, self_training=20)
    first, *others = tuned.texts
    assert len(others) == PASSES
    assert len(set(tuned.sums)) == 1, "not from the weights that another one has learned"
    for second in others:
        labelled: Positions = second.rows[:12]
        assert np.array_equal(labelled, first.rows)
        assert np.array_equal(second.y[:12], first.y)
        assert second.weights[:12].tolist() == [1.0] * 12
        guessed = second.rows[12:]
        assert 0 < len(guessed) <= 20
        assert not set(guessed.tolist()) & set(labelled.tolist())
        assert (second.weights[12:] < 1).all()
    alone = fitted(tmp_path / "alone", 12)
    assert not np.allclose(proba_of(learned), proba_of(alone))
    assert np.array_equal(
        proba_of(learned), proba_of(fitted(tmp_path / "again", 12, self_training=20))
    )


@pytest.mark.integration
def test_the_later_guesses_are_those_of_the_encoder_that_learned_from_the_earlier_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guessed: list[Proba] = []

    def noted(proba: Proba, count: int, seed: int) -> Guesses:
        guessed.append(proba)
        return surest(proba, count, seed)

    module = "loopd.learning.classifiers.transformer_classifier"
    monkeypatch.setattr(f"{module}.surest", noted)
    fitted(tmp_path, 12, self_training=20)
    monkeypatch.setattr(f"{module}.PASSES", 1)
    learner, earlier = fitted(tmp_path / "earlier", 12, self_training=20)
    of_first, of_second, _ = guessed
    unlabelled = Pool(make_pool().records[12:])
    assert np.allclose(of_second, learner.predict_proba(earlier, unlabelled), atol=1e-5)
    assert not np.allclose(of_second, of_first, atol=1e-3)


@pytest.mark.integration
def test_with_enough_labels_the_model_is_that_without_guesses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = Tuned(monkeypatch)
    some = fitted(tmp_path, 12, self_training=20, self_training_until=12)
    assert len(tuned.texts) == 1
    assert np.array_equal(proba_of(some), proba_of(fitted(tmp_path / "alone", 12)))


@pytest.mark.integration
def test_where_every_text_has_a_label_nothing_is_guessed(tmp_path: Path) -> None:
    everything = len(make_pool())
    learned = fitted(tmp_path, everything, self_training=20, self_training_until=LOOKED_AT)
    assert proba_of(learned).shape == (60, len(LABELS))


@pytest.mark.integration
def test_folds_whose_votes_count_and_members_of_an_ensemble_learn_from_no_guesses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned, alone = (
        fitted(tmp_path / str(count), 12, self_training=count)[0] for count in (20, 0)
    )
    targets = gold(make_pool(), [f"id-{row:03d}" for row in range(12)])
    tuned = Tuned(monkeypatch)
    votes = learned.out_of_fold(1, targets, 3)
    member = learned.fit(1, targets, 1)
    assert len(tuned.texts) == 3 + 1
    assert all(
        np.array_equal(votes[id_], of) for id_, of in alone.out_of_fold(1, targets, 3).items()
    )
    ids = list(targets)
    other = alone.fit(1, targets, 1)
    assert np.array_equal(learned.choosing_proba(member, ids), alone.choosing_proba(other, ids))
