"""Changed guidelines on a real Argilla: they come there, and what people edited stays."""

from __future__ import annotations

import uuid
from contextlib import closing

import pytest

from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.run_mark import UnsavedIdentity
from loopd.data.pool import Pool
from loopd.tasks.single_label import SingleLabelTask
from tests.live import LiveArgilla
from tests.people import client_of

pytestmark = pytest.mark.integration

TASK = SingleLabelTask(("a", "b"), "label", "text", "Which?")


def test_a_change_comes_there_unless_people_edited_them(argilla: LiveArgilla) -> None:
    section = argilla.section(f"told-{uuid.uuid4().hex[:8]}")
    run = UnsavedIdentity()

    def start(guidelines: str, *, fresh: bool = False) -> str:
        """What people read, once a run with these has opened its dataset."""
        plan = DatasetPlan(TASK, guidelines, 1, run)
        with closing(ArgillaStore(section, argilla.owner_key, plan)) as store:
            store.open(Pool(()), fresh=fresh)
            return store.settings().guidelines

    assert start("first", fresh=True) == "first"
    assert start("second") == "second"
    with client_of(argilla.url, argilla.owner_key) as client:
        listed = client.get("me/datasets").json()["items"]
        own = next(dataset for dataset in listed if dataset["name"] == section.dataset)
        client.patch(f"datasets/{own['id']}", json={"guidelines": "edited"}).raise_for_status()
    assert start("third") == "edited"
    plan = DatasetPlan(TASK, "third", 1, run)
    with closing(ArgillaStore(section, argilla.owner_key, plan)) as store:
        assert "were edited, and they stay" in store.preview(Pool(()), fresh=False)
