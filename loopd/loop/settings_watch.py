"""Owns what is done when people change the settings of the dataset under a running run.

What is harmless is adopted and said once; what is not is said with what to set back. Must not
change anything in Argilla.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from loopd import log
from loopd.annotation.store import AnnotationStore, DatasetSettings
from loopd.events import SettingsAdopted
from loopd.machine import State

SHOWN = 5
"""Names that a sentence lists."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change in words.

    Attributes:
        sentence: what somebody has changed.
        hint: what that means for the run, or what to set back.
        harmless: whether nothing needs to be done.
    """

    sentence: str
    hint: str
    harmless: bool = True


class SettingsWatch:
    """Remembers the settings.

    Args:
        store: whose dataset is watched; ``None`` watches nothing.
        configured: ``queue.min_submitted``.
        interval: seconds between two looks.
        monotonic: clock in seconds.
    """

    def __init__(
        self,
        store: AnnotationStore | None = None,
        configured: int = 1,
        interval: float = 30.0,
        monotonic: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._store = store
        self._configured = configured
        self._interval = interval
        self._monotonic = monotonic
        self._before: DatasetSettings | None = None
        self._looked_at = float("-inf")

    def look(self, state: State, now: float) -> SettingsAdopted | None:
        """Say what has changed since the last look; the event with which the run adopts it.

        Args:
            state: what the journal says.
            now: wall clock in seconds.
        """
        if self._store is None or self._monotonic() - self._looked_at < self._interval:
            return None
        settings = self._store.settings()
        self._looked_at = self._monotonic()
        if settings is None:
            return None
        before, self._before = self._before or settings, settings
        for change in changed(before, settings):
            _say(change)
        needed = state.answers_needed(self._configured)
        if not _is_to_adopt(needed, before, settings):
            return None
        _say(adopted(needed, settings.min_submitted))
        return SettingsAdopted(now, settings.min_submitted)


def _is_to_adopt(needed: int, before: DatasetSettings, now: DatasetSettings) -> bool:
    """Whether the run must ask for as many answers as Argilla does.

    For fewer always: Argilla shows nobody a record that is complete there. For more where somebody
    has just changed it: where a dataset has always asked for more, the run goes on after fewer.
    """
    lower = now.min_submitted < needed
    raised = now.min_submitted > max(needed, before.min_submitted)
    return lower or raised


def adopted(needed: int, now: int) -> Change:
    """That Argilla asks for another number of answers than the run did."""
    answers = "1 answer" if now == 1 else f"{now} answers"
    return Change(
        f"Argilla now completes a record at {answers}, and the run has asked for {needed}",
        f"it goes on with {now}; to go back, set the minimum of submitted responses to {needed} in "
        "the settings of the dataset",
        harmless=False,
    )


def changed(before: DatasetSettings, now: DatasetSettings) -> Iterator[Change]:
    """All changes but that of ``min_submitted``."""
    if before.guidelines != now.guidelines:
        yield Change("the guidelines were edited in Argilla", "people read them as they are now")
    yield from _added("field", before.fields, now.fields)
    yield from _added("question", before.questions, now.questions)
    texts = [
        f"`{label}` now reads {now.label_texts[label]!r}"
        for label, text in before.label_texts.items()
        if now.label_texts.get(label, text) != text
    ]
    if texts:
        yield Change(
            f"the text of labels was changed: {', '.join(texts[:SHOWN])}",
            "their answers count as before",
        )
    yield from _people(before.people, now.people)


def _added(kind: str, before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted(now.keys() - before.keys()):
        hint = "people must answer it too" if "required" in now[name] else "loopd leaves it empty"
        yield Change(f"{kind} `{name}` ({now[name]}) was added", hint)
    for name in sorted(before.keys() - now.keys()):
        yield Change(f"{kind} `{name}` is gone", "add it again if it is that of the run", False)
    for name in sorted(now.keys() & before.keys()):
        if now[name] != before[name]:
            yield Change(f"{kind} `{name}` was {before[name]} and is {now[name]}", "")


def _people(before: frozenset[str], now: frozenset[str]) -> Iterator[Change]:
    gone, new = sorted(before - now), sorted(now - before)
    if new:
        yield Change(f"{', '.join(new[:SHOWN])} can answer now", "")
    if gone:
        left = "nobody is left to answer" if not now else f"{len(now)} accounts are left"
        yield Change(
            f"{', '.join(gone[:SHOWN])} left the workspace: {left}",
            "add them again if records are to wait for them",
            harmless=False,
        )


def _say(change: Change) -> None:
    logger = log.get("loop")
    if change.harmless:
        logger.info("settings_changed", says=change.sentence, hint=change.hint)
    else:
        logger.warning("settings_warning", says=change.sentence, hint=change.hint)
