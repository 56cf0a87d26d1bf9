"""`loopd serve` on a PostgreSQL and a Redis of the tests' own, which end with the tests."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.live import LiveArgilla

READY_SECONDS = 60.0
STOP_SECONDS = 20.0
USER = "loop er"  # has to be escaped in a URL
REQUIRED = os.environ.get("LOOPD_REQUIRE_SERVERS") == "1"
"""Whether a missing program is a failure, as where CI has installed it."""


def start(home: Path) -> LiveArgilla:
    """`loopd serve` on both; they end with the server."""
    with ExitStack() as stack:
        database = stack.enter_context(postgresql()).database()
        redis = stack.enter_context(redis_server())
        environment = {"LOOPD_DATABASE": database, "LOOPD_REDIS": redis.url}
        return LiveArgilla.start(home, environment=environment, after=stack.pop_all().close)


# -- PostgreSQL ------------------------------------------------------------------------------------


@dataclass
class Postgresql:
    """A cluster of its own in a temporary folder; connections over TCP need the password.

    It writes nothing through to the disk: what counts is that it is quick.
    """

    folder: Path
    port: int
    password: str = field(default_factory=lambda: secrets.token_hex(8) + "@/%:?#", repr=False)
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str, **changes: str) -> str:
        """The address with user and password, for `loopd serve`."""
        parts = {"user": USER, "password": self.password, "host": "127.0.0.1", **changes}
        quoted = {name: _quoted(value) for name, value in parts.items()}
        login = f"{quoted['user']}:{quoted['password']}"
        return f"postgresql+asyncpg://{login}@{parts['host']}:{self.port}/{database}"

    def database(self, name: str = "", **options: str) -> str:
        """Make an empty database; returns its address.

        It sorts as Turks do, unless told otherwise: neither by code, nor with `I` as the capital
        of `i`. What comes out of a search must not depend on it.
        """
        name = name or f"argilla_{secrets.token_hex(4)}"
        turkish = {"locale_provider": "icu", "icu_locale": "'tr-TR'"}
        settings = {"encoding": "'UTF8'", "template": "template0", **(options or turkish)}
        words = " ".join(f"{key.upper()} {value}" for key, value in settings.items())
        self.sql(f'CREATE DATABASE "{name}" {words}')
        return self.url(name)

    def sql(self, command: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one command as the superuser; returns the rows, if there are any."""
        import psycopg2

        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=USER, password=self.password, dbname=database
        )
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(command)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def init(self) -> None:
        """Make the cluster's files."""
        password = self.folder / "password"
        password.write_text(self.password)
        account = _account()
        if account is not None:
            for path in (self.folder, password):
                shutil.chown(path, *account)
        options = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        command = [_program("initdb"), *options, f"--username={USER}", f"--pwfile={password}"]
        done = subprocess.run(
            [*_as_account(), *command, "-D", str(self.folder / "data")],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "max_connections": "150",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [_program("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*_as_account(), *command, *words], stdout=log, stderr=log, cwd=self.folder
            )
        _until(self._answers, self.process, self.folder / "log")

    def _answers(self) -> bool:
        import psycopg2

        try:
            self.sql("SELECT 1")
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it; by default at once and cleanly (PostgreSQL's "fast" mode)."""
        _end(self.process, how)


@contextmanager
def postgresql() -> Iterator[Postgresql]:
    """A running cluster; skips the test where PostgreSQL is not installed."""
    need_programs()
    folder = Path(tempfile.mkdtemp(prefix="loopd-pg-", dir="/tmp"))
    cluster = Postgresql(folder, free_port())
    try:
        cluster.init()
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _account() -> tuple[str, str] | None:
    """User and group to run it as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam("postgres")
    return user.pw_name, "postgres"


def _as_account() -> list[str]:
    """The words before a command that is to run as that account, and to end with the tests."""
    account = _account()
    ids = [] if account is None else [f"--reuid={account[0]}", f"--regid={account[1]}"]
    groups = [] if account is None else ["--clear-groups"]
    return ["setpriv", *ids, *groups, "--pdeathsig=INT", "--"]


def _program(name: str) -> str:
    program = _found(name)
    assert program is not None
    return program


def _found(name: str) -> str | None:
    """The program on the PATH, or the newest where Debian keeps them."""
    on_path = shutil.which(name)
    if on_path is not None:
        return on_path
    kept = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    return max((str(path) for path in kept), key=_version, default=None)


def _version(path: str) -> int:
    return int(Path(path).parents[1].name.split(".")[0])


# -- Redis -----------------------------------------------------------------------------------------


@dataclass
class Redis:
    """A `redis-server` that keeps nothing and wants a password."""

    folder: Path
    port: int
    password: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = ["redis-server", "-"]
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "save": '""',
            "appendonly": "no",
            "requirepass": self.password,
            "dir": str(self.folder),
        }
        lines = "\n".join(f"{name} {value}" for name, value in settings.items())
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig=TERM", "--", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        assert self.process.stdin is not None
        self.process.stdin.write(lines.encode())
        self.process.stdin.close()
        _until(self._answers, self.process, self.folder / "log")

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        _end(self.process, signal.SIGTERM)


@contextmanager
def redis_server() -> Iterator[Redis]:
    """A running Redis; skips the test where it is not installed."""
    need_programs()
    with tempfile.TemporaryDirectory(prefix="loopd-redis-", dir="/tmp") as folder:
        redis = Redis(Path(folder), free_port())
        try:
            redis.start()
            yield redis
        finally:
            redis.stop()


# -- both ------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def need_programs() -> None:
    """Skip the test where they are not installed, or fail it where CI has installed them."""
    for program in ("initdb", "postgres"):
        _need(_found(program), "PostgreSQL")
    _need(shutil.which("redis-server"), "redis-server")


def _need(program: str | None, name: str) -> None:
    if program is None:
        assert not REQUIRED, f"{name} is not installed, and LOOPD_REQUIRE_SERVERS=1"
        pytest.skip(f"{name} is not installed")


def _until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready():
        ended = process.poll() is not None
        assert not ended, log.read_text(errors="replace")[-2000:]
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-2000:]
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes] | None, how: signal.Signals) -> None:
    if process is None or process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _quoted(text: str) -> str:
    return quote(text, safe="")
