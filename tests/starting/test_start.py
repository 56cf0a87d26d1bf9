"""`loopd start`: what it writes and refuses, when it says where to label; and all of it, live."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from loopd.cli import main
from loopd.config.data import ArgillaPoolSection
from loopd.config_file import load_config
from loopd.credentials import api_key
from loopd.demo.sample_data import generate
from loopd.embedded_argilla.home import ServerHome, locked, open_home, running_url
from loopd.embedded_argilla.options import Account
from loopd.errors import ConfigError, ServerError, TransientError
from loopd.loop.stop import Stop
from loopd.machine import Phase, State
from loopd.oracle.people_api import DatasetView, PeopleApi
from loopd.starting import announcing, start
from loopd.starting.announcing import Announcer, has_browser
from loopd.starting.options import InitOptions
from loopd.starting.start import HOME, StartOptions, configuration, last_lines, refuse_foreign
from tests.simulation.conftest import wait_for
from tests.starting.test_init import table, tickets
from tests.starting.test_parent_watch import alive

LABELS = ("account", "billing", "delivery", "product", "returns", "technical")
ANN = Account("annotator", "pass word", "ann.key")


def options(data: Path, **said: Any) -> StartOptions:
    return StartOptions(InitOptions(data, **said), browser=False)


def configured(data: Path, **said: Any) -> Path:
    return configuration(options(data, **said), lambda _: None, None)


# -- the configuration -----------------------------------------------------------------------------


def test_the_configuration_names_its_own_argilla(tmp_path: Path) -> None:
    config = load_config(configured(tickets(tmp_path / "t.csv"), labels=("a", "b")))
    refuse_foreign(config)
    assert config.argilla.api_key_file == tmp_path / HOME / "accounts.json"
    assert re.fullmatch(r"http://127\.0\.0\.1:69\d\d", config.argilla.url)
    assert config.queue.opening_size


def test_the_same_command_finds_it_again_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    data = tickets(tmp_path / "t.csv")
    said = {"labels": ("a", "b"), "text": "body"}
    path = configured(data, **said)
    before = path.read_bytes()
    assert configured(data, **said) == path
    assert configured(data) == path
    assert configured(path) == path
    for option, change in (
        ("--labels", {"labels": ("a", "c")}),
        ("--text", {"text": "nr"}),
        ("--id", {"id": "body"}),
        ("--label", {"label": "body"}),
        ("--encoding", {"encoding": "cp1252"}),
    ):
        with pytest.raises(ConfigError, match=f"{option} says") as caught:
            configured(data, **change)
        assert option in caught.value.hint
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:6900", True),
        ("http://localhost:6911", True),
        ("http://[::1]:6911", True),
        ("https://127.0.0.1", False),
        ("http://argilla.example.org", False),
        ("http://192.168.0.7:6900", False),
    ],
)
def test_an_argilla_elsewhere_is_none_that_could_be_started(
    url: str, allowed: bool, tmp_path: Path
) -> None:
    path = configured(tickets(tmp_path / "t.csv"), labels=("a", "b"))
    text = re.sub(r'url: ".*"', f'url: "{url}"', path.read_text())
    path.write_text(text)
    if allowed:
        refuse_foreign(load_config(path))
        return
    with pytest.raises(ConfigError, match="of its own") as caught:
        refuse_foreign(load_config(path))
    assert "loopd run" in caught.value.hint


def test_another_file_of_the_same_name_is_not_labelled_by_mistake(tmp_path: Path) -> None:
    said = {"labels": ("a", "b"), "text": "body"}
    configured(tickets(tmp_path / "t.csv"), **said)
    (tmp_path / "t.jsonl").write_text('{"body": "another text"}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"its texts are not those of .*t\.jsonl") as caught:
        configured(tmp_path / "t.jsonl", **said)
    assert "--out" in (caught.value.hint or "")


def test_texts_that_are_in_an_argilla_need_no_other_one(tmp_path: Path) -> None:
    path = configured(tickets(tmp_path / "t.csv"), labels=("a", "b"), text="body")
    config = load_config(path)
    place = ArgillaPoolSection(workspace="w", dataset="d")
    pool = config.pool.model_copy(update={"path": None, "argilla": place})
    with pytest.raises(ConfigError, match="the texts are in an Argilla"):
        refuse_foreign(config.model_copy(update={"pool": pool}))


def test_the_callers_own_key_is_never_sent_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARGILLA_API_KEY", "somebody.elses.key")
    config = load_config(configured(tickets(tmp_path / "t.csv"), labels=("a", "b")))
    (tmp_path / HOME).mkdir()
    (tmp_path / HOME / "accounts.json").write_text('{"owner": {"api_key": "owner.key"}}')
    assert api_key(start.at_home(config, "http://127.0.0.1:1").argilla) == "owner.key"


def test_a_port_that_is_taken_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        monkeypatch.setattr(start, "FIRST_PORT", listener.getsockname()[1])
        assert start.free_port() != listener.getsockname()[1]


def test_no_model_is_loaded_for_whoever_has_ended_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(configured(tickets(tmp_path / "t.csv"), labels=("a", "b")))
    read: list[Path] = []
    monkeypatch.setattr("loopd.loop.data_sets.read_data", read.append)
    stop = Stop()
    stop.set()
    start.warm_up(config, stop)
    assert read == []


def test_what_comes_next() -> None:
    assert "loopd start 'my t.yaml'" in "\n".join(last_lines(State(), Path("my t.yaml")))
    done = "\n".join(last_lines(State(phase=Phase.DONE), Path("t.yaml")))
    assert "loopd export t.yaml" in done
    assert "start" not in done


def test_a_missing_extra_is_one_sentence_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopd.embedded_argilla.process._NEEDED", ("not_there",))
    data = tickets(tmp_path / "t.csv")
    done = CliRunner().invoke(main, ["start", str(data), "--labels", "a,b"])
    assert done.exit_code == ServerError.exit_code
    assert "needs not_there" in done.stderr
    assert shlex.split(done.stderr.split("Run: ")[1])[-1] == "argilla-loopd[server]"
    assert not (tmp_path / HOME).exists()


# -- an Argilla that runs already ------------------------------------------------------------------


def test_a_server_that_runs_is_known_by_its_lock_and_its_address(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    assert running_url(ServerHome(tmp_path / "nowhere")) is None
    home.write_info("http://127.0.0.1:6999")
    assert running_url(home) is None  # nobody has ever locked it
    with locked(home):
        assert running_url(home) == "http://127.0.0.1:6999"
        home.info.unlink()
        assert running_url(home) is None  # it is not ready yet
    home.write_info("http://127.0.0.1:6999")
    assert running_url(home) is None  # it was killed, and left its address


# -- when it is said where to label ----------------------------------------------------------------


class Queue:
    """Stands for Argilla: the records open to a person, one step at each look."""

    def __init__(self, *looks: Any) -> None:
        self.looks = list(looks)

    def workspace_id(self, _: PeopleApi, name: str) -> str | None:
        assert name == "loopd"
        return "w"

    def desk(self, _: PeopleApi, workspace: str, name: str) -> DatasetView | None:
        assert (workspace, name) == ("w", "t")
        return DatasetView("d1", 1) if self.looks[0] != "no dataset" else self.looks.pop(0) and None

    others = 0
    """Records that are open to others."""

    def unfinished(self, _: PeopleApi, desk: DatasetView) -> list[Any]:
        return [None] * self.others

    def pending(self, _: PeopleApi, desk: DatasetView) -> list[Any]:
        look = self.looks.pop(0)
        if look == "down":
            raise TransientError("down")
        return [None] * look


@contextmanager
def announced(
    queue: Queue, folder: Path, monkeypatch: pytest.MonkeyPatch, *, browser: bool = False
) -> Iterator[list[str]]:
    for name in ("workspace_id", "desk", "pending", "unfinished"):
        method = getattr(queue, name)
        monkeypatch.setattr(PeopleApi, name, lambda *args, method=method: method(*args))
    monkeypatch.setattr(announcing, "LOOK_SECONDS", 0.01)
    config = load_config(configured(tickets(folder / "t.csv"), labels=("a", "b")))
    lines: list[str] = []
    with Announcer(config, ANN, lines.append, browser=browser).looking():
        yield lines


def test_the_address_is_said_once_records_are_open_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue("no dataset", 0, "down", 0, 3)
    with announced(queue, tmp_path, monkeypatch) as lines:
        wait_for(lambda: any("Ctrl-C" in line for line in lines))
    assert not queue.looks
    text = "\n".join(lines)
    assert "/dataset/d1/annotation-mode" in text
    assert "annotator, password pass word" in text
    assert "ann.key" not in text


def test_the_address_is_said_where_only_others_have_something_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(0)
    queue.others = 2
    with announced(queue, tmp_path, monkeypatch) as lines:
        wait_for(lambda: any("Ctrl-C" in line for line in lines))
    assert "/dataset/d1/annotation-mode" in "\n".join(lines)
    assert any("waits for others" in line for line in lines)


def test_nothing_is_said_where_nothing_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(*[0] * 10_000)
    with announced(queue, tmp_path, monkeypatch) as lines:
        wait_for(lambda: len(queue.looks) < 9_990)
    assert lines == []


@pytest.mark.parametrize("browser", [True, False])
def test_a_browser_opens_where_there_is_one(
    browser: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setenv("BROWSER", "firefox")
    monkeypatch.setattr("webbrowser.open", opened.append)
    with announced(Queue(1), tmp_path, monkeypatch, browser=browser) as lines:
        wait_for(lambda: any("Ctrl-C" in line for line in lines))
    assert [page.endswith("/dataset/d1/annotation-mode") for page in opened] == [True] * browser


def test_a_browser_in_the_terminal_would_be_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert not has_browser()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert has_browser()


# -- all of it -------------------------------------------------------------------------------------


class Started:
    """``loopd start`` in a process of its own, in a folder of its own."""

    def __init__(self, folder: Path, words: Sequence[str]) -> None:
        self.lines: list[str] = []
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "loopd", "start", *words, "--no-browser"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "ARGILLA_API_KEY": "not.this.one"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines += [""]
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def page(self) -> str:
        """The address at which people label, once it is said."""
        wait_for(lambda: "Ctrl-C ends" in self.text or self.process.poll() is not None, 120)
        match = re.search(r"Label here +(http\S+)/dataset/(\S+)/annotation-mode", self.text)
        assert match is not None, self.text
        return match[1]

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def some_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def questions(path: Path, count: int) -> Path:
    pool, _ = generate()
    rows = [{"nr": each.id, "body": each.text} for each in pool[:count]]
    return table(path, rows)


@pytest.mark.integration
@pytest.mark.timeout(600)
def test_records_are_open_then_ctrl_c_then_on_with_the_same_command(tmp_path: Path) -> None:
    questions(tmp_path / "tickets.csv", 300)
    port = str(some_port())  # 6900 and its neighbours are everybody's
    words = ("tickets.csv", "--text", "body", "--labels", ",".join(LABELS), "--port", port)
    learning_little(tmp_path / "tickets.csv", int(port))
    first = Started(tmp_path, words)
    try:
        url = first.page()
        person = person_of(tmp_path, url)
        desk = desk_of(person)
        opening = person.pending(desk)
        assert len(opening) >= 8, "records are open when it says so"
        for sheet in opening[:4]:
            person.answer(sheet, "label", LABELS[0])
        wait_for(lambda: len(person.pending(desk)) == 16, 120)  # the rest of the first batch
        person.close()
        servers = server_processes(tmp_path)
        assert len(servers) == 1
    finally:
        code = first.end(signal.SIGINT)
    assert code == 0, first.text
    assert f"http://127.0.0.1:{url.rsplit(':', 1)[1]}" in (tmp_path / "tickets.yaml").read_text()
    assert "loopd start tickets.yaml" in first.text
    wait_for(lambda: not any(map(alive, servers)))
    second = Started(tmp_path, words)
    try:
        assert second.page() == url, "the address stays"
        person = person_of(tmp_path, url)
        assert len(person.pending(desk_of(person))) == 16
        for sheet in person.pending(desk_of(person)):
            person.answer(sheet, "label", LABELS[len(sheet.text("text")) % 2])
        wait_for(lambda: re.search(r"^ +1 +20 ", second.text, re.MULTILINE), 240)
        person.close()
    finally:
        code = second.end(signal.SIGTERM)
    assert code == 0, second.text
    shown = CliRunner().invoke(main, ["status", str(tmp_path / "tickets.yaml"), "--json"])
    assert shown.exit_code == 0
    assert '"labels": 20' in shown.stdout


def learning_little(data: Path, port: int) -> None:
    """The configuration that the command would write, whose model takes few steps: it counts."""
    init = InitOptions(data, text="body", labels=LABELS)
    path = configuration(StartOptions(init, port=port, browser=False), lambda _: None, None)
    with path.open("a", encoding="utf-8") as file:
        file.write("classifier: {options: {epochs: 1, min_steps: 2}}\n")


@pytest.mark.integration
def test_a_killed_one_takes_its_argilla_along(tmp_path: Path) -> None:
    questions(tmp_path / "tickets.csv", 300)
    labels = ",".join(LABELS)
    started = Started(tmp_path, ("tickets.csv", "--labels", labels, "--port", str(some_port())))
    try:
        wait_for(lambda: bool(server_processes(tmp_path)), 60)
        servers = server_processes(tmp_path)
        assert load_config(tmp_path / "tickets.yaml").task.labels == LABELS
    finally:
        started.end(signal.SIGKILL)
    wait_for(lambda: not any(map(alive, servers)), 60)


def person_of(folder: Path, url: str) -> PeopleApi:
    import json

    accounts = json.loads((folder / HOME / "accounts.json").read_text())
    return PeopleApi(url, accounts["annotator"]["api_key"])


def desk_of(person: PeopleApi) -> DatasetView:
    workspace = person.workspace_id("loopd")
    desk = person.desk(workspace or "", "tickets")
    assert desk is not None
    return desk


def server_processes(folder: Path) -> list[int]:
    """Process ids of the servers that work in the folder."""
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True,
                            check=True).stdout  # fmt: skip
    home = str(folder / HOME)
    return [int(line.split()[0]) for line in listed.splitlines()
            if home in line and " serve " in line]  # fmt: skip
