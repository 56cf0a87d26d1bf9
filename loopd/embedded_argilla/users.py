"""Owns the users in Argilla's database that `serve` answers for; must not print their secrets.

Argilla's HTTP API cannot be used for it, as at first there is no user who could call it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from loopd.embedded_argilla.accounts import HomeAccounts, keep_annotators, new_account
from loopd.embedded_argilla.home import ServerHome
from loopd.embedded_argilla.options import Account, ServerOptions
from loopd.embedded_argilla.postgresql import alone
from loopd.errors import ServerError


async def settle_users(
    options: ServerOptions, home: ServerHome, accounts: HomeAccounts
) -> tuple[Account, ...]:
    """Make the database agree with the options: workspace, owner and annotators exist, joined.

    Users that exist keep their secrets, unless `accounts` is fresh (its file was lost): then the
    new secrets count. On PostgreSQL that must be said, for another server may use the old ones.

    Returns:
        The accounts that were made for `options.annotators`; their secrets are in the home.

    Raises:
        ServerError: the database has users whose secrets this home does not have.
    """
    async with _alone_on(options):
        if accounts.fresh and options.database is not None and not options.new_secrets:
            await _refuse_existing(accounts, home, options.database.shown)
        if not accounts.fresh:
            await _refuse_other_keys(accounts, home, options)
        kept = {accounts.owner.username, accounts.annotator.username}
        missing = await _missing([name for name in options.annotators if name not in kept])
        created_accounts = tuple(new_account(name) for name in missing)
        if created_accounts:
            keep_annotators(home, created_accounts)
        await ensure_users(accounts, options.workspace, created_accounts, options.annotators)
        return created_accounts


async def ensure_users(
    accounts: HomeAccounts,
    workspace: str,
    annotators: Iterable[Account] = (),
    members: Iterable[str] = (),
) -> None:
    """Make users of `accounts` and `annotators`, and members of the workspace of those and more."""
    from argilla_server.database import AsyncSessionLocal
    from argilla_server.enums import UserRole
    from argilla_server.models import User, Workspace

    async with AsyncSessionLocal() as db:
        space = await Workspace.get_by(db, name=workspace) or await Workspace.create(
            db, name=workspace
        )
        owner = await _ensure_user(db, accounts.owner, UserRole.owner, accounts.fresh)
        annotator = await _ensure_user(db, accounts.annotator, UserRole.annotator, accounts.fresh)
        for account in annotators:
            await _ensure_user(db, account, UserRole.annotator, False)
        others = [await User.get_by(db, username=name) for name in members]
        for user in (owner, annotator, *others):
            await _ensure_member(db, user, space)


@asynccontextmanager
async def _alone_on(options: ServerOptions) -> AsyncIterator[None]:
    if options.database is None:
        yield  # the home is locked, and the database is in it
        return
    async with alone():
        yield


async def _missing(names: Sequence[str]) -> list[str]:
    """Return those of the names that no user has."""
    from argilla_server.database import AsyncSessionLocal
    from argilla_server.models import User

    async with AsyncSessionLocal() as db:
        return [name for name in names if await User.get_by(db, username=name) is None]


async def _refuse_existing(accounts: HomeAccounts, home: ServerHome, shown: str) -> None:
    names = [accounts.owner.username, accounts.annotator.username]
    existing = [name for name in names if name not in await _missing(names)]
    if not existing:
        return
    home.accounts.unlink(missing_ok=True)  # its secrets count nowhere
    raise ServerError(
        f"{shown} has the account {existing[0]!r} already, and {home.path} has no secrets of it.",
        hint=f"Copy {home.accounts.name} and {home.auth_secret.name} from the home of the server "
        "that made it, or let --new-secrets replace its password and key.",
    )


async def _refuse_other_keys(
    accounts: HomeAccounts, home: ServerHome, options: ServerOptions
) -> None:
    """Argilla changes passwords, and keys never: another key is the secret of another home.

    Of the owner alone: people's accounts may be removed and made anew.
    """
    from argilla_server.database import AsyncSessionLocal
    from argilla_server.models import User

    async with AsyncSessionLocal() as db:
        owner = await User.get_by(db, username=accounts.owner.username)
        if owner is not None and owner.api_key != accounts.owner.api_key:
            raise _other_keys(owner.username, home, options)


def _other_keys(name: str, home: ServerHome, options: ServerOptions) -> ServerError:
    shown, anew = str(home.database), "start again: new ones are made"
    if options.database is not None:
        shown, anew = options.database.shown, "start with --new-secrets"
    return ServerError(
        f"{shown} has an account {name!r} with another key than {home.accounts}.",
        hint=f"Copy {home.accounts.name} and {home.auth_secret.name} from the home of the server "
        f"that made it; if that is lost, move {home.accounts.name} away and {anew}.",
    )


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
