"""Owns the looks at the files of a pool that is followed: which are read, and when.

A file that somebody is writing waits for the next look. Must not write down any text, nor decide
which of them are new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from loopd import log
from loopd.config import Config
from loopd.data.arrivals import arrivals
from loopd.data.pool import Pool
from loopd.data.pool_files import LINES, FileStamp, complete_bytes, look_at, shown_name
from loopd.data.report import ReadBefore, ReadingReport
from loopd.errors import DataError
from loopd.loop.fetched_files import drop, local_path
from loopd.loop.fetcher import Fetcher
from loopd.loop.pool_source import columns, looks, read_file
from loopd.records import Record
from loopd.storage.source_log import SeenFile, SourceLog

SETTLED = 2.0
"""Seconds between two looks that must see a file alike before it is read."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Texts that may join a pool.

    Attributes:
        records: in order.
        source: what they came from.
        duplicates, refused: rows that were left out before, and at no earlier look.
        counted: how many of these duplicates are there because of a text of the pool.
        clashing: how many of the rows were left out because their ids stand for other texts; those
            that are left out at this look for the first time are among ``refused``.
        done: called once the fact is in the journal, or nothing is new.
    """

    records: Sequence[Record]
    source: str
    duplicates: int
    refused: int
    counted: int = 0
    clashing: int = 0
    done: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class _ReadFile:
    """A file that was read, and what is remembered of it."""

    path: Path
    pool: Pool
    report: ReadingReport
    seen: SeenFile
    was: SeenFile
    twins: int
    clashing: int

    @property
    def duplicates(self) -> int:
        return max(0, self.seen.duplicates - self.was.duplicates)

    @property
    def refused(self) -> int:
        return max(0, self.seen.refused - self.was.refused)


@dataclass(frozen=True, slots=True)
class _Glance:
    """What a file looked like at the last look.

    Attributes:
        stamp: of it.
        alike_since: when it was first seen like this.
        growing_since: when it was first seen of those looks of which each saw it longer.
    """

    stamp: FileStamp
    alike_since: float
    growing_since: float


@dataclass
class FollowedFiles:
    """The files of a pool, looked at at the pace of the configuration.

    Attributes:
        config: of the run.
        monotonic: clock in seconds.
    """

    config: Config
    monotonic: Callable[[], float]
    _next: float = float("-inf")
    _glanced: dict[Path, _Glance] = field(default_factory=dict)
    _unusable: dict[Path, FileStamp] = field(default_factory=dict)
    _is_restless: bool = False

    def __post_init__(self) -> None:
        self._fetcher = Fetcher(self.config, self.monotonic)

    def look(self, pool: Pool) -> Delivery | None:
        """What changed files hold, if it is time to look; ``None`` where none can be read yet."""
        pace, now = self.config.pool.pace, self.monotonic()
        if pace is None or now < self._next:
            return None
        self._is_restless = False
        sources = SourceLog(self.config.run.dir)
        before = sources.read().files
        if not self._fetcher.is_done({**before, **self._given_up()}):
            self._next = now + min(SETTLED, pace)
            return None
        try:
            read = list(self._read(before, pool))
        except DataError as error:  # of the folder
            _say_unreadable(local_path(self.config) or Path(), error)
            read = []
        self._next = now + (min(SETTLED, pace) if self._is_restless else pace)
        if not self._is_restless:
            self._fetcher.again()
        if not read:
            return None
        for one in read:
            _say_what_is_lost(one)
        seen = {**before, **{str(one.path): one.seen for one in read}}
        return Delivery(
            [record for one in read for record in one.pool],
            _names([one.path for one in read]),
            sum(one.duplicates for one in read),
            sum(one.refused for one in read),
            sum(one.twins for one in read),
            sum(one.clashing for one in read),
            partial(self._remember, sources, seen),
        )

    def _given_up(self) -> Mapping[str, SeenFile]:
        """Files that cannot be read: they need not come again until they change."""
        looks_then = self._unusable.items()
        return {str(path): SeenFile(look.size, look.changed) for path, look in looks_then}

    def _remember(self, sources: SourceLog, seen: Mapping[str, SeenFile]) -> None:
        """Write down what was read; what was brought here for it may go."""
        sources.write(columns(self.config.pool), seen)
        drop(self.config, (path for path, one in seen.items() if one.whole))

    def _read(self, before: Mapping[str, SeenFile], pool: Pool) -> Iterator[_ReadFile]:
        """The files that have changed, in the order of their names."""
        for path, look in looks(self.config).items():
            was = before.get(str(path), SeenFile(-1, -1))
            is_same = FileStamp(was.size, was.changed) == look
            if self._is_over(path, look, is_read=is_same and was.whole):
                continue
            is_settled = self._is_settled(path, look, is_same=is_same)
            is_appended = not is_settled and not is_same and self._is_appended(path)
            if not is_settled and not is_appended:
                self._is_restless |= not is_same
                continue
            try:
                refused = sum(seen.refused for name, seen in before.items() if name != str(path))
                one = self._read_one(
                    *(path, look, was, ReadBefore(len(pool), refused)),
                    pool=pool,
                    whole=is_same,
                    is_growing=is_appended,
                )
            except DataError as error:
                self._unusable[path] = look
                _say_unreadable(path, error)
                drop(self.config, [path])
                continue
            self._unusable.pop(path, None)
            after = look_at(path)
            if after == look or (is_appended and after is not None and after.size > look.size):
                yield one
            else:
                self._is_restless = True

    def _is_over(self, path: Path, look: FileStamp, *, is_read: bool) -> bool:
        """Whether a file need not be read again as it is; one that was brought here may go."""
        if is_read:
            self._unusable.pop(path, None)  # it is again as it was before it could not be read
        elif self._unusable.get(path) != look:
            return False
        drop(self.config, [path])
        return True

    def _is_settled(self, path: Path, look: FileStamp, *, is_same: bool) -> bool:
        """Whether a file was like this for long enough.

        For a moment where it is new or has changed; where only its last line is left, which has no
        end, for a whole pace.
        """
        now, pace = self.monotonic(), self.config.pool.pace or 0.0
        before = self._glanced.get(path, _Glance(FileStamp(-1, -1), now, now))
        is_alike, is_longer = before.stamp == look, before.stamp.size < look.size
        self._glanced[path] = _Glance(
            look,
            before.alike_since if is_alike else now,
            before.growing_since if is_longer else now,
        )
        needed = pace if is_same else min(SETTLED, pace)
        return is_alike and now - before.alike_since >= needed

    def _is_appended(self, path: Path) -> bool:
        """Whether a file of lines has grown from look to look, for a whole pace.

        It may never settle. What is complete of it is read, once a pace.
        """
        glance, pace = self._glanced[path], self.config.pool.pace or 0.0
        if path.suffix.lower() not in LINES or self.monotonic() - glance.growing_since < pace:
            return False
        self._glanced[path] = replace(glance, growing_since=self.monotonic())
        return glance.alike_since > glance.growing_since

    def _read_one(
        self,
        path: Path,
        look: FileStamp,
        was: SeenFile,
        others: ReadBefore,
        *,
        pool: Pool,
        whole: bool,
        is_growing: bool,
    ) -> _ReadFile:
        whole = whole or complete_bytes(path) == look.size
        whole_file = whole and not is_growing
        read, report = read_file(self.config, path, whole=whole_file, before=others)
        arrived = arrivals(pool, read)
        twins, clashing = arrived.duplicates, len(arrived.clashing)
        counts = report.duplicates + twins, report.refused + clashing
        seen = SeenFile(look.size, look.changed, whole, *counts)
        return _ReadFile(path, read, report, seen, was, twins, clashing)


def _names(paths: Sequence[Path]) -> str:
    """How a fact calls the files."""
    if len(paths) == 1:
        return shown_name(paths[0])
    return f"{shown_name(paths[0])} to {shown_name(paths[-1])}, {len(paths)} files"


def _say_what_is_lost(one: _ReadFile) -> None:
    """As a start says it of what it reads, where it was not said at an earlier look."""
    report, is_new = one.report, one.was.size < 0
    unusable = report.unusable_answers + report.known.unusable
    if (report.refused and one.refused) or (is_new and unusable):
        for line in report.lines():
            log.get("data").warning("reading", set="pool", detail=line.strip())


def _say_unreadable(path: Path, error: DataError) -> None:
    log.get("data").warning(
        "file_left_out",
        file=shown_name(path),
        problem=error.message,
        hint="it is read once it changes",
    )
