"""The real packaged weights on texts longer than they read: cut, in windows, beginning and end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopd.config import ClassifierSection, StrategySection
from loopd.data.pool import Pool
from loopd.errors import ModelError
from loopd.learning.learner import Learner
from loopd.learning.problems.problem import problem_of
from loopd.learning.unread import Unread
from loopd.records import PoolId, Record
from tests.learning.conftest import LABELS, all_scores, gold, make_pool

pytestmark = pytest.mark.integration

SHORT = 24
"""Tokens that are read here; the filler alone is longer."""

FILLER = "nothing of note happened on that day and everybody went home early as usual " * 2
QUICK = {"epochs": 1, "min_steps": 5}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def late(pool: Pool) -> Pool:
    """The same texts behind a filler that is longer than what is read."""
    return Pool(tuple(Record(row.id, FILLER + row.text, row.gold) for row in pool))


def build(tmp_path: Path, windows: str = "none", **settings: Any) -> Learner:
    section = {"name": "frozen-head", "threads": 1, "max_tokens": SHORT, "windows": windows}
    section |= settings.pop("classifier", {})
    return Learner(
        settings.pop("pool", late(make_pool())),
        settings.pop("labels", LABELS),
        classifier=ClassifierSection.model_validate(section),
        strategy=StrategySection(),
        seed=7,
        cache=tmp_path / "cache",
    )


def accuracy(learner: Learner, pool: Pool) -> float:
    model = learner.fit(1, gold(pool, [record.id for record in pool.records[:30]]))
    test = late(make_pool(60, seed=1))
    guesses = learner.predict(model, test)
    return float(np.mean([guess == row.gold for guess, row in zip(guesses, test, strict=True)]))


@pytest.mark.parametrize(
    "name", ["frozen-head", pytest.param("transformer", marks=pytest.mark.slow)]
)
def test_what_comes_late_counts_where_it_is_read(tmp_path: Path, name: str) -> None:
    pool = late(make_pool())
    options = QUICK if name == "transformer" else {}
    ways = ("none", "mean") if name == "transformer" else ("none", "mean", "head_tail")
    right = {
        windows: accuracy(
            build(tmp_path, windows, classifier={"name": name, "options": options}), pool
        )
        for windows in ways
    }
    assert right.pop("none") < 0.55  # chance is a third: the label is never read
    assert min(right.values()) > 0.75


def test_short_texts_are_read_as_ever(tmp_path: Path) -> None:
    pool = make_pool()
    targets = gold(pool, [record.id for record in pool.records[:12]])
    scores = [
        all_scores(build(tmp_path, windows, pool=pool).fit(1, targets))
        for windows in ("none", "mean", "head_tail")
    ]
    assert np.array_equal(scores[0], scores[1])
    assert np.array_equal(scores[0], scores[2])


def test_files_and_models_have_names_of_their_own_and_the_cut_ones_keep_theirs(
    tmp_path: Path,
) -> None:
    pool = late(make_pool())
    targets = gold(pool, [record.id for record in pool.records[:12]])
    names: dict[str, set[str]] = {}
    for windows in ("none", "mean", "head_tail"):
        learner = build(tmp_path / windows, windows)
        learner.fit(1, targets)
        folder = tmp_path / windows / "cache"
        names[windows] = {path.name for kind in folder.iterdir() for path in kind.iterdir()}
    assert not names["none"] & names["mean"]
    assert not names["none"] & names["head_tail"]
    assert not names["mean"] & names["head_tail"]


def test_windows_have_the_vectors_of_their_own_texts(tmp_path: Path) -> None:
    learner = build(tmp_path, "mean")
    factory: Any = learner._trainer.factory
    text = late(make_pool()).texts[0]
    ids = factory.backbone.contents([text])[0]
    count = -(-len(ids) // factory.backbone.room)
    parts = [factory.backbone.tokenizer.decode(part) for part in np.array_split(ids, count)]
    frozen = factory._features
    whole = frozen._embedder(frozen.tokens([text]), 1).embed(np.zeros(1, dtype=np.int64))
    single = frozen._embedder(frozen.tokens(parts), count).embed(np.arange(count))
    assert count > 1
    assert np.allclose(whole[0], single.mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("windows", ["mean", "head_tail"])
def test_who_cannot_read_windows_says_so(tmp_path: Path, windows: str) -> None:
    for name in ("tfidf", "setfit", "small_text:SklearnClassifier"):
        learner = build(tmp_path, windows, classifier={"name": name})
        with pytest.raises(ModelError, match=r"classifier\.windows"):
            learner.check()
    spans = problem_of("spans", ("city",))
    learner = build(tmp_path, windows, classifier={"name": "transformer"}, labels=spans)
    with pytest.raises(ModelError, match="spans"):
        learner.check()


def test_what_is_not_read_of_the_pool(tmp_path: Path) -> None:
    short = make_pool(30)
    mixed = Pool(
        (*short.records, *(Record(PoolId(f"x{row.id}"), FILLER * 3, None) for row in short))
    )
    cut = build(tmp_path, pool=mixed).unread()
    assert cut is not None
    assert (cut.texts, cut.longer, cut.most) == (60, 0.5, SHORT)
    assert 0.5 < cut.tokens < 0.9
    assert f"50% of 60 texts are longer than {SHORT} tokens: {cut.tokens:.0%} of all" in str(cut)
    whole = build(tmp_path, "mean", pool=mixed).unread()
    assert whole is not None
    assert (whole.longer, whole.tokens) == (0.5, 0.0)
    assert "in windows" in str(whole)
    assert build(tmp_path, classifier={"name": "tfidf"}).unread() is None


def test_shares_of_what_is_not_read() -> None:
    unread = Unread.of([5, 10, 30, 0], 10, 12, "none")
    assert (unread.longer, unread.tokens) == (0.25, 20 / 45)
    assert Unread.of([], 10, 12, "none").longer == 0
    assert "no text of 2" in str(Unread.of([5, 10], 10, 12, "none"))
