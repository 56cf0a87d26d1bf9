"""The report in Chromium, from the disk and without any network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loopd.reports.report import run_report
from tests.browser.conftest import FLAGS
from tests.monitoring.rounds import HOSTILE
from tests.monitoring.run_folder import run_on_disk
from tests.monitoring.story import story
from tests.monitoring.test_report import TEXT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.integration]


@pytest.mark.parametrize("width", [pytest.param(1280, marks=pytest.mark.slow), 390])
def test_it_opens_offline_without_a_word_of_the_console(
    chromium: Browser, tmp_path: Path, width: int
) -> None:
    assert any("NOTFOUND" in flag for flag in FLAGS)  # no name is looked up
    config = run_on_disk(tmp_path, story(3, 1, HOSTILE), HOSTILE, TEXT)
    file = run_report(config, tmp_path / "report.html", lambda _: None)
    context = chromium.new_context(
        offline=True, viewport={"width": width, "height": 800}, color_scheme="dark"
    )
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    assert page.locator("svg.chart").count() == 5
    for chart in page.locator("svg.chart").all():
        box = chart.bounding_box()
        assert box is not None
        assert 250 < box["width"] <= width
    # Nothing of it makes the page wider than the screen: wide tables scroll by themselves.
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("window.harmed") is None
    assert TEXT in page.locator("#out").inner_text()
    page.locator("summary").first.click()
    assert page.locator("#numbers").is_visible()
    context.close()
    assert said == []
    assert asked == [file.as_uri()]
