"""A handle on an embedded server in a process of its own, for the demo and tests; never in-process.

Imports nothing of Argilla's: what it knows it reads from the server's home and over HTTP.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from loopd.embedded_argilla.accounts import load_or_create_accounts, new_account
from loopd.embedded_argilla.home import ServerHome, is_locked, unusable
from loopd.embedded_argilla.options import Account
from loopd.errors import Interrupted, ServerError

_POLL_SECONDS = 0.05
_STOP_SECONDS = 15.0
_COMMAND = (sys.executable, "-m", "loopd", "serve")


class EmbeddedServer:
    """Start `loopd serve` as a child process and wait until it answers over HTTP.

    Use as a context manager, or call `start` and `stop`. `port` 0 takes any free port at the first
    start; `restart` keeps it. `arguments` are further options of `loopd serve`, `environment` is
    added to this process's own, for options that are secrets. Raises ServerError when the server
    ends before it is ready, or is not ready within `ready_within` seconds. `own_session`: Ctrl-C in
    the terminal does not reach it, so that whoever started it can end other things first. `popen`
    starts the process, with the arguments of `subprocess.Popen`.
    """

    def __init__(
        self,
        home: Path,
        port: int = 0,
        *,
        workspace: str = "loopd",
        ready_within: float = 120.0,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        own_session: bool = False,
        popen: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen,
    ) -> None:
        self.workspace = workspace
        self._popen = popen
        self._own_session = own_session
        self._home = ServerHome(Path(home).absolute())
        self._port = port
        self._ready_within = ready_within
        self.arguments = tuple(arguments)
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._url: str | None = None
        self._accounts: tuple[Account, Account] | None = None

    def __enter__(self) -> EmbeddedServer:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def home(self) -> Path:
        return self._home.path

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The child process; ServerError before the first start."""
        if self._process is None:
            raise _not_started()
        return self._process

    @property
    def url(self) -> str:
        """The server's address without a trailing slash; ServerError before the first start."""
        if self._url is None:
            raise _not_started()
        return self._url

    @property
    def port(self) -> int:
        return self._port

    @property
    def owner(self) -> Account:
        return self._both_accounts[0]

    @property
    def annotator(self) -> Account:
        return self._both_accounts[1]

    @property
    def _both_accounts(self) -> tuple[Account, Account]:
        if self._accounts is None:
            raise _not_started()
        return self._accounts

    def start(self) -> EmbeddedServer:
        """Start the process and wait until it is ready; a no-op while it runs."""
        if self._process is not None and self._process.poll() is None:
            return self
        self.launch()
        return self.await_ready()

    def launch(self) -> None:
        """Start the process and do not wait for it.

        Raises:
            ServerError: the home cannot be written, or the process cannot be started.
        """
        try:
            self._home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._process = self._spawn()
        except OSError as error:
            raise unusable(self._home.path, error) from error

    def await_ready(self, given_up: Callable[[], bool] = lambda: False) -> EmbeddedServer:
        """Wait until what was launched answers, or raise `Interrupted` once nobody wants it."""
        try:
            self._url = self._wait_until_ready(self.process, given_up)
        except BaseException:
            self.kill()
            raise
        self._port = int(self._url.rsplit(":", 1)[1])
        accounts = load_or_create_accounts(self._home)
        self._accounts = (accounts.owner, accounts.annotator)
        return self

    def let_go(self) -> None:
        """Leave the server to whoever uses it: it is no child any more that is waited for."""
        self.process.returncode = 0  # else Python warns of a child that is still running

    def stop(self) -> None:
        """End the server cleanly, or with SIGKILL when it does not end in time."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server at once with SIGKILL, as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop (if running) and start again on the same home and port."""
        self.stop()
        self.start()

    @property
    def _errors(self) -> Path:
        return self._home.path / "server.err"

    def _spawn(self) -> subprocess.Popen[bytes]:
        arguments = ["--home", str(self._home.path), "--port", str(self._port)]
        # What a server that runs there has said must not be lost.
        with self._errors.open("ab" if is_locked(self._home) else "wb") as errors:
            # Standard output has the new accounts' secrets at first start: never to a file.
            return self._popen(
                [*_COMMAND, *arguments, "--workspace", self.workspace, *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={**_own_environment(), **self._environment},
                start_new_session=self._own_session,
            )

    def _wait_until_ready(
        self, process: subprocess.Popen[bytes], given_up: Callable[[], bool]
    ) -> str:
        """Wait for the server.json of this very process, which it writes once it is healthy."""
        deadline = time.monotonic() + self._ready_within
        while time.monotonic() < deadline:
            info = _read_info(self._home)
            if info.get("pid") == process.pid:
                return str(info["url"])
            if given_up():
                raise Interrupted("a stop was asked for")
            try:
                process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            raise ServerError(
                f"The embedded server ended with code {process.returncode}: {self._last_words()}",
                hint=f"Look at the end of {self._home.log}.",
            )
        raise ServerError(
            f"The embedded server was not ready within {self._ready_within:.0f} s.",
            hint=f"Look at the end of {self._home.log}.",
        )

    def _last_words(self) -> str:
        lines = self._errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return " ".join(lines[-3:]) or "it said nothing."

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def create_annotator(url: str, owner_key: str, username: str, workspace: str) -> Account:
    """Make one more annotator, a member of `workspace`, through the API of the server at `url`.

    `owner_key` is the API key of an owner. Raises ServerError when the server refuses (the name is
    taken, there is no such workspace) or cannot be reached.
    """
    import httpx

    account = new_account(username)
    user = {
        "username": username,
        "first_name": username,
        "password": account.password,
        "role": "annotator",
    }
    try:
        with httpx.Client(
            base_url=f"{url}/api/v1/",
            headers={"X-Argilla-Api-Key": owner_key},
            trust_env=False,
            timeout=30.0,
        ) as client:
            created = _checked(client.post("users", json=user))
            listed = _checked(client.get("me/workspaces"))["items"]
            member = {"user_id": created["id"]}
            _checked(client.post(f"workspaces/{_id_of(listed, workspace)}/users", json=member))
    except httpx.HTTPError as error:
        raise ServerError(f"{url} cannot be reached: {error}.") from error
    return Account(username, account.password, created["api_key"])


def _checked(response: Any) -> Any:
    if response.is_success:
        return response.json()
    raise ServerError(f"Argilla answered {response.status_code}: {response.text[:200]}")


def _id_of(workspaces: list[dict[str, str]], name: str) -> str:
    for workspace in workspaces:
        if workspace["name"] == name:
            return workspace["id"]
    raise ServerError(f"Argilla has no workspace named {name!r}.")


def _read_info(home: ServerHome) -> dict[str, Any]:
    try:
        info = json.loads(home.info.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return info if isinstance(info, dict) else {}


def _own_environment() -> dict[str, str]:
    """This process's environment without what would lead a demo to somebody's real database."""
    theirs = ("LOOPD_DATABASE", "LOOPD_REDIS")
    return {name: value for name, value in os.environ.items() if name not in theirs}


def _not_started() -> ServerError:
    return ServerError("The embedded server has not been started.")
