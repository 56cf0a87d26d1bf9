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
from pathlib import Path
from typing import Any

import yaml

from tests.daemon import wait_for
from tests.docs import pages

SECONDS = 240
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


class Sandbox:
    """The folder, its data, and a shell in it.

    Args:
        folder: empty; is filled.
        url, api_key, workspace: of the Argilla that configurations are pointed to.
        classifier: for the printed configurations; ``None`` leaves what they say.
    """

    def __init__(
        self,
        folder: Path,
        url: str = "http://127.0.0.1:1",
        api_key: str = "none",
        workspace: str = "loopd",
        *,
        classifier: str | None = "tfidf",
    ) -> None:
        self.folder = folder
        self.argilla = {"url": url, "workspace": workspace}
        self.classifier = classifier
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
        changes = {**QUICK, "argilla": {**self.argilla, "dataset": f"{name[:-5]}-{os.getpid()}"}}
        if self.classifier is not None:
            changes["classifier"] = {"name": self.classifier}
        for section, values in changes.items():
            printed[section] = {**printed.get(section, {}), **values}
        (self.folder / name).write_text(yaml.safe_dump(printed), encoding="utf-8")
        self._write_sets(printed)

    def run_dir(self, name: str) -> Path:
        """Where a configuration keeps its run."""
        content = yaml.safe_load((self.folder / name).read_text(encoding="utf-8"))
        return self.folder / content.get("run", {}).get("dir", "runs/default")

    def start(self, line: str) -> subprocess.Popen[str]:
        """Start a shown line in a shell of its own session."""
        return subprocess.Popen(
            ["bash", "-c", line.replace("/path/to/trec", str(self.folder / "trec"))],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, line: str) -> str:
        """Run a shown line to its end; what it printed. It must succeed."""
        process = self.start(line)
        try:
            printed, _ = process.communicate(timeout=SECONDS)
        finally:
            end(process, signal.SIGKILL)
        assert process.returncode == 0, f"{line}\n{printed[-3000:]}"
        return printed

    def watch(self, line: str, words: str) -> str:
        """Start a shown line that does not end by itself, wait for words, then press Ctrl-C."""
        process = self.start(line)
        seen: list[str] = []
        try:
            assert process.stdout is not None
            for each in process.stdout:
                seen.append(each)
                if words in each:
                    break
            end(process, signal.SIGINT)
            printed = "".join([*seen, process.communicate(timeout=SECONDS)[0]])
        finally:
            end(process, signal.SIGKILL)
        assert words in printed, f"{line}\n{printed[-3000:]}"
        assert process.returncode == 0, f"{line}\n{printed[-3000:]}"
        return printed

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


def end(process: subprocess.Popen[str], how: signal.Signals) -> None:
    """A signal to the process and all that it started, if it lives."""
    if process.poll() is None:
        os.killpg(process.pid, how)


def finished(process: subprocess.Popen[str]) -> str:
    """What a process printed that must end by itself."""
    printed, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, printed[-3000:]
    return printed


def wait_for_file(path: Path) -> None:
    """Until it is there."""
    wait_for(path.exists, 90, lambda: f"no {path}")


def write_program(path: Path) -> None:
    """`loopd` as a command, of this checkout."""
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m loopd "$@"\n', encoding="utf-8")
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
