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
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import httpx
import pytest

from tests.acceptance.conftest import make_daemon  # noqa: F401 - a fixture
from tests.live import LiveArgilla

REQUIRED = "LOOPD_REQUIRE_FRONTS"

WHOLE = """
{user}
daemon off; master_process on; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {servers}
}}
"""

SERVER = "server {{ listen 127.0.0.1:{port}{ssl}; add_header X-Play {turn} always; {block} }}"

ROOMY = "client_max_body_size 32m;"


@dataclass
class Front:
    """One address at which nginx answers.

    Attributes:
        nginx: of which it is a part.
        upstream: address of Argilla.
        port: at which it listens.
        tls: what its certificate needs, ``ssl_certificate`` and the like; may be empty.
    """

    nginx: Nginx
    upstream: str
    port: int
    tls: str = ""
    block: str = ""
    turn: int = 0

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def passing(self, more: str = ROOMY) -> str:
        """The block that lets everything through, with a limit of its own or another directive."""
        return f"location / {{ proxy_pass {self.upstream}; {more} }}"

    def play(self, block: str = "") -> None:
        """Say this from now on; without a block everything goes through."""
        self.turn += 1
        self.block = block or self.passing()
        self.nginx.reload()

    @property
    def text(self) -> str:
        ssl = " ssl" if self.tls else ""
        return SERVER.format(port=self.port, ssl=ssl, turn=self.turn, block=self.tls + self.block)

    def plays(self) -> bool:
        """Whether it says what it was last told to."""
        with suppress(httpx.TransportError):
            answer = httpx.get(f"{self.url}/x", verify=False, trust_env=False)  # noqa: S501
            return bool(answer.headers.get("X-Play") == str(self.turn))
        return False


STEADY = 10
"""Answers in a row after which none is by a worker that is about to leave."""


@dataclass
class Nginx:
    """One nginx with as many addresses as a test needs.

    Attributes:
        folder: of its files.
        upstream: address of Argilla.
    """

    folder: Path
    upstream: str
    fronts: list[Front] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def front(self, upstream: str = "") -> Front:
        """One more address; it answers as soon as it plays."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.fronts.append(Front(self, upstream or self.upstream, port))
        return self.fronts[-1]

    def reload(self) -> None:
        """Start, or take over what the fronts play now; returns when they do."""
        playing = [front for front in self.fronts if front.turn]
        servers = "\n".join(front.text for front in playing)
        user = "user root;" if os.geteuid() == 0 else ""  # else a worker cannot keep long requests
        text = WHOLE.format(folder=self.folder, servers=servers, user=user)
        (self.folder / "nginx.conf").write_text(text, encoding="utf-8")
        if self.process is None:
            command = ["nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
            self.process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        else:
            self.process.send_signal(signal.SIGHUP)
        self._await(playing)

    def _await(self, playing: list[Front]) -> None:
        deadline, in_a_row = time.monotonic() + 20, 0
        while time.monotonic() < deadline:
            in_a_row = in_a_row + 1 if all(front.plays() for front in playing) else 0
            if in_a_row == STEADY:
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
    """An nginx before the Argilla of the worker."""
    if shutil.which("nginx") is None:
        _unavailable("nginx is not installed (on Debian: apt install nginx-light)")
    folder = tmp_path / "nginx"
    folder.mkdir(mode=0o755)
    whole = Nginx(folder, argilla.url)
    yield whole
    whole.stop()


@pytest.fixture
def front(nginx: Nginx) -> Front:
    """One address of it."""
    return nginx.front()


def _unavailable(reason: str) -> NoReturn:
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{REQUIRED}=1, but {reason}")
    pytest.skip(reason)
