"""``loopd oracle`` in a dataset of other people: it answers what the run has published, no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from loopd.tasks.single_label import SingleLabelTask
from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.conftest import make_daemon as make_daemon  # noqa: PLC0414 - a fixture
from tests.daemon import Daemon
from tests.faults.guests import Ours, marked
from tests.faults.neighbours import Neighbours
from tests.faults.whole import Json, whole
from tests.live import LiveArgilla
from tests.loop.conftest import LABELS, make_pool

pytestmark = [pytest.mark.integration, pytest.mark.acceptance, pytest.mark.timeout(300)]

POOL = make_pool(60)
PEOPLE = ("oracle-1", "oracle-2")
TASK = SingleLabelTask(LABELS, "label", "text", "Which label fits?")


@pytest.fixture
def daemon(argilla: LiveArgilla, make_daemon: MakeDaemon) -> Daemon:
    return make_daemon(argilla, guests=False, stopping={"max_rounds": 2})


@pytest.fixture
def neighbours(argilla: LiveArgilla, daemon: Daemon) -> Iterator[Neighbours]:
    """With records of their own, some of them of pool texts, and a name that loopd uses, too."""
    people = Neighbours(argilla, daemon.dataset)
    id_ = people.make(TASK.question())
    body = {"name": "round", "title": "Round", "settings": {"type": "integer"}}
    path = f"datasets/{id_}/metadata-properties"
    people.owner.call("POST", path, {**body, "visible_for_annotators": True})
    people.settle()
    for number in range(0, 60, 3):
        people.add_record(theirs(number))
    people.look()
    yield people
    people.close()


def theirs(number: int) -> Json:
    fields = {"text": POOL.records[number].text, "note": "theirs"}
    return {"fields": fields, "metadata": {"source": "import", "round": number % 2}}


def test_only_the_runs_records_are_answered(
    argilla: LiveArgilla, daemon: Daemon, neighbours: Neighbours
) -> None:
    oracle = daemon.spawn("oracle", "--gold", "label", "--people", "2", "--seconds", "0")
    try:
        daemon.start()
        assert daemon.ended(120) == 0, daemon.log[-3000:]
    finally:
        oracle.terminate()
        oracle.communicate(timeout=30)
    users = neighbours.owner.call("GET", "users")["items"]
    played = {user["id"] for user in users if user["username"] in PEOPLE}
    assert len(played) == 2
    ours = Ours(frozenset(record.text for record in POOL), accounts=played)
    lines = neighbours.differences(ours)
    assert not lines, "\n".join(lines)
    there = whole(neighbours.owner, daemon.dataset)
    assert there is not None
    answered = [one for one in there.records.values() if played & one.responses.keys()]
    assert len(answered) == 12
    assert all(map(marked, answered))
    assert any(one.external_id is None for one in answered), "none of theirs was in a batch"
