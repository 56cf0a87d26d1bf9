"""Classifiers and strategies on texts with several labels, through small-text's interfaces."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from loopd.config import ClassifierSection, StrategySection
from loopd.data.pool import Pool
from loopd.errors import ModelError
from loopd.learning import small_text_query
from loopd.learning.classifiers import registry
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.learning.dataset import IndexedDataset, unlabeled
from loopd.learning.fitted import FittedClassifier, PoolScores
from loopd.learning.learner import Learner
from loopd.learning.preselect import ScoringLimit, Student, candidates, preselect
from loopd.learning.problems.problem import problem_of
from loopd.learning.representation import Background
from loopd.learning.strategies.catalogue import STRATEGIES
from loopd.learning.strategies.registry import create
from loopd.records import PoolId, Record
from tests.learning.conftest import LABELS, WORDS
from tests.learning.strategies.fakes import OnlyScores

CLASSIFIERS = [
    "tfidf",
    pytest.param("frozen-head", marks=pytest.mark.integration),
    pytest.param("transformer", marks=pytest.mark.integration),
]
OPTIONS = {"transformer": {"epochs": 1, "min_steps": 8}}
HNSW = importlib.util.find_spec("hnswlib") is not None


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tests run beside each other; more threads than cores make torch many times slower."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_texts(count: int = 60, seed: int = 0) -> tuple[Pool, NDArray[np.int64]]:
    """Texts that name words of none, one or two classes, and the classes (n, 3)."""
    rng = np.random.default_rng(seed)
    given = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]])
    y = given[np.arange(count) % 5]
    records = []
    for place, row in enumerate(y):
        named = [str(rng.choice(WORDS[label])) for label, on in zip(LABELS, row, strict=True) if on]
        records.append(
            Record(PoolId(f"{place}"), f"story {place}: {' and '.join(named) or 'so it is'}")
        )
    return Pool(tuple(records)), y


def factory_of(tmp_path: Path, name: str, pool: Pool, **options: Any) -> Any:
    section = ClassifierSection(
        name=name, threads=1, options={**OPTIONS.get(name, {}), **options}, candidates=1000
    )
    around = ClassifierContext(pool, 3, section, tmp_path, labels=LABELS, kind="multi_label")
    return registry.create(around)


def trained(factory: Any, y: NDArray[np.int64], count: int) -> Any:
    rows = np.arange(count)
    known = IndexedDataset(factory.pool_features, csr_matrix(y[:count]), np.arange(3), rows=rows)
    return factory.new(3).fit(known)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_it_learns_each_label_by_itself_and_is_saved_whole(tmp_path: Path, name: str) -> None:
    pool, y = make_texts(80)
    factory = factory_of(tmp_path, name, pool)
    classifier = trained(factory, y, 50)
    rest = unlabeled(factory.pool_features, 3)[np.arange(50, 80)]
    given, proba = classifier.predict(rest, return_proba=True)
    assert isinstance(given, csr_matrix)
    assert given.shape == proba.shape == (30, 3)
    assert (given.toarray() == y[50:]).mean() > 0.85
    assert not np.allclose(proba.sum(axis=1), 1, atol=0.05)
    assert classifier.thresholds.shape == (3,)
    assert np.array_equal(given.toarray(), proba >= classifier.thresholds)
    tensors = factory.save(classifier)
    loaded_given, loaded = factory.load(tensors).predict(rest, return_proba=True)
    assert np.array_equal(loaded, proba)
    assert np.array_equal(loaded_given.toarray(), given.toarray())
    if name == "transformer":
        return  # its training is repeatable, as is that in folds: other tests say so
    again = factory.save(trained(factory_of(tmp_path, name, pool), y, 50))
    assert all(np.array_equal(again[key], tensors[key]) for key in tensors)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_labels_that_nobody_or_everybody_has_and_single_examples_train(
    tmp_path: Path, name: str
) -> None:
    pool, _ = make_texts(12)
    y = np.zeros((12, 3), dtype=np.int64)
    y[:, 0], y[3, 1] = 1, 1
    quick = {"min_steps": 1} if name == "transformer" else {}
    factory = factory_of(tmp_path, name, pool, **quick)
    for count in (2, 12) if name == "tfidf" else (12,):
        classifier = trained(factory, y, count)
        proba = classifier.predict_proba(unlabeled(factory.pool_features, 3))
        assert np.isfinite(proba).all()
        assert not proba[:, 2].any()
        assert (proba[:, 0] > 0.5).all()
        assert (classifier.thresholds > 0).all()
        empty = unlabeled(factory.pool_features, 3)[np.empty(0, dtype=np.int64)]
        assert classifier.predict(empty).shape == (0, 3)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, entry in STRATEGIES.items()
        if "multi_label" in entry.kinds and (HNSW or "hnswlib" not in entry.needs)
        if "dropout" not in entry.needs
    ],
)
def test_strategies_choose_by_a_real_model(tmp_path: Path, name: str) -> None:
    pool, y = make_texts()
    factory = factory_of(tmp_path, "tfidf", pool)
    classifier = trained(factory, y, 15)
    background = Background(LABELS, lambda: factory.representation)
    scores = PoolScores(classifier, factory.pool_features, 3, multi_label=True)
    fitted = FittedClassifier(scores, background)
    everything = np.zeros((60, 3), dtype=np.int64)
    chosen, _ = small_text_query.query(
        create(StrategySection(name=name), 3),
        fitted,
        IndexedDataset(factory.pool_features, csr_matrix(everything), np.arange(3)),
        6,
        labelled=(np.arange(15), csr_matrix(y[:15])),
        ignored=np.arange(20, 30),
    )
    assert len(set(chosen)) == 6
    assert not set(chosen) & {*range(15), *range(20, 30)}
    own = classifier.predict(unlabeled(factory.pool_features, 3))
    assert (fitted.predict(unlabeled(factory.pool_features, 3)) != own).nnz == 0


def test_the_learner_takes_and_gives_sets_of_labels(tmp_path: Path) -> None:
    pool, y = make_texts(60)
    sets = [tuple(np.array(LABELS)[row > 0].tolist()) for row in y]
    targets = {pool.records[place].id: sets[place] for place in range(40)}

    def build() -> Learner:
        return Learner(
            pool,
            problem_of("multi_label", LABELS),
            classifier=ClassifierSection(name="tfidf"),
            strategy=StrategySection(),
            seed=1,
            cache=tmp_path,
        )

    learner = build()
    first = learner.first_batch(6, round=0, exclude=(), targets={PoolId("0"): sets[0]})
    assert len({item.record_id for item in first.items} - {"0"}) == 6
    assert first.strategy == "facility_location"
    model = learner.fit(1, targets)
    choice = learner.choose(model, 5, round=2, targets=targets, exclude=[PoolId("50")])
    assert choice.strategy == "auto/diverse_margin"
    chosen = {int(item.record_id) for item in choice.items}
    assert len(chosen) == 5
    assert chosen <= set(range(40, 60)) - {50}
    predicted = learner.predict(model, pool)
    assert np.mean([a == b for a, b in zip(predicted[40:], sets[40:], strict=True)]) > 0.5
    again = build()
    loaded = again.fit(1, dict(reversed(targets.items())))
    assert again.choose(loaded, 5, round=2, targets=targets, exclude=[PoolId("50")]) == choice
    assert again.predict(loaded, pool) == predicted


def test_a_classifier_without_thresholds_decides_at_one_half() -> None:
    class Plain(OnlyScores):
        def predict_proba(self, data_set: Any) -> Any:
            return np.array([[0.4, 0.6], [0.5, 0.1]], dtype=np.float32)[data_set.rows]

    fitted = FittedClassifier(PoolScores(Plain(), np.arange(2), 2, multi_label=True))
    assert fitted.predict(unlabeled(np.arange(2), 2)).toarray().tolist() == [[0, 1], [1, 0]]


def test_setfit_says_that_it_cannot(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="one label") as caught:
        factory_of(tmp_path, "setfit", make_texts(5)[0])
    assert "transformer" in caught.value.hint


@pytest.mark.integration
def test_dropout_samples_of_the_transformer_are_told_apart_label_by_label(tmp_path: Path) -> None:
    pool, y = make_texts(30)
    factory = factory_of(tmp_path, "transformer", pool, threshold_folds=0, min_steps=1)
    scores = PoolScores(trained(factory, y, 15), factory.pool_features, 3, multi_label=True)
    chosen, values = small_text_query.query(
        create(StrategySection(name="bald", options={"dropout_samples": 3}), 3),
        FittedClassifier(scores),
        unlabeled(factory.pool_features, 3),
        4,
        labelled=(np.arange(15), csr_matrix(y[:15])),
        ignored=np.empty(0, dtype=np.int64),
    )
    assert len(set(chosen)) == 4
    assert values is not None
    assert min(values) >= 0


def line(count: int = 200) -> NDArray[np.float32]:
    """Points from -1 to 1."""
    return np.linspace(-1, 1, count, dtype=np.float32)[:, None]


def ask(rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Two labels that change at -0.5 and at 0.5, where the classifier is unsure."""
    return np.asarray(1 / (1 + np.exp(-12 * (line()[rows] - [-0.5, 0.5]))), dtype=np.float32)


def test_the_student_learns_independent_probabilities() -> None:
    student = Student.taught(line()[::2], ask(np.arange(0, 200, 2)), multi_label=True)
    assert np.abs(student.proba(line()) - ask(np.arange(200))).max() < 0.2
    softmax = Student.taught(line()[::2], ask(np.arange(0, 200, 2)))
    assert np.abs(softmax.proba(line()) - ask(np.arange(200))).max() > 0.4


def test_a_big_pool_is_narrowed_to_where_any_label_is_unsure() -> None:
    inside = np.zeros(200)
    for seed in range(20):
        found = preselect(
            line(),
            ask,
            np.array([0]),
            limit=ScoringLimit(80),
            seed=seed,
            interrupt=lambda: None,
            multi_label=True,
        )
        inside += np.isin(np.arange(200), found.positions) / 20
    assert inside[45:55].mean() > 0.8  # around -0.5
    assert inside[145:155].mean() > 0.8  # around 0.5
    assert inside[80:120].mean() < 0.35  # where both are sure, the random share alone


def test_the_pool_of_a_task_with_several_labels_is_narrowed_as_such(tmp_path: Path) -> None:
    pool, _ = make_texts(1100)
    proba = np.tile(np.array([0.9, 0.9, 0.1], dtype=np.float32), (1100, 1))

    class Screened:
        screening = np.random.default_rng(0).normal(size=(1100, 4)).astype(np.float32)

    around = ClassifierContext(
        pool, 3, ClassifierSection(candidates=1000), tmp_path, labels=LABELS, kind="multi_label"
    )
    found = candidates(Screened(), around, np.array([0]), 0, lambda rows: proba[rows])  # type: ignore[arg-type]
    assert found is not None
    assert np.allclose(found.proba, proba, atol=0.01)  # they do not add up to 1


def test_the_contrastive_loss_weighs_partners_by_common_labels() -> None:
    import torch

    from loopd.learning.classifiers.contrastive import likeness, supervised_contrastive_loss

    y = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]])
    expected = torch.eye(5)
    expected[0, 1] = expected[1, 0] = 0.5
    expected[3, 4] = expected[4, 3] = 1
    assert torch.equal(likeness(y), expected)
    same = torch.tensor([2, 0, 2])
    assert likeness(same).tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    # Row 0 is half like row 1 and wholly like row 2: their logs weigh 1 to 2.
    angles = torch.tensor([0.0, 0.3, 1.0])
    embedded = torch.stack([angles.cos(), angles.sin()], dim=1)
    sets = torch.tensor([[1, 1], [1, 0], [1, 1]])
    weights = torch.tensor([1.0, 0.0, 0.0])
    loss = supervised_contrastive_loss(embedded, sets, weights, temperature=1.0)
    one, two = np.cos(0.3), np.cos(1.0)
    whole = np.log(np.exp(one) + np.exp(two))
    assert float(loss) == pytest.approx(whole - (one + 2 * two) / 3, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("small_text:SklearnClassifierFactory", {"estimator_options": {"C": 100.0}}),
        pytest.param(
            "small_text:TransformerBasedClassificationFactory",
            {"num_epochs": 1},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_small_texts_own_classes_take_several_labels(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    pool, y = make_texts()
    factory = factory_of(tmp_path, name, pool, **options)
    classifier = trained(factory, y, 50)
    asked = unlabeled(factory.pool_features, 3)[np.arange(50, 60)]
    labels, proba = classifier.predict(asked, return_proba=True)
    assert proba.shape == labels.shape == (10, 3)
    assert np.array_equal(labels.toarray(), (proba > 0.5).astype(int))
    if "Sklearn" in name:
        assert (labels.toarray() == y[50:60]).mean() > 0.8


def test_small_texts_transformer_takes_two_labels_that_go_together(tmp_path: Path) -> None:
    pool, y = make_texts()
    options = {"num_epochs": 1}
    section = ClassifierSection(name="small_text:TransformerBasedClassification", options=options)
    around = ClassifierContext(pool, 2, section, tmp_path, labels=LABELS[:2], kind="multi_label")
    factory, rows = registry.create(around), np.arange(50)
    known = IndexedDataset(factory.pool_features, csr_matrix(y[:50, :2]), np.arange(2), rows=rows)
    asked = unlabeled(factory.pool_features, 2)[np.arange(50, 60)]
    classifier = factory.new(3)
    classifier.fit(known)
    labels, proba = classifier.predict(asked, return_proba=True)
    assert proba.shape == labels.shape == (10, 2)
    assert not np.allclose(proba.sum(axis=1), 1)
