"""Work in pieces, done elsewhere, out of order and twice, gives the same to the last bit."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopd.compute.engine import LOCAL, Engine
from loopd.config import ClassifierSection, StrategySection
from loopd.data.pool import Pool
from loopd.errors import Interrupted, ModelError
from loopd.learning.learner import Learner
from loopd.learning.near_duplicates import Nearness
from tests.compute.engines import UnreliableEngine
from tests.learning.conftest import LABELS, gold, make_pool

pytestmark = pytest.mark.integration

QUICK = {"epochs": 1, "min_steps": 2, "spread": 0}
ROUNDS = 2


@pytest.fixture(scope="module", autouse=True)
def _small_pieces() -> Iterator[None]:
    """A pool of some hundred texts falls into pieces."""
    from loopd.learning import near_duplicates
    from loopd.learning.classifiers import frozen_head, pooling
    from loopd.learning.features import frozen, store
    from loopd.learning.shards import scoring

    with pytest.MonkeyPatch.context() as monkeypatch:
        for module in (store, frozen, frozen_head):
            monkeypatch.setattr(module, "ROWS", 64)
        monkeypatch.setattr(store.blocks, "__defaults__", (64,))
        monkeypatch.setattr(scoring, "FEWEST_TEXTS", 32)
        monkeypatch.setattr(scoring, "BATCHES", 2)
        monkeypatch.setattr(pooling, "SCORING_BUDGET", 256)
        monkeypatch.setattr(near_duplicates, "AT_ONCE", 64)
        yield


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def growing_pool() -> Pool:
    records = make_pool(220).records
    return Pool(tuple(records[:150])).grown(records[150:])


def learner(engine: Engine, cache: Path, name: str, **more: Any) -> Learner:
    options = QUICK if name == "transformer" else {}
    return Learner(
        growing_pool(),
        LABELS,
        classifier=ClassifierSection(name=name, threads=1, options=options),
        strategy=StrategySection(name=more.pop("strategy", "breaking_ties")),
        seed=7,
        cache=cache,
        engine=engine,
        **more,
    )


def run(built: Learner) -> list[Any]:
    """All that a run of two rounds says."""
    pool = growing_pool()
    said: list[Any] = []
    batch = built.first_batch(12, round=0, exclude=())
    targets = gold(pool, [item.record_id for item in batch.items])
    for number in range(1, ROUNDS + 1):
        built.train_members(number, targets, [1, 2])
        model = built.fit(number, targets)
        others = [built.fit(number, targets, member) for member in (1, 2)]
        said += [built.out_of_fold(number, targets, 3), built.cross_predicted(number, targets, 3)]
        said += [built.choosing_proba(one, pool.ids) for one in (model, *others)]
        batch = built.choose(model, 12, round=number, targets=targets, exclude=())
        said.append([(item.record_id, item.score, item.suggestion) for item in batch.items])
        targets |= gold(pool, [item.record_id for item in batch.items])
    nearness = Nearness(pool.ids, built.vectors, elsewhere=built.similarities)
    near = {id_: nearness.near_to(pool.ids[:5], least) for id_, least in (("a", 0.8), ("b", 0.9))}
    return [*said, near, nearness.near(pool.ids[:9], 0.85)]


def same(some: Any, others: Any) -> bool:
    return pickle.dumps(_plain(some)) == pickle.dumps(_plain(others))


def _plain(said: Any) -> Any:
    """Without what one pickle shares and another does not."""
    if isinstance(said, np.ndarray):
        return said.tolist()
    if isinstance(said, dict):
        return [(str(key), _plain(said[key])) for key in sorted(said)]
    if isinstance(said, frozenset):
        return sorted(map(str, said))
    if isinstance(said, (list, tuple)):
        return [_plain(part) for part in said]
    return repr(said)


@pytest.mark.parametrize(
    ("name", "work"),
    [
        ("frozen-head", {"encode", "proba_of", "best_of", "fold_proba", "fold_targets", "train"}),
        pytest.param(
            "transformer",
            {"encode", "embed", "fold_proba", "fold_targets", "train"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_an_unreliable_engine_says_the_same(tmp_path: Path, name: str, work: set[str]) -> None:
    here = run(learner(LOCAL, tmp_path / "here", name))
    engine = UnreliableEngine(seed=1)
    assert same(run(learner(engine, tmp_path / "there", name)), here)
    assert engine.done == {*work, "compare"}


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoded")


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_whatever_happens_to_the_workers(encoded: Path, seed: int) -> None:
    said: list[Any] = []
    for engine in (LOCAL, UnreliableEngine(seed, loss=0.1)):
        built, pool = learner(engine, encoded, "frozen-head"), growing_pool()
        targets = gold(pool, pool.ids[:12])
        model = built.fit(1, targets)
        batch = built.choose(model, 7, round=1, targets=targets, exclude=())
        said.append([[(item.record_id, item.score) for item in batch.items]])
        said[-1].append(built.choosing_proba(model, pool.ids))
    assert same(*said)


@pytest.mark.parametrize("number", [0, 2])
def test_a_student_guesses_the_same(tmp_path: Path, number: int) -> None:
    from loopd.learning.features.store import FeatureStore
    from loopd.learning.preselect import ScoringLimit, preselect

    features, rng = FeatureStore(tmp_path, (200, 8)), np.random.default_rng(0)
    for piece in features.pieces:
        rows = features.rows_of(piece)
        features.put(piece, rng.normal(size=(len(rows), 8)).astype(np.float32))
    found = [
        preselect(
            features,
            lambda rows: np.full((len(rows), 3), 1 / 3, dtype=np.float32),
            np.arange(number),
            limit=ScoringLimit(50),
            seed=3,
            interrupt=lambda: None,
            engine=engine,
        )
        for engine in (LOCAL, UnreliableEngine())
    ]
    assert np.array_equal(found[0].positions, found[1].positions)
    assert np.array_equal(found[0].proba, found[1].proba)


def test_features_that_are_there_are_not_encoded_again(tmp_path: Path) -> None:
    learner(LOCAL, tmp_path, "frozen-head").vectors(growing_pool().ids)
    engine = UnreliableEngine()
    learner(engine, tmp_path, "frozen-head").vectors(growing_pool().ids)
    assert "encode" not in engine.done


def test_a_worker_that_does_not_share_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loopd.learning.features.frozen import FrozenFeatures
    from loopd.learning.shards import encoding

    monkeypatch.setattr(encoding, "FOLDER_SECONDS", 0.0)
    monkeypatch.setattr(FrozenFeatures, "encode_piece", lambda *_: None)
    with pytest.raises(ModelError, match=r"features .* are not in") as error:
        learner(UnreliableEngine(), tmp_path, "frozen-head").vectors(growing_pool().ids)
    assert "share" in error.value.hint


def test_files_that_show_late_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NFS: a folder remembers for a while that a file was not there."""
    from loopd.learning.features.store import FeatureStore
    from loopd.learning.shards import encoding

    plain, looks = FeatureStore.holds, iter(range(10**6))
    monkeypatch.setattr(encoding, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(
        FeatureStore, "holds", lambda store, piece: next(looks) > 40 and plain(store, piece)
    )
    vectors = learner(UnreliableEngine(), tmp_path, "frozen-head").vectors(growing_pool().ids)
    assert vectors is not None
    assert next(looks) > 41


def test_a_stop_goes_through(tmp_path: Path) -> None:
    calls = iter(range(10**6))

    def interrupt() -> None:
        if next(calls) > 60:
            raise Interrupted("a stop was asked for")

    built = learner(UnreliableEngine(), tmp_path, "frozen-head", interrupt=interrupt)
    with pytest.raises(Interrupted):
        run(built)


def test_a_score_of_the_users_own_is_asked_here(tmp_path: Path) -> None:
    pool, engine = growing_pool(), UnreliableEngine()
    built = learner(engine, tmp_path, "frozen-head")
    model = built.fit(1, gold(pool, pool.ids[:12]))
    score = lambda proba: proba[:, 0].astype(np.float64)  # noqa: E731 (its module counts)
    assert model.scores.best(score, np.arange(100), 3) is None  # type: ignore[attr-defined]


def test_tfidf_stays_here(tmp_path: Path) -> None:
    engine = UnreliableEngine()
    said = run(learner(engine, tmp_path / "there", "tfidf"))
    assert same(said, run(learner(LOCAL, tmp_path / "here", "tfidf")))
    assert engine.work == []
