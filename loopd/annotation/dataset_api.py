"""Owns the requests about one dataset of an Argilla server; must not know what it is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loopd.annotation.http import ArgillaHttp, NotFoundError, second_look
from loopd.annotation.store import Progress, VisibleAccounts
from loopd.config import ArgillaSection
from loopd.errors import AuthError, DatasetError

Json = dict[str, Any]


class DatasetApi:
    """Requests about one dataset.

    Args:
        section: address, workspace and dataset name.
        http: of the server.

    Attributes:
        id: Argilla's id of the dataset, empty as long as it is not known.
    """

    def __init__(self, section: ArgillaSection, http: ArgillaHttp) -> None:
        self._section = section
        self.http = http
        self.id = ""

    def find(self) -> Json | None:
        """The dataset as Argilla describes it, ``None`` where there is none of its name."""
        named = [dataset for dataset in self.all() if dataset["name"] == self._section.dataset]
        return named[0] if named else None

    def all(self) -> list[Json]:
        """All datasets of the workspace."""
        items: list[Json] = self.http.get("me/datasets", workspace_id=self.workspace_id())["items"]
        return items

    def workspace_id(self) -> str:
        """Of the workspace that the configuration names.

        Raises:
            DatasetError: the account sees none of that name.
        """
        spaces = self.http.get("me/workspaces")["items"]
        for space in spaces:
            if space["name"] == self._section.workspace:
                return str(space["id"])
        names = sorted(space["name"] for space in spaces)
        raise DatasetError(
            f"no workspace `{self._section.workspace}` for this account (it sees {names})",
            "create it in Argilla, add the account to it, or set argilla.workspace",
        )

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON answer to a request below the dataset's own address."""
        try:
            return self.http.request(method, f"datasets/{self.id}{path}", **arguments)
        except NotFoundError as error:
            raise self._gone_from_the_list() from error

    def items(self, what: str) -> list[Json]:
        """Its ``fields`` or ``questions``."""
        items: list[Json] = self.request("GET", f"/{what}")["items"]
        return items

    def properties(self) -> list[Json]:
        """Its metadata properties."""
        try:
            answer = self.http.get(f"me/datasets/{self.id}/metadata-properties")
        except NotFoundError as error:
            raise self._gone_from_the_list() from error
        items: list[Json] = answer["items"]
        return items

    def pages(
        self, size: int, *include: str, progress: Progress | None = None
    ) -> Iterator[list[Json]]:
        """All records, page by page; with ``responses`` unless something else is to be included."""
        offset, total = 0, 1
        while offset < total:
            params = {"include": include or "responses", "limit": size, "offset": offset}
            page = self.request("GET", "/records", params=params)
            total = page["total"] if page["items"] else 0
            offset += len(page["items"])
            if progress is not None and total:
                progress("reading records", offset, total)
            yield page["items"]

    def search(self, body: Json, *, with_answers: bool = False, **params: Any) -> Json:
        """A page of what the search of people's page finds: ``items``, and the ``total``.

        Args:
            body: query, filters and order.
            with_answers: let the records have everybody's responses.
            params: of the address.
        """
        # People's own route shows the responses of whoever asks alone.
        owner = "" if with_answers else "me/"
        params |= {"include": "responses"} if with_answers else {}
        path = f"{owner}datasets/{self.id}/records/search"
        try:
            page: Json = self.http.request("POST", path, params=params, json=body)
        except NotFoundError as error:
            raise self._gone_from_the_list() from error
        return page

    def total(self) -> int:
        """How many records it has now."""
        return int(self.request("GET", "/records", params={"limit": 1})["total"])

    def people(self, workspace_id: str) -> frozenset[str]:
        """Names of the members of a workspace."""
        members = self.http.get(f"workspaces/{workspace_id}/users")["items"]
        return frozenset(member["username"] for member in members)

    def accounts(self) -> VisibleAccounts:
        """All accounts; for an admin, who may not see those, the members of the workspace.

        Nobody where those are not shown either.
        """
        try:
            return VisibleAccounts(_names(self.http.get("users")["items"]), complete=True)
        except AuthError:
            pass
        path = f"workspaces/{self.workspace_id()}/users"
        try:
            return VisibleAccounts(_names(self.http.get(path)["items"]), complete=False)
        except AuthError:
            return VisibleAccounts({}, complete=False)

    def gone(self) -> DatasetError:
        """The error of a dataset that was there and is in no list any more."""
        return DatasetError(
            f"dataset `{self._section.dataset}` is gone from {self._section.url}",
            "restore it in Argilla; the journal still holds every answer that was read",
        )

    def _gone_from_the_list(self) -> DatasetError:
        """The same, once the list has been looked at.

        Raises:
            TransientError: it is listed, or the list cannot be had.
        """
        second_look(lambda: self.http.get("me/datasets"), self._section.dataset, self.id)
        return self.gone()


def _names(users: list[Json]) -> dict[str, str]:
    return {str(user["id"]): str(user["username"]) for user in users}
