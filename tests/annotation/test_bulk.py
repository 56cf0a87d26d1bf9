"""Bulks are halved where they do not get through, and every record arrives once."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from loopd.annotation import http
from loopd.annotation.bulk import MOST, Bulks
from loopd.annotation.http import FrontError, TooLargeError
from loopd.errors import TransientError

Json = dict[str, Any]


def bodies(*sizes: int) -> list[Json]:
    return [{"external_id": f"r{place}", "fields": "x" * size} for place, size in enumerate(sizes)]


class Narrow:
    """A server behind something that lets only so many characters and records through at a time."""

    def __init__(self, room: int, most: int = MOST) -> None:
        self.room, self.most = room, most
        self.arrived: list[str] = []
        self.requests: list[int] = []

    def __call__(self, items: list[Json]) -> list[Json]:
        self.requests.append(len(items))
        if sum(len(item["fields"]) for item in items) > self.room:
            raise TooLargeError("POST /x gave HTTP 413", "raise the limit")
        if len(items) > self.most:
            raise late()
        self.arrived += [item["external_id"] for item in items]
        return items


def late() -> TransientError:
    error = TransientError("no answer in time")
    error.late = True
    return error


@given(st.lists(st.integers(0, 100), max_size=80), st.integers(100, 1000), st.integers(1, 300))
def test_every_record_arrives_once_and_in_order(sizes: list[int], room: int, size: int) -> None:
    server, bulk = Narrow(room), Bulks(size)
    written = bulk.send(bodies(*sizes), server)
    assert [item["external_id"] for item in written] == server.arrived
    assert server.arrived == [f"r{place}" for place in range(len(sizes))]


def test_the_good_size_is_remembered_and_said_once_for_each_halving() -> None:
    server, bulk = Narrow(room=550), Bulks()
    with capture_logs() as lines:
        bulk.send(bodies(*[100] * 20), server)
        bulk.send(bodies(*[100] * 7), server)
    assert server.requests == [20, 10, 5, 5, 5, 5, 5, 2]
    assert [line["event"] for line in lines] == ["bulk_halved"] * 2
    assert lines[0]["says"] == (
        "a request with 20 records was too large for what stands before Argilla: from now on 10 "
        "records are sent at a time"
    )
    assert lines[1]["log_level"] == "warning"
    assert len(server.arrived) == len(set(server.arrived)) + 7  # two calls, the same names


def test_a_single_record_that_is_too_large_is_named() -> None:
    server = Narrow(room=550)
    with pytest.raises(TooLargeError) as caught:
        Bulks().send(bodies(10, 10, 600, 10), server)
    assert "`r2` alone (635 bytes) is too large: POST /x gave HTTP 413" in caught.value.message
    assert caught.value.hint.startswith("raise the limit; or shorten its text")
    assert server.arrived == ["r0", "r1"]


def test_where_time_ran_out_the_caller_looks_before_the_smaller_bulk() -> None:
    server, bulk = Narrow(room=1000, most=5), Bulks()
    everything = bodies(*[1] * 12)
    for _ in range(2):
        with pytest.raises(TransientError):
            bulk.send(everything, server)
    assert bulk.send(everything, server) == everything
    assert server.requests == [12, 6, 3, 3, 3, 3]


@pytest.mark.parametrize("error", [TransientError("down"), FrontError("404 of a gateway")])
def test_an_outage_says_nothing_about_the_size(error: TransientError) -> None:
    bulk = Bulks()

    def away(_: list[Json]) -> list[Json]:
        raise error

    with pytest.raises(TransientError):
        bulk.send(bodies(1, 1), away)
    assert bulk.size == MOST


def test_a_single_record_that_takes_too_long_stays_single() -> None:
    bulk = Bulks(1)
    with pytest.raises(TransientError):
        bulk.send(bodies(1), Narrow(room=9, most=0))
    assert bulk.size == 1


@pytest.mark.parametrize(
    ("kind", "seconds", "is_late"),
    [
        (httpx.ReadTimeout, 0.0, True),
        (httpx.WriteTimeout, 0.0, True),
        (httpx.ConnectTimeout, 60.0, False),
        (httpx.ConnectError, 60.0, False),
        (httpx.ReadError, 60.0, True),
        (httpx.RemoteProtocolError, 60.0, True),
        (httpx.ReadError, 0.1, False),
    ],
)
def test_when_a_request_may_have_been_obeyed_all_the_same(
    monkeypatch: pytest.MonkeyPatch, kind: type[httpx.TransportError], seconds: float, is_late: bool
) -> None:
    monkeypatch.setattr(http, "_LONG", 5.0 if seconds < 5 else -1.0)

    def handle(_: httpx.Request) -> httpx.Response:
        raise kind("planted")

    transport = httpx.MockTransport(handle)
    with (
        httpx.Client(base_url="http://argilla.test", transport=transport) as client,
        pytest.raises(TransientError) as caught,
    ):
        http.send(client, "POST", "datasets/1/records/bulk")
    assert caught.value.late is is_late


@pytest.mark.parametrize(("code", "is_late"), [(408, True), (504, True), (524, True), (503, False)])
def test_which_answers_of_a_gateway_say_so(code: int, is_late: bool) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(code))
    with (
        httpx.Client(base_url="http://argilla.test", transport=transport) as client,
        pytest.raises(TransientError) as caught,
    ):
        http.send(client, "POST", "datasets/1/records/bulk")
    assert caught.value.late is is_late
