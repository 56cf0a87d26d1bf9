"""Owns how the files of a pool are read again, and which of them are other than they were.

Must not write anything, nor decide what becomes of new texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from loopd.config import Config, PoolSection
from loopd.data.arrivals import arrivals
from loopd.data.pool import Pool
from loopd.data.pool_files import FileStamp, is_many, is_saved, is_there, look_at, pool_files
from loopd.data.reading import open_source, read_pool
from loopd.data.remote_files import fetch_changed
from loopd.data.report import NOTHING_BEFORE, ReadBefore, ReadingReport
from loopd.errors import DataError
from loopd.loop.fetched_files import known, local_path
from loopd.storage.run_folder import POOL_FOLDER
from loopd.storage.source_log import SeenFile, SourceLog, Sources
from loopd.storage.withdrawn_texts import read_withdrawn

SCRATCH = ".reading"
"""Folder, in that of the pool, for what is complete of a file that somebody is writing."""


@dataclass(frozen=True, slots=True)
class PoolNews:
    """What the files of a pool hold by now, for a run that does not follow them.

    Attributes:
        new: texts that the run does not have.
        gone: texts of its first intake that are not there any more; 0 where there are many files.
        clashing: ids that stand for other texts by now.
        is_other: whether none of the run's texts is there: it is another pool.
        problem: why they cannot be read; empty where they can.
    """

    new: int = 0
    gone: int = 0
    clashing: int = 0
    is_other: bool = False
    problem: str = ""

    def sentence(self) -> str:
        """For people."""
        if self.problem:
            return f"the pool cannot be read again: {self.problem}"
        counts = (
            (self.new, "new"),
            (self.gone, "gone"),
            (self.clashing, "with another text under an id of the run"),
        )
        told = ", ".join(f"{number:,} {what}" for number, what in counts if number)
        return f"the pool has changed since it was read: {told}" if told else ""


ANSWERED = ("label", "answers", "annotator_column", "verdict_column")
"""What may name columns that new texts lack."""

HINT = (
    "the run goes on with the texts that it has; add new ones with `loopd add`, or set pool.follow"
)
"""What to do about new texts that the run does not take by itself."""


def columns(section: PoolSection) -> tuple[str, ...]:
    """What tells the texts of a pool: their columns, and that of the ids."""
    return (*section.text_columns, section.id or "")


def scratch(config: Config) -> Path:
    """Where what is complete of a file is copied to while it is read."""
    return config.run.dir / POOL_FOLDER / SCRATCH


def looks(config: Config) -> Mapping[Path, FileStamp]:
    """What the files of a pool look like now; none where it is no local pool.

    Of those at a URL the ones that are here because they have changed.

    Raises:
        DataError: the folder may not be read.
    """
    where = local_path(config)
    return {} if where is None else looks_in(where)


def looks_in(where: Path) -> Mapping[Path, FileStamp]:
    """What the files look like that a path stands for.

    Raises:
        DataError: the folder may not be read.
    """
    files = (path for path in pool_files(where) if _is_readable(path))
    seen = ((path, look_at(path)) for path in files)
    return {path: look for path, look in seen if look is not None}


def _is_readable(path: Path) -> bool:
    return is_there(path, Path.is_file) or is_saved(path)


def changed(looks_now: Mapping[Path, FileStamp], sources: Sources) -> dict[Path, SeenFile | None]:
    """The files that are other than they were when they were read, and how they were then."""
    before = {path: sources.files.get(str(path)) for path in looks_now}
    return {
        path: seen
        for path, seen in before.items()
        if seen is None or FileStamp(seen.size, seen.changed) != looks_now[path]
    }


def read_file(
    config: Config, path: Path, *, whole: bool = True, before: ReadBefore = NOTHING_BEFORE
) -> tuple[Pool, ReadingReport]:
    """The texts of one file in the columns of the pool.

    It need not have the columns of labels and answers: new texts come without.

    Args:
        config: of the run.
        path: of the file.
        whole: take its last line even where nothing says that it is complete.
        before: what was read of the pool before; how much of the file may be lost is judged with
            that.

    Raises:
        DataError: it cannot be read or used.
    """
    task = config.task
    elsewhere = dict.fromkeys(("hub", "hub_config", "split")) if config.pool.hub else {}
    there = config.pool.model_copy(update={**elsewhere, "url": None, "path": path})
    read = partial(
        read_pool,
        labels=task.labels,
        kind=task.type,
        none_label=task.none_label,
        scratch=None if whole else scratch(config),
        before=before,
    )
    try:
        return read(there)
    except DataError:
        files = pool_files(path) if is_many(path) else (path,)
        each_has = [
            open_source(there.model_copy(update={"path": file}), task.type).columns
            for file in files
        ]
        lacking = [
            name
            for name in ANSWERED
            if not all(_are_there(getattr(there, name), present) for present in each_has)
        ]
        if not lacking:
            raise
        return read(there.model_copy(update=dict.fromkeys(lacking)))


def is_reported(config: Config) -> bool:
    """Whether a start says what the files hold by now: whoever follows them sees to it later."""
    before = SourceLog(config.run.dir).read().columns
    return config.pool.pace is None or before not in ((), columns(config.pool))


def pool_news(config: Config, pool: Pool) -> PoolNews:
    """What the files of a pool hold that the run does not know; reads those that have changed.

    Args:
        config: of the run.
        pool: the texts of the run.
    """
    sources = SourceLog(config.run.dir).read()
    is_same = not sources.columns or sources.columns == columns(config.pool)
    try:
        with _here(config, sources.files if is_same else {}) as now:
            if not now:
                return PoolNews(problem=_absence(config))
            read = [read_file(config, path)[0] for path in _to_read(now, sources, is_same=is_same)]
    except DataError as error:
        return PoolNews(problem=error.message)
    if not read:
        return PoolNews()
    known = read_withdrawn(config.run.dir)
    records = [record for some in read for record in some if not known.holds(record.text)]
    found, is_one = arrivals(pool, records), config.pool.path in now
    shown = {record.text for record in records}
    first = (record.text for record in pool.parts[0] if record.text)
    gone = sum(text not in shown for text in first) if is_one else 0
    is_other = max(pool.find_texts(shown), default=-1) < 0 and (is_one or not is_same)
    may_be = config.pool.pace is not None and is_same
    return PoolNews(len(found.new), gone, len(found.clashing), is_other and not may_be)


@contextmanager
def _here(config: Config, seen: Mapping[str, SeenFile]) -> Iterator[Mapping[Path, FileStamp]]:
    """What the files look like; of those at a URL the ones that have changed, brought here."""
    if config.pool.url is None:
        yield looks(config)
        return
    with TemporaryDirectory(prefix="loopd-") as folder:
        fetch_changed(config.pool.url, Path(folder), known(seen))
        yield looks_in(Path(folder))


def _to_read(now: Mapping[Path, FileStamp], sources: Sources, *, is_same: bool) -> Sequence[Path]:
    """All files where other columns hold the texts, else those that have changed."""
    return list(changed(now, sources)) if is_same else list(now)


def _absence(config: Config) -> str:
    path = config.pool.path
    if path is None or is_there(path, Path.is_dir) or is_many(path):
        return ""
    return f"no file {path}"


def _are_there(names: object, present: Iterable[str]) -> bool:
    """Whether a table has columns; patterns such as ``rater_*`` are left to whoever reads it."""
    if names is None:
        return True
    columns_there = set(present)
    listed = (names,) if isinstance(names, str) else tuple(names)  # type: ignore[arg-type]
    return all("*" in name or name in columns_there for name in listed)
