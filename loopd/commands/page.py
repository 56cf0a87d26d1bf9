"""Owns the command that shows a run that is not running; must not serve anything itself.

Must stay thin and import nothing heavy at the top: ``loopd --help`` answers at once.
"""

from __future__ import annotations

from pathlib import Path

import click

from loopd.commands.shared import CONFIG


@click.command()
@CONFIG
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port; 0 takes any free one; default: `dashboard.port`, or the next free one.",
)
def page(config: Path, *, port: int | None) -> None:
    """Serve the page of the run of CONFIG, whether or not it is running, until Ctrl-C.

    Reads the run's folder only: needs no Argilla and changes nothing. Where a daemon serves the
    page already, it says the address and ends.
    """
    from loopd import log
    from loopd.config_file import load_config
    from loopd.dashboard.recorded import serve_page

    settings = load_config(config)
    log.set_up(settings.log)
    serve_page(settings, port, click.echo)
