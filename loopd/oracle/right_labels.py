"""Owns the right labels that simulated people know: of the pool, and of files that come later.

Must not write anything into a run's folder, nor ask Argilla. May be asked from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from loopd.config import Config
from loopd.data.pool_files import FileStamp
from loopd.data.reading import read_pool
from loopd.data.remote_files import fetch_changed, remote_looks
from loopd.errors import DataError
from loopd.loop.pool_source import looks
from loopd.records import Record, Target


class RightLabels:
    """The right target by id, and the id by text.

    Args:
        config: whose pool may be files that are followed.
        gold_column: column of them with the right labels.
    """

    def __init__(self, config: Config, gold_column: str | tuple[str, ...]) -> None:
        self.gold: dict[str, Target] = {}
        self.ids: dict[str, str] = {}
        self._config, self._column = config, gold_column
        self._lock = threading.Lock()
        self._seen = self._looks() or {}

    def learn(self, records: Iterable[Record]) -> bool:
        """Know these too; returns whether a label of them is new.

        What was right of a text stays so if its id stands for another text by now, as the run
        keeps to the text that it has read.
        """
        before = len(self.gold)
        for record in records:
            is_same = self.ids.get(record.text) == record.id
            if record.gold is not None and (is_same or record.id not in self.gold):
                self.gold[record.id] = record.gold
            self.ids.setdefault(record.text, record.id)
        return len(self.gold) > before

    def look_again(self) -> bool:
        """Read the files that are other than they were; returns whether there is a new label."""
        with self._lock:
            now = self._looks()
            if now is None:
                return False
            same = {path: look for path, look in now.items() if self._seen.get(path) == look}
            with self._here(now, same) as changed:
                learned = [self._learn_from(path) for path in changed]
                return any(learned)

    def _looks(self) -> Mapping[Path, FileStamp] | None:
        """What the files look like; ``None`` where they cannot be looked at now."""
        url = self._config.pool.url
        with suppress(DataError):
            return looks(self._config) if url is None else remote_looks(url)
        return None

    @contextmanager
    def _here(
        self, now: Mapping[Path, FileStamp], same: Mapping[Path, FileStamp]
    ) -> Iterator[Sequence[Path]]:
        """The files to read; of those at a URL the ones that come, and others are due next time."""
        url = self._config.pool.url
        if url is None:
            self._seen = now
            yield sorted(now.keys() - same.keys())
            return
        if len(same) == len(now):
            yield ()
            return
        with TemporaryDirectory(prefix="loopd-") as folder:
            with suppress(DataError):
                fetch_changed(url, Path(folder), {path.name: same[path].changed for path in same})
            here = sorted(path for path in Path(folder).iterdir() if path.suffix != ".part")
            came = {Path(path.name): FileStamp(0, path.stat().st_mtime_ns) for path in here}
            self._seen = {**self._seen, **came}
            yield here

    def _learn_from(self, path: Path) -> bool:
        """What a file says by now; one that has no labels, or cannot be read, says nothing.

        A row that somebody is writing is another one once the file has changed again.
        """
        task = self._config.task
        place = {"url": None, "path": path}
        there = self._config.pool.model_copy(update={**place, "tolerate": 1.0})
        with suppress(DataError):
            pool, _ = read_pool(
                there,
                labels=task.labels,
                kind=task.type,
                none_label=task.none_label,
                gold_column=self._column,
            )
            return self.learn(pool)
        return False
