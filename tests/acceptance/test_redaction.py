"""No secret is in any file, log, report or crash trace but in those that are meant to hold it."""

from __future__ import annotations

import http.server
import json
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import httpx
import pytest

from loopd.storage.run_folder import PAGE_NAME
from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.test_failures import answer_all, collecting, rounds
from tests.daemon import Daemon
from tests.live import LiveArgilla
from tests.servers import FILES

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]

MADE_UP = "recognisable-key-0815"

TOKEN = "recognisable-token-4711"

HEADERS = {"Authorization": "Bearer env:SPACE_TOKEN"}

MEANT_TO = {"accounts.json", "auth_secret", "argilla.db", "argilla.db-wal"}
"""Files of the embedded server's home that hold secrets."""


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def secrets_of(live: LiveArgilla) -> dict[str, str]:
    """Every secret that the server made, by what it is."""
    kept = json.loads((live.server.home / "accounts.json").read_text(encoding="utf-8"))
    found = {"login": (live.server.home / "auth_secret").read_text(encoding="utf-8").strip()}
    for name, account in kept.items():
        found |= {f"{name}'s key": account["api_key"], f"{name}'s password": account["password"]}
    return found | {f"{name}'s key": key for name, key in live.keys.items()}


def leaks(folders: list[Path], secrets: dict[str, str]) -> dict[str, list[str]]:
    """Names of files by the secrets that are in them."""
    contents = {path: path.read_bytes() for folder in folders for path in files(folder)}
    assert contents
    found = {
        what: sorted(path.name for path, content in contents.items() if secret.encode() in content)
        for what, secret in secrets.items()
    }
    return {what: names for what, names in found.items() if names}


def two_rounds(argilla: LiveArgilla, daemon: Daemon) -> tuple[str, dict[str, str]]:
    """A whole run; what ``looked`` saw while its second batch was out."""
    daemon.start()
    people = argilla.people(daemon.dataset)
    daemon.wait(collecting)
    answer_all(daemon, people)
    daemon.wait(rounds(2))
    daemon.wait(collecting)
    seen = looked(argilla, daemon)
    answer_all(daemon, people)
    people.close()
    assert daemon.ended() == 0, daemon.log
    return seen


PAGES = ("", "view", "api/overview", "healthz", "readyz", "metrics")
"""Of the live page."""


def looked(argilla: LiveArgilla, daemon: Daemon) -> tuple[str, dict[str, str]]:
    """All that the live page says, and the secrets of the webhooks that Argilla has."""
    page = (daemon.run_dir / PAGE_NAME).read_text(encoding="utf-8").strip()
    answers = [httpx.get(page + path) for path in PAGES]
    assert [answer.status_code for answer in answers] == [200] * len(PAGES)
    hooks = argilla.webhooks
    assert hooks
    secrets = {f"secret of webhook {place}": hook["secret"] for place, hook in enumerate(hooks)}
    return "".join(answer.text for answer in answers), secrets


@pytest.mark.slow
@pytest.mark.needs(FILES)
def test_a_run_a_wrong_key_and_a_crash(
    argilla: LiveArgilla, make_daemon: MakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = make_daemon(
        argilla,
        log={"level": "debug"},
        stopping={"max_rounds": 2},
        dashboard={"enabled": True},
        argilla={"webhooks": True, "headers": HEADERS},
    )
    monkeypatch.setenv("SPACE_TOKEN", TOKEN)
    pages, hooks = two_rounds(argilla, daemon)
    is_private(daemon.run_dir)
    verbs = [["status"], ["check"], ["report"], ["export", "--no-model"]]
    shown = [daemon.loopd(*verb) for verb in verbs]
    assert [done.returncode for done in shown] == [0] * len(verbs)
    shown.append(_key_from_elsewhere(daemon))
    crashed = _crash(daemon)
    daemon.api_key = MADE_UP
    daemon.settings["argilla"]["dataset"] += "-2"
    daemon.save()
    refused = daemon.loopd("run")
    assert refused.returncode == 20
    printed = "".join(done.stdout + done.stderr for done in [*shown, refused]) + crashed + pages
    (daemon.folder / "printed.txt").write_text(printed, encoding="utf-8")

    secrets = {**secrets_of(argilla), **hooks, "the made-up key": MADE_UP, "the token": TOKEN}
    assert leaks([daemon.folder], secrets) == {}
    held = leaks([argilla.server.home], secrets_of(argilla))
    assert "server.log" in {path.name for path in files(argilla.server.home)}
    assert {"login", "owner's key", "owner's password"} <= set(held)
    assert {name for names in held.values() for name in names} <= MEANT_TO
    assert all(mode(argilla.server.home / name) == 0o600 for name in MEANT_TO)


def _key_from_elsewhere(daemon: Daemon) -> CompletedProcess[str]:
    """What ``loopd check`` prints that has its key from a file, and then from a program."""
    key, settings = daemon.api_key, daemon.settings["argilla"]
    place = daemon.folder.parent / "key"
    place.write_text(key, encoding="utf-8")
    place.chmod(0o600)
    daemon.api_key = ""
    ways = ({"api_key_file": str(place)}, {"api_key_command": ["cat", str(place)]})
    done = []
    for way in ways:
        daemon.settings["argilla"] = {**settings, **way}
        daemon.save()
        done.append(daemon.loopd("check"))
    daemon.settings["argilla"], daemon.api_key = settings, key
    daemon.save()
    assert [each.returncode for each in done] == [0, 0], done
    out, errors = "".join(each.stdout for each in done), "".join(each.stderr for each in done)
    return CompletedProcess([], 0, out, errors)


def _crash(daemon: Daemon) -> str:
    """What a crash in the middle of a request prints, with a traceback."""
    code = (
        "import loopd.annotation.http as http\n"
        "def broken(response, *rest): raise RuntimeError('planted')\n"
        "http._check = broken\n"
        "from loopd.cli import main\n"
        "main()\n"
    )
    printed = ""
    for env in ({}, {"LOOPD_TRACEBACK": "1"}):
        (daemon.folder / "crash.py").write_text(code, encoding="utf-8")
        before = len(daemon.log)
        process = daemon.start([sys.executable, "crash.py", "run"], **env)
        assert process.wait(60) == (1 if env else 70)
        printed += daemon.log[before:]
    assert "unexpected error: RuntimeError: planted" in printed
    assert "Traceback" in printed
    return printed


def is_private(run_dir: Path) -> None:
    """Nobody else may read anything of a run."""
    for name in ("journal.sqlite", "metrics.jsonl", "daemon.lock", "learning_curve.png"):
        assert mode(run_dir / name) == 0o600, name
    folders = [run_dir, *(path for path in run_dir.rglob("*") if path.is_dir())]
    assert len(folders) > 1
    assert {mode(path) for path in folders} == {0o700}


class _Echo(http.server.BaseHTTPRequestHandler):
    """Refuses everything and repeats the key."""

    def do_GET(self) -> None:
        words = self.headers["X-Argilla-Api-Key"], self.headers["Authorization"]
        body = f"what is {words[0]}? And {words[1]}, {words[1].split()[-1]}?".encode()
        self.send_response(418)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def echo() -> Iterator[str]:
    """Address of a server that is none, such as a proxy with a page of its own."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_server_that_repeats_the_key(
    argilla: LiveArgilla, make_daemon: MakeDaemon, echo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPACE_TOKEN", TOKEN)
    daemon = make_daemon(argilla, url=echo, argilla={"headers": HEADERS})
    daemon.api_key = MADE_UP
    done = [daemon.loopd("run"), daemon.loopd("oracle", "--gold", "label")]
    assert [each.returncode for each in done] == [22, 22]
    printed = "".join(each.stdout + each.stderr for each in done)
    assert "what is ***? And ***, ***?" in printed
    assert "recognisable" not in printed
