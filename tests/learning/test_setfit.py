"""SetFit through its package: learns, repeats itself, is quiet; says so where it is absent."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from loopd.errors import Interrupted, ModelError
from loopd.installation import add_extra
from loopd.learning.learner import Learner
from loopd.records import PoolId, Targets
from tests.learning.conftest import LABELS, all_scores, make_pool

Build = Callable[..., Learner]
QUICK = {"max_steps": 6, "batch_size": 8}

installed = all(importlib.util.find_spec(name) for name in ("setfit", "accelerate"))
needs_setfit = pytest.mark.skipif(not installed, reason="setfit is not installed")


@pytest.mark.integration
@pytest.mark.slow
@needs_setfit
def test_it_learns_repeats_itself_and_prints_nothing(
    learner_of: Build, targets: Targets, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    test = make_pool(60, seed=1)
    learner = learner_of(classifier="setfit", options=QUICK)
    assert "setfit over packaged" in learner.check()
    model = learner.fit(1, targets)
    proba = learner.predict_proba(model, test)
    guessed = [LABELS[place] for place in proba.argmax(axis=1)]
    right = [guess == record.gold for guess, record in zip(guessed, test, strict=True)]
    assert np.mean(right) > 0.7
    again = learner_of(classifier="setfit", options=QUICK, cache=tmp_path / "other")
    assert np.array_equal(all_scores(again.fit(1, targets)), all_scores(model))
    loaded = learner_of(classifier="setfit", options=QUICK)
    assert np.array_equal(all_scores(loaded.fit(1, targets)), all_scores(model))
    assert capfd.readouterr() == ("", "")


@pytest.mark.integration
@pytest.mark.slow
@needs_setfit
def test_a_class_without_examples_and_a_stop(learner_of: Build, targets: Targets) -> None:
    two = {id_: label for id_, label in targets.items() if label != "food"}

    def stop(what: str, done: int, total: int) -> None:
        if what == "training" and done == 2:
            raise Interrupted("stopped")

    learner = learner_of(classifier="setfit", options=QUICK)
    assert not learner.predict_pool(learner.fit(1, two), [PoolId("id-000")])[:, 1].any()
    with pytest.raises(Interrupted):
        learner_of(classifier="setfit", options=QUICK, progress=stop).fit(2, two)


@pytest.mark.parametrize(
    "options", [{"epochs": 0}, {"max_steps": 1.5}, {"learning_rate": "2e-5"}, {"iteration": 3}]
)
def test_bad_options_are_refused(
    learner_of: Build, options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopd.learning.classifiers.setfit.NEEDED", ())
    with pytest.raises(ModelError, match="option"):
        learner_of(classifier="setfit", options=options).check()


def test_where_it_is_not_installed_the_hint_says_how(
    learner_of: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopd.learning.classifiers.setfit.NEEDED", ("no_such_package",))
    with pytest.raises(ModelError, match="no_such_package") as caught:
        learner_of(classifier="setfit").check()
    assert caught.value.hint == add_extra("setfit")
