"""Two servers on one database and one Redis: a run, jobs and logins do not mind which answers."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from loopd.embedded_argilla import EmbeddedServer, create_annotator
from loopd.embedded_argilla.accounts import load_or_create_accounts, load_or_create_auth_secret
from loopd.embedded_argilla.home import open_home
from loopd.embedded_argilla.worker import is_my_turn
from loopd.errors import ServerError
from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.conftest import make_daemon as make_daemon  # noqa: PLC0414 - a fixture
from tests.crash.test_crash import SETTINGS, in_argilla, slow_people
from tests.daemon import COMMAND
from tests.integration.conftest import Api, item
from tests.live import NAMES, LiveArgilla
from tests.servers.postgresql import Postgresql, Redis

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1800)]

SECRETS = ("accounts.json", "auth_secret")
DEADLINE = 300.0


def server(home: Path, database: str, redis: Redis | None, *arguments: str) -> EmbeddedServer:
    environment = {"LOOPD_DATABASE": database}
    if redis is not None:
        environment["LOOPD_REDIS"] = redis.url
    return EmbeddedServer(home, ready_within=600, environment=environment, arguments=arguments)


@pytest.fixture(scope="module")
def database(cluster: Postgresql) -> str:
    return cluster.database()


@pytest.fixture(scope="module")
def replicas(
    database: str, redis: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LiveArgilla, LiveArgilla]]:
    """Both started at the same moment on an empty database, with the same secrets."""
    folder = tmp_path_factory.mktemp("replicas")
    homes = [open_home(folder / name) for name in ("first", "second")]
    load_or_create_accounts(homes[0])
    load_or_create_auth_secret(homes[0])
    for name in SECRETS:
        shutil.copy(homes[0].path / name, homes[1].path / name)
    servers = [server(home.path, database, redis) for home in homes]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(EmbeddedServer.start, servers))
    first = with_people(LiveArgilla(servers[0]))
    yield first, LiveArgilla(servers[1], keys=first.keys)
    for each in servers:
        each.stop()


def with_people(live: LiveArgilla) -> LiveArgilla:
    for name in NAMES:
        account = create_annotator(live.url, live.owner_key, name, live.server.workspace)
        live.keys[name] = account.api_key
    return live


def wait_for(condition: Callable[[], bool], seconds: float = DEADLINE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the deadline has passed"
        time.sleep(0.05)


def test_both_make_one_argilla(
    replicas: tuple[LiveArgilla, LiveArgilla], cluster: Postgresql, database: str
) -> None:
    name = database.rsplit("/", 1)[1]
    assert len(cluster.sql("SELECT * FROM alembic_version", name)) == 1
    assert sorted(cluster.sql("SELECT username FROM users", name)) == [
        ("ann",), ("annotator",), ("bob",), ("cyd",), ("owner",)
    ]  # fmt: skip
    assert cluster.sql("SELECT count(*) FROM workspaces", name) == [(1,)]


def test_who_logs_in_at_one_is_known_to_the_other(
    replicas: tuple[LiveArgilla, LiveArgilla],
) -> None:
    first, second = replicas
    login = {"username": "annotator", "password": first.server.annotator.password}
    token = httpx.post(f"{first.url}/api/v1/token", data=login, trust_env=False).json()
    bearer = {"Authorization": f"Bearer {token['access_token']}"}
    me = httpx.get(f"{second.url}/api/v1/me", headers=bearer, trust_env=False)
    assert me.json()["username"] == "annotator"


def test_the_passwords_are_in_no_file_and_no_list_of_processes(
    replicas: tuple[LiveArgilla, LiveArgilla], cluster: Postgresql, redis: Redis
) -> None:
    listed = subprocess.run(["ps", "-A", "-o", "args="], capture_output=True, check=True).stdout
    homes = [live.server.home for live in replicas]
    kept = [path.read_bytes() for home in homes for path in home.rglob("*") if path.is_file()]
    for password in (cluster.password, quote(cluster.password, safe=""), redis.password):
        assert not [content for content in (listed, *kept) if password.encode() in content]


def test_what_one_writes_the_other_finds_at_once(replicas: tuple[LiveArgilla, LiveArgilla]) -> None:
    apis = [Api(live) for live in replicas]
    made = apis[0].dataset(kind="terms")
    path = f"me/datasets/{made.id}/records/search"
    terms = {"type": "terms", "scope": {"entity": "metadata", "metadata_property": "kind"}}
    for number in range(20):
        writer, reader = apis[number % 2], apis[1 - number % 2]
        kind = f"k{number}"
        writer.upsert(made, item(f"r{number}", metadata={"kind": kind}))
        query = {"filters": {"and": [{**terms, "values": [kind]}]}}
        found = reader.call("POST", path, query)
        assert [each["record"]["external_id"] for each in found["items"]] == [f"r{number}"]
    for api in apis:
        api.close()


def test_a_run_at_one_and_people_at_the_other(
    replicas: tuple[LiveArgilla, LiveArgilla], cluster: Postgresql, make_daemon: MakeDaemon
) -> None:
    """One replica is killed in the middle, later the database: nothing is lost or doubled."""
    first, second = replicas
    daemon = make_daemon(first, **SETTINGS)
    with closing(second.people(daemon.dataset)) as people, slow_people(people, seed=3):
        daemon.start(COMMAND)
        daemon.wait(lambda state: len(state.batches) >= 2, DEADLINE)
        first.server.kill()
        daemon.wait_log("waiting_for_argilla", DEADLINE)
        first.server.start()
        daemon.wait(lambda state: len(state.batches) >= 3, DEADLINE)
        cluster.stop(signal.SIGQUIT)
        time.sleep(2)
        cluster.start()
        assert daemon.ended(900) == 0, daemon.log[-3000:]
    assert daemon.state.stopped is not None
    assert daemon.state.stopped.reason == "max_rounds"
    with closing(second.people(daemon.dataset)) as people:
        records = in_argilla(people)
    assert len(records) == sum(len(batch.items) for batch in daemon.state.batches)
    assert set(records.values()) == {1}
    assert {answers for _, _, answers in records} == {1}


class Hooked:
    """Takes Argilla's webhooks; the first try of `stubborn` answers is refused."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.stubborn: set[str] = set()

    @contextmanager
    def listening(self) -> Iterator[str]:
        hooked = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(hooked.take(json.loads(body)))
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        with HTTPServer(("127.0.0.1", 0), Handler) as listener:
            threading.Thread(target=listener.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{listener.server_port}/"
            listener.shutdown()

    def take(self, message: dict[str, Any]) -> int:
        answer = str(message["data"]["values"]["label"]["value"]) + message["data"]["record"]["id"]
        self.seen[answer] += 1
        refused = message["data"]["record"]["id"] in self.stubborn and self.seen[answer] == 1
        return 500 if refused else 200


def test_each_job_is_done_once_and_outlives_its_server(
    replicas: tuple[LiveArgilla, LiveArgilla],
) -> None:
    """A webhook for each answer; one that failed is tried again by the server that is left."""
    second = replicas[1]
    apis, hooked = [Api(live) for live in replicas], Hooked()
    made = apis[0].dataset()
    apis[0].upsert(made, *(item(f"r{number}") for number in range(20)))
    hooked.stubborn = {made.records["r19"]}
    with hooked.listening() as url:
        body = {"url": url, "events": ["response.created"], "description": "once"}
        hook = apis[0].call("POST", "webhooks", body)
        for number in range(20):
            apis[number % 2].answer(made, f"r{number}")
        wait_for(lambda: len(hooked.seen) == 20)
        time.sleep(1)  # the job that has failed is put by for ten seconds
        second.server.kill()
        wait_for(lambda: hooked.seen.total() == 21)
        time.sleep(3)
        tries = Counter(hooked.seen.values())
        apis[0].call("DELETE", f"webhooks/{hook['id']}")
    second.server.start()
    for api in apis:
        api.close()
    assert tries == {1: 19, 2: 1}


def test_only_one_worker_moves_what_is_due(redis: Redis) -> None:
    import redis as client

    with client.Redis.from_url(redis.url.replace("/0", "/5")) as connection:
        turns = [is_my_turn(connection, name) for name in "aabab"]
        assert turns == [True, True, False, True, False]
        connection.delete("loopd:scheduler")
        assert is_my_turn(connection, "b")
        assert 0 < connection.ttl("loopd:scheduler") <= 10


def test_a_home_without_secrets_does_not_take_over_accounts(
    replicas: tuple[LiveArgilla, LiveArgilla], database: str, tmp_path: Path
) -> None:
    first, _ = replicas
    home = tmp_path / "third"
    with pytest.raises(ServerError, match="has the account 'owner' already") as refusal:
        server(home, database, None).start()
    assert "--new-secrets" in str(refusal.value)
    assert not (home / "accounts.json").exists()
    headers = {"X-Argilla-Api-Key": first.owner_key}
    assert httpx.get(f"{first.url}/api/v1/me", headers=headers, trust_env=False).is_success


def test_a_home_with_other_secrets_is_refused_at_every_start(
    cluster: Postgresql, replicas: tuple[LiveArgilla, LiveArgilla], database: str, tmp_path: Path
) -> None:
    """One that has worked on another database, and may have worked on this one before."""
    first, _ = replicas
    home = tmp_path / "fourth"
    with server(home, cluster.database(), None):
        before = (home / "accounts.json").read_bytes()
    for _ in range(2):
        with pytest.raises(ServerError, match="has an account 'owner' with another key") as refusal:
            server(home, database, None).start()
        assert "--new-secrets" in str(refusal.value)
    assert (home / "accounts.json").read_bytes() == before
    headers = {"X-Argilla-Api-Key": first.owner_key}
    assert httpx.get(f"{first.url}/api/v1/me", headers=headers, trust_env=False).is_success


def test_new_secrets_where_that_is_said(cluster: Postgresql, tmp_path: Path) -> None:
    """Without Redis of its own, and with a worker that does several jobs one after the other."""
    database = cluster.database()
    with server(tmp_path / "lost", database, None) as lost:
        before = lost.owner
    with server(tmp_path / "new", database, None, "--new-secrets") as new:
        headers = {"X-Argilla-Api-Key": before.api_key}
        assert httpx.get(f"{new.url}/api/v1/me", headers=headers, trust_env=False).is_error
        live = with_people(LiveArgilla(new))
        api = Api(live)
        made = api.dataset(min_submitted=2)
        api.upsert(made, item("r0"), item("r1"))
        api.answer(made, "r0")
        for needed, status in ((1, "completed"), (2, "pending"), (1, "completed")):
            distribution = {"strategy": "overlap", "min_submitted": needed}
            api.call("PATCH", f"datasets/{made.id}", {"distribution": distribution})
            wait_for(lambda: api.record(made, "r0")["status"] == status)  # noqa: B023
        api.close()


def test_a_server_killed_while_it_makes_the_tables_starts_again(
    cluster: Postgresql, tmp_path: Path
) -> None:
    """At several moments: the tables are there wholly or not at all."""
    database = cluster.database()
    name, home = database.rsplit("/", 1)[1], tmp_path / "home"
    tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    counts = set()
    for wait in (0.0, 0.3):
        starting = server(home, database, None)
        starter = threading.Thread(target=_start_quietly, args=(starting,))
        starter.start()
        try:
            wait_for(lambda: cluster.sql(waiting) != [(0,)])
            time.sleep(wait)
        finally:
            starting.kill()
        starter.join()
        wait_for(lambda: cluster.sql(waiting) == [(0,)])
        counts.add(cluster.sql(tables, name)[0])
    with server(home, database, None) as whole:
        assert httpx.get(f"{whole.url}/api/v1/version", trust_env=False).is_success
        headers = {"X-Argilla-Api-Key": whole.owner.api_key}
        assert httpx.get(f"{whole.url}/api/v1/me", headers=headers, trust_env=False).is_success
        assert counts <= {(0,), cluster.sql(tables, name)[0]}


def _start_quietly(starting: EmbeddedServer) -> None:
    try:
        starting.start()
    except ServerError:
        return
