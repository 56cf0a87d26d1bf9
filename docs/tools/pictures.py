"""Draws the pictures of the documentation from a real demo; must not touch any run but its own.

    make pictures

It runs `loopd demo` with the bundled data, looks at its Argilla with Chromium as an annotator
would, and keeps the learning curve. Needs Chromium and Playwright, and some minutes. Options are
passed on to the demo. The picture of the state machine is made by `reference.py`, which needs none
of this.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

IMAGES = Path(__file__).parents[1] / "images"

COLORS = 128
"""Of a picture's palette: screenshots become a third as large, and look the same."""

LIMIT = 200_000
"""Bytes that a picture may have."""

SIZE = {"width": 1280, "height": 760}

DATASET = "customer-questions"

SECONDS_PER_ANSWER = 2
"""So slow that there is something to see while they work."""

PAGE_SECONDS = 180
"""How long a page may take: the machine trains a model meanwhile."""

TRIES, TRY_SECONDS = 40, 10
"""How often the page is loaded until there is a record with a suggestion."""

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def main() -> None:
    """Make all pictures."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "demo-run"
        with demo(folder) as process:
            url, password = _greeting(process)
            _wait_for_a_round(folder / "run/metrics.jsonl", process)
            screenshot(url, password, IMAGES / "argilla.png")
            for line in process.stdout or ():
                print(line, end="", flush=True)
            if process.wait() != 0:
                sys.exit("the demo failed")
        keep(folder / "run/learning_curve.png", IMAGES / "tutorial-curve.png")


@contextmanager
def demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo with slow people, so that there is something to see; ended if it still runs."""
    command = [sys.executable, "-m", "loopd", "demo", "--dir", str(folder)]
    command += ["--seed", "1", "--seconds", str(SECONDS_PER_ANSWER), *sys.argv[1:]]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder.parent)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _greeting(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Address and the annotator's password, which the demo prints first."""
    seen = ""
    for line in process.stdout or ():
        print(line, end="")
        seen += line
        found = re.search(r"Argilla\s+(http\S+).*?password (\S+)", seen, re.DOTALL)
        if found:
            return found[1], found[2]
    sys.exit("the demo said no address")


def _wait_for_a_round(metrics: Path, process: subprocess.Popen[str]) -> None:
    """Until a model is trained: the next batch comes with suggestions."""
    while process.poll() is None:
        if metrics.exists():
            return
        time.sleep(0.2)
    sys.exit("the demo ended early")


def screenshot(url: str, password: str, target: Path) -> None:
    """The page at which people label, with a suggestion of the model."""
    from playwright.sync_api import sync_playwright

    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(FLAGS))
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(1000 * PAGE_SECONDS)
        _log_in(page, url, password)
        _find_suggestion(page, url)
        page.screenshot(path=target)
        browser.close()
    keep(target, target)


def _find_suggestion(page: Any, url: str) -> None:
    """Load the dataset's page until a record with a suggestion is there, and at rest."""
    from playwright.sync_api import TimeoutError as NotThere

    suggested = page.locator(".label-active .label-text__suggestion__score")
    for _ in range(TRIES):
        page.goto(url)
        page.get_by_text(DATASET, exact=True).first.click()
        try:
            suggested.wait_for(timeout=1000 * TRY_SECONDS)
        except NotThere:
            continue
        page.wait_for_timeout(1000)
        return
    sys.exit("no record with a suggestion was seen")


def _log_in(page: Any, url: str, password: str) -> None:
    page.goto(f"{url}/sign-in")
    page.locator("input[type=text]").fill("annotator")
    page.locator("input[type=password]").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "sign-in" not in address)


def keep(source: Path, target: Path) -> None:
    """Write a picture with few colours and without anything about where it was made."""
    with Image.open(source) as picture:
        small = picture.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    target.parent.mkdir(exist_ok=True)
    small.save(target, optimize=True)
    size = target.stat().st_size
    print(f"{target.name}: {size / 1000:.0f} kB")
    if size > LIMIT:
        sys.exit(f"{target.name} is too large")


if __name__ == "__main__":
    main()
