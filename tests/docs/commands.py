"""Every command that the documentation shows, and by which rule a test answers for it."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import click

from loopd.cli import main
from tests.docs import pages

CONFIGS = r"(my|tickets|trec)\.yaml"
"""Configurations that the pages print, and of which the tests have a runnable copy."""


class Way(Enum):
    """How a command is held against the truth."""

    STORY = "run for real, in the story of its configuration"
    ALONE = "run for real, by itself, with options behind it that make it short (slow)"
    SHAPE = "its program and all its options exist; run elsewhere, or not runnable here"
    FOREIGN = "not ours, and not runnable in a test"


@dataclass(frozen=True)
class Rule:
    """What is done with the lines that match.

    Attributes:
        pattern: of the whole line.
        way: how.
        words: for ``ALONE`` what is put behind the line; for ``SHAPE`` and ``FOREIGN`` the reason.
    """

    pattern: str
    way: Way
    words: str = ""


VERBS = "(check|run|status|oracle|export|predict|recover|report)"

SHORT_BACKTEST = "--seeds 7, --rounds 2 --jobs 1"

RULES = (
    Rule(r"loopd predict my\.yaml --input .*", Way.SHAPE, "tests/export labels other tables"),
    Rule(r"loopd add my\.yaml new\.csv", Way.SHAPE, "tests/loop/test_add.py runs it"),
    Rule(r"loopd remove my\.yaml --ids .*", Way.SHAPE, "tests/loop/test_remove.py runs it"),
    Rule(r"loopd plan .*", Way.SHAPE, "tests/unit/test_plan_command.py runs it"),
    Rule(rf"loopd {VERBS} {CONFIGS}( .*)?", Way.STORY),
    Rule(r"HF_TOKEN=\S+ loopd export .* --push \S+", Way.SHAPE, "tests/export has a hub for it"),
    Rule(r"loopd start .*", Way.SHAPE, "until Ctrl-C; tests/starting/test_start.py"),
    Rule(r"loopd init .*", Way.SHAPE, "tests/starting/test_init.py runs it"),
    Rule(r"(eval .*)?_LOOPD_COMPLETE=.*", Way.FOREIGN, "for a shell; tests/starting/test_help.py"),
    Rule(r"loopd run --stay my\.yaml", Way.SHAPE, "stays; test_staying.py runs it"),
    Rule(r"loopd page my\.yaml", Way.SHAPE, "until Ctrl-C; tests/monitoring/test_page_command.py"),
    Rule(r"tail -n 1 runs/\S+", Way.STORY),
    Rule(r"sqlite3 runs/default/journal\.sqlite .*", Way.STORY),
    Rule(r"export \w+=\S+", Way.STORY),
    Rule(r"loopd simulate my\.yaml --models .*", Way.SHAPE, "needs another encoder"),
    Rule(rf"loopd simulate ({CONFIGS}|configs/\S+) ?.*", Way.ALONE, SHORT_BACKTEST),
    Rule(r"(\.venv/bin/)?loopd demo --label-yourself", Way.ALONE),
    Rule(r"(TREC_DIR=\S+ )?(\.venv/bin/)?loopd demo.*", Way.ALONE, "--rounds 1 --seconds 0.02"),
    Rule(r"loopd serve", Way.ALONE, "--port 0"),
    Rule(r"loopd serve --home /var/lib/.*", Way.SHAPE, "tests/postgresql starts such a server"),
    Rule(r"loopd users .*", Way.SHAPE, "test_users_command.py runs them all"),
    Rule(r"python -m tests\.faults \d+", Way.ALONE),
    Rule(r"loopd simulate sets/.*", Way.SHAPE, "needs public data that is no part of loopd"),
    Rule(r"python benchmarks/.*", Way.SHAPE, "needs public data, and hours"),
    Rule(r"python docs/tools/\S+", Way.SHAPE, "test_generated_files_are_up_to_date"),
    Rule(r"TREC_DIR=\S+ loopd run configs/.*", Way.SHAPE, "the tutorial's configuration is run"),
    Rule(r"loopd export configs/entities\.yaml .*", Way.SHAPE, "tests/export exports spans"),
    Rule(r"make (demo|test)", Way.SHAPE, "`loopd demo` is run; and this is `make test`"),
    Rule(r"make check-servers.*", Way.SHAPE, "installs servers; tests/servers/test_table.py"),
    Rule(r"(tensorboard --logdir|mlflow ui) .*", Way.FOREIGN, "serve until Ctrl-C"),
    Rule(r"ray start .*", Way.FOREIGN, "starts daemons; tests/compute has clusters of its own"),
    Rule(r"(sudo /\S+/)?pip (install|wheel) .*", Way.FOREIGN, "needs an index of packages"),
    Rule(r"(cd deploy/compose|cp \.env\.example \.env|chmod 600 \.env)", Way.FOREIGN, "for docker"),
    Rule(r"sudo -u loopd /opt/loopd/bin/loopd .*", Way.FOREIGN, "needs root"),
    Rule(r"(sudo python3|python) -m venv .*", Way.FOREIGN, "makes what the tests run in"),
    Rule(r"source \.venv/bin/activate", Way.FOREIGN, "the tests run in it"),
    Rule(r"(sudo )?(systemctl|journalctl|install|useradd) .*", Way.FOREIGN, "needs root"),
    Rule(r"sudo -u postgres create(user|db) .*", Way.FOREIGN, "needs root"),
    Rule(r"sudoedit .*", Way.FOREIGN, "needs root and an editor"),
    Rule(r"sudo (python3 -m venv|/opt/loopd/bin/pip install) .*", Way.FOREIGN, "needs root"),
    Rule(r"cd deploy/compose|cp \.env\.example \.env|chmod 600 \.env", Way.FOREIGN, "for Docker"),
    Rule(r"(tensorboard|mlflow ui) --\S+ \S+", Way.FOREIGN, "serves until it is ended"),
    Rule(r"docker .*", Way.FOREIGN, "no test may need Docker"),
    Rule(r"(ssh|(until )?kubectl) .*", Way.FOREIGN, "leads to another machine"),
)  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """One command line.

    Attributes:
        place: the page, from the root of the repository.
        line: as it is shown, without a comment behind it.
    """

    place: str
    line: str

    @property
    def rule(self) -> Rule | None:
        """The first rule that fits; ``None`` is what a test fails for."""
        return next((rule for rule in RULES if re.fullmatch(rule.pattern, self.line)), None)

    @property
    def words(self) -> list[str]:
        """Program and arguments, without variables before them."""
        words = shlex.split(self.line)
        return words[next(n for n, word in enumerate(words) if not re.match(r"\w+=", word)) :]


def shown() -> list[Shown]:
    """All lines of the bash blocks, and the commands in comments of `configs/`; each once."""
    found = [Shown(pages.name(path), line) for path in pages.pages() for line in _lines(path)]
    for path in sorted((pages.ROOT / "configs").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        commands = re.findall(r"^#   ((?:\w+=\S+ )?(?:loopd|make|docker) .*)$", text, re.MULTILINE)
        found += [Shown(pages.name(path), line) for line in commands]
    return list({each.line: each for each in found}.values())


def going(way: Way) -> list[Shown]:
    """The lines that go this way."""
    return [each for each in shown() if each.rule is not None and each.rule.way is way]


def _lines(path: Path) -> Iterator[str]:
    for block in pages.fences(path, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            command = " ".join(line.partition(" #")[0].split())
            if command and not command.startswith("#"):
                yield command


# -- shapes ----------------------------------------------------------------------------------------


PLAIN = frozenset({"tail", "sqlite3", "export"})
"""Programs of the system, which only stories have: there they are run."""


def has_shape(words: list[str]) -> None:
    """Raise where the program or an option does not exist; nothing is run."""
    program, *rest = words
    if program in PLAIN:
        return
    if Path(program).name == "loopd":
        command = main.commands[rest[0]]
        if isinstance(command, click.Group):
            command, rest = command.commands[rest[1]], rest[1:]
        with command.make_context(rest[0], rest[1:]):
            return
    unknown: set[str] = set()
    if program == "make":
        unknown = {word for word in rest if "=" not in word} - make_verbs()
    elif program == "python" and rest[0].endswith(".py"):
        unknown = {word for word in rest if word.startswith("-")} - options_of(pages.ROOT / rest[0])
    elif words[:2] != ["python", "-m"]:
        raise ValueError(f"nothing is known of {program}")
    if unknown:
        raise ValueError(f"{program} does not know {', '.join(sorted(unknown))}")


def make_verbs() -> set[str]:
    """Targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", pages.text("Makefile"), re.MULTILINE))


def options_of(script: Path) -> set[str]:
    """Options that a script gives to argparse, read from its source."""
    calls = (
        node
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument"
    )
    given = (each for call in calls for each in call.args if isinstance(each, ast.Constant))
    return {str(each.value) for each in given if str(each.value).startswith("-")}
