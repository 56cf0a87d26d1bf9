"""What is said of new texts, and the numbers beside it."""

from __future__ import annotations

from loopd.evaluation.drop import Judged, drop, figures
from loopd.evaluation.shift import Likeness
from loopd.metrics_log.shift import (
    INTAKES,
    KEYS,
    METRICS,
    SHARE,
    SINCE,
    WEEK,
    gauges,
    is_alarm,
    newly_raised,
    shift_sentence,
)

LIKE = Likeness(auc=0.52, low=0.47, high=0.57, p=0.3, level=0.001, new=1_200, old=4_000)
UNLIKE = Likeness(auc=0.75, low=0.71, high=0.79, p=1e-9, level=0.001, new=1_200, old=4_000)
WORSE = drop(Judged(34, 40), Judged(5, 24), intake=3)
EQUAL = drop(Judged(34, 40), Judged(5, 6), intake=3)


def test_new_texts_that_are_unlike_the_old() -> None:
    row = figures(UNLIKE, WORSE, 1_640)
    others = (INTAKES, SINCE, SHARE)
    assert [*row] == [key for key in KEYS if key not in others and not key.startswith(WEEK)]
    assert is_alarm(row)
    assert shift_sentence(row) == (
        "The newest texts (1,200) are unlike those before (told apart with an AUC of 0.75, 0.71 to "
        "0.79). The model is worse on the last 1,640 texts: it was right about 21 % of 24 random "
        "draws of them (4 % to 52 %), and about 85 % before."
    )
    assert gauges(row) == {
        "loopd_shift_auc": 0.75,
        "loopd_shift_unlike": 1.0,
        "loopd_shift_accuracy": 5 / 24,
        "loopd_shift_worse": 1.0,
    }


def test_new_texts_that_are_like_them() -> None:
    row = figures(LIKE, EQUAL)
    assert not is_alarm(row)
    assert "are like those before" in shift_sentence(row)
    assert shift_sentence(row).endswith("that is no certain difference.")


def test_one_of_the_two_is_enough_for_an_alarm() -> None:
    assert is_alarm(figures(UNLIKE, EQUAL))
    assert is_alarm(figures(LIKE, WORSE))


def test_an_alarm_that_goes_on_is_not_raised_again() -> None:
    both, one, none = figures(UNLIKE, WORSE), figures(UNLIKE, EQUAL), figures(LIKE, EQUAL)
    assert newly_raised(one, {})
    assert newly_raised(both, one)
    assert newly_raised(one, none)
    assert not newly_raised(one, both)
    assert not newly_raised(none, both)


def test_what_is_not_known_is_not_said() -> None:
    assert shift_sentence({}) == ""
    assert gauges({}) == {}
    assert figures(None, None) == {}
    assert shift_sentence(figures(LIKE, None)).count(".") < shift_sentence(
        figures(LIKE, EQUAL)
    ).count(".")
    assert set(gauges(figures(LIKE, None))) < set(METRICS)
