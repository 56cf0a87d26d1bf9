"""Owns what is said of a mistake on the command line: one sentence and a hint, as everywhere.

Must not know a command.
"""

from __future__ import annotations

import re
from typing import IO, Any

import click

from loopd.printable import one_line

ARGUMENTS = {
    "CONFIG": "name a configuration; `loopd init tickets.csv` writes one",
    "DATA": "name a file of texts, such as tickets.csv",
}
"""What to do where an argument is missing or none, by its name in the help."""


class UsageMistake(click.ClickException):
    """A mistake on the command line; ends with 2, as with any other program."""

    exit_code = 2

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: ARG002 - click's
        """Print it as every other error."""
        click.secho(f"loopd: usage error: {one_line(self.message)}", fg="red", err=True)
        click.echo(f"  hint: {one_line(self.hint)}", err=True)


def explained(error: click.UsageError) -> click.ClickException:
    """The same mistake with a hint; the help itself, where nothing at all was said, is none."""
    if type(error).__name__ == "NoArgsIsHelpError":  # not in every version of click
        return error
    command = error.ctx.command_path if error.ctx is not None else "loopd"
    hint = f"see `{command} --help`"
    if isinstance(error, click.BadParameter) and error.param is not None:
        hint = ARGUMENTS.get(str(error.param.human_readable_name), hint)
    said = error.format_message().rstrip(".")
    message = re.sub(r"\. Did you mean '(.*)'\?", r" (did you mean `\1`?)", said)
    return UsageMistake(message[:1].lower() + message[1:], hint)
