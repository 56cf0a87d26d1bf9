"""Owns ``loopd recover``: a journal from Argilla alone, and what it must leave open.

Must not change anything in Argilla, and never removes a journal: a damaged one is kept aside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from loopd.annotation.argilla_store import ArgillaStore
from loopd.annotation.consensus import labelled, unresolved
from loopd.annotation.store import Progress, Published
from loopd.config import Config
from loopd.config.audit import USUAL_SHARE
from loopd.errors import JournalError, NewerError, RunError, StorageError
from loopd.events import HASHED, SHUFFLED, Event, RunRecovered, RunStarted
from loopd.loop.argilla_pool import PoolNow, keep
from loopd.loop.audit_draws import likely_order
from loopd.loop.audit_in_force import with_share
from loopd.loop.collecting import changes
from loopd.loop.daemon import report_data
from loopd.loop.data_sets import DataSets, look_at_data, read_data, with_test
from loopd.loop.narrate import narrate
from loopd.loop.removal_watch import overdue
from loopd.loop.start_or_resume import check_parts, started
from loopd.loop.stop import Stop
from loopd.loop.taken_in import all_kept
from loopd.loop.tools import Tools, build_store, build_tools
from loopd.loop.warm_start import imported
from loopd.machine import State, apply, fold
from loopd.operations.rebuild import Rebuilt, rebuild
from loopd.records import Answer, AnswerStatus
from loopd.storage.lock import run_lock
from loopd.storage.newer import refuse_newer
from loopd.storage.recorded_run import read_journal
from loopd.storage.replacing import keep_aside, stamp, write_journal
from loopd.storage.run_folder import JOURNAL_NAME, METRICS_NAME
from loopd.storage.run_id import SavedIdentity

LOST = (
    "earlier values of answers that people changed or took back",
    "records deleted in Argilla and their answers: such a record can be chosen again",
    "the configuration, data and versions that the run began with: those of now count",
)
"""What no run that is rebuilt from Argilla has, in plain words."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """A run as Argilla shows it.

    Attributes:
        events: the new journal.
        state: their fold.
        notes: what was odd.
    """

    events: tuple[Event, ...]
    state: State
    notes: tuple[str, ...]


def run_recovery(
    config: Config,
    say: Callable[[str], None],
    progress: Progress | None = None,
    *,
    dry_run: bool = False,
) -> None:
    """Rebuild the journal of a run from Argilla, and say what could not be rebuilt.

    Args:
        config: the configuration of the lost run.
        say: takes each line of the result.
        progress: called with (what, done, total) while records are read.
        dry_run: only say it; nothing is written.

    Raises:
        RunError: the run has a journal that can be read.
        NewerError: a newer loopd wrote it, or another file of the run.
        DatasetError: the dataset is absent, is not that of this run, or holds no batch.
        LoopdError: data, model or server cannot be used.
    """
    path = config.run.dir / JOURNAL_NAME
    refuse_newer(path)
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(run_lock(config.run.dir))
        _refuse_sound(path)
        store = build_store(config)
        stack.callback(store.close)
        data, now = _data(config, store, progress)
        report_data(data)
        tools = build_tools(config, data, Stop(), progress, store=store)
        if not dry_run:
            check_parts(tools)
        listing = tools.store.published(data.pool, progress)
        found = recovered(tools, listing)
        aside = [] if dry_run else _write(found, path, tools, now)
        if listing.run_id and not dry_run:
            SavedIdentity(config.run.dir).keep(listing.run_id)
    for line in lines(found, config, dry_run=dry_run):
        say(line)
    for kept in aside:
        say(f"  kept: what was there before is in {kept}")


def recovered(tools: Tools, listing: Published) -> Recovery:
    """The events that lead to what the store holds.

    Answers that came with the pool are taken from it as at a start, all others from the store.

    Raises:
        DatasetError: see :func:`~loopd.operations.rebuild.rebuild`.
    """
    found = rebuild(listing.items, tools.data.pool, tools.task)
    config = tools.config
    tools = replace(tools, config=_as_begun(config, found))
    now = tools.clock.wall()
    given = imported(State(), tools.data.pool, tools.task, now)
    events: list[Event] = [
        _begun(started(tools, listing.dataset_id), config, _order(tools, found)),
        *([] if given is None else [given]),
        RunRecovered(now, found.batches, _published(found, now), found.notes),
    ]
    if (withdrawn := overdue(tools.config.run.dir, fold(events), tools.data.pool, now)) is not None:
        events.append(withdrawn)
    state = fold(events)
    news = changes(state, tools.store.sweep(state.external_ids), now)
    if news is not None:
        events.append(news)
        state = apply(state, news)
    return Recovery(tuple(events), state, found.notes)


def _as_begun(config: Config, found: Rebuilt) -> Config:
    """The configuration: the run began with random draws if Argilla shows one of it.

    Of a few records none need be a draw: then it is a run of this version.
    """
    share = config.audit.random_share
    if share is None:
        items = [item for batch in found.batches for item in batch.items]
        drew = any(item.draw and not item.test for item in items)
        too_few = config.test is None and USUAL_SHARE * len(items) < 1
        share = USUAL_SHARE if drew or too_few else 0.0
    return with_share(config, share)


def _order(tools: Tools, found: Rebuilt) -> str:
    """How the run drew its texts."""
    items = [item for batch in found.batches for item in batch.items]
    draws = [item.record_id for item in items if item.draw and not item.test]
    return likely_order({order: tools.aside_in(order) for order in (HASHED, SHUFFLED)}, draws)


def _begun(event: RunStarted, config: Config, order: str) -> RunStarted:
    """The first event: a run that shows no draw, where it would have some, had no folds either."""
    event = replace(event, draw_order=order)
    is_old = config.audit.random_share is None and config.test is None and event.random_share == 0
    return replace(event, folds=0) if is_old else event


def lines(found: Recovery, config: Config, *, dry_run: bool) -> Iterator[str]:
    """The result in plain words."""
    state = found.state
    given = [answer for answer in state.answers.values() if _is_there(answer)]
    people = len({each.annotator for each in given})
    verb = "would recover" if dry_run else "recovered"
    yield (
        f"{verb} {_count(len(state.batches), 'batch', 'es')} with "
        f"{_count(len(state.external_ids), 'record')}, and "
        f"{_count(len(given), 'answer')} of {_count(people, 'person', plural='people')}: "
        f"{_count(len(labelled(state)), 'label')}"
    )
    waiting = unresolved(
        state, config.queue.min_submitted, another_person=config.relabel.another_person
    )
    yield f"  open: {_count(len(waiting), 'record')}, the last batch is {state.batch.id}"
    yield from (f"  note: {note}" for note in found.notes)
    yield from (f"  lost: {what}" for what in (*_lost_rounds(state), *LOST))
    if dry_run:
        yield "nothing was written: leave --dry-run away to do it"
    else:
        yield "`loopd run` goes on with it"


def _data(
    config: Config, store: ArgillaStore, progress: Progress | None
) -> tuple[DataSets, PoolNow | None]:
    """The data, of a pool in Argilla as they are there now: all of it is the first intake."""
    if config.pool.argilla is None:
        return _kept_data(config) or read_data(config), None
    return look_at_data(config, State(), store, progress)


def _kept_data(config: Config) -> DataSets | None:
    """What the run's folder holds, which nobody can have changed meanwhile."""
    with suppress(StorageError):
        pool = all_kept(config)
        return None if pool is None else with_test(config, DataSets(pool, None, {}, is_kept=True))
    return None


# -- steps -----------------------------------------------------------------------------------------


def _refuse_sound(path: Path) -> None:
    """A journal that can be read is better than what Argilla tells; one without events is none."""
    if not path.exists():
        return
    try:
        state = read_journal(path).state
    except NewerError:
        raise
    except JournalError:
        return
    if state.started is not None:
        raise RunError(
            f"the run in {path.parent} has a journal that can be read",
            "`loopd run` goes on with it; to rebuild it all the same, move it away first, with "
            f"whatever else begins with {path.name}",
        )


def _published(found: Rebuilt, now: float) -> tuple[float | None, ...]:
    """When each batch was out; the server's clock may be ahead of ours."""
    return tuple(
        (now if at is None else min(at, now)) if batch.items else None
        for batch, at in zip(found.batches, found.published, strict=True)
    )


def _write(found: Recovery, path: Path, tools: Tools, now: PoolNow | None) -> Sequence[Path]:
    wall = tools.clock.wall()
    aside = [keep_aside(each, stamp(wall)) for each in (path, path.with_name(METRICS_NAME))]
    if now is not None:
        aside.append(keep(tools.config, State(), now, wall))
    write_journal(path, found.events)
    state = State()
    for event in found.events:
        state = apply(state, event)
        narrate(event, state)
    return [each for each in aside if each is not None]


# -- words -----------------------------------------------------------------------------------------


def _lost_rounds(state: State) -> Iterator[str]:
    if state.rounds_measured:
        rounds = _count(state.rounds_measured, "earlier round")
        yield (
            f"measures, stopping criteria and times of {rounds}: the metrics log, the learning "
            "curve and `stopping.patience` begin anew, `stopping.max_rounds` counts them"
        )


def _is_there(answer: Answer) -> bool:
    return answer.status is not AnswerStatus.WITHDRAWN and not answer.imported


def _count(number: int, noun: str, ending: str = "s", *, plural: str = "") -> str:
    return f"{number} {noun if number == 1 else plural or noun + ending}"
