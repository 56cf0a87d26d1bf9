"""While records are open for somebody, their page never says that there are none."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from loopd.annotation.http import ArgillaHttp
from loopd.embedded_argilla.embedded import create_annotator
from loopd.embedded_argilla.options import Account
from tests.acceptance.conftest import make_daemon  # noqa: F401 - a fixture
from tests.browser.conftest import Desk
from tests.browser.waiting import (
    FIELD,
    RECORD,
    Labeller,
    Looks,
    longest_wait,
    sampled,
    samples_of,
)
from tests.daemon import wait_for
from tests.faults.nursery import PATIENCE
from tests.live import LiveArgilla
from tests.loop.conftest import LABELS
from tests.people import client_of
from tests.servers import PAGES

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.acceptance.conftest import MakeDaemon

pytestmark = [
    pytest.mark.integration,
    pytest.mark.browser,
    pytest.mark.needs(PAGES),
]

AT_MOST = 2.0 * PATIENCE
"""Seconds for which a page may be empty while a record is open: it looks every second."""

CHANGES = 2
"""Batches that follow the first."""


def account(argilla: LiveArgilla) -> Account:
    name = f"ida-{uuid.uuid4().hex[:8]}"
    return create_annotator(
        argilla.url, argilla.owner_key, name, workspace=argilla.server.workspace
    )


def id_of(argilla: LiveArgilla, name: str) -> str:
    """Of the dataset, once it is published."""

    def look() -> str:
        with client_of(argilla.url, argilla.owner_key) as client:
            listed = client.get("me/datasets").json()["items"]
        return next((d["id"] for d in listed if d["name"] == name and d["status"] == "ready"), "")

    return wait_for(look, 60)


@pytest.mark.parametrize("people", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_no_page_is_empty_while_records_are_out(
    argilla: LiveArgilla,
    make_daemon: MakeDaemon,  # noqa: F811 - the fixture
    chromium: Browser,
    people: int,
) -> None:
    queue = {"batch_size": 4, "min_submitted": min(people, 2)}
    rounds = {"max_rounds": CHANGES + 3}  # more than are looked at: pages of an ended run differ
    daemon = make_daemon(argilla, guests=False, queue=queue, stopping=rounds)
    accounts = [account(argilla) for _ in range(people)]
    with ExitStack() as stack:
        desks = []
        for person in accounts:
            context = chromium.new_context(service_workers="block")
            stack.callback(context.close)
            desks.append(Desk(context.new_page(), argilla.url).watch())
            desks[-1].log_in(person)
        daemon.start()
        dataset = id_of(argilla, daemon.dataset)
        looks = [
            stack.enter_context(Looks(argilla.url, person.api_key, dataset)) for person in accounts
        ]
        for desk in desks:
            sampled(desk.page)
            desk.page.goto(f"{argilla.url}/dataset/{dataset}/annotation-mode")
        labellers = [Labeller(desk.page, len(LABELS), n) for n, desk in enumerate(desks)]
        label_until(labellers, lambda: len(daemon.state.collected) > CHANGES)
        for desk, look in zip(desks, looks, strict=True):
            samples = samples_of(desk.page)
            assert sum(text == RECORD for _, text in samples) > CHANGES
            longest, words = longest_wait(samples, look.seen)
            assert longest < AT_MOST, f"{words!r} for {longest:.1f} s"
            sentences = {text for _, text in samples} - {"", RECORD}
            assert not [text for text in sentences if "completed" in text], sentences
            assert not desk.faults


@pytest.mark.slow
def test_who_logs_in_too_early_is_taken_to_the_first_records(
    argilla: LiveArgilla,
    make_daemon: MakeDaemon,  # noqa: F811 - the fixture
    chromium: Browser,
) -> None:
    workspace = f"early-{uuid.uuid4().hex[:8]}"
    with client_of(argilla.url, argilla.owner_key) as owner:
        owner.post("workspaces", json={"name": workspace}).raise_for_status()
    person = create_annotator(argilla.url, argilla.owner_key, workspace, workspace=workspace)
    daemon = make_daemon(
        argilla, guests=False, queue={"batch_size": 4}, argilla={"workspace": workspace}
    )
    with ExitStack() as stack:
        context = chromium.new_context(service_workers="block")
        stack.callback(context.close)
        desk = Desk(context.new_page(), argilla.url).watch()
        desk.log_in(person)
        with closing(ArgillaHttp(argilla.url, argilla.owner_key, 30.0)) as loopd:
            loopd.get("me")
        desk.page.get_by_text("loopd is choosing the first texts").wait_for()
        daemon.start()
        desk.page.wait_for_url("**/annotation-mode*", timeout=60_000 * PATIENCE)
        desk.page.locator(FIELD).first.wait_for()
        assert not desk.faults


def label_until(labellers: list[Labeller], is_done: Callable[[], bool]) -> None:
    """All at once, whatever they are shown."""
    deadline = time.monotonic() + 120 * PATIENCE
    while not is_done():
        answered = [len(labeller.answered) for labeller in labellers]
        assert time.monotonic() < deadline, (answered, samples_of(labellers[0].page)[-1])
        for labeller in labellers:
            labeller.step()
        labellers[0].page.wait_for_timeout(100)
