"""What a backtest says about seeds that are alike, and about runs that trained nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loopd.backtest.luck import notes, refuse_untrained
from loopd.backtest.trial import Trial
from loopd.config import Config
from loopd.errors import RunError
from loopd.events import RunStopped
from loopd.machine import State
from loopd.records import Batch, BatchItem, PoolId
from tests.simulation.sets import small_set


def trial(config: Config, arm: str, seed: int) -> Trial:
    return Trial(
        arm=arm, seed=seed, config=config, noise=0.0, cache=Path(), first=None, pool="", test=""
    )


def state(*batches: Sequence[int], trained: bool = True) -> State:
    """A run that is over, with these texts by batch."""
    planned = tuple(
        Batch(
            f"b{number}", number, "", None, tuple(BatchItem(PoolId(f"t{text}")) for text in texts)
        )
        for number, texts in enumerate(batches)
    )
    evaluated: Any = {0: object()} if trained else {}
    return replace(State(), batches=planned, evaluated=evaluated, stopped=RunStopped(0.0, "budget"))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return small_set(tmp_path)


def test_seeds_that_share_one_first_batch_are_named(config: Config) -> None:
    runs = [
        (trial(config, arm, seed), state([1, 2], [10 * seed + number, 9]))
        for seed in (0, 1)
        for number, arm in enumerate(("a", "b"), start=3)
    ]
    said = list(notes(runs))
    assert len(said) == 1
    assert said[0].startswith("all 2 seeds begin with the same batch")
    assert "random_sampling" in said[0]


def test_an_arm_whose_seeds_are_one_run_is_named(config: Config) -> None:
    runs = [
        *((trial(config, "fixed", seed), state([1, 2], [3, 4])) for seed in (0, 1)),
        *((trial(config, "drawn", seed), state([1, 2], [seed, 5])) for seed in (0, 1)),
    ]
    said = list(notes(runs))
    assert [note.partition(":")[0] for note in said][1:] == ["fixed"]


def test_first_batches_that_arms_choose_for_themselves_are_compared_within_each(
    config: Config,
) -> None:
    own: dict[str, Callable[[int], list[int]]] = {
        "a": lambda _: [1, 2],
        "b": lambda _: [3, 4],
        "drawn": lambda seed: [seed, 5],
    }
    runs = {
        arm: [(trial(config, arm, seed), state(first(seed), [10 + seed, 9])) for seed in (0, 1)]
        for arm, first in own.items()
    }
    (both,) = notes([*runs["a"], *runs["b"]])
    assert both.startswith("all 2 seeds begin with the same batch")
    (some,) = notes([*runs["a"], *runs["b"], *runs["drawn"]])
    assert some.startswith("a, b: all 2 seeds begin with the same batch")
    assert list(notes(runs["drawn"])) == []


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_nothing_is_said_where_there_is_luck_or_one_seed(
    config: Config, seeds: tuple[int, ...]
) -> None:
    runs = [(trial(config, "a", seed), state([seed, 2], [3, 4])) for seed in seeds]
    assert list(notes(runs)) == []
    refuse_untrained(runs)


def test_a_run_without_a_model_is_named(config: Config) -> None:
    runs = [
        (trial(config, "a", 0), state([1, 2], [3, 4])),
        (trial(config, "a", 1), state([2, 1], trained=False)),
    ]
    assert [note for note in notes(runs) if note.startswith("a, seed 1 trained nothing: ")]
    refuse_untrained(runs)


def test_no_run_with_a_model_is_an_error(config: Config) -> None:
    runs = [(trial(config, "a", seed), state([seed], trained=False)) for seed in (0, 1)]
    with pytest.raises(RunError, match="no run trained a model: ") as caught:
        refuse_untrained(runs)
    assert "two kinds" in str(caught.value.hint)
