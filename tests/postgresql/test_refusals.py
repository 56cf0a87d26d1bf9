"""Databases and Redises that are no use: one line, a hint, and the password nowhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loopd.embedded_argilla import ServerOptions, serve
from loopd.embedded_argilla.addresses import database_address, redis_address
from loopd.embedded_argilla.postgresql import check_database
from loopd.embedded_argilla.redis_check import check_redis
from loopd.errors import ServerError
from tests.servers.postgresql import Postgresql, Redis, free_port

pytestmark = pytest.mark.integration


@contextmanager
def environment_of(url: str) -> Iterator[str]:
    """The variables that the address says; yields how it is shown."""
    address = database_address(url)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PG")]:
            patch.delenv(name)
        for name, value in address.environment:
            patch.setenv(name, value)
        yield address.shown


def refusal_of(cluster: Postgresql, url: str) -> ServerError:
    with environment_of(url) as shown, pytest.raises(ServerError) as refusal:
        check_database(shown)
    words = f"{refusal.value.message} {refusal.value.hint}"
    assert "\n" not in words
    assert cluster.password not in words
    assert url not in words
    assert refusal.value.hint
    return refusal.value


def test_a_good_one_is_taken(cluster: Postgresql) -> None:
    with environment_of(cluster.database()) as shown:
        check_database(shown)


def test_nobody_listens(cluster: Postgresql) -> None:
    url = cluster.url("argilla").replace(f":{cluster.port}/", f":{free_port()}/")
    assert "cannot be reached" in refusal_of(cluster, url).message


def test_a_host_that_does_not_exist(cluster: Postgresql) -> None:
    url = cluster.url("argilla", host="nowhere.invalid")
    assert "cannot be reached" in refusal_of(cluster, url).message


def test_wrong_password(cluster: Postgresql) -> None:
    error = refusal_of(cluster, cluster.url("postgres", password="another"))
    assert "refuses the login" in error.message
    assert "password" in error.hint


def test_no_such_user(cluster: Postgresql) -> None:
    assert "refuses the login" in refusal_of(cluster, cluster.url("postgres", user="eve")).message


def test_no_such_database(cluster: Postgresql) -> None:
    error = refusal_of(cluster, cluster.url("no_such"))
    assert "no database of that name" in error.message
    assert "createdb" in error.hint


def test_tls_that_the_server_does_not_speak(cluster: Postgresql) -> None:
    error = refusal_of(cluster, cluster.url("postgres") + "?sslmode=require")
    assert "SSL" in error.message


def test_a_database_that_cannot_hold_every_character(cluster: Postgresql) -> None:
    url = cluster.database(encoding="'LATIN1'", lc_collate="'C'", lc_ctype="'C'")
    assert "LATIN1" in refusal_of(cluster, url).message


def test_a_user_who_may_make_no_tables(cluster: Postgresql) -> None:
    url = cluster.database("guarded")
    cluster.sql("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    guest = url.replace(cluster.url("").rsplit("@", 1)[0], "postgresql+asyncpg://guest:guest")
    assert "may not make tables" in refusal_of(cluster, guest).message


def test_a_database_without_connections_left(cluster: Postgresql) -> None:
    url = cluster.database("crowded")
    cluster.sql("CREATE ROLE late LOGIN PASSWORD 'late' CONNECTION LIMIT 0")
    late = url.replace(cluster.url("").rsplit("@", 1)[0], "postgresql+asyncpg://late:late")
    assert "no connection left" in refusal_of(cluster, late).message


def test_a_server_that_is_paused_is_given_up(
    cluster: Postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopd.embedded_argilla.postgresql._CONNECT_SECONDS", 0.5)
    url = cluster.database()
    assert cluster.process is not None
    cluster.process.send_signal(signal.SIGSTOP)
    try:
        assert "no answer in time" in refusal_of(cluster, url).message
    finally:
        cluster.process.send_signal(signal.SIGCONT)


def test_drivers_that_are_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopd.embedded_argilla.postgresql._NEEDED", ("asyncpg", "not_there"))
    options = ServerOptions(tmp_path, database=database_address("postgresql://h/d"))
    with pytest.raises(ServerError, match="needs not_there") as refusal:
        serve(options, lambda info: None)
    assert "argilla-loopd[postgresql]" in refusal.value.hint


# -- Redis -----------------------------------------------------------------------------------------


def redis_refusal(url: str, secret: str) -> ServerError:
    with pytest.raises(ServerError) as refusal:
        check_redis(redis_address(url))
    words = f"{refusal.value.message} {refusal.value.hint}"
    assert secret not in words
    assert refusal.value.hint
    return refusal.value


def test_a_good_redis_is_taken(redis: Redis) -> None:
    check_redis(redis_address(redis.url))


def test_redis_that_is_down() -> None:
    error = redis_refusal(f"redis://:sesame@127.0.0.1:{free_port()}/0", "sesame")
    assert "cannot be reached" in error.message


@pytest.mark.parametrize("login", [":wrong-one@", ""])
def test_redis_with_a_wrong_password_or_none(redis: Redis, login: str) -> None:
    error = redis_refusal(f"redis://{login}127.0.0.1:{redis.port}/0", "wrong-one")
    assert "refuses the login" in error.message


def test_redis_with_a_database_that_it_does_not_have(redis: Redis) -> None:
    error = redis_refusal(redis.url.replace("/0", "/9999"), redis.password)
    assert "refuses the login or the command" in error.message


# -- the command -----------------------------------------------------------------------------------


def refused(home: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Code and words of a `loopd serve` that ends by itself."""
    command = [sys.executable, "-m", "loopd", "serve", "--home", str(home), "--port", "0"]
    done = subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_the_command_says_it_in_two_lines_and_keeps_no_password(
    cluster: Postgresql, tmp_path: Path
) -> None:
    home, wrong = tmp_path / "home", "another-secret"
    code, said = refused(home, LOOPD_DATABASE=cluster.url("postgres", password=wrong))
    assert code == ServerError.exit_code
    assert [line.split(":")[0].strip() for line in said.splitlines()] == ["loopd", "hint"]
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert wrong not in said
    assert wrong.encode() not in kept
    assert not (home / "database").exists(), "a home keeps only an address that has worked"


def test_a_password_in_the_command_line_is_warned_of(tmp_path: Path) -> None:
    url = f"postgresql://ann:sesame@127.0.0.1:{free_port()}/d"
    _, said = refused(tmp_path / "home", "--database", url)
    assert "WARNING" in said
    assert "sesame" not in said
    kept = tmp_path / "url"
    kept.write_text(url + "\n")
    _, said = refused(tmp_path / "home", "--database", f"file:{kept}")
    assert "WARNING" not in said
    assert "cannot be reached" in said


def test_a_forgotten_database_does_not_start_an_empty_argilla(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "database").write_text("postgresql://ann@db/argilla\n")
    code, said = refused(home)
    assert code == ServerError.exit_code
    assert "postgresql://ann@db/argilla" in said
    assert "--database" in said
