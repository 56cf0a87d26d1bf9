"""Owns the visit of ``loopd check``: it looks at what a run would take, and leaves it as it is."""

from __future__ import annotations

from functools import cached_property

from loopd.annotation.argilla_store import ArgillaStore, annotation_page
from loopd.annotation.http_errors import first_contact
from loopd.annotation.server_version import ServerVersion
from loopd.annotation.store import Progress
from loopd.annotation.webhooks import refuse_taken
from loopd.config import Config
from loopd.data.pool import Pool
from loopd.learning.learner import Learner
from loopd.loop.audit_in_force import in_force
from loopd.loop.data_sets import DataSets, look_at_data, read_data, with_news
from loopd.loop.start_or_resume import is_fresh
from loopd.loop.tools import build_learner, build_store
from loopd.machine import State, fold
from loopd.storage.journal import events_at
from loopd.storage.lock import refuse_held
from loopd.storage.newer import refuse_newer_files
from loopd.storage.run_folder import JOURNAL_NAME


class CheckVisit:
    """A :class:`~loopd.loop.gates.Visit` that changes nothing.

    Args:
        config: of the run.
        progress: called with (what, done, total) during long steps.
    """

    is_new = True

    def __init__(self, config: Config, progress: Progress | None = None) -> None:
        self.config = config
        self.state = State()
        self.datasets = DataSets(Pool(()), None, {})
        self._progress = progress
        self._store: ArgillaStore | None = None

    @cached_property
    def learner(self) -> Learner:
        """Over the pool; an empty one where that cannot be read."""
        return build_learner(self.config, self.datasets.pool, self._progress)

    @property
    def store(self) -> ArgillaStore:
        """The line to Argilla."""
        if self._store is None:
            self._store = build_store(self.config, self.state.min_submitted)
        return self._store

    def lock(self) -> None:
        """See that nobody holds it, and that a run could."""
        refuse_held(self.config.run.dir)

    def open_journal(self) -> None:
        """Read it, if it is there."""
        folder = self.config.run.dir
        refuse_newer_files(folder)
        self.state = fold(events_at(folder / JOURNAL_NAME))
        self.config = in_force(self.config, self.state)

    def read_data(self) -> None:
        """Read pool and test set."""
        if self.config.pool.argilla is None:
            self.datasets = with_news(self.config, read_data(self.config, self.state))
        else:
            self.datasets, _ = look_at_data(self.config, self.state, self.store, self._progress)

    def take_key(self) -> None:
        """Make the line to Argilla; nothing is sent yet."""
        self._store = build_store(self.config, self.state.min_submitted)

    def open_door(self) -> None:
        """See whether the port is free."""
        section = self.config.argilla
        if section.webhooks:
            refuse_taken(section.webhook_host, section.webhook_port)

    def account(self) -> tuple[str, str]:
        """Name and role of the key's account."""
        return first_contact(self.store.account)

    def server(self) -> ServerVersion:
        """What the server says that it is."""
        return first_contact(self.store.server)

    def look_at_dataset(self) -> str:
        """What a run would find."""
        return self.store.preview(self.datasets.pool, fresh=is_fresh(self.state))

    def open_dataset(self) -> str:
        """Leave it as it is."""
        return ""

    def holds(self, dataset_id: str) -> bool:
        """Whether that is the dataset."""
        return self.store.describe().startswith(
            annotation_page(self.config.argilla.url, dataset_id)
        )

    def close(self) -> None:
        """Release the connections."""
        if self._store is not None:
            self._store.close()
