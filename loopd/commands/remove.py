"""Owns the command with which texts leave a run: `remove`.

Must stay thin and import nothing heavy at the top: ``loopd --help`` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from loopd.commands.shared import CONFIG, progress
from loopd.errors import ConfigError

STDIN = "-"


@click.command()
@CONFIG
@click.option("--ids", metavar="IDS", help="Ids of the texts, with commas between them.")
@click.option(
    "--ids-from",
    metavar="FILE",
    help="A file with an id on each line; `-` is standard input.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
def remove(config: Path, ids: str | None, ids_from: str | None, yes: bool, dry_run: bool) -> None:
    """Withdraw texts from the run of CONFIG, and erase them from its folder.

    Nobody is asked for them any more, their answers no longer count, and the next model is trained
    without them. The journal keeps the ids, and nothing else. loopd's own records of them are
    deleted in Argilla. This cannot be undone. Works while the daemon runs, and when it does not.
    """
    from loopd import log
    from loopd.config_file import load_config
    from loopd.learning.classifiers.contract import silent
    from loopd.operations.remove import RemoveOptions, run_remove

    settings = load_config(config)
    log.set_up(settings.log)
    options = RemoveOptions(_listed(ids, ids_from), dry_run=dry_run)

    def is_wanted(question: str) -> bool:
        if yes:
            return True
        if ids_from == STDIN or not sys.stdin.isatty():
            raise ConfigError("nothing was removed", "say --yes: nobody can be asked here")
        return click.confirm(question, err=True)

    run_remove(settings, options, click.echo, is_wanted, progress() or silent)


def _listed(ids: str | None, ids_from: str | None) -> tuple[str, ...]:
    """All ids, each once, in order.

    Raises:
        ConfigError: there are none, or the file cannot be read.
    """
    named = [] if ids is None else ids.split(",")
    if ids_from is not None:
        try:
            with click.open_file(ids_from, encoding="utf-8-sig") as file:
                named += file.read().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read {ids_from}: {error}", "give a UTF-8 file") from None
    found = tuple(dict.fromkeys(name.strip() for name in named if name.strip()))
    if not found:
        raise ConfigError("no ids were given", "name them with --ids or --ids-from")
    return found
