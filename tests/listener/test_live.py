"""Listeners on the real embedded Argilla, and the facts about the SDK that they build on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from loopd.errors import ArgillaError, AuthError, DatasetError
from loopd.listener import Context, Listener, Search, listener
from loopd.listener.argilla_source import Address, ArgillaSource
from loopd.listener.filters import BoundSearch
from loopd.listener.firing import SearchResult
from tests.daemon import wait_for
from tests.faults.proxy import FaultProxy
from tests.listener.conftest import MakeSet, Set
from tests.live import LiveArgilla

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore"),  # the SDK warns of itself
]

COMPLETED = [("status", "==", "completed"), ("metadata.batch_id", "==", "{batch_id}")]
FAST: dict[str, Any] = {"execution_interval_in_seconds": 0.05}


@pytest.fixture
def heard(make_set: MakeSet) -> Set:
    return make_set()


@pytest.fixture
def _own_default_client(sdk: tuple[Any, Any]) -> Iterator[None]:
    """A client that a test makes becomes the SDK's default: put the old one back."""
    rg, client = sdk
    rg.Argilla._set_default(client)
    yield
    made = rg.Argilla._default_client
    rg.Argilla._set_default(client)
    if made is not client:
        made.http_client.close()


def grown(proxy: FaultProxy, before: int) -> bool:
    """Whether somebody has tried since."""
    return proxy.connections > before


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if "listener-" in each.name]


def test_it_fires_once_at_twenty_records_and_goes_on_to_the_next_batch(heard: Set) -> None:
    first, second = ([f"{batch}-{n}" for n in range(20)] for batch in "ab")
    calls: list[tuple[int, int, list[Any]]] = []

    @listener(
        dataset=heard.dataset,
        filters=COMPLETED,
        condition=lambda search: search.total >= 20,
        batch_id=0,
        execution_interval_in_seconds=0.3,
    )
    def action(records: list[Any], ctx: Context) -> None:
        batch = ctx.query_params["batch_id"]
        ctx.dataset.records.log(  # as loops do: the next batch, and what was read once more
            [heard.rg.Record(id=i, fields={"text": i}, metadata={"batch_id": 1}) for i in second]
        )
        ctx.dataset.records.log(records)
        ctx.query_params["batch_id"] += 1
        calls.append((batch, ctx.search.total, records))

    heard.log(0, *first)
    action.start()
    heard.submit(*first[:19])
    assert not calls
    heard.submit(first[19])
    wait_for(lambda: calls, 10)
    heard.submit(*second)
    wait_for(lambda: len(calls) == 2, 10)
    action.stop()
    assert not threads()
    assert [(batch, total) for batch, total, _ in calls] == [(0, 20), (1, 20)]
    assert {record.id for record in calls[0][2]} == set(first)
    ann = heard.people.ids["ann"]
    for record in calls[1][2]:
        (answer,) = record.responses["label"]
        assert isinstance(record, heard.rg.Record)
        assert (answer.value, str(answer.user_id)) == ("fruit", ann)
        assert record.fields["text"] == record.id
        assert record.metadata["batch_id"] == 1


@pytest.mark.usefixtures("_own_default_client")
def test_it_survives_a_cut_and_an_outage_at_the_start(heard: Set, argilla: LiveArgilla) -> None:
    totals: list[int] = []
    with FaultProxy(int(argilla.url.rsplit(":", 1)[1])) as proxy:
        proxy.mode = "cut"

        @listener(
            dataset=heard.name,
            workspace=argilla.workspace,
            filters=COMPLETED,
            api_url=proxy.url,
            api_key=argilla.owner_key,
            batch_id=0,
            **FAST,
        )
        def action(records: list[Any], ctx: Context) -> None:
            totals.append(ctx.search.total)

        heard.log(0, "a", "b")
        action.start()
        for mode in ("cut", "error", "garbage", "truncate"):
            before = proxy.connections
            proxy.mode = mode
            wait_for(partial(grown, proxy, before), 30)
        heard.submit("a")
        proxy.mode = "pass"
        wait_for(lambda: totals == [1], 30)
        for mode in ("error", "cut"):
            before = proxy.connections
            proxy.mode = mode
            wait_for(partial(grown, proxy, before), 30)
        heard.submit("b")
        proxy.mode = "pass"
        wait_for(lambda: totals == [1, 2], 30)
        assert action.is_running()
        action.stop()
    assert not threads()


def test_what_counts_as_another_state(heard: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[SearchResult] = []
    calls: list[int] = []
    search = ArgillaSource.search

    def spied(place: ArgillaSource, wanted: BoundSearch) -> SearchResult:
        looks.append(search(place, wanted))
        return looks[-1]

    monkeypatch.setattr(ArgillaSource, "search", spied)

    @listener(
        dataset=heard.dataset,
        filters=("metadata.batch_id", "==", 0),
        sweep_interval_in_seconds=0.05,
        **FAST,
    )
    def action(records: list[Any], ctx: Context) -> None:
        calls.append(ctx.search.total)

    def settled() -> int:
        """Calls so far, once what was done before has been looked at twice."""
        before = len(looks)
        wait_for(lambda: len(looks) >= before + 3, 10)
        return len(calls)

    heard.log(0, "a", "b")
    action.start()
    assert settled() == 1
    heard.people.draft("a", "ann", "fruit")
    assert settled() == 1
    heard.submit("a")
    assert settled() == 2
    heard.log(0, "a")
    heard.dataset.records.log(list(looks[-1].records))  # moves the answers' times
    assert settled() == 2
    heard.submit("a", value="tool")
    assert settled() == 3
    heard.people.discard_null("b", "bob")  # the SDK's own iterator breaks on it
    assert settled() == 4
    heard.people.withdraw("b", "bob")  # as it was before
    assert settled() == 4
    heard.log(0, "c")  # bulk: found by the slow look
    assert settled() == 5
    heard.people.delete("c")  # as it was before
    assert settled() == 5
    action.stop()


def test_an_error_of_the_action_reaches_the_caller(heard: Set) -> None:
    heard.log(0, "a")
    heard.submit("a")

    @listener(dataset=heard.dataset, filters=COMPLETED, batch_id=0, **FAST)
    def action(records: list[Any], ctx: Context) -> None:
        raise ValueError(f"cannot train on {len(records)}")

    action.start()
    with pytest.raises(ValueError, match="cannot train on 1"):
        action.join(timeout=20)
    assert not action.is_running()
    with pytest.raises(ValueError, match="cannot train on 1"):
        action.run()


@pytest.mark.usefixtures("_own_default_client")
def test_the_ways_to_name_the_place(
    heard: Set, argilla: LiveArgilla, sdk: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rg, client = sdk
    workspace = argilla.workspace
    monkeypatch.setenv("ARGILLA_API_URL", argilla.url)
    monkeypatch.setenv("ARGILLA_API_KEY", argilla.owner_key)

    def found(*place: Any, **address: Any) -> Any:
        return Address(*place, **address).connect().dataset

    assert found(heard.dataset) is heard.dataset
    assert found(heard.name, client=client).id == heard.dataset.id
    assert found(heard.name)._client is client, "the SDK's default client"
    assert found(heard.name, client.workspaces(workspace), client).id == heard.dataset.id
    rg.Argilla._set_default(None)
    from_environment = found(heard.name, workspace)
    assert from_environment.id == heard.dataset.id
    assert [each.name for each in from_environment.settings.questions] == ["label"]

    with pytest.raises(DatasetError, match="sees no dataset `absent`"):
        found("absent", client=client)
    with pytest.raises(DatasetError, match="in workspace `elsewhere`"):
        found(heard.name, "elsewhere", client)
    with pytest.raises(DatasetError, match="not on a server yet"):
        found(rg.Dataset(name="new", settings=heard.dataset.settings, client=client))
    with pytest.raises(AuthError):
        found(heard.name, api_url=argilla.url, api_key="wrong")
    assert "wrong" not in repr(Address(heard.name, api_key="wrong"))


def test_what_argilla_refuses_ends_it(heard: Set) -> None:
    def run(field: str) -> None:
        made: Listener = listener(dataset=heard.dataset, filters=(field, "==", 0), **FAST)(print)
        made.run()

    with pytest.raises(ArgillaError, match="MetadataProperty not found"):
        run("metadata.absent")
    with pytest.raises(ArgillaError, match="Question not found"):
        run("absent.response")
    heard.people.drop()
    with pytest.raises(DatasetError, match="is gone"):
        run("metadata.batch_id")


# -- facts about the SDK ---------------------------------------------------------------------------


def test_how_filters_find_metadata_and_answers(heard: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    heard.log(0, "a", "b", "c")
    heard.log(1, "d")
    heard.submit("a", "d")
    heard.submit("b", value="tool")
    heard.people.discard("c", "ann")

    def found(*conditions: tuple[str, str, Any]) -> str:
        """The ids through the SDK; through the listener they are the same."""
        query = heard.rg.Query(filter=heard.rg.Filter(list(conditions)))
        ids = "".join(sorted(r.id for r in heard.dataset.records(query, with_responses=True)))
        seen: list[Search] = []

        def noting(search: Search) -> None:
            seen.append(search)
            ctx.stop()

        made = listener(
            dataset=heard.dataset,
            filters=conditions,
            condition=noting,
            **FAST,
        )(print)
        ctx = made.context
        made.run()
        assert "".join(sorted(record.id for record in seen[0].records)) == ids
        assert seen[0].total == len(ids)
        return ids

    assert found(("status", "==", "completed")) == "abd", "a discard completes nothing"
    assert found(("metadata.batch_id", "==", 0)) == found(("metadata.batch_id", "==", "0")) == "abc"
    assert found(("metadata.batch_id", ">=", 1)) == "d"
    assert found(("metadata.part", "in", ["p1", "p2"])) == "d"
    assert found(("label.response", "==", "fruit")) == "acd", "a discard carries its value"
    assert found(("label.response", "==", "fruit"), ("response.status", "==", "submitted")) == "ad"
    assert found(("label", "==", "fruit")) == "", "a bare question means its suggestion"
    assert found(("response.status", "in", ["submitted", "discarded"])) == "abcd"
    assert found(("metadata.batch_id", "==", "zero")) == "", "no number: no error, and nothing"
    monkeypatch.setattr("loopd.listener.argilla_source._PAGE", 3)
    assert found(("metadata.batch_id", "in", [0, 1])) == "abcd", "more than a page"
    about_b = Address(heard.dataset).connect().search(BoundSearch((), "b"))
    assert [record.id for record in about_b.records] == ["b"]


def test_the_trigger_moves_with_answers_only(heard: Set) -> None:
    place = Address(heard.dataset).connect()

    before = place.activity()

    def moved() -> bool:
        nonlocal before
        before, last = place.activity(), before
        return before != last

    heard.log(0, "a", "b")
    assert not moved(), "new records"
    heard.submit("a")
    assert moved()
    heard.submit("a", value="tool")
    assert moved(), "an edit"
    heard.people.withdraw("a", "ann")
    assert moved(), "a withdrawal"
    heard.people.delete("b")
    assert not moved(), "a deletion"
