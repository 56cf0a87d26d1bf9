"""Owns the pool of a run that is a dataset in Argilla: what was taken in, and what is new there.

The run's folder holds all texts that ever joined, in the order in which they did. What is added in
Argilla joins at a start, behind the others; what is removed or edited there keeps its position, and
nobody is asked for it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loopd import log
from loopd.annotation.argilla_store import ArgillaStore
from loopd.annotation.pool_texts import PoolOptions
from loopd.annotation.store import Progress
from loopd.config import Config
from loopd.data.pool import Pool
from loopd.data.report import ReadingReport
from loopd.errors import DataError, StorageError
from loopd.machine import State
from loopd.records import PoolId, Record, blanked
from loopd.storage.argilla_intakes import Intakes
from loopd.storage.run_folder import POOL_FOLDER
from loopd.storage.withdrawn_texts import carried_over, read_withdrawn
from loopd.tasks.registry import build_task

SHOWN = 5
"""Ids that a sentence lists."""


@dataclass(frozen=True, slots=True)
class PoolNow:
    """The pool of a run, after a look at the dataset.

    Attributes:
        pool: everything that was ever taken in, with what joins now.
        added: what joins now.
        gone: ids of texts that no record shows any more, and that were never put into a batch.
        edited: those of them whose record shows another text.
        report: what became of the records.
    """

    pool: Pool
    added: tuple[Record, ...]
    gone: frozenset[PoolId]
    edited: tuple[PoolId, ...]
    report: ReadingReport


def kept_pool(config: Config) -> Pool:
    """What the run's folder holds; Argilla is not asked.

    Raises:
        DataError: nothing yet.
        StorageError: it cannot be read.
    """
    intakes = Intakes(config.run.dir).read()
    if not intakes:
        raise DataError(
            "the pool is in Argilla, and this run has not read it yet", "`loopd run` reads it"
        )
    return joined(intakes)


def joined(intakes: Sequence[Sequence[Record]]) -> Pool:
    """The pool that these intakes make."""
    records = tuple(record for intake in intakes for record in intake)
    return Pool(records, tuple(len(intake) for intake in intakes))


def look(
    config: Config, state: State, store: ArgillaStore, progress: Progress | None = None
) -> PoolNow:
    """The pool as the run would have it now; nothing is written.

    A run that has not begun takes all that is there as its first intake.

    Raises:
        DatasetError: the dataset is absent, does not fit, or another run holds it.
        DataError: it has no text that can be used.
        StorageError: what the run has taken in is damaged or gone from its folder.
    """
    listed, report = store.texts(pool_options(config), progress)
    known = read_withdrawn(config.run.dir)
    if known.digests:
        listed = Pool(tuple(record for record in listed if not known.holds(record.text)))
    if state.started is None:
        return compared((), listed, (), report)
    before = _intakes(config, state, listed)
    return compared(before, listed, state.planned_ids, report)


def _intakes(config: Config, state: State, listed: Pool) -> tuple[tuple[Record, ...], ...]:
    """What the run has taken in; where it is lost, and nothing has changed since, what is there."""
    before = tuple(
        tuple(blanked(each) if each.id in state.withdrawn else each for each in intake)
        for intake in Intakes(config.run.dir).read()
    )
    if joined(before).size_at(state.pool_fingerprint) is not None:
        return before
    if state.pool_fingerprint in read_withdrawn(config.run.dir).before:
        return before  # the journal is older than the files, from a backup
    if not before and listed.fingerprint == state.pool_fingerprint:
        return ()
    raise StorageError(
        f"{config.run.dir / POOL_FOLDER} does not hold the texts that this run has read",
        "restore it from a backup, or move the journal away and use `loopd recover`",
    )


def compared(
    before: Sequence[Sequence[Record]],
    listed: Pool,
    planned: Collection[PoolId],
    report: ReadingReport,
) -> PoolNow:
    """What a listing means for the intakes before it; pure.

    Args:
        before: the intakes.
        listed: the texts that the dataset shows now.
        planned: ids that were put into a batch: their answers tell what became of them.
        report: of the listing.
    """
    kept = joined(before)
    texts, shown = set(kept.texts), set(listed.texts)
    added = tuple(
        record for record in listed if record.text not in texts and record.id not in kept.positions
    )
    asked = (each for each in kept if each.text and each.id not in planned)
    lost = [each.id for each in asked if each.text not in shown]
    edited = tuple(id_ for id_ in lost if id_ in listed.positions)
    pool = joined((*before, added)) if added else kept
    return PoolNow(pool, added, frozenset(lost), edited, report)


def keep(config: Config, state: State, now: PoolNow, wall: float) -> Path | None:
    """Write down what joins, before anything is done with it, and say what was edited.

    Only a run that was let in may do so: one that is refused leaves the folder as it is.

    Args:
        config, state: of the run.
        now: what the dataset shows.
        wall: seconds since the epoch.

    Returns:
        Where the texts of an earlier run in this folder are now, ``None`` if there were none.

    Raises:
        StorageError: it cannot be written.
    """
    intakes, aside = Intakes(config.run.dir), None
    if state.started is None:
        with carried_over(config.run.dir):  # withdrawn texts must not come back from the dataset
            aside = intakes.begin(now.added, wall)
    elif now.added:
        intakes.add(now.added)
    _say(now, aside)
    return aside


def _say(now: PoolNow, aside: Path | None) -> None:
    if aside is not None:
        log.get("data").warning(
            "texts_moved_aside",
            folder=str(aside),
            hint="they are of another run: its journal needs them",
        )
    if now.edited:
        log.get("data").warning(
            "texts_edited_in_argilla",
            count=len(now.edited),
            records=list(now.edited[:SHOWN]),
            hint="the run keeps to the texts that it has read: nobody is asked for these unless "
            "they are set back",
        )


def pool_options(config: Config, label: str | None = None) -> PoolOptions:
    """What is read of the records; known labels only where a name is given for them."""
    section = config.pool.model_copy(update={"label": label})
    task = config.task
    return PoolOptions(section, build_task(task), task.labels, task.none_label)


def report_of(now: PoolNow) -> ReadingReport:
    """What there is to say of the records, and of texts that were there before."""
    if not now.gone:
        return now.report
    note = f"{len(now.gone):,} texts that the run has read are gone or show another text"
    return replace(now.report, notes=(*now.report.notes, note))
