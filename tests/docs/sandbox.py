"""A folder in which the shown commands run as a reader would run them, on small data."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.daemon import wait_for
from tests.docs import pages
from tests.faults.nursery import Forked, Nursery

SECONDS = 600
"""Longest time of one command."""

QUICK: Mapping[str, Mapping[str, Any]] = {
    "strategy": {"name": "breaking_ties", "cold_start": "random_sampling"},
    "queue": {"batch_size": 6, "low_watermark": 0, "poll_interval": 0.1, "sweep_interval": 1.0},
    "stopping": {"max_rounds": 2},
}
"""What makes a printed configuration fit for a test."""

PRINTED = {
    "my.yaml": "README.md",
    "tickets.yaml": "docs/howto-existing-server.md",
    "trec.yaml": "docs/tutorial.md",
}
"""Where each configuration is printed."""


@dataclass
class Running:
    """A shown line that was started."""

    line: str
    process: subprocess.Popen[bytes] | Forked
    log: Path

    @property
    def printed(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(encoding="utf-8")

    def finish(self) -> str:
        """Wait for its end; what it printed. It must succeed."""
        try:
            code = self.process.wait(SECONDS)
        finally:
            self.end(signal.SIGKILL)
        assert code == 0, f"{self.line}\n{self.printed[-3000:]}"
        return self.printed

    def end(self, how: signal.Signals) -> None:
        """A signal to it, and to all that it started, if it lives; SIGKILL waits for the end."""
        if isinstance(self.process, Forked):
            self.process.send_signal(how)
        elif self.process.poll() is None:
            os.killpg(self.process.pid, how)
        if how is signal.SIGKILL:
            self.process.wait(SECONDS)


class Sandbox:
    """The folder, its data, and a shell in it.

    Args:
        folder: empty; is filled.
        url, api_key, workspace: of the Argilla that configurations are pointed to.
        classifier: for the printed configurations; ``None`` leaves what they say.
        nursery: forks what is ours; without one each line starts a Python of its own.
    """

    def __init__(
        self,
        folder: Path,
        url: str = "http://127.0.0.1:1",
        api_key: str = "none",
        workspace: str = "loopd",
        *,
        classifier: str | None = "tfidf",
        nursery: Nursery | None = None,
    ) -> None:
        self.folder = folder
        self.argilla = {"url": url, "workspace": workspace}
        self.classifier = classifier
        self.nursery = nursery
        self._started = 0
        (folder / "bin").mkdir(parents=True)
        (folder / ".venv/bin").mkdir(parents=True)
        for place in ("bin/loopd", ".venv/bin/loopd"):
            write_program(folder / place)
        self.environment = {
            **os.environ,
            "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(pages.ROOT),
            "ARGILLA_API_KEY": api_key,
        }
        shutil.copytree(pages.ROOT / "configs", folder / "configs")
        (folder / "tests").symlink_to(pages.ROOT / "tests")
        self._write_arms()
        for name in PRINTED:
            self.write_config(name)

    def write_config(self, name: str) -> None:
        """Write a configuration as its page prints it, with what makes it quick."""
        blocks = pages.fences(pages.ROOT / PRINTED[name], "yaml")
        printed: dict[str, Any] = next(
            content for block in blocks if "pool" in (content := yaml.safe_load(block))
        )
        changes: dict[str, Any] = {
            **QUICK,
            "argilla": {**self.argilla, "dataset": f"{name[:-5]}-{os.getpid()}"},
        }
        # The page about backtests says that they need it.
        changes["pool"] = {"label": printed["test"]["label"]}
        if self.classifier is not None:
            changes["classifier"] = {"name": self.classifier}
        for section, values in changes.items():
            printed[section] = {**printed.get(section, {}), **values}
        (self.folder / name).write_text(yaml.safe_dump(printed), encoding="utf-8")
        self._write_sets(printed)

    def run_dir(self, name: str) -> Path:
        """Where a configuration keeps its run."""
        content = yaml.safe_load((self.folder / name).read_text(encoding="utf-8"))
        return self.folder / str(content.get("run", {}).get("dir", "runs/default"))

    def start(self, line: str) -> Running:
        """Start a shown line: in a shell, or forked where there is a nursery and it is ours."""
        self._started += 1
        log = self.folder / f"printed-{self._started}.txt"
        words = line.split()
        if self.nursery is not None and words[0] == "loopd":
            config = next(word for word in words if word in PRINTED)
            command = ("loopd.cli", *(word for word in words[1:] if word != config))
            child = self.nursery.spawn(self.folder / config, log, self.environment, command)
            return Running(line, child, log)
        with log.open("w", encoding="utf-8") as out:
            process = subprocess.Popen(
                ["bash", "-c", line.replace("/path/to/trec", str(self.folder / "trec"))],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        return Running(line, process, log)

    def run(self, line: str) -> str:
        """Run a shown line to its end; what it printed. It must succeed."""
        return self.start(line).finish()

    def watch(self, line: str, words: str) -> str:
        """Start a shown line that does not end by itself, wait for words, then press Ctrl-C."""
        process = self.start(line)
        try:
            wait_for(lambda: words in process.printed, SECONDS, lambda: process.printed)
            process.end(signal.SIGINT)
        except BaseException:
            process.end(signal.SIGKILL)
            raise
        return process.finish()

    # -- data --------------------------------------------------------------------------------------

    def _write_arms(self) -> None:
        arms = next(
            block for block in pages.fences(pages.ROOT / "docs/howto-stopping.md", "yaml")
            if block.startswith("- name")
        )  # fmt: skip
        (self.folder / "rules.yaml").write_text(arms, encoding="utf-8")

    def _write_sets(self, config: Mapping[str, Any]) -> None:
        """Pool and test set with the columns that the configuration names, and known labels."""
        labels, test = config["task"]["labels"], config.get("test", {})
        column = test.get("label", "topic")
        for section, prefix, size in (("pool", "p", 60), ("test", "t", 24)):
            given = config.get(section)
            if given is not None:
                text, name = given.get("text", "text"), given.get("id", "id")
                made = rows(labels, size, text, column, prefix, name)
                write_table(self.folder / given["path"], made)
        write_table(self.folder / "pool.csv", rows(labels, 60, "text", "label"))


def wait_for_file(path: Path) -> None:
    """Until it is there."""
    wait_for(path.exists, SECONDS, lambda: f"no {path}")


def write_program(path: Path) -> None:
    """`loopd` as a command, of this checkout; its servers have a guard."""
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.guarded "$@"\n', encoding="utf-8")
    path.chmod(0o755)


def rows(
    labels: list[str], size: int, text: str, label: str, prefix: str = "p", name: str = "id"
) -> list[dict[str, str]]:
    """Texts whose words tell their label."""
    kinds = [labels[number % len(labels)] for number in range(size)]
    return [
        {
            name: f"{prefix}{number}",
            text: f"{kind.lower()} asks {kind.lower()} {prefix} number {number}",
            label: kind,
        }
        for number, kind in enumerate(kinds)
    ]


def write_table(path: Path, content: Iterable[Mapping[str, str]]) -> None:
    """A CSV or JSON Lines file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = list(content)
    with path.open("w", newline="", encoding="utf-8") as file:
        if re.search(r"\.jsonl$", path.name):
            file.writelines(json.dumps(each) + "\n" for each in lines)
        else:
            writer = csv.DictWriter(file, list(lines[0]))
            writer.writeheader()
            writer.writerows(lines)
