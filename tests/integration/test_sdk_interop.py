"""Argilla's own Python client and loopd at the same datasets."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.queue_mark import PROPERTY as QUEUE
from loopd.annotation.record_fields import MARKS
from loopd.annotation.record_schema import METADATA
from loopd.data.pool import Pool
from loopd.records import AnswerStatus, Batch, BatchItem, ExternalId, PoolId, Suggestion
from loopd.tasks.single_label import SingleLabelTask
from tests.docs import pages
from tests.live import LiveArgilla
from tests.people import is_guest
from tests.servers import SDK

NO_POOL = Pool(())

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore"),  # the client warns of itself
]

TASK = SingleLabelTask(("fruit", "tool"), "label", "text", "Which?")
BATCH = Batch(
    "b0001",
    1,
    "breaking_ties",
    "model",
    (BatchItem(PoolId("r1"), 0.9, Suggestion("tool", 0.75)), BatchItem(PoolId("r2"), 0.5)),
)
TEXTS = {PoolId("r1"): "the first text", PoolId("r2"): "the second text"}


@pytest.fixture(scope="module")
def sdk(argilla: LiveArgilla) -> Iterator[tuple[Any, Any]]:
    """The package and a client of the owner."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import argilla as rg
    client = argilla.sdk_client()
    yield rg, client
    client.http_client.close()


OpenStore = Callable[[str], ArgillaStore]


@pytest.fixture
def open_store(argilla: LiveArgilla) -> Iterator[OpenStore]:
    opened: list[ArgillaStore] = []

    def open_it(name: str) -> ArgillaStore:
        section = argilla.section(name)
        opened.append(ArgillaStore(section, argilla.owner_key, DatasetPlan(TASK, "", 1)))
        opened[-1].open(NO_POOL, fresh=True)
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


def without_guests(dataset: Any) -> list[Any]:
    """Records as the client reads them, but those of the guard's people."""
    records = dataset.records(with_responses=True)
    return [record for record in records if not is_guest(record.fields)]


def test_the_client_reads_what_loopd_made(
    argilla: LiveArgilla, sdk: tuple[Any, Any], open_store: OpenStore
) -> None:
    _, client = sdk
    store = open_store(name := f"ours-{uuid.uuid4().hex[:8]}")
    store.publish(BATCH, TEXTS)
    people = argilla.people(name)
    people.submit("r1", "ann", "fruit")
    people.submit("r1", "bob", "tool")

    dataset = client.datasets(name=name, workspace=argilla.workspace)
    assert [field.name for field in dataset.settings.fields] == ["text"]
    (question,) = dataset.settings.questions
    assert (question.name, question.labels) == ("label", ["fruit", "tool"])
    assert {each.name for each in dataset.settings.metadata} == {*METADATA, *MARKS} - {QUEUE}
    records = {record.id: record for record in without_guests(dataset)}
    assert {key: record.fields["text"] for key, record in records.items()} == TEXTS
    first = records["r1"]
    proposal = first.suggestions["label"]
    assert (proposal.value, proposal.score, proposal.agent) == ("tool", 0.75, "loopd:model")
    assert {str(each.user_id): each.value for each in first.responses["label"]} == {
        people.ids["ann"]: "fruit",
        people.ids["bob"]: "tool",
    }
    assert first.metadata["batch_id"] == "b0001"
    assert first.metadata["score"] == 0.9
    assert list(records["r2"].suggestions) == []
    people.close()


def test_loopd_attaches_to_what_the_client_made(
    argilla: LiveArgilla, sdk: tuple[Any, Any], open_store: OpenStore
) -> None:
    rg, client = sdk
    settings = rg.Settings(
        guidelines="Made by hand.",
        fields=[rg.TextField(name="text"), rg.TextField(name="note", required=False)],
        questions=[
            rg.LabelQuestion(name="label", labels=["fruit", "tool"]),
            rg.TextQuestion(name="comment", required=False),
        ],
        metadata=[rg.TermsMetadataProperty(name="source")],
        vectors=[rg.VectorField(name="sense", dimensions=2)],
    )
    dataset = rg.Dataset(
        name=f"theirs-{uuid.uuid4().hex[:8]}",
        workspace=argilla.workspace,
        settings=settings,
        client=client,
    ).create()
    dataset.records.log([{"id": "own", "text": "a record of theirs", "source": "import"}])

    store = open_store(dataset.name)
    store.publish(BATCH, TEXTS)
    people = argilla.people(dataset.name)
    people.submit("r1", "ann", "fruit")
    people.submit("own", "ann", "tool")
    sweep = store.sweep((ExternalId("r1"), ExternalId("r2")))
    assert sweep.missing == ()
    (answer,) = sweep.answers
    assert (answer.external_id, answer.status) == ("r1", AnswerStatus.SUBMITTED)
    assert (answer.annotator, answer.value) == (people.ids["ann"], "fruit")
    people.close()
    assert [record.id for record in without_guests(dataset)] == ["own", "r1", "r2"]


@pytest.mark.needs(SDK)
def test_the_mark_can_be_removed_as_the_documentation_says(
    argilla: LiveArgilla, open_store: OpenStore
) -> None:
    store = open_store(name := f"left-{uuid.uuid4().hex[:8]}")
    store.publish(BATCH, TEXTS)
    (block,) = pages.fences(pages.ROOT / "docs" / "howto-existing-server.md", "python")
    for shown, real in (
        ("https://argilla.example.org", argilla.url),
        ("...", argilla.owner_key),
        ("tickets", name),
        ("support", argilla.workspace),
    ):
        assert f'"{shown}"' in block
        block = block.replace(f'"{shown}"', f'"{real}"')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(block, "howto-existing-server.md", "exec"), {})  # noqa: S102 - our own page
    section = argilla.section(name)
    other = ArgillaStore(section, argilla.owner_key, DatasetPlan(TASK, "", 1))
    other.open(NO_POOL, fresh=False)  # another run may have it now
    other.close()
