"""Ray clusters of several machines that are all this one, on 127.0.0.1 alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loopd.compute.ray_engine import ONLY_HERE, QUIET

NODE: dict[str, Any] = {
    "num_cpus": 1,
    "include_dashboard": False,
    "node_ip_address": "127.0.0.1",
    "object_store_memory": 200_000_000,
}

WORKER = "ray::ShardWorker"
"""How Ray's processes call themselves."""


@contextmanager
def cluster(nodes: int) -> Iterator[str]:
    """A cluster of so many machines with one CPU each; gives its address."""
    os.environ.update(QUIET)
    os.environ[ONLY_HERE] = "0"
    import ray
    from ray.cluster_utils import Cluster

    started = Cluster(initialize_head=True, head_node_args=NODE)
    try:
        for _ in range(nodes - 1):
            started.add_node(**NODE)
        yield started.address
    finally:
        ray.shutdown()
        started.shutdown()


def workers() -> dict[int, str]:
    """Processes of workers of clusters that this process started, with what each is doing."""
    found = {}
    for line in Path("/proc").iterdir():
        if not line.name.isdecimal():
            continue
        try:
            words = (line / "cmdline").read_bytes().split(b"\0")[0].decode()
            mine = f"{ONLY_HERE}=0".encode() in (line / "environ").read_bytes()
        except OSError:
            continue
        if words.startswith(WORKER) and mine:
            found[int(line.name)] = words
    return found


def kill_one_at_work(seconds: float = 120.0) -> int:
    """Wait until a worker does a piece, and kill it; its number."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        busy = [number for number, words in workers().items() if words == f"{WORKER}.do"]
        if busy:
            os.kill(busy[0], signal.SIGKILL)
            return busy[0]
        time.sleep(0.01)
    raise TimeoutError("no worker does anything")


def cpu_seconds(process: int) -> float:
    """What a process has used."""
    fields = (Path("/proc") / str(process) / "stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def loopd(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "loopd", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
