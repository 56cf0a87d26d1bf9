"""Owns the page's own line to Argilla: who the annotators are, and whether it answers at all.

It has a client of its own, so that neither a slow server nor a caller of the page keeps the loop
waiting. What fails here is done without.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from loopd.annotation.http import ArgillaHttp
from loopd.annotation.http_client import front_of
from loopd.config import ArgillaSection
from loopd.credentials import api_key
from loopd.errors import AuthError, LoopdError

LONGEST = 5.0
"""Seconds until a request is given up."""

AGAIN = 30.0
"""Seconds between two requests for names, whoever is unknown."""

FRESH = 5.0
"""Seconds for which it counts that Argilla answered, however often somebody asks."""


class AccountNames:
    """Names of accounts by Argilla's id, looked up in the background.

    Args:
        section: where Argilla is.
        monotonic: clock in seconds.

    Raises:
        LoopdError: there is no key, or the address is none.
    """

    def __init__(
        self, section: ArgillaSection, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._workspace = section.workspace
        timeout, front = min(section.timeout, LONGEST), front_of(section)
        self._http = ArgillaHttp(section.url, api_key(section), timeout, front)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._asked = float("-inf")
        self._answered = (float("-inf"), False)
        self.names: Mapping[str, str] = {}
        """Those that are known; replaced as a whole."""

    def look_up(self, ids: Iterable[str]) -> None:
        """See to it that the names of these accounts are known soon."""
        with self._lock:
            now = self._monotonic()
            if set(ids) <= set(self.names) or now - self._asked < AGAIN:
                return
            self._asked = now
        threading.Thread(target=self.refresh, name="names", daemon=True).start()

    def refresh(self) -> None:
        """Ask Argilla for the names now; an account that may not see them leaves ids."""
        try:
            self.names = {str(user["id"]): str(user["username"]) for user in self._users()}
        except (LoopdError, KeyError, TypeError):
            return  # ids are shown instead

    def answers(self) -> bool:
        """Whether Argilla answers and takes the key."""
        with self._lock:
            read_at, answered = self._answered
            if self._monotonic() - read_at > FRESH:
                answered = self._reachable()
                self._answered = (self._monotonic(), answered)
            return answered

    def close(self) -> None:
        """Release the connections."""
        self._http.close()

    def _reachable(self) -> bool:
        try:
            self._http.get("me")
        except LoopdError:
            return False
        return True

    def _users(self) -> list[Mapping[str, object]]:
        try:
            return list(self._http.get("users")["items"])
        except AuthError:  # for owners only; an admin sees those of the workspace
            spaces = self._http.get("me/workspaces")["items"]
            ids = [space["id"] for space in spaces if space["name"] == self._workspace]
            return [
                user for id_ in ids for user in self._http.get(f"workspaces/{id_}/users")["items"]
            ]
