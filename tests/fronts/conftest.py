"""nginx before the embedded Argilla: whatever a proxy may say in its place."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import httpx
import pytest

from tests.acceptance.conftest import make_daemon  # noqa: F401 - a fixture
from tests.live import LiveArgilla

REQUIRED = "LOOPD_REQUIRE_FRONTS"

WHOLE = """
daemon off; master_process on; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  limit_req_zone $server_name zone=few:1m rate=1r/s;
  server {{
    listen 127.0.0.1:{port}{tls};
    add_header X-Play {turn} always;
    {block}
  }}
}}
"""


@dataclass
class Nginx:
    """One nginx before one Argilla.

    Attributes:
        folder: of its files.
        upstream: address of Argilla.
        port: at which it listens.
        tls: what its certificate needs, ``ssl_certificate`` and the like; may be empty.
    """

    folder: Path
    upstream: str
    port: int
    tls: str = ""
    turn: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def through(self) -> str:
        """The block that lets everything through."""
        return f"location / {{ proxy_pass {self.upstream}; client_max_body_size 32m; }}"

    def play(self, block: str = "") -> None:
        """Say this from now on; without a block everything goes through."""
        self.turn += 1
        listen = " ssl" if self.tls else ""
        text = WHOLE.format(
            folder=self.folder,
            port=self.port,
            tls=listen,
            turn=self.turn,
            block=self.tls + (block or self.through),
        )
        (self.folder / "nginx.conf").write_text(text, encoding="utf-8")
        if self.process is None:
            command = ["nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
            self.process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        else:
            self.process.send_signal(signal.SIGHUP)
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                answer = httpx.get(f"{self.url}/x", verify=False, trust_env=False)  # noqa: S501
                if answer.headers.get("X-Play") == str(self.turn):
                    return
            time.sleep(0.05)
        raise TimeoutError((self.folder / "error.log").read_text(encoding="utf-8"))

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)


@pytest.fixture
def nginx(argilla: LiveArgilla, tmp_path: Path) -> Iterator[Nginx]:
    """An nginx that lets everything through as soon as it plays."""
    if shutil.which("nginx") is None:
        _unavailable("nginx is not installed (on Debian: apt install nginx-light)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / "nginx"
    folder.mkdir(mode=0o755)
    front = Nginx(folder, argilla.url, port)
    yield front
    front.stop()


def _unavailable(reason: str) -> NoReturn:
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{REQUIRED}=1, but {reason}")
    pytest.skip(reason)
