"""Owns the thread that brings changed files of a pool at a URL here, and what is said of it.

Nobody waits for a slow store, and nothing that goes wrong on the way ends the run. Must not read
the files.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from loopd import log
from loopd.config import Config
from loopd.config.addresses import shown_url
from loopd.data.remote_files import fetch_changed
from loopd.errors import DataError
from loopd.loop.fetched_files import (
    arrive,
    fetching_folder,
    is_wanted,
    known,
    place_to_fetch,
    waiting,
)
from loopd.storage.source_log import SeenFile

SLOW = 600.0
"""Seconds without an end after which it is said."""

GOES_ON = "the run goes on with the texts that it has"


class Fetcher:
    """Brings changed files here, again and again.

    Args:
        config: of the run; without a URL everything is here already.
        monotonic: clock in seconds.
    """

    def __init__(self, config: Config, monotonic: Callable[[], float]) -> None:
        self._config, self._monotonic = config, monotonic
        self._fetch: _Fetch | None = None
        self._since = 0.0
        self._said: set[str] = set()

    def is_done(self, seen: Mapping[str, SeenFile]) -> bool:
        """Whether all that has changed is here by now; begins to bring it.

        Args:
            seen: files that need not come unless they have changed since, by path.
        """
        if self._config.pool.url is None:
            return True
        if self._fetch is None:
            self._fetch, self._since = _Fetch(self._config, known(seen)), self._monotonic()
            self._fetch.start()
        if self._fetch.is_alive():
            self._say_slow()
            return False
        self._say(self._fetch.problem, self._fetch.hint)
        return True

    def again(self) -> None:
        """What has come is read: the next call begins anew."""
        self._fetch = None

    def _say(self, problem: str | None, hint: str) -> None:
        """A problem of each kind once, until all is well again."""
        if problem:
            if (kind := _kind(problem)) not in self._said:
                self._said.add(kind)
                hints = filter(None, (hint, f"{GOES_ON}, and tries again"))
                log.get("data").warning("source_away", problem=problem, hint="; ".join(hints))
        elif problem is not None and self._said:
            self._said.clear()
            log.get("data").info("source_back", source=_shown(self._config))

    def _say_slow(self) -> None:
        """That it does not come to an end, once."""
        seconds = self._monotonic() - self._since
        if seconds < SLOW or "slow" in self._said:
            return
        self._said.add("slow")
        log.get("data").warning(
            "source_slow",
            source=_shown(self._config),
            minutes=round(seconds / 60),
            hint=f"{GOES_ON}; if nothing comes at all, see to the source and start loopd again",
        )


class _Fetch(threading.Thread):
    """One time that changed files are brought here.

    Args:
        config: of the run.
        unchanged: when files had changed that need not come, by name.

    Attributes:
        problem: what went wrong; empty where nothing did, and ``None`` where it was called off.
        hint: what to do about it, empty where that is not known.
    """

    def __init__(self, config: Config, unchanged: Mapping[str, int]) -> None:
        super().__init__(name="fetch", daemon=True)
        self._config, self._known = config, unchanged
        self._place = fetching_folder(config)
        self.hint = ""
        # Before the thread begins: whoever calls it off finds it.
        self.problem: str | None = self._attempt(self._begin)

    def run(self) -> None:
        """What has come arrives, even if others have not."""
        if self.problem:
            return
        try:
            problem = self._attempt(self._bring)
            problem = self._attempt(self._arrive) or problem
            self.problem = problem if is_wanted(self._place) else None
        finally:
            shutil.rmtree(self._place, ignore_errors=True)

    def _begin(self) -> None:
        self._place = place_to_fetch(self._config)
        self._known = {**self._known, **waiting(self._config)}

    def _bring(self) -> None:
        fetch_changed(self._config.pool.url or "", self._files, self._known)

    def _arrive(self) -> None:
        arrive(self._config, self._place, self._files)

    @property
    def _files(self) -> Path:
        return self._place / "files"

    def _attempt(self, step: Callable[[], None]) -> str:
        """What went wrong, without anything that may be secret; empty where nothing did."""
        try:
            step()
        except DataError as error:
            self.hint = "" if error.hint == error.usual_hint else error.hint
            return error.message
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the run
            reason = getattr(error, "strerror", None) or type(error).__name__
            return f"cannot fetch {_shown(self._config)}: {reason}"
        return ""


def _shown(config: Config) -> str:
    return shown_url(config.pool.url or "")


def _kind(problem: str) -> str:
    """A problem without numbers and whatever else is another one each time, such as an id."""
    return re.sub(r"\S*\d\S*", "", problem)
