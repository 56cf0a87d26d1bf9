"""Owns when a listener's action is due, and what it is told; no threads, no server, no clock.

**State.** What is compared is the filters and the query with their parameters put in, the matching
records' ids, and each of their submitted or discarded answers: by whom, and what it says. Times do
not count (Argilla touches them when a record is logged again with the same answers), nor drafts,
suggestions, fields or metadata. An action is called once for each state in which its condition
holds, and never again when that state comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from loopd.annotation.watcher import Pace
from loopd.listener.filters import BoundSearch, Filters


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a source shows.

    Attributes:
        records: all matching records, as ``rg.Record`` with responses and suggestions.
        state: a digest of ids and answers; see the module.
    """

    records: tuple[Any, ...]
    state: str


class RecordSource(Protocol):
    """A dataset as a listener sees it.

    Every method may raise ``TransientError`` (call again) or another ``LoopdError`` (give up).
    """

    @property
    def dataset(self) -> Any:
        """The ``rg.Dataset``."""

    def activity(self) -> str:
        """A cheap token that changes when somebody answers (not with every kind of change)."""

    def search(self, wanted: BoundSearch) -> SearchResult:
        """Read all matching records."""


@dataclass(frozen=True, slots=True)
class Search:
    """One look at the dataset, as conditions and actions see it.

    Attributes:
        total: number of matching records.
        query_params: the parameters that were put in; a copy.
        records: the matching records, as ``rg.Record``.
    """

    total: int
    query_params: Mapping[str, Any]
    records: tuple[Any, ...] = field(repr=False, default=())


@dataclass(slots=True)
class Context:
    """What an action gets in addition to the records.

    Attributes:
        query_params: the parameters of filters and query. Change them to go on to other records:
            the next look uses the new values.
        search: the look that led to this call.
        dataset: the ``rg.Dataset``.
        stop: ends the listener after this call.
    """

    query_params: dict[str, Any]
    stop: Callable[[], None]
    search: Search = Search(0, {})
    dataset: Any = None


@dataclass(frozen=True, slots=True)
class Rule:
    """When to call the action.

    Attributes:
        filters: which records it is about.
        condition: on what was found; ``None`` is "any record at all".
        refire: call at every look while the condition holds, also for the same state.
    """

    filters: Filters
    condition: Callable[[Search], object] | None = None
    refire: bool = False

    def holds(self, search: Search) -> bool:
        """Whether the condition is met."""
        return bool(search.total if self.condition is None else self.condition(search))


class Firing:
    """Remembers what the action was called for.

    Args:
        rule: when to call it.
        context: whose parameters are put into the filters.
        pace: when it is worth while to read everything.
    """

    def __init__(self, rule: Rule, context: Context, pace: Pace) -> None:
        self._rule = rule
        self._context = context
        self._pace = pace
        self._done: set[tuple[str, str]] = set()
        self._present = ("", "")

    def begin(self) -> None:
        """Let the next look read everything: the dataset may have been left alone for long."""
        self._pace.forget()

    def look(self, source: RecordSource) -> Search | None:
        """What there is now, ``None`` when nothing can have changed since the last look."""
        params = dict(self._context.query_params)
        filters = self._rule.filters.filled(params)
        if self._rule.refire:
            self._pace.forget()
        # Other parameters are other records: they move the trigger as an answer does.
        page = self._pace.look(
            lambda: f"{source.activity()} {filters}", lambda: source.search(filters)
        )
        if page is None:
            return None
        self._present = (repr(filters), page.state)
        return Search(len(page.records), params, page.records)

    def due(self, search: Search) -> bool:
        """Whether the action is to be called for what the last look found."""
        seen = self._present in self._done and not self._rule.refire
        return not seen and self._rule.holds(search)

    def fired(self) -> None:
        """The action was called for the last look, and came back without an error.

        It may have changed the dataset in ways that the trigger does not show.
        """
        self._done.add(self._present)
        self._pace.forget()
