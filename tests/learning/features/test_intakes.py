"""Features of a pool that grew: one pool to whoever reads them, and each intake made once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.config import ClassifierSection, StrategySection
from loopd.data.pool import Pool
from loopd.learning.features.intakes import IntakeRows, IntakeTokens, intake_rows, intake_tokens
from loopd.learning.features.joined import JoinedTokens, behind, joined
from loopd.learning.features.store import FeatureStore, fill
from loopd.learning.features.tokens import TokenStore
from loopd.learning.learner import Learner
from loopd.records import PoolId, Record


def tokens(texts: list[list[int]]) -> TokenStore:
    flat = np.array([token for text in texts for token in text], dtype=np.int32)
    return TokenStore(flat, np.cumsum([0, *map(len, texts)]))


TEXTS = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), min_size=1, max_size=5)


@given(parts=st.lists(TEXTS, min_size=1, max_size=4), data=st.data())
def test_tokens_of_intakes_are_those_of_one_pool(
    parts: list[list[list[int]]], data: st.DataObject
) -> None:
    whole = tokens([text for part in parts for text in part])
    some = intake_tokens([tokens(part) for part in parts])
    rows = np.array(data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=12)), dtype=int)
    assert [list(text) for text in some[rows]] == [list(text) for text in whole[rows]]
    assert some.shape == whole.shape
    assert np.array_equal(some.lengths, whole.lengths)
    if len(rows):
        for ours, theirs in zip(some.padded(rows, 0), whole.padded(rows, 0), strict=True):
            assert np.array_equal(ours, theirs)
    more = joined(some, tokens([[1, 2]]))
    assert isinstance(more, JoinedTokens)
    assert behind(more, np.arange(len(whole) + 1)).tolist() == [False] * len(whole) + [True]


def test_rows_of_intakes_are_those_of_one_pool(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sizes, parts = (3, 1, 5), []
    whole = rng.normal(size=(sum(sizes), 4)).astype(np.float16).astype(np.float32)
    for number, (start, size) in enumerate(zip((0, 3, 4), sizes, strict=True)):
        store = FeatureStore(tmp_path / str(number), (size, 4))
        fill([store], partial(lambda start, rows: [whole[start + rows]], start), lambda *_: None)
        parts.append(store)
    rows = intake_rows(parts)
    assert isinstance(rows, IntakeRows)
    assert rows.shape == (9, 4)
    for asked in ([8, 0, 3, 3, 2], [], list(range(9))):
        assert np.array_equal(rows[np.array(asked, dtype=int)], whole[asked])
    for outside in ([9], [-1]):
        with pytest.raises(IndexError):
            rows[np.array(outside)]
    assert intake_rows(parts[:1]) is parts[0]
    assert not isinstance(intake_tokens([tokens([[1]])]), IntakeTokens)


def records(first: int, count: int) -> tuple[Record, ...]:
    words = ("apple", "pear", "hammer", "saw", "plum", "drill")
    return tuple(
        Record(PoolId(f"r{n}"), f"the {words[n % 6]} of number {n}")
        for n in range(first, first + count)
    )


@pytest.mark.parametrize("name", ["frozen_head", "transformer"])
def test_what_was_encoded_is_not_encoded_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loopd.learning.classifiers.pooling import Embedder

    embedded: list[int] = []
    embed = Embedder.embed

    def counted(self: Embedder, rows: np.ndarray, *more: object, **named: object) -> object:
        embedded.append(len(rows))
        return embed(self, rows, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Embedder, "embed", counted)
    first = Pool(records(0, 30))

    def learner(pool: Pool) -> Learner:
        return Learner(
            pool,
            ("fruit", "tool"),
            classifier=ClassifierSection(name=name),
            strategy=StrategySection(),
            seed=1,
            cache=tmp_path,
        )

    ids = [record.id for record in first]
    before = learner(first).vectors(ids)
    assert before is not None
    assert embedded == [30]
    grown = learner(first.grown(records(30, 7)))
    after = grown.vectors([*ids, PoolId("r36")])
    assert after is not None
    assert embedded == [30, 7]
    assert np.array_equal(before, after[:30])
    again = learner(first.grown(records(30, 7)).grown(records(37, 2)))
    last = again.vectors([PoolId("r36")])
    assert last is not None
    assert np.array_equal(last, after[30:])
    assert embedded == [30, 7, 2]
