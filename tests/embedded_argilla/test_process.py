"""`loopd serve` as a process: first start, restart, crash, refusals, signals, jobs, shut doors."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from loopd.embedded_argilla import (
    Account,
    EmbeddedServer,
    ServerInfo,
    ServerOptions,
    create_annotator,
    serve,
)
from loopd.embedded_argilla.accounts import load_or_create_accounts
from loopd.embedded_argilla.home import ServerHome
from loopd.embedded_argilla.jobs import running_redis
from loopd.errors import ServerError
from tests.embedded_argilla.conftest import Api

pytestmark = pytest.mark.integration

COMMAND = [sys.executable, "-m", "loopd", "serve"]


def children_of(pid: int) -> list[int]:
    found = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    pairs = [line.split() for line in found.stdout.splitlines()]
    return [int(child) for child, parent in pairs if int(parent) == pid]


def is_running(pid: int) -> bool:
    found = subprocess.run(
        ["ps", "-p", str(pid), "-o", "stat="], capture_output=True, text=True, check=False
    )
    return found.stdout.strip()[:1] not in ("", "Z")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_home_is_closed_to_others(server: EmbeddedServer) -> None:
    assert mode_of(server.home) == 0o700
    assert mode_of(server.home / "tmp") == 0o700
    for name in ("accounts.json", "auth_secret", "argilla.db", "server.json"):
        assert mode_of(server.home / name) == 0o600, name


def test_secrets_are_random_and_in_no_log(server: EmbeddedServer) -> None:
    accounts = json.loads((server.home / "accounts.json").read_text())
    secrets = [accounts[who][what] for who in accounts for what in ("password", "api_key")]
    secrets.append((server.home / "auth_secret").read_text().strip())
    assert len(set(secrets)) == 5
    assert min(len(secret) for secret in secrets) >= 16
    logs = "".join((server.home / name).read_text() for name in ("server.log", "server.err"))
    assert not [secret for secret in secrets if secret in logs]
    assert repr(server.owner) == "Account(username='owner')"


def test_server_json_names_the_process(server: EmbeddedServer) -> None:
    info = json.loads((server.home / "server.json").read_text())
    assert info == {"url": server.url, "pid": server.process.pid}


def test_accounts_and_workspace(server: EmbeddedServer, owner: Api, annotator: Api) -> None:
    assert owner.get("me")["role"] == "owner"
    assert annotator.get("me")["role"] == "annotator"
    for api in (owner, annotator):
        spaces = [each["name"] for each in api.get("me/workspaces")["items"]]
        assert server.workspace in spaces  # other tests may have made more
    login = {"username": "annotator", "password": server.annotator.password}
    assert owner.client.post("token", data=login).status_code == 201


def test_no_well_known_login(server: EmbeddedServer, owner: Api) -> None:
    assert {user["username"] for user in owner.get("users")["items"]} >= {"owner", "annotator"}
    assert "argilla" not in {user["username"] for user in owner.get("users")["items"]}
    for key in ("argilla.apikey", "owner.apikey", "admin.apikey", ""):
        with httpx.Client(trust_env=False, headers={"X-Argilla-Api-Key": key}) as client:
            assert client.get(f"{server.url}/api/v1/me").status_code == 401
    login = {"username": "argilla", "password": "1234"}
    assert owner.client.post("token", data=login).status_code == 401


def test_other_web_pages_are_kept_out(server: EmbeddedServer) -> None:
    """A page of another origin may not read answers: no CORS header, no preflight granted."""
    foreign = {"Origin": "https://example.com"}
    preflight = foreign | {
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "x-argilla-api-key",
    }
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        for answer in (
            client.get("/api/v1/version", headers=foreign),
            client.options("/api/v1/me", headers=preflight),
        ):
            assert "access-control-allow-origin" not in answer.headers
        assert not client.options("/api/v1/me", headers=preflight).is_success


def test_user_interface_is_served(server: EmbeddedServer) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        page = client.get("/")
    assert page.status_code == 200
    assert "<html" in page.text


def test_database_settings(server: EmbeddedServer) -> None:
    with closing(sqlite3.connect(server.home / "argilla.db")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_status_names_the_engine(owner: Api) -> None:
    assert owner.get("status")["search_engine"]["name"] == "loopd"


def test_changed_min_submitted_recomputes_statuses(
    owner: Api, annotator: Api, label_question: dict[str, Any], until: Callable[..., None]
) -> None:
    """The background job really runs, in both directions."""
    dataset = owner.create_dataset({"text": "text"}, {"label": label_question}, min_submitted=2)
    dataset.log({"id": "1", "fields": {"text": "one"}}, {"id": "2", "fields": {"text": "two"}})

    annotator.respond(dataset, "1", label="card")

    def completed() -> int:
        return int(owner.get(f"datasets/{dataset.id}/progress")["completed"])

    def set_min_submitted(number: int) -> None:
        distribution = {"strategy": "overlap", "min_submitted": number}
        owner.ok("PATCH", f"datasets/{dataset.id}", {"distribution": distribution})

    assert completed() == 0
    set_min_submitted(1)
    until(lambda: completed() == 1)
    set_min_submitted(2)
    until(lambda: completed() == 0)


def test_create_annotator(server: EmbeddedServer, owner: Api) -> None:
    name = f"ann-{uuid.uuid4().hex[:8]}"
    made = create_annotator(server.url, server.owner.api_key, name, server.workspace)
    with httpx.Client(trust_env=False, headers={"X-Argilla-Api-Key": made.api_key}) as client:
        me = client.get(f"{server.url}/api/v1/me").json()
        spaces = client.get(f"{server.url}/api/v1/me/workspaces").json()["items"]
    assert (me["username"], me["role"]) == (name, "annotator")
    assert [space["name"] for space in spaces] == [server.workspace]
    with pytest.raises(ServerError, match="not unique"):
        create_annotator(server.url, server.owner.api_key, name, server.workspace)
    with pytest.raises(ServerError, match="no workspace named 'nowhere'"):
        create_annotator(server.url, server.owner.api_key, name + "x", "nowhere")


@pytest.mark.slow
def test_many_answers_at_once(
    server: EmbeddedServer, owner: Api, annotator: Api, label_question: dict[str, Any]
) -> None:
    """100 people press submit in the same moment, while others search."""
    dataset = owner.create_dataset({"text": "text"}, {"label": label_question})
    dataset.log(*({"id": str(n), "fields": {"text": f"text {n}"}} for n in range(100)))
    answer = {"status": "submitted", "values": {"label": {"value": "card"}}}
    search = f"me/datasets/{dataset.id}/records/search"

    async def press_all() -> list[int]:
        async with httpx.AsyncClient(
            base_url=f"{server.url}/api/v1/",
            headers={"X-Argilla-Api-Key": annotator.account.api_key},
            limits=httpx.Limits(max_connections=200),
            timeout=60.0,
            trust_env=False,
        ) as client:
            requests = [
                client.post(f"records/{id_}/responses", json=answer)
                for id_ in dataset.records.values()
            ] + [client.post(search, json={"query": {"text": {"q": "text"}}}) for _ in range(20)]
            return [answer.status_code for answer in await asyncio.gather(*requests)]

    statuses = asyncio.run(press_all())
    assert statuses == [201] * 100 + [200] * 20
    assert owner.get(f"datasets/{dataset.id}/progress")["completed"] == 100


# Refusals, each within the second that it takes to find out


def refused(*arguments: str, env: dict[str, str] | None = None) -> str:
    ended = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(env or {})},
    )
    assert ended.returncode == ServerError.exit_code, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "hint: " in ended.stderr
    return ended.stderr


def test_port_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = refused("--home", str(tmp_path / "home"), "--port", str(port))
    assert f"Port {port} on 127.0.0.1 is taken" in said
    assert not (tmp_path / "home").exists()


def test_second_server_on_one_home(server: EmbeddedServer) -> None:
    assert "Another server is running" in refused("--home", str(server.home), "--port", "0")
    assert (server.home / "server.json").exists()


def test_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refused("--home", str(tmp_path / "file" / "home"), "--port", "0")
    assert "cannot be written" in said


def test_home_with_a_bad_name(tmp_path: Path) -> None:
    assert "'%'" in refused("--home", str(tmp_path / "100%"), "--port", "0")


def test_remote_access_is_warned_of() -> None:
    account = Account("owner", "secret", "key")
    info = ServerInfo(
        url="http://192.0.2.1:6900",
        first_start=False,
        owner=account,
        annotator=account,
        workspace="loopd",
        accounts_file=Path("accounts.json"),
        remote=True,
    )
    assert "OTHER MACHINES CAN REACH" in info.lines()[-1]
    assert "secret" not in "".join(info.lines())


def test_host_that_others_can_reach(tmp_path: Path) -> None:
    said = refused("--home", str(tmp_path), "--host", "0.0.0.0", "--port", "0")  # noqa: S104
    assert "other machines" in said


def test_extra_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopd.embedded_argilla.process._NEEDED", ("argilla_server", "not_there"))
    with pytest.raises(ServerError, match="needs not_there") as refusal:
        serve(ServerOptions(tmp_path), lambda info: None)
    assert "argilla-loopd[server]" in refusal.value.hint


def test_broken_accounts_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "accounts.json").write_text('{"owner": {}}')
    assert "accounts.json cannot be read" in refused("--home", str(home), "--port", "0")


def test_a_database_whose_users_another_home_has_made(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    home = ServerHome(tmp_path)
    with (
        closing(sqlite3.connect(server.home / "argilla.db")) as theirs,
        closing(sqlite3.connect(home.database)) as ours,
    ):
        theirs.backup(ours)
    load_or_create_accounts(home)
    kept = home.accounts.read_bytes()
    said = refused("--home", str(tmp_path), "--port", "0")
    assert "has an account 'owner' with another key than" in said
    assert "move accounts.json away and start again" in said
    assert home.accounts.read_bytes() == kept


def test_server_that_ends_before_it_is_ready(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    with pytest.raises((ServerError, OSError)):
        EmbeddedServer(tmp_path / "home").start()


# One life of a server of its own: each start costs seconds, so it is one story


def test_restarts_and_crashes(
    tmp_path: Path, label_question: dict[str, Any], until: Callable[..., None]
) -> None:
    """Everything is kept over a clean stop and over SIGKILL, and nothing is left running."""
    from tests.embedded_argilla.conftest import api_for

    home = tmp_path / ("too-long-for-a-socket-" * 5)
    home.mkdir()
    half_made = sqlite3.connect(home / "argilla.db")  # As a first start killed midway leaves it.
    half_made.execute("CREATE TABLE users (id INTEGER)")
    half_made.close()
    with EmbeddedServer(home) as server:
        first = (server.url, server.owner, server.annotator)
        login = {"username": "annotator", "password": server.annotator.password}
        token = httpx.post(f"{server.url}/api/v1/token", data=login, trust_env=False).json()
        with api_for(server.url, server.owner) as owner:
            dataset = owner.create_dataset({"text": "text"}, {"label": label_question})
            dataset.log({"id": "1", "fields": {"text": "kept"}})
        until(lambda: bool(children_of(server.process.pid)))
        workers = children_of(server.process.pid)
        server.stop()
        assert server.process.returncode == 0
        assert not (home / "server.json").exists()
        assert not list((home / "tmp").iterdir())
        assert not [worker for worker in workers if is_running(worker)]

        server.restart()
        assert (server.url, server.owner, server.annotator) == first
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        me = httpx.get(f"{server.url}/api/v1/me", headers=bearer, trust_env=False)
        assert me.status_code == 200, "a restart must not log people out"

        workers = children_of(server.process.pid)
        with api_for(server.url, server.annotator) as annotator:
            annotator.respond(dataset, "1", label="card")
        server.kill()
        assert server.process.returncode == -signal.SIGKILL
        until(lambda: not any(is_running(worker) for worker in workers))

        server.start()
        with api_for(server.url, server.owner) as owner:
            progress = owner.get(f"datasets/{dataset.id}/progress")
            assert (progress["total"], progress["completed"]) == (1, 1)
            answer = owner.get(f"datasets/{dataset.id}/records?include=responses")["items"][0]
            assert answer["responses"][0]["values"] == {"label": {"value": "card"}}
            assert owner.client.base_url.port == server.port
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(30) == 0


def test_stop_while_starting(tmp_path: Path, until: Callable[..., None]) -> None:
    """A signal before the server is up ends it as cleanly; a stray variable does not matter."""
    home = tmp_path / "home"
    stray = {"ARGILLA_DATABASE_URL": "postgresql://nowhere/none", "ARGILLA_BASE_URL": "/x"}
    with subprocess.Popen(
        [*COMMAND, "--home", str(home), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **stray},
    ) as process:
        until((home / "auth_secret").exists)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, b"", b"")


def test_a_worker_that_dies_is_replaced(tmp_path: Path, until: Callable[..., None]) -> None:
    with EmbeddedServer(tmp_path / "home") as server:
        until(lambda: bool(children_of(server.process.pid)))
        (before,) = children_of(server.process.pid)
        os.kill(before, signal.SIGKILL)
        until(lambda: set(children_of(server.process.pid)) - {before} != set())
        (after,) = set(children_of(server.process.pid)) - {before}
    until(lambda: not is_running(after))


def test_a_connection_outlives_an_error_as_on_a_real_redis(tmp_path: Path) -> None:
    """RQ sends a command that the stand-in does not know, and then goes on."""
    import redis

    home = ServerHome(tmp_path)
    home.temporary.mkdir(parents=True, exist_ok=True)
    with running_redis(home) as url, redis.Redis.from_url(url, single_connection_client=True) as db:
        for _ in range(50):
            with pytest.raises(redis.ResponseError):
                db.execute_command("NOSUCHCOMMAND")
            assert db.ping()
