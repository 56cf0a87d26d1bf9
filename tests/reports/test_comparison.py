"""The figures of a backtest against ones computed by hand, and their tables and pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopd.backtest.comparison import Comparison, compare, default_targets
from loopd.backtest.comparison_plot import plot_curves, plot_seconds, short_names
from loopd.backtest.comparison_table import aligned, comparison_table
from loopd.backtest.interval import estimate
from loopd.backtest.learning_curves import LearningCurve, learning_curves
from loopd.metrics_log.rows import Row, Terms, effort_of

T3 = 4.302652729749464
"""The 97.5 % quantile of Student's t with two degrees of freedom, from printed tables: 4.303."""


def curve(arm: str, seed: int, *accuracy: float, labels: tuple[int, ...] = ()) -> LearningCurve:
    counts = labels or tuple(20 * place for place in range(1, len(accuracy) + 1))
    seconds = tuple(float(place) for place in range(1, len(accuracy)))
    return LearningCurve(arm, seed, counts, accuracy, seconds)


CURVES = (
    curve("x", 0, 0.50, 0.70, 0.80),
    curve("x", 1, 0.60, 0.70, 0.90),
    curve("x", 2, 0.40, 0.70, 0.70),
    curve("random", 0, 0.50, 0.60, 0.70),
    curve("random", 1, 0.60, 0.60, 0.60),
    curve("random", 2, 0.40, 0.50, 0.80),
)


@pytest.fixture
def comparison() -> Comparison:
    return compare(CURVES, (0.7, 0.8, 0.95), {"x": "random"})


def test_a_mean_and_its_interval() -> None:
    found = estimate([0.8, 0.9, 0.7])
    assert found is not None
    # the standard deviation is 0.1, so half the interval is 4.303 * 0.1 / sqrt(3)
    assert found.mean == pytest.approx(0.8)
    assert found.half == pytest.approx(T3 * 0.1 / 3**0.5)
    assert (found.low, found.high) == pytest.approx((0.8 - 0.248414, 0.8 + 0.248414), abs=1e-5)
    alone = estimate([0.8])
    assert alone is not None
    assert (alone.mean, alone.low, alone.half, alone.n) == (0.8, None, None, 1)
    assert estimate([]) is None
    same = estimate([0.5, 0.5])
    assert same is not None
    assert (same.low, same.high) == (0.5, 0.5)


def test_accuracy_is_a_step_between_rounds_and_nothing_outside() -> None:
    found = curve("x", 0, 0.5, 0.7, 0.8)
    assert [found.at(labels) for labels in (19, 20, 39, 40, 60, 61)] == [
        None, 0.5, 0.5, 0.7, 0.8, None,
    ]  # fmt: skip


def test_the_area_under_a_curve() -> None:
    found = curve("x", 0, 0.5, 0.7, 0.8)
    assert found.area(20, 60) == pytest.approx((0.6 + 0.75) / 2)
    assert found.area(20, 40) == pytest.approx(0.6)
    # from 30 to 50: 0.6 to 0.7 to 0.75
    assert found.area(30, 50) == pytest.approx((0.65 + 0.725) / 2)
    assert found.area(20, 61) is None
    assert found.area(40, 40) is None
    stalled = curve("x", 0, 0.5, 0.7, 0.6, 0.8, labels=(20, 40, 40, 60))
    assert stalled.area(20, 60) == pytest.approx((0.55 + 0.7) / 2)
    assert stalled.at(40) == 0.6


def test_figures_by_hand(comparison: Comparison) -> None:
    x, random = comparison.arms
    assert (comparison.low, comparison.high) == (20, 60)
    assert x.area is not None
    assert x.area.values == pytest.approx((0.675, 0.725, 0.625))
    assert random.area is not None
    assert random.area.values == pytest.approx((0.6, 0.6, 0.55))
    assert x.accuracy[40].mean == pytest.approx(0.7)
    assert x.final is not None
    assert x.final.mean == pytest.approx(0.8)
    assert x.seconds is not None
    assert x.seconds.mean == pytest.approx(1.5)


def test_the_paired_comparison_by_hand(comparison: Comparison) -> None:
    x, random = comparison.arms
    assert random.difference is None
    assert x.difference is not None
    assert x.difference.seeds == (0, 1, 2)
    assert x.difference.area is not None
    # differences 0.075, 0.125, 0.075: mean 11/120, standard deviation 0.0288675
    assert x.difference.area.values == pytest.approx((0.075, 0.125, 0.075))
    assert x.difference.area.half == pytest.approx(T3 * 0.0288675 / 3**0.5, rel=1e-5)
    assert x.difference.final is not None
    assert x.difference.final.values == pytest.approx((0.1, 0.3, -0.1))


def test_labels_to_reach_count_what_was_not_reached(comparison: Comparison) -> None:
    x, random = comparison.arms
    assert x.reached[0.7].values == (40, 40, 40)
    assert x.reached[0.7].mean is not None
    assert x.reached[0.8].values == (60, 60, None)
    assert x.reached[0.8].mean is None
    assert x.reached[0.8].median == 60
    assert random.reached[0.7].values == (60, None, 60)
    assert random.reached[0.8].median is None
    assert random.reached[0.8].count == 1


def test_only_seeds_that_both_arms_have_are_paired() -> None:
    found = compare([*CURVES[:3], CURVES[3], curve("random", 9, 0, 0, 0)], (), {"x": "random"})
    against = found.arms[0].difference
    assert against is not None
    assert against.seeds == (0,)
    table = comparison_table("t", [], found)
    assert "+0.075 (an interval needs 2 seeds)" in table


def test_runs_of_other_lengths_are_compared_where_all_were_measured() -> None:
    short = curve("short", 0, 0.5, 0.6, labels=(30, 50))
    found = compare([*CURVES[:3], short])
    assert (found.low, found.high) == (30, 50)
    assert found.arms[0].area is not None
    assert found.arms[0].final is not None
    assert found.arms[0].final.values == (0.7, 0.7, 0.7)
    apart = compare([curve("x", 0, 0.5, 0.6), curve("y", 0, 0.5, 0.6, labels=(100, 120))])
    assert apart.arms[0].area is apart.arms[0].final is None


def test_default_targets_are_the_highest_that_are_reached() -> None:
    assert default_targets(CURVES) == (0.65, 0.7, 0.75, 0.8)
    assert default_targets([curve("x", 0, 0.12)]) == (0.05, 0.1)
    assert default_targets([curve("x", 0, 0.01)]) == ()


def test_curves_from_rows() -> None:
    def row(seed: int, number: int, choosing: float) -> Row:
        seconds = {"choosing": choosing, "training": 1.0, "scoring": 0.5, "evaluation": 9.0}
        timed: Row = {f"seconds.{name}": value for name, value in seconds.items()}
        return {"arm": "x", "seed": seed, "round": number, "labels": 20 * number + 20,
                "accuracy": 0.1 * number, **timed}  # fmt: skip

    first, second = learning_curves([row(0, 0, 50.0), row(0, 1, 2.0), row(3, 0, 50.0)])
    assert first == LearningCurve("x", 0, (20, 40), (0.0, 0.1), (3.5,))
    assert second == LearningCurve("x", 3, (20,), (0.0,), ())


def test_with_second_opinions_curves_are_over_answers() -> None:
    asked: list[Row] = [
        {"arm": "x", "seed": 0, "labels": 20, "annotations": 40 + 5 * number, "accuracy": 0.5,
         "second_opinions": number} for number in range(2)
    ]  # fmt: skip
    assert effort_of(asked[:1]) == "labels"
    assert effort_of(asked) == "annotations"
    curves = learning_curves(asked, effort=effort_of(asked))
    assert curves[0].labels == (40, 45)
    table = comparison_table("t", [], compare(curves), Terms(effort="annotations"))
    assert "## Accuracy by annotations" in table
    assert "## Annotations to reach an accuracy" in table


def test_the_tables(comparison: Comparison) -> None:
    table = comparison_table("A title", ["a note"], comparison)
    lines = [" ".join(line.split()) for line in table.splitlines()]
    assert lines[0] == "# A title"
    assert "| 40 | 0.700 ± 0.000 | 0.567 ± 0.143 |" in lines
    assert "| x | 3 | 0.675 ± 0.124 | 0.800 ± 0.248 | 1.50 ± 0.00 |" in lines
    assert "| 0.7 | 40 ± 0 | 2 of 3; median 60 |" in lines
    assert "| 0.8 | 2 of 3; median 60 | 1 of 3; median not reached |" in lines
    assert "| 0.95 | not reached in 60 | not reached in 60 |" in lines
    assert "| x | random | +0.092 [+0.020, +0.163] | +0.100 [-0.397, +0.597] | 3 |" in lines
    without = comparison_table("t", [], compare(CURVES, ()))
    assert "There is no arm with random sampling" in without


def test_a_table_of_hostile_names_stays_a_table() -> None:
    lines = aligned(["a|b", "c"], [["1", "2"], ["x", "long"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[0] == "| a\\|b |    c |"


@pytest.mark.parametrize(
    "curves",
    [
        pytest.param(CURVES, id="usual"),
        pytest.param(CURVES[:1], id="one run"),
        pytest.param([curve("$x_{", 0, 0.5)], id="one round"),
        pytest.param([curve(f"arm {n}", 0, 0.1, 0.05 * n) for n in range(14)], id="many arms"),
        pytest.param([LearningCurve("x", 0, (), (), ())], id="nothing measured"),
        pytest.param(
            [curve("x", 0, 0.1, 0.2), LearningCurve("y", 0, (20, 40), (0.1, 0.2), (500.0,))],
            id="slow and fast",
        ),
    ],
)
def test_every_comparison_gives_pictures(tmp_path: Path, curves: list[LearningCurve]) -> None:
    plot_curves(compare(curves), tmp_path / "curves.png", "title")
    plot_seconds(curves, tmp_path / "seconds.png", "title")
    for name in ("curves.png", "seconds.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_a_common_classifier_is_left_out_of_the_legend() -> None:
    assert short_names(["tfidf/auto", "tfidf/margin"]) == ["auto", "margin"]
    assert short_names(["tfidf/auto", "setfit/auto"]) == ["tfidf/auto", "setfit/auto"]
    assert short_names(["mine", "tfidf/auto"]) == ["mine", "tfidf/auto"]
