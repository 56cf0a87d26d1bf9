"""Accounts on servers that differ from the newest; the rest is in `tests/embedded_argilla`."""

from __future__ import annotations

from typing import Any

import pytest

from loopd.annotation.accounts import AccountsApi
from loopd.annotation.http import NoRouteError
from loopd.errors import ArgillaError, AuthError

SPACE = {"id": "w1", "name": "loopd"}


class Server:
    """Answers by path; an exception is raised."""

    def __init__(self, **answers: Any) -> None:
        self._answers = {"me/workspaces": {"items": [SPACE]}, **answers}

    def get(self, path: str, **_: Any) -> Any:
        return self.request("GET", path)

    def request(self, _method: str, path: str, **_: Any) -> Any:
        answer = self._answers[path]
        if isinstance(answer, Exception):
            raise answer
        return answer


def accounts(**answers: Any) -> AccountsApi:
    return AccountsApi(Server(**answers), "loopd")  # type: ignore[arg-type]


def test_a_server_that_changes_no_passwords() -> None:
    old = accounts(**{"users/u1": NoRouteError("HTTP 405 for PATCH")})
    with pytest.raises(ArgillaError, match="changes no passwords") as refusal:
        old.set_password("u1")
    assert "newer" in refusal.value.hint


def test_a_server_that_does_not_count_answers() -> None:
    datasets = {"items": [{"id": "d1", "name": "old"}, {"id": "d2", "name": "new"}]}
    row = {"username": "ann", "completed": {"submitted": 2}, "pending": {"draft": 1}}
    answers = {
        "me/datasets": datasets,
        "datasets/d1/users/progress": NoRouteError("HTTP 404"),
        "datasets/d2/users/progress": {"users": [row, {**row, "username": "bo"}]},
    }
    assert accounts(**answers).answers("ann") == {"new": 3}
    assert accounts(**answers).answers("cy") == {}


def test_a_key_that_is_no_owners() -> None:
    refused = {"workspaces/w1/users": {"items": []}, "users": AuthError("HTTP 403")}
    with pytest.raises(AuthError) as refusal:
        accounts(**refused).people()
    assert "owner" in refusal.value.hint
