"""A folder in which somebody tries loopd for the first time, and what the command says to them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from loopd.cli import main
from tests.daemon import write_csv
from tests.hostile.test_servers import answer, speaking

FOREIGN = re.compile(
    r"Traceback|\bpydantic\b|\bhttpx\b|\btorch\b(?! )|Input should|Value error|String should|"
    r"Tuple should|valid (?:tuple|dictionary|integer|string|boolean|list)|ValidationError|"
    r"\w+Error\b|Errno|<class|unexpected error|HTTPConnection|safetensors\.",
)
"""Words of Python and of packages, which help nobody."""

CONFIG = "{config}"
"""In the words of a command: the configuration."""

CHECK, RUN = ("check", CONFIG), ("run", CONFIG)


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said.

    Attributes:
        code: with which it ended.
        problems: each with its hint, which may be empty.
        output: everything that it printed.
        seconds: that it took.
    """

    code: int
    problems: tuple[tuple[str, str], ...]
    output: str
    seconds: float


@dataclass
class Scene:
    """A table of 40 fruits and tools, a test set, and a configuration that would do.

    Attributes:
        folder: where all of it lies.
        settings: of the configuration, to be changed.
        text: of the configuration, where it is no YAML of settings.
        env: the command's variables.
        command: its words.
        url: of an Argilla that is there.
    """

    folder: Path
    url: str
    key: str
    command: Sequence[str] = CHECK
    text: str | bytes | None = None
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    env: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        write_csv(self.folder / "pool.csv", 40, "r")
        write_csv(self.folder / "test.csv", 10, "t")
        self.env["ARGILLA_API_KEY"] = self.key
        self.settings = {
            "run": {"dir": "run"},
            "argilla": {"url": self.url, "dataset": f"tickets-{self.folder.name}"[:60]},
            "task": {"labels": ["fruit", "tool"]},
            "pool": {"path": "pool.csv", "id": "id", "label": "label"},
            "test": {"path": "test.csv", "id": "id", "label": "label"},
            "classifier": {"name": "tfidf"},
            "strategy": {"name": "breaking_ties", "cold_start": "random_sampling"},
            "dashboard": {"enabled": False},
            "log": {"level": "error"},
        }

    @property
    def config(self) -> Path:
        return self.folder / "my.yaml"

    def set(self, key: str, value: object) -> None:
        """Write a value where `queue.batch_size` or `queue` says."""
        section, _, name = key.partition(".")
        if name:
            self.settings.setdefault(section, {})[name] = value
        else:
            self.settings[section] = value  # type: ignore[assignment] # a mistake, on purpose

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def act(self) -> Said:
        """Run the command as it is now."""
        text = self.text if self.text is not None else yaml.safe_dump(self.settings)
        if not self.config.exists():
            self.write(self.config.name, text)
        words = [word.format(config=self.config, folder=self.folder) for word in self.command]
        began = time.monotonic()
        with chdir(self.folder):
            done = CliRunner().invoke(main, words, prog_name="loopd", env=self.env)
        seconds = time.monotonic() - began
        problems = (*_on_stderr(done.stderr), *_of_check(done.stdout))
        return Said(done.exit_code, problems, done.stdout + done.stderr, seconds)


def _on_stderr(text: str) -> Iterator[tuple[str, str]]:
    return _pairs(text, r"loopd: (?:\w+ error|warning): ")


def _of_check(text: str) -> Iterator[tuple[str, str]]:
    return _pairs(text, r"(?:error|warning) +\w[\w ]*: ")


def _pairs(text: str, begins: str) -> Iterator[tuple[str, str]]:
    lines = text.splitlines()
    for number, line in enumerate(lines):
        match = re.match(begins, line)
        if match:
            after = lines[number + 1].strip() if number + 1 < len(lines) else ""
            hint = after.removeprefix("hint: ") if after.startswith("hint: ") else ""
            yield line[match.end() :], hint


@contextmanager
def answering(status: str, kind: str, body: str) -> Iterator[str]:
    """The address of a server that is no Argilla and says the same to everybody."""
    head = f"Content-Type: {kind}\r\nConnection".encode()
    with speaking(lambda _: answer(status, body).replace(b"Connection", head)) as url:
        yield url


Change = Callable[[Scene], None]
