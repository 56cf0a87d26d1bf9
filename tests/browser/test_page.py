"""The page in Chromium at every stage of a run: charts, tooltips, widths, paper, no script."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loopd.dashboard.page_cache import View
from loopd.dashboard.recorded import PageRecord
from loopd.dashboard.routes import application
from loopd.dashboard.serving import address, claimed, web_server
from loopd.events import RoundEvaluated
from loopd.reports.report import run_report
from tests.browser.conftest import FLAGS
from tests.browser.test_live_page import SHOTS
from tests.monitoring.run_folder import run_on_disk, write_journal
from tests.monitoring.stages import LABELS, STAGES, TYPED, run_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from loopd.config import Config

pytestmark = [pytest.mark.browser, pytest.mark.integration]

PAPER = 703
"""Pixels of A4 between its margins."""

TEXT = "My parcel has not come, and nobody answers the telephone; order number"

UNSAID = """
const drawn = [...document.querySelectorAll('figure.chart')].filter((each) => each.clientWidth);
drawn.filter((each) => !each.querySelector('svg.drawing')).map((each) => each.id)
"""


RIGHTMOST = """
Math.max(...[...document.querySelectorAll('td, th')].map((cell) =>
  cell.getBoundingClientRect().right))
"""


@dataclass
class Served:
    """Pages of runs, by stage.

    Attributes:
        urls: where they are.
        configs: of the runs.
        said: what browsers wrote into their consoles, errors and violated policies among it.
    """

    browser: Browser
    folder: Path
    urls: dict[str, str] = field(default_factory=dict)
    configs: dict[str, Config] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def open(self, stage: str, width: int = 1280, **options: object) -> Page:
        """A window at the page, all of which is drawn."""
        viewport = {"width": width, "height": 900}
        context = self.browser.new_context(viewport=viewport, **options)  # type: ignore[arg-type]
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.goto(self.urls[stage])
        if options.get("java_script_enabled", True):
            page.wait_for_function(f"() => !(() => {{ {_as_value(UNSAID)} }})().length")
        return page


def _as_value(script: str) -> str:
    before, _, last = script.strip().rpartition("\n")
    return f"{before}\nreturn {last}"


def made(folder: Path, stage: str) -> Config:
    """The run of a stage on the disk."""
    folder.mkdir()
    labels = TYPED if stage == "typed" else LABELS
    return run_on_disk(folder, STAGES[stage], labels, TEXT, size=320)


@pytest.fixture(scope="module")
def served(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Every stage, each with a server of its own, as ``loopd page`` serves it."""
    site = Served(chromium, tmp_path_factory.mktemp("pages"))
    ends: list[Callable[[], None]] = []
    for stage in STAGES:
        config = site.configs[stage] = made(site.folder / stage, stage)
        site.urls[stage], end = _serving(config)
        ends.append(end)
    yield site
    for end in ends:
        end()
    assert site.said == []


def _serving(config: Config) -> tuple[str, Callable[[], None]]:
    record, socket = PageRecord(config), claimed("127.0.0.1", 0)
    record.read()
    view = View(record.holder)
    server, stop = web_server(application(view)), threading.Event()

    def follow() -> None:
        while not stop.wait(0.2):
            record.look()

    threads = [
        threading.Thread(target=server.run, args=([socket],), daemon=True),
        threading.Thread(target=follow, daemon=True),
    ]
    for thread in threads:
        thread.start()

    def end() -> None:
        stop.set()
        server.should_exit = True
        for thread in threads:
            thread.join(10)
        socket.close()

    return address(socket), end


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where screenshots go."""
    folder = Path(os.environ.get(SHOTS, tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def width_of(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_is_as_wide_as_the_window(
    served: Served, shots: Path, stage: str, width: int, scheme: str
) -> None:
    page = served.open(stage, width, color_scheme=scheme)
    for details in page.locator("details").all():
        details.evaluate("(each) => { each.open = true; }")
    page.wait_for_function(f"() => !(() => {{ {_as_value(UNSAID)} }})().length")
    assert width_of(page) == width
    assert "being drawn" not in page.inner_text("body")
    assert page.evaluate("window.harmed") is None
    page.screenshot(path=shots / f"page-{stage}-{width}-{scheme}.png", full_page=True)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": PAPER, "height": 1000})
    assert width_of(page) == PAPER
    page.context.close()


def test_it_prints_in_light_colours_and_without_what_nobody_can_press(
    served: Served, shots: Path
) -> None:
    page = served.open("middle", color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".button").is_visible()
    assert page.locator("#chart-curve svg.drawing").is_visible()
    file = shots / "page-middle.pdf"
    page.pdf(path=file, prefer_css_page_size=True)
    assert file.stat().st_size > 20_000
    page.context.close()


def test_what_is_drawn_is_what_the_tables_say(served: Served) -> None:
    page = served.open("middle")
    rounds = page.locator("#rounds-table tbody tr").count()
    assert rounds == 9
    assert page.locator("#chart-curve .mark.look-0").count() == rounds + 1  # and in the legend
    bars = page.locator("#chart-classes .value").all_text_contents()
    page.locator("#class-numbers summary").click()
    cells = page.locator("#class-numbers tbody td:nth-child(2)").all_inner_texts()
    assert bars == cells
    # As long as the numbers are great.
    lengths = [float(each.get_attribute("width") or 0)
               for each in page.locator("#chart-classes .bar").all()]  # fmt: skip
    ratios = [length / float(value) for length, value in zip(lengths, bars, strict=True)]
    assert max(ratios) - min(ratios) < 0.02 * max(ratios)
    counts = page.locator("#chart-confusion .count").all_text_contents()
    assert sum(map(int, counts)) == sum(count for *_, count in _last_confusion())
    page.context.close()


def _last_confusion() -> tuple[tuple[str, str, int], ...]:
    rounds = [event for event in STAGES["middle"] if isinstance(event, RoundEvaluated)]
    return rounds[-1].confusion


def test_a_mouse_reads_every_kind_of_chart(served: Served) -> None:
    page = served.open("middle")
    for name, words in {
        "curve": "95 % interval",
        "balance": "labels",
        "classes": "F1",
        "confusion": "of",
        "criteria": "kappa average",
        "seconds": "training",
    }.items():
        figure = page.locator(f"#chart-{name}")
        figure.locator("svg.drawing").hover()
        tip = figure.locator(".tip")
        assert tip.is_visible(), name
        assert words in tip.inner_text(), name
        box, around = tip.bounding_box(), page.viewport_size
        assert box is not None
        assert around is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= around["width"], name
    page.mouse.move(0, 0)
    assert not page.locator("#chart-seconds .tip").is_visible()
    page.context.close()


def test_the_keyboard_reads_it_too(served: Served) -> None:
    page = served.open("middle")
    page.locator("#chart-curve svg.drawing").focus()
    page.keyboard.press("End")
    tip = page.locator("#chart-curve .tip")
    assert "round 8, 180 labels: accuracy 0.839" in tip.inner_text()
    page.keyboard.press("ArrowLeft")
    assert "round 7, 160 labels" in tip.inner_text()
    page.keyboard.press("Home")
    assert "round 0, 20 labels" in tip.inner_text()
    page.keyboard.press("ArrowLeft")  # there is nothing before the first
    assert "round 0, 20 labels" in tip.inner_text()
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    assert tip.is_visible(), "the focus came by key"
    page.context.close()


def test_fingers_read_it_too(served: Served) -> None:
    page = served.open("middle", 390, has_touch=True, is_mobile=True)
    page.locator("#chart-balance svg.drawing").tap()
    tip = page.locator("#chart-balance .tip")
    assert tip.is_visible()
    assert "%" in tip.inner_text()
    page.context.close()


RATIO = """
([one, other]) => {
  const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const light = (name) => {
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name);
    probe.fillRect(0, 0, 1, 1);
    const parts = [...probe.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}
"""

READ = [("--ink", "--card"), ("--ink", "--ground"), ("--quiet", "--card"), ("--quiet", "--ground"),
        ("--accent", "--card"), ("--accent-ink", "--accent"), ("--ink", "--warn-ground"),
        ("--lost-ink", "--lost-ground"), ("--ink", "--shade-1"), ("--ink", "--shade-2"),
        ("--card", "--shade-4"), ("--card", "--shade-5")]  # fmt: skip
SEEN = [(f"--c{look}", "--card") for look in range(8)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_lines_stand_out(served: Served, scheme: str) -> None:
    """Contrast as WCAG 2.2 counts it: 4.5 for words, 3 for what is drawn."""
    page = served.open("middle", color_scheme=scheme)
    for pairs, least in ((READ, 4.5), (SEEN, 3.0)):
        for pair in pairs:
            assert page.evaluate(RATIO, pair) >= least, pair
    page.context.close()


def test_without_a_script_the_tables_tell_it(served: Served) -> None:
    page = served.open("untested-middle", java_script_enabled=False)
    assert "accuracy 0.839 (95 % interval 0.689 to 0.914)" in page.inner_text("#chart-curve")
    for name in ("rounds", "progress-numbers", "balance-numbers", "criteria-numbers"):
        page.locator(f"#{name} > summary").click()
        assert page.locator(f"#{name} tbody tr").count() >= 8, name
    page.context.close()


def test_names_are_drawn_as_text_and_no_wider_than_their_room(served: Served) -> None:
    page = served.open("typed", 390)
    names = page.locator("#chart-balance .name").all_text_contents()
    assert len(names) == len(TYPED)
    assert "_hidden" in names
    assert any("…" in name for name in names)
    page.locator("#chart-balance svg.drawing").hover(position={"x": 60, "y": 12})
    assert "<script>window.harmed = 1</script>" in page.inner_text("#chart-balance .tip")
    assert page.evaluate("window.harmed") is None
    assert page.locator("#main script, #main img, #main iframe").count() == 0
    page.context.close()


def test_the_page_says_why_each_text_is_asked(served: Served, shots: Path) -> None:
    """Each open record has its strategy and a reason with numbers; a screenshot shows it."""
    page = served.open("untested-middle")
    rows = page.locator("#out tbody tr").all()
    assert len(rows) == 13
    for row in rows:
        strategy, reason = row.locator(".strategy"), row.locator(".why").inner_text()
        assert strategy.inner_text() in ("breaking_ties", "audit")
        assert "likeliest" in reason or "at random" in reason
        assert TEXT in row.locator(".text").inner_text()
    page.locator("#out").screenshot(path=shots / "page-reasons.png")
    page.context.close()


def test_charts_are_never_behind_the_numbers(
    served: Served, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The run goes on while somebody looks: whenever the numbers move, the chart has them."""
    config = served.configs["growing"] = made_of(tmp_path / "growing", 3)
    served.urls["growing"], end = _serving(config)
    request.addfinalizer(end)
    page = served.open("growing")
    page.evaluate(
        """() => {
          window.behind = 0;
          const count = (what) => document.querySelectorAll(what).length;
          const look = () => {
            const drawn = count('#chart-curve .lines .mark.look-0');
            if (drawn !== count('#rounds-table tbody tr')) window.behind += 1;
            requestAnimationFrame(look);
          };
          requestAnimationFrame(look);
        }"""
    )
    page.locator("#chart-curve svg.drawing").focus()
    write_more(config, 3, 5)
    page.locator("#rounds-table tbody tr").nth(4).wait_for(state="attached")
    assert page.locator("#chart-curve .lines .mark.look-0").count() == 5
    assert page.evaluate("document.activeElement.matches('#chart-curve svg')"), "it keeps the focus"
    assert page.evaluate("window.behind") == 0
    page.context.close()


def made_of(folder: Path, rounds: int) -> Config:
    folder.mkdir()
    return run_on_disk(folder, run_of(rounds), LABELS, TEXT, size=320)


def write_more(config: Config, before: int, now: int) -> None:
    """The run as it is some rounds later."""
    shutil.rmtree(config.run.dir)
    write_journal(config, run_of(now))


def test_a_report_fits_on_paper(chromium: Browser, served: Served, shots: Path) -> None:
    assert any("NOTFOUND" in flag for flag in FLAGS)
    for stage in ("ended", "typed"):
        file = run_report(served.configs[stage], shots / f"report-{stage}.html", lambda _: None)
        page = chromium.new_page(viewport={"width": PAPER, "height": 1000})
        page.goto(file.as_uri())
        page.emulate_media(media="print")
        page.evaluate(
            "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
        )
        assert page.evaluate(RIGHTMOST) <= PAPER + 0.5
        assert width_of(page) == PAPER
        page.pdf(path=shots / f"report-{stage}.pdf", prefer_css_page_size=True)
        page.close()
