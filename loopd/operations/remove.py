"""Owns ``loopd remove``: texts that somebody wants out of a run.

Their ids go into the run's inbox first. A daemon takes them from there; without one it is done
here. Must not erase anything before it was said what that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from loopd.annotation.consensus import given
from loopd.annotation.store import Progress
from loopd.config import Config
from loopd.config.addresses import shown_url
from loopd.data.pool import Pool
from loopd.data.pool_files import shown_name
from loopd.errors import DataError, LockedError, LoopdError, RunError
from loopd.folding import records_of
from loopd.learning.classifiers.contract import silent
from loopd.loop.data_sets import read_data
from loopd.loop.erasing import Erased
from loopd.loop.removal_watch import RemovalWatch
from loopd.loop.tools import build_store
from loopd.machine import State
from loopd.operations.resting_run import RestingRun, resting_run
from loopd.records import PoolId, published_as
from loopd.storage.lock import holder, run_lock
from loopd.storage.newer import refuse_newer
from loopd.storage.recorded_run import recorded_run
from loopd.storage.removal_requests import RemovalRequests
from loopd.storage.run_folder import JOURNAL_NAME

SHOWN = 5
"""Ids that a sentence lists."""

ELSEWHERE = (
    "what `loopd export`, `predict` and `report` have written elsewhere, backups of the run's "
    "folder, and the server's own database are yours to see to"
)


@dataclass(frozen=True, slots=True)
class RemoveOptions:
    """What is to be removed.

    Attributes:
        ids: of texts, each once.
        dry_run: only say it.
    """

    ids: tuple[str, ...]
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What the ids are to the run.

    Attributes:
        known: of texts that it has.
        before: of texts that were withdrawn before.
        unknown: of none.
    """

    known: tuple[PoolId, ...]
    before: tuple[PoolId, ...]
    unknown: tuple[str, ...]


def run_remove(
    config: Config,
    options: RemoveOptions,
    say: Callable[[str], None],
    is_wanted: Callable[[str], bool],
    progress: Progress = silent,
) -> None:
    """Withdraw texts from a run, and erase them from its folder.

    Args:
        config: of the run.
        options: which texts.
        say: is told what becomes of them.
        is_wanted: asks whether to do it.
        progress: called with (what, done, total) while texts are erased.

    Raises:
        RunError: there is no run, or it is another than the configuration's.
        DataError: no id is one of the run's.
        StorageError: the run's folder cannot be read or written.
    """
    folder = config.run.dir
    refuse_newer(folder / JOURNAL_NAME)
    state = recorded_run(folder).state
    if state.started is None:
        raise RunError(f"the run in {folder} has not begun", "take the texts out of its source")
    pool = read_data(config.model_copy(update={"test": None}), state).pool
    found = sorted_out(options.ids, state, pool)
    for line in _lines(found, state, config):
        say(line)
    if not (found.known or found.before):
        raise DataError(
            "no text of the run has any of these ids", "see `pool.id` and their spelling"
        )
    if options.dry_run:
        say("nothing was removed: leave --dry-run away to do it")
        return
    count = len(found.known)
    if found.known and not is_wanted(f"Remove {_texts(count)}? This cannot be undone."):
        say("nothing was removed")
        return
    RemovalRequests(folder).leave((*found.known, *found.before))
    try:
        with run_lock(folder):
            _remove(config, say, progress)
    except LockedError:
        say(f"process {holder(folder)} works on the run, and removes them after this step")


def sorted_out(ids: tuple[str, ...], state: State, pool: Pool) -> Found:
    """What the ids are to the run."""
    named = tuple(map(PoolId, ids))
    before = tuple(id_ for id_ in named if id_ in state.withdrawn)
    known = tuple(id_ for id_ in named if id_ in pool and id_ not in state.withdrawn)
    unknown = tuple(id_ for id_ in named if id_ not in pool and id_ not in state.withdrawn)
    return Found(known, before, unknown)


def _remove(config: Config, say: Callable[[str], None], progress: Progress) -> None:
    """Do what is asked for, in a run that no daemon works on."""
    with resting_run(config) as run:
        watch = RemovalWatch(run.config, journal=run.journal, tick=progress)
        erased: list[Erased] = []
        while (event := watch.requested(run.state, run.pool)) is not None:
            run.record(event)
            run.pool = watch.pool
            erased.append(watch.erase(run.state))
        erased.append(watch.erase(run.state))  # of what was interrupted
        for path in (path for one in erased for path in one.to_see_to):
            say(f"  {path} holds one of the texts: loopd has not made it, remove it yourself")
        for path in (path for one in erased for path in one.unread):
            say(f"  {path} could not be searched: see for yourself whether it holds one of them")
        _take_from_argilla(run, watch, say)
        say(f"removed: {_texts(len(run.state.withdrawn))} of the run are withdrawn by now")


def _take_from_argilla(run: RestingRun, watch: RemovalWatch, say: Callable[[str], None]) -> None:
    """Take their records from there, or say that the next start does."""
    try:
        with closing(build_store(run.config, run.state.min_submitted)) as store:
            store.reach(run.pool)
            others = watch.take_from(store, run.state)
    except LoopdError as error:
        say(f"  their records are still in Argilla ({error.message})")
        say("  the next `loopd run` takes them from there")
        return
    if others:
        some = ", ".join(sorted(others)[:SHOWN])
        say(f"  records that others have made stay in Argilla, delete them there: {some}")


# -- words -----------------------------------------------------------------------------------------


def _lines(found: Found, state: State, config: Config) -> Iterator[str]:
    """What the texts are to the run, and what loopd cannot reach."""
    if found.unknown:
        yield f"  no text of the run: {_some(found.unknown)}"
    if found.before:
        yield f"  withdrawn before: {_some(found.before)}"
    if not found.known:
        return
    records = records_of(found.known, state.originals)
    answers = sum(answer.external_id in records for answer in given(state))
    asked = len(state.planned_ids.intersection(found.known))
    tests = len(state.tests.intersection(found.known))
    gone = sum(published_as(id_) in state.deleted for id_ in found.known)
    test_set = f", {tests} of the test set" if tests else ""
    deleted = f", {gone} deleted in Argilla before" if gone else ""
    yield (
        f"  {_texts(len(found.known))}: {asked} in batches, with {answers} answers"
        f"{test_set}{deleted}"
    )
    source, url = config.pool.path, config.pool.url
    if source is not None:
        yield f"  {shown_name(source)} is only read: take them out there yourself"
    elif url is not None:
        yield f"  {shown_url(url)} is only read: take them out there yourself"
    elif config.pool.argilla is not None:
        yield "  the pool is in Argilla: delete their records there yourself"
    yield f"  {ELSEWHERE}"


def _some(ids: tuple[str, ...]) -> str:
    more = f" and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
    return ", ".join(ids[:SHOWN]) + more


def _texts(count: int) -> str:
    return "1 text" if count == 1 else f"{count:,} texts"
