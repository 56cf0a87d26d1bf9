"""The nouns of the embedded server (options, accounts, info); must not start or touch anything."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from loopd.embedded_argilla.addresses import DatabaseAddress, RedisAddress
from loopd.errors import ConfigError
from loopd.printable import printable

LONGEST_NAME = 100
"""Characters of a user's name."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What `serve` needs to know.

    `home` holds everything the server keeps. `port` 0 means any free port. `host` other than a
    loopback address is refused unless `allow_remote`. `log_file` None means `<home>/server.log`.
    `database` None is an SQLite file in the home, `redis` None one that loopd plays itself.
    `annotators` are made unless they exist. `new_secrets` lets a home without secrets give new ones
    to the accounts of a PostgreSQL database.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 6900
    workspace: str = "loopd"
    allow_remote: bool = False
    log_file: Path | None = None
    database: DatabaseAddress | None = None
    redis: RedisAddress | None = None
    annotators: tuple[str, ...] = ()
    new_secrets: bool = False


def names_in(text: str) -> tuple[str, ...]:
    """Return the names of a list such as `ann,bo`, each once.

    Raises:
        ConfigError: a name that nobody could type at the login.
    """
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        check_name(name)
    return names


def check_name(name: str) -> None:
    """Raise ConfigError for a user's name that nobody could type at the login."""
    if not name or not name.isprintable() or len(name) > LONGEST_NAME or name != name.strip():
        raise ConfigError(
            f"{name[:40]!r} is no name of an account",
            f"take up to {LONGEST_NAME} letters, digits and marks, without blanks at the ends",
        )


@dataclass(frozen=True, slots=True)
class Account:
    """One Argilla user, with the secrets kept out of `repr` so that they cannot slip into a log."""

    username: str
    password: str = field(repr=False)
    api_key: str = field(repr=False)

    def line(self) -> str:
        """Return the account with its secrets, for the person who is to pass them on."""
        return f"{printable(self.username)}: password {self.password}  API key {self.api_key}"


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What `serve` announces once the server answers over HTTP.

    `first_start` is true exactly when the accounts were made by this start, which is the one time
    that a command line should print their secrets. `new_annotators` are those that this start made,
    kept in `annotators_file`. `database` is PostgreSQL's address without a password, None for
    SQLite. `remote` warns that the server listens on more than a loopback address.
    """

    url: str
    first_start: bool
    owner: Account
    annotator: Account
    workspace: str
    accounts_file: Path
    remote: bool
    annotators_file: Path = Path("annotators.json")
    new_annotators: tuple[Account, ...] = ()
    database: str | None = None

    def lines(self) -> list[str]:
        """Return what to tell the person who started the server, with secrets the first time."""
        lines = [f"Argilla is at {self.url} (workspace {self.workspace})"]
        if self.database:
            lines.append(f"Its data are in {self.database}")
        first = (self.owner, self.annotator) if self.first_start else ()
        lines += [account.line() for account in (*first, *self.new_annotators)]
        lines.append(f"The accounts are kept in {self.accounts_file}")
        if self.new_annotators:
            lines.append(f"The new annotators are kept in {self.annotators_file}")
        lines += self._next_steps()
        if self.remote:
            lines.append(
                "WARNING: OTHER MACHINES CAN REACH THIS SERVER. It speaks plain HTTP: passwords and"
                " keys can be read on the way. Put a proxy with TLS before it."
            )
        return lines

    def _next_steps(self) -> list[str]:
        """Return what to paste into a configuration, and the commands that follow."""
        return [
            "",
            "Next, in another terminal: `loopd init tickets.csv` writes a configuration for your",
            "texts. Put this into it, and then `loopd run tickets.yaml`:",
            "",
            "argilla:",
            f"  url: {self.url}",
            f"  workspace: {json.dumps(self.workspace, ensure_ascii=False)}",
            f"  api_key_file: {json.dumps(str(self.accounts_file.absolute()), ensure_ascii=False)}",
            "  dataset: tickets",
            "",
        ]
