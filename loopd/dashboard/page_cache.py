"""Owns when the page is made again: overview and HTML, each once for each change.

What is on it, ``overview.overview`` decides, and its layout ``templates/live_content.html.jinja``.
Called from the server's threads. Must not know HTTP, and never keeps the loop waiting: it works on
snapshots.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from loopd.annotation.argilla_store import annotation_page
from loopd.dashboard.charts import chart_data
from loopd.dashboard.prometheus import Moment
from loopd.dashboard.snapshot import PageSource, Snapshot, SnapshotHolder
from loopd.dashboard.templating import environment
from loopd.metrics_log import writer as metrics_log
from loopd.metrics_log.rows import measure_name
from loopd.overview.overview import LiveContext, Overview, overview
from loopd.overview.people import kept_names
from loopd.storage.heartbeat import seconds_since

if TYPE_CHECKING:
    from jinja2 import Environment

    from loopd.overview.accounts import AccountNames

STALE = 20.0
"""Seconds after which a page without news is made again: somebody may have left work."""

HANGS = 120.0
"""Seconds without a sign of life, beyond two looks at Argilla, after which the loop hangs."""


@dataclass(frozen=True, slots=True)
class TaggedOverview:
    """What was made of one snapshot.

    Attributes:
        tag: another one for everything that differs.
        overview: what there is to see.
    """

    tag: str
    overview: Overview


@dataclass
class View:
    """What there is to see, for the routes.

    Attributes:
        holder: of the present snapshot of the run.
        accounts: the page's own connection to Argilla, ``None`` without one.
        clock: seconds since 1970.
    """

    holder: SnapshotHolder
    accounts: AccountNames | None = None
    clock: Callable[[], float] = time.time
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _current: TaggedOverview | None = None
    _page: tuple[str, str] = ("", "")

    def current(self) -> TaggedOverview | None:
        """The overview now; ``None`` before the run is open."""
        source = self.holder.source
        if source is None:
            return None
        with self._lock:
            tagged = self._made(source)
        if self.accounts is not None:
            self.accounts.look_up(person.id for person in tagged.overview.people)
        return tagged

    def fragment(self, tagged: TaggedOverview) -> str:
        """The changing part of the page as HTML."""
        with self._lock:
            if self._page[0] != tagged.tag:
                html = self._render("live_content.html.jinja", tagged.overview)
                self._page = (tagged.tag, html)
            return self._page[1]

    def page(self, tagged: TaggedOverview | None) -> str:
        """The whole page."""
        template = self._templates.get_template("live.html.jinja" if tagged else "early.html.jinja")
        content = self.fragment(tagged) if tagged is not None else ""
        return template.render(tagged=tagged, content=content)

    def moment(self) -> Moment | None:
        """What Prometheus sees; ``None`` before the run is open."""
        source, snapshot, now = self.holder.source, self.holder.snapshot, self.clock()
        if source is None:
            return None
        silent = seconds_since(source.config.run.dir, now)
        heartbeat = None if silent is None else now - silent
        last_row = metrics_log.last_row(snapshot.state)
        return Moment(snapshot, source.config, now, heartbeat, last_row)

    def silent(self) -> float:
        """Seconds since the loop's last sign of life; its beginning is one."""
        source, now = self.holder.source, self.clock()
        began = now - self.holder.began_at
        silent = None if source is None else seconds_since(source.config.run.dir, now)
        return began if silent is None else min(silent, began)

    def lives(self) -> bool:
        """Whether the loop gave a sign of life not long ago."""
        source = self.holder.source
        looks = 0.0 if source is None else 2 * source.config.queue.poll_interval
        return self.silent() < HANGS + looks

    def ready(self) -> str:
        """Why the run cannot go on now, empty where it can."""
        snapshot = self.holder.snapshot
        if snapshot.state.started is None:
            return "the run is not open yet"
        if snapshot.over:
            return "the daemon has ended"
        if snapshot.outage is not None:
            return "Argilla does not answer the daemon"
        if self.accounts is not None and not self.accounts.answers():
            return "Argilla does not answer"
        return ""

    def _made(self, source: PageSource) -> TaggedOverview:
        """What was made of the present snapshot, made now if it is not yet."""
        snapshot, now = self.holder.snapshot, self.clock()
        names = {} if self.accounts is None else self.accounts.names
        tag = f"{snapshot.version}-{len(names)}-{now // STALE:.0f}"
        if self._current is None or self._current.tag != tag:
            self._current = TaggedOverview(tag, _overview(snapshot, source, names, now))
        return self._current

    def _render(self, name: str, seen: Overview) -> str:
        template = self._templates.get_template(name)
        measure = measure_name(seen.metric)
        return template.render(o=seen, charts=chart_data(seen), measure=measure)

    @cached_property
    def _templates(self) -> Environment:
        return environment()


def _overview(
    snapshot: Snapshot, source: PageSource, names: Mapping[str, str], now: float
) -> Overview:
    state, config = snapshot.state, source.config
    address = ""
    if state.published and state.started is not None:
        address = annotation_page(config.argilla.url, state.started.dataset_id)
        if config.pool.argilla is not None:  # the pool was read: the store knows its page
            address = source.describe() or address
    everybody = {**kept_names(config.run.dir), **names}
    live = LiveContext(address, everybody, snapshot.outage, snapshot.failure, snapshot.notes)
    rows = metrics_log.rows(state)
    return overview(state, config, source.pool, rows, now, live=live)
