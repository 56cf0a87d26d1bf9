"""Datasets of every kind, also made with Argilla's own client, none in the way of another."""

from __future__ import annotations

import uuid
import warnings
from typing import Any

import pytest

from loopd.embedded_argilla import EmbeddedServer
from tests.embedded_argilla.conftest import Api
from tests.live import LiveArgilla
from tests.servers import ENGINE, VECTORS

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def sdk(argilla: LiveArgilla) -> tuple[Any, Any]:  # Argilla has no types
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Argilla's client warns of its own imports.
        import argilla as rg

        return rg, argilla.sdk_client()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.needs(ENGINE, VECTORS)
def test_argillas_own_client(sdk: tuple[Any, Any], server: EmbeddedServer) -> None:
    """Create, log, filter, sort, query and compare, with every kind of field and question."""
    rg, client = sdk
    settings = rg.Settings(
        fields=[
            rg.TextField(name="text", required=False),
            rg.ImageField(name="image", required=False),
            rg.ChatField(name="chat", required=False),
            rg.CustomField(name="custom", template="{{record.fields.custom.a}}", required=False),
        ],
        questions=[
            rg.LabelQuestion(name="label", labels=["yes", "no"]),
            rg.RankingQuestion(name="ranking", values=["a", "b"], required=False),
            rg.SpanQuestion(name="span", field="text", labels=["x"], required=False),
            rg.TextQuestion(name="comment", required=False),
        ],
        metadata=[rg.IntegerMetadataProperty(name="size")],
        vectors=[rg.VectorField(name="sense", dimensions=2)],
    )
    dataset = rg.Dataset(
        name=f"sdk-{uuid.uuid4().hex[:8]}",
        workspace=server.workspace,
        settings=settings,
        client=client,
    ).create()
    dataset.records.log(
        [
            rg.Record(
                id="all",
                fields={
                    "text": "hello there",
                    "image": "https://example.com/cat.png",
                    "chat": [{"role": "user", "content": "what is a cat"}],
                    "custom": {"a": "deep value", "b": [1, {"c": True}]},
                },
                metadata={"size": 3},
                vectors={"sense": [1.0, 0.0]},
                suggestions=[
                    rg.Suggestion("label", "yes", score=0.7, agent="m"),
                    rg.Suggestion("ranking", ["b", "a"]),
                    rg.Suggestion("span", [{"start": 0, "end": 5, "label": "x"}]),
                    rg.Suggestion("comment", "a comment"),
                ],
            ),
            rg.Record(id="some", fields={"text": "a cat"}, vectors={"sense": [0.0, 1.0]}),
            rg.Record(id="picture", fields={"image": "https://example.com/dog.png"}),
        ]
    )

    def ids(query: object) -> list[str]:
        return [record.id for record in dataset.records(query=query)]

    assert ids(rg.Query(query="cat")) == ["all", "some"]
    assert ids(rg.Query(query="deep")) == ["all"]
    assert ids(
        rg.Query(filter=rg.Filter([("metadata.size", ">=", 2), ("label.suggestion", "==", "yes")]))
    ) == ["all"]
    assert ids(rg.Query(filter=rg.Filter(("label.score", "<=", 0.5)))) == []
    assert ids(rg.Query(filter=rg.Filter(("status", "==", "pending")))) == [
        "all",
        "some",
        "picture",
    ]
    near = dataset.records(query=rg.Query(similar=rg.Similar("sense", [0.1, 0.9])))
    assert [record.id for record, _ in near] == ["some", "all"]
    assert dataset.progress()["total"] == 3


@pytest.mark.needs(ENGINE)
def test_datasets_do_not_mix(owner: Api, label_question: dict[str, Any]) -> None:
    """Records, priorities and metrics of one dataset never show in another."""
    fields, questions = {"text": "text"}, {"label": label_question}
    ours = owner.create_dataset(fields, questions, metadata={"priority": "float"})
    theirs = owner.create_dataset(fields, questions)
    ours.log(
        {"id": "1", "fields": {"text": "same"}, "metadata": {"priority": 0.1}},
        {"id": "2", "fields": {"text": "same"}, "metadata": {"priority": 0.9}},
        {"id": "3", "fields": {"text": "same"}},
    )
    theirs.log(
        {"id": "1", "fields": {"text": "same"}},
        {"id": "2", "fields": {"text": "same"}},
    )
    query = {"text": {"q": "same"}}
    assert owner.found(ours) == owner.found(ours, query=query) == ["2", "1", "3"]
    assert owner.found(theirs) == owner.found(theirs, query=query) == ["1", "2"]
    assert owner.get(f"datasets/{theirs.id}/progress")["total"] == 2


@pytest.mark.needs(ENGINE)
def test_priority_of_another_kind(owner: Api, label_question: dict[str, Any]) -> None:
    """Somebody's own property of that name, a word, does not change the order."""
    dataset = owner.create_dataset(
        {"text": "text"}, {"label": label_question}, metadata={"priority": "terms"}
    )
    dataset.log(
        {"id": "1", "fields": {"text": "x"}, "metadata": {"priority": "low"}},
        {"id": "2", "fields": {"text": "x"}, "metadata": {"priority": "high"}},
    )
    assert owner.found(dataset) == ["1", "2"]


def test_deleted_dataset(owner: Api, label_question: dict[str, Any]) -> None:
    dataset = owner.create_dataset({"text": "text"}, {"label": label_question})
    dataset.log({"id": "1", "fields": {"text": "x"}})
    owner.ok("DELETE", f"datasets/{dataset.id}")
    answer = owner.request("POST", f"datasets/{dataset.id}/records/search", {})
    assert answer.status_code == 404


@pytest.mark.needs(ENGINE)
def test_a_full_bulk(owner: Api, label_question: dict[str, Any]) -> None:
    """As many records as one request may carry: pages and totals are of all of them."""
    dataset = owner.create_dataset(
        {"text": "text"}, {"label": label_question}, metadata={"priority": "float"}
    )
    dataset.log(
        *(
            {"id": str(n), "fields": {"text": f"number {n}"}, "metadata": {"priority": n / 500}}
            for n in range(500)
        )
    )
    page = owner.search(dataset, page="?limit=2")
    assert page["total"] == 500
    assert [item["record"]["external_id"] for item in page["items"]] == ["499", "498"]
    page = owner.search(dataset, query={"text": {"q": "number"}}, page="?offset=400&limit=1")
    assert page["total"] == 500
    assert page["items"][0]["record"]["external_id"] == "99"
