"""Every call that loopd has for an Argilla, and whole runs, on the server that the switch names."""

from __future__ import annotations

import signal
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.data.pool import Pool
from loopd.listener import Context, listener
from loopd.records import AnswerStatus, Batch, BatchItem, PoolId, Record, Suggestion
from loopd.tasks.single_label import SingleLabelTask
from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.conftest import make_daemon as make_daemon  # noqa: PLC0414 - a fixture
from tests.daemon import Daemon, wait_for
from tests.live import LiveArgilla
from tests.servers import DATABASE_LISTS, WEBHOOKS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

TEXTS = {PoolId(f"r{number}"): f"text of r{number}" for number in range(4)}
POOL = Pool(tuple(Record(PoolId(name), text) for name, text in TEXTS.items()))
BATCH = Batch(
    "b0000",
    0,
    "breaking_ties",
    "model-0",
    tuple(BatchItem(PoolId(name), 0.5, Suggestion("tool", 0.75)) for name in TEXTS),
)


def test_check_says_what_the_server_is_and_refuses_what_is_too_old(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    daemon = make_daemon(argilla, guests=False)
    checked = daemon.loopd("check")
    if DATABASE_LISTS in argilla.lacks:
        assert "loopd needs 2.3 or later" in checked.stdout + checked.stderr
        assert checked.returncode == 22
        daemon.start()
        assert daemon.ended() == 22
        assert "loopd needs 2.3 or later" in daemon.log
    else:
        assert checked.returncode == 0, checked
        assert "server: " in checked.stdout
        assert "search: " in checked.stdout


@pytest.mark.needs(DATABASE_LISTS)
def test_every_call_of_the_store(argilla: LiveArgilla) -> None:
    """Account, open, publish, sweep, activity, set aside, refresh, settings, published."""
    section = argilla.section(f"probe-{uuid.uuid4().hex[:8]}")
    plan = DatasetPlan(SingleLabelTask(("fruit", "tool"), "label", "text", "Which?"), "Read.", 1)
    store, people = ArgillaStore(section, argilla.owner_key, plan), argilla.people(section.dataset)
    assert store.account()[1] == "owner"
    store.preview(POOL, fresh=True)
    store.open(POOL, fresh=True)
    for _ in range(2):
        store.publish(BATCH, TEXTS)
    before = store.activity()
    people.submit("r0", "ann", "fruit")
    people.discard("r1", "bob")
    assert store.activity() > before
    sweep = store.sweep(BATCH.external_ids)
    assert {(one.external_id, one.status, one.value) for one in sweep.answers} == {
        ("r0", AnswerStatus.SUBMITTED, "fruit"),
        ("r1", AnswerStatus.DISCARDED, None),
    }
    assert (sweep.missing, sweep.completed) == ((), frozenset({"r0"}))
    store.refresh([BATCH], TEXTS)
    store.set_aside(sweep.answers)
    assert {one.status for one in store.sweep(BATCH.external_ids).answers} == {
        AnswerStatus.DISCARDED
    }
    people.withdraw("r0", "ann")
    people.delete("r3")
    assert store.settings().min_submitted == 1
    published = {item.external_id for item in store.published(POOL).items}
    assert published - {None} == {"r0", "r1", "r2"}  # records of others have none
    store.close()
    people.close()


@pytest.mark.needs(DATABASE_LISTS)
def test_a_whole_run(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    """Three rounds answered by ``loopd oracle`` beside other people's records, and what follows."""
    daemon = make_daemon(argilla, stopping={"max_rounds": 3})
    played(daemon)
    people = argilla.people(daemon.dataset)
    records = Counter(record["external_id"] for record in people.records())
    answered = {record["external_id"] for record in people.records() if record["responses"]}
    people.close()
    published = {name for batch in daemon.state.batches for name in batch.record_ids}
    assert len(published) == 18
    assert set(records.values()) == {1}
    assert published == set(records) == answered
    for verb in (["export", "--no-model"], ["recover", "--dry-run"], ["status"]):
        done = daemon.loopd(*verb)
        assert done.returncode in (0, 13), done  # 13: what there is to recover is there
    assert argilla.owner_key not in daemon.log


def played(daemon: Daemon) -> None:
    """To the end, by a ``loopd oracle`` that does not know when that is."""
    daemon.start()
    oracle = daemon.spawn("oracle", "--gold", "label")
    try:
        assert daemon.ended(180) == 0, daemon.log
    finally:
        oracle.terminate()
        oracle.communicate(timeout=120)


@pytest.mark.needs(DATABASE_LISTS, WEBHOOKS)
def test_a_webhook_is_made_and_removed(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla, guests=False, argilla={"webhooks": True})
    daemon.start()
    daemon.wait_log("webhooks_on")
    ours = f"loopd: {argilla.workspace}/{daemon.dataset}"
    assert ours in {hook["description"] for hook in argilla.webhooks}
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.ended(60) == 0
    assert ours not in {hook["description"] for hook in argilla.webhooks}


@pytest.mark.needs(DATABASE_LISTS)
def test_a_listener_hears(argilla: LiveArgilla, tmp_path: Path) -> None:
    section = argilla.section(f"heard-{uuid.uuid4().hex[:8]}")
    plan = DatasetPlan(SingleLabelTask(("fruit", "tool"), "label", "text", "Which?"), "", 1)
    store, people = ArgillaStore(section, argilla.owner_key, plan), argilla.people(section.dataset)
    store.open(POOL, fresh=True)
    store.publish(BATCH, TEXTS)
    heard: list[int] = []

    @listener(
        dataset=section.dataset,
        workspace=argilla.workspace,
        filters=("status", "==", "completed"),
        api_url=argilla.url,
        api_key=argilla.owner_key,
        execution_interval_in_seconds=0.2,
    )
    def action(records: list[Any], ctx: Context) -> None:
        heard.append(ctx.search.total)

    action.start()
    time.sleep(0.5)
    people.submit("r0", "ann", "fruit")
    wait_for(lambda: heard, 60)
    action.stop()
    assert heard == [1]
    store.close()
    people.close()
