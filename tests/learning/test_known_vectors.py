"""Vectors that an encoder has made are not made again, whatever they are wanted for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from loopd.config import ClassifierSection, StrategySection
from loopd.learning.arrays import Positions, Vectors
from loopd.learning.classifiers import known_vectors
from loopd.learning.classifiers.known_vectors import KnownVectors, Remembering, digests_of
from loopd.learning.classifiers.pooling import Embedder
from loopd.learning.classifiers.transformer import TransformerFactory
from loopd.learning.dataset import IndexedDataset, unlabeled
from loopd.learning.learner import Learner, Model
from loopd.learning.takeover import Tuned
from tests.learning.conftest import LABELS, gold, make_pool

OPTIONS = {"epochs": 1, "min_steps": 3, "batch_size": 8, "bf16": True}
POOL = make_pool()

Tokens = tuple[int, ...]
TEXTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)) | st.tuples(st.integers(0, 3)))


def digests(texts: Sequence[Tokens]) -> NDArray[np.uint64]:
    return digests_of([np.array(text, dtype=np.int32) for text in texts])


def vectors_of(texts: Sequence[Tokens]) -> Vectors:
    return np.array([[len(text), sum(text)] for text in texts], dtype=np.float32).reshape(-1, 2)


def known(texts: Sequence[Tokens]) -> KnownVectors:
    return KnownVectors().and_of(digests(texts), vectors_of(texts))


class Encoder:
    """Notes which texts it is asked for."""

    def __init__(self) -> None:
        self.made: list[Tokens] = []

    def ask(self, vectors: KnownVectors | Remembering, texts: Sequence[Tokens]) -> Vectors:
        def embed(positions: Positions) -> Vectors:
            asked = [texts[position] for position in positions.tolist()]
            self.made += asked
            return vectors_of(asked)

        return vectors.of(digests(texts), embed)


@given(first=TEXTS, more=TEXTS, asked=TEXTS)
def test_what_is_known_is_taken_and_the_rest_is_made(
    first: list[Tokens], more: list[Tokens], asked: list[Tokens]
) -> None:
    vectors, encoder = known(first).and_of(digests(more), vectors_of(more)), Encoder()
    assert np.array_equal(encoder.ask(vectors, asked), vectors_of(asked))
    assert encoder.made == [text for text in asked if text not in {*first, *more}]
    again = KnownVectors.from_tensors({"else": vectors.vectors, **vectors.tensors()})
    assert np.array_equal(again.digests, vectors.digests)
    assert np.array_equal(again.vectors, vectors.vectors)


FEW_TEXTS = st.lists(st.sampled_from([(0,), (1,), (0, 1), (2, 3)]), max_size=4)


@given(questions=st.lists(FEW_TEXTS, max_size=6), most=st.integers(1, 5))
def test_what_was_made_is_remembered_up_to_a_limit(
    questions: list[list[Tokens]], most: int
) -> None:
    remembering, encoder = Remembering(), Encoder()
    asked_before: set[Tokens] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known_vectors, "MOST", most * 8)  # bytes: two numbers each
        for asked in questions:
            made = len(encoder.made)
            assert np.array_equal(encoder.ask(remembering, asked), vectors_of(asked))
            asked_before |= {*asked}
            assert len(remembering.known.digests) <= most
            if len(asked_before) <= most:
                assert len({*encoder.made}) == len(asked_before)
                assert not {*encoder.made[made:]} & {*encoder.made[:made]}
            last = list(dict.fromkeys(encoder.made[made:]))[:most]
            assert not len(remembering.known.missing(digests(last[:1])))


@given(st.lists(st.lists(st.integers(-(2**31), 2**31 - 1)), unique_by=tuple))
def test_different_texts_have_different_digests(texts: list[list[int]]) -> None:
    found = digests_of([np.array(text, dtype=np.int32) for text in texts])
    assert len(set(found.tolist())) == len(texts)


def build(tmp_path: Path, *, described: bool = False, **options: Any) -> Learner:
    learner = Learner(
        POOL,
        LABELS,
        classifier=ClassifierSection(name="transformer", threads=1, options=OPTIONS | options),
        strategy=StrategySection(name="margin"),
        descriptions={LABELS[0]: ("a text of it",), LABELS[1]: ("another",)} if described else {},
        seed=7,
        cache=tmp_path,
    )
    learner.check()
    return learner


class Noted:
    """Which texts each encoder embeds, roughly or exactly, from now on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, bf16: bool) -> None:
        self.made: dict[Any, list[int]] = {}
        embed = Embedder.embed

        def noted(asked: Embedder, rows: Positions, *arguments: Any, **options: Any) -> Vectors:
            if options.get("bf16", False) == bf16:
                self.made.setdefault(asked.encoder, []).extend(rows.tolist())
            return embed(asked, rows, *arguments, **options)

        monkeypatch.setattr(Embedder, "embed", noted)

    @property
    def rows(self) -> list[int]:
        return sorted(row for rows in self.made.values() for row in rows)


@pytest.mark.integration
@pytest.mark.parametrize("self_training", [0, 20])
@pytest.mark.parametrize("described", [False, True])
def test_an_unlabelled_text_is_embedded_once_by_each_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, self_training: int, *, described: bool
) -> None:
    learner = build(tmp_path, described=described, spread=40, self_training=self_training)
    targets = gold(POOL, [record.id for record in POOL.records[:12]])
    noted = Noted(monkeypatch, bf16=True)
    model = learner.fit(1, targets)
    assert noted.made, "heads are taught in bf16"
    learner.choose(model, 5, round=1, targets=targets, exclude=set(targets))
    for rows in noted.made.values():
        assert len(rows) == len(set(rows))
    assert max(map(len, noted.made.values())) > 40, "the pool is screened in bf16"


TUNED_ON = gold(POOL, [record.id for record in POOL.records[:12]])
LATER = gold(POOL, [record.id for record in POOL.records[8:18]])  # some were withdrawn
OPEN_LATER = [*range(8), *range(18, len(POOL))]
RETUNE: dict[str, Any] = {"retune_from": 10, "retune_growth": 1.0}


@pytest.mark.integration
@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("described", [False, True])
def test_where_the_encoder_stays_only_new_texts_are_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, restarted: bool, described: bool
) -> None:
    learner = build(tmp_path, described=described, spread=0, **RETUNE)
    first = learner.fit(1, TUNED_ON)
    learner.choose(first, 5, round=1, targets=TUNED_ON, exclude=set(TUNED_ON))
    if restarted:
        learner = build(tmp_path, described=described, spread=0, **RETUNE)
    with monkeypatch.context() as patch:
        embedded = Noted(patch, bf16=False)
        second = learner.fit(2, LATER, encoder=Tuned(first.id, 1, lambda: TUNED_ON))
    assert embedded.rows == list(range(12, 18))
    with monkeypatch.context() as patch:
        embedded, roughly = Noted(patch, bf16=False), Noted(patch, bf16=True)
        screen: Any = second.scores
        assert screen.screen(np.array(OPEN_LATER)).shape == (len(OPEN_LATER), len(LABELS))
    assert embedded.rows == (OPEN_LATER if restarted else [*range(8)])
    assert not roughly.rows, "in full precision, because it serves several rounds"


@pytest.mark.integration
@pytest.mark.parametrize("options", [{"spread": 0}, {"spread": 60}, {"self_training": 20}])
@pytest.mark.parametrize("killed", ["before", "and the cache is gone"])
def test_heads_do_not_depend_on_what_was_asked_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], killed: str
) -> None:
    embed = Embedder.embed

    def unlike(asked: Embedder, rows: Positions, *arguments: Any, **more: Any) -> Vectors:
        """Last bits, and not only these, say who shared the batch, as they may elsewhere."""
        vectors = embed(asked, rows, *arguments, **more)
        factor = 1 + 0.1 * np.random.default_rng(len(rows)).standard_normal(vectors.shape[1])
        return np.asarray(vectors * factor, dtype=np.float32)

    monkeypatch.setattr(Embedder, "embed", unlike)
    learner = build(tmp_path, **options, **RETUNE)
    first = learner.fit(1, TUNED_ON)
    tuned = Tuned(first.id, 1, lambda: TUNED_ON)
    learner.choose(first, 5, round=1, targets=TUNED_ON, exclude=set(TUNED_ON))
    before = tensors(first)
    second = learner.fit(2, LATER, encoder=tuned)
    assert all(np.array_equal(array, before[name]) for name, array in tensors(first).items())
    folder = tmp_path if killed == "before" else tmp_path / "anew"
    (tmp_path / "models" / f"{second.id}.safetensors").unlink()
    again = build(folder, **options, **RETUNE).fit(2, LATER, encoder=tuned)
    assert again.id == second.id
    for name, array in tensors(again).items():
        assert np.array_equal(array, tensors(second)[name]), name


@pytest.mark.integration
def test_as_long_as_the_encoder_stays_the_same_texts_are_drawn_to_look_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(
        "loopd.learning.preselect.candidates",
        lambda _, __, ___, seed, ____: seeds.append(seed),
    )
    learner = build(tmp_path, spread=0, **RETUNE)
    first = learner.fit(1, TUNED_ON)
    kept = learner.fit(2, LATER, encoder=Tuned(first.id, 1, lambda: TUNED_ON))
    for model in (first, kept, learner.fit(2, LATER)):
        scores: Any = model.scores
        assert scores.preselection is None
    assert seeds[0] == seeds[1] != seeds[2]


@pytest.mark.integration
def test_vectors_are_saved_where_an_encoder_may_be_taken_over(tmp_path: Path) -> None:
    learner = build(tmp_path, spread=0, **RETUNE)
    first = learner.fit(1, TUNED_ON)
    assert len(tensors(first)["known.digests"]) == 12
    second = learner.fit(2, LATER, encoder=Tuned(first.id, 1, lambda: TUNED_ON))
    few = dict(list(LATER.items())[:9])
    for other in (second, learner.fit(3, few), learner.fit(1, TUNED_ON, 1)):
        assert not any(name.startswith("known") for name in tensors(other))


@pytest.mark.integration
@pytest.mark.parametrize("texts", [50, 51])
def test_more_texts_than_are_remembered_are_screened_as_for_one_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts: int
) -> None:
    scores: Any = build(tmp_path, spread=0, **RETUNE).fit(1, TUNED_ON).scores
    width = tensors_of(scores.classifier)["known.vectors"].shape[1]
    monkeypatch.setattr(known_vectors, "MOST", 50 * 4 * width)
    with monkeypatch.context() as patch:
        roughly = Noted(patch, bf16=True)
        scores.screen(np.arange(30, 30 + texts))
    assert len(roughly.rows) == (0 if texts == 50 else texts)


@pytest.mark.integration
def test_what_an_encoder_knows_ends_with_it(tmp_path: Path) -> None:
    learner = build(tmp_path, spread=60)
    model = learner.fit(1, TUNED_ON)
    classifier: Any = model.scores.classifier
    other: Any = learner.fit(2, LATER).scores.classifier
    every = unlabeled(model.scores.features, len(LABELS))

    def agrees() -> bool:
        rough, exact = classifier.screen_proba(every), classifier.predict_proba(every)
        return bool(np.abs(rough - exact).max() < 0.02)

    assert agrees()
    classifier.restore(tensors_of(other))
    assert np.allclose(classifier.predict_proba(every), other.predict_proba(every))
    assert agrees()
    rows = np.arange(20, 40)
    y = np.array([LABELS.index(str(POOL.records[row].gold)) for row in rows.tolist()])
    classifier.fit(IndexedDataset(every.features, y, np.arange(len(LABELS)), rows=rows))
    assert agrees()


def tensors(model: Model) -> dict[str, NDArray[Any]]:
    return tensors_of(model.scores.classifier)


def tensors_of(classifier: Any) -> dict[str, NDArray[Any]]:
    return {name: array.copy() for name, array in classifier.tensors().items()}


@pytest.mark.integration
def test_what_only_chooses_is_taught_by_no_unlabelled_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = build(tmp_path, spread=40, self_training=20)
    with monkeypatch.context() as patch:
        rough = Noted(patch, bf16=True)
        learner.out_of_fold(1, TUNED_ON, 3)
        member = learner.fit(1, TUNED_ON, 1)
    assert rough.rows == []
    assert not any("predicting" in name for name in tensors(member))
    assert any("predicting" in name for name in tensors(learner.fit(1, TUNED_ON)))


@pytest.mark.integration
def test_only_what_is_missing_is_sent_elsewhere_and_only_what_embeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores: Any = build(tmp_path, spread=0, **RETUNE).fit(1, TUNED_ON).scores
    sent: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(TransformerFactory, "elsewhere", lambda _, __, texts: sent.append(texts))
        scores.screen(np.arange(30, 80))
        scores.screen(np.arange(28, 80))
        scores.screen(np.arange(30, 70))
    assert sent == [50, 2]
    second: Any = build(tmp_path, spread=0, self_training=20, **RETUNE).fit(1, TUNED_ON).scores
    every, needed = tensors_of(second.classifier), second.classifier.own_tensors()
    left_out = every.keys() - needed.keys()
    assert {name.partition(".")[0] for name in left_out} == {"known", "self_trained"}
    assert not [name for name in needed if name.startswith(("known.", "self_trained."))]
