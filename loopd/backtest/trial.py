"""Owns one run of a backtest: one arm, one seed, its own folder and journal.

Must not hold a step or a decision of the loop: those are the live daemon's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopd.backtest.oracle_store import OracleStore
from loopd.config import ACTIVELAB, Config
from loopd.config_file import parse_config
from loopd.errors import Interrupted, JournalError, LockedError, RunError
from loopd.events import (
    AnswersCollected,
    BatchPlanned,
    Event,
    ModelTrained,
    RoundEvaluated,
    RunStopped,
)
from loopd.loop.audit_draws import draw_order
from loopd.loop.audit_in_force import in_force
from loopd.loop.data_sets import DataSets
from loopd.loop.run import Loop
from loopd.loop.start_or_resume import begin, is_fresh, same_run
from loopd.loop.steps import STEPS, begins_with_model
from loopd.loop.stop import Stop
from loopd.loop.tools import Tools, build_tools
from loopd.loop.tuning import in_use
from loopd.loop.warm_start import imported
from loopd.machine import Phase, State, apply, fold
from loopd.metrics_log import writer as metrics_log
from loopd.oracle.behaviour import OracleOptions
from loopd.storage.codec import decode, encode
from loopd.storage.files import storage_error, write_atomic
from loopd.storage.journal import Journal
from loopd.storage.lock import run_lock
from loopd.storage.newer import refuse_newer
from loopd.storage.recorded_run import read_journal
from loopd.storage.run_folder import CACHE_FOLDER, FEATURES_FOLDER, JOURNAL_NAME, TOKENS_FOLDER
from loopd.tasks.registry import build_task

SHARED_CACHES = (TOKENS_FOLDER, FEATURES_FOLDER)
"""Parts of a run's cache that depend on texts and encoder alone: all runs share them. Trained
models stay with each run, so that no run is spared the training that its seconds report."""

LOCK_PATIENCE, LOCK_PAUSE = 30.0, 0.2
"""Seconds in which a worker of a killed backtest notices that it is alone, and ends."""

Tell = Callable[[RoundEvaluated, State], None]
"""Called after each finished round."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of a backtest.

    Attributes:
        arm: name of the arm.
        seed: of the run, of the first batch and of the oracle's errors.
        config: the arm's configuration with the run's folder and seed.
        noise: share of wrong answers.
        cache: folder of what all runs share.
        first: file of the first batch, ``None`` where each arm chooses its own.
        pool, test: fingerprints of the data that the experiment began with.
    """

    arm: str
    seed: int
    config: Config
    noise: float
    cache: Path
    first: Path | None
    pool: str
    test: str

    def to_json(self) -> dict[str, Any]:
        """The trial as plain JSON values."""
        return {
            "arm": self.arm,
            "seed": self.seed,
            "config": self.config.model_dump(mode="json"),
            "folder": str(self.config.folder),
            "noise": self.noise,
            "cache": str(self.cache),
            "first": self.first and str(self.first),
            "pool": self.pool,
            "test": self.test,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Trial:
        """What ``to_json`` wrote."""
        plain = {key: fields[key] for key in ("arm", "seed", "noise", "pool", "test")}
        return cls(
            **plain,
            config=parse_config(fields["config"], Path(fields["folder"])),
            cache=Path(fields["cache"]),
            first=None if fields["first"] is None else Path(fields["first"]),
        )

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.config.run.dir

    def state(self) -> State:
        """What the run's journal says; the empty state where there is none yet."""
        path = self.folder / JOURNAL_NAME
        if not path.exists():
            return State()
        return read_journal(path).state


def run_trial(trial: Trial, data: DataSets, stop: Stop, tell: Tell) -> State:
    """Run a trial to its end, or until a stop is asked for; goes on where it was.

    Raises:
        LoopdError: as the live daemon does; the journal is intact.
    """
    _same_data(trial, data)
    refuse_newer(trial.folder / JOURNAL_NAME)
    with ExitStack() as stack:
        stack.enter_context(_patient_lock(trial.folder, stop))
        if stop.is_set():
            return trial.state()
        journal = stack.enter_context(Journal(trial.folder / JOURNAL_NAME))
        state = fold(journal.read())
        share_caches(trial.folder / CACHE_FOLDER, trial.cache)
        tools = _tools(trial, data, stop, state)
        loop = Loop(tools, stop, lambda event, after: _write(event, after, journal, tools, tell))
        return loop.run(_begun(loop, state, trial.first))


def _begun(loop: Loop, state: State, first: Path | None) -> State:
    """The state once the run is started, and the shared first batch planned."""
    same_run(state, loop.tools)
    dataset_id = loop.tools.store.open(loop.tools.data.pool, fresh=is_fresh(state))
    event = begin(state, loop.tools, dataset_id)
    if event is not None:
        state = loop.record(state, event)
    if state.phase is Phase.SEED and first is not None:
        tools = loop.tools
        news = imported(state, tools.data.pool, tools.task, tools.clock.wall())
        if news is not None:
            state = loop.record(state, news)
    return state if first is None else _first_planned(loop, state, first)


def _first_planned(loop: Loop, state: State, first: Path) -> State:
    """The state once the shared first batch is planned, behind a model of descriptions if any."""
    try:
        while not state.batches and _comes_before(state, loop.tools):
            event = STEPS[state.phase](state, loop.tools)
            if event is None:
                break
            state = loop.record(state, event)
    except Interrupted:
        return state
    is_due = not state.batches and state.phase in (Phase.SEED, Phase.DECIDE)
    return loop.record(state, read_first_batch(first)) if is_due else state


def _comes_before(state: State, tools: Tools) -> bool:
    """Whether something is to be done before the first batch is planned."""
    if state.phase is Phase.SEED:
        return begins_with_model(state, tools)
    return state.phase in (Phase.TRAIN, Phase.EVALUATE)


def _tools(trial: Trial, data: DataSets, stop: Stop, state: State) -> Tools:
    config = in_force(trial.config, state)
    needed = config.queue.min_submitted
    # Second opinions need somebody who has not answered the text yet.
    most = config.relabel.max_annotations if config.strategy.name == ACTIVELAB else needed
    people = OracleOptions(people=max(needed, most), error_rate=trial.noise, seed=trial.seed)
    published = [batch for batch in state.batches if batch.round in state.published]
    held = config.queue.watermark or 0
    store = OracleStore(build_task(config.task), people, published, needed=needed, held=held)
    return build_tools(config, data, stop, store=store, order=draw_order(state))


def _write(event: Event, state: State, journal: Journal, tools: Tools, tell: Tell) -> None:
    journal.append(event)
    if isinstance(event, RoundEvaluated):
        metrics_log.add_last(state, tools.config.run.dir)
        tools.learner.keep(in_use(state, 1))
        tell(event, state)
    if isinstance(event, RunStopped):
        tools.learner.keep([])


def _same_data(trial: Trial, data: DataSets) -> None:
    test = data.test.fingerprint if data.test is not None else ""
    if (data.pool.fingerprint, test) != (trial.pool, trial.test):
        raise RunError(
            "the pool or the test set changed while the backtest ran",
            "restore the files, or begin again with --force",
        )


@contextmanager
def _patient_lock(folder: Path, stop: Stop) -> Iterator[None]:
    """The run's lock; a worker that a killed backtest left behind has a moment to end."""
    waited = 0.0
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(run_lock(folder))
                break
            except LockedError:
                waited += LOCK_PAUSE
                if waited > LOCK_PATIENCE:
                    raise
            if stop.wait(LOCK_PAUSE):
                break
        yield


def share_caches(own: Path, shared: Path) -> None:
    """Put links to the shared caches into a run's own cache folder."""
    try:
        own.mkdir(parents=True, exist_ok=True)
        for name in SHARED_CACHES:
            (shared / name).mkdir(parents=True, exist_ok=True)
            link = own / name
            if not link.exists():
                link.symlink_to((shared / name).absolute(), target_is_directory=True)
    except OSError as error:
        raise storage_error(own, error) from error


# -- the first batch that all arms of a seed share -------------------------------------------------


def write_first_batches(
    trials: Sequence[Trial], data: DataSets, stop: Stop, tell: Callable[[int], None]
) -> None:
    """Choose the first batch of each trial by the loop's own step, and write it to its file.

    Args:
        trials: one for each seed, with the configuration's own classifier.
        data: pool and test set.
        stop: the wish to end.
        tell: called with each seed that is done.
    """
    for trial in trials:
        if trial.first is None or trial.first.exists() or stop.is_set():
            continue
        share_caches(trial.folder / CACHE_FOLDER, trial.cache)
        event = _first_batch(_tools(trial, data, stop, State()))
        if not isinstance(event, BatchPlanned):
            raise RunError("there is no first batch")
        write_atomic(trial.first, json.dumps(encode(event), ensure_ascii=False))
        tell(trial.seed)


def _first_batch(tools: Tools) -> Event | None:
    state = State(phase=Phase.SEED)
    tools.store.open(tools.data.pool, fresh=True)  # the step looks for answers that are there
    event = STEPS[state.phase](state, tools)
    # Answers came with the pool, or labels are described.
    while isinstance(event, (AnswersCollected, ModelTrained, RoundEvaluated)):
        state = apply(state, event)
        event = STEPS[state.phase](state, tools)
    return event


def read_first_batch(path: Path) -> BatchPlanned:
    """The first batch that all arms of a seed begin with.

    Raises:
        JournalError: the file is missing or damaged.
    """
    try:
        event = decode(*json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise JournalError(f"cannot read the first batch {path}: {error}", _AGAIN) from None
    if not isinstance(event, BatchPlanned):
        raise JournalError(f"{path} holds no first batch", _AGAIN)
    return event


_AGAIN = "begin the backtest again with --force"
