"""Owns the HTTP requests of a person who annotates in Argilla; must not decide what to answer.

The loop has its own client in ``annotation``: this one sees only what a person in the UI sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from loopd.annotation import record_schema
from loopd.annotation.escaping import original
from loopd.annotation.http import ArgillaHttp, ConflictError, Front, NotFoundError
from loopd.annotation.record_schema import MetadataNames
from loopd.errors import ArgillaError
from loopd.records import JsonValue

PAGE = 100
"""Records asked for at once."""

REQUEST_SECONDS = 30.0
"""Until a request is given up."""


class GoneError(ArgillaError):
    """HTTP 404: the dataset, the record or the response is not there (any more)."""


class TakenError(ArgillaError):
    """HTTP 409: the user, the membership or the response exists already."""


@dataclass(frozen=True, slots=True)
class DatasetView:
    """A dataset as people meet it.

    Attributes:
        id: Argilla's id.
        min_submitted: answers that one record needs.
        names: of loopd's metadata in it.
    """

    id: str
    min_submitted: int
    names: MetadataNames = field(default_factory=MetadataNames)


@dataclass(frozen=True, slots=True)
class RecordView:
    """A record as people meet it, with their own answer if they gave one.

    Attributes:
        id: Argilla's id.
        external_id: the loop's id, ``None`` for a record that somebody else logged.
        original_id: the same, or of a copy that asks for a second opinion the original's.
        fields: what is shown, by field.
        response_id: Argilla's id of the own answer or ``None``.
        values: the own answer's value by question.
    """

    id: str
    external_id: str | None
    original_id: str | None = None
    response_id: str | None = None
    values: tuple[tuple[str, Any], ...] = ()
    fields: tuple[tuple[str, Any], ...] = ()

    def text(self, field: str) -> str:
        """The text that a field shows."""
        return original(str(dict(self.fields).get(field) or ""))


class PeopleApi:
    """One account's view of one Argilla server.

    Every method raises ``TransientError`` for what waiting may mend, ``AuthError`` for a refused
    key or permission, ``GoneError`` and ``TakenError`` for HTTP 404 and 409, and ``ArgillaError``
    for any other refusal.

    Args:
        url: address of the server.
        api_key: key of the account; never in a message.
        front: what lies between.
    """

    def __init__(self, url: str, api_key: str, front: Front | None = None) -> None:
        self._http = ArgillaHttp(url, api_key, REQUEST_SECONDS, front)

    def close(self) -> None:
        """Release the connections."""
        self._http.close()

    def me(self) -> Any:
        """The account itself: ``id``, ``username``, ``role``, ..."""
        return self._json("GET", "me")

    def users(self) -> list[Any]:
        """All accounts with their API keys; for owners only."""
        return list(self._json("GET", "users")["items"])

    def create_annotator(self, username: str, password: str) -> Any:
        """Create an annotator account; for owners only."""
        body = {"username": username, "first_name": username, "password": password}
        return self._json("POST", "users", json={**body, "role": "annotator"})

    def workspace_id(self, name: str) -> str | None:
        """Id of a workspace that the account may see, or ``None``."""
        workspaces = self._json("GET", "me/workspaces")["items"]
        return next((str(space["id"]) for space in workspaces if space["name"] == name), None)

    def join(self, workspace_id: str, user_id: str) -> None:
        """Make a user a member of a workspace; for owners only."""
        # A member already: that is what was asked for.
        with suppress(TakenError):
            self._json("POST", f"workspaces/{workspace_id}/users", json={"user_id": user_id})

    def desk(self, workspace_id: str, name: str) -> DatasetView | None:
        """The dataset of that name if loopd publishes in it, else ``None``."""
        query = {"workspace_id": workspace_id, "name": name, "status": "ready"}
        for dataset in self._json("GET", "me/datasets", params=query)["items"]:
            path = f"me/datasets/{dataset['id']}/metadata-properties"
            names = record_schema.names_in(self._json("GET", path)["items"])
            if names is not None:
                distribution = dataset.get("distribution") or {}
                needed = int(distribution.get("min_submitted") or 1)
                return DatasetView(str(dataset["id"]), needed, names)
        return None

    def other_required(self, desk: DatasetView, question: str) -> list[str]:
        """Names of further questions without which Argilla takes no answer."""
        items = self._json("GET", f"datasets/{desk.id}/questions")["items"]
        return [entry["name"] for entry in items if entry["required"] and entry["name"] != question]

    def pending(self, desk: DatasetView) -> list[RecordView]:
        """The first page of the own queue, without records that are none of loopd's."""
        return self._search(desk, [_status("response", "pending"), _status("record", "pending")], 0)

    def unfinished(self, desk: DatasetView) -> list[RecordView]:
        """The first page of what still needs an answer by anybody."""
        return self._search(desk, [_status("record", "pending")], 0)

    def submitted(self, desk: DatasetView) -> Iterator[RecordView]:
        """All records that the person has submitted an answer to."""
        offset = 0
        while page := self._search(desk, [_status("response", "submitted")], offset):
            yield from page
            offset += PAGE

    def answer(self, sheet: RecordView, question: str, value: JsonValue) -> RecordView:
        """Submit a value, or discard the record where it is ``None``; the sheet with the answer."""
        path = f"records/{sheet.id}/responses"
        response = self._write("POST", path, sheet, _response(question, value))
        return replace(sheet, response_id=str(response["id"]))

    def correct(self, sheet: RecordView, question: str, value: JsonValue) -> None:
        """Replace the value of an own answer."""
        path = f"responses/{sheet.response_id}"
        self._write("PUT", path, sheet, _response(question, value))

    def _write(self, method: str, path: str, sheet: RecordView, body: dict[str, Any]) -> Any:
        try:
            return self._json(method, path, json=body)
        except (GoneError, TakenError):
            raise
        except ArgillaError as error:
            # An answer that crosses the deletion of its dataset gets a 422 about Argilla's insides.
            if self._is_there(sheet):
                raise
            raise GoneError(error.message) from error

    def _is_there(self, sheet: RecordView) -> bool:
        try:
            self._json("GET", f"records/{sheet.id}")
        except GoneError:
            return False
        return True

    def _search(self, desk: DatasetView, filters: list[Any], offset: int) -> list[RecordView]:
        filters = [*filters, _of_a_batch(desk.names)]
        page = self._json(
            "POST",
            f"me/datasets/{desk.id}/records/search",
            params={"include": "responses", "limit": PAGE, "offset": offset},
            json={"query": {}, "filters": {"and": filters}},
        )
        return [_sheet(item["record"], desk.names) for item in page["items"]]

    def _json(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            return self._http.request(method, path, **arguments)
        except NotFoundError as error:
            raise GoneError(error.message) from None
        except ConflictError as error:
            raise TakenError(error.message) from None


def _status(entity: str, value: str) -> dict[str, Any]:
    scope = {"entity": entity, "property": "status"}
    return {"type": "terms", "scope": scope, "values": [value]}


def _of_a_batch(names: MetadataNames) -> dict[str, Any]:
    """Only what loopd has published has a round."""
    scope = {"entity": "metadata", "metadata_property": names("round")}
    return {"type": "range", "scope": scope, "ge": 0}


def _response(question: str, value: JsonValue) -> dict[str, Any]:
    if value is None:
        return {"status": "discarded", "values": {}}
    return {"status": "submitted", "values": {question: {"value": value}}}


def _sheet(record: Any, names: MetadataNames) -> RecordView:
    """A record of the search route; its responses are the asking person's only."""
    external_id = record.get("external_id")
    original_id = names.ours(record.get("metadata")).get("second_opinion_of", external_id)
    fields = tuple((record.get("fields") or {}).items())
    sheet = RecordView(str(record["id"]), external_id, original_id, fields=fields)
    for response in record.get("responses") or ():
        values = response.get("values") or {}
        answered = tuple((name, answer.get("value")) for name, answer in values.items())
        return replace(sheet, response_id=str(response["id"]), values=answered)
    return sheet
