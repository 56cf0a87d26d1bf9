"""Owns the commands that practise: simulated people, the demo, backtests.

Must stay thin and import nothing heavy at the top: ``loopd --help`` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopd.commands.shared import CONFIG, console

if TYPE_CHECKING:
    from loopd.console.simulated import BacktestConsole


@click.command()
@CONFIG
@click.option(
    "--gold",
    required=True,
    metavar="COLUMN",
    help="Column of the pool that holds the right labels.",
)
@click.option(
    "--people",
    default=1,
    show_default=True,
    type=click.IntRange(1, 200),
    help="How many annotate at the same time; more than one needs an owner's key.",
)
@click.option(
    "--seconds",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Mean time of one answer.",
)
@click.option(
    "--error-rate",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of wrong answers.",
)
@click.option(
    "--error-rates",
    metavar="LIST",
    help="The same for each person, such as `.05,.3,.1`, instead of --error-rate.",
)
@click.option(
    "--discard-rate",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of discarded records.",
)
@click.option(
    "--edit-rate",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of answers that are wrong at first and corrected later.",
)
@click.option("--in-order", is_flag=True, help="Take records as the server lists them.")
@click.option("--seed", default=0, show_default=True, help="Seed of their behaviour.")
@click.option(
    "--idle-exit",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="End after this long with nothing to answer; default: never.",
)
def oracle(config: Path, gold: str, **options: Any) -> None:
    """Play annotators who know the right labels, on the Argilla of CONFIG.

    For rehearsals and tests: they answer over Argilla's own HTTP API while `loopd run` works.
    """
    from loopd.config_file import load_config
    from loopd.oracle.rehearsal import play_people

    played = play_people(load_config(config), gold, _behaviour(options), click.echo)
    click.echo(played.line())


def _behaviour(options: dict[str, Any]) -> Any:
    from loopd.oracle.behaviour import OracleOptions

    shuffle, seconds = not options.pop("in_order"), options.pop("seconds")
    rates = _rates(options.pop("error_rates"))
    return OracleOptions(shuffle=shuffle, seconds_per_answer=seconds, error_rates=rates, **options)


def _rates(text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(rate) for rate in (text or "").split(",") if rate.strip())
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no list of numbers", param_hint="--error-rates"
        ) from None


@click.command()
@click.option(
    "--dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-run"),
    show_default=True,
    help="Folder of the demo; an earlier demo's is cleared, any other is refused.",
)
@click.option("--resume", is_flag=True, help="Continue in an earlier demo's folder.")
@click.option("--label-yourself", is_flag=True, help="No simulated people: you label in the UI.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Rehearse this configuration instead of the sample data; it must name `pool.label`, "
    "unless you label yourself.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    help="Rounds until it ends; default: 9 with the sample data, else as configured.",
)
@click.option("--people", default=3, show_default=True, type=click.IntRange(1, 200),
              help="How many simulated people.")  # fmt: skip
@click.option("--seconds", "seconds_per_answer", default=0.3, show_default=True,
              type=click.FloatRange(0), help="Mean time of one answer.")  # fmt: skip
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535),
              help="Port of Argilla; 0 takes any free one.")  # fmt: skip
@click.option("--page-port", type=click.IntRange(0, 65535),
              help="Port of the live page; default: 6901, or the next free one.")  # fmt: skip
@click.option(
    "--seed",
    type=click.IntRange(0),
    help="Seed of the run and of the people; default: the configuration's.",
)
@click.option("--classifier", help="Another classifier; default: the configuration's.")
@click.option(
    "--sink",
    "sinks",
    multiple=True,
    type=click.Choice(["csv", "tensorboard", "mlflow"]),
    help="Write the rounds there too, in the demo's folder; may be given several times.",
)
def demo(**options: Any) -> None:
    """Watch the whole loop: embedded Argilla, the daemon, and simulated people who label.

    With the sample data it ends by itself after a few minutes, with an accuracy table and a
    learning curve; Ctrl-C ends it at any time.
    """
    from loopd.demo.demo import DemoOptions, run_demo

    sys.exit(run_demo(DemoOptions(**options), click.echo))


@click.command()
@CONFIG
@click.option(
    "--seeds",
    default="5",
    show_default=True,
    metavar="N|LIST",
    help="How many seeds (from 0), or which: `1,2,7`; one alone is `7,`.",
)
@click.option(
    "--strategies",
    metavar="NAMES",
    help="Query strategies, separated by commas; default: the configuration's and "
    "`random_sampling`.",
)
@click.option(
    "--classifiers",
    metavar="NAMES",
    help="Classifiers, separated by commas; default: the configuration's.",
)
@click.option(
    "--models",
    metavar="NAMES",
    help="Encoders, separated by commas: hub names or folders; default: the configuration's.",
)
@click.option(
    "--arms",
    type=click.Path(path_type=Path, dir_okay=False),
    help="YAML file with a list of arms, each with its own options.",
)
@click.option(
    "--noise",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of wrong answers.",
)
@click.option(
    "--rounds", type=click.IntRange(1), help="Rounds of each run; default: as configured."
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    help="Runs at a time, sharing the cores; default: one for each core.",
)
@click.option(
    "--targets",
    metavar="LIST",
    help="Accuracies to reach, such as `.8,.9`; default: the highest ones reached.",
)
@click.option(
    "--metric",
    metavar="NAME",
    help="Measure to compare, such as `macro_f1`; default: accuracy, micro-F1 or entity F1.",
)
@click.option(
    "--own-first-batch",
    is_flag=True,
    help="Each arm chooses its own first batch; else all arms of a seed share one.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the results; default: `run.dir` with `-simulated` appended.",
)
@click.option("--force", is_flag=True, help="Clear what an earlier backtest left in that folder.")
def simulate(config: Path, **options: Any) -> None:
    """Compare strategies, classifiers and encoders with known labels: no Argilla, no people.

    After being killed or ended with Ctrl-C, it resumes where it was when started again.
    """
    from loopd.config_file import load_config

    settings = load_config(config)
    tables: list[str] = []
    with console(settings.log, _backtest_console) as screen:
        from loopd.backtest.backtest import BacktestOptions, run_backtest

        tell = {} if screen is None else {"tell": screen.tell}
        code = run_backtest(settings, BacktestOptions(**options), tables.append, **tell)
    for table in tables:  # below what was drawn
        click.echo(table)
    sys.exit(code)


def _backtest_console() -> BacktestConsole:
    from loopd.console.simulated import BacktestConsole

    return BacktestConsole(sys.stderr)
