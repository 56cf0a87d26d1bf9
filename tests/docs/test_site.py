"""The documentation as a site: built without a warning, whole, and silent on the network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from PIL import Image

from tests.browser.conftest import chromium  # noqa: F401 - a fixture
from tests.docs import pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BUILD = ("mkdocs", "build", "--quiet", "--strict")
PICTURES = sorted((pages.ROOT / "docs/images").iterdir())
PICTURE_BYTES = 200_000
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it, but for the place."""
    assert f"NO_MKDOCS_2_WARNING=1 $(BIN)/{' '.join(BUILD)}\n" in pages.text("Makefile")
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", *BUILD, "--site-dir", str(folder)],
        cwd=pages.ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (built.returncode, built.stdout + built.stderr) == (0, "")
    return folder


@dataclass
class Parsed(HTMLParser):
    """What a built page links to, what it loads, and where links may lead."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in LOADING and LOADING[tag] in given:
            self.loads.append(given[LOADING[tag]])


@cache
def parsed(path: Path) -> Parsed:
    found = Parsed()
    found.feed(path.read_text(encoding="utf-8"))
    return found


def built_pages(site: Path) -> Iterator[Path]:
    """All pages but the one for a server's 404, whose links start from the server's root."""
    return (path for path in site.rglob("*.html") if path.name != "404.html")


def test_every_page_of_the_navigation_is_built(site: Path) -> None:
    names = set(re.findall(r": ([\w/-]+)\.md", pages.text("mkdocs.yml")))
    built = {path.relative_to(site).with_suffix("").as_posix() for path in built_pages(site)}
    written = {pages.name(path)[5:-3] for path in pages.pages() if path.name != "README.md"}
    assert names & written <= built
    assert written <= names | {"index"}


def test_each_link_leads_to_a_page_and_a_place_on_it(site: Path) -> None:
    broken = []
    for path in built_pages(site):
        for link in parsed(path).links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "mailto"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.is_file() or (anchor and anchor not in parsed(target).ids):
                broken.append((path.name, link))
    assert not broken


def test_source_files_are_pages_too(site: Path) -> None:
    page = (site / "source/loopd/machine.py.html").read_text(encoding="utf-8")
    assert "TRANSITIONS" in page
    assert "source/loopd/machine.py.html" in (site / "how-it-works.html").read_text("utf-8")


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for path in built_pages(site):
        for load in parsed(path).loads:
            assert not urlsplit(load).netloc, (path.name, load)
            assert (path.parent / unquote(urlsplit(load).path)).resolve().is_file(), load
    for style in site.rglob("*.css"):
        for target in re.findall(r"url\(([^)]+)\)|@import", style.read_text(encoding="utf-8")):
            assert "//" not in target.partition("data:")[0], (style.name, target)


def test_nothing_on_the_site_names_this_machine(site: Path) -> None:
    for path in built_pages(site):
        assert str(pages.ROOT) not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("path", PICTURES, ids=pages.name)
def test_pictures_are_small_used_and_anonymous(path: Path) -> None:
    assert path.stat().st_size < PICTURE_BYTES
    assert any(f"images/{path.name}" in page.read_text("utf-8") for page in pages.pages())
    if path.suffix == ".png":
        with Image.open(path) as picture:
            assert not picture.info.keys() - {"dpi", "transparency"}


def test_the_configuration_loads_nothing_from_elsewhere() -> None:
    plain = pages.text("mkdocs.yml").replace("!!python/object/apply:pymdownx.slugs.slugify", "")
    content = yaml.safe_load(plain)
    assert content["theme"]["font"] is False
    assert content["strict"] is True
    assert not re.findall(r"https?://", pages.text("mkdocs.yml"))


# -- in the browser, opened from the folder --------------------------------------------------------


@dataclass
class Reader:
    """A window on the built site.

    Attributes:
        page: Playwright's page.
        asked: addresses that are no files.
        faults: errors in the console, and exceptions.
    """

    page: Page
    asked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def watch(self) -> Reader:
        self.page.on("request", lambda request: self._note(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.faults.append(said.text) if said.type == "error" else None,
        )
        return self

    def _note(self, url: str) -> None:
        if urlsplit(url).scheme not in ("file", "data", "blob", "about"):
            self.asked.append(url)


@pytest.fixture
def reader(chromium: Browser) -> Iterator[Reader]:  # noqa: F811 - the fixture
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    reader = Reader(context.new_page()).watch()
    yield reader
    context.close()
    assert not reader.asked
    assert not reader.faults


@pytest.mark.browser
def test_pages_fit_on_a_phone(site: Path, reader: Reader) -> None:
    for name in ("index", "readme", "tutorial", "configuration", "events", "benchmarks"):
        reader.page.goto((site / f"{name}.html").as_uri())
        assert reader.page.evaluate("document.documentElement.scrollWidth") <= 390, name


@pytest.mark.browser
def test_the_search_works_from_the_folder(site: Path, reader: Reader) -> None:
    reader.page.set_viewport_size({"width": 1280, "height": 800})
    reader.page.goto((site / "index.html").as_uri())
    reader.page.locator("input.md-search__input").press_sequentially("kappa_average")
    found = reader.page.locator("a.md-search-result__link", has_text="how stopping works").first
    found.wait_for()
    found.click()
    reader.page.wait_for_url("**/how-it-works.html*")
