"""The embedded server's accounts, made once with random secrets; must not print or log them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loopd.embedded_argilla.home import ServerHome
from loopd.embedded_argilla.options import Account
from loopd.errors import ServerError
from loopd.storage.files import write_atomic


@dataclass(frozen=True, slots=True)
class HomeAccounts:
    """The two accounts of a home; `fresh` when this start made them."""

    owner: Account
    annotator: Account
    fresh: bool


def load_or_create_accounts(home: ServerHome) -> HomeAccounts:
    """Read `<home>/accounts.json`, or make it; ServerError when the file is not what we wrote."""
    if not home.accounts.exists():
        accounts = HomeAccounts(new_account("owner"), new_account("annotator"), fresh=True)
        _write(home, accounts)
        return accounts
    try:
        kept = json.loads(home.accounts.read_text(encoding="utf-8"))
        return HomeAccounts(Account(**kept["owner"]), Account(**kept["annotator"]), fresh=False)
    except (ValueError, KeyError, TypeError) as error:
        raise ServerError(
            f"{home.accounts} cannot be read: {error}.",
            hint="Restore it from a copy, or delete it: new secrets are then made at next start.",
        ) from error


def keep_annotators(home: ServerHome, annotators: Sequence[Account]) -> None:
    """Add annotators to `<home>/annotators.json`, which only this user may read.

    To be called before they are made: an account whose secrets nobody has is worth nothing.
    """
    kept: dict[str, Any] = {}
    if home.annotators.exists():
        try:
            kept = dict(json.loads(home.annotators.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise ServerError(
                f"{home.annotators} cannot be read: {error}.",
                hint="Restore it from a copy, or move it away.",
            ) from error
    kept |= {account.username: asdict(account) for account in annotators}
    write_atomic(home.annotators, json.dumps(kept, indent=2) + "\n", mode=0o600)


def load_or_create_auth_secret(home: ServerHome) -> str:
    """Return the key that signs logins, the same over restarts so that nobody is logged out."""
    if not home.auth_secret.exists():
        write_atomic(home.auth_secret, secrets.token_hex(32), mode=0o600)
    return home.auth_secret.read_text(encoding="utf-8").strip()


def new_account(username: str) -> Account:
    """Return an account with random secrets; it exists in no server yet."""
    return Account(username, password=secrets.token_urlsafe(12), api_key=secrets.token_urlsafe(48))


def _write(home: ServerHome, accounts: HomeAccounts) -> None:
    kept = {"owner": asdict(accounts.owner), "annotator": asdict(accounts.annotator)}
    write_atomic(home.accounts, json.dumps(kept, indent=2) + "\n", mode=0o600)
