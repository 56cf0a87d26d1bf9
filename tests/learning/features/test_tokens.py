"""Encoding, data set views and seeds: exact, repeatable, rebuilt when damaged."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from loopd.errors import Interrupted, StorageError
from loopd.learning import seeding
from loopd.learning.features.tokens import TokenStore, batches, cached, tokenized


def letters(texts: Sequence[str]) -> list[list[int]]:
    return [[1, *map(ord, text)] for text in texts]


def ignore(done: int, total: int) -> None:
    del done, total


def store(count: int = 2500) -> TokenStore:
    return tokenized([f"{'x' * (place % 7)}{place}" for place in range(count)], letters, ignore)


def test_tokens_are_flat_and_come_back_whole() -> None:
    tokens = store()
    assert tokens.shape == (2500,)
    assert tokens.ids.dtype == np.int32
    (first, last) = tokens[np.array([3, 2499])]
    assert first.tolist() == letters(["xxx3"])[0]
    assert last.tolist() == letters(["2499"])[0]


def test_padding_is_only_as_long_as_the_longest() -> None:
    ids, mask = store().padded(np.array([6, 0]), padding=9)
    assert ids.shape == mask.shape == (2, 8)
    assert ids[1].tolist() == [1, ord("0"), 9, 9, 9, 9, 9, 9]
    assert mask[1].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]


def test_batches_cover_all_once_within_the_budget() -> None:
    lengths = np.random.default_rng(0).integers(1, 300, size=1000)
    found = batches(lengths, 256, at_most=16)
    assert sorted(np.concatenate(found)) == list(range(1000))
    for batch in found:
        assert len(batch) <= 16
        assert len(batch) == 1 or lengths[batch].max() * len(batch) <= 256
    assert batches(lengths[:0], 256) == []


def test_the_cache_is_used_and_rebuilt_when_damaged(tmp_path: Path) -> None:
    calls = []

    def make() -> TokenStore:
        calls.append(1)
        return store(50)

    first = cached(tmp_path, "key", 50, make)
    again = cached(tmp_path, "key", 50, make)
    assert len(calls) == 1
    assert isinstance(again.ids, np.memmap)
    assert np.array_equal(first.ids, again.ids)
    right = again.ids.copy()
    (place,) = tmp_path.iterdir()
    for name in ("ids.npy", "offsets.npy", "digest"):
        whole = (place / name).read_bytes()
        (place / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert np.array_equal(cached(tmp_path, "key", 50, make).ids, right)
    (place / "ids.npy").unlink()
    assert np.array_equal(cached(tmp_path, "key", 50, make).ids, right)
    assert len(calls) == 5
    cached(tmp_path, "other", 50, make)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("a file in the way")
    with pytest.raises(StorageError):
        cached(tmp_path / "tokens", "key", 50, lambda: store(50))


def test_tokenising_may_be_interrupted() -> None:
    def stop(done: int, total: int) -> None:
        if done:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        tokenized(["text"] * 3000, letters, stop)


def test_views_follow_small_text_s_contract() -> None:
    from small_text.data.exceptions import UnsupportedOperationException

    from loopd.learning.dataset import UNLABELED, IndexedDataset, unlabeled

    dataset = unlabeled(store(10), 3)
    assert len(dataset) == 10
    assert set(np.asarray(dataset.y)) == {UNLABELED}
    assert not dataset.is_multi_label
    view = dataset[np.array([4, 2, 7])][np.array([2, 0])]
    assert view.rows.tolist() == [7, 4]
    assert view.x[1].tolist() == letters(["xxxx4"])[0]
    assert len(dataset[3]) == 1
    assert dataset[2:5].rows.tolist() == [2, 3, 4]
    with pytest.raises(UnsupportedOperationException):
        view.y = np.array([0, 1])
    with pytest.raises(UnsupportedOperationException):
        view.target_labels = np.arange(2)
    copy = view.clone().clone()
    copy.y = np.array([2, 0])
    assert copy.y.tolist() == [2, 0]
    assert set(np.asarray(dataset.y)) == {UNLABELED}
    assert copy.target_labels.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="2 rows"):
        copy.y = np.array([1])
    with pytest.raises(ValueError, match="10 rows"):
        IndexedDataset(store(10), np.zeros(3), np.arange(3))


def test_multi_label_rows_are_sparse() -> None:
    from loopd.learning.dataset import IndexedDataset

    y = csr_matrix(np.eye(5, 3, dtype=np.int64))
    dataset = IndexedDataset(store(5), y, np.arange(3))
    assert dataset.is_multi_label
    y = dataset[np.array([2, 1])].y
    assert not isinstance(y, np.ndarray)
    assert y.toarray().tolist() == [[0, 0, 1], [0, 1, 0]]


def test_step_seeds_are_fixed_and_unrelated() -> None:
    steps = itertools.product((1, 2), (1, 2), ("fit", "query"))
    seeds = {seeding.for_step(*step) for step in steps}
    assert len(seeds) == 8
    assert seeding.for_step(42, 3, "query") == 1222431091
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_seeded_puts_every_generator_back() -> None:
    import torch

    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.random()), float(torch.rand(1))  # noqa: NPY002

    random.seed(1)
    with seeding.seeded(5):
        first = draw()
    after = random.getstate()
    with seeding.seeded(5):
        assert draw() == first
    assert random.getstate() == after
