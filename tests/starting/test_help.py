"""The help: whole, in sections, at once; and what a shell completes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from loopd.cli import SECTIONS, main


def every_group() -> list[tuple[str, click.Group]]:
    inner = [(f"{name} ", each) for name, each in main.commands.items()
             if isinstance(each, click.Group)]  # fmt: skip
    return [("", main), *inner]


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize(("path", "group"), every_group(), ids=lambda value: str(value)[:20])
def test_nothing_of_what_a_command_does_is_cut(path: str, group: click.Group, width: int) -> None:
    done = CliRunner().invoke(main, [*path.split(), "--help"], terminal_width=width)
    assert done.exit_code == 0
    assert "..." not in done.output.replace("[ARGS]...", "")
    words = " ".join(done.output.split())
    for name, command in group.commands.items():
        sentence = command.get_short_help_str(1000)
        assert sentence
        assert f"{name} {sentence}" in words


def test_each_command_is_in_one_section() -> None:
    named = [name for _, names in SECTIONS for name in names]
    assert sorted(named) == sorted(main.commands)
    output = CliRunner().invoke(main, ["--help"]).output
    titles = [title for title, _ in SECTIONS]
    assert [output.index(f"\n{title}:\n") for title in titles] == sorted(
        output.index(f"\n{title}:\n") for title in titles
    )


def test_a_command_that_no_section_names_is_shown_last() -> None:
    @click.command()
    def later() -> None:
        """Do it later."""

    main.add_command(later)
    try:
        assert "later" in CliRunner().invoke(main, ["--help"]).output.split("\nCommands:\n")[1]
    finally:
        del main.commands["later"]


def test_a_shell_completes_commands_and_options() -> None:
    completer = ShellComplete(main, {}, "loopd", "_LOOPD_COMPLETE")
    assert {each.value for each in completer.get_completions([], "st")} == {"start", "status"}
    assert "--labels" in {each.value for each in completer.get_completions(["init"], "--")}
    assert [each.type for each in completer.get_completions(["run"], "my")] == ["file"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_documented_lines_print_a_script(shell: str) -> None:
    script = Path(sys.executable).with_name("loopd")
    environment = os.environ | {"_LOOPD_COMPLETE": f"{shell}_source"}
    done = subprocess.run([str(script)], env=environment, capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert "_LOOPD_COMPLETE" in done.stdout
