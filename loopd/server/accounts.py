"""The embedded server's accounts, made once with random secrets; must not print or log them."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from typing import Any

from loopd.errors import ServerError
from loopd.server.home import ServerHome
from loopd.server.options import Account
from loopd.state.files import write_atomic


@dataclass(frozen=True, slots=True)
class Accounts:
    """The two accounts of a home; `fresh` when this start made them."""

    owner: Account
    annotator: Account
    fresh: bool


def load_or_create_accounts(home: ServerHome) -> Accounts:
    """Read `<home>/accounts.json`, or make it; ServerError when the file is not what we wrote."""
    if not home.accounts.exists():
        accounts = Accounts(new_account("owner"), new_account("annotator"), fresh=True)
        _write(home, accounts)
        return accounts
    try:
        kept = json.loads(home.accounts.read_text(encoding="utf-8"))
        return Accounts(Account(**kept["owner"]), Account(**kept["annotator"]), fresh=False)
    except (ValueError, KeyError, TypeError) as error:
        raise ServerError(
            f"{home.accounts} cannot be read: {error}.",
            hint="Restore it from a copy, or delete it: new secrets are then made at next start.",
        ) from error


def load_or_create_auth_secret(home: ServerHome) -> str:
    """Return the key that signs logins, the same over restarts so that nobody is logged out."""
    if not home.auth_secret.exists():
        write_atomic(home.auth_secret, secrets.token_hex(32), mode=0o600)
    return home.auth_secret.read_text(encoding="utf-8").strip()


def new_account(username: str) -> Account:
    """Return an account with random secrets; it exists in no server yet."""
    return Account(username, password=secrets.token_urlsafe(12), api_key=secrets.token_urlsafe(48))


async def ensure_accounts(accounts: Accounts, workspace: str) -> None:
    """Make the database agree with `accounts`: both users and the workspace exist, joined.

    Users that exist keep their secrets, unless `accounts` is fresh (its file was lost): then the
    new secrets count. Argilla's HTTP API cannot be used here, as there is no user yet to call it.
    """
    from argilla_server.database import AsyncSessionLocal
    from argilla_server.enums import UserRole
    from argilla_server.models import Workspace

    async with AsyncSessionLocal() as db:
        space = await Workspace.get_by(db, name=workspace) or await Workspace.create(
            db, name=workspace
        )
        owner = await _ensure_user(db, accounts.owner, UserRole.owner, accounts.fresh)
        annotator = await _ensure_user(db, accounts.annotator, UserRole.annotator, accounts.fresh)
        for user in (owner, annotator):
            await _ensure_member(db, user, space)


async def _ensure_user(db: Any, account: Account, role: Any, secrets_count: bool) -> Any:
    from argilla_server.contexts.accounts import hash_password
    from argilla_server.models import User

    user = await User.get_by(db, username=account.username)
    if user is not None and not secrets_count:
        return user
    values = {"api_key": account.api_key, "password_hash": hash_password(account.password)}
    if user is not None:
        return await user.update(db, **values)
    named = {"first_name": account.username, "username": account.username, "role": role}
    return await User.create(db, **named, **values)


async def _ensure_member(db: Any, user: Any, workspace: Any) -> None:
    from argilla_server.models import WorkspaceUser

    ids = {"workspace_id": workspace.id, "user_id": user.id}
    if await WorkspaceUser.get_by(db, **ids) is None:
        await WorkspaceUser.create(db, **ids)


def _write(home: ServerHome, accounts: Accounts) -> None:
    kept = {"owner": asdict(accounts.owner), "annotator": asdict(accounts.annotator)}
    write_atomic(home.accounts, json.dumps(kept, indent=2) + "\n", mode=0o600)
