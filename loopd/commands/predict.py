"""Owns the command that gives the table back with labels; must import nothing heavy at the top."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from loopd.commands.shared import CONFIG, progress


@click.command()
@CONFIG
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write: CSV, TSV, JSON Lines, Parquet or Excel, by its ending.",
)
@click.option(
    "--input",
    "input",
    type=click.Path(path_type=Path, dir_okay=True),
    help="Another table, with the same columns of texts; default: the pool's own.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def predict(config: Path, **options: Any) -> None:
    """Write the table of the run of CONFIG with a label for every row.

    All its columns and rows stay as they are, in their order. What people have labelled keeps their
    label, all other rows get the last model's. Needs no Argilla and changes nothing; works while
    the daemon runs.
    """
    from loopd import log
    from loopd.config_file import load_config
    from loopd.export.predict import PredictOptions, run_predict

    settings = load_config(config)
    log.set_up(settings.log)
    run_predict(settings, PredictOptions(**options), click.echo, progress())
