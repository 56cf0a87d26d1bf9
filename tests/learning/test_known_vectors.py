"""Vectors that taught a head are not made again where a pool is screened or guessed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.config import ClassifierSection, StrategySection
from loopd.learning.arrays import Positions, Vectors
from loopd.learning.classifiers.known_vectors import KnownVectors
from loopd.learning.classifiers.pooling import Embedder
from loopd.learning.features.joined import JoinedTokens
from loopd.learning.features.tokens import TokenStore
from loopd.learning.learner import Learner
from tests.learning.conftest import LABELS, gold, make_pool

OPTIONS = {"epochs": 1, "min_steps": 3, "batch_size": 8, "bf16": True}


def store(count: int) -> TokenStore:
    return TokenStore(np.arange(count, dtype=np.int32), np.arange(count + 1, dtype=np.int64))


def vectors_of(rows: Positions) -> Vectors:
    return np.stack([rows, rows * 2.0], axis=1).astype(np.float32)


@given(
    known=st.sets(st.integers(0, 30)),
    rows=st.lists(st.integers(0, 30)),
    described=st.booleans(),
    other=st.booleans(),
)
def test_what_is_known_is_taken_and_the_rest_is_made(
    known: set[int], rows: Sequence[int], *, described: bool, other: bool
) -> None:
    pool = store(31)
    made: list[int] = []

    def embed(asked: Positions) -> Vectors:
        made.extend(asked.tolist())
        return vectors_of(asked)

    held = np.array(sorted(known), dtype=np.int64)
    vectors = KnownVectors(
        JoinedTokens(pool, store(2)) if described else pool, held, vectors_of(held)
    )
    asked = np.array(rows, dtype=np.int64)
    found = vectors.of(store(31) if other else pool, asked, embed)
    assert np.array_equal(found, vectors_of(asked))
    assert made == [row for row in rows if other or row not in known]


@pytest.mark.integration
@pytest.mark.parametrize("self_training", [0, 20])
@pytest.mark.parametrize("described", [False, True])
def test_an_unlabelled_text_is_embedded_once_by_each_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, self_training: int, *, described: bool
) -> None:
    made: dict[int, list[int]] = {}
    embed = Embedder.embed

    def noted(self: Embedder, rows: Positions, *arguments: Any, bf16: bool = False) -> Vectors:
        if bf16:
            made.setdefault(id(self.encoder), []).extend(rows.tolist())
        return embed(self, rows, *arguments, bf16=bf16)

    learner = Learner(
        make_pool(),
        LABELS,
        classifier=ClassifierSection(
            name="transformer",
            threads=1,
            options=OPTIONS | {"spread": 40, "self_training": self_training},
        ),
        strategy=StrategySection(name="margin"),
        descriptions={LABELS[0]: ("a text of it",), LABELS[1]: ("another",)} if described else {},
        seed=7,
        cache=tmp_path,
    )
    learner.check()
    targets = gold(make_pool(), [f"id-{row:03d}" for row in range(12)])
    monkeypatch.setattr(Embedder, "embed", noted)
    model = learner.fit(1, targets)
    assert made, "heads are taught in bf16"
    learner.choose(model, 5, round=1, targets=targets, exclude=set(targets))
    for rows in made.values():
        assert len(rows) == len(set(rows))
    assert max(map(len, made.values())) > 40, "the pool is screened in bf16"
