"""Whose an answer is: Argilla's own words count, nobody else's."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.annotation.http import second_look, send
from loopd.annotation.http_errors import (
    ConflictError,
    FrontError,
    NoRouteError,
    NotFoundError,
    TooLargeError,
    first_contact,
    retry_after,
    soon_contact,
)
from loopd.errors import ArgillaError, AuthError, LoopdError, TransientError

URL = "http://argilla.test"
KEY = "recognisable-key"
REFUSALS = (400, 401, 403, 404, 405, 409, 418, 422)


def answered(code: int, content: bytes, *, kind: str = "", **headers: str) -> Any:
    """What loopd makes of such an answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if kind:
        named["Content-Type"] = kind

    def handle(_: httpx.Request) -> httpx.Response:
        return httpx.Response(code, content=content, headers=named)

    keys = {"X-Argilla-Api-Key": KEY, "Authorization": "Bearer recognisable-token"}
    with httpx.Client(base_url=URL, headers=keys, transport=httpx.MockTransport(handle)) as client:
        return send(client, "GET", "me")


def failure(code: int, content: bytes, **options: Any) -> LoopdError:
    with pytest.raises(LoopdError) as caught:
        answered(code, content, **options)
    return caught.value


KINDS_OF_ERROR: dict[int, type[LoopdError]] = {
    400: ArgillaError,
    401: AuthError,
    403: AuthError,
    404: NotFoundError,
    409: ConflictError,
    422: ArgillaError,
}


@pytest.mark.parametrize("server", ["argilla", "extralit"])
@pytest.mark.parametrize("code", KINDS_OF_ERROR)
def test_a_refusal_of_argilla_is_believed(code: int, server: str) -> None:
    detail = {"code": f"{server}.api.errors::SomeError", "params": {"detail": "no"}}
    error = failure(code, json.dumps({"detail": detail}).encode(), kind="application/json")
    assert type(error) is KINDS_OF_ERROR[code]


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (404, {"detail": "Dataset with id `1` not found"}),
        (404, {"detail": "User not found filtering by username=ann"}),
        (409, {"detail": "Dataset with name `a` already exists for workspace with id `1`"}),
        (409, {"detail": "User username `ann` is not unique"}),
        (422, {"detail": "Invalid UUID format"}),
        (422, {"detail": "record at position 1\ndoes not have a valid field"}),
        (422, {"code": "missing_vector", "message": "Record `1` does not have a vector"}),
    ],
)
def test_a_text_of_argillas_is_believed_with_its_status(code: int, body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    assert type(failure(code, content)) is KINDS_OF_ERROR[code]
    for other in KINDS_OF_ERROR.keys() - {code, 422}:
        assert isinstance(failure(other, content), FrontError)


GATEWAYS = [
    {"detail": "Authentication credentials were not provided."},
    {"detail": "Not authenticated"},
    {"detail": "Could not validate credentials"},
    {"detail": "Not found."},
    {"detail": "No tenant matches the given query."},
    {"detail": "Conflict"},
    {"detail": "Unprocessable Entity"},
    {"detail": " "},
    {"detail": [{"type": "missing", "loc": ["header", "x-tenant"], "msg": "Field required"}]},
    {"detail": {"code": "unauthorized", "params": {}}},
    {"detail": {"code": "a.b::Error"}},
    {"detail": {"code": "a.b::Error", "params": None}},
    {"detail": "Dataset with id `1` not found", "type": "about:blank", "status": 404},
    {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "no entry"},
    {"message": "No API key found in request"},
    {"message": "no Route matched with those values", "request_id": "5"},
    {"code": "rest_forbidden", "message": "Sorry", "data": {"status": 401}},
    {"code": 7, "message": "permission denied", "details": []},
    {"timestamp": "2026-01-01T00:00:00Z", "status": 403, "error": "Forbidden", "path": "/api"},
    {"error": "invalid_token", "error_description": "expired"},
    {"errors": [{"code": 1001, "message": "blocked"}], "success": False},
    {"Message": "User is not authorized to access this resource"},
]


@pytest.mark.parametrize("body", GATEWAYS, ids=json.dumps)
@pytest.mark.parametrize("code", KINDS_OF_ERROR)
def test_a_gateway_that_speaks_json_is_not_believed(code: int, body: dict[str, Any]) -> None:
    error = failure(code, json.dumps(body).encode(), kind="application/json")
    if code == 422 and set(body) == {"detail"} and len(str(body["detail"]).split()) > 1:
        return  # Argilla's own words for what it cannot process are of every kind
    assert isinstance(error, FrontError)


@given(st.sampled_from((400, 401, 403, 405, 418)), st.text(), st.text(min_size=1))
def test_a_text_is_never_argillas_where_it_gives_a_code(code: int, text: str, other: str) -> None:
    for body in ({"detail": text}, {"code": text, "message": other}, {"detail": text, other: text}):
        error = failure(code, json.dumps(body).encode(), kind="application/json")
        assert isinstance(error, FrontError)


@pytest.mark.parametrize(("code", "text"), [(404, "Not Found"), (405, "Method Not Allowed")])
def test_a_route_that_an_older_argilla_lacks(code: int, text: str) -> None:
    error = failure(code, json.dumps({"detail": text}).encode())
    assert type(error) is NoRouteError
    assert type(failure(code, json.dumps({"detail": text + "!"}).encode())) is FrontError


def is_argillas(content: object) -> bool:
    if not isinstance(content, dict):
        return False
    return "detail" in content or {"code", "message"} <= set(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "status", "id", "path"]), inner)
    ),
    max_leaves=6,
)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda text: f"<html><title>{text}</title></html>".encode()),
    JSON.filter(lambda content: not is_argillas(content)).map(
        lambda content: json.dumps(content).encode()
    ),
    st.just(b"404 page not found\n"),
)
KINDS = st.sampled_from(["", "text/html", "text/plain", "application/json", "text/html; charset=x"])


@given(st.sampled_from((*REFUSALS, 301, 302, 307, 308, 407, 451, 511)), BODIES, KINDS)
def test_nobody_elses_refusal_is_believed(code: int, content: bytes, kind: str) -> None:
    error = failure(code, content, kind=kind)
    assert isinstance(error, FrontError)
    assert f"HTTP {code}" in error.message
    assert "argilla.test" in error.message
    assert (kind.partition(";")[0] or "no content type") in error.message
    assert "\n" not in error.message
    assert error.hint
    with pytest.raises(ArgillaError) as caught:
        first_contact(lambda: answered(code, content, kind=kind))
    assert caught.value.message == error.message


@pytest.mark.parametrize(
    "content", [b"", b"<html>Log in</html>", b"ok", b"[]", b"null", b'{"status": "ok"}']
)
def test_a_page_with_200_is_no_answer(content: bytes) -> None:
    assert isinstance(failure(200, content, kind="text/html"), FrontError)


def test_what_argilla_says_is_the_answer() -> None:
    assert answered(200, b'{"items": []}') == {"items": []}
    assert answered(201, b'{"id": "1"}') == {"id": "1"}
    assert answered(204, b"") is None


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_an_outage_is_waited_for_whoever_speaks(code: int) -> None:
    error = failure(code, b"<html>Bad Gateway</html>", kind="text/html", Retry_After="7")
    assert type(error) is TransientError
    assert error.retry_after == 7.0


@pytest.mark.parametrize("content", [b"<html>too large</html>", b'{"detail": "too large"}'])
def test_what_is_too_large_stays_too_large(content: bytes) -> None:
    assert isinstance(failure(413, content), TooLargeError)


@pytest.mark.parametrize(
    ("location", "hint"),
    [
        ("https://argilla.test/api/v1/me", "set argilla.url to https://argilla.test"),
        ("https://new.test/a/api/v1/me?x=1", "set argilla.url to https://new.test/a"),
        ("/login?next=secret", "argilla.headers"),
        ("https://sso.test/auth", "argilla.headers"),
    ],
)
def test_a_redirect_names_its_target(location: str, hint: str) -> None:
    error = failure(302, b"", Location=location)
    assert isinstance(error, FrontError)
    assert hint in error.hint
    assert location.partition("?")[0] in error.message
    assert "secret" not in error.message


@pytest.mark.parametrize("code", [400, 403, 495])
@pytest.mark.parametrize(
    "page",
    [
        b"<html><title>400 No required SSL certificate was sent</title></html>",
        b'{"error": "client Certificate needed"}',
    ],
)
def test_a_front_that_misses_a_certificate_is_told_apart_from_a_login(
    code: int, page: bytes
) -> None:
    """nginx says so in a page: the handshake itself is over by then."""
    error = failure(code, page, kind="text/html")
    assert isinstance(error, FrontError)
    assert error.hint == "it may want a certificate of loopd: argilla.client_cert"
    assert "argilla.headers" in failure(403, b"<html>Log in</html>", kind="text/html").hint


def listing(*ids: str) -> Any:
    """The list of datasets that Argilla gives."""
    return {"items": [{"id": id_, "name": f"dataset {id_}"} for id_ in ids]}


def test_a_dataset_is_gone_where_argillas_own_list_lacks_it_too() -> None:
    second_look(lambda: listing("2", "3"), "ours", "1")
    second_look(listing, "ours", "1")


def test_a_dataset_that_is_listed_is_not_gone_whatever_a_front_says() -> None:
    """A run that ended for it would be ended by a proxy."""
    with pytest.raises(FrontError, match="`ours` is said to be gone, but Argilla lists it") as one:
        second_look(lambda: listing("2", "1"), "ours", "1")
    assert one.value.hint == "look at what stands in front of Argilla"


def test_a_dataset_and_the_list_that_go_at_once_are_not_believed_to_be_gone() -> None:
    def gone() -> Any:
        raise NotFoundError("User with id `1` not found")

    with pytest.raises(FrontError, match="`ours` and the list of all are gone at once"):
        second_look(gone, "ours", "1")


def test_neither_key_nor_header_is_repeated() -> None:
    said = "x" * 70 + f" {KEY * 5} {KEY} and Bearer recognisable-token and recognisable-token alone"
    for code, content in ((404, said), (422, json.dumps({"detail": said})), (302, "")):
        location = "https://x.test/recognisable-token"
        error = failure(code, content.encode(), Location=location, Content_Type="a/" + KEY)
        assert "recognisable" not in error.message + error.hint


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Fri, 27 Nov 2026 12:00:30 GMT", 30.0),
        ("Fri, 27 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, datetime(2026, 11, 27, 12, tzinfo=timezone.utc)) == seconds


def test_a_run_that_has_begun_waits_for_a_front_and_not_for_ever() -> None:
    now = [100.0]

    def refused() -> None:
        raise FrontError("a gateway's 404", "is argilla.url right?")

    action = soon_contact(refused, lambda: now[0], 120.0)
    for now[0] in (100.0, 219.0):
        with pytest.raises(FrontError):
            action()
    now[0] = 220.0
    with pytest.raises(ArgillaError, match="a gateway's 404") as caught:
        action()
    assert not isinstance(caught.value, TransientError)
    assert caught.value.hint == "is argilla.url right?"


def test_a_server_that_is_down_is_waited_for_at_the_first_contact_too() -> None:
    def down() -> None:
        raise TransientError("down")

    with pytest.raises(TransientError):
        soon_contact(down, lambda: 1e9, 0.0)()
