"""The nouns of the embedded server (options, accounts, info); must not start or touch anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What `serve` needs to know.

    `home` holds everything the server keeps. `port` 0 means any free port. `host` other than a
    loopback address is refused unless `allow_remote`. `log_file` None means `<home>/server.log`.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 6900
    workspace: str = "loopd"
    allow_remote: bool = False
    log_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """One Argilla user, with the secrets kept out of `repr` so that they cannot slip into a log."""

    username: str
    password: str = field(repr=False)
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What `serve` announces once the server answers over HTTP.

    `first_start` is true exactly when the accounts were made by this start, which is the one time
    that a command line should print their secrets. `remote` warns that the server listens on more
    than a loopback address.
    """

    url: str
    first_start: bool
    owner: Account
    annotator: Account
    workspace: str
    accounts_file: Path
    remote: bool

    def lines(self) -> list[str]:
        """Return what to tell the person who started the server, with secrets the first time."""
        lines = [f"Argilla is at {self.url} (workspace {self.workspace})"]
        if self.first_start:
            lines += [
                f"{account.username}: password {account.password}  API key {account.api_key}"
                for account in (self.owner, self.annotator)
            ]
        lines.append(f"The accounts are kept in {self.accounts_file}")
        if self.remote:
            lines.append(
                "WARNING: OTHER MACHINES CAN REACH THIS SERVER. It speaks plain HTTP: passwords and"
                " keys can be read on the way. Put a proxy with TLS before it."
            )
        return lines
