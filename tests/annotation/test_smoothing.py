"""Dawid and Skene with few votes: they prove little, of people, of labels and of habits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loopd.annotation.consensus.confusions import (
    COMMON,
    TrueLabelEstimate,
    Votes,
    _credited,
    estimate,
)

RECORDS, PEOPLE = 60, 6


def crowd(*more: tuple[int, int, int], labels: int = 2, skill: float = 0.85) -> TrueLabelEstimate:
    """Six people on all records, and more votes as (record, annotator, label)."""
    rng = np.random.default_rng(5)
    truth = rng.integers(2, size=RECORDS)
    wrong = rng.random((RECORDS, PEOPLE)) > skill
    said = np.where(wrong, 1 - truth[:, None], truth[:, None])
    record, annotator = (axis.ravel() for axis in np.indices((RECORDS, PEOPLE)))
    votes = np.stack([record, annotator, said.ravel()])
    votes = np.concatenate([votes, np.array(more, dtype=np.int64).reshape(-1, 3).T], axis=1)
    shape = (int(votes[0].max()) + 1, int(votes[1].max()) + 1, labels)
    estimated = estimate(Votes(votes[0], votes[1], votes[2], shape))
    assert estimated is not None
    return estimated


def likeliest(estimated: TrueLabelEstimate, record: int) -> int:
    return int(estimated.proba[record].argmax())


@pytest.mark.parametrize("right", [True, False])
def test_who_has_voted_once_is_judged_as_the_others_are(right: bool) -> None:
    truth = likeliest(crowd(), 0)
    estimated = crowd((0, PEOPLE, truth if right else 1 - truth))
    usual = float(estimated.quality[:PEOPLE].mean())
    assert 0.8 < usual < 0.95
    newcomer = float(estimated.quality[PEOPLE])
    assert (newcomer > usual) == right
    assert abs(newcomer - usual) < 2 / 3 * max(usual, 1 - usual)
    assert newcomer < 0.99


@pytest.mark.parametrize("right", [True, False])
def test_one_vote_neither_makes_nor_breaks_what_a_person_says(right: bool) -> None:
    """Somebody who was right once, or wrong, and then says something about another record alone."""
    truth = likeliest(crowd(), 0)
    estimated = crowd((0, PEOPLE, truth if right else 1 - truth), (RECORDS, PEOPLE, 1))
    assert 0.5 < estimated.proba[RECORDS, 1] < 0.95


def test_a_label_that_nobody_has_used_stays_possible() -> None:
    estimated = crowd(labels=3)
    assert np.isfinite(estimated.proba).all()
    assert (estimated.proba[:, 2] > 0).all()


@pytest.mark.parametrize("label", [0, 1])
def test_a_label_that_is_rare_is_not_impossible(label: int) -> None:
    """Two people of six say that one record is something else than all others are."""
    record, annotator = (axis.ravel() for axis in np.indices((RECORDS, PEOPLE)))
    said = np.full(len(record), label)
    said[record == 0] = [1 - label] * 5 + [label]
    estimated = estimate(Votes(record, annotator, said, (RECORDS, PEOPLE, 2)))
    assert estimated is not None
    assert likeliest(estimated, 0) == 1 - label
    assert (estimated.proba > 0).all()
    assert (estimated.quality < 1).all()


def contrary(times: int) -> Any:
    """Records on which somebody who votes so often and always against the others votes first."""
    plain = crowd()
    return [(record, PEOPLE, 1 - likeliest(plain, record)) for record in range(times)]


def test_habits_of_ones_own_are_never_beyond_doubt() -> None:
    """Who was always wrong so far is no oracle of the opposite."""
    estimated = crowd(*contrary(40), (RECORDS, PEOPLE, 1))
    assert 0.5 < estimated.proba[RECORDS, 0] < 0.97


def test_a_few_votes_against_the_others_do_not_turn_a_person_round() -> None:
    """Habits of one's own need evidence; before there is some, a vote counts for what it says."""
    estimated = crowd(*contrary(8), (RECORDS, PEOPLE, 1))
    assert estimated.proba[RECORDS, 1] > 0.5


def test_shares_are_those_of_the_counts_and_of_common_votes() -> None:
    usual = np.array([0.25, 0.75])
    none, many = _credited(np.zeros(2), usual), _credited(np.array([980.0, 0.0]), usual)
    np.testing.assert_allclose(none, usual)
    np.testing.assert_allclose(many, [0.985, 0.015])
    assert COMMON == 20


def test_what_somebody_says_where_nobody_else_votes_proves_nothing() -> None:
    """Alone a vote agrees with whatever is believed of its annotator."""
    alone = [(RECORDS + number, 0, 1) for number in range(30)]
    np.testing.assert_allclose(crowd(*alone).quality, crowd().quality, atol=1e-9)
