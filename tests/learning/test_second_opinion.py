"""ActiveLab's picks: new texts and answered ones on one scale, quietly, and in any crowd."""

from __future__ import annotations

import random
import time
from collections.abc import Collection
from typing import Any

import numpy as np
import pytest

from loopd import cleanlab_adapter as multiannotator
from loopd.cleanlab_adapter import active_scores, crowdlab
from loopd.errors import ModelError
from loopd.installation import add_extra
from loopd.learning.second_opinion import ActiveLab, Answered, Pick, Unanswered, pick
from loopd.records import PoolId

LABELS = ("a", "b", "c")
SURE, UNSURE = [0.96, 0.02, 0.02], [0.4, 0.35, 0.25]


def proba(*rows: list[float]) -> Any:
    return np.array(rows, dtype=np.float32)


def answered(
    votes: dict[str, dict[str, str]],
    rows: dict[str, list[float]],
    askable: Collection[str] | None = None,
) -> Answered:
    models = [{PoolId(id_): np.array(row, dtype=np.float32) for id_, row in rows.items()}]
    by_id = {PoolId(id_): labels for id_, labels in votes.items()}
    return Answered(by_id, set(map(PoolId, votes if askable is None else askable)), models)


AGREED = {f"r{n}": {"p": label, "q": label} for n, label in enumerate("abcabcabc")}
ROWS = {id_: np.eye(3)[LABELS.index(said["p"])] * 0.9 + 0.05 for id_, said in AGREED.items()}


def test_what_is_disputed_is_asked_again_and_what_is_agreed_is_not() -> None:
    votes = {**AGREED, "odd": {"p": "a", "q": "b", "r": "c"}}
    rows = {**ROWS, "odd": UNSURE}
    picks = pick(
        answered(votes, rows), Unanswered([PoolId("n1")], [proba(SURE)]), LABELS, size=2, seed=0
    )
    assert (picks[0].record_id, picks[0].again) == ("odd", True)
    picks = pick(
        answered(votes, rows, askable=AGREED),
        Unanswered([PoolId("n1"), PoolId("n2")], [proba(SURE, UNSURE)]),
        LABELS,
        size=2,
        seed=0,
    )
    assert [each.record_id for each in picks] == ["n2", "n1"]
    assert 1 >= picks[0].score > picks[1].score >= 0


def test_equal_scores_go_to_new_texts_and_then_by_order() -> None:
    votes, rows = {"r1": {"p": "a"}, "r2": {"p": "b"}}, {"r1": [1 / 3] * 3, "r2": [1 / 3] * 3}
    even = Unanswered([PoolId("n2"), PoolId("n1")], [proba([1 / 3] * 3, [1 / 3] * 3)])
    picks = pick(answered(votes, rows), even, LABELS, size=4, seed=0)
    assert [each.record_id for each in picks] == ["n2", "n1", "r1", "r2"]
    assert [each.again for each in picks] == [False, False, True, True]


def test_fewer_than_asked_for_and_none() -> None:
    known = answered({"r1": {"p": "a"}}, {"r1": SURE})
    none = Unanswered([], [proba().reshape(0, 3)])
    assert [each.record_id for each in pick(known, none, LABELS, size=9, seed=0)] == ["r1"]
    assert pick(known, none, LABELS, size=0, seed=0) == []
    models = Answered(known.votes, known.askable, [*known.proba] * 2)
    again = pick(models, Unanswered([], list(none.proba) * 2), LABELS, size=9, seed=0)
    assert again[0].record_id == "r1"


def test_models_that_differ_make_a_text_unsure() -> None:
    other = [0.02, 0.96, 0.02]
    new = Unanswered([PoolId("same"), PoolId("differs")], [proba(SURE, SURE), proba(SURE, other)])
    known = answered(AGREED, ROWS, askable=())
    both = Answered(known.votes, (), [*known.proba] * 2)
    picks = pick(both, new, LABELS, size=2, seed=0)
    assert [each.record_id for each in picks] == ["differs", "same"]


def crowd(texts: int, people: int, seed: int = 0) -> dict[PoolId, dict[str, str]]:
    """Few people gave hundreds of answers, most three; some texts have one."""
    rng = random.Random(seed)
    weight = [1 / (n + 1) for n in range(people)]
    votes = {}
    for number in range(texts):
        who = {f"a{number % people}", *rng.choices([f"a{n}" for n in range(people)], weight, k=2)}
        who = who if number % 3 else {f"a{number % people}"}
        right = rng.choice("ab")
        votes[PoolId(f"r{number}")] = {
            each: right if rng.random() < 0.8 else rng.choice("ab") for each in sorted(who)
        }
    return votes


@pytest.mark.parametrize("models", [1, 2])
def test_219_annotators_and_a_pool_of_100000(
    models: int, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    votes = crowd(660, 219)
    old = [
        dict(zip(votes, rng.dirichlet(np.ones(3), 660).astype(np.float32), strict=True))
        for _ in range(models)
    ]
    new = [rng.dirichlet(np.ones(3), 100_000).astype(np.float32) for _ in range(models)]
    ids = [PoolId(f"n{n}") for n in range(100_000)]
    state = np.random.get_state(legacy=False)["state"]["key"].tolist()  # noqa: NPY002
    began = time.perf_counter()
    picks = pick(Answered(votes, votes, old), Unanswered(ids, new), LABELS, size=50, seed=1)
    assert time.perf_counter() - began < 60
    assert len({each.record_id for each in picks}) == 50
    assert {each.again for each in picks} <= {True, False}
    assert picks == sorted(picks, key=lambda each: -each.score)
    assert state == np.random.get_state(legacy=False)["state"]["key"].tolist()  # noqa: NPY002
    assert capfd.readouterr() == ("", "")


def test_every_small_crowd_has_scores() -> None:
    """No overlap, one person, one class, more classes than anybody used: cleanlab must not fail."""
    rng = np.random.default_rng(3)
    for _ in range(60):
        classes, texts, people = (
            int(rng.integers(low, high)) for low, high in ((2, 6), (1, 25), (1, 9))
        )
        votes = np.full((texts, people), np.nan)
        for row in votes:
            count = int(rng.integers(1, min(people, 3) + 1))
            who = rng.choice(people, size=count, replace=False)
            row[who] = rng.integers(0, classes - 1, size=count)
        votes = votes[:, ~np.isnan(votes).all(axis=0)]
        model = rng.dirichlet(np.full(classes, 0.3), texts).astype(np.float32)
        new = rng.dirichlet(np.ones(classes), 5).astype(np.float32)
        for count in (1, 2):
            old, fresh = active_scores(votes, np.stack([model] * count), np.stack([new] * count), 1)
            scores = np.concatenate([old, fresh])
            assert np.isfinite(scores).all()
            assert scores.min() >= 0
            assert scores.max() <= 1
        if ((~np.isnan(votes)).sum(axis=1) > 1).any():
            found = crowdlab(votes, model, 1)
            assert np.isfinite(np.concatenate([found.quality, found.annotators])).all()


def test_the_option_is_checked() -> None:
    assert str(ActiveLab(ensemble=3)) == "ActiveLab(ensemble=3)"
    with pytest.raises(ValueError, match="at least 1"):
        ActiveLab(ensemble=0)


def test_without_cleanlab_there_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cleanlab.multiannotator", None)
    with pytest.raises(ModelError, match="need the package cleanlab") as failed:
        multiannotator.require()
    assert failed.value.hint == add_extra("annotators")
    assert Pick(PoolId("x"), 0.5, again=True).again
