"""Headless Chromium at the embedded Argilla's pages; nothing may leave this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import pytest

from loopd.embedded_argilla.options import Account

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Response, Route

REQUIRED = "LOOPD_REQUIRE_BROWSER"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing leaves this machine, not even what no page asked for.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
FONTS = {"fonts.googleapis.com", "fonts.gstatic.com"}
SECONDS = 20_000  # Playwright counts in milliseconds


@dataclass
class Desk:
    """One person's browser window at the embedded Argilla.

    Attributes:
        page: Playwright's page.
        url: address of the server.
        left: hosts of requests that wanted to leave this machine; all were blocked.
        asked: addresses of all requests to this machine.
        faults: errors in the console, uncaught exceptions, dialogs and HTTP failures of our server.
    """

    page: Page
    url: str
    left: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def watch(self) -> Desk:
        """Record, and block what is not for this machine."""
        self.page.set_default_timeout(SECONDS)
        self.page.context.route("**/*", self._route)
        self.page.on("console", self._console)
        self.page.on("response", self._response)
        self.page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        self.page.on("dialog", self._dialog)
        return self

    def log_in(self, account: Account) -> None:
        """Fill in the login form."""
        self.page.goto(f"{self.url}/sign-in")
        self.page.locator("input[type=text]").fill(account.username)
        self.page.locator("input[type=password]").fill(account.password)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(lambda url: "sign-in" not in url)

    def _route(self, route: Route) -> None:
        host = urlsplit(route.request.url).hostname or ""
        if host == "127.0.0.1":
            self.asked.append(route.request.url)
            route.continue_()
        else:
            self.left.add(host)
            route.abort()

    def _console(self, message: ConsoleMessage) -> None:
        host = urlsplit(message.location["url"]).hostname
        if message.type == "error" and host not in FONTS:
            self.faults.append(f"console: {message.text} at {message.location['url']}")

    def _dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"HTTP {response.status}: {response.request.method} {response.url}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium. Of a module, not of the session: Playwright keeps an event loop."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        _unavailable("chromium is not installed (on Debian: apt install chromium)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _unavailable("playwright is not installed (it is in the `dev` extra)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def desk(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Desk]:
    """A window without cookies; a test that leaves faults behind has failed."""
    live = request.getfixturevalue("argilla")
    context = chromium.new_context(service_workers="block")
    desk = Desk(context.new_page(), live.url).watch()
    yield desk
    context.close()
    assert not desk.faults
    assert desk.left <= FONTS


def _unavailable(reason: str) -> NoReturn:
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{REQUIRED}=1, but {reason}")
    pytest.skip(reason)
