"""Owns the processes of a stock server and of its search; must not know which tests come."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx

from loopd.embedded_argilla.accounts import load_or_create_accounts
from loopd.embedded_argilla.embedded import EmbeddedServer
from loopd.embedded_argilla.environment import MOST_LABELS
from loopd.embedded_argilla.home import ServerHome
from tests.live import LiveArgilla

PROJECT = Path(__file__).parents[2]

SERVERS = Path(os.environ.get("LOOPD_SERVERS", PROJECT / ".servers"))
"""Holds a virtual environment for each server; made by ``make check-servers``."""

PINS = Path(__file__).parent / "pins"
"""Holds what is installed in each of them, whole and exact."""

READY_SECONDS = 600.0
"""Extralit's server imports for minutes on a slow machine."""


class Osmem:
    """An `osmem-server`: an in-memory search server that speaks OpenSearch's language.

    A process of its own, as Elasticsearch is: its index outlives a server that is killed.
    """

    def __init__(self) -> None:
        import osmem_server

        self._process = subprocess.Popen(
            [osmem_server.resolve_binary(), "-parent-pid", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.url = self._read_url()
        self._warm_up()

    def _read_url(self) -> str:
        for line in self._process.stdout or ():
            if line.startswith(b"{") and b'"url"' in line:
                return str(json.loads(line)["url"])
        raise RuntimeError("osmem-server does not start")

    def _warm_up(self) -> None:
        """Its first index takes it longer than Argilla's client waits, on a slow machine."""
        with httpx.Client(base_url=self.url, timeout=READY_SECONDS, trust_env=False) as client:
            client.put("/warm").raise_for_status()
            client.delete("/warm").raise_for_status()

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


class StockServer(EmbeddedServer):
    """A server of another kind, with the verbs of the embedded one.

    Args:
        home: gets database, accounts and log.
        python: in which it is installed.
        package: that it is imported as.
    """

    def __init__(self, home: Path, python: Path, package: str) -> None:
        super().__init__(home, ready_within=READY_SECONDS)
        self._command = (str(python), "-m", "tests.servers.boot", str(self.home))
        self._package = package
        self.search = Osmem()

    def stop(self) -> None:
        """End the server, and its search with it."""
        super().stop()
        self.search.stop()

    def restart(self) -> None:
        """End the server alone, and start it again."""
        super().stop()
        self.start()

    def _spawn(self) -> subprocess.Popen[bytes]:
        load_or_create_accounts(ServerHome(self.home))
        options = ["--package", self._package, "--port", str(self.port)]
        with self._errors.open("ab") as errors:
            return subprocess.Popen(
                [*self._command, *options, "--workspace", self.workspace],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                cwd=PROJECT,
                env=self._variables(),
            )

    def _variables(self) -> dict[str, str]:
        """Ours without what is meant for a client, and the server's settings under both names."""
        kept = {name: value for name, value in os.environ.items() if "ARGILLA" not in name}
        settings = {
            "HOME_PATH": str(self.home),
            "DATABASE_URL": f"sqlite+aiosqlite:///{self.home}/argilla.db?check_same_thread=False",
            "DATABASE_SQLITE_TIMEOUT": "30",
            "SEARCH_ENGINE": "opensearch",
            "ELASTICSEARCH": self.search.url,
            "AUTH_SECRET_KEY": "known to everybody, in a test",
            "LABEL_SELECTION_OPTIONS_MAX_ITEMS": str(MOST_LABELS),
            "SPAN_OPTIONS_MAX_ITEMS": str(MOST_LABELS),
        }
        named = {
            f"{product}_{name}": value
            for product in ("ARGILLA", "EXTRALIT")
            for name, value in settings.items()
        }
        more = {"PYTHONPATH": str(PROJECT), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
        return {**kept, **named, **more}


def start(home: Path, name: str, package: str = "argilla_server") -> LiveArgilla:
    """A stock server on SQLite and an `osmem-server`, and people in it.

    Args:
        home: a folder for it.
        name: of its folder below ``.servers``; empty for the Python of the tests.
        package: that it is imported as.

    Raises:
        RuntimeError: it is not installed.
    """
    python = SERVERS / name / "bin" / "python" if name else Path(sys.executable)
    if not python.exists():
        raise RuntimeError(f"{name} is not installed in {SERVERS}: see `make check-servers`")
    server = StockServer(home, python, package)
    try:
        server.start()
        return LiveArgilla(server).with_people()
    except BaseException:
        server.stop()
        raise
