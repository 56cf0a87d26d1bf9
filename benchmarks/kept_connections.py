"""What a small request to the embedded Argilla takes, with and without Nagle's algorithm.

    python benchmarks/kept_connections.py [--requests 200]

Two embedded Argillas run on 127.0.0.1 side by side. One listens as ``loopd serve`` does; the other
as it did before, on a socket whose protocol is not given, on which asyncio leaves Nagle's algorithm
on: the second part of an answer then waits for the delayed acknowledgement of the first. Both are
asked in turn, each on one connection that is kept. Writes
``benchmarks/results/kept_connections.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import machine

from loopd.embedded_argilla.embedded import EmbeddedServer

AS_BEFORE = """
import socket, types
import loopd.ports
loopd.ports.socket = types.SimpleNamespace(**{**vars(socket), "IPPROTO_TCP": 0})
from loopd.cli import main
main()
"""


def as_before(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start the server on a socket without a protocol; arguments as of ``subprocess.Popen``."""
    python, _, _, *words = command
    return subprocess.Popen([python, "-c", AS_BEFORE, *words], **options)


def timed(client: httpx.Client) -> float:
    """Milliseconds of a small request."""
    began = time.perf_counter()
    client.get("/api/v1/me").raise_for_status()
    return 1000 * (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--requests", type=int, default=200)
    options = parser.parse_args()
    described = machine.described()
    taken: dict[str, list[float]] = {"now": [], "before": []}
    with ExitStack() as stack:
        clients = {}
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name, popen in (("now", subprocess.Popen), ("before", as_before)):
            server = stack.enter_context(EmbeddedServer(work / name, popen=popen))
            headers = {"X-Argilla-Api-Key": server.owner.api_key}
            client = httpx.Client(base_url=server.url, headers=headers, trust_env=False)
            clients[name] = stack.enter_context(client)
        for _ in range(options.requests):
            for name, client in clients.items():
                taken[name].append(timed(client))
    medians = {name: round(statistics.median(times), 2) for name, times in taken.items()}
    found = {"requests": options.requests, "median_ms": medians}
    found["ratio"] = round(medians["before"] / medians["now"], 2)
    print(json.dumps(found, indent=1))
    print(machine.write("kept_connections", {"machine": described, **found}))


if __name__ == "__main__":
    main()
