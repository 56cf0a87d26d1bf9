"""Owns the command line: parse, load the configuration, one call for each command, exit code.

Must stay thin and import nothing heavy at the top: ``loopd --help`` answers at once. The commands
to practise with live in :mod:`loopd.commands.practice`.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import click

from loopd import __version__
from loopd.commands.add import add
from loopd.commands.entrance import init, start
from loopd.commands.page import page
from loopd.commands.plan import plan
from loopd.commands.practice import demo, oracle, simulate
from loopd.commands.remove import remove
from loopd.commands.results import export, predict
from loopd.commands.server import serve
from loopd.commands.shared import (
    CONFIG,
    Watching,
    WholeHelp,
    console,
    nobody_reads,
    progress,
    run_console,
    write_what_can_be_shown,
)
from loopd.commands.usage import explained
from loopd.commands.users import users
from loopd.errors import LoopdError, StorageError, UnexpectedError
from loopd.installation import confusion
from loopd.printable import one_line, printable

SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Begin", ("start", "init", "demo", "plan")),
    ("Run", ("check", "run", "add", "remove", "status", "page", "recover")),
    ("Get out what is in it", ("predict", "export", "report")),
    ("Argilla and people", ("serve", "users")),
    ("Try out without people", ("simulate", "oracle")),
)
"""The commands in the order in which the help shows them."""


class _Group(WholeHelp):
    """Turns loopd's errors into one line, a hint and an exit code; shows commands in sections."""

    sections = SECTIONS

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        try:
            return super().make_context(*args, **extra)
        except click.UsageError as error:
            raise explained(error) from None

    def main(self, *args: Any, **extra: Any) -> Any:
        write_what_can_be_shown()
        try:
            return super().main(*args, **extra)
        except OSError as error:  # of the help, which no command prints
            if os.environ.get("LOOPD_TRACEBACK"):
                raise
            loopd_error = _known(error)
            print_error(loopd_error)
            sys.exit(loopd_error.exit_code)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            warn_of_namesakes()
            return super().invoke(ctx)
        except LoopdError as error:
            print_error(error)
            ctx.exit(error.exit_code)
        except click.UsageError as error:
            raise explained(error) from None
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if os.environ.get("LOOPD_TRACEBACK") or nobody_reads(error):
                raise  # click ends quietly where nobody reads
            loopd_error = _known(error)
            print_error(loopd_error)
            ctx.exit(loopd_error.exit_code)


def _known(error: Exception) -> LoopdError:
    """What an error of Python's amounts to."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"cannot write: {error.strerror}", "free some space, then start again")
    return UnexpectedError(f"{type(error).__name__}: {error}")


def print_error(error: LoopdError) -> None:
    """Print an error for people."""
    if error.exit_code == 0:
        return
    click.secho(f"loopd: {error.name} error: {one_line(error.message)}", fg="red", err=True)
    if error.hint:
        click.echo(f"  hint: {one_line(error.hint)}", err=True)


def warn_of_namesakes(*, thorough: bool = False) -> None:
    """Say so where another program is called `loopd`, too; see :mod:`loopd.installation`."""
    confused = confusion(thorough=thorough)
    if confused is not None:
        problem, hint = confused
        click.secho(f"loopd: warning: {one_line(problem)}", fg="yellow", err=True)
        click.echo(f"  hint: {one_line(hint)}", err=True)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="loopd")
def main() -> None:
    """Active learning for Argilla 2.

    People label in the Argilla UI; loopd trains on their answers, measures, and publishes the
    next most informative batch. Begin with `loopd start tickets.csv`, or watch `loopd demo`.
    """


@main.command()
@CONFIG
@click.option(
    "--stay",
    is_flag=True,
    help="When the run is done, keep its page and metrics up, and continue as soon as a limit is "
    "raised in CONFIG.",
)
def run(config: Path, *, stay: bool) -> None:
    """Run the loop described in CONFIG until it is done or Ctrl-C.

    Start it again at any time, even after a crash: it picks up where it left off.
    """
    from loopd.config_file import load_config
    from loopd.dashboard.observers import observers

    settings = load_config(config)
    with console(settings.log, run_console) as screen:
        from loopd.loop.daemon import run_daemon
        from loopd.loop.staying import run_and_stay
        from loopd.loop.stop import Stop

        def onlookers(configured: Any) -> tuple[Any, ...]:
            shown = () if screen is None else (screen,)
            return (*shown, *observers(configured))

        bars = progress() if screen is None else screen.progress
        if stay:
            run_and_stay(config, settings, bars, onlookers)
        else:
            run_daemon(settings, bars, onlookers(settings), stop=Stop(second_kills=True))


@main.command()
@CONFIG
def check(config: Path) -> None:
    """Look at everything that CONFIG needs: data, labels, model, server, permissions.

    Whatever `loopd run` would refuse before it publishes is refused here, in the same words.
    Nothing is changed; the exit code is that of the first error.
    """
    from loopd import log
    from loopd.config_file import load_config

    settings = load_config(config)
    log.set_up(settings.log)
    if confusion() is None:  # else it was said already
        warn_of_namesakes(thorough=True)
    with Watching() as watching:
        worst = _told(settings, watching)
    sys.exit(worst)


def _told(settings: Any, watching: Watching) -> int:
    """Print what a check finds; the exit code of the first error."""
    watching.now("starting")
    from loopd.operations.check import check as look

    worst = 0
    for finding in look(settings, watching.now, watching.progress):
        watching.clear()
        color = {"ok": "green", "warning": "yellow"}.get(finding.level, "red")
        click.echo(
            click.style(f"{finding.level:<8}", fg=color)
            + f"{finding.topic}: {printable(finding.text)}"
        )
        if finding.hint:
            click.echo(f"        hint: {printable(finding.hint)}")
        worst = worst or finding.exit_code
        watching.now("goes on")
    return worst


@main.command()
@CONFIG
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--watch",
    type=click.FloatRange(0.2, 3600),
    is_flag=False,
    flag_value=2.0,
    metavar="[SECONDS]",
    help="Look again every this many seconds (2), until Ctrl-C: redrawn on a terminal, elsewhere "
    "a line for each change.",
)
def status(config: Path, *, as_json: bool, watch: float | None) -> None:
    """Say where the run of CONFIG stands; works while the daemon runs, and when it does not."""
    import json

    from loopd.config_file import load_config
    from loopd.operations.status import read_run, read_status

    settings = load_config(config)
    if watch is not None:
        from loopd.console.watch import watch_run

        watch_run(settings, watch, sys.stdout, as_json=as_json)
        return
    state = read_run(settings)
    fields = read_status(settings, state)
    click.echo(json.dumps(fields) if as_json else _screen(settings, state, fields), color=True)


def _screen(settings: Any, state: Any, fields: dict[str, Any]) -> str:
    """The status for people, as the terminal can show it."""
    import time

    from loopd.commands.shared import look
    from loopd.data.pool import Pool
    from loopd.metrics_log import writer
    from loopd.overview.overview import LiveContext, overview
    from loopd.overview.people import kept_names
    from loopd.overview.terminal import status_text

    live = LiveContext(names=kept_names(settings.run.dir))
    seen = overview(state, settings, Pool(()), writer.rows(state), time.time(), live=live)
    return status_text(seen, fields, look())


@main.command()
@CONFIG
@click.option("--dry-run", is_flag=True, help="Only say what it would do; nothing is written.")
def recover(config: Path, *, dry_run: bool) -> None:
    """Rebuild the lost or damaged journal of the run of CONFIG from what Argilla holds.

    Batches and labels come back; measures of earlier rounds do not. First stop any daemon that
    still works on the run. A readable journal is never replaced.
    """
    from loopd import log
    from loopd.config_file import load_config
    from loopd.operations.recover import run_recovery

    settings = load_config(config)
    log.set_up(settings.log)
    run_recovery(settings, click.echo, progress(), dry_run=dry_run)


@main.command()
@CONFIG
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder, or a file that ends with `.html`, without the PNGs; default: `run.dir` with "
    "`-report` appended.",
)
@click.option("--no-texts", is_flag=True, help="Leave out the texts of open records.")
def report(config: Path, *, out: Path | None, no_texts: bool) -> None:
    """Write one HTML file that tells everything about the run of CONFIG, and its charts as PNGs.

    It can be mailed: it needs no network and runs no script. Needs no Argilla and changes nothing;
    works while the daemon runs.
    """
    from loopd.config_file import load_config
    from loopd.reports.report import run_report

    run_report(load_config(config), out, click.echo, texts=not no_texts)


_MORE = (
    start, init, plan, add, remove, page, predict, export, oracle, demo, simulate, serve, users,
)  # fmt: skip
for _command in _MORE:
    main.add_command(_command)
