"""Commands whose reader ends early, as with ``| head``: quiet, and without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loopd.config_file import load_config
from loopd.errors import StorageError
from loopd.events import RunStarted
from loopd.loop.data_sets import read_data
from loopd.storage.journal import Journal
from tests.daemon import Daemon
from tests.monitoring.story import story

pytestmark = pytest.mark.acceptance

LOOPD = (sys.executable, "-m", "loopd")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run that has some rounds, on an Argilla that is away."""
    daemon = Daemon(tmp_path, "http://127.0.0.1:9", "key", pool={"label": "label"})
    data = read_data(load_config(daemon.config))
    assert data.test is not None
    begun, *events = story(3)
    assert isinstance(begun, RunStarted)
    prints = {"pool_fingerprint": data.pool.fingerprint, "test_fingerprint": data.test.fingerprint}
    with Journal(daemon.run_dir / "journal.sqlite") as journal:
        for event in (replace(begun, **prints), *events):  # type: ignore[arg-type]
            journal.append(event)
    return tmp_path


def piped(
    folder: Path, *arguments: str, errors_too: bool = False
) -> subprocess.CompletedProcess[str]:
    """The command, with nobody at the other end of its output."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [*LOOPD, *arguments],
            stdout=writer,
            stderr=writer if errors_too else subprocess.PIPE,
            text=True,
            timeout=240,
            cwd=folder,
            env={**os.environ, "ARGILLA_API_KEY": "key", "PYTHONPATH": str(Path.cwd())},
            check=False,
        )
    finally:
        os.close(writer)


COMMANDS = (
    ("--help",),
    ("--version",),
    ("run", "--help"),
    ("check", "config.yaml"),
    ("status", "config.yaml"),
    ("status", "config.yaml", "--json"),
    ("report", "config.yaml"),
    pytest.param(("export", "config.yaml", "--format", "jsonl"), marks=pytest.mark.slow),
    pytest.param(
        ("simulate", "config.yaml", "--seeds", "1", "--rounds", "1"), marks=pytest.mark.slow
    ),
)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_reader_who_is_gone_ends_a_command_quietly(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    done = piped(folder, *arguments)
    assert done.returncode == 1, done.stderr
    for word in ("Traceback", "Broken", "error:", "Exception"):
        assert word not in done.stderr


@pytest.mark.parametrize("arguments", [("status", "absent.yaml"), ("nonsense",)], ids=" ".join)
def test_an_error_that_nobody_reads_is_quiet_too(folder: Path, arguments: tuple[str, ...]) -> None:
    assert piped(folder, *arguments, errors_too=True).returncode in (1, 2)


def test_head_gets_its_line(folder: Path) -> None:
    command = f"{sys.executable} -m loopd status config.yaml | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        check=False,
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.parametrize("arguments", [("--help",), ("status", "config.yaml")], ids=" ".join)
def test_a_disk_that_is_full_is_said(folder: Path, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*LOOPD, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
            check=False,
        )
    assert done.returncode == StorageError.exit_code
    assert "cannot write: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("--help",), ("status", "config.yaml")], ids=" ".join)
def test_no_output_at_all_is_no_error(folder: Path, arguments: tuple[str, ...]) -> None:
    command = f"{sys.executable} -m loopd {' '.join(arguments)} >&-"
    env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, cwd=folder, env=env, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_terminal_that_lacks_a_character_is_written_to(folder: Path) -> None:
    config = folder / "config.yaml"
    text = config.read_text(encoding="utf-8").replace("path: pool.csv", 'path: "\u8a9e.csv"')
    config.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [*LOOPD, "check", "config.yaml"],
        capture_output=True,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(Path.cwd()),
            "PYTHONIOENCODING": "latin-1",
            "ARGILLA_API_KEY": "key",
        },
        check=False,
    )
    assert done.returncode != 70, done.stderr
    assert b"\\u8a9e.csv" in done.stdout
