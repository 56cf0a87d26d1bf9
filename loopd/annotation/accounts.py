"""Owns the requests about people's accounts in Argilla; must not decide which, nor print a secret.

Only the key of an owner may make most of them. Argilla's page has no place for any.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from loopd.annotation.http import ArgillaHttp, ConflictError, NoRouteError, NotFoundError
from loopd.errors import ArgillaError, AuthError


@dataclass(frozen=True, slots=True)
class WorkspaceMember:
    """Somebody's account.

    Attributes:
        id: Argilla's id.
        name: for the login.
        role: ``owner``, ``admin`` or ``annotator``.
        member: of the workspace.
    """

    id: str
    name: str
    role: str
    member: bool


@dataclass(frozen=True, slots=True)
class NewPerson:
    """An account that has just been made, with the secrets kept out of ``repr``."""

    id: str
    name: str
    password: str = field(repr=False)
    api_key: str = field(repr=False)


class AccountsApi:
    """Accounts of one Argilla, and who is a member of one of its workspaces.

    Args:
        http: knows an owner's key.
        workspace: its name.
    """

    def __init__(self, http: ArgillaHttp, workspace: str) -> None:
        self._http = http
        self.workspace = workspace

    def me(self) -> str:
        """Name of the account whose key is used."""
        return str(self._http.get("me")["username"])

    def people(self) -> tuple[WorkspaceMember, ...]:
        """All accounts, by name.

        Raises:
            AuthError: the key is not that of an owner.
            ArgillaError: there is no such workspace.
        """
        members = {user["id"] for user in self._http.get(f"{self._space()}/users")["items"]}
        rows = self._for_owners("GET", "users")["items"]
        people = (_person(row, row["id"] in members) for row in rows)
        return tuple(sorted(people, key=lambda person: person.name))

    def create(self, name: str, role: str) -> NewPerson:
        """Make an account with a random password; it is no member yet."""
        password = new_password()
        body = {"username": name, "first_name": name, "password": password, "role": role}
        row = self._for_owners("POST", "users", json=body)
        return NewPerson(str(row["id"]), name, password, str(row["api_key"]))

    def join(self, user_id: str) -> None:
        """Make somebody a member of the workspace."""
        with suppress(ConflictError):  # a member already
            self._for_owners("POST", f"{self._space()}/users", json={"user_id": user_id})

    def leave(self, user_id: str) -> None:
        """Take somebody out of the workspace; the answers stay."""
        with suppress(NotFoundError):  # no member
            self._for_owners("DELETE", f"{self._space()}/users/{user_id}")

    def delete(self, user_id: str) -> None:
        """Delete an account, and with it all that the person has answered."""
        self._for_owners("DELETE", f"users/{user_id}")

    def set_password(self, user_id: str) -> str:
        """Give somebody a new random password, and return it.

        Raises:
            ArgillaError: the server is too old.
        """
        password = new_password()
        try:
            self._for_owners("PATCH", f"users/{user_id}", json={"password": password})
        except NoRouteError:
            problem = "this Argilla changes no passwords"
            raise ArgillaError(problem, "newer releases of Argilla do") from None
        return password

    def answers(self, name: str) -> dict[str, int]:
        """How many answers somebody has given, by dataset of the workspace; none left out."""
        counts = {}
        query = {"workspace_id": self._space().split("/")[1]}
        for dataset in self._http.get("me/datasets", **query)["items"]:
            with suppress(NoRouteError, NotFoundError):  # an older server does not count
                counts[str(dataset["name"])] = self._answers_in(str(dataset["id"]), name)
        return {dataset: count for dataset, count in counts.items() if count}

    def _answers_in(self, dataset_id: str, name: str) -> int:
        rows = self._http.get(f"datasets/{dataset_id}/users/progress")["users"]
        mine = [row for row in rows if row["username"] == name]
        return sum(
            sum(row.get(part, {}).values()) for row in mine for part in ("completed", "pending")
        )

    def _space(self) -> str:
        for row in self._http.get("me/workspaces")["items"]:
            if row["name"] == self.workspace:
                return f"workspaces/{row['id']}"
        raise ArgillaError(
            f"Argilla has no workspace `{self.workspace}`", "name another with --workspace"
        )

    def _for_owners(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            return self._http.request(method, path, **arguments)
        except AuthError as error:
            raise AuthError(error.message, "only the API key of an owner may do this") from None


def new_password() -> str:
    """A random password of 96 bits."""
    return secrets.token_urlsafe(12)


def _person(row: Any, member: bool) -> WorkspaceMember:
    return WorkspaceMember(str(row["id"]), str(row["username"]), str(row["role"]), member)
