"""Owns how withdrawn texts leave the files of a run; must not decide which texts these are.

The fact is in the journal before anything of this begins, and the table of texts is written anew
last: it alone knows what is to be looked for. Whatever is interrupted before is done again at the
next start, and what was done before does no harm.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

from loopd.annotation.store import Progress
from loopd.config import Config
from loopd.data.pool import Pool
from loopd.errors import NewerError, StorageError
from loopd.events import AnswersCollected, Event
from loopd.learning.classifiers.contract import silent
from loopd.loop.argilla_pool import joined
from loopd.loop.fetched_files import call_off, fetched_folder, fetching_folder
from loopd.loop.pool_source import scratch
from loopd.machine import State
from loopd.records import Answer, AnswerStatus, ExternalId, PoolId, Record, blanked
from loopd.storage.argilla_intakes import Intakes
from loopd.storage.byte_search import FileSearch, files_below, forms, holding
from loopd.storage.files import storage_error
from loopd.storage.inbox import Inbox
from loopd.storage.journal import Journal
from loopd.storage.pool_table import PoolTable
from loopd.storage.run_folder import (
    CACHE_FOLDER,
    CSV_NAME,
    GUIDELINES_NAME,
    INBOX_FOLDER,
    JOURNAL_NAME,
    METRICS_NAME,
    PEOPLE_NAME,
    POOL_FOLDER,
    REPORT_NAME,
    RUN_ID_NAME,
    SOURCES_NAME,
)
from loopd.storage.withdrawn_texts import read_withdrawn, write_withdrawn

NEEDED = (
    *(CSV_NAME, GUIDELINES_NAME, JOURNAL_NAME, METRICS_NAME, PEOPLE_NAME, RUN_ID_NAME),
    SOURCES_NAME,
)
"""How files begin that a run needs, and that hold no text but by chance: a short one may be a
label, a name, or some words of the guidelines."""

LONG = 32
"""Characters of a part of a text that is looked for by itself: a shorter one, such as a name of a
product, stands in many places."""

TICK = 1_000
"""Records between two ticks."""

ROUNDS = 5
"""Times that what loopd has made is removed at most, where it comes again."""

ASIDE = f"{POOL_FOLDER}-before-*"
"""Folders with the texts of an earlier run, which were moved aside."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of the files.

    Attributes:
        texts: how many were there and are not any more.
        left: files of the run's folder that hold one of them all the same.
        unread: files of it that could not be searched.
    """

    texts: int
    left: tuple[Path, ...] = ()
    unread: tuple[Path, ...] = ()

    @property
    def to_see_to(self) -> tuple[Path, ...]:
        """Those of them that loopd does not need: people may remove them."""
        return tuple(path for path in self.left if not path.name.startswith(NEEDED))


def erase(
    config: Config, state: State, journal: Journal | None = None, tick: Progress = silent
) -> Erased:
    """Erase what is left of withdrawn texts in the run's folder.

    Where it is interrupted the table still has some of them: the next process does all of it.

    Args:
        config: of the run, whose lock the process holds.
        state: what the journal says.
        journal: open to append; without it what people have typed stays in it.
        tick: called with (what, done, total) at least every few seconds; may raise.

    Raises:
        StorageError: a file is damaged, or cannot be written.
    """
    ids, reading = state.withdrawn, partial(tick, "reading texts")
    if not ids:
        return Erased(0)
    stored = _counted(_stored(config), reading, state.texts)
    present = [record for record in stored if record.id in ids and record.text]
    if not present:
        return Erased(0)
    raw = raw_pool(config)
    reading(0, len(raw))
    whole = {record.text for record in present}
    known = read_withdrawn(config.run.dir)
    in_argilla = [record.id for record in present]
    write_withdrawn(config.run.dir, known.plus(whole, raw.fingerprints, in_argilla))
    needles = forms({piece for record in present for piece in _pieces(record)})
    if journal is not None:
        redact(journal, state)
    search, is_gone = FileSearch(partial(_others, config.run.dir), needles), _is_one(ids, whole)
    for _ in range(ROUNDS):
        _forget(config, is_gone, needles, tick)
        if not _can_go(config, search.look(partial(tick, "searching files")).holders):
            break  # else somebody has written it meanwhile
    count = _Counter(partial(tick, "erasing texts"), len(raw))
    _blank(config.run.dir, lambda record: _blanked(count(record), record.id in ids))
    found = search.look()  # at what has changed since, and to the end
    return Erased(len(present), found.holders, found.unread)


def _can_go(config: Config, holders: Iterable[Path]) -> bool:
    """Whether one of the files is there to be removed, and can be made again."""
    folder = config.run.dir
    fetched = fetched_folder(config), fetching_folder(config)
    places = (folder / CACHE_FOLDER, scratch(config), *fetched)
    names = (folder / REPORT_NAME, *_unfinished(folder))
    return any(
        path in names or any(path.is_relative_to(place) for place in places) for path in holders
    )


def _unfinished(folder: Path) -> tuple[Path, ...]:
    """What processes that were killed have left, or others are writing."""
    return (*folder.glob(f"{POOL_FOLDER}/.*.*"), *folder.glob(f"{INBOX_FOLDER}/.*"))


def _others(folder: Path) -> Iterator[Path]:
    """All files but those with texts one by one: there it may be part of another text."""
    places = (POOL_FOLDER, INBOX_FOLDER, *(aside.name for aside in folder.glob(ASIDE)))
    for path in files_below(folder):
        if path.parent.name not in places or path.suffix not in (".arrow", ".jsonl"):
            yield path


def _stored(config: Config) -> Iterator[Record]:
    """The records of all intakes, one by one.

    Raises:
        StorageError: a file is damaged or cannot be read.
    """
    if config.pool.argilla is not None:
        return chain.from_iterable(Intakes(config.run.dir).read())
    return chain.from_iterable(one.records() for one in PoolTable(config.run.dir).stored())


def raw_pool(config: Config) -> Pool:
    """All texts that lie in the run's folder, those that are withdrawn included.

    Raises:
        StorageError: a file is damaged or cannot be read.
    """
    if config.pool.argilla is not None:
        return joined(Intakes(config.run.dir).read())
    intakes = tuple(PoolTable(config.run.dir).intakes())
    records = tuple(record for intake in intakes for record in intake)
    return Pool(records, tuple(map(len, intakes)))


def redact(journal: Journal, state: State) -> None:
    """Take what people have typed on withdrawn texts, and the task does not know, from the journal.

    Labels and spans stay: they hold nothing of a text. What was typed may be the text itself.
    """
    events = journal.read()
    after = [_redacted(event, state.is_withdrawn) for event in events]
    if after != events:
        journal.rewrite(after)


def _redacted(event: Event, is_withdrawn: Callable[[ExternalId], bool]) -> Event:
    if not isinstance(event, AnswersCollected):
        return event
    answers = tuple(_bare(one) if is_withdrawn(one.external_id) else one for one in event.answers)
    return event if answers == event.answers else replace(event, answers=answers)


def _bare(answer: Answer) -> Answer:
    return replace(answer, value=None) if answer.status is AnswerStatus.INVALID else answer


def _pieces(record: Record) -> Iterator[str]:
    """A text, the columns that it was put together from, and what people saw beside it."""
    yield record.text
    beside = (*record.parts, *record.shown)
    yield from (part for _, part in beside if len(part) >= LONG)


def _is_one(ids: Collection[PoolId], texts: Collection[str]) -> Callable[[Record], bool]:
    return lambda record: record.id in ids or record.text in texts


def _blanked(record: Record, is_gone: bool) -> Record:
    return blanked(record) if is_gone else record


class _Counter:
    """Passes records on and counts them, for somebody who wants to know how far it is.

    Args:
        tick: called with (done, total) now and then; may raise.
        total: how many are expected.
    """

    def __init__(self, tick: Callable[[int, int], None], total: int) -> None:
        self._tick, self._total, self._done = tick, total, 0

    def __call__(self, record: Record) -> Record:
        if self._done % TICK == 0:
            self._tick(self._done, max(self._total, self._done))
        self._done += 1
        return record


def _counted(
    records: Iterable[Record], tick: Callable[[int, int], None], total: int
) -> Iterator[Record]:
    return map(_Counter(tick, total), records)


def _forget(
    config: Config,
    is_gone: Callable[[Record], bool],
    needles: Collection[bytes],
    tick: Progress = silent,
) -> None:
    """Remove whatever was made from the texts, or holds them until they join."""
    folder = config.run.dir
    try:
        _empty(folder / CACHE_FOLDER)
        _empty(scratch(config))
        call_off(config)  # else what is on its way would come
        _empty(fetched_folder(config))
        suspects = (*_unfinished(folder), folder / REPORT_NAME)
        for path in holding(suspects, needles, partial(tick, "searching files")):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error
    PoolTable(folder).drop_unfinished()
    count = _Counter(partial(tick, "reading texts"), 0)
    Inbox(folder).rewrite(lambda record: not is_gone(count(record)))
    for aside in sorted(folder.glob(ASIDE)):
        with suppress(StorageError, NewerError):  # what cannot be read is searched all the same
            _blank(folder, lambda one: _blanked(count(one), is_gone(one)), aside.name)


def _blank(folder: Path, changed: Callable[[Record], Record], name: str = POOL_FOLDER) -> None:
    """Write the table of a run anew, whichever kind it is; or one that was moved aside."""
    PoolTable(folder, name).rewrite(changed)
    Intakes(folder, name).rewrite(changed)


def _empty(folder: Path) -> None:
    """Remove what is in a folder; the folder itself may be a link that somebody has made."""
    for child in _children(folder):
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink(missing_ok=True)


def _children(folder: Path) -> Iterable[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else ()
