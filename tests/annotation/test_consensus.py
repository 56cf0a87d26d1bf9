"""The consensus strategies: hand-made ballots, planted annotators, and every degenerate shape."""

from __future__ import annotations

import itertools
import math
import random
import statistics
import warnings
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from loopd.annotation.consensus import (
    Ballots,
    ConsensusOptions,
    Vote,
    label_counts,
    resolve,
    targets,
)
from loopd.annotation.consensus.agreement import against_the_rest, agreement, similarity
from loopd.annotation.consensus.crowdlab import crowdlab as crowdlab_of
from loopd.annotation.consensus.majority import count
from loopd.annotation.consensus.weighted import weights_of
from loopd.records import PoolId, Span, Target, Targets
from tests.annotation.states import answer, state

LABELS = ("a", "b", "c")
STRATEGIES = ("majority", "weighted", "crowdlab", "dawid_skene")


def votes(text: str) -> tuple[Vote, ...]:
    """``ann:a bob:b`` in the order of time."""
    pairs = (each.split(":") for each in text.split())
    return tuple(Vote(who, said, f"t{place}") for place, (who, said) in enumerate(pairs))


def ballots_of(**said: str) -> Ballots:
    """Ballots by id, each as ``votes`` reads it."""
    return {PoolId(id_): votes(text) for id_, text in said.items()}


def sets(*given: tuple[Any, ...]) -> tuple[Vote, ...]:
    """Targets of p0, p1, ... in the order of time."""
    return tuple(Vote(f"p{n}", target, f"t{n}") for n, target in enumerate(given))


def consensus_options(
    strategy: str,
    labels: tuple[str, ...] = LABELS,
    proba: Mapping[PoolId, Any] | None = None,
) -> ConsensusOptions:
    def predict(majority: Targets) -> Mapping[PoolId, Any] | None:
        return proba

    return ConsensusOptions(strategy, labels, 7, predict)


# -- one record ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "winner", "tied"),
    [
        ("p:a", "a", False),
        ("p:a q:b r:b", "b", False),
        ("p:b q:a", "b", True),  # the oldest first answer
        ("p:b q:a r:a s:b", "b", True),
        ("p:c q:b r:a", "c", True),
    ],
)
def test_the_most_votes_win_and_ties_go_to_the_oldest(given: str, winner: str, tied: bool) -> None:
    tally = count(votes(given), LABELS)
    assert (tally.target, tally.tied) == (winner, tied)


def test_a_tie_at_the_same_moment_goes_to_the_alphabet() -> None:
    given = tuple(Vote(who, said, "t") for who, said in (("p", "b"), ("q", "a")))
    assert count(given, LABELS).target == "a"


@pytest.mark.parametrize(
    ("given", "won", "tied"),
    [
        ((("a", "b"), ("b",), ("b", "c")), ("b",), False),
        ((("a",), ("b",)), ("a",), True),  # each has half: the oldest answer decides
        (((), ("b",)), (), True),
        ((("b",), ()), ("b",), True),
        ((("c", "a"), ("a", "c")), ("a", "c"), False),
        (((), ()), (), False),
        ((("b",), ("b",), ("a",), ("a",), ("a", "c")), ("a",), False),  # two of five are too few
    ],
)
def test_of_several_labels_each_wins_for_itself(
    given: tuple[Any, ...], won: tuple[str, ...], tied: bool
) -> None:
    tally = count(sets(*given), LABELS)
    assert (tally.target, tally.tied) == (won, tied)


def test_spans_win_as_they_are() -> None:
    x, y, wide = Span(0, 3, "a"), Span(5, 9, "b"), Span(0, 9, "a")
    tally = count(sets((x, y), (x,), (wide,)), LABELS)
    assert tally.target == (x,)
    assert count(sets((y, x), (x, y)), LABELS).target == (x, y)


def test_overlapping_spans_never_both_win() -> None:
    rng = random.Random(3)
    for _ in range(500):
        people = [_spans(rng) for _ in range(rng.randrange(1, 6))]
        found: list[Any] = sorted(count(sets(*people), LABELS).target)
        assert all(a.end <= b.start for a, b in pairwise(found))


def _spans(rng: random.Random) -> tuple[Span, ...]:
    borders = sorted(rng.sample(range(9), 4))
    spans = [Span(borders[0], borders[1], "a"), Span(borders[2], borders[3], rng.choice("ab"))]
    return tuple(spans[: rng.randrange(3)])


# -- agreement -------------------------------------------------------------------------------------


def test_similarity() -> None:
    assert similarity("a", "a") == similarity((), ()) == 1
    assert similarity("a", "b") == similarity(("a",), ()) == 0
    assert similarity(("a", "b"), ("b", "c")) == pytest.approx(1 / 3)


def test_agreement_by_hand() -> None:
    """Krippendorff's alpha: two records of two votes; observed .5, expected 1 - 6/12 = .5."""
    found = agreement(ballots_of(x="p:a q:a", y="p:b q:a", z="p:b"))
    assert found.pairs == pytest.approx(0.5)
    assert found.disputed == 1
    assert found.alpha == pytest.approx(1 - 0.5 / 0.5)
    assert agreement(ballots_of(x="p:a")).pairs is None
    assert agreement(ballots_of(x="p:a q:a")).alpha is None  # nothing could differ


def test_alpha_of_many_sets_of_labels_is_that_of_all_pairs() -> None:
    draw = random.Random(3)
    drawn: list[Target] = [
        tuple(sorted(draw.sample("abcdefghijkl", draw.randint(0, 5)))) for _ in range(1400)
    ]
    ballots = {
        PoolId(f"r{place}"): (Vote("p", drawn[place], "t0"), Vote("q", drawn[place + 1], "t1"))
        for place in range(0, 1400, 2)
    }
    distances = [1 - similarity(one, other) for one, other in itertools.combinations(drawn, 2)]
    observed = statistics.fmean(1 - similarity(*drawn[i : i + 2]) for i in range(0, 1400, 2))
    wanted = 1 - observed / statistics.fmean(distances)
    assert len(set(drawn)) > 512
    assert agreement(ballots).alpha == pytest.approx(wanted, abs=1e-6)


def test_alpha_is_that_of_the_textbook() -> None:
    """Krippendorff 2011, *Computing Krippendorff's Alpha-Reliability*, example C: nominal .743."""
    rows = {
        "A": ["1", "2", "3", "3", "2", "1", "4", "1", "2", None, None, None],
        "B": ["1", "2", "3", "3", "2", "2", "4", "1", "2", "5", None, "3"],
        "C": [None, "3", "3", "3", "2", "3", "4", "2", "2", "5", "1", None],
        "D": ["1", "2", "3", "3", "2", "4", "4", "1", "2", "5", "1", None],
    }
    ballots = {
        PoolId(f"u{unit}"): tuple(
            Vote(who, said, who) for who in rows if (said := rows[who][unit]) is not None
        )
        for unit in range(12)
    }
    assert agreement(ballots).alpha == pytest.approx(0.743, abs=5e-4)


def test_annotators_are_judged_by_the_others() -> None:
    ballots = ballots_of(**{f"x{n}": "good:a fine:a bad:b" for n in range(20)})
    quality = against_the_rest(ballots, LABELS)
    assert quality["bad"] < 0.2 < quality["good"] == quality["fine"]
    # Against good and bad at a tie fine agrees with one half of it.
    assert against_the_rest(ballots_of(x="p:a q:b"), LABELS) == {"p": 0, "q": 0}
    assert against_the_rest(ballots_of(x="p:a"), LABELS) == {}


def test_few_answers_prove_little() -> None:
    ballots = ballots_of(**{f"x{n}": "p:a q:a r:b" for n in range(30)}, y="p:a q:a new:b")
    quality = against_the_rest(ballots, LABELS)
    assert quality["r"] < 0.1
    assert quality["new"] > 0.2


def test_weights() -> None:
    weights = weights_of({"sure": 1.0, "even": 0.5, "worse": 0.0}, 2)
    assert weights["sure"] == pytest.approx(np.log(99))
    assert 0 < weights["even"] == weights["worse"] < 0.05  # nobody counts against what they say


# -- planted annotators ----------------------------------------------------------------------------


def planted(
    seed: int = 0, records: int = 300, classes: int = 3, people: tuple[float, ...] = ()
) -> tuple[dict[PoolId, tuple[Vote, ...]], dict[PoolId, str]]:
    """Two good annotators and three who err alike on ``a``; each record has three of them."""
    rng = random.Random(seed)
    labels, rates = LABELS[:classes], people or (0.03, 0.05, 0.45, 0.45, 0.45)
    ballots, truth = {}, {}
    for number in range(records):
        id_, right = PoolId(f"r{number:04d}"), rng.choice(labels)
        chosen = rng.sample(range(len(rates)), 3)
        said = [
            rng.choice([each for each in labels if each != right])
            if rng.random() < rates[who]
            else right
            for who in chosen
        ]
        ballots[id_] = tuple(
            Vote(f"p{who}", label, f"t{place}")
            for place, (who, label) in enumerate(zip(chosen, said, strict=True))
        )
        truth[id_] = right
    return ballots, truth


def accuracy(found: Targets, truth: Mapping[PoolId, str]) -> float:
    return sum(found[id_] == truth[id_] for id_ in truth) / len(truth)


def predictions(
    truth: Mapping[PoolId, str], labels: tuple[str, ...], share: float
) -> dict[PoolId, Any]:
    """Probabilities of a model that is right so often."""
    rng = np.random.default_rng(1)
    found = {}
    for id_, right in truth.items():
        named = right if rng.random() < share else labels[int(rng.integers(len(labels)))]
        row = np.full(len(labels), 0.1)
        row[labels.index(named)] = 0.8
        found[id_] = (row / row.sum()).astype(np.float32)
    return found


@pytest.mark.parametrize("strategy", ["weighted", "crowdlab", "dawid_skene"])
def test_who_errs_less_counts_more(strategy: str) -> None:
    gains = []
    for seed in range(3):
        ballots, truth = planted(seed)
        proba = predictions(truth, LABELS, 0.8)
        plain = resolve(ballots, consensus_options("majority"))
        found = resolve(ballots, consensus_options(strategy, proba=proba))
        gains.append(accuracy(found.targets, truth) - accuracy(plain.targets, truth))
        assert min(found.annotators[p] for p in ("p0", "p1")) > max(
            found.annotators[p] for p in ("p2", "p3", "p4")
        )
        right = [found.targets[id_] == truth[id_] for id_ in truth]
        quality = [found.quality[id_] for id_ in truth]
        assert np.corrcoef(right, quality)[0, 1] > 0.2
    assert min(gains) > 0.01


def test_dawid_skene_learns_who_takes_what_for_what() -> None:
    """Two of three always take b for a: on b's texts the majority is wrong, the confusions not."""
    rng = random.Random(4)
    ballots, truth = {}, {}
    for number in range(300):
        right = rng.choice("ab")
        blind = [("a" if right == "b" and rng.random() < 0.8 else right) for _ in range(2)]
        id_ = PoolId(f"r{number:03d}")
        ballots[id_] = votes(f"blind1:{blind[0]} blind2:{blind[1]} good:{right}")
        truth[id_] = right
    found = resolve(ballots, consensus_options("dawid_skene", ("a", "b")))
    assert accuracy(found.targets, truth) > 0.97
    assert (
        accuracy(resolve(ballots, consensus_options("majority", ("a", "b"))).targets, truth) < 0.9
    )
    assert found.annotators["good"] > 0.95


def test_dawid_skene_on_several_labels() -> None:
    rng = random.Random(5)
    ballots: dict[PoolId, tuple[Vote, ...]] = {}
    truth: dict[PoolId, Target] = {}
    for number in range(500):
        right = tuple(label for label in LABELS if rng.random() < 0.4)
        said = [tuple(_flipped(rng, right, rate)) for rate in (0.03, 0.35, 0.35, 0.35)]
        id_ = PoolId(f"r{number:03d}")
        truth[id_] = right
        ballots[id_] = sets(*said)
    found = resolve(ballots, consensus_options("dawid_skene")).targets
    plain = resolve(ballots, consensus_options("majority")).targets
    hits = [sum(given[id_] == truth[id_] for id_ in truth) for given in (found, plain)]
    assert hits[0] > hits[1] + 20


def _flipped(rng: random.Random, right: tuple[str, ...], rate: float) -> list[str]:
    return [label for label in LABELS if (label in right) != (rng.random() < rate)]


# -- every shape -----------------------------------------------------------------------------------


def crowd(people: int, seed: int = 0) -> tuple[dict[PoolId, tuple[Vote, ...]], dict[PoolId, str]]:
    """As real crowds are: few gave hundreds of votes, most gave three, some never met anybody."""
    rng = random.Random(seed)
    names = [f"a{n}" for n in range(people)]
    weight = [1 / (n + 1) for n in range(people)]
    ballots, truth = {}, {}
    for number in range(people * 3):
        right = rng.choice(("a", "b"))
        given = dict.fromkeys(rng.choices(names, weight, k=rng.choice((1, 1, 2, 3, 5))))
        given |= {names[number % people]: None}
        said = {who: right if rng.random() < 0.8 else rng.choice(LABELS) for who in given}
        id_ = PoolId(f"r{number:04d}")
        ballots[id_] = votes(" ".join(f"{who}:{label}" for who, label in said.items()))
        truth[id_] = right
    return ballots, truth


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_219_annotators_most_of_whom_gave_three_labels(
    strategy: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ballots, truth = crowd(219)
    given = Counter(vote.annotator for each in ballots.values() for vote in each)
    assert sorted(given.values())[len(given) // 2] <= 8
    labels = (*LABELS, "never")
    found = resolve(ballots, consensus_options(strategy, labels, predictions(truth, labels, 0.8)))
    assert accuracy(found.targets, truth) > 0.8
    assert len(found.annotators) == 219
    assert all(0 <= each <= 1 for each in (*found.quality.values(), *found.annotators.values()))
    figures = found.figures()
    assert not any(key.startswith("annotators.a") for key in figures)
    assert figures["annotators"] == 219
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"x": "p:a"},
        {"x": "p:a", "y": "q:b"},
        {"x": "p:a q:b"},
        {"x": "p:a q:a", "y": "r:a"},
        {"x": "p:a q:b r:c"},
        {"x": "p:a q:b", "y": "p:b q:a", "z": "r:c"},
    ],
    ids=lambda given: ", ".join(given.values()) or "nothing",
)
def test_degenerate_ballots(strategy: str, given: dict[str, str]) -> None:
    ballots = ballots_of(**given)
    proba = {id_: np.array([0.2, 0.5, 0.3], dtype=np.float32) for id_ in ballots}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = resolve(ballots, consensus_options(strategy, proba=proba))
        again = resolve(ballots, consensus_options(strategy, proba=proba))
    assert list(found.targets) == list(ballots)
    assert set(found.targets.values()) <= set(LABELS)
    assert found == again
    assert all(math.isfinite(float(str(value))) for value in found.figures().values())
    for id_, text in given.items():
        if len(text.split()) == 1 and strategy != "crowdlab":
            assert found.targets[PoolId(id_)] == text[-1]


def test_crowdlab_is_the_majority_where_no_model_can_be_trained() -> None:
    ballots = ballots_of(x="p:a q:a r:b")
    assert resolve(ballots, consensus_options("crowdlab")).targets == {"x": "a"}


def test_crowdlab_lets_the_model_break_a_tie() -> None:
    ballots, truth = planted(records=60)
    ballots |= ballots_of(tie="p0:b p1:a")
    proba = predictions(truth, LABELS, 0.9) | {
        PoolId("tie"): np.array([0.97, 0.02, 0.01], np.float32)
    }
    found = resolve(ballots, consensus_options("crowdlab", proba=proba))
    assert found.targets[PoolId("tie")] == "a"
    assert resolve(ballots, consensus_options("majority")).targets[PoolId("tie")] == "b"


def test_crowdlab_neither_learns_from_what_is_held_out_nor_labels_it() -> None:
    ballots, truth = planted(records=60)
    held = ballots_of(draw="p0:b p1:b p2:c", alone="p3:c")
    proba = predictions(truth, LABELS, 0.9)
    sure = dict.fromkeys(held, np.array([0.98, 0.01, 0.01], np.float32))
    asked: list[Targets] = []

    def predict(majority: Targets) -> Mapping[PoolId, Any]:
        asked.append(majority)
        return proba | sure

    counting = ConsensusOptions("crowdlab", LABELS, 7, predict, held_out=frozenset(held))
    found = resolve({**ballots, **held}, counting)
    assert set(asked[0]) == set(ballots)
    alone = resolve(ballots, consensus_options("crowdlab", proba=proba))
    assert found.targets == {**alone.targets, PoolId("draw"): "b", PoolId("alone"): "c"}
    assert found.quality[PoolId("draw")] == pytest.approx(2 / 3)
    assert found.annotators == alone.annotators


@pytest.mark.parametrize("strategy", ["majority", "weighted"])
def test_spans_by_quality(strategy: str) -> None:
    good, other = (Span(0, 4, "a"),), (Span(0, 5, "a"),)
    ballots = {PoolId(f"x{n}"): sets(good, good, other) for n in range(20)}
    ballots[PoolId("tie")] = (Vote("p2", other, "t0"), Vote("p0", good, "t1"))
    found = resolve(ballots, consensus_options(strategy))
    assert found.targets[PoolId("x0")] == good
    assert found.targets[PoolId("tie")] == (other if strategy == "majority" else good)
    assert "consensus.alpha" not in found.figures()


def test_figures() -> None:
    ballots = ballots_of(x="p:a q:a", y="p:b q:a", z="r:c")
    found = resolve(ballots, consensus_options("majority"))
    assert found.figures() == {
        "annotations": 5,
        "annotators": 3,
        "consensus.ties": 1,
        "consensus.disputed": 1,
        "consensus.agreement": 0.5,
        "consensus.alpha": 0.0,
        "consensus.quality": round((1 + 0.5 + 1) / 3, 4),
        "annotators.lowest_quality": 0.5,
        "annotators.median_quality": 0.5,
        "annotators.p.quality": 0.5,
        "annotators.q.quality": 0.5,
        "annotators.r.quality": 0.5,
    }


def test_targets_of_a_state_and_their_counts() -> None:
    known = state("y x", answer("y", "ann", "b"), answer("x", "ann", ["a", "b"]))
    found = targets(known, labels=LABELS)
    assert list(found.items()) == [("x", ("a", "b")), ("y", "b")]
    spans: Targets = {PoolId("z"): (Span(0, 1, "a"), Span(2, 3, "a"))}
    assert label_counts({**found, **spans}) == {"a": 3, "b": 2}


@pytest.mark.parametrize("strategy", ["majority", "weighted", "dawid_skene"])
def test_nobody_said_that_none_applies(strategy: str) -> None:
    """Three people, three labels, none with a majority: the empty set is nobody's opinion."""
    ballots = {
        PoolId("r"): sets(("b",), ("a",), ("c",)),
        PoolId("s"): sets(("a",), ("b", "c"), ("c",)),
    }
    consensus_options = ConsensusOptions(strategy, LABELS, 0, lambda _: None)
    found = resolve(ballots, consensus_options).targets
    assert len(found[PoolId("r")]) == 1
    assert found[PoolId("s")] == ("c",)
    ballots = {PoolId("r"): sets((), ("a",), ())}
    assert resolve(ballots, consensus_options).targets[PoolId("r")] == ()


def test_a_model_proves_itself_on_texts_with_one_answer_too() -> None:
    """Second opinions were asked where the model contradicts the older answer."""
    names = ("a", "b", "c")
    single = {PoolId(f"s{n:02d}"): (Vote("ann", names[n % 3], "01"),) for n in range(30)}
    disputed = {
        PoolId(f"t{n:02d}"): (
            Vote("eve", names[(n + 1) % 3], "01"),
            Vote("bob", names[n % 3], "02"),
        )
        for n in range(12)
    }
    model = {
        id_: np.where(np.arange(3) == int(id_[1:]) % 3, 0.9, 0.05) for id_ in (*single, *disputed)
    }
    assert crowdlab_of({**single, **disputed}, names, model, 0) is not None
    nothing = dict.fromkeys(model, np.full(3, 1 / 3))
    assert crowdlab_of({**single, **disputed}, names, nothing, 0) is None
