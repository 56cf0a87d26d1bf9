"""The learner: labels meet texts by id, everything is repeatable, caches may vanish."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopd.data.pool import Pool
from loopd.errors import Interrupted, ModelError
from loopd.learning.learner import Learner
from loopd.records import PoolId, Record, Targets
from tests.learning.conftest import LABELS, all_scores, gold, make_pool

Build = Callable[..., Learner]


def test_importing_the_learner_imports_nothing_heavy() -> None:
    code = (
        "import sys, loopd.learning.learner, loopd.evaluation.stopping, loopd.evaluation.metrics;"
        "print([m for m in ('torch', 'small_text', 'sklearn', 'transformers', 'scipy')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_order_of_the_targets_changes_nothing(
    learner_of: Build, pool: Pool, targets: Targets, tmp_path: Path
) -> None:
    reverse = dict(reversed([*targets.items()]))
    shuffled = dict(sorted(targets.items(), key=lambda item: hash(item[0])))
    models = [
        learner_of(cache=tmp_path / str(place)).fit(1, given)
        for place, given in enumerate((targets, reverse, shuffled))
    ]
    assert len({model.id for model in models}) == 1
    for model in models[1:]:
        assert np.array_equal(all_scores(model), all_scores(models[0]))


def test_labels_meet_texts_by_id(learner_of: Build, pool: Pool, targets: Targets) -> None:
    model = learner_of().fit(1, dict(reversed([*targets.items()])))
    proba = learner_of().predict_pool(model, list(targets))
    assert [LABELS[place] for place in proba.argmax(axis=1)] == list(targets.values())


def test_model_id_names_everything_that_matters(
    learner_of: Build, pool: Pool, targets: Targets
) -> None:
    first = next(iter(targets))
    other = {**targets, first: "food" if targets[first] != "food" else "sport"}
    ids = {
        learner_of().model_id(1, targets),
        learner_of().model_id(2, targets),
        learner_of().model_id(1, other),
        learner_of(seed=8).model_id(1, targets),
        learner_of(options={"c": 1.0}).model_id(1, targets),
        learner_of(classifier="transformer").model_id(1, targets),
        learner_of(pool=make_pool(91)).model_id(1, targets),
    }
    assert len(ids) == 7


def test_same_inputs_give_the_same_batch(learner_of: Build, targets: Targets) -> None:
    def batch() -> object:
        learner = learner_of()
        return learner.choose(learner.fit(1, targets), 10, round=2, targets=targets, exclude=())

    assert batch() == batch()


@pytest.mark.parametrize("damage", ["delete", "truncate", "flip", "garbage"])
def test_a_missing_or_damaged_model_is_built_again(
    learner_of: Build, targets: Targets, tmp_path: Path, damage: str
) -> None:
    before = learner_of().fit(1, targets)
    (path,) = (tmp_path / "cache" / "models").glob("*.safetensors")
    whole = path.read_bytes()
    damaged = {
        "truncate": whole[:-7],
        "flip": whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
        "garbage": b"not a model",
    }
    path.unlink() if damage == "delete" else path.write_bytes(damaged[damage])
    after = learner_of().fit(1, targets)
    assert after.id == before.id
    assert np.array_equal(all_scores(after), all_scores(before))
    assert path.read_bytes() == whole


def test_the_cached_model_equals_the_trained_one(learner_of: Build, targets: Targets) -> None:
    trained, loaded = learner_of().fit(1, targets), learner_of().fit(1, targets)
    assert trained is not loaded
    assert np.array_equal(all_scores(trained), all_scores(loaded))


def test_models_stay_in_memory_and_keep_drops_the_others(
    learner_of: Build, targets: Targets, tmp_path: Path
) -> None:
    learner = learner_of()
    models = [learner.fit(number, targets) for number in (1, 2, 3)]
    assert learner.fit(3, targets) is models[2]
    learner.keep([models[1].id])
    left = [path.stem for path in (tmp_path / "cache" / "models").iterdir()]
    assert left == [models[1].id]
    assert learner.fit(3, targets) is not models[2]


def test_too_few_labels_are_refused_with_a_hint(learner_of: Build) -> None:
    learner = learner_of()
    for ids in ((), ("id-000",), ("id-000", "id-003")):
        few: Targets = {PoolId(id_): "animal" for id_ in ids}
        assert not learner.can_fit(few)
        with pytest.raises(ModelError) as caught:
            learner.fit(1, few)
        assert caught.value.hint
    assert learner.can_fit({PoolId("id-000"): "animal", PoolId("id-001"): "food"})


def test_two_labels_are_enough(learner_of: Build) -> None:
    learner = learner_of()
    targets: Targets = {PoolId("id-001"): "food", PoolId("id-000"): "animal"}
    model = learner.fit(1, targets)
    assert len(learner.choose(model, 5, round=2, targets=targets, exclude=()).items) == 5


def test_a_class_without_examples_has_probability_zero(learner_of: Build, pool: Pool) -> None:
    targets = gold(pool, [record.id for record in pool if record.gold != "food"][:12])
    learner = learner_of()
    proba = learner.predict_proba(learner.fit(1, targets), pool)
    assert proba.shape == (len(pool), 3)
    assert proba.dtype == np.float32
    assert not proba[:, LABELS.index("food")].any()
    assert np.allclose(proba.sum(axis=1), 1)


def test_unknown_labels_and_records_are_refused(learner_of: Build, targets: Targets) -> None:
    with pytest.raises(ModelError, match="plant"):
        learner_of().fit(1, {**targets, PoolId("id-050"): "plant"})
    with pytest.raises(ModelError, match="nobody"):
        learner_of().fit(1, {**targets, PoolId("nobody"): "food"})


def test_other_texts_are_predicted_in_order(learner_of: Build, targets: Targets) -> None:
    learner = learner_of()
    model = learner.fit(1, targets)
    texts = ["dog and cat", "cheese with apple", "golf or tennis"]
    by_texts = learner.predict_proba(model, texts)
    test = Pool(tuple(Record(PoolId(f"t{place}"), text) for place, text in enumerate(texts)))
    assert np.array_equal(by_texts, learner.predict_proba(model, test))
    assert learner.predict_proba(model, []).shape == (0, 3)


def test_columns_follow_the_labels_of_the_config(learner_of: Build, pool: Pool) -> None:
    targets = gold(pool, [record.id for record in pool.records[:60]])
    learner = learner_of()
    proba = learner.predict_proba(learner.fit(1, targets), pool)
    best = [LABELS[place] for place in proba.argmax(axis=1)]
    assert np.mean([guess == record.gold for guess, record in zip(best, pool, strict=True)]) > 0.95


def test_an_interrupt_leaves_training(learner_of: Build, targets: Targets) -> None:
    def stop() -> None:
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        learner_of(interrupt=stop).fit(1, targets)


def test_unknown_classifier_and_option_name_the_nearest() -> None:
    from loopd.config import ClassifierSection
    from loopd.learning.classifiers.contract import ClassifierContext
    from loopd.learning.classifiers.registry import create

    for section, nearest in (
        (ClassifierSection(name="transformr"), "`transformer`"),
        (ClassifierSection(name="tfidf", options={"ngram": 1}), "`ngrams`"),
    ):
        with pytest.raises(ModelError, match=nearest):
            create(ClassifierContext(make_pool(), 3, section, Path("unused")))


def test_check_describes_in_one_line(learner_of: Build) -> None:
    line = learner_of().check()
    assert "tfidf" in line
    assert "breaking_ties" in line
    assert "\n" not in line


def test_members_of_an_ensemble_differ_where_training_draws_nothing(
    learner_of: Build, pool: Pool, targets: Targets, tmp_path: Path
) -> None:
    ids = [record.id for record in pool.records[12:]]

    def said(learner: Learner, member: int) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = learner.predict_pool(learner.fit(1, targets, member), ids)
        return found

    learner = learner_of()
    of_pool = [said(learner, member) for member in range(3)]
    out_of_fold = [
        np.stack(list(learner.out_of_fold(1, targets, 3, member).values())) for member in range(3)
    ]
    for some in (of_pool, out_of_fold):
        assert all(np.abs(one - other).max() > 1e-3 for one, other in combinations(some, 2))
    again = learner_of(cache=tmp_path / "another")
    np.testing.assert_array_equal(said(again, 2), of_pool[2])
    assert learner.model_id(1, targets, 0) == learner.model_id(1, targets)
    assert learner.model_id(1, targets, 1) != learner.model_id(1, targets, 2)
