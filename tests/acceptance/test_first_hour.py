"""The first hour as a new user has it: a wheel, a CSV without labels, one command, a keyboard.

Screenshots go to the folder that ``LOOPD_SCREENSHOTS`` names, or to the test's own; look at them.
The measured seconds are beside them in ``figures.txt``, and stand in docs/first-hour.md.
"""

from __future__ import annotations

import csv
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loopd.demo.sample_data import generate
from loopd.embedded_argilla.options import Account
from loopd.oracle.people_api import PeopleApi
from tests.browser.conftest import Desk, chromium  # noqa: F401 - a fixture
from tests.browser.waiting import FIELD, Labeller, Looks, longest_wait, sampled, samples_of
from tests.daemon import wait_for
from tests.faults.nursery import PATIENCE
from tests.packaging.test_wheel import Elsewhere, built, elsewhere  # noqa: F401 - fixtures
from tests.starting.test_start import some_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROWS, FIRST, MORE = 3000, 100, 20
LABELS = ("account", "billing", "delivery", "product", "returns", "technical")
OPEN_WITHIN = 15.0
"""Seconds from the command to the first open record, on two idle cores."""

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.integration,
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]


class Start:
    """``loopd start`` of the wheel, and what it prints, with the second of each line."""

    def __init__(self, there: Elsewhere, folder: Path, *words: str) -> None:
        self.folder = folder
        self.began = time.monotonic()
        self.lines: list[tuple[float, str]] = []
        self.process = subprocess.Popen(
            [str(there.python.with_name("loopd")), "start", *words, "--no-browser"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**there.environment(), "PYTHONUNBUFFERED": "1"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append((time.monotonic() - self.began, line.rstrip()))

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.lines)

    def address(self) -> tuple[float, str]:
        """Seconds until it was said, and what was."""
        wait_for(lambda: "Log in as" in self.text or self.process.poll() is not None, 120)
        for second, line in self.lines:
            if match := re.search(r"Label here +(http\S+)", line):
                return second, match[1]
        raise AssertionError(self.text)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60 * PATIENCE) == 0, self.text
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def kill(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def tickets(path: Path) -> None:
    """A table of texts without labels, all different."""
    pool, _ = generate()
    draw = random.Random(20)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["ticket", "body", "channel"])
        for number in range(ROWS):
            text = f"{draw.choice(pool).text} {draw.choice(pool).text} (order {number})"
            writer.writerow([f"T{number:05d}", text, draw.choice(("mail", "web"))])


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("LOOPD_SCREENSHOTS", tmp_path / "pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def started() -> Iterator[list[Start]]:
    """All that were started; none stays."""
    running: list[Start] = []
    yield running
    for start in running:
        start.kill()


def test_from_a_csv_to_labels_and_back(
    elsewhere: Elsewhere,  # noqa: F811 - the fixture
    chromium: Browser,  # noqa: F811 - the fixture
    tmp_path: Path,
    pictures: Path,
    started: list[Start],
) -> None:
    tickets(tmp_path / "tickets.csv")
    port = str(some_port())
    words = ("tickets.csv", "--text", "body", "--labels", ",".join(LABELS), "--port", port)
    first = Start(elsewhere, tmp_path, *words)
    started.append(first)
    open_after, address = first.address()
    url, _, dataset = address.partition("/dataset/")
    dataset = dataset.partition("/")[0]
    kept = json.loads((tmp_path / "argilla-home" / "accounts.json").read_text())["annotator"]
    person = Account(**kept)
    open_now = _open(url, person)
    assert open_now >= 8, "records are open when it says so"

    context = chromium.new_context(service_workers="block", viewport={"width": 1280, "height": 800})
    desk = Desk(context.new_page(), url).watch()
    desk.log_in(person)
    sampled(desk.page)
    with Looks(url, person.api_key, dataset) as looks:
        desk.page.goto(address)
        desk.page.locator(FIELD).wait_for()
        desk.page.screenshot(path=pictures / "1-first-record.png")
        labeller = Labeller(desk.page, len(LABELS))
        label(labeller, 1)
        label_after = time.monotonic() - first.began
        label(labeller, FIRST)
        desk.page.screenshot(path=pictures / "2-hundred-labels.png")
        samples = samples_of(desk.page)
    longest, sentence = longest_wait(samples, looks.seen)
    first.interrupt()
    assert "loopd start tickets.yaml" in first.text

    second = Start(elsewhere, tmp_path, *words)
    started.append(second)
    again_after, same = second.address()
    assert same == address, "the address stays"
    desk.page.goto(address)
    label(labeller, FIRST + MORE)
    desk.page.screenshot(path=pictures / "3-after-the-restart.png")
    second.interrupt()
    context.close()

    elsewhere_in = Elsewhere(tmp_path, elsewhere.python)
    said = elsewhere_in.run("loopd", "predict", "tickets.yaml", "--out", "out.csv")
    rows = table(tmp_path / "out.csv")
    figures = (
        f"open after {open_after:.1f} s, first label after {label_after:.1f} s,",
        f"again after {again_after:.1f} s, empty for {longest:.1f} s at most: {sentence!r}",
    )
    report = "\n".join((*figures, first.text, second.text, said))
    (pictures / "figures.txt").write_text(report, encoding="utf-8")
    assert [row["ticket"] for row in rows] == [f"T{number:05d}" for number in range(ROWS)]
    assert len(labeller.answered) == FIRST + MORE
    by_people = sum(row["source"] == "person" for row in rows)
    assert by_people == FIRST + MORE, "what was labelled until Ctrl-C is in the table"
    assert longest < 2.0 * PATIENCE, sentence
    assert open_after < OPEN_WITHIN * PATIENCE


def table(path: Path) -> list[dict[str, str]]:
    """Rows by column."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def label(labeller: Labeller, count: int) -> None:
    """Press keys until so many texts are labelled."""
    deadline = time.monotonic() + 420 * PATIENCE
    while len(labeller.answered) < count:
        shown = labeller.page.locator("main, body").first.inner_text
        assert time.monotonic() < deadline, (len(labeller.answered), shown())
        if not labeller.step():
            labeller.page.wait_for_timeout(100)


def _open(url: str, person: Account) -> int:
    """Records that are open for somebody."""
    api = PeopleApi(url, person.api_key)
    desk = api.desk(api.workspace_id("loopd") or "", "tickets")
    assert desk is not None
    count = len(api.pending(desk))
    api.close()
    return count
