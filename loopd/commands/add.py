"""Owns the command with which a pool grows: `add`.

Must stay thin and import nothing heavy at the top: ``loopd --help`` answers at once.
"""

from __future__ import annotations

from pathlib import Path

import click

from loopd.commands.shared import CONFIG


@click.command()
@CONFIG
@click.argument("table")
def add(config: Path, table: str) -> None:
    """Add the new texts of TABLE to the pool of the run of CONFIG.

    TABLE is read once, with the columns of the pool: a file, a folder of files, or a pattern in
    quotes; also at a URL such as s3://bucket/new.csv. What the pool has already is left out. Works
    while the daemon runs, and when it does not.
    """
    from loopd import log
    from loopd.config_file import load_config
    from loopd.operations.add import run_add

    settings = load_config(config)
    log.set_up(settings.log)
    run_add(settings, table, click.echo)
