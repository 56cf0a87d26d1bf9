"""Owns the command line: parse, load the configuration, one call for each command, exit code.

Must stay thin and import nothing heavy at the top: ``loopd --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from loopd import __version__
from loopd.errors import LoopdError, UnexpectedError
from loopd.printable import one_line, printable

_CONFIG = click.argument("config", type=click.Path(path_type=Path, dir_okay=False))


class _Group(click.Group):
    """Turns loopd's errors into one line, a hint and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LoopdError as error:
            report(error)
            ctx.exit(error.exit_code)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if os.environ.get("LOOPD_TRACEBACK"):
                raise
            report(UnexpectedError(f"{type(error).__name__}: {error}"))
            ctx.exit(UnexpectedError.exit_code)


def report(error: LoopdError) -> None:
    """Print an error for people."""
    if error.exit_code == 0:
        return
    click.secho(f"loopd: {error.name} error: {one_line(error.message)}", fg="red", err=True)
    if error.hint:
        click.echo(f"  hint: {one_line(error.hint)}", err=True)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="loopd")
def main() -> None:
    """Active learning for Argilla 2.

    People label in the Argilla UI; loopd trains on their answers, measures, and publishes the
    next most informative batch. Start with `loopd demo`.
    """


@main.command()
@_CONFIG
def run(config: Path) -> None:
    """Run the loop described in CONFIG until it is done or Ctrl-C.

    Start it again at any time, after a crash too: it goes on where it was.
    """
    from loopd import log
    from loopd.config_file import load_config
    from loopd.loop.daemon import run_daemon

    settings = load_config(config)
    log.set_up(settings.log)
    run_daemon(settings, _progress())


@main.command()
@_CONFIG
def check(config: Path) -> None:
    """Look at everything that CONFIG needs: data, labels, model, server, permissions."""
    from loopd import log
    from loopd.config_file import load_config
    from loopd.loop.check import check as look

    settings = load_config(config)
    log.set_up(settings.log)
    worst = 0
    for finding in look(settings):
        color = {"ok": "green", "warning": "yellow"}.get(finding.level, "red")
        click.echo(
            click.style(f"{finding.level:<8}", fg=color)
            + f"{finding.topic}: {printable(finding.text)}"
        )
        if finding.hint:
            click.echo(f"        hint: {printable(finding.hint)}")
        worst = worst or finding.exit_code
    sys.exit(worst)


@main.command()
@_CONFIG
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(config: Path, *, as_json: bool) -> None:
    """Say where the run of CONFIG stands; works while the daemon runs, and when it does not."""
    import json

    from loopd.config_file import load_config
    from loopd.loop.status import read_status, status_lines

    found = read_status(load_config(config))
    click.echo(json.dumps(found) if as_json else printable("\n".join(status_lines(found))))


@main.command()
@_CONFIG
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
    help="The same for each person, such as `.05,.3,.1`, in the place of --error-rate.",
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
    help="Share of answers that are wrong first and corrected later.",
)
@click.option("--in-order", is_flag=True, help="Take records as the server lists them.")
@click.option("--seed", default=0, show_default=True, help="Seed of their behaviour.")
@click.option(
    "--idle-exit",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="End after so long with nothing to answer; default: never.",
)
def oracle(config: Path, gold: str, **options: Any) -> None:
    """Play annotators who know the right labels, on the Argilla of CONFIG.

    For rehearsals and tests: they answer over Argilla's own HTTP API while `loopd run` works.
    """
    from loopd.config_file import load_config
    from loopd.simulation.rehearsal import play_people

    played = play_people(load_config(config), gold, _behaviour(options), click.echo)
    click.echo(played.line())


def _behaviour(options: dict[str, Any]) -> Any:
    from loopd.simulation.behaviour import OracleOptions

    shuffle, seconds = not options.pop("in_order"), options.pop("seconds")
    rates = _rates(options.pop("error_rates"))
    return OracleOptions(shuffle=shuffle, seconds_per_answer=seconds, error_rates=rates, **options)


def _rates(text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(each) for each in (text or "").split(",") if each.strip())
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no list of numbers", param_hint="--error-rates"
        ) from None


@main.command()
@click.option(
    "--dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-run"),
    show_default=True,
    help="Folder of the demo; an earlier demo's is cleared, any other is refused.",
)
@click.option("--resume", is_flag=True, help="Go on in an earlier demo's folder.")
@click.option("--label-yourself", is_flag=True, help="No simulated people: you label in the UI.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Rehearse this configuration instead of the sample data; it must name `pool.label`.",
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
@click.option(
    "--seed",
    type=click.IntRange(0),
    help="Seed of the run and of the people; default: the configuration's.",
)
@click.option("--classifier", help="Another classifier; default: the configuration's.")
def demo(**options: Any) -> None:
    """Watch the whole loop: embedded Argilla, the daemon, and simulated people who label.

    With the sample data it ends by itself after a few minutes, with an accuracy table and a
    learning curve; Ctrl-C ends it at any time.
    """
    from loopd.simulation.demo import DemoOptions, run_demo

    sys.exit(run_demo(DemoOptions(**options), click.echo))


@main.command()
@_CONFIG
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
    help="Query strategies, with commas; default: the configuration's and `random_sampling`.",
)
@click.option(
    "--classifiers",
    metavar="NAMES",
    help="Classifiers, with commas; default: the configuration's.",
)
@click.option(
    "--arms",
    type=click.Path(path_type=Path, dir_okay=False),
    help="YAML file with a list of arms, each with options of its own.",
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
    help="Accuracies to reach, such as `.8,.9`; default: the highest that are reached.",
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
    help="Folder of the results; default: `run.dir` with `-simulated` behind it.",
)
@click.option("--force", is_flag=True, help="Clear what an earlier backtest left in that folder.")
def simulate(config: Path, **options: Any) -> None:
    """Compare strategies and classifiers on CONFIG with known labels: no Argilla, no people.

    Killed or ended with Ctrl-C, it goes on where it was when it is started again.
    """
    from loopd import log
    from loopd.config_file import load_config
    from loopd.simulation.backtest import BacktestOptions, run_backtest

    settings = load_config(config)
    log.set_up(settings.log)
    sys.exit(run_backtest(settings, BacktestOptions(**options), click.echo))


@main.command()
@_CONFIG
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write; default: `run.dir` with `-export` behind it.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["jsonl", "parquet", "dataset", "conll", "prodigy"]),
    help="A format, several times for several; default: `jsonl`, `parquet` and `dataset`.",
)
@click.option(
    "--model/--no-model",
    default=None,
    help="With the last model or without; default: with it if plain transformers can open it.",
)
@click.option("--force", is_flag=True, help="Replace an earlier export in that folder.")
def export(config: Path, **options: Any) -> None:
    """Write the labels of the run of CONFIG as a data set, and its last model.

    Needs no Argilla and changes nothing; works while the daemon runs.
    """
    from loopd import log
    from loopd.config_file import load_config
    from loopd.export.run import ExportOptions, run_export

    settings = load_config(config)
    log.set_up(settings.log)
    run_export(settings, ExportOptions(**options), click.echo, _progress())


@main.command()
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
def serve(**options: Any) -> None:
    """Start Argilla 2 with its UI on this machine: no Docker, no Elasticsearch, no Redis."""
    from loopd.server.options import ServerOptions
    from loopd.server.process import serve as start

    start(ServerOptions(**options), _announce)


def _announce(info: Any) -> None:
    for line in info.lines():
        click.echo(line)


def _progress() -> Callable[[str, int, int], None] | None:
    """A progress bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        return None
    from loopd.progress import TerminalProgress

    return TerminalProgress()
