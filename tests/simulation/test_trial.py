"""One run of a backtest: the oracle, the shared first batch, going on after a stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loopd.annotation.consensus import targets
from loopd.backtest.arms import crossed
from loopd.backtest.experiment import Experiment, fingerprints
from loopd.backtest.luck import batches_digest
from loopd.backtest.results import run_rows
from loopd.backtest.trial import Trial, read_first_batch, run_trial, write_first_batches
from loopd.config import Config
from loopd.demo import sample_data
from loopd.errors import JournalError, RunError
from loopd.loop.data_sets import read_data
from loopd.loop.stop import Stop
from loopd.machine import Phase, State
from loopd.metrics_log.writer import TIMED
from tests.simulation.sets import small_set

STRATEGIES = ("breaking_ties", "random_sampling")


def experiment(config: Config, folder: Path, noise: float = 0.0) -> Experiment:
    return Experiment(
        folder=folder,
        config=config,
        arms=crossed(config, (), STRATEGIES),
        seeds=(0, 1),
        noise=noise,
        shared_first_batch=True,
        threads=1,
        fingerprints=fingerprints(read_data(config)),
    )


def run(trial: Trial, config: Config, rounds: int | None = None) -> State:
    """Run a trial, or so many rounds of it."""
    stop = Stop()
    told: list[int] = []

    def tell(event: object, state: State) -> None:
        told.append(state.round)
        if len(told) == rounds:
            stop.set()

    return run_trial(trial, read_data(config), stop, tell)


def prepared(config: Config, folder: Path, noise: float = 0.0) -> list[Trial]:
    """The runs of an experiment whose first batches are chosen: two arms of seed 0, two of 1."""
    made = experiment(config, folder, noise)
    write_first_batches(made.first_batches(), read_data(config), Stop(), lambda seed: None)
    return made.trials()


def measured(trial: Trial, state: State) -> list[dict[str, object]]:
    """The rows of a run without its seconds."""
    return [
        {key: value for key, value in row.items() if not key.startswith(TIMED)}
        for row in run_rows(trial, state)
    ]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return small_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Each batch is made while five records of the one before are open."""
    queue = {"low_watermark": 5, "poll_interval": 0.01}
    return small_set(tmp_path_factory.mktemp("early"), queue=queue)


@pytest.mark.slow
def test_arms_of_one_seed_share_the_first_batch(config: Config, tmp_path: Path) -> None:
    trials = prepared(config, tmp_path)
    states = [run(trial, config) for trial in trials]
    assert [state.phase for state in states] == [Phase.DONE] * 4
    first = [state.batches[0].record_ids for state in states]
    assert first[0] == first[1]
    assert first[2] == first[3]
    assert states[1].batches[1].record_ids != states[3].batches[1].record_ids
    assert states[0].batches[1].record_ids != states[1].batches[1].record_ids
    assert [batch.strategy for batch in states[1].batches[1:]] == ["random_sampling"] * 4


@pytest.mark.parametrize("rounds", [1, 2, None])
def test_described_labels_are_measured_before_the_first_batch_is_answered(
    tmp_path: Path, rounds: int | None
) -> None:
    """Also where a run is stopped behind that, and goes on."""
    words = {label: [f"a question about {label}"] for label in sample_data.LABELS}
    limits = {"max_rounds": 2, "stop_set_size": 50}
    config = small_set(tmp_path / "set", task={"descriptions": words}, stopping=limits)
    first, second, *_ = prepared(config, tmp_path)
    if rounds is not None:
        run(first, config, rounds)
    states = [run(trial, config) for trial in (first, second)]
    for trial, state in zip((first, second), states, strict=True):
        assert [row["labels"] for row in run_rows(trial, state)] == [0, 12, 24]
        assert state.rounds_measured == 2
        assert state.batches[0] == read_first_batch(trial.first or tmp_path).batch
    assert states[0].evaluated[-1].metrics == states[1].evaluated[-1].metrics


def test_everybody_answers_right_without_noise(config: Config, tmp_path: Path) -> None:
    state = run(prepared(config, tmp_path)[0], config)
    pool = read_data(config).pool
    assert len(targets(state)) == 60
    assert all(pool[id_].gold == label for id_, label in targets(state).items())


def test_the_noise_is_realised_and_the_same_for_all_arms(config: Config, tmp_path: Path) -> None:
    pool = read_data(config).pool
    wrong: dict[tuple[str, int], dict[str, bool]] = {}
    for trial in prepared(config, tmp_path, noise=0.3):
        state = run(trial, config)
        wrong[trial.arm, trial.seed] = {
            id_: pool[id_].gold != label for id_, label in targets(state).items()
        }
    every = [each for run_ in wrong.values() for each in run_.values()]
    assert 0.2 < sum(every) / len(every) < 0.4  # 240 answers: 3.4 standard errors
    first, second, other, _ = wrong.values()
    both = first.keys() & second.keys()
    assert [first[id_] for id_ in both] == [second[id_] for id_ in both]
    both = first.keys() & other.keys()
    assert [first[id_] for id_ in both] != [other[id_] for id_ in both]


@pytest.mark.parametrize("rounds", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("answered", ["config", "early"])
def test_a_stopped_run_goes_on_as_if_nothing_was(
    request: pytest.FixtureRequest, tmp_path: Path, rounds: int, answered: str
) -> None:
    config = request.getfixturevalue(answered)
    through = prepared(config, tmp_path / "through")[0]
    stopped = prepared(config, tmp_path / "stopped")[0]
    whole = run(through, config)
    part = run(stopped, config, rounds)
    assert part.phase is not Phase.DONE
    assert len(part.evaluated) == rounds
    late = run(stopped, config)
    assert batches_digest(late) == batches_digest(whole)
    assert measured(stopped, late) == measured(through, whole)
    assert late.answers == whole.answers


def test_with_a_watermark_a_batch_is_chosen_before_the_one_before_is_answered(
    early: Config, tmp_path: Path
) -> None:
    state = run(prepared(early, tmp_path)[0], early)
    ends = [state.collected[round_] for round_ in range(5)]
    assert [(end.reason, end.open_records) for end in ends] == [("watermark", 5)] * 4 + [
        ("complete", 0)
    ]
    assert [state.trained[round_].labels for round_ in range(5)] == [7, 19, 31, 43, 60]
    assert len(targets(state)) == 60


def test_two_answers_for_each_record(tmp_path: Path) -> None:
    config = small_set(tmp_path / "set", queue={"min_submitted": 2}, stopping={"max_rounds": 2})
    state = run(prepared(config, tmp_path / "out")[0], config)
    assert state.phase is Phase.DONE
    assert len(state.answers) == 48


def test_a_record_without_a_known_label_is_discarded(tmp_path: Path) -> None:
    config = small_set(tmp_path / "set", unlabelled=120)
    state = run(prepared(config, tmp_path / "out")[0], config)
    assert state.phase is Phase.DONE
    discarded = max(event.discarded for event in state.trained.values())
    assert 0 < discarded == 60 - len(targets(state))


def test_a_trial_as_json_is_the_same_trial(config: Config, tmp_path: Path) -> None:
    for trial in experiment(config, tmp_path).trials():
        again = Trial.from_json(trial.to_json())
        assert again == trial
        assert again.config.folder == config.folder


def test_changed_data_is_refused(config: Config, tmp_path: Path) -> None:
    trial = replace(experiment(config, tmp_path).trials()[0], pool="another")
    with pytest.raises(RunError, match="pool"):
        run(trial, config)


def test_a_damaged_first_batch(tmp_path: Path) -> None:
    for content in ("", "{}", '["RunStopped", "{\\"at\\": 0, \\"reason\\": \\"x\\"}"]'):
        path = tmp_path / "first.json"
        path.write_text(content)
        with pytest.raises(JournalError, match="first batch"):
            read_first_batch(path)


def test_models_are_not_kept_and_encodings_shared(config: Config, tmp_path: Path) -> None:
    trial = prepared(config, tmp_path)[0]
    run(trial, config)
    assert list((trial.folder / "cache" / "models").glob("*")) == []
    shared = trial.folder / "cache" / "tokens"
    assert shared.is_symlink()
    assert shared.resolve() == (tmp_path / "cache" / "tokens").resolve()
