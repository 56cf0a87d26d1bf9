"""Owns the commands that give out what a run knows: `predict` and `export`.

Must stay thin and import nothing heavy at the top: ``loopd --help`` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopd.commands.shared import CONFIG, progress

if TYPE_CHECKING:
    from loopd.config import Config

FOR_EXCEL = click.option(
    "--for-excel",
    is_flag=True,
    help="CSV and TSV: put an apostrophe before what a spreadsheet would take for a formula.",
)


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
@click.option(
    "--model/--no-model",
    default=True,
    help="Whether the last model labels the rows that people have not; default: it does.",
)
@FOR_EXCEL
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def predict(config: Path, **options: Any) -> None:
    """Write the table of the run of CONFIG with a label for every row.

    All its columns and rows stay as they are, in their order. What people have labelled keeps their
    label, all other rows get the last model's. Needs no Argilla and changes nothing; works while
    the daemon runs.
    """
    from loopd.export.predict import PredictOptions, run_predict

    run_predict(_settings(config), PredictOptions(**options), click.echo, progress())


@click.command()
@CONFIG
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write; default: `run.dir` with `-export` appended.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["jsonl", "parquet", "dataset", "csv", "conll", "prodigy"]),
    help="A format; may be given several times. Default: `jsonl`, `parquet`, `dataset` and `csv`, "
    "which is the original table with people's labels.",
)
@click.option(
    "--model/--no-model",
    default=None,
    help="With the last model or without; default: with it if plain transformers can open it.",
)
@FOR_EXCEL
@click.option("--force", is_flag=True, help="Replace an earlier export in that folder.")
@click.option(
    "--push",
    metavar="REPO",
    help="Also send the export to the Hugging Face hub, as a data set and a model of that name; "
    "new ones are private.",
)
def export(config: Path, **options: Any) -> None:
    """Write the labels of the run of CONFIG as a data set, and its last model.

    Needs no Argilla and changes nothing; works while the daemon runs.
    """
    from loopd.export.run import ExportOptions, run_export

    run_export(_settings(config), ExportOptions(**options), click.echo, progress())


def _settings(config: Path) -> Config:
    """The configuration, once its log is set up."""
    from loopd import log
    from loopd.config_file import load_config

    settings = load_config(config)
    log.set_up(settings.log)
    return settings
