"""Owns the command that starts the embedded Argilla; must not serve anything itself.

Must stay thin and import nothing heavy at the top: ``loopd --help`` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

_SOURCES = "may be `env:NAME`, `file:PATH` or `command:PROGRAM`"


@click.command()
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    default=Path("argilla-home"),
    show_default=True,
    help="Folder of the database, the accounts and the log.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=6900,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port; 0 takes any free one.",
)
@click.option("--workspace", default="loopd", show_default=True, help="Workspace to create.")
@click.option("--allow-remote", is_flag=True, help="Permit an address that is not loopback.")
@click.option(
    "--annotators",
    metavar="NAMES",
    help="Accounts to create, such as `ann,bo`, unless they exist; all become members.",
)
@click.option(
    "--database",
    metavar="URL",
    envvar="LOOPD_DATABASE",
    help=f"PostgreSQL in place of a file in the home: `postgresql://...`; {_SOURCES}. "
    "Default: the variable `LOOPD_DATABASE`.",
)
@click.option(
    "--redis",
    metavar="URL",
    envvar="LOOPD_REDIS",
    help=f"A Redis server for background jobs: `redis://...`; {_SOURCES}. "
    "Default: the variable `LOOPD_REDIS`, else loopd plays it itself.",
)
@click.option(
    "--new-secrets",
    is_flag=True,
    help="If the home has no secrets, give the owner and annotator in --database new ones.",
)
def serve(**options: Any) -> None:
    """Start Argilla 2 with its UI on this machine: no Docker, no Elasticsearch, no Redis."""
    from loopd.embedded_argilla.options import ServerOptions, names_in
    from loopd.embedded_argilla.process import serve as start

    options["annotators"] = names_in(options["annotators"] or "")
    options["database"] = _database(options["database"])
    options["redis"] = _redis(options["redis"])
    start(ServerOptions(**options), _announce)


def _database(text: str | None) -> Any:
    from loopd.credentials import option_value
    from loopd.embedded_argilla.addresses import database_address

    if not (text or "").strip():
        return None
    address = database_address(option_value(str(text), "--database"))
    _warn_of_password("database", address.secret and _is_itself(str(text)))
    return address


def _redis(text: str | None) -> Any:
    from loopd.credentials import option_value
    from loopd.embedded_argilla.addresses import redis_address

    if not (text or "").strip():
        return None
    address = redis_address(option_value(str(text), "--redis"))
    _warn_of_password("redis", address.secret and _is_itself(str(text)))
    return address


def _is_itself(text: str) -> bool:
    return text.split(":", 1)[0] not in ("env", "file", "command")


def _warn_of_password(name: str, secret: bool) -> None:
    source = click.get_current_context().get_parameter_source(name)
    if secret and source is ParameterSource.COMMANDLINE:
        click.echo(
            f"WARNING: others on this machine can read the password in --{name}, in the list of "
            f"processes. Put the address into a file of mode 0600 and say --{name} file:PATH.",
            err=True,
        )


def _announce(info: Any) -> None:
    for line in info.lines():
        click.echo(line)
