"""What an idle daemon costs: processor time and requests while nobody answers.

    python benchmarks/idle.py SET [--minutes 5] [--batch 20]

SET is a folder with ``config.yaml`` and ``pool.jsonl``, as ``make_sets.py`` writes them. A daemon
at its default intervals, with its live page at which nobody looks, publishes a batch on an embedded
Argilla on 127.0.0.1 and waits for people who never come. Its processor time and its HTTP requests
are counted inside its process, from half a minute after the batch was out. Writes
``benchmarks/results/idle.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine
import yaml

from loopd.annotation.http import ArgillaHttp
from loopd.config_file import load_config
from loopd.dashboard.observers import observers
from loopd.embedded_argilla.embedded import EmbeddedServer
from loopd.errors import LoopdError
from loopd.loop.daemon import run_daemon
from loopd.machine import Phase, fold
from loopd.storage.journal import Journal
from loopd.storage.run_folder import JOURNAL_NAME

SETTLING = 30.0


def counted() -> list[str]:
    """The requests of this process from now on, one entry for each."""
    made: list[str] = []
    plain = ArgillaHttp.request

    def request(self: ArgillaHttp, method: str, path: str, **arguments: Any) -> Any:
        made.append(f"{method} {path.rpartition('/')[2]}")
        return plain(self, method, path, **arguments)

    ArgillaHttp.request = request  # type: ignore[method-assign]
    return made


def watch(config: Path, seconds: float) -> None:
    """Run the daemon in this process; measure a window, print it, and end."""
    made = counted()

    def measure() -> None:
        settings = load_config(config)
        while not collecting(settings.run.dir / JOURNAL_NAME):
            time.sleep(0.5)
        time.sleep(SETTLING)
        cpu, count, began = time.process_time(), len(made), time.monotonic()
        time.sleep(seconds)
        window = time.monotonic() - began
        used = time.process_time() - cpu
        found = {
            "seconds": window,
            "cpu_seconds": used,
            "cpu_share": used / window,
            "requests_per_minute": 60 * (len(made) - count) / window,
        }
        print(json.dumps(found), flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=measure, daemon=True).start()
    settings = load_config(config)
    run_daemon(settings, observers=tuple(observers(settings)))  # as `loopd run` does


def collecting(journal: Path) -> bool:
    """Whether the daemon waits for people."""
    if not journal.exists():
        return False
    try:
        with Journal(journal, read_only=True) as opened:
            return fold(opened.read()).phase is Phase.COLLECT
    except LoopdError:
        return False  # being created this very moment


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--watch", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watch:
        watch(options.set, 60 * options.minutes)
        return
    sections = yaml.safe_load((options.set / "config.yaml").read_text(encoding="utf-8"))
    for name in ("pool", "test"):
        sections[name]["path"] = str((options.set / sections[name]["path"]).absolute())
    described = machine.described()
    with tempfile.TemporaryDirectory() as work:
        with EmbeddedServer(Path(work) / "argilla", workspace="bench") as server:
            sections["argilla"] = {"url": server.url, "workspace": "bench", "dataset": "idle"}
            sections["run"] = {"dir": "run"}
            sections["queue"] = {"batch_size": options.batch}
            config = Path(work) / "config.yaml"
            config.write_text(yaml.safe_dump(sections), encoding="utf-8")
            command = [sys.executable, __file__, str(config), "--watch"]
            done = subprocess.run(
                [*command, "--minutes", str(options.minutes)],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "ARGILLA_API_KEY": server.owner.api_key},
            )
        (line,) = (line for line in done.stdout.splitlines() if line.startswith("{"))
        found = json.loads(line)
    print(json.dumps(found, indent=1))
    print(machine.write("idle", {"machine": described, "batch": options.batch, **found}))


if __name__ == "__main__":
    main()
