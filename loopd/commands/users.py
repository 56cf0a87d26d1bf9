"""Owns the commands about people's accounts; must not talk to Argilla itself.

Must stay thin and import nothing heavy at the top: ``loopd --help`` answers at once.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopd.commands.shared import WholeHelp
from loopd.errors import ConfigError
from loopd.printable import printable

if TYPE_CHECKING:
    from loopd.annotation.accounts import AccountsApi, WorkspaceMember
    from loopd.config import ArgillaSection

_NAMES = click.argument("names", nargs=-1, required=True)


def _place(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which Argilla."""
    options = (
        click.option(
            "--config",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Take address, key and workspace from this configuration.",
        ),
        click.option("--url", help="Address of Argilla; default: `http://127.0.0.1:6900`."),
        click.option(
            "--key",
            metavar="WHERE",
            help="An owner's API key: `env:NAME`, `file:PATH` or `command:PROGRAM`; "
            "default: `env:ARGILLA_API_KEY`. `accounts.json` of `loopd serve` is such a file.",
        ),
        click.option("--workspace", help="Workspace; default: loopd."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group(cls=WholeHelp, no_args_is_help=True)
def users() -> None:
    """List, make, renew and remove the accounts of people in Argilla.

    Argilla's UI cannot do this. An owner's API key is needed.
    """


@users.command("list")
@_place
def list_users(**location: Any) -> None:
    """List all accounts: role, and whether they are members of the workspace."""
    with _accounts(location) as accounts:
        people = accounts.people()
        width = max(len(printable(person.name)) for person in people)
        for person in people:
            member = accounts.workspace if person.member or person.role == "owner" else "-"
            click.echo(f"{printable(person.name):<{width}}  {person.role:<9}  {member}")


@users.command()
@_NAMES
@_place
@click.option(
    "--role",
    type=click.Choice(["annotator", "admin", "owner"]),
    default="annotator",
    show_default=True,
    help="Role of the new accounts.",
)
def add(names: tuple[str, ...], role: str, **location: Any) -> None:
    """Make accounts and members of the workspace; prints each password once.

    Whoever has an account already keeps it and becomes a member.
    """
    from loopd.embedded_argilla.options import check_name

    for name in names:
        check_name(name)
    with _accounts(location) as accounts:
        people = {person.name: person for person in accounts.people()}
        for name in dict.fromkeys(names):
            user_id = people[name].id if name in people else _create(accounts, name, role)
            accounts.join(user_id)
            if name in people:
                click.echo(f"{name}: has an account, and is a member of {accounts.workspace}")


@users.command()
@_NAMES
@_place
@click.option("--keep-account", is_flag=True, help="Only take them out of the workspace.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(names: tuple[str, ...], *, keep_account: bool, yes: bool, **location: Any) -> None:
    """Delete accounts, and with them, in Argilla, all that these people have answered.

    A loop that has collected the answers keeps them in its journal. To keep them in Argilla, too,
    use --keep-account: they can then no longer label in the workspace.
    """
    with _accounts(location) as accounts:
        people = _people(accounts, names)
        if keep_account:
            for person in people:
                accounts.leave(person.id)
                click.echo(f"{printable(person.name)}: no member of {accounts.workspace} any more")
            return
        _confirm(accounts, people, yes)
        for person in people:
            accounts.delete(person.id)
            click.echo(f"{printable(person.name)}: deleted")


@users.command()
@_NAMES
@_place
def rotate(names: tuple[str, ...], **location: Any) -> None:
    """Give people new passwords, and print each once.

    Argilla has no way to change an API key; who is logged in stays so until the session ends.
    """
    with _accounts(location) as accounts:
        for person in _people(accounts, names):
            password = accounts.set_password(person.id)
            click.echo(f"{printable(person.name)}: password {password}  (the API key stays)")


def _create(accounts: AccountsApi, name: str, role: str) -> str:
    account = accounts.create(name, role)
    # At once: whatever fails from now on, somebody has the password.
    click.echo(f"{account.name}: password {account.password}  API key {account.api_key}")
    return account.id


def _people(accounts: AccountsApi, names: tuple[str, ...]) -> list[WorkspaceMember]:
    by_name = {person.name: person for person in accounts.people()}
    missing = [printable(name) for name in names if name not in by_name]
    if missing:
        raise ConfigError(f"no account is named {', '.join(missing)}", "see loopd users list")
    return [by_name[name] for name in dict.fromkeys(names)]


def _confirm(accounts: AccountsApi, people: list[WorkspaceMember], yes: bool) -> None:
    if accounts.me() in {person.name for person in people}:
        raise ConfigError("this is the account whose key is used", "use another owner's key")
    for person in people:
        counts = accounts.answers(person.name)
        listed = ", ".join(f"{count} in `{name}`" for name, count in counts.items()) or "none"
        warning = f"Argilla deletes the answers of {person.name} in all workspaces, too"
        click.echo(printable(f"WARNING: {warning}; in {accounts.workspace}: {listed}."), err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError("nothing was deleted", "say --yes, or --keep-account to keep the answers")
    click.confirm(f"Delete {len(people)} account(s)?", abort=True, err=True)


@contextmanager
def _accounts(location: dict[str, Any]) -> Iterator[AccountsApi]:
    from loopd.annotation.accounts import AccountsApi
    from loopd.annotation.http import ArgillaHttp
    from loopd.annotation.http_client import front_of
    from loopd.credentials import api_key

    section = _section(**location)
    http = ArgillaHttp(section.url, api_key(section), section.timeout, front_of(section))
    try:
        yield AccountsApi(http, section.workspace)
    finally:
        http.close()


def _section(
    *, config: Path | None, url: str | None, key: str | None, workspace: str | None
) -> ArgillaSection:
    from pydantic import ValidationError

    from loopd.config import ArgillaSection
    from loopd.config.problems import problems
    from loopd.config_file import load_config

    if config is not None and url:
        raise ConfigError("--config and --url name an Argilla each", "give one of them")
    section = load_config(config).argilla if config is not None else ArgillaSection()
    places = {"url": url, "workspace": workspace}
    changes = {name: value for name, value in places.items() if value} | _key_changes(key)
    values = section.model_dump() | changes
    try:
        return ArgillaSection(**values)
    except ValidationError as error:
        wrong = problems(ArgillaSection, error)[0].sentence
        raise ConfigError(f"--{wrong}", "such as --url http://127.0.0.1:6900") from None


def _key_changes(key: str | None) -> dict[str, Any]:
    from loopd.config.headers import source_of

    if key is None:
        return {}
    source = source_of(key)
    if source is None or source.word or not source.where:
        raise ConfigError("--key says where the key is", "env:NAME, file:PATH or command:PROGRAM")
    changes = {"api_key_env": _UNSET, "api_key_file": None, "api_key_command": None}
    if source.kind == "env":
        return {**changes, "api_key_env": source.where}
    if source.kind == "file":
        return {**changes, "api_key_file": Path(source.where)}
    return {**changes, "api_key_command": tuple(shlex.split(source.where))}


_UNSET = "LOOPD_NO_SUCH_VARIABLE"
"""In the place of the variable that would come before file and command."""
