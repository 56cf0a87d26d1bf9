"""The owner changes in Argilla how many answers a record needs, while a run is at work."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from loopd.machine import State
from tests.acceptance.conftest import make_daemon  # noqa: F401 - a fixture
from tests.acceptance.test_failures import collecting
from tests.browser.conftest import Desk
from tests.live import LiveArgilla
from tests.loop.conftest import make_pool

if TYPE_CHECKING:
    from tests.acceptance.conftest import MakeDaemon
    from tests.daemon import Condition, Daemon
    from tests.people import ArgillaPeople

pytestmark = [
    pytest.mark.integration,
    pytest.mark.browser,
]

SWEEP = 1.0
"""``queue.sweep_interval`` of the daemon, in seconds."""


def adopted(number: int) -> Condition:
    def look(state: State) -> bool:
        return state.min_submitted == number

    return look


def set_minimum(desk: Desk, dataset_id: str, number: int) -> None:
    """Type it into the form and press its button."""
    desk.page.goto(f"{desk.url}/dataset/{dataset_id}/settings")
    field = desk.page.locator("#task-distribution")
    field.wait_for()
    field.fill(str(number))
    with desk.page.expect_response(
        lambda response: response.request.method == "PATCH" and dataset_id in response.url
    ) as answered:
        desk.page.get_by_role("button", name=re.compile("Update")).first.click()
    assert answered.value.status == 200


def answer_as(daemon: Daemon, people: ArgillaPeople, *names: str) -> None:
    """What is open in Argilla for each of these people, as the pages show it."""
    gold = {record.id: record.gold for record in make_pool(60)}
    for name in names:
        for record in people.records():
            mine = [r for r in record["responses"] if r["user_id"] == people.ids[name]]
            if record["status"] == "pending" and not mine:
                people.submit(record["external_id"], name, gold[record["external_id"]])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(2, 1, id="lowered"),
        pytest.param(1, 2, id="raised", marks=pytest.mark.slow),
    ],
)
def test_the_minimum_of_answers_moves_under_the_run(
    argilla: LiveArgilla,
    make_daemon: MakeDaemon,  # noqa: F811 - the fixture
    desk: Desk,
    before: int,
    after: int,
) -> None:
    # Without guests: the page's own change of the settings is none that loopd must answer for.
    queue = {"min_submitted": before, "sweep_interval": SWEEP}
    daemon = make_daemon(argilla, guests=False, queue=queue)
    daemon.start()
    state = daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    # Half of what it needs where that is two answers; all where it is one, of some records.
    some = list(state.batch.external_ids)[: 6 if before == 2 else 3]
    for id_ in some:
        people.submit(id_, "ann", "fruit" if int(id_[1:]) % 2 == 0 else "tool")
    daemon.wait(lambda now: len(now.answers) == len(some))

    desk.log_in(argilla.server.owner)
    set_minimum(desk, people.dataset["id"], after)
    clicked = time.monotonic()
    daemon.wait(adopted(after))
    assert time.monotonic() - clicked < 15 * SWEEP  # a busy machine; a sweep is a second
    assert f"completes a record at {after}" in daemon.log

    if after < before:
        daemon.wait(lambda now: 0 in now.collected)  # nobody is asked for a second answer
        assert daemon.state.collected[0].reason == "complete"
    deadline = time.monotonic() + 120
    while daemon.process is not None and daemon.process.poll() is None:
        assert time.monotonic() < deadline, daemon.log[-2000:]
        answer_as(daemon, people, *("ann", "bob")[:after])
        time.sleep(0.2)
    state = daemon.state
    assert daemon.ended() == 0
    assert state.stopped is not None
    assert state.stopped.reason == "max_rounds"
    counts = {id_: sum(key[0] == id_ for key in state.answers) for id_ in state.external_ids}
    assert {counts[id_] for id_ in state.batch.external_ids} == {after}
    people.close()
