"""The usual mistakes of a first user: each ends by itself, with one sentence and what to do.

Each goes through the real command. Processes are started only where the installation itself is
what is wrong.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import structlog

from loopd.annotation import http_errors
from loopd.learning.classifiers import backbone
from loopd.loop import daemon
from loopd.storage.lock import run_lock
from tests.acceptance.mistakes import HIDDEN, TABLE, Mistake, hide
from tests.acceptance.scene import CHECK, FOREIGN, RUN, Said, Scene, answering
from tests.live import LiveArgilla
from tests.starting.test_installation import SCRIPT, distribution

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]

BOUND = 60.0
"""Seconds in which any command of these ends, on a busy machine too."""


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Commands in this process set up the log; later tests capture it."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def scene(argilla: LiveArgilla, tmp_path: Path) -> Iterator[Scene]:
    yield Scene(tmp_path, argilla.url, argilla.owner_key)
    for name, module in HIDDEN.items():
        sys.modules.pop(name)
        if module is not None:
            sys.modules[name] = module
    HIDDEN.clear()


def one_problem(said: Said, code: int, says: str, hint: str) -> None:
    """It ended in time with its code, one sentence and one hint; no word is a package's own."""
    assert said.code == code, said.output
    assert len(said.problems) == 1, said.output
    (problem, advice) = said.problems[0]
    assert says in problem, said.output
    assert hint in advice, said.output
    assert not FOREIGN.search(said.output), said.output
    assert said.seconds < BOUND


def test_the_table_is_long_and_names_nothing_twice() -> None:
    names = [mistake.name for mistake in TABLE]
    assert len(set(names)) == len(names) >= 60


def test_a_scene_without_a_mistake_is_right(scene: Scene) -> None:
    said = scene.act()
    assert (said.code, said.problems) == (0, ()), said.output


@pytest.mark.parametrize("mistake", TABLE, ids=lambda mistake: mistake.name)
def test_each_ends_with_one_sentence_and_what_to_do(mistake: Mistake, scene: Scene) -> None:
    mistake.make(scene)
    one_problem(scene.act(), mistake.code, mistake.says, mistake.hint)


# -- addresses of others ---------------------------------------------------------------------------

STRANGERS = {
    "a shop": ("200 OK", "text/html", "<html><title>My shop</title></html>"),
    "an API of something else": ("200 OK", "application/json", '{"hello": "world"}'),
    "an API with ids": ("200 OK", "application/json", '{"id": "5", "name": "me"}'),
    "an API with ids and a version": ("200 OK", "application/json", '{"id": 5, "version": "2"}'),
    "a list": ("200 OK", "application/json", "[]"),
    "no route": ("404 Not Found", "application/json", '{"error": "no such route"}'),
    "another FastAPI": ("404 Not Found", "application/json", '{"detail": "Not Found"}'),
    "a login": ("401 Unauthorized", "application/json", '{"detail": "Not authenticated"}'),
    "an empty page": ("200 OK", "text/plain", ""),
}


@pytest.mark.parametrize("command", [CHECK, RUN], ids=["check", "run"])
@pytest.mark.parametrize("stranger", STRANGERS)
def test_an_address_that_is_no_argilla(
    stranger: str, command: tuple[str, ...], scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run waits a few seconds for a proxy that starts beside it; here it waits none."""
    monkeypatch.setattr(daemon, "NEW_GRACE", 0.0)
    with answering(*STRANGERS[stranger]) as url:
        scene.set("argilla.url", url)
        scene.command = command
        said = scene.act()
    one_problem(said, 22, "Argilla", "argilla.")
    assert 0 < http_errors.NEW_GRACE <= 10


# -- what others have ------------------------------------------------------------------------------


def test_a_dataset_of_somebody_else_with_another_question(
    argilla: LiveArgilla, scene: Scene
) -> None:
    client = argilla.sdk_client()
    import argilla as rg

    name = f"theirs-{scene.folder.name}"[:60]
    settings = rg.Settings(
        fields=[rg.TextField(name="comment")], questions=[rg.TextQuestion(name="what")]
    )
    rg.Dataset(name=name, workspace=argilla.workspace, settings=settings, client=client).create()
    scene.set("argilla.dataset", name)
    one_problem(scene.act(), 21, f"dataset `{name}` does not fit", "argilla.dataset")


def test_a_run_folder_that_another_loopd_works_in(scene: Scene) -> None:
    folder = scene.folder / "run"
    folder.mkdir()
    with run_lock(folder):
        scene.command = RUN
        one_problem(scene.act(), 14, "another loopd", "run.dir")


@contextmanager
def listening() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield int(server.getsockname()[1])


def test_a_port_that_is_taken(scene: Scene) -> None:
    with listening() as port:
        scene.command = ("serve", "--port", str(port), "--home", "{folder}/home")
        one_problem(scene.act(), 23, f"Port {port}", "--port")


@pytest.mark.parametrize(
    ("package", "change", "extra"),
    [
        ("cleanlab", {"consensus.strategy": "crowdlab"}, "annotators"),
        ("mlflow", {"sinks.mlflow": {"uri": "http://127.0.0.1:5000"}}, "mlflow"),
        ("tensorboard", {"sinks.tensorboard": "logs"}, "tensorboard"),
    ],
)
def test_a_missing_extra(
    package: str,
    change: dict[str, object],
    extra: str,
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import importlib.util

    find: Callable[..., object] = importlib.util.find_spec
    monkeypatch.setattr(
        "loopd.loop.start_or_resume.find_spec",
        lambda name, *more: None if name == package else find(name, *more),
    )
    hide(scene, package, f"{package}.multiannotator")
    for key, value in change.items():
        scene.set(key, value)
    code = 10 if "sinks" in next(iter(change)) else 12
    one_problem(scene.act(), code, package, f'pip install "argilla-loopd[{extra}]"')


def test_a_script_of_another_distribution(tmp_path: Path) -> None:
    distribution(tmp_path, "agent-loopd", files=SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "loopd", "check", "absent.yaml"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND,
    )
    warning, hint, error, _ = done.stderr.splitlines()
    assert "agent-loopd" in warning
    assert "uninstall agent-loopd" in hint
    assert "no configuration file" in error
    assert done.returncode == 10


def test_what_no_mistake_says_is_noticed() -> None:
    """The pattern of others' words would see those that were here once."""
    for words in (
        "queue.batch_size: Input should be a valid integer, unable to parse",
        "unreachable (ConnectError: [Errno 111] Connection refused)",
        "task: Input should be a valid dictionary or instance of TaskSection",
        "KeyError: 'role'",
    ):
        assert FOREIGN.search(words)
    assert backbone.ABSENT
