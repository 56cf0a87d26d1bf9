"""The first batch: chosen through the registry without a model, at random where that cannot be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopd.config import StrategySection
from loopd.data.pool import Pool
from loopd.errors import ModelError
from loopd.learning.dataset import unlabeled
from loopd.learning.fitted import ColdClassifier
from loopd.learning.learner import BatchChoice, Learner
from loopd.learning.representation import Background
from loopd.learning.strategies.catalogue import STRATEGIES
from loopd.learning.strategies.registry import cold_start
from loopd.records import PoolId, Record
from tests.learning.conftest import LABELS, gold

Build = Callable[..., Learner]

COLD = [name for name in STRATEGIES if STRATEGIES[name].cold]


def ids_of(choice: BatchChoice) -> list[str]:
    return [item.record_id for item in choice.items]


def first(learner: Learner, size: int = 10, number: int = 0, **known: Any) -> BatchChoice:
    return learner.first_batch(size, round=number, **{"exclude": (), **known})


@pytest.mark.parametrize("name", COLD)
def test_it_is_seeded_and_has_no_suggestions(learner_of: Build, name: str) -> None:
    batch = first(learner_of(cold_start=name))
    assert batch == first(learner_of(cold_start=name))
    assert len(set(ids_of(batch))) == 10
    assert all(item.suggestion is None for item in batch.items)
    assert batch.strategy == ("auto/facility_location" if name == "auto" else name)


@pytest.mark.parametrize("name", COLD)
def test_it_leaves_out_and_runs_out(learner_of: Build, pool: Pool, name: str) -> None:
    ids = [record.id for record in pool]
    learner = learner_of(cold_start=name)
    assert sorted(ids_of(first(learner, exclude=ids[4:]))) == ids[:4]
    assert first(learner, exclude=ids).items == ()
    assert sorted(ids_of(first(learner, hidden=ids[4:]))) == ids[:4]
    assert first(learner, hidden=ids).items == ()


def test_it_stays_away_from_what_is_taken_and_does_not_know_what_is_hidden(
    learner_of: Build,
) -> None:
    many = [
        Record(PoolId(f"a{n:02d}"), f"we saw a tiger and a lion, number {n}") for n in range(12)
    ]
    few = [Record(PoolId(f"b{n:02d}"), f"they like bread with cheese, piece {n}") for n in range(6)]
    learner = learner_of(cold_start="facility_location", pool=Pool((*many, *few)))
    assert ids_of(first(learner, 1))[0].startswith("a")
    assert ids_of(first(learner, 1, exclude=["a03"]))[0].startswith("b")
    assert ids_of(first(learner, 1, hidden=["a03"]))[0].startswith("a")


def test_other_rounds_and_seeds_draw_others(learner_of: Build) -> None:
    drawn = ids_of(first(learner_of(cold_start="random_sampling")))
    assert drawn != ids_of(first(learner_of(cold_start="random_sampling"), number=1))
    assert drawn != ids_of(first(learner_of(cold_start="random_sampling", seed=8)))


def test_the_default_covers_the_pool(learner_of: Build, pool: Pool) -> None:
    assert StrategySection().cold_start == "facility_location"
    batch = first(learner_of())
    assert batch.strategy == "facility_location"
    assert {pool[PoolId(id_)].gold for id_ in ids_of(batch)} == set(LABELS)


def test_class_coverage_uses_the_names(pool: Pool, learner_of: Build) -> None:
    # "food" is no word of any text: nothing is near to it, and nothing breaks.
    assert len(ids_of(first(learner_of(cold_start="class_coverage"), 6))) == 6


def test_labels_of_one_kind_count_as_covered(learner_of: Build, pool: Pool) -> None:
    learner = learner_of()
    before = ids_of(first(learner))
    known = gold(pool, before[:5])
    again = ids_of(first(learner, number=1, targets=known, exclude=before[5:]))
    assert not set(again) & set(before)
    assert again != ids_of(first(learner, number=1, exclude=[]))


def test_random_sampling_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from loopd.config import *; "
        "from loopd.learning.learner import Learner; from tests.learning.conftest import *; "
        "Learner(make_pool(), LABELS, classifier=ClassifierSection(), seed=1, cache=Path('x'), "
        "strategy=StrategySection(cold_start='random_sampling'))"
        ".first_batch(5, round=0, exclude=()); "
        "print([m for m in ('torch', 'small_text', 'sklearn', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


BARE = """
class Bare:
    def __init__(self, num_classes):
        pass

    def new(self):
        raise NotImplementedError
"""


def test_without_a_representation_it_is_random_and_says_so(
    learner_of: Build, tmp_path: Path
) -> None:
    (tmp_path / "own_bare.py").write_text(BARE)
    bare = {"classifier": "own_bare:Bare", "code_paths": (tmp_path,)}
    batch = first(learner_of(**bare))
    assert batch.strategy == "random_sampling"
    assert batch == first(learner_of(cold_start="random_sampling"))


def test_a_cold_start_that_needs_a_model_is_refused(learner_of: Build) -> None:
    with pytest.raises(ModelError, match="needs a model") as caught:
        first(learner_of(cold_start="badge"))
    assert "facility_location" in caught.value.hint
    with pytest.raises(ModelError, match="`typiclust`"):
        first(learner_of(cold_start="typiclus"))
    with pytest.raises(ModelError, match="needs a model"):
        learner_of(cold_start="margin").check()


OWN = """
import numpy as np
from small_text import QueryStrategy

class Farthest(QueryStrategy):
    def __init__(self, reverse=False):
        self.sign = -1 if reverse else 1

    def query(self, clf, dataset, indices_unlabeled, indices_labeled, y, n=10):
        vectors = clf.representation.pool[indices_unlabeled]
        order = np.argsort(self.sign * vectors @ vectors.mean(axis=0), kind="stable")
        return indices_unlabeled[order[:n]]

class Asking(QueryStrategy):
    def query(self, clf, dataset, indices_unlabeled, indices_labeled, y, n=10):
        return clf.predict_proba(dataset)
"""


def test_a_cold_start_of_the_user_s_own(learner_of: Build, tmp_path: Path) -> None:
    (tmp_path / "own_start.py").write_text(OWN)
    own = {"cold_start": "own_start:Farthest", "code_paths": (tmp_path,)}
    batch = first(learner_of(**own), 45)
    assert batch.strategy == "own_start:Farthest"
    other = first(learner_of(**own, cold_start_options={"reverse": True}), 45)
    assert not set(ids_of(batch)) & set(ids_of(other))
    with pytest.raises(ModelError, match="before the first labels") as caught:
        first(learner_of(cold_start="own_start:Asking", code_paths=(tmp_path,)))
    assert "cold_start" in caught.value.hint


def test_the_representation_is_only_asked_for_where_it_matters() -> None:
    def never() -> bool:
        raise AssertionError

    for name in ("random_sampling", "mine:Own"):
        assert cold_start(StrategySection(cold_start=name), never).name == name


def test_before_there_is_a_model_nothing_of_it_can_be_asked() -> None:
    cold = ColdClassifier(2, Background(("a", "b")))
    assert cold.label_names == ("a", "b")
    assert cold.new().fit(unlabeled(np.zeros(3), 2)) is cold
    for ask in (cold.predict, cold.predict_proba, cold.embed):
        with pytest.raises(ModelError, match="there is none"):
            ask(unlabeled(np.zeros(3), 2))
    with pytest.raises(ModelError, match="representation") as caught:
        _ = cold.representation
    assert caught.value.hint
