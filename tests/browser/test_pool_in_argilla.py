"""The address that loopd prints opens the open batch of a dataset of others, sorted, suggested."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from loopd.embedded_argilla.embedded import create_annotator
from loopd.embedded_argilla.options import Account
from loopd.records import BatchItem
from loopd.tasks.single_label import SingleLabelTask
from tests.acceptance.conftest import make_daemon  # noqa: F401 - a fixture
from tests.browser.conftest import Desk
from tests.browser.test_label_in_the_ui import Labelling
from tests.daemon import Daemon, wait_for
from tests.faults.whole import Owner, whole
from tests.live import LiveArgilla
from tests.loop.conftest import LABELS, make_pool

if TYPE_CHECKING:
    from tests.acceptance.conftest import MakeDaemon

pytestmark = [
    pytest.mark.integration,
    pytest.mark.browser,
    pytest.mark.timeout(600),
]

POOL = make_pool(40)
ANSWERED = 10
BATCH = 4


def newcomer(argilla: LiveArgilla) -> Account:
    name = f"lena-{uuid.uuid4().hex[:8]}"
    return create_annotator(
        argilla.url, argilla.owner_key, name, workspace=argilla.server.workspace
    )


def make_dataset(argilla: LiveArgilla, name: str) -> None:
    """Two answers complete a record, and the run asks for one."""
    owner, task = Owner(argilla), SingleLabelTask(LABELS, "label", "text", "Which?")
    body: dict[str, Any] = {
        "name": name,
        "workspace_id": owner.workspace_id(),
        "distribution": {"strategy": "overlap", "min_submitted": 2},
    }
    path = f"datasets/{owner.call('POST', 'datasets', body)['id']}"
    for field in ("text", "note"):
        body = {"name": field, "title": field, "required": True}
        body["settings"] = {"type": "text", "use_markdown": False}
        owner.call("POST", f"{path}/fields", body)
    owner.call("POST", f"{path}/questions", task.question())
    owner.call("PUT", f"{path}/publish")
    items = [
        {"external_id": one.id, "fields": {"text": one.text, "note": f"of {one.id}"}}
        for one in POOL
    ]
    made = owner.call("POST", f"{path}/records/bulk", {"items": items})["items"]
    for one, record in zip(made[:ANSWERED], POOL, strict=False):
        body = {"status": "submitted", "values": {"label": {"value": record.gold}}}
        owner.call("POST", f"records/{one['id']}/responses", body)
    owner.close()


def address(daemon: Daemon) -> str:
    lines = (json.loads(line) for line in daemon.log.splitlines() if line.startswith("{"))
    return next(str(line["url"]) for line in lines if line["event"] == "annotate_here")


def in_the_queue(argilla: LiveArgilla, dataset: str) -> set[str | None]:
    owner = Owner(argilla)
    there = whole(owner, dataset)
    owner.close()
    records = there.records.values() if there is not None else ()
    return {one.external_id for one in records if one.metadata.get("loopd_queue")}


def shows_exactly(desk: Desk, url: str, items: tuple[BatchItem, ...]) -> None:
    """All of them and nothing else, in this order; each is agreed to."""
    labelling = Labelling(desk)
    desk.page.goto(url)
    desk.page.get_by_text(f"of {len(items)}", exact=True).wait_for()
    for item in items:
        labelling.sees(POOL[item.record_id].text, item)
        labelling.agree(item)


def test_the_address_opens_exactly_the_open_batch(
    argilla: LiveArgilla,
    make_daemon: MakeDaemon,  # noqa: F811 - the fixture
    desk: Desk,
) -> None:
    queue = {
        "batch_size": BATCH,
        "low_watermark": 0,
        "poll_interval": 0.1,
        "sweep_interval": 1.0,
    }
    daemon = make_daemon(argilla, guests=False, queue=queue)
    dataset = daemon.dataset
    make_dataset(argilla, dataset)
    there = {"workspace": argilla.server.workspace, "dataset": dataset}
    daemon.settings["pool"] = {"argilla": there}
    del daemon.settings["argilla"]["dataset"]
    daemon.save()
    daemon.start()
    people = argilla.people(dataset)
    first = daemon.wait(lambda state: 0 in state.published).batch
    for id_ in first.record_ids:
        people.submit(id_, "ann", POOL[id_].gold)
    people.close()
    second = daemon.wait(lambda state: 1 in state.published).batch
    assert not set(first.record_ids) & set(second.record_ids)
    wait_for(lambda: in_the_queue(argilla, dataset) == set(second.record_ids), 60)

    # Argilla would show her the first batch, too: one answer is not enough there.
    desk.log_in(newcomer(argilla))
    url = address(daemon)
    shows_exactly(desk, url, second.items)
    third = daemon.wait(lambda state: 2 in state.published).batch
    wait_for(lambda: in_the_queue(argilla, dataset) == set(third.record_ids), 60)
    shows_exactly(desk, url, third.items)
