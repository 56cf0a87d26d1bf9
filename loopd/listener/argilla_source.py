"""Owns the listener's conversation with Argilla, with the SDK's client, records and dataset.

Must not decide when anything is due. It sends the search itself and makes the SDK's records from
the answer: the SDK's own iterator (2.8) breaks on any page that holds an answer without values,
hides who changed what, and takes a missing dataset for an empty one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from loopd.annotation.http import ArgillaHttp, NotFoundError, quoted, second_look, secrets_in, send
from loopd.annotation.http_client import FORK_KEY_HEADER, KEY_HEADER, Front
from loopd.errors import ArgillaError, AuthError, DatasetError, LoopdError, TransientError
from loopd.key_text import KeyTextError, key_in
from loopd.listener.filters import BoundSearch
from loopd.listener.firing import SearchResult

Json = dict[str, Any]

REQUEST_SECONDS = 30.0
"""Limit of one request: no stop waits longer for an Argilla that hangs."""

_KEY_VARIABLE = "ARGILLA_API_KEY"
_PAGE = 500
_READINGS = 3


@dataclass(frozen=True, slots=True)
class Address:
    """Which dataset, and how to get there.

    Attributes:
        dataset: its name, or an ``rg.Dataset``.
        workspace: its name or an ``rg.Workspace``; ``None`` is the only one that has the dataset.
        client: an ``rg.Argilla``.
        api_url, api_key: of a client to be made. With none of the three it is the SDK's default
            client, made of ``ARGILLA_API_URL`` and ``ARGILLA_API_KEY`` if there is none yet.
        front: what lies between Argilla and a client to be made.
    """

    dataset: Any
    workspace: Any = None
    client: Any = None
    api_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    front: Front | None = None

    @property
    def name(self) -> str:
        """What to call the dataset."""
        return str(getattr(self.dataset, "name", self.dataset))

    def connect(self) -> ArgillaSource:
        """Find the dataset.

        Raises:
            TransientError: Argilla is away.
            AuthError, DatasetError, ArgillaError: waiting will not mend it.
        """
        if not isinstance(self.dataset, str):
            if self.dataset.id is None:
                raise DatasetError(f"dataset `{self.name}` is not on a server yet")
            return ArgillaSource(self.client or self.dataset._client, self.dataset)
        client = self.client or self._make_client()
        with _sdk_errors(_secrets(client)):
            dataset = client.datasets(id=self._find(client))
            if dataset is None:
                raise DatasetError(f"dataset `{self.name}` was deleted this very moment")
            return ArgillaSource(client, dataset.get())

    def _make_client(self) -> Any:
        import argilla as rg

        default = rg.Argilla._default_client
        if not (self.api_url or self.api_key or self.front) and default is not None:
            return default
        address = {
            # The SDK reads the environment only once, when it is imported.
            "api_url": self.api_url or os.environ.get("ARGILLA_API_URL"),
            "api_key": self.api_key or _key_of_environment(),
        }
        set_ones = {name: value for name, value in address.items() if value}
        front = self.front or Front()
        with _sdk_errors(secrets_in({**dict(front.headers), KEY_HEADER: address["api_key"] or ""})):
            headers = dict(front.headers)
            if len(set_ones) == len(address) and _knock(**set_ones, front=front):
                headers[FORK_KEY_HEADER] = set_ones["api_key"]
            options = front.options(set_ones.get("api_url", "")) | {"headers": headers}
            # Retries are ours: the SDK's cannot be interrupted.
            return rg.Argilla(**set_ones, **options, retries=0)

    def _find(self, client: Any) -> str:
        def items(what: str) -> list[Json]:
            listed: list[Json] = _send(client, "GET", what)["items"]
            return listed

        spaces = {space["id"]: space["name"] for space in items("me/workspaces")}
        workspace = getattr(self.workspace, "name", self.workspace)
        named = [dataset for dataset in items("me/datasets") if dataset["name"] == self.name]
        fits = [each for each in named if workspace in (None, spaces.get(each["workspace_id"]))]
        if len(fits) == 1:
            return str(fits[0]["id"])
        where = "" if workspace is None else f" in workspace `{workspace}`"
        if not fits:
            raise DatasetError(f"this account sees no dataset `{self.name}`{where}")
        names = sorted(str(spaces.get(each["workspace_id"])) for each in fits)
        raise DatasetError(f"dataset `{self.name}` is in several workspaces {names}: name one")


def _key_of_environment() -> str | None:
    """What ``ARGILLA_API_KEY`` holds, without quotes around it."""
    text = os.environ.get(_KEY_VARIABLE, "")
    try:
        return key_in(text, _KEY_VARIABLE) if text.strip() else None
    except KeyTextError as error:
        raise AuthError(f"the variable {_KEY_VARIABLE} is malformed: {error}") from None


def _knock(api_url: str, api_key: str, front: Front) -> bool:
    """Ask whether Argilla is there, first: a client of the SDK that fails at its making leaks.

    Returns:
        Whether it is Argilla's fork, which wants the key in a header of its own.
    """
    http = ArgillaHttp(api_url, api_key, REQUEST_SECONDS, front)
    with closing(http):
        http.get("me")
        return http.is_fork


class ArgillaSource:
    """A :class:`~loopd.listener.firing.RecordSource` on a real Argilla 2 server.

    Args:
        client: an ``rg.Argilla``.
        dataset: an ``rg.Dataset`` that exists on the server.
    """

    def __init__(self, client: Any, dataset: Any) -> None:
        self._client = client
        self.dataset = dataset

    def activity(self) -> str:
        """Argilla's ``last_activity_at``; moves with single answers, not with bulk ones."""
        return str(self._request("GET", "")["last_activity_at"])

    def search(self, query: BoundSearch) -> SearchResult:
        """All matching records; read again if they change while they are read."""
        body = _body(query)
        for _ in range(_READINGS):
            items, steady = self._listing(body)
            if steady:
                break
        with _sdk_errors(_secrets(self._client)):
            return SearchResult(tuple(self._record(item) for item in items), _digest(items))

    def _listing(self, body: Json) -> tuple[list[Json], bool]:
        """Matching records without repetitions, and whether they stayed the same meanwhile."""
        records_by_id: dict[str, Json] = {}
        totals: set[int] = set()
        offset = 0
        while not totals or offset < max(totals):
            params = {"include": ["responses", "suggestions"], "limit": _PAGE, "offset": offset}
            page = self._request("POST", "/records/search", params=params, json=body)
            totals.add(page["total"])
            if not page["items"]:
                break
            records_by_id.update({item["record"]["id"]: item["record"] for item in page["items"]})
            offset += len(page["items"])
        return list(records_by_id.values()), totals == {len(records_by_id)}

    def _record(self, item: Json) -> Any:
        from argilla import Record
        from argilla._models import RecordModel

        # The SDK cannot show an answer without values (a discard over the API).
        responses = [
            response for response in item.get("responses") or () if response["values"] is not None
        ]
        model = RecordModel(**{**item, "responses": responses})
        return Record.from_model(model, self.dataset)

    def _request(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            return _send(self._client, method, f"datasets/{self.dataset.id}{path}", **arguments)
        except NotFoundError as error:
            name, dataset_id = self.dataset.name, str(self.dataset.id)
            second_look(lambda: _send(self._client, "GET", "me/datasets"), name, dataset_id)
            raise DatasetError(f"dataset `{name}` is gone from Argilla") from error


def _secrets(client: Any) -> tuple[str, ...]:
    return secrets_in(client.http_client.headers)


def _send(client: Any, method: str, path: str, **arguments: Any) -> Any:
    return send(client.http_client, method, path, timeout=REQUEST_SECONDS, **arguments)


def _body(search: BoundSearch) -> Json:
    """The search as the server takes it, in an order that keeps its pages apart."""
    import argilla as rg

    kept = rg.Filter(list(search.conditions)) if search.conditions else None
    model = rg.Query(query=search.query, filter=kept).api_model()
    scope = {"entity": "record", "property": "inserted_at"}
    return {**model.model_dump(by_alias=True), "sort": [{"scope": scope, "order": "asc"}]}


def _digest(items: list[Json]) -> str:
    """Ids and answers as one short string; see :mod:`loopd.listener.firing`."""
    said = sorted(
        (
            item["id"],
            sorted(
                (
                    str(answer["user_id"]),
                    answer["status"],
                    json.dumps(answer["values"], sort_keys=True),
                )
                for answer in item.get("responses") or ()
                if answer["status"] != "draft"
            ),
        )
        for item in items
    )
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


@contextmanager
def _sdk_errors(secrets: tuple[str, ...]) -> Iterator[None]:
    """Failures of the SDK's own requests as ours.

    Theirs hold whole answers, in which the API key may be: they are not chained to ours.
    """
    import httpx
    from argilla._exceptions import ArgillaAPIError, ArgillaCredentialsError
    from argilla._exceptions import ArgillaError as SdkError

    try:
        yield
    except LoopdError:
        raise
    except (httpx.HTTPError, json.JSONDecodeError) as error:
        detail = f"{type(error).__name__}: {quoted(error, *secrets)}"
        raise TransientError(f"Argilla is unreachable ({detail})") from None
    except ArgillaCredentialsError as error:
        raise AuthError(f"Argilla refuses the API key: {quoted(error, *secrets)}") from None
    except ArgillaAPIError as error:
        away = error.status_code >= 500 or error.status_code in (408, 425, 429)
        ours = TransientError if away else ArgillaError
        raise ours(f"Argilla refuses: {quoted(error, *secrets)}") from None
    except SdkError as error:
        hint = "set ARGILLA_API_URL and ARGILLA_API_KEY"
        raise AuthError(quoted(error, *secrets), hint) from None
