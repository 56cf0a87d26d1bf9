"""Owns the daemon process: lock, journal, signals, and what is written beside the journal.

Must not contain a step or a decision of the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

from loopd import log
from loopd.annotation.http import ArgillaHttp
from loopd.annotation.webhooks import Door, knocking
from loopd.config import Config
from loopd.credentials import api_key
from loopd.loop import metrics_log
from loopd.loop.narrate import narrate
from loopd.loop.onlooker import Audience, Onlooker, Opening
from loopd.loop.run import Loop
from loopd.loop.start import begin, is_fresh, same_run
from loopd.loop.stop import Alarm, Stop, on_signals
from loopd.loop.tools import DataSets, Tools, build_tools, read_data
from loopd.machine import BatchPublished, Event, Phase, RoundEvaluated, RunStopped, State, fold
from loopd.state.heartbeat import Heartbeat
from loopd.state.journal import Journal
from loopd.state.lock import run_lock

JOURNAL_NAME = "journal.sqlite"
CURVE_NAME = "learning_curve.png"
PAGE_NAME = "dashboard.url"
"""Holds the address of the live page, as long as that is there."""


def run_daemon(
    config: Config,
    progress: Callable[[str, int, int], None] | None = None,
    onlookers: Sequence[Onlooker] = (),
) -> State:
    """Run the loop until it is done or a signal comes.

    A signal that comes before the loop has begun ends everything there and then.

    Args:
        config: the checked configuration.
        progress: called with (what, done, total) during long steps.
        onlookers: who is told what happens; closed at the end.

    Returns:
        The state at the end; an empty one where a signal came before the loop had begun.

    Raises:
        LoopdError: anything that waiting cannot mend; the journal is intact.
    """
    stop = Stop(at_once=True)
    try:
        with ExitStack() as stack:
            audience = Audience(onlookers)
            stack.callback(audience.close)
            stack.enter_context(on_signals(stop))
            return _begun(stack, config, stop, progress, audience)
    except Exception as error:
        if not stop.explains(error):
            raise
        log.get("loop").info("stopped", phase="start", hint="start again to go on")
        return State()  # nothing of the loop had begun


def _begun(
    stack: ExitStack,
    config: Config,
    stop: Stop,
    progress: Callable[[str, int, int], None] | None,
    audience: Audience,
) -> State:
    """All parts together, and then the loop."""
    folder = config.run.dir
    stack.enter_context(run_lock(folder))
    journal = stack.enter_context(Journal(folder / JOURNAL_NAME))
    events = journal.read()
    state = fold(events)
    data = read_data(config)
    report_data(data)
    heart = Heartbeat(folder)
    tools = build_tools(config, data, stop, progress, beat=heart.beat)
    stack.callback(tools.store.close)
    write = partial(_write, journal=journal, tools=tools)
    alarm, webhook = stack.enter_context(_alarm(config))
    loop = Loop(tools, stop, write, heart.beat, alarm, audience, before_rest=webhook)
    with audience.watching(Opening(state, events, tools), stop.explains):
        return _run(loop, state)


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
    http = ArgillaHttp(section.url, api_key(section), section.timeout)
    name = f"{section.workspace}/{section.dataset}"
    with (
        closing(http),
        knocking(http, Door(section.webhook_port, section.webhook_url, name), alarm.ring) as made,
    ):
        yield alarm, made.attempt


def _run(loop: Loop, state: State) -> State:
    same_run(state, loop.tools)
    dataset_id = _open_store(loop, state)
    if dataset_id is not None:
        first = begin(state, loop.tools, dataset_id)
        if first is not None:
            state = loop.record(state, first)
        metrics_log.write(state, loop.tools.config.run.dir)
        loop.stop.at_once = False  # from here on steps end by themselves, or leave off safely
        state = loop.run(state)
    if state.phase is not Phase.DONE:
        log.get("loop").info("stopped", phase=state.phase.value, hint="start again to go on")
    return state


def _open_store(loop: Loop, state: State) -> str | None:
    """Connect; ``None`` when a stop came before Argilla answered."""

    def attempt() -> str:
        return loop.tools.store.open(loop.tools.data.pool, fresh=is_fresh(state))

    opened = loop.patiently(attempt)
    if opened is not None:
        log.get("loop").info("annotate_here", url=loop.tools.store.describe())
    return opened


def _write(event: Event, state: State, journal: Journal, tools: Tools) -> None:
    journal.append(event)
    narrate(event, state)
    folder = tools.config.run.dir
    if isinstance(event, RoundEvaluated):
        metrics_log.write(state, folder)
        tools.learner.keep(_latest_models(state, tools.config.run.keep_models))
    # Plotting waits until the next batch is out: nobody should wait for a picture.
    if isinstance(event, (BatchPublished, RunStopped)) and state.evaluated:
        plot(state, folder)


def plot(state: State, folder: Path) -> None:
    """Draw the learning curve beside the journal."""
    from loopd.reports.curve import plot_learning_curve

    plot_learning_curve(metrics_log.rows(state), folder / CURVE_NAME, title="Learning curve")


def _latest_models(state: State, count: int) -> list[str]:
    return [state.trained[number].model_id for number in sorted(state.trained)[-count:]]


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
    if data.leaks:
        logger.warning("test_texts_in_pool", count=len(data.leaks), examples=data.leaks[:3])
