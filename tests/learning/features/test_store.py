"""Features on disk: rows come back, pieces survive an interruption, damage is mended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from loopd.errors import Interrupted, StorageError
from loopd.learning.features import store as feature_store
from loopd.learning.features.projection import Projection, fitted, kept
from loopd.learning.features.store import FeatureStore, blocks, fill

COUNT, WIDTH = 50, 6


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_store, "ROWS", 16)
    monkeypatch.setattr(feature_store, "GATHER", 4)


class Making:
    """Makes features that tell their row, and counts the pieces."""

    def __init__(self) -> None:
        self.pieces: list[int] = []

    def __call__(self, rows: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        self.pieces.append(int(rows[0]) // 16)
        return [np.repeat(rows[:, None], WIDTH, axis=1).astype(np.float32)]


def ignore(done: int, total: int) -> None:
    del done, total


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "features", (COUNT, WIDTH))


@pytest.mark.parametrize("rows", [[3], [40, 2, 2, 17], list(range(49, -1, -1)), []])
def test_rows_come_back_in_their_order(store: FeatureStore, rows: list[int]) -> None:
    fill([store], Making(), ignore)
    found = store[np.array(rows, dtype=np.int64)]
    assert found.dtype == np.float32
    assert found.shape == (len(rows), WIDTH)
    assert found[:, 0].tolist() == rows
    assert len(store) == COUNT


@pytest.mark.parametrize("row", [-1, COUNT])
def test_rows_that_are_not_there_are_refused(store: FeatureStore, row: int) -> None:
    fill([store], Making(), ignore)
    with pytest.raises(IndexError):
        store[np.array([row])]


def test_an_interruption_keeps_the_pieces_that_are_done(store: FeatureStore) -> None:
    def stop(done: int, total: int) -> None:
        if done >= 32:
            raise Interrupted("stopped")

    making = Making()
    with pytest.raises(Interrupted):
        fill([store], making, stop)
    fill([store], making, ignore)
    fill([store], making, ignore)
    assert making.pieces == [0, 1, 2, 3]


@pytest.mark.parametrize("how", ["flipped", "short", "gone"])
def test_a_damaged_piece_is_made_again(store: FeatureStore, how: str) -> None:
    making = Making()
    fill([store], making, ignore)
    path = store.folder / "00002"
    whole = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[:-1] if how == "short" else bytes([whole[0] ^ 1]) + whole[1:])
    fill([store], making, ignore)
    assert making.pieces == [0, 1, 2, 3, 2]
    assert path.read_bytes() == whole


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        fill([FeatureStore(tmp_path / "file" / "x", (COUNT, WIDTH))], Making(), ignore)


def test_blocks_cover_all_rows() -> None:
    rows = np.arange(10)
    assert [rows[block].tolist() for block in blocks(rows, 4)] == [
        [*range(4)],
        [*range(4, 8)],
        [8, 9],
    ]


@pytest.mark.parametrize("shape", [(200, 30), (30, 200)])
def test_principal_components_keep_what_differs(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    inner = rng.normal(size=(shape[0], 4)) @ rng.normal(size=(4, shape[1]))
    sample = (inner + 5 + 0.001 * rng.normal(size=shape)).astype(np.float32)
    projection = fitted(sample, 4)
    reduced = projection.apply(sample)
    assert reduced.shape == (shape[0], 4)
    directions = projection.directions
    assert directions is not None
    assert np.allclose(directions.T @ directions, np.eye(4), atol=1e-4)
    near, far = (np.linalg.norm(rows[1:] - rows[0], axis=1) for rows in (reduced, sample))
    assert np.allclose(near, far, rtol=1e-2)
    assert projection.digest == fitted(sample, 4).digest
    assert projection.digest != fitted(sample, 3).digest
    assert fitted(sample[:5], 20).width == 4


def test_a_projection_is_kept_and_made_again_when_damaged(tmp_path: Path) -> None:
    sample = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    made: list[int] = []

    def make() -> Projection:
        made.append(1)
        return fitted(sample, 3)

    path = tmp_path / "cache" / "p.npy"
    first, again = kept(path, make), kept(path, make)
    assert first.digest == again.digest
    path.write_bytes(path.read_bytes()[:-1])
    assert kept(path, make).digest == first.digest
    path.write_bytes(b"")
    assert kept(path, make).digest == first.digest
    assert len(made) == 3
    none = kept(tmp_path / "none.npy", lambda: Projection.none(8))
    assert kept(tmp_path / "none.npy", make).directions is none.directions is None
    assert np.array_equal(none.apply(sample), sample)
