"""The likeliest legal tags are those that trying all of them finds."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from loopd.learning.spans.viterbi import best_paths


def legal(path: tuple[int, ...]) -> bool:
    pairs = zip((0, *path), path, strict=False)
    return all(tag == 0 or tag % 2 or before in (tag, tag - 1) for before, tag in pairs)


@pytest.mark.parametrize("seed", range(6))
def test_against_all_paths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 5, size=7)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    proba = rng.dirichlet(np.full(5, 0.4), size=offsets[-1]).astype(np.float32)
    tags, totals = best_paths(proba, offsets)
    for text, (start, end) in enumerate(pairwise(offsets)):
        logs = np.log(np.maximum(proba[start:end], 1e-12).astype(np.float64))
        paths = [path for path in product(range(5), repeat=int(end - start)) if legal(path)]
        sums = [sum(logs[place, tag] for place, tag in enumerate(path)) for path in paths]
        assert totals[text] == pytest.approx(max(sums))
        assert legal(tuple(tags[start:end].tolist()))
        assert sum(logs[np.arange(end - start), tags[start:end]]) == pytest.approx(max(sums))


def test_nothing_to_tag() -> None:
    tags, totals = best_paths(np.empty((0, 3), dtype=np.float32), np.zeros(3, dtype=np.int64))
    assert tags.shape == (0,)
    assert totals.tolist() == [0, 0]


def test_a_text_does_not_see_its_neighbours() -> None:
    proba = np.array([[0.1, 0.8, 0.1], [0.1, 0.2, 0.7]], dtype=np.float32)
    assert best_paths(proba, np.array([0, 2]))[0].tolist() == [1, 2]
    assert best_paths(proba, np.array([0, 1, 2]))[0].tolist() == [1, 1]
