"""Owns the installation of the servers of others, below ``.servers``; must not start any."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.servers.stock import PINS, SERVERS

DEBIAN = {"postgres": "postgresql", "redis-server": "redis-server"}
"""Debian's package by the program that it has."""


def install(name: str) -> None:
    """Make what a server needs, unless it is there.

    Args:
        name: of ``tests.servers.SERVERS``.

    Raises:
        subprocess.CalledProcessError: pip or apt fails.
        RuntimeError: a program is absent that only root can install.
    """
    if name == "postgresql":
        install_from_debian()
    elif (PINS / f"{name}.txt").exists():
        install_from_pins(name)


def install_from_pins(name: str) -> None:
    """A virtual environment with exactly what was pinned; old versions also on newer Pythons."""
    folder, pins = SERVERS / name, PINS / f"{name}.txt"
    stamp = folder / "pins.txt"
    if stamp.exists() and stamp.read_bytes() == pins.read_bytes():
        return
    print(f"installing {name} into {folder}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    options = ["--no-deps", "--ignore-requires-python", "-r", str(pins)]
    subprocess.run([*pip, *options], check=True)
    shutil.copy(pins, stamp)


def install_from_debian() -> None:
    """PostgreSQL and Redis from Debian, where they are not there."""
    wanted = [package for program, package in DEBIAN.items() if not _is_there(program)]
    if not wanted:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise RuntimeError(f"install {' and '.join(wanted)}, or run this as root on Debian")
    # Debian would start both, and make a cluster.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *wanted]):
        subprocess.run(["apt-get", "-qq", *command], check=True, env=environment)


def _is_there(program: str) -> bool:
    folders = (str(path) for path in Path("/usr/lib/postgresql").glob("*/bin"))
    return any(shutil.which(program, path=path) for path in (os.environ["PATH"], *folders))
