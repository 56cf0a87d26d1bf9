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
from loopd.learning.learner import Learner
from loopd.learning.takeover import Tuned
from tests.learning.conftest import LABELS, gold, make_pool

OPTIONS = {"epochs": 1, "min_steps": 3, "batch_size": 8, "bf16": True}
POOL = make_pool()

Tokens = tuple[int, ...]
TEXTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)) | st.tuples(st.integers(0, 3)))


def ids(texts: Sequence[Tokens]) -> list[NDArray[np.int32]]:
    return [np.array(text, dtype=np.int32) for text in texts]


def vectors_of(texts: Sequence[Tokens]) -> Vectors:
    return np.array([[len(text), sum(text)] for text in texts], dtype=np.float32).reshape(-1, 2)


class Encoder:
    """Notes which texts it is asked for."""

    def __init__(self) -> None:
        self.made: list[Tokens] = []

    def ask(self, vectors: KnownVectors | Remembering, texts: Sequence[Tokens]) -> Vectors:
        def embed(positions: Positions) -> Vectors:
            asked = [texts[position] for position in positions.tolist()]
            self.made += asked
            return vectors_of(asked)

        return vectors.of(ids(texts), embed)


@given(known=TEXTS, more=TEXTS, asked=TEXTS)
def test_what_is_known_is_taken_and_the_rest_is_made(
    known: list[Tokens], more: list[Tokens], asked: list[Tokens]
) -> None:
    vectors = KnownVectors().and_of(ids(known), vectors_of(known))
    vectors = vectors.and_of(ids(more), vectors_of(more))
    encoder = Encoder()
    assert np.array_equal(encoder.ask(vectors, asked), vectors_of(asked))
    assert encoder.made == [text for text in asked if text not in {*known, *more}]
    again = KnownVectors.from_tensors({"else": vectors.vectors, **vectors.tensors()})
    assert np.array_equal(again.digests, vectors.digests)
    assert np.array_equal(again.vectors, vectors.vectors)


@given(questions=st.lists(TEXTS), most=st.integers(1, 12))
def test_what_was_made_is_remembered_up_to_a_limit(
    questions: list[list[Tokens]], most: int
) -> None:
    remembering, encoder = Remembering(), Encoder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known_vectors, "MOST", most)
        for asked in questions:
            assert np.array_equal(encoder.ask(remembering, asked), vectors_of(asked))
            assert len(remembering.known.digests) <= most
            encoder.made.clear()
            encoder.ask(remembering, asked[:most])
            assert not encoder.made or len(set(asked)) > most


@given(st.lists(st.lists(st.integers(-(2**31), 2**31 - 1)), unique_by=tuple))
def test_different_texts_have_different_digests(texts: list[list[int]]) -> None:
    digests = digests_of([np.array(text, dtype=np.int32) for text in texts])
    assert len(set(digests.tolist())) == len(texts)


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
        self.made: dict[int, list[int]] = {}
        embed = Embedder.embed

        def noted(asked: Embedder, rows: Positions, *arguments: Any, **options: Any) -> Vectors:
            if options.get("bf16", False) == bf16:
                self.made.setdefault(id(asked.encoder), []).extend(rows.tolist())
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


@pytest.mark.integration
@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("described", [False, True])
def test_where_the_encoder_stays_only_new_texts_are_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, restarted: bool, described: bool
) -> None:
    options = {"retune_from": 12, "retune_growth": 1.0, "spread": 0}
    learner = build(tmp_path, described=described, **options)
    few = gold(POOL, [record.id for record in POOL.records[:12]])
    more = gold(POOL, [record.id for record in POOL.records[8:18]])  # some were withdrawn
    first = learner.fit(1, few)
    learner.choose(first, 5, round=1, targets=few, exclude=set(few))
    if restarted:
        learner = build(tmp_path, described=described, **options)
    tuned = Tuned(first.id, 1, lambda: few)
    with monkeypatch.context() as patch:
        exact = Noted(patch, bf16=False)
        second = learner.fit(2, more, encoder=tuned)
    assert exact.rows == list(range(12, 18))
    with monkeypatch.context() as patch:
        rough = Noted(patch, bf16=True)
        chosen = learner.choose(second, 5, round=2, targets=more, exclude=set(more))
    free = [*range(8), *range(18, len(POOL))]
    assert rough.rows == (free if restarted else [*range(8)])
    anew = build(tmp_path / "anew", described=described, **options)
    again = anew.fit(2, more, encoder=tuned)
    assert again.id == second.id
    for name, array in tensors(again).items():
        assert np.array_equal(array, tensors(second)[name]), name
    assert anew.choose(again, 5, round=2, targets=more, exclude=set(more)) == chosen


def tensors(model: Any) -> dict[str, NDArray[Any]]:
    return dict(model.scores.classifier.tensors())


@pytest.mark.integration
def test_what_only_chooses_is_taught_by_no_unlabelled_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = build(tmp_path, spread=40, self_training=20)
    targets = gold(POOL, [record.id for record in POOL.records[:12]])
    with monkeypatch.context() as patch:
        rough = Noted(patch, bf16=True)
        learner.out_of_fold(1, targets, 3)
        member = learner.fit(1, targets, 1)
    assert rough.rows == []
    assert not any("predicting" in name for name in tensors(member))
    assert any("predicting" in name for name in tensors(learner.fit(1, targets)))
