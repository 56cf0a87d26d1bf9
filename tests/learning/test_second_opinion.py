"""ActiveLab's picks: new texts and answered ones on one scale, quietly, and in any crowd."""

from __future__ import annotations

import random
import time
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopd import cleanlab_adapter as multiannotator
from loopd.cleanlab_adapter import active_scores, crowdlab
from loopd.errors import ModelError
from loopd.installation import add_extra
from loopd.learning.doubts import doubts
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
    oldest = {id_: next(iter(labels.values())) for id_, labels in by_id.items()}
    return Answered(by_id, oldest, set(map(PoolId, votes if askable is None else askable)), models)


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
    models = replace(known, proba=[*known.proba] * 2)
    again = pick(models, Unanswered([], list(none.proba) * 2), LABELS, size=9, seed=0)
    assert again[0].record_id == "r1"


def test_models_that_differ_make_a_text_unsure() -> None:
    other = [0.02, 0.96, 0.02]
    new = Unanswered([PoolId("same"), PoolId("differs")], [proba(SURE, SURE), proba(SURE, other)])
    known = answered(AGREED, ROWS, askable=())
    both = replace(known, proba=[*known.proba] * 2)
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
    first = {id_: next(iter(cast.values())) for id_, cast in votes.items()}
    crowded = Answered(votes, first, votes, old)
    picks = pick(crowded, Unanswered(ids, new), LABELS, size=50, seed=1)
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


# -- labels that are wrong rather than right -------------------------------------------------------

FLAT = [1 / 3] * 3


def asked(votes: dict[str, dict[str, str]], rows: dict[str, list[float]], size: int) -> list[Pick]:
    """The picks where the pool is full of texts of which the model has no idea."""
    new = Unanswered([PoolId(f"n{n}") for n in range(50)], [proba(*[FLAT] * 50)])
    return pick(answered(votes, rows), new, LABELS, size=size, seed=0)


@st.composite
def crowds(draw: st.DrawFn) -> tuple[dict[str, dict[str, str]], dict[str, list[float]]]:
    """Texts with one answer each; Ann is right, Eve is wrong in half of hers, the model is sure.

    Texts whose answer is wrong are named ``wrong...``.
    """
    sure, pairs = draw(st.floats(0.85, 0.97)), draw(st.integers(8, 20))
    votes: dict[str, dict[str, str]] = {}
    rows: dict[str, list[float]] = {}
    for number in range(pairs):
        right = draw(st.sampled_from(LABELS))
        wrong = draw(st.sampled_from([label for label in LABELS if label != right]))
        for person in ("ann", "ann", "eve"):
            errs = person == "eve" and number % 2 == 0
            id_ = f"{'wrong' if errs else 'right'}{len(votes)}"
            votes[id_] = {person: wrong if errs else right}
            rows[id_] = [sure if label == right else (1 - sure) / 2 for label in LABELS]
    return votes, rows


@settings(max_examples=6, deadline=None)
@given(crowds(), st.integers(2, 6))
def test_whose_only_answer_contradicts_the_model_is_asked_before_who_agrees(
    crowded: tuple[dict[str, dict[str, str]], dict[str, list[float]]], size: int
) -> None:
    votes, rows = crowded
    picks = asked(votes, rows, size)
    again = [text.record_id for text in picks if text.again]
    assert len(again) >= min(size / 2, sum(id_.startswith("wrong") for id_ in votes))
    assert all(id_.startswith("wrong") for id_ in again)
    ids = [text.record_id for text in picks]
    assert len(set(ids)) == len(ids) == size
    assert picks == sorted(picks, key=lambda text: -text.score)
    score_by_id = {text.record_id: text.score for text in asked(votes, rows, 50 + len(votes))}
    assert len(score_by_id) == 50 + len(votes)
    scores = {
        kind: [score for id_, score in score_by_id.items() if id_.startswith(kind)]
        for kind in ("wrong", "right")
    }
    assert min(scores["wrong"]) > max(scores["right"])


def test_the_same_answer_is_doubted_more_when_its_person_errs_more_often() -> None:
    said, model = [], []
    for number in range(30):
        right = number % 3
        said += [[right, np.nan], [right, np.nan], [np.nan, (right + number % 2) % 3]]
        model += [np.where(np.arange(3) == right, 0.9, 0.05)] * 3
    votes = np.array([*said, [1, np.nan], [np.nan, 1]])
    rows = np.array([*model, [0.8, 0.1, 0.1], [0.8, 0.1, 0.1]])
    labels = np.nanmax(votes, axis=1).astype(int)
    *_, of_who_is_right, of_who_errs = doubts(votes, rows, labels)
    assert of_who_errs > 0.5 > of_who_is_right


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 5), st.integers(2, 6), st.integers(0, 10**6))
def test_doubts_are_probabilities_in_any_crowd(n: int, people: int, labels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    votes = rng.integers(0, labels, (n, people)).astype(float)
    votes[rng.random((n, people)) < 0.5] = np.nan
    votes[np.isnan(votes).all(axis=1), 0] = 0
    said = np.nanmax(votes, axis=1).astype(int)
    doubted = doubts(votes, rng.dirichlet(np.full(labels, 0.2), n), said)
    assert doubted.shape == (n,)
    assert ((doubted >= 0) & (doubted <= 1)).all()


def test_a_model_that_knows_nothing_casts_no_doubt() -> None:
    votes = np.array([[label, np.nan] for label in (0, 1, 2) * 4])
    labels = np.array([0, 1, 2] * 4)
    assert doubts(votes, np.full((12, 3), 1 / 3), labels).max() < 0.5


def test_a_tie_that_the_older_answer_won_is_doubted_and_settled_by_a_third() -> None:
    agreed = {f"r{n}": dict.fromkeys(("p", "q"), LABELS[n % 3]) for n in range(30)}
    rows = {id_: list(np.roll([0.9, 0.05, 0.05], int(id_[1:]))) for id_ in agreed}
    even = {**agreed, "even": {"p": "a", "q": "b"}}
    (first, *_) = asked(even, {**rows, "even": [0.05, 0.9, 0.05]}, 4)
    assert first.record_id == "even"
    (first, *_) = asked(even, {**rows, "even": [0.9, 0.05, 0.05]}, 4)
    assert first.record_id != "even"


def test_doubted_labels_take_half_of_a_batch_before_other_texts() -> None:
    """Two people agree on most texts, so that ActiveLab by itself asks about new ones alone."""
    agreed = {f"r{n}": dict.fromkeys(("p", "q"), LABELS[n % 3]) for n in range(60)}
    odd = {f"odd{n}": {"p" if n % 2 else "q": LABELS[n % 3]} for n in range(12)}
    rows = {id_: list(np.roll([0.9, 0.05, 0.05], int(id_[1:]))) for id_ in agreed}
    rows |= {id_: list(np.roll([0.96, 0.02, 0.02], int(id_[3:]) + 1)) for id_ in odd}
    for size, doubted in ((10, 5), (3, 2), (1, 1)):
        again = [text.record_id for text in asked({**agreed, **odd}, rows, size) if text.again]
        assert len(again) == doubted
        assert all(id_.startswith("odd") for id_ in again)
