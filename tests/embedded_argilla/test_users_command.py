"""`loopd users` and `loopd serve --annotators`: made, shown once, renewed, removed."""

from __future__ import annotations

import json
import re
import secrets
import stat
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from click.testing import CliRunner, Result

from loopd.cli import main
from loopd.embedded_argilla import EmbeddedServer
from loopd.embedded_argilla.options import names_in
from loopd.errors import ConfigError
from tests.embedded_argilla.conftest import Api
from tests.live import LiveArgilla

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def key_file(argilla: LiveArgilla, tmp_path: Path) -> str:
    path = tmp_path / "key"
    path.write_text(argilla.owner_key)
    path.chmod(0o600)
    return f"file:{path}"


class RunUsers(Protocol):
    """Run ``loopd users COMMAND`` and hold its exit code."""

    def __call__(self, command: str, *arguments: str, code: int = ..., **other: str) -> Result: ...


@pytest.fixture
def users(argilla: LiveArgilla, key_file: str) -> RunUsers:
    def run(command: str, *arguments: str, code: int = 0, **other: str) -> Result:
        place = {"url": argilla.url, "key": key_file, "workspace": argilla.server.workspace}
        options = [f"--{name}={value}" for name, value in (place | other).items()]
        result = CliRunner().invoke(main, ["users", command, *options, *arguments])
        assert result.exit_code == code, result.output
        assert argilla.owner_key not in result.output
        return result

    return run


@pytest.fixture
def name() -> str:
    return f"p-{secrets.token_hex(4)}"


def login(argilla: LiveArgilla, name: str, password: str) -> int:
    data = {"username": name, "password": password}
    return httpx.post(f"{argilla.url}/api/v1/token", data=data, trust_env=False).status_code


def secrets_in(result: Result) -> tuple[str, str]:
    match = re.search(r"password (\S+)  API key (\S+)", result.stdout)
    assert match is not None, result.stdout
    return match[1], match[2]


def row_of(result: Result, name: str) -> list[str]:
    rows = [line.split() for line in result.stdout.splitlines()]
    return next((row for row in rows if row[0] == name), [])


def test_an_account_from_its_beginning_to_its_end(
    argilla: LiveArgilla, users: RunUsers, name: str
) -> None:
    password, key = secrets_in(users("add", name))
    assert login(argilla, name, password) == 201
    me = httpx.get(
        f"{argilla.url}/api/v1/me/workspaces", headers={"X-Argilla-Api-Key": key}, trust_env=False
    )
    assert [each["name"] for each in me.json()["items"]] == [argilla.server.workspace]
    assert row_of(users("list"), name) == [name, "annotator", argilla.server.workspace]

    rotated = users("rotate", name).stdout
    renewed = rotated.split("password ")[1].split()[0]
    assert password not in rotated
    assert login(argilla, name, password) == 401
    assert login(argilla, name, renewed) == 201

    users("remove", name, "--keep-account")
    assert row_of(users("list"), name) == [name, "annotator", "-"]
    assert login(argilla, name, renewed) == 201
    assert "has an account" in users("add", name).stdout
    assert row_of(users("list"), name)[2] == argilla.server.workspace
    assert login(argilla, name, renewed) == 201, "who has an account keeps it"

    assert "deletes the answers" in users("remove", name, "--yes").stderr
    assert row_of(users("list"), name) == []
    assert login(argilla, name, renewed) == 401


@pytest.mark.slow
def test_nothing_is_removed_unless_somebody_says_so(
    argilla: LiveArgilla, users: RunUsers, name: str
) -> None:
    users("add", name)
    refusal = users("remove", name, code=ConfigError.exit_code)
    assert "--yes" in refusal.output
    assert row_of(users("list"), name)
    users("remove", name, "--yes")


def test_removal_counts_the_answers_that_go(
    argilla: LiveArgilla, users: RunUsers, name: str, owner: Api, label_question: dict[str, Any]
) -> None:
    _, key = secrets_in(users("add", name))
    dataset = owner.create_dataset({"text": "text"}, {"label": label_question})
    dataset.log({"id": "1", "fields": {"text": "a"}}, {"id": "2", "fields": {"text": "b"}})
    for record_id, status in zip(dataset.records.values(), ("submitted", "discarded"), strict=True):
        body = {"status": status, "values": {"label": {"value": "card"}}}
        answer = httpx.post(
            f"{argilla.url}/api/v1/records/{record_id}/responses",
            headers={"X-Argilla-Api-Key": key},
            json=body,
            trust_env=False,
        )
        assert answer.is_success
    said = users("remove", name, "--yes").stderr
    assert "2 in `test-" in said
    responses = owner.get(f"datasets/{dataset.id}/records?include=responses")["items"]
    assert [record["responses"] for record in responses] == [[], []]


@pytest.mark.slow
def test_several_at_once_and_one_unknown(argilla: LiveArgilla, users: RunUsers, name: str) -> None:
    assert users("add", name, f"{name}-2", name).stdout.count("password") == 2
    refusal = users("rotate", name, "no-such", code=ConfigError.exit_code)
    assert "no-such" in refusal.output
    assert "password " not in refusal.stdout, "nobody's password changes where one is unknown"
    users("remove", name, f"{name}-2", "--yes")


def test_nobody_removes_the_account_that_is_used(users: RunUsers) -> None:
    assert "whose key is used" in users("remove", "owner", "--yes", code=10).output


def test_an_annotators_key_is_refused_with_a_hint(
    argilla: LiveArgilla, users: RunUsers, tmp_path: Path
) -> None:
    (tmp_path / "hers").write_text(argilla.keys["ann"])
    refusal = users("list", code=20, key=f"file:{tmp_path / 'hers'}")
    assert "owner" in refusal.output
    assert argilla.keys["ann"] not in refusal.output


def test_an_unknown_workspace(users: RunUsers) -> None:
    assert "no workspace `nowhere`" in users("list", code=22, workspace="nowhere").output


def test_a_key_in_the_command_line_is_refused(argilla: LiveArgilla, users: RunUsers) -> None:
    refusal = users("list", code=10, key="sesame-1234")
    assert "sesame" not in refusal.output


@pytest.mark.parametrize("bad", ["", " ", "a\nb", "\x1b[2J", "x" * 101, " ann"])
def test_names_that_nobody_could_type(users: RunUsers, bad: str) -> None:
    assert "no name of an account" in users("add", bad, code=10).output


def test_names_of_a_list() -> None:
    assert names_in(" ann, bo,,ann ") == ("ann", "bo")
    assert names_in("") == ()
    with pytest.raises(ConfigError):
        names_in("ann,b\x00o")


@pytest.mark.slow
def test_the_server_makes_annotators_once(tmp_path: Path) -> None:
    """In `annotators.json`, of this user alone; who was there already keeps the password."""
    home = tmp_path / "home"
    with EmbeddedServer(home, arguments=("--annotators", "zoë, bo")) as server:
        kept = json.loads((home / "annotators.json").read_text())
        assert set(kept) == {"zoë", "bo"}
        assert stat.S_IMODE((home / "annotators.json").stat().st_mode) == 0o600
        live = LiveArgilla(server)
        assert all(login(live, name, kept[name]["password"]) == 201 for name in kept)
        headers = {"X-Argilla-Api-Key": kept["bo"]["api_key"]}
        url = f"{server.url}/api/v1/me/workspaces"
        spaces = httpx.get(url, headers=headers, trust_env=False).json()["items"]
        assert [each["name"] for each in spaces] == [server.workspace]
        server.stop()
        server.arguments = ("--annotators", "bo,cy")
        server.start()
        later = json.loads((home / "annotators.json").read_text())
        assert later == kept | {"cy": later["cy"]}
        assert all(login(live, name, later[name]["password"]) == 201 for name in later)
        logged = "".join((home / name).read_text() for name in ("server.log", "server.err"))
        assert not [each for each in later.values() if each["password"] in logged]
