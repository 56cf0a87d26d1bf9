"""The live page in Chromium while a real run goes on: it moves by itself, and asks nobody else."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loopd.records import Batch, PoolId
from loopd.storage.run_folder import PAGE_NAME
from tests.acceptance.conftest import make_daemon  # noqa: F401 - a fixture
from tests.acceptance.test_failures import collecting, rounds
from tests.browser.conftest import Desk
from tests.daemon import Daemon, wait_for
from tests.live import LiveArgilla
from tests.loop.conftest import make_pool
from tests.people import ArgillaPeople

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.acceptance.conftest import MakeDaemon

pytestmark = [
    pytest.mark.integration,
    pytest.mark.browser,
]

HOSTILE = '<img src=x onerror="window.harmed = 1"></td><script>window.harmed = 2</script>'

SHOTS = "LOOPD_SCREENSHOTS"
"""Environment variable with a folder that gets the screenshots."""


@pytest.fixture
def watched(
    argilla: LiveArgilla,
    make_daemon: MakeDaemon,  # noqa: F811 - the fixture
) -> Iterator[tuple[Daemon, ArgillaPeople]]:
    """A daemon with a page, whose texts are hostile, and its people."""
    daemon = make_daemon(argilla, dashboard={"enabled": True})
    with (daemon.folder / "pool.csv").open("w", newline="", encoding="utf-8") as file:
        texts = [(each.id, f"{each.text} {HOSTILE}", each.gold) for each in make_pool(60)]
        csv.writer(file).writerows([("id", "text", "label"), *texts])
    daemon.start()
    daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    yield daemon, people
    people.close()


def answer(people: ArgillaPeople, count: int) -> None:
    gold = {record.id: record.gold for record in make_pool(60)}
    for record_id in people.open_records("ann")[:count]:
        people.submit(record_id, "ann", gold[PoolId(record_id)])


def points(page: Page) -> int:
    """Rounds on the drawn curve: never fewer than in the table beside it."""
    return page.locator("#learning .lines .look-3.mark, #learning .lines .look-0.mark").count()


def has_its_reason(page: Page, batch: Batch) -> None:
    """The first open record says why it is asked."""
    page.locator("#out", has_text=batch.id).wait_for()
    row = page.locator("#out tbody tr").first.inner_text()
    for words in (HOSTILE, "breaking_ties: the two likeliest labels are close to each other", "%"):
        assert words in row
    score = batch.items[0].score
    assert score is not None
    assert f"{score:.3f}" in row


def fits(page: Page, folder: Path) -> None:
    """The page is as wide as the window; leaves screenshots."""
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.screenshot(path=folder / f"live-{width}.png", full_page=True)


def test_a_run_is_watched(
    chromium: Browser, watched: tuple[Daemon, ArgillaPeople], tmp_path: Path
) -> None:
    daemon, people = watched
    page_file = daemon.run_dir / PAGE_NAME
    url = wait_for(lambda: page_file.read_text().strip() if page_file.is_file() else "", 30)
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    desk = Desk(context.new_page(), url).watch()
    page = desk.page
    page.set_default_timeout(90_000)
    page.goto(url)
    page.evaluate("window.same = true")

    # The open batch shrinks as answers come in.
    page.locator("#open-records", has_text="6").wait_for()
    page.locator("#queue", has_text="0 of 6").wait_for()
    answer(people, 2)
    page.locator("#queue", has_text="2 of 6").wait_for()
    page.locator("#open-records", has_text="4").wait_for()
    page.locator("#people", has_text="ann").wait_for()

    # The curve grows; what was opened stays open and what has the focus keeps it.
    answer(people, 6)
    page.locator("#rounds summary").click()
    assert page.locator("#rounds tbody tr").count() == 1
    assert points(page) == 1
    daemon.wait(rounds(2))
    answer(people, 6)
    page.locator("#rounds tbody tr").nth(1).wait_for()
    assert points(page) == 2
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert page.locator("#rounds tbody tr").count() == 2
    last = daemon.wait(rounds(3))

    has_its_reason(page, last.batch)
    assert page.evaluate("window.harmed") is None
    assert page.evaluate("window.same"), "nothing was loaded anew"

    fits(page, Path(os.environ.get(SHOTS, tmp_path)))
    # Nothing but the page's own server was asked.
    context.close()
    assert desk.left == set()
    assert {asked.startswith(url) for asked in desk.asked} == {True}
    assert desk.faults == []
