"""Owns ``loopd simulate``: every arm with every seed, answered by an oracle over gold labels.

Must not hold a step of the loop, and never needs Argilla.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from loopd import log
from loopd.backtest.arms import Arm, changed, crossed, read_arms
from loopd.backtest.experiment import Experiment, fingerprints, opened, settle
from loopd.backtest.forecast import Forecast, planned_rounds
from loopd.backtest.luck import refuse_untrained
from loopd.backtest.results import cores, write_results
from loopd.backtest.trial import Trial
from loopd.backtest.worker_pool import WORKER, Message, WorkItem, local_worker, run_tasks
from loopd.compute.processes import LineProcess
from loopd.compute.ray_processes import ClusterPlaces
from loopd.config import Config
from loopd.errors import ConfigError, DataError, RunError
from loopd.loop.daemon import report_data
from loopd.loop.data_sets import DataSets, read_data
from loopd.loop.stop import Stop, on_signals
from loopd.machine import Phase, State
from loopd.metrics_log.rows import Row, metric_of, number
from loopd.metrics_log.writer import rows
from loopd.oracle.rehearsal import refuse_argilla

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

WORKER_LOG = "workers.log"

STEP_SECONDS = ("choosing", "training", "scoring", "evaluation")


@dataclass(frozen=True, slots=True)
class BacktestOptions:
    """What ``loopd simulate`` was asked for.

    Attributes:
        seeds: a number of seeds (from 0), or a list with commas.
        strategies, classifiers: names with commas; ``None`` for the own one (and random sampling).
        models: encoders with commas; ``None`` for the own one.
        arms: file of arms, instead of the names.
        noise: share of wrong answers.
        rounds: rounds of each run; ``None``: as configured.
        jobs: runs at the same time; ``None``: one for each core.
        targets: accuracies with commas; ``None`` for sensible ones.
        metric: the measure that is compared; ``None`` for the task's own.
        own_first_batch: whether each arm chooses its own first batch.
        out: folder; ``None``: beside ``run.dir``.
        force: begin again in that folder.
    """

    seeds: str = "5"
    strategies: str | None = None
    classifiers: str | None = None
    models: str | None = None
    arms: Path | None = None
    noise: float = 0.0
    rounds: int | None = None
    jobs: int | None = None
    targets: str | None = None
    metric: str | None = None
    own_first_batch: bool = False
    out: Path | None = None
    force: bool = False


def run_backtest(
    config: Config,
    options: BacktestOptions,
    out: Callable[[str], None],
    tell: Callable[[Mapping[str, object]], None] = lambda _: None,
) -> int:
    """Run the backtest to its end, or until Ctrl-C; must be called from the main thread.

    Args:
        config: what the arms come from.
        options: what to do.
        out: takes the tables.
        tell: takes what is logged of each round, and of each run that is done.

    Returns:
        0, or 130 after Ctrl-C: started again it goes on.

    Raises:
        LoopdError: options, data or folder cannot be used, a run failed (the others' work is
            kept), or no run trained a model.
    """
    seeds, targets = seed_list(options.seeds), target_list(options.targets)
    base, arms = planned(config, options)
    data = read_checked(base)
    report_data(data)
    folder = (options.out or _beside(config.run.dir)).absolute()
    places = _places(base)
    jobs = _jobs(options, places)
    stop = Stop(second_kills=True)
    with on_signals(stop), opened(folder, force=options.force) as before:
        experiment = Experiment(
            folder=folder,
            config=base,
            arms=arms,
            seeds=seeds,
            noise=options.noise,
            shared_first_batch=not options.own_first_batch,
            threads=_share(base, jobs, places) if before is None else int(before["threads"]),
            fingerprints=fingerprints(data),
        )
        settle(experiment, before)
        Backtest(experiment, jobs, stop, tell, places).run()
        if stop.is_set():
            log.get("simulate").info("stopped", phase="simulate", hint="start again to go on")
            return INTERRUPTED
        runs = _finished(experiment)
        refuse_untrained(runs)
        sizes = len(data.pool), len(data.test or ())
        out(write_results(experiment, runs, targets, sizes, options.metric))
    return 0


def _finished(experiment: Experiment) -> list[tuple[Trial, State]]:
    """All runs with their states.

    Raises:
        RunError: one is not done.
    """
    runs = [(trial, trial.state()) for trial in experiment.trials()]
    unfinished = sum(state.phase is not Phase.DONE for _, state in runs)
    if unfinished:
        raise RunError(f"{unfinished} runs were ended from outside", "start again to go on")
    return runs


def _share(config: Config, jobs: int, places: ClusterPlaces | None) -> int:
    """Threads of each of so many processes; on a cluster as many as its places are counted by."""
    if places is not None:
        return config.classifier.threads or 1
    share = max(1, cores() // jobs)
    return min(config.classifier.threads or share, share)


def _jobs(options: BacktestOptions, places: ClusterPlaces | None) -> int:
    """Runs at the same time: no more on a cluster than have room there."""
    if places is None:
        return options.jobs or cores()
    return min(options.jobs or len(places.nodes), len(places.nodes))


def _places(config: Config) -> ClusterPlaces | None:
    """Where runs are done on a cluster; ``None``: on this machine.

    Raises:
        ConfigError: the cluster cannot be used, or has no CPU.
    """
    if config.compute.engine == "local":
        return None
    places = ClusterPlaces.of(config.compute.address, config.classifier.threads or 1)
    if not places.nodes:
        raise ConfigError("no machine of the Ray cluster has a CPU for a run")
    return places


def _beside(run_dir: Path) -> Path:
    return run_dir.with_name(f"{run_dir.name}-simulated")


def planned(config: Config, options: BacktestOptions) -> tuple[Config, tuple[Arm, ...]]:
    """The base configuration and the arms.

    Raises:
        ConfigError: an arm is no valid configuration, or nothing would end its runs.
    """
    if options.arms is not None and (options.strategies or options.classifiers or options.models):
        raise ConfigError("--arms says all", "leave out --strategies, --classifiers and --models")
    if options.rounds is not None:
        config = changed(config, {"stopping": {"max_rounds": options.rounds}})
    if options.arms is not None:
        arms = read_arms(config, options.arms)
    else:
        arms = crossed(
            config,
            _names(options.classifiers),
            _names(options.strategies),
            _names(options.models),
        )
    # `auto` follows people's pace: an oracle has none, and no clock may have a part in the batches.
    arms = tuple(
        replace(arm, config=changed(arm.config, {"queue": {"low_watermark": 0}}))
        if arm.config.queue.watermark is None
        else arm
        for arm in arms
    )
    for arm in arms:
        stopping = arm.config.stopping
        criteria = any(criterion.stop for criterion in stopping.criteria)
        if planned_rounds(arm.config) is None and not criteria and not stopping.target_accuracy:
            raise ConfigError(
                f"nothing ends a run of {arm.name} before its pool is labelled",
                "give --rounds, or stopping.max_rounds in the configuration",
            )
    return config, arms


def read_checked(config: Config) -> DataSets:
    """Pool and test set, both with labels.

    Raises:
        ConfigError: the configuration names no test set or no label column of the pool.
        DataError: the pool has no known label.
    """
    refuse_argilla(config)
    if config.test is None or config.test_ask:
        raise ConfigError("a backtest needs a `test` set from a file to measure the accuracy on")
    if config.pool.label is None:
        raise ConfigError("a backtest needs `pool.label`, the column with the right labels")
    data = read_data(config)
    unknown = sum(record.gold is None for record in data.pool)
    if unknown == len(data.pool):
        raise DataError(
            f"column `{config.pool.label}` of the pool holds none of the labels",
            f"the labels are {', '.join(config.task.labels[:6])}",
        )
    if unknown:
        log.get("simulate").warning("texts_without_label", count=unknown, of=len(data.pool))
    return data


class Backtest:
    """The runs that are still to do.

    Args:
        experiment: what is compared.
        jobs: runs at the same time.
        stop: the wish to end.
        tell: takes what is logged of each round.
        places: where the runs are done; ``None``: on this machine.
    """

    def __init__(
        self,
        experiment: Experiment,
        jobs: int,
        stop: Stop,
        tell: Callable[[Mapping[str, object]], None] = lambda _: None,
        places: ClusterPlaces | None = None,
    ) -> None:
        self._experiment, self._tell = experiment, tell
        self._places = places
        self._jobs = jobs
        self._stop = stop
        self._trials = experiment.trials()
        planned = {(trial.arm, trial.seed): planned_rounds(trial.config) for trial in self._trials}
        self._forecast = Forecast(jobs, planned)

    def run(self) -> None:
        """Do all runs that no earlier process finished, or those before a stop."""
        waiting = [trial for trial in self._trials if not self._known(trial, trial.state())]
        first = self._first_batches() if waiting else []
        tasks = [self._task(trial) for trial in waiting]
        if self._jobs > 1 and first:
            # One process with all threads: it also fills the caches that the runs share.
            self._do(first, 1, self._jobs_here * self._experiment.threads, None)
            first = []
        if tasks and not self._stop.is_set():
            self._do([*first, *tasks], self._jobs, self._experiment.threads, self._places)

    def _known(self, trial: Trial, state: State) -> bool:
        """Count what an earlier process did; returns whether the run is finished."""
        run = (trial.arm, trial.seed)
        for row in rows(state):
            self._forecast.add(run, _seconds(row))
        if state.phase is Phase.DONE:
            self._forecast.end(run)
        return state.phase is Phase.DONE

    def _first_batches(self) -> list[WorkItem]:
        missing = [
            replace(trial, config=_threads(trial.config, self._jobs_here))
            for trial in self._experiment.first_batches()
            if trial.first is not None and not trial.first.exists()
        ]
        message = {"kind": "first", "trials": [trial.to_json() for trial in missing]}
        return [WorkItem("the first batches", message, lambda _: None)] if missing else []

    @property
    def _jobs_here(self) -> int:
        """How many runs this machine would do at the same time."""
        return self._jobs if self._places is None else min(self._jobs, cores())

    def _do(
        self, tasks: Sequence[WorkItem], jobs: int, threads: int, places: ClusterPlaces | None
    ) -> None:
        log_file = self._experiment.folder / WORKER_LOG
        start: Callable[[], LineProcess] = partial(local_worker, threads, log_file)
        if places is not None:
            start = places.starter(WORKER, threads, log_file)
        run_tasks(tasks, jobs, log_file, self._stop, start)

    def _task(self, trial: Trial) -> WorkItem:
        return WorkItem(
            f"arm {trial.arm}, seed {trial.seed}",
            {"kind": "trial", "trials": [trial.to_json()]},
            lambda message: self._heard(trial, message),
        )

    def _heard(self, trial: Trial, message: Message) -> None:
        run = (trial.arm, trial.seed)
        logger = log.get("simulate").bind(arm=trial.arm, seed=trial.seed)
        if message["news"] == "round":
            row = message["row"]
            self._forecast.add(run, _seconds(row))
            fields = {
                "round": message["round"],
                "labels": row["labels"],
                **_measured(row),
                "done": self._forecast.done,
                "left": self._forecast.left,
            }
            logger.info("round_simulated", **fields)
            self._tell({"arm": trial.arm, "seed": trial.seed, **fields})
        elif message["news"] == "done":
            self._forecast.end(run)
            told = {"done": self._forecast.done, "left": self._forecast.left}
            logger.info("run_simulated", **told)
            self._tell(told)


def _measured(row: Row) -> dict[str, float]:
    metric = metric_of([row])
    return {metric: round(number(row, metric) or 0.0, 4)}


def _threads(config: Config, jobs: int) -> Config:
    """The configuration of a run that works alone, with the threads of all."""
    threads = (config.classifier.threads or 1) * jobs
    classifier = config.classifier.model_copy(update={"threads": threads})
    return config.model_copy(update={"classifier": classifier})


def _seconds(row: Row) -> float:
    """What a round took; its first batch was chosen before the runs began, or is no usual one."""
    steps = STEP_SECONDS if number(row, "round") else STEP_SECONDS[1:]
    return sum(number(row, f"seconds.{name}") or 0.0 for name in steps)


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def seed_list(text: str) -> tuple[int, ...]:
    """``5`` is 0 to 4; with a comma it is a list: ``1,2,7``, or ``7,`` for one seed.

    Raises:
        ConfigError: it is neither.
    """
    parts = _names(text)
    if not parts or not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise ConfigError(f"--seeds {text!r} is neither a number nor a list", "such as 5 or 1,2,7")
    values = tuple(dict.fromkeys(int(part) for part in parts))
    if "," in text:
        return values
    if not 1 <= values[0] <= 1000:
        raise ConfigError(f"--seeds {text} is not between 1 and 1000", "one seed alone is `7,`")
    return tuple(range(values[0]))


def target_list(text: str | None) -> tuple[float, ...] | None:
    """Accuracies with commas; ``None`` without any.

    Raises:
        ConfigError: one is no number between 0 and 1.
    """
    try:
        values = tuple(float(part) for part in _names(text))
    except ValueError:
        values = (2.0,)
    if any(not 0 < value <= 1 for value in values):
        raise ConfigError(f"--targets {text!r} are not accuracies", "such as .8,.9")
    return values or None
