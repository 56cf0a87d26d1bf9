"""What people's pages show while records are open for them: samples of pages, looks at the API."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.people import client_of

if TYPE_CHECKING:
    from playwright.sync_api import Page

SAMPLE = 0.2
"""Seconds between two samples of a page."""

FIELD = ".text_field_component .content-area"
ACTIVE = ".label-active .label-text__text"
EMPTY = ".wrapper--empty .wrapper__text"
RECORD = "a record"

_SAMPLER = """
(() => {
  const samples = JSON.parse(sessionStorage.getItem("samples") || "[]");
  setInterval(() => {
    const empty = document.querySelector(EMPTY);
    const record = document.querySelector(FIELD);
    samples.push([Date.now() / 1000, empty ? empty.textContent : record ? "a record" : ""]);
    sessionStorage.setItem("samples", JSON.stringify(samples));
  }, MILLISECONDS);
})();
"""


@dataclass
class Looks:
    """How many records the API says are open for a person, again and again; a context manager.

    Attributes:
        url, key, dataset_id: of the person and what they look at.
        seen: seconds since the epoch, and open records.
    """

    url: str
    key: str = field(repr=False)
    dataset_id: str
    seen: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Looks:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    def _look(self) -> None:
        with closing(client_of(self.url, self.key)) as client:
            while not self._closed.wait(SAMPLE):
                answer = client.get(f"me/datasets/{self.dataset_id}/metrics")
                if answer.is_success:
                    self.seen.append((time.time(), answer.json()["responses"]["pending"]))


class Labeller:
    """Labels by keyboard whatever a page shows, a text once.

    Args:
        page: of the person, with the dataset open.
        labels: how many there are.
        seed: of what they choose.
    """

    def __init__(self, page: Page, labels: int, seed: int = 1) -> None:
        self.page, self._labels = page, labels
        self._random = random.Random(seed)
        self.answered: list[str] = []

    def step(self) -> bool:
        """Answer the text that is shown, if it is a new one."""
        shown = self.page.locator(FIELD).all_inner_texts()  # at once: it may go, and none comes
        if not shown or self.page.locator(EMPTY).count():
            return False
        text = shown[0].strip()
        if text in self.answered or not self._is_ready():
            return False
        try:
            with self.page.expect_response(
                lambda response: response.request.method == "POST" and "/responses" in response.url
            ):
                self.page.keyboard.press(self._key())
        except _timeout():  # pressed while the page was loading: once more, as people do
            return False
        self.answered.append(text)
        return True

    def _key(self) -> str:
        """Enter for what is proposed, whose number would take it back; else any number."""
        is_proposed = self.page.locator(ACTIVE).count() > 0
        return "Enter" if is_proposed else str(self._random.randrange(self._labels) + 1)

    def _is_ready(self) -> bool:
        """Whether the keyboard is where the page wants it."""
        return self.page.locator("input[data-keyboard]:focus").count() > 0


def _timeout() -> type[Exception]:
    """What Playwright raises where nothing comes; it is imported where there is a browser."""
    from playwright.sync_api import TimeoutError as NothingCame

    return NothingCame


def sampled(page: Page) -> None:
    """Sample the page from its next load on."""
    script = _SAMPLER.replace("EMPTY", repr(EMPTY)).replace("FIELD", repr(FIELD))
    page.add_init_script(script.replace("MILLISECONDS", str(int(SAMPLE * 1000))))


def samples_of(page: Page) -> list[tuple[float, str]]:
    """Seconds since the epoch, and what the page said: a sentence, a record, or nothing."""
    kept: list[Any] = page.evaluate("JSON.parse(sessionStorage.getItem('samples') || '[]')")
    return [(float(at), str(text)) for at, text in kept]


def longest_wait(
    samples: Sequence[tuple[float, str]], looks: Sequence[tuple[float, int]]
) -> tuple[float, str]:
    """How long a page was empty at a stretch while records were open, in seconds, and its words.

    A stretch has as many seconds as there are samples or looks in it, of whichever there are fewer:
    where a busy machine holds up the page or the server, both of them wait for that, too.
    """
    longest, began, words = 0.0, None, ""
    for at, text in samples:
        if text in ("", RECORD) or not _is_open(looks, at):
            began = None
            continue
        began = at if began is None else began
        ticks = min(_within(began, at, clock) for clock in (samples, looks))
        if ticks * SAMPLE > longest:
            longest, words = ticks * SAMPLE, text
    return longest, words


def _within(began: float, ended: float, clock: Sequence[tuple[float, object]]) -> int:
    return sum(began <= at <= ended for at, _ in clock)


def _is_open(looks: Sequence[tuple[float, int]], at: float) -> bool:
    before = [count for when, count in looks if when <= at]
    return bool(before and before[-1])
