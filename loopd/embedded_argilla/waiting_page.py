"""Owns what Argilla's page gets to hear of loopd: a script, and whether loopd works on a dataset.

Must not change what Argilla answers otherwise. The pages are the copies that Argilla makes of its
own at each start.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from loopd.embedded_argilla.throttle import App, Message, Receive, Send
from loopd.errors import ServerError

SCRIPT = Path(__file__).with_name("static") / "waiting.js"
"""What looks for new records where a page shows none."""

SERVED_AS = "loopd/waiting.js"
"""Where Argilla serves it, below its own address."""

PRESENT = 120.0
"""Seconds after its last request for which loopd counts as being at work: a round takes less."""

DATASETS = 1000
"""Datasets that are remembered; those that loopd left longest ago are forgotten first."""

HEADER = b"x-loopd"
WORKING, AWAY, OVER = b"working", b"away", b"over"
"""What the page hears of a run; the last one comes from loopd itself, in the same header."""

_ID = r"(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_WORK = re.compile(rf"/api/v1/datasets/{_ID}(/.*)?")
_LOOK = re.compile(rf"/api/v1/me/datasets/{_ID}/metrics")
_HOME = "/api/v1/me/datasets"
_AGENT = b"loopd/"


def add_script(folder: Path) -> int:
    """Put the script into the pages that Argilla serves.

    Args:
        folder: below which Argilla has copied its pages.

    Returns:
        How many pages have it now.

    Raises:
        ServerError: a page cannot be written.
    """
    version = hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:12]
    tag = f'<script src="{SERVED_AS}?{version}" defer></script></body>'
    try:
        pages = [page for page in folder.glob("*/statics/**/*.html") if page.is_file()]
        for root in folder.glob("*/statics"):
            (root / SERVED_AS).parent.mkdir(exist_ok=True)
            shutil.copyfile(SCRIPT, root / SERVED_AS)
        return sum(_write(page, tag) for page in pages)
    except OSError as error:
        raise ServerError(
            f"Argilla's pages in {folder} cannot be written: {error.strerror}.",
            hint="Mend the permissions of that folder, or give another --home.",
        ) from error


def _write(page: Path, tag: str) -> bool:
    text = page.read_text(encoding="utf-8")
    if text.count("</body>") != 1:
        return False
    page.write_text(text.replace("</body>", tag), encoding="utf-8")
    return True


class Presence:
    """An ASGI application that tells Argilla's page whether loopd works on a dataset.

    It knows by loopd's own requests for that dataset; before there is one, by any of them. What a
    page asks while it waits gets a header more; everything else passes as it is.

    Args:
        app: Argilla.
        clock: seconds from an arbitrary start.
    """

    def __init__(self, app: App, clock: Callable[[], float] = time.monotonic) -> None:
        self._app, self._clock = app, clock
        self._seen: OrderedDict[str, tuple[float, bool]] = OrderedDict()
        self._latest: float | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope.get("path", "") if scope["type"] == "http" else ""
        if path and _is_loopd(scope):
            self._hear(path, scope)
        word = self._word(path)
        if word is None:
            await self._app(scope, receive, send)
            return

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (HEADER, word)]}
            await send(message)

        await self._app(scope, receive, adding)

    def _hear(self, path: str, scope: Message) -> None:
        self._latest = self._clock()
        work = _WORK.fullmatch(path)
        if work is not None:
            self._note(work["id"], is_over=(HEADER, OVER) in scope["headers"])

    def _word(self, path: str) -> bytes | None:
        """What a page hears with its answer, if anything."""
        if path == _HOME:
            return WORKING if self._is_present(self._latest) else None
        look = _LOOK.fullmatch(path)
        return None if look is None else self._word_of(look["id"])

    def _is_present(self, when: float | None) -> bool:
        return when is not None and self._clock() - when < PRESENT

    def _note(self, dataset_id: str, *, is_over: bool) -> None:
        self._seen[dataset_id] = self._clock(), is_over
        self._seen.move_to_end(dataset_id)
        while len(self._seen) > DATASETS:
            self._seen.popitem(last=False)

    def _word_of(self, dataset_id: str) -> bytes | None:
        seen = self._seen.get(dataset_id)
        if seen is None:
            return None
        when, is_over = seen
        if is_over:
            return OVER
        return WORKING if self._is_present(when) else AWAY


def _is_loopd(scope: Message) -> bool:
    return any(
        name == b"user-agent" and value.startswith(_AGENT) for name, value in scope["headers"]
    )
