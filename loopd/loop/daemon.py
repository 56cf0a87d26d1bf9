"""Owns the daemon process: lock, journal, signals, and what is written beside the journal.

A run that was killed is resumed like this: the journal is read and folded into a state
(``machine.fold``), ``start_or_resume`` compares it with configuration and data, and ``run.Loop``
does the step that the state asks for. Each step may be repeated (``steps``), so that it does not
matter how far the last process came. Must not contain a step or a decision of the loop.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from loopd import log
from loopd.annotation.argilla_store import annotation_page
from loopd.annotation.http import ArgillaHttp
from loopd.annotation.http_client import front_of
from loopd.annotation.http_errors import GRACE, NEW_GRACE, soon_contact
from loopd.annotation.server_version import ServerVersion
from loopd.annotation.webhooks import WebhookEndpoint, registered
from loopd.compute import ray_engine
from loopd.config import Config
from loopd.credentials import api_key
from loopd.errors import Interrupted
from loopd.events import BatchPublished, Event, RoundEvaluated, RunStopped
from loopd.learning.classifiers.contract import silent
from loopd.learning.learner import Learner
from loopd.loop.argilla_pool import PoolNow, keep
from loopd.loop.audit_draws import draw_order
from loopd.loop.audit_in_force import in_force
from loopd.loop.data_sets import DataSets, look_at_data, read_data, with_news
from loopd.loop.fetched_files import call_off, drop_all
from loopd.loop.gates import GATES, in_order
from loopd.loop.large_pool import moved_to_disk
from loopd.loop.narrate import ObstacleNotes, narrate
from loopd.loop.observers import Observer, Observers, RunView
from loopd.loop.pool_source import HINT, looks
from loopd.loop.pool_watch import PoolWatch
from loopd.loop.removal_watch import RemovalWatch, overdue
from loopd.loop.run import Loop, Result, patience
from loopd.loop.start_or_resume import first_event, is_fresh, other_dataset, pool_changed
from loopd.loop.stop import Alarm, Stop, interrupt_of, on_signals, ticking
from loopd.loop.taken_in import keep_first
from loopd.loop.tools import Tools, build_store, build_tools
from loopd.loop.tuning import in_use
from loopd.machine import Phase, State, apply, fold
from loopd.metrics_log import writer as metrics_log
from loopd.storage.heartbeat import Heartbeat
from loopd.storage.journal import Journal
from loopd.storage.lock import run_lock
from loopd.storage.newer import refuse_newer
from loopd.storage.recorded_run import RecordedRun
from loopd.storage.run_folder import CURVE_NAME, JOURNAL_NAME

MANY_FILES = 2**16
"""File descriptors that a daemon may have, at most."""


def run_daemon(
    config: Config,
    progress: Callable[[str, int, int], None] | None = None,
    observers: Sequence[Observer] = (),
    *,
    rest: Callable[[Loop], None] | None = None,
    stop: Stop | None = None,
) -> State:
    """Run the loop until it is done or a stop is asked for, by a signal or by ``stop.set()``.

    A signal that comes before the loop has begun ends everything there and then. Signals reach the
    main thread alone: in any other ``stop`` is the way to end it.

    Args:
        config: the checked configuration.
        progress: called with (what, done, total) during long steps.
        observers: who is told what happens; closed at the end.
        rest: called when the run is done, before page and lock are given up.
        stop: to end it from elsewhere, such as another thread.

    Returns:
        The state at the end; an empty one where the stop came before the loop had begun.

    Raises:
        LoopdError: anything that waiting cannot mend; the journal is intact.
    """
    stop = stop or Stop()
    stop.at_once = True
    open_more_files()
    try:
        with ExitStack() as stack:
            group = Observers(observers)
            stack.callback(group.close)
            stack.enter_context(on_signals(stop))
            entering = _Entering(stack, config, stop, progress, group)
            for gate in in_order(GATES, config):
                gate.look(entering)
            entering.keep_texts()
            state = _run(entering)
            if state.phase is Phase.DONE and rest is not None:
                rest(entering.loop)
            return state
    except Exception as error:
        if not stop.explains(error):
            raise
        log.get("loop").info("stopped", phase="start", hint="start again to go on")
        return State()  # nothing of the loop had begun


def open_more_files() -> None:
    """Take more file descriptors, if they are granted: a pool of many intakes maps many files."""
    try:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MANY_FILES if hard == resource.RLIM_INFINITY else min(MANY_FILES, hard)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ImportError, OSError, ValueError):  # then it goes on with those that it has
        return


class _Entering:
    """The :class:`~loopd.loop.gates.Visit` of a run: it takes what it passes.

    Args:
        stack: holds what is taken until the process ends.
        config, stop, progress, observers: as for :func:`run_daemon`.
    """

    def __init__(
        self,
        stack: ExitStack,
        config: Config,
        stop: Stop,
        progress: Callable[[str, int, int], None] | None,
        observers: Observers,
    ) -> None:
        self.config = config
        self.state = State()
        self._stack, self._stop, self._progress, self._observers = stack, stop, progress, observers
        self._events: list[Event] = []
        self._glance: RecordedRun | None = None
        self._watching = Observers()  # nobody, until all parts are there
        self.dataset_id = ""
        self._joining: PoolNow | None = None
        self.notes = ObstacleNotes()

    @property
    def is_new(self) -> bool:
        """Whether the configuration is another than the journal's."""
        return self.config.digest() != self.state.config_digest

    @property
    def learner(self) -> Learner:
        """Over the pool."""
        return self.loop.tools.learner

    def lock(self) -> None:
        """Take it, unless a newer loopd wrote the run."""
        self._glance = refuse_newer(self.config.run.dir / JOURNAL_NAME)
        self._stack.enter_context(run_lock(self.config.run.dir))
        self._stack.callback(call_off, self.config)
        self._heart = Heartbeat(self.config.run.dir)

    def open_journal(self) -> None:
        """Open it to append."""
        self._journal = self._stack.enter_context(Journal(self.config.run.dir / JOURNAL_NAME))
        before, self._glance = self._glance, None
        if before is not None and self._journal.follow(before.last):
            self._events, self.state = list(before.events), before.state
        else:
            self._events = self._journal.read()
            self.state = fold(self._events)
        self.config = in_force(self.config, self.state)

    def read_data(self) -> None:
        """Read pool and test set, and log what was left out."""
        if self.config.pool.argilla is None:
            self._looks = looks(self.config)
            self.datasets = with_news(self.config, read_data(self.config, self.state))
            if self._stop.is_set():  # whoever reads from afar may have taken it for an outage
                raise Interrupted("a stop was asked for")
        else:
            self.datasets = self._patiently(self._read_from_argilla)
        report_data(self.datasets)
        self._catch_up()

    def _catch_up(self) -> None:
        """Write down what the table of texts knows to be withdrawn, and a journal of before not."""
        event = overdue(self.config.run.dir, self.state, self.datasets.pool, time.time())
        if event is not None:
            self._journal.append(event)
            self._events.append(event)
            self.state = apply(self.state, event)
            narrate(event, self.state)

    def _read_from_argilla(self) -> DataSets:
        """Look at the dataset; what joins the pool is written down later."""
        data, now = look_at_data(self.config, self.state, self._store, self._progress)
        begun = self.state.started
        if begun is not None and not self.holds(begun.dataset_id):
            raise other_dataset()
        self._joining = now
        return data

    def keep_texts(self) -> None:
        """Write down the texts of a new run, or what joins a pool in Argilla.

        Only a run that every gate has let in may do so.
        """
        data = self.datasets
        if self._joining is not None:
            keep(self.config, self.state, self._joining, time.time())
        elif self.config.pool.argilla is None and not data.is_kept:
            keep_first(self.config, data.pool, self._looks, data.reports["pool"])
            self._leave_memory()
        self._stack.callback(drop_all, self.config)  # they come again, but not what was withdrawn

    def _leave_memory(self) -> None:
        """Work with a large pool as it is on disk now."""
        pool = moved_to_disk(self.config, self.datasets.pool)
        if pool is not self.datasets.pool:
            self.datasets = replace(self.datasets, pool=pool)
            self.loop.tools.work_with(pool)
            gc.collect()  # parts that know each other would hold the texts for long

    def take_key(self) -> None:
        """Make the line to Argilla, and with it all parts of the loop."""
        self._store = build_store(self.config, self.state.min_submitted)
        self._stack.callback(self._store.close)

    def open_door(self) -> None:
        """Listen, and let those look on who do: all parts are together now."""
        beating = interrupt_of(self._stop, self._heart.beat)
        tick = ticking(beating, self._progress or silent)
        tools = build_tools(
            self.config,
            self.datasets,
            self._stop,
            self._progress,
            store=self._store,
            watch=PoolWatch(self.config) if self.config.pool.argilla is None else None,
            removals=RemovalWatch(self.config, journal=self._journal, tick=tick),
            beat=self._heart.beat,
            order=draw_order(self.state),
        )
        write = partial(_write, journal=self._journal, tools=tools, notes=self.notes)
        alarm, webhook = self._stack.enter_context(_alarm(self.config))
        rest = partial(_before_rest, webhook)
        self.loop = Loop(
            tools, self._stop, write, self._heart.beat, alarm, self._observers, before_rest=rest
        )
        self._watching = self._observers
        run_view = RunView(self.state, self._events, tools)
        self._stack.enter_context(self._observers.watching(run_view, self._stop.explains))

    def account(self) -> tuple[str, str]:
        """Name and role of the key's account, once Argilla answers."""
        seconds = NEW_GRACE if is_fresh(self.state) else GRACE
        return self._patiently(soon_contact(self._store.account, time.monotonic, seconds))

    def server(self) -> ServerVersion:
        """What the server says that it is."""
        return self._patiently(self._store.server)

    def look_at_dataset(self) -> str:
        """See that it can serve, once Argilla answers."""
        pool, fresh = self.datasets.pool, is_fresh(self.state)
        return self._patiently(lambda: self._store.preview(pool, fresh=fresh))

    def open_dataset(self) -> str:
        """Find or make it, and take it."""
        pool, fresh = self.datasets.pool, is_fresh(self.state)
        self.dataset_id = self._patiently(lambda: self._store.open(pool, fresh=fresh))
        return ""

    def holds(self, dataset_id: str) -> bool:
        """Whether that is the dataset."""
        page = annotation_page(self.config.argilla.url, dataset_id)
        return self._store.describe().startswith(page)

    def say_over(self) -> None:
        """Tell annotators that nothing more comes."""
        self._store.farewell()

    def _patiently(self, action: Callable[[], Result]) -> Result:
        waiting = patience(
            self.config.argilla,
            self._stop,
            self._heart.beat,
            self._watching,
            monotonic=time.monotonic,
        )
        result = waiting.attempt(action)
        if result is None:
            raise Interrupted("a stop was asked for")
        return result


def _before_rest(webhook: Callable[[], None]) -> None:
    webhook()
    ray_engine.rest()


@contextmanager
def _alarm(config: Config) -> Iterator[tuple[Alarm | None, Callable[[], None]]]:
    """An alarm that Argilla rings, and what tells Argilla of it when it is there.

    No alarm where the configuration wants none.
    """
    section = config.argilla
    if not section.webhooks:
        yield None, lambda: None
        return
    alarm = Alarm()
    http = ArgillaHttp(section.url, api_key(section), section.timeout, front_of(section))
    name = f"{section.workspace}/{section.dataset}"
    endpoint = WebhookEndpoint(
        section.webhook_port, section.webhook_url, name, section.webhook_host
    )
    with closing(http), registered(http, endpoint, alarm.ring) as hook:
        yield alarm, hook.attempt


def _run(entered: _Entering) -> State:
    """The loop, once every gate has let the run in."""
    loop, state = entered.loop, entered.state
    log.get("loop").info("annotate_here", url=loop.tools.store.describe())
    first = first_event(state, loop.tools, entered.dataset_id)
    if first is not None:
        state = loop.record(state, first)
    moved = pool_changed(state, loop.tools.data, loop.tools.clock.wall())
    if moved is not None:
        state = loop.record(state, moved)
    metrics_log.write(state, loop.tools.config.run.dir)
    entered.notes.look(state, loop.tools.config)
    loop.stop.at_once = False  # from here on steps end by themselves, or leave off safely
    state = loop.run(state)
    if state.phase is Phase.DONE:
        entered.say_over()
    else:
        state = loop.leave(state)
        log.get("loop").info("stopped", phase=state.phase.value, hint="start again to go on")
    return state


def _write(
    event: Event, state: State, journal: Journal, tools: Tools, notes: ObstacleNotes
) -> None:
    journal.append(event)
    narrate(event, state)
    notes.look(state, tools.config)
    folder = tools.config.run.dir
    if isinstance(event, RoundEvaluated):
        metrics_log.add_last(state, folder)
        tools.learner.keep(in_use(state, tools.config.run.keep_models))
    # Plotting waits until the next batch is out: nobody should wait for a picture.
    if isinstance(event, (BatchPublished, RunStopped)) and state.evaluated:
        plot(state, folder)


def plot(state: State, folder: Path) -> None:
    """Draw the learning curve beside the journal."""
    from loopd.metrics_log.curve import plot_learning_curve

    plot_learning_curve(metrics_log.rows(state), folder / CURVE_NAME, title="Learning curve")


def report_data(data: DataSets) -> None:
    """Log what became of the pool and the test set, in the words of ``loopd check``."""
    logger = log.get("data")
    for name, report in data.reports.items():
        logger.info("read", set=name, rows=report.rows, kept=report.kept)
        for line in report.lines():
            if report.is_whole:
                logger.info("reading", set=name, detail=line.strip())
            else:
                logger.warning("reading", set=name, detail=line.strip())
    if data.news.sentence():
        logger.warning("pool_file", says=data.news.sentence(), hint=HINT)
    if data.leaks:
        logger.warning("test_texts_in_pool", count=len(data.leaks), examples=data.leaks[:3])
