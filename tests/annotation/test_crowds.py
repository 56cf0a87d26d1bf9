"""No consensus is worse than the majority beyond chance, and none collapses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from loopd.annotation.consensus import Ballots, ConsensusOptions, Vote, confusions, resolve
from loopd.annotation.consensus.confusions import TrueLabelEstimate, Votes, estimate
from loopd.annotation.consensus.crowdlab import crowdlab
from loopd.annotation.consensus.majority import VoteCount, count
from loopd.annotation.consensus.proof import in_accord, proven
from loopd.records import PoolId, Targets
from tests.annotation.crowds import Crowd, crowds, decisions, worse_by_chance

CERTAIN = 0.01
"""How likely the test may fail where no strategy is worse, over all crowds of one test."""

ANSWERS = ((1,), (2,), (3,), (9,), (1, 1, 2, 5))
PEOPLE, MANY_PEOPLE = (2, 3, 4, 6, 12, 30), (2, 3, 4, 6, 10, 17, 30)
SOME = slice(None, None, 7)
"""A seventh of the crowds, whatever they differ in; all and more are in the slow test."""

Outcome = tuple[dict[PoolId, VoteCount], dict[str, float]]

MODELS = ("good", "constant", "even", "noise", "wrong")


def elected(
    strategy: str, crowd: Crowd, proba: Mapping[PoolId, Any] | None = None
) -> tuple[list[bool], list[bool]]:
    """Decisions of the strategy and of the majority on the same texts."""
    ballots, truth = crowd.drawn()
    targets = resolve(ballots, ConsensusOptions(strategy, crowd.labels, 7, lambda _: proba)).targets
    majority = {id_: count(votes, crowd.labels).target for id_, votes in ballots.items()}
    return decisions(targets, truth, crowd.labels), decisions(majority, truth, crowd.labels)


def worst(strategy: str, several: list[Crowd], tests: int = 1) -> list[tuple[float, Crowd]]:
    """Crowds on which the strategy is worse beyond chance, those of all tests taken together."""
    chances = [(worse_by_chance(*elected(strategy, crowd)), crowd) for crowd in several]
    limit = CERTAIN / len(several) / tests
    return [(chance, crowd) for chance, crowd in chances if chance < limit]


def test_the_comparison_is_the_exact_one() -> None:
    assert worse_by_chance([True] * 3, [True] * 3) == 1
    assert worse_by_chance([False] * 3, [True] * 3) == pytest.approx(1 / 8)
    assert worse_by_chance([True, False], [False, True]) == pytest.approx(3 / 4)


@pytest.mark.parametrize("strategy", ["weighted", "dawid_skene"])
@pytest.mark.parametrize("several", [False, True], ids=["one label", "several labels"])
def test_no_consensus_is_worse_than_the_majority(strategy: str, several: bool) -> None:
    texts = 240 if several else 120
    shapes = crowds(answers=ANSWERS, people=PEOPLE, texts=(texts,), several=several)
    assert worst(strategy, shapes[SOME]) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("strategy", ["weighted", "dawid_skene"])
@pytest.mark.parametrize("several", [False, True], ids=["one label", "several labels"])
@pytest.mark.parametrize("people", MANY_PEOPLE)
def test_on_thousands_of_crowds(strategy: str, several: bool, people: int) -> None:
    answers = (*((number,) for number in range(1, 10)), (1, 1, 2, 3), (1, 2, 5, 9))
    shapes = crowds(answers=answers, people=(people,), several=several, seeds=2)
    assert worst(strategy, shapes, len(MANY_PEOPLE)) == []


def predicted(model: str, truth: Targets, labels: tuple[str, ...]) -> dict[PoolId, Any]:
    """Out-of-sample probabilities of models from good to worse than useless."""
    rng, classes = np.random.default_rng(3), len(labels)

    def row(right: int) -> Any:
        match model:
            case "good":
                at = right if rng.random() < 0.8 else int(rng.integers(classes))
                return np.eye(classes)[at] * 0.7 + 0.3 / classes
            case "constant":
                return np.eye(classes)[0] * 0.9 + 0.1 / classes
            case "even":
                return np.full(classes, 1 / classes)
            case "noise":
                return rng.dirichlet(np.full(classes, 0.5))
        return np.eye(classes)[(right + 1) % classes] * 0.9 + 0.1 / classes

    return {id_: row(labels.index(str(label))).astype(np.float32) for id_, label in truth.items()}


@pytest.mark.parametrize("model", MODELS)
def test_no_model_makes_crowdlab_worse_than_the_majority(model: str) -> None:
    shapes = crowds(answers=((1,), (2,), (5,), (1, 1, 2, 5)), people=(3, 6, 12), texts=(120,))[SOME]
    bad = []
    for crowd in shapes:
        proba = predicted(model, crowd.drawn()[1], crowd.labels)
        chance = worse_by_chance(*elected("crowdlab", crowd, proba))
        bad += [(chance, crowd)] if chance < CERTAIN / len(shapes) / len(MODELS) else []
    assert bad == []


def test_the_prior_that_collapsed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Symmetric errors and free shares of the labels, learnt from single answers too."""

    def collapsing(votes: Votes) -> TrueLabelEstimate:
        n, people, classes = votes.shape
        proba = np.zeros((n, classes))
        np.add.at(proba, (votes.record, votes.label), 1)
        proba /= proba.sum(axis=1, keepdims=True)
        usual = np.full((classes, classes), 0.3 / (classes - 1))
        np.fill_diagonal(usual, 0.7)
        for _ in range(100):
            counts = np.zeros((people, classes, classes))
            at: Any = (votes.annotator, slice(None), votes.label)  # numpy has no type for it
            np.add.at(counts, at, proba[votes.record])
            mean = counts.sum(axis=0) + usual
            counts += 5 * mean / mean.sum(axis=1, keepdims=True)
            counts /= counts.sum(axis=2, keepdims=True)
            logs = np.tile(np.log((proba.sum(axis=0) + 1) / (n + classes)), (n, 1))
            np.add.at(logs, votes.record, np.log(counts[votes.annotator, :, votes.label]))
            proba = np.exp(logs - logs.max(axis=1, keepdims=True))
            proba /= proba.sum(axis=1, keepdims=True)
        return TrueLabelEstimate(proba, np.ones(people))

    monkeypatch.setattr("loopd.annotation.consensus.dawid_skene.estimate", collapsing)
    shapes = crowds(answers=((1,),), people=(5, 12, 30), texts=(120,))
    assert worst("dawid_skene", shapes)


# -- the collapse ----------------------------------------------------------------------------------


@pytest.mark.parametrize("people", [1, 2, 5, 6, 20])
@pytest.mark.parametrize("labels", [("no", "yes"), ("a", "b", "c", "d", "e")])
@pytest.mark.parametrize("several", [False, True])
def test_single_answers_stay_what_they_are(
    people: int, labels: tuple[str, ...], several: bool
) -> None:
    said = {PoolId(f"r{number:02d}"): labels[number * 7 % len(labels)] for number in range(60)}
    ballots: Ballots = {
        id_: (Vote(f"p{number % people}", (label,) if several else label, "t"),)
        for number, (id_, label) in enumerate(said.items())
    }
    consensus = resolve(ballots, ConsensusOptions("dawid_skene", labels, 7, lambda _: None))
    assert consensus.targets == {id_: votes[0].target for id_, votes in ballots.items()}
    assert consensus.annotators == {}


def test_a_rare_label_outlives_people_who_answer_alone() -> None:
    ballots: dict[PoolId, tuple[Vote, ...]] = {
        PoolId(f"r{n:03d}"): (Vote(f"p{n % 8}", "ab"[n % 33 == 0], "t"),) for n in range(200)
    }
    ballots |= {
        PoolId(f"s{n}"): tuple(Vote(f"p{who}", "a", "t") for who in range(3)) for n in range(9)
    }
    ballots |= {PoolId("t"): tuple(Vote(f"p{who}", "b", "t") for who in range(3))}
    targets = resolve(
        ballots, ConsensusOptions("dawid_skene", ("a", "b"), 7, lambda _: None)
    ).targets
    assert Counter(targets.values())["b"] >= 7


# -- proof that people know anything --------------------------------------------------------------


def test_the_median_person_must_be_better_than_guessing() -> None:
    assert proven([80, 80, 80], [100, 100, 100], 2)
    assert proven([95, 60, 60, 60], [100] * 4, 2)  # twice the error, by the root of four
    assert not proven([95, 60, 80], [100] * 3, 2)  # of three one guesses, perhaps
    assert not proven([99, 99, 50, 50, 50], [100] * 5, 2)
    assert not proven([3, 3, 3], [3, 3, 3], 2)  # never off, but on three texts
    assert proven([1] * 10, [1] * 10, 2)
    assert not proven([], [], 2)


def test_who_always_says_the_same_agrees_with_nobody() -> None:
    labels = ["a"] * 90 + ["b"] * 10
    assert in_accord(labels, labels)
    assert not in_accord(["a"] * 100, labels)
    assert not in_accord(labels[::-1], labels)
    assert not in_accord([], [])


def test_one_text_that_two_people_share_is_settled_by_a_model_that_agrees_with_people() -> None:
    """Nothing can be hidden from CROWDLAB there: with one answer less no two people would meet."""
    single = {PoolId(f"s{n:02d}"): (Vote(f"p{n % 4}", "ab"[n % 2], "t"),) for n in range(60)}
    shared = {PoolId("x"): (Vote("p0", "a", "t0"), Vote("p1", "b", "t1"))}
    ballots: Ballots = {**single, **shared}
    rows = {"a": np.array([0.9, 0.1]), "b": np.array([0.1, 0.9])}
    agreeing = {id_: rows[str(votes[0].target)] for id_, votes in single.items()}
    for label, row in rows.items():
        tallies, people = _told(crowdlab(ballots, "ab", {**agreeing, PoolId("x"): row}, 7))
        assert tallies[PoolId("x")].target == label
        assert tallies[PoolId("x")].tied
        assert {id_: tallies[id_].target for id_ in single} == {
            id_: votes[0].target for id_, votes in single.items()
        }
        assert set(people) == {"p0", "p1", "p2", "p3"}
    even = dict.fromkeys(ballots, np.array([0.5, 0.5]))
    assert crowdlab(ballots, "ab", even, 7) is None


def _told(outcome: Outcome | None) -> Outcome:
    assert outcome is not None
    return outcome


@pytest.mark.parametrize(
    ("strategy", "module", "crowd"),
    [
        (
            "dawid_skene",
            "confusions",
            Crowd((9,), 6, "adversaries", "rare", 240, several=False, seed=3000),
        ),
        (
            "dawid_skene",
            "confusions",
            Crowd((1, 1, 2, 5), 7, "mixed", "rare", 240, several=False, seed=3001),
        ),
        (
            "dawid_skene",
            "confusions",
            Crowd((8,), 3, "spammers", "even", 240, several=False, seed=1),
        ),
        ("weighted", "weighted", Crowd((9,), 3, "mixed", "skewed", 240, several=True, seed=3003)),
    ],
)
def test_camps_that_err_alike_do_not_win(
    strategy: str, module: str, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the proof the estimate believes those who err alike and is far worse."""
    assert worse_by_chance(*elected(strategy, crowd)) > CERTAIN
    monkeypatch.setattr(f"loopd.annotation.consensus.{module}.proven", lambda *_: True)
    monkeypatch.setattr("loopd.annotation.consensus.weighted.JURY", 2)
    assert worse_by_chance(*elected(strategy, crowd)) < 1e-6


# -- evidence --------------------------------------------------------------------------------------


def numbered(texts: int, contrary: int, seed: int = 0) -> tuple[Votes, Any]:
    """Six people on every text; the last one contradicts the truth on the first so many."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=texts)
    said = np.where(rng.random((texts, 6)) < 0.85, truth[:, None], 1 - truth[:, None])
    said[:, 5] = -1
    said[:contrary, 5] = 1 - truth[:contrary]
    record, annotator = np.nonzero(said >= 0)
    return Votes(record, annotator, said[record, annotator], (texts, 6, 2)), truth


def test_somebody_is_inverted_only_on_evidence() -> None:
    for contrary, inverted in ((3, False), (150, True)):
        votes, _ = numbered(200, contrary)
        alone = Votes(
            np.append(votes.record, 200),
            np.append(votes.annotator, 5),
            np.append(votes.label, 1),
            (201, 6, 2),
        )
        estimated = estimate(alone)
        assert estimated is not None
        assert (estimated.proba[200, 0] > 0.8) == inverted


def test_two_people_cannot_judge_each_other() -> None:
    votes, _ = numbered(50, 0)
    two = votes.annotator < 2
    assert (
        estimate(Votes(votes.record[two], votes.annotator[two], votes.label[two], (50, 2, 2)))
        is None
    )
    assert confusions.WITNESSES == 3


def test_the_order_of_texts_and_people_does_not_matter() -> None:
    votes, _ = numbered(80, 40)
    order = np.random.default_rng(1).permutation(len(votes.record))
    mixed = Votes(votes.record[order], votes.annotator[order], votes.label[order], votes.shape)
    one, other = estimate(votes), estimate(mixed)
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(one.proba, other.proba, atol=1e-9)
