"""What TF-IDF and the user's own classifiers tell about texts before there are labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopd.config import ClassifierSection
from loopd.data.pool import Pool
from loopd.errors import ModelError
from loopd.learning.classifiers import registry
from loopd.learning.classifiers.contract import ClassifierContext
from loopd.records import PoolId, Record
from tests.learning.conftest import make_pool

OWN = """
import numpy as np

class Texts:
    def __init__(self, num_classes):
        pass

    def new(self):
        pass

class Dense(Texts):
    def encode(self, texts):
        return np.array([[len(text), 1.0] for text in texts])

class Sparse(Texts):
    def encode(self, texts):
        from scipy.sparse import csr_matrix
        return csr_matrix(np.eye(len(texts)))

class Represents(Sparse):
    def represent(self, texts):
        return np.array([[3.0, 4.0] for _ in texts])

class Wrong(Texts):
    def represent(self, texts):
        return [[1.0]]
"""


def factory_of(tmp_path: Path, name: str, pool: Pool | None = None) -> Any:
    (tmp_path / "own_representations.py").write_text(OWN)
    section, cache = ClassifierSection(name=name), tmp_path / "cache"
    around = ClassifierContext(pool or make_pool(), 3, section, cache, code_paths=(tmp_path,))
    return registry.create(around)


@pytest.mark.parametrize("name", ["tfidf", "own_representations:Dense"])
def test_vectors_have_length_one_and_other_texts_lie_beside_them(tmp_path: Path, name: str) -> None:
    found = factory_of(tmp_path, name).representation
    assert found.pool.dtype == np.float32
    assert len(found.pool) == 90
    assert np.allclose(np.linalg.norm(found.pool, axis=1), 1, atol=1e-5)
    assert np.allclose(found.of(make_pool().texts[:4]), found.pool[:4], atol=1e-5)


@pytest.mark.parametrize("name", ["tfidf", "small_text:SklearnClassifier"])
@pytest.mark.parametrize("texts", [["only one text"], ["the same"] * 5, ["the same"] * 4 + [""]])
def test_texts_that_hardly_differ_have_vectors_too(
    tmp_path: Path, name: str, texts: list[str]
) -> None:
    pool = Pool(tuple(Record(PoolId(str(row)), text) for row, text in enumerate(texts)))
    found = factory_of(tmp_path, name, pool).representation
    assert len(found.pool) == len(texts)
    assert np.isfinite(found.pool).all()


def test_a_method_of_its_own_goes_first(tmp_path: Path) -> None:
    found = factory_of(tmp_path, "own_representations:Represents").representation
    assert np.allclose(found.pool, [0.6, 0.8])


@pytest.mark.parametrize("name", ["own_representations:Texts", "own_representations:Sparse"])
def test_without_a_dense_matrix_there_is_none(tmp_path: Path, name: str) -> None:
    assert factory_of(tmp_path, name).representation is None


def test_what_is_no_matrix_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="representation") as caught:
        _ = factory_of(tmp_path, "own_representations:Wrong").representation.pool
    assert "represent" in caught.value.hint
