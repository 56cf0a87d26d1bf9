"""Texts leave a live run: a daemon, an Argilla, SIGKILL, and a search in all bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from loopd.annotation.consensus import targets
from loopd.machine import fold
from loopd.records import PoolId
from loopd.storage.journal import Journal
from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.test_failures import answer_all, collecting
from tests.integration.conftest import Api, item
from tests.integration.conftest import api as api  # noqa: PLC0414 - a fixture
from tests.live import LiveArgilla
from tests.loop.conftest import make_pool
from tests.loop.removing import holders

pytestmark = [pytest.mark.integration, pytest.mark.acceptance, pytest.mark.timeout(300)]

GOLD = {record.id: record.gold for record in make_pool(60)}
TEXTS = {record.id: record.text for record in make_pool(60)}
"""Of those up to `r009` some are the beginning of another."""


def test_texts_are_gone_beside_a_daemon_and_without_one(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    daemon = make_daemon(argilla, guests=False)
    people = argilla.people(daemon.dataset)
    daemon.start()
    daemon.wait(collecting)
    answer_all(daemon, people)
    state = daemon.wait(lambda state: collecting(state) and state.round == 1)
    answered = next(id_ for id_ in state.batches[0].record_ids if id_ >= "r010")
    open_id = next(id_ for id_ in state.batch.record_ids if id_ >= "r010")
    never = max(id_ for id_ in TEXTS if id_ not in state.planned_ids)
    gone = [TEXTS[answered], TEXTS[open_id]]
    assert holders(daemon.run_dir, gone)
    done = daemon.loopd("remove", "--ids", f"{answered},{open_id}", "--yes")
    assert done.returncode == 0, done.stderr
    assert "removes them after this step" in done.stdout
    daemon.wait(lambda state: {answered, open_id} <= state.withdrawn)
    daemon.wait_log("texts_erased")
    daemon.wait(lambda _: not {answered, open_id} & {r["external_id"] for r in people.records()})
    answer_all(daemon, people)
    daemon.wait(lambda state: collecting(state) and state.round == 2)
    daemon.kill()
    assert holders(daemon.run_dir, gone) == []
    done = daemon.loopd("remove", "--ids", never, "--yes")
    assert done.returncode == 0, done.stderr
    assert "removed: 3 texts of the run are withdrawn by now" in done.stdout
    gone.append(TEXTS[never])
    assert holders(daemon.run_dir, gone) == []
    before = daemon.state
    with Journal(daemon.run_dir / "journal.sqlite", read_only=True) as journal:
        assert fold(journal.read()) == before
    for path in daemon.run_dir.glob("journal.sqlite*"):
        shutil.move(path, daemon.folder)
    done = daemon.loopd("recover")
    assert done.returncode == 0, done.stderr
    after = daemon.state
    assert after.withdrawn == before.withdrawn == {answered, open_id, never}
    assert targets(after) == targets(before)
    daemon.start()
    answer_all(daemon, people)
    assert daemon.ended(120) == 0, daemon.log
    assert holders(daemon.run_dir, gone) == []
    assert not daemon.state.planned_ids & after.withdrawn
    told = daemon.loopd("predict", "--out", str(daemon.folder / "out.csv"))
    assert told.returncode == 0, told.stderr
    rows = Path(daemon.folder / "out.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == len(TEXTS) + 1
    assert sum("the text was withdrawn from the run" in row for row in rows) == 3
    people.close()


@pytest.mark.slow
def test_a_pool_in_argilla_keeps_its_records_and_the_run_forgets_the_texts(
    argilla: LiveArgilla, api: Api, make_daemon: MakeDaemon
) -> None:
    daemon = make_daemon(argilla, guests=False, queue={"batch_size": 6, "low_watermark": 0})
    made = api.dataset(name=daemon.dataset)
    api.upsert(made, *(item(id_, text) for id_, text in TEXTS.items()))
    there = {"workspace": argilla.server.workspace, "dataset": daemon.dataset}
    daemon.settings["pool"] = {"argilla": there}
    daemon.settings["queue"] |= {"poll_interval": 0.1, "sweep_interval": 1.0}
    daemon.save()
    people = argilla.people(daemon.dataset)
    daemon.start()
    state = daemon.wait(collecting)
    open_id = next(id_ for id_ in state.batch.record_ids if id_ >= "r010")
    never = max(id_ for id_ in TEXTS if id_ not in state.planned_ids)
    gone = [TEXTS[open_id], TEXTS[never]]
    assert holders(daemon.run_dir, gone) == ["pool/000000.jsonl"]
    done = daemon.loopd("remove", "--ids", f"{open_id},{never}", "--yes")
    assert done.returncode == 0, done.stderr
    assert "the pool is in Argilla: delete their records there yourself" in done.stdout
    daemon.wait_log("texts_left_in_argilla")
    assert holders(daemon.run_dir, gone) == []
    assert "loopd_run" not in (people.record(open_id)["metadata"] or {})
    for id_ in state.batch.record_ids:
        people.submit(id_, "ann", GOLD[PoolId(id_)])
    after = daemon.wait(lambda state: collecting(state) and state.round == 1)
    assert not {key[0] for key in after.answers} & {open_id, never}
    daemon.kill()
    daemon.start()
    daemon.wait_log("annotate_here")
    for id_ in after.batch.record_ids:
        people.submit(id_, "ann", GOLD[PoolId(id_)])
    last = daemon.wait(lambda state: collecting(state) and state.round == 2)
    assert last.withdrawn == {open_id, never}
    assert not (last.planned_ids - state.planned_ids) & last.withdrawn
    assert holders(daemon.run_dir, gone) == []
    people.close()
