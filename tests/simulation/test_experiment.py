"""What is compared: arms, seeds, targets, forecasts, and folders of other experiments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from loopd.backtest.arms import crossed, read_arms
from loopd.backtest.backtest import (
    BacktestOptions,
    planned,
    read_checked,
    seed_list,
    target_list,
)
from loopd.backtest.experiment import Experiment, opened, settle
from loopd.backtest.forecast import Forecast, duration, planned_rounds
from loopd.backtest.results import baselines
from loopd.config import Config
from loopd.errors import ConfigError, DataError, LockedError, RunError
from tests.simulation.sets import small_set

BENCHMARKS = sorted((Path(__file__).parents[2] / "benchmarks").glob("arms_*.yaml"))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return small_set(
        tmp_path_factory.mktemp("set"),
        classifier={"options": {"c": 3.0}},
        strategy={"name": "subsampling", "options": {"subsample_size": 50}},
    )


def arms_file(folder: Path, text: str) -> Path:
    path = folder / "arms.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_arms_are_the_own_strategy_and_random(config: Config) -> None:
    own, random = crossed(config, (), ())
    assert (own.name, random.name) == ("tfidf/subsampling", "tfidf/random_sampling")
    assert own.config.strategy.options == {"subsample_size": 50}
    assert random.config.strategy.options == {}
    assert random.config.classifier.options == {"c": 3.0}


def test_every_classifier_with_every_strategy(config: Config) -> None:
    arms = crossed(config, ("tfidf", "transformer"), ("random_sampling", "margin"))
    assert len(arms) == 4
    assert arms[2].config.classifier.options == {}
    assert baselines(arms) == {
        "tfidf/margin": "tfidf/random_sampling",
        "transformer/margin": "transformer/random_sampling",
    }


def test_every_encoder_with_all_of_them(config: Config, tmp_path: Path) -> None:
    models = ("org/small", str(tmp_path / "large"))
    arms = crossed(config, ("transformer",), ("random_sampling", "margin"), models)
    assert [arm.name for arm in arms] == [
        "small/transformer/random_sampling",
        "small/transformer/margin",
        "large/transformer/random_sampling",
        "large/transformer/margin",
    ]
    assert [arm.config.classifier.model for arm in arms[1:3]] == list(models)
    assert len({arm.digest for arm in arms}) == 4
    assert baselines(arms) == {
        "small/transformer/margin": "small/transformer/random_sampling",
        "large/transformer/margin": "large/transformer/random_sampling",
    }
    alike = crossed(config, ("transformer",), ("margin",), ("a/small", "b/small"))
    assert [arm.name for arm in alike] == [
        "a/small/transformer/margin",
        "b/small/transformer/margin",
    ]


def test_arms_from_a_file(config: Config, tmp_path: Path) -> None:
    path = arms_file(
        tmp_path,
        "- {name: weak, classifier: {options: {c: 0.1}}}\n"
        "- {name: wide, strategy: {name: margin}, queue: {batch_size: 24}}\n"
        "- {name: plain, strategy: {name: random_sampling}}\n",
    )
    weak, wide, plain = read_arms(config, path)
    assert weak.config.classifier.options == {"c": 0.1}
    assert weak.config.strategy == config.strategy
    assert (wide.config.queue.batch_size, wide.config.strategy.options) == (24, {})
    assert baselines((weak, wide, plain)) == {}
    assert weak.config.folder == config.folder


def test_options_of_another_cold_start_begin_empty(tmp_path: Path) -> None:
    strategy = {"cold_start": "class_coverage", "cold_start_options": {"template": "{}"}}
    own = small_set(tmp_path / "set", strategy=strategy)
    text = "- {name: same}\n- {name: other, strategy: {cold_start: typiclust}}"
    same, other = read_arms(own, arms_file(tmp_path, text))
    assert same.config.strategy.cold_start_options == {"template": "{}"}
    assert other.config.strategy.cold_start_options == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not YAML"),
        ("name: x", "not a list"),
        ("[]", "not a list"),
        ("- {strategy: {name: margin}}", "no `name`"),
        ("- {name: x, pool: {path: y}}", "cannot change `pool`"),
        ("- {name: x, strategy: margin}", "cannot change `strategy`"),
        ("- {name: x, strategy: {nmae: margin}}", "arm 'x': .*nmae.*did you mean `name`"),
        ("- {name: x}\n- {name: x}", "called alike"),
        ("- {name: a/b}\n- {name: a b}", "called alike"),
        ("- {name: ..}", "no name"),
    ],
)
def test_wrong_arms_are_explained(config: Config, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_arms(config, arms_file(tmp_path, text))


def test_a_file_of_arms_and_names_together(config: Config, tmp_path: Path) -> None:
    options = BacktestOptions(arms=arms_file(tmp_path, "- {name: x}"), strategies="margin")
    with pytest.raises(ConfigError, match="--arms"):
        planned(config, options)


def test_seeds_and_targets() -> None:
    assert seed_list("3") == (0, 1, 2)
    assert seed_list("1, 2,7,2") == (1, 2, 7)
    assert seed_list("7,") == (7,)
    assert target_list("") is None
    assert target_list(".8, .9") == (0.8, 0.9)
    for text in ("", "x", "1,x", "-1", "0", "1001", "1.5"):
        with pytest.raises(ConfigError, match="--seeds"):
            seed_list(text)
    for text in ("x", "80", "0", "-.5,.5"):
        with pytest.raises(ConfigError, match="--targets"):
            target_list(text)


def test_something_must_end_a_run(tmp_path: Path) -> None:
    endless = small_set(tmp_path, stopping={"max_rounds": None})
    with pytest.raises(ConfigError, match="nothing ends"):
        planned(endless, BacktestOptions())
    _, arms = planned(endless, BacktestOptions(rounds=4))
    assert {arm.config.stopping.max_rounds for arm in arms} == {4}


def test_labels_are_needed(tmp_path: Path) -> None:
    config = small_set(tmp_path)
    with pytest.raises(ConfigError, match="`test`"):
        read_checked(config.model_copy(update={"test": None}))
    bare = config.pool.model_copy(update={"label": None})
    with pytest.raises(ConfigError, match=r"pool\.label"):
        read_checked(config.model_copy(update={"pool": bare}))
    wrong = config.pool.model_copy(update={"label": "text"})
    with pytest.raises(
        DataError, match=r"labels cannot be used, more than 5 %: line 2: unknown label"
    ):
        read_checked(config.model_copy(update={"pool": wrong}))


# -- folders ---------------------------------------------------------------------------------------


def made(config: Config, folder: Path) -> Experiment:
    return Experiment(folder, config, crossed(config, (), ()), (0,), 0.0, True, 1, ("a", "b"))


def begin(experiment: Experiment, *, force: bool = False) -> None:
    with opened(experiment.folder, force=force) as before:
        settle(experiment, before)


def test_what_opens_argilla_is_not_sent_to_whoever_does_a_run(
    config: Config, tmp_path: Path
) -> None:
    walled = config.argilla.model_copy(update={"headers": {"X-Gate": "secret"}})
    trials = made(config.model_copy(update={"argilla": walled}), tmp_path / "out").trials()
    assert trials
    assert not any("secret" in str(trial.to_json()) for trial in trials)


def test_another_experiment_is_refused(config: Config, tmp_path: Path) -> None:
    first = made(config, tmp_path / "out")
    begin(first)
    begin(first)
    stopping = config.stopping.model_copy(update={"max_rounds": 9})
    other = config.model_copy(update={"stopping": stopping})
    for changed, name in (
        (replace(first, fingerprints=("c", "b")), "the pool"),
        (replace(first, fingerprints=("a", "c")), "the test set"),
        (replace(first, noise=0.1), "the noise"),
        (replace(first, shared_first_batch=False), "--own-first-batch"),
        (made(other, first.folder), "the configuration, arm tfidf/subsampling"),
    ):
        with pytest.raises(RunError, match=f"another experiment: {name}") as caught:
            begin(changed)
        assert "--force" in caught.value.hint
        assert caught.value.exit_code == 13


def test_arms_and_seeds_may_be_added(config: Config, tmp_path: Path) -> None:
    first = made(config, tmp_path / "out")
    begin(first)
    more = crossed(config, (), ("margin",))
    begin(replace(first, arms=more, seeds=(0, 1)))
    begin(first)
    changed = replace(more[0], config=first.arms[1].config)
    with pytest.raises(RunError, match="arm tfidf/margin changed"):
        begin(replace(first, arms=(changed,)))


def test_force_begins_again_but_only_in_a_folder_of_ours(config: Config, tmp_path: Path) -> None:
    first = made(config, tmp_path / "out")
    begin(first)
    (first.folder / "runs" / "x").mkdir(parents=True)
    begin(replace(first, noise=0.1), force=True)
    assert not (first.folder / "runs").exists()
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="no backtest made it"):
        begin(made(config, foreign), force=True)
    assert (foreign / "thesis.tex").exists()
    with pytest.raises(ConfigError, match="not a folder"):
        begin(made(config, foreign / "thesis.tex"))


def test_two_backtests_in_one_folder(config: Config, tmp_path: Path) -> None:
    with opened(tmp_path, force=False), pytest.raises(LockedError):
        begin(made(config, tmp_path))


# -- forecasts -------------------------------------------------------------------------------------


def test_planned_rounds(tmp_path: Path) -> None:
    def rounds(**stopping: object) -> int | None:
        return planned_rounds(small_set(tmp_path, stopping={"max_rounds": None, **stopping}))

    assert rounds() is None
    assert rounds(label_budget=12) == 1
    assert rounds(label_budget=13) == 2
    assert rounds(label_budget=120, max_rounds=3) == 3


def test_time_left_follows_the_rounds_of_each_arm() -> None:
    forecast = Forecast(2, {("slow", 0): 3, ("fast", 0): 3, ("new", 0): 2})
    assert (forecast.done, forecast.left) == ("0/8", "?")
    forecast.add(("slow", 0), 100.0)
    forecast.add(("fast", 0), 10.0)
    # 2 x 100 s, 2 x 10 s and 2 x 55 s in two processes
    assert (forecast.done, forecast.left) == ("2/8", "3 min")
    forecast.end(("slow", 0))
    assert (forecast.done, forecast.left) == ("2/6", "65 s")
    assert Forecast(1, {("x", 0): None}).left == "?"
    assert [duration(each) for each in (5, 600, 9000)] == ["5 s", "10 min", "2.5 h"]


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_the_arms_of_the_benchmarks_are_valid(config: Config, path: Path) -> None:
    labels = {
        label
        for arm in yaml.safe_load(path.read_text(encoding="utf-8"))
        for label in arm.get("task", {}).get("descriptions", {})
    }
    if labels:
        task = config.task.model_copy(update={"labels": tuple(sorted(labels))})
        config = config.model_copy(update={"task": task})
    assert read_arms(config, path)


def test_a_watermark_of_an_arm_is_kept_and_auto_means_whole_batches(
    config: Config, tmp_path: Path
) -> None:
    text = "- {name: usual}\n- {name: early, queue: {low_watermark: 4}}"
    _, arms = planned(config, BacktestOptions(arms=arms_file(tmp_path, text), rounds=2))
    assert [arm.config.queue.low_watermark for arm in arms] == [0, 4]
