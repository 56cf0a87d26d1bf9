"""Owns the command that says what a run will take: `plan`.

Must stay thin and import nothing heavy at the top: ``loopd --help`` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from loopd.commands.shared import Watching


def number(text: str) -> int:
    """A whole number above 0 that may be written as `100e6` or `1,000,000`.

    Raises:
        click.BadParameter: it is none.
    """
    try:
        value = float(text.replace(",", "").replace("_", ""))
        whole = int(value)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is no number, such as 100e6") from None
    if whole != value or whole < 1:
        raise click.BadParameter(f"{text} is no whole number above 0")
    return whole


SOME = click.IntRange(1, 10**6)


@click.command()
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--texts", type=number, help="Texts of the pool; default: those of CONFIG.")
@click.option("--words", type=click.FloatRange(1, 10**6), help="Words of a text, on average; "
              "default: as in CONFIG, or 13.")  # fmt: skip
@click.option("--tokens", type=click.FloatRange(3, 10**6), help="Tokens of a text instead, as the "
              "model counts them.")  # fmt: skip
@click.option("--model", help="`packaged`, a folder, or a hub name that has been downloaded; "
              "default: as in CONFIG, or `packaged`.")  # fmt: skip
@click.option("--layers", type=SOME, help="Layers of an encoder that is not here, with --width.")
@click.option("--width", type=SOME, help="Its hidden size, such as 768.")
@click.option("--classifier", type=click.Choice(["frozen-head", "transformer"]),
              help="Default: as in CONFIG, or `transformer`.")  # fmt: skip
@click.option("--candidates", type=number, help="Texts that `transformer` looks at each round; "
              "default: as in CONFIG, or 20000.")  # fmt: skip
@click.option("--labels", type=number, help="Labels at the end of the run; default: 500.")
@click.option("--batch", type=number, help="Labels of a round; default: as in CONFIG, or 20.")
@click.option("--format", type=click.Choice(["csv", "jsonl", "parquet"]),
              help="Of the table; default: as in CONFIG, or `csv`.")  # fmt: skip
@click.option("--nodes", default=1, show_default=True, type=SOME,
              help="Machines that encode and score.")  # fmt: skip
@click.option("--gpus", default=0, show_default=True, type=click.IntRange(0, 10**6),
              help="GPUs of all nodes together.")  # fmt: skip
@click.option("--threads", type=SOME, help="Of each node; default: the cores of this machine.")
@click.option("--memory", type=click.FloatRange(0.1, 10**6),
              help="GiB of each node; default: as this machine has.")  # fmt: skip
@click.option("--measure", is_flag=True, help="Measure this machine first, for some twenty "
              "seconds, instead of calculating with the reference machine.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan(config: Path | None, *, measure: bool, as_json: bool, **options: Any) -> None:
    """Say how many seconds, how much memory and how much disk a run will take.

    It is calculated from constants that were measured; nothing is read but the pool of CONFIG, if
    one is named, and nothing is changed.
    """
    from loopd.config_file import load_config
    from loopd.sizing.asked import PlanOptions
    from loopd.sizing.run import run_plan

    settings = None if config is None else load_config(config)
    with Watching() as watching:

        def say(text: str) -> None:
            watching.clear()
            click.echo(text)

        asked = PlanOptions(**options)
        run_plan(asked, settings, say, watching.now, measure=measure, for_programs=as_json)
