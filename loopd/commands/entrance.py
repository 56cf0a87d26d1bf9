"""Owns the commands that begin with a file of texts: `init` and `start`.

Must stay thin and import nothing heavy at the top: ``loopd --help`` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from loopd.commands.shared import LateConsole
from loopd.printable import printable

_DATA = click.argument("data", type=click.Path(path_type=Path))


def _about_data(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what a file of texts holds."""
    options = (
        click.option("--text", metavar="COLUMN", help="Column of the texts; default: guessed."),
        click.option("--id", metavar="COLUMN", help="Column of ids; default: guessed, or none."),
        click.option(
            "--label", metavar="COLUMN", help="Column of known labels; default: guessed, or none."
        ),
        click.option(
            "--labels",
            metavar="NAMES",
            multiple=True,
            help="The labels, such as `billing,delivery,other`, in one list or several; one with a "
            "comma in double quotes. Default: those in the column.",
        ),
        click.option("--encoding", help="Encoding of the file; default: found out."),
        click.option(
            "--out",
            type=click.Path(path_type=Path, dir_okay=False),
            help="The configuration; default: beside the data, `tickets.yaml` for `tickets.csv`.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@_DATA
@_about_data
def init(**options: Any) -> None:
    """Write a commented configuration for the texts in DATA.

    DATA is a CSV, JSON Lines or Parquet file, or a folder made by `save_to_disk`. What you leave
    out is guessed from it; on a terminal you are asked for what cannot be guessed. Nothing is
    overwritten.
    """
    from loopd.starting.init import next_steps, write_configuration

    path = write_configuration(_said(options), _echo, _asker())
    for line in next_steps(path):
        click.echo(line)


@click.command()
@_DATA
@_about_data
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port of Argilla; 0 takes any free one; default: that of the configuration.",
)
@click.option("--no-browser", is_flag=True, help="Open no browser.")
def start(port: int | None, no_browser: bool, **options: Any) -> None:
    """Label the texts in DATA: configuration, Argilla and the loop in one command.

    DATA is a file of texts, or a configuration. The configuration is written beside the texts
    unless it exists. Prints an address and a login as soon as records are open. Ctrl-C stops
    everything, and the same command resumes it.
    """
    from loopd.starting.start import Audience, StartOptions, run_start

    screen = LateConsole()

    def onlookers(config: Any) -> tuple[Any, ...]:
        from loopd.dashboard.observers import observers

        return (*screen.onlookers(), *observers(config))

    audience = Audience(_echo, _asker(), onlookers, screen.progress)
    run_start(StartOptions(_said(options), port, browser=not no_browser), audience)


def _said(options: dict[str, Any]) -> Any:
    from loopd.starting.options import InitOptions, labels_in

    labels = labels_in("\n".join(options.pop("labels")))
    return InitOptions(labels=labels, **options)


def _echo(line: str) -> None:
    click.echo(printable(line))


def _asker() -> _Terminal | None:
    """Whoever sits at the terminal, if it is one."""
    streams = (sys.stdin, sys.stdout)
    return _Terminal() if all(stream and stream.isatty() for stream in streams) else None


class _Terminal:
    """Asks the person at the terminal."""

    def choose(self, question: str, choices: Sequence[str]) -> str:
        """One of the choices."""
        for number, choice in enumerate(choices, start=1):
            click.echo(f"  {number}  {printable(choice)}")
        number = click.prompt(question, type=click.IntRange(1, len(choices)))
        return choices[number - 1]

    def write(self, question: str) -> str:
        """A line, which may be empty."""
        return str(click.prompt(question, default="", show_default=False)).strip()
