"""The live console: what a terminal shows, and that it keeps whatever is logged; in one process."""

from __future__ import annotations

import io
import itertools
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from loopd import log
from loopd.config import LogSection
from loopd.config_file import load_config
from loopd.console.live import RunConsole
from loopd.console.screen import Frame, Work, run_lines, work_line
from loopd.console.simulated import BacktestConsole
from loopd.console.watch import Watched, line_of, watch_run
from loopd.errors import ServerError
from loopd.events import BatchPublished, RunStopped
from loopd.loop.observers import RunView
from loopd.loop.tools import Tools
from loopd.machine import Phase, State, fold
from loopd.operations.next_steps import next_steps
from loopd.operations.status import describe
from loopd.overview.overview import overview
from loopd.overview.terminal import Look, _cells, status_text
from loopd.progress import can_draw
from tests.monitoring.test_measured import ran, settings, shown
from tests.terminal import plain, screen_of


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[State, Tools]:
    folder = tmp_path_factory.mktemp("run")
    state, tools = ran(settings(folder, "single_label", test={"ask": 40}))
    config = tools.config.model_copy()
    config._file = folder / "my run.yaml"
    return state, replace(tools, config=config)


def drawn(state: State, tools: Tools, *acts: Callable[[RunConsole], None]) -> str:
    stream = Terminal()
    console = RunConsole(stream, clock=itertools.count(2e9).__next__)
    with console.drawn.shown() as file:
        console.began(RunView(state, (), tools))
        for act in acts:
            act(console)
        file.write("line one\nline")
        file.write(" two\n")
    return stream.getvalue()


# -- the screen ------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
@pytest.mark.parametrize("unicode", [True, False])
def test_lines_are_no_wider_than_the_terminal(
    finished: tuple[State, Tools], width: int, unicode: bool
) -> None:
    look = Look(width, unicode)
    seen = shown(*finished)
    work = Work("training", 30, 200, 12.0)
    frame = Frame(seen, work, "", "", 3.0, stopping=True)
    lines = list(run_lines(frame, look, 30))
    commands = {f"  {step.command}" for step in seen.next}
    assert commands <= set(lines)
    for line in lines:
        assert line in commands or _cells(line) <= max(width, 30), line
        assert unicode or line.isascii(), line


def test_what_matters_is_on_it(finished: tuple[State, Tools]) -> None:
    state, tools = finished
    seen = shown(state, tools)
    assert seen.measured is not None
    text = "\n".join(run_lines(Frame(seen, None, "http://a", "http://p", 0.0), Look(120), 40))
    assert f"{seen.measured.value:.3f}" in text
    assert seen.measured.basis in text
    for word in ("label at   http://a", "page       http://p", "labels", "rounds", "interval"):
        assert word in text
    assert text.count("\n") < 40


def test_a_low_terminal_keeps_what_happens_now(finished: tuple[State, Tools]) -> None:
    low = list(run_lines(Frame(shown(*finished), None, "", "", 0.0), Look(100), 8))
    high = list(run_lines(Frame(shown(*finished), None, "", "", 0.0), Look(100), 60))
    assert len(low) < len(high)
    assert "The run is over" in "\n".join(low)


@pytest.mark.parametrize(
    ("work", "text"),
    [
        (Work("encoding", 0, 100, 4.0), "0 of 100"),
        (Work("encoding", 1, 100, 4.0), "1 of 100"),
        (Work("encoding", 25, 100, 4.0), "25 of 100, 12 s left"),
        (Work("encoding", 100, 100, 4.0), "100 of 100, 0.0 s left"),
        (Work("encoding", 7, 3, 4.0), "7 of 3"),
        (Work("rounds", 5, 9, 0.0, "2 min"), "5 of 9, 2 min left"),
    ],
)
def test_a_bar_says_what_is_left(work: Work, text: str) -> None:
    for width in (20, 40, 100):
        line = work_line(work, Look(width))
        assert line.startswith(work.what)
        assert line.endswith(text) or width == 20
        assert len(line) <= max(width, 30)


# -- the live part ---------------------------------------------------------------------------------


def test_what_is_logged_stays_above_and_whole(finished: tuple[State, Tools]) -> None:
    lines = screen_of(drawn(*finished), 100)
    one, two = lines.index("line one"), lines.index("line two")
    assert one + 1 == two
    assert sum("The run is over" in line for line in lines) == 1  # drawn in one place
    assert lines.index(next(line for line in lines if "The run is over" in line)) > two
    assert any(line.startswith("  loopd export") for line in lines)


def test_all_log_lines_arrive_from_many_threads(finished: tuple[State, Tools]) -> None:
    stream = Terminal()
    console = RunConsole(stream)
    with console.drawn.shown() as file:
        log.set_up(LogSection.model_validate({}), file)
        console.began(RunView(finished[0], (), finished[1]))

        def talk(name: int) -> None:
            for number in range(50):
                log.get("loop").info("said", words=f"<{name}-{number}-{'x' * 150}>")

        threads = [threading.Thread(target=talk, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    written = plain(stream.getvalue()).replace("\n", "")
    for name in range(4):
        for number in range(50):
            assert f"<{name}-{number}-" in written
    assert written.count("x" * 150 + ">") == 200


def test_an_outage_a_failure_and_progress_are_shown(finished: tuple[State, Tools]) -> None:
    state, tools = finished
    begun = fold([state.started]) if state.started is not None else State()

    def frames(console: RunConsole) -> None:
        console.progress("encoding", 40, 80)
        console.waits(ServerError("nobody at home", ""))
        console.drawn._live.refresh()  # type: ignore[union-attr]

    text = plain(drawn(begun, tools, frames))
    assert "encoding" in text
    assert "40 of 80" in text
    assert "Argilla does not answer since" in text
    assert "nobody at home" in text

    def failed(console: RunConsole) -> None:
        console.waits(ServerError("nobody at home", ""))
        console.reached()
        console.progress("encoding", 80, 80)
        console.ended(ServerError("the end of it", ""))
        console.close()

    text = plain(drawn(begun, tools, failed))
    last = "\n".join(screen_of(text, 100)[-12:])
    assert "The daemon ended with an error: the end of it" in last
    assert "nobody at home" not in last
    assert "80 of 80" not in last


def test_a_view_that_fails_harms_nobody() -> None:
    stream = Terminal()
    console = RunConsole(stream)
    with console.drawn.shown() as file:
        broken = SimpleNamespace(pause=lambda _: False, config=None, store=None)
        console.began(RunView(State(), (), cast("Tools", broken)))
        file.write("the run goes on\n")
    text = plain(stream.getvalue())
    assert "nothing can be shown" in text
    assert "the run goes on" in text


def test_without_colour(finished: tuple[State, Tools], monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = drawn(*finished)
    assert "\x1b[32m" in coloured or "\x1b[2m" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert not any(f"\x1b[{code}m" in drawn(*finished) for code in range(30, 50))


@pytest.mark.parametrize(("term", "draws"), [("xterm", True), ("dumb", False), ("", False)])
def test_where_it_is_drawn(term: str, draws: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    assert can_draw(Terminal()) is draws
    assert not can_draw(io.StringIO())
    assert not can_draw(None)
    closed = Terminal()
    closed.close()
    assert can_draw(closed) in (False, draws)


def test_a_backtest() -> None:
    stream = Terminal()
    console = BacktestConsole(stream)
    row = {"seed": 1, "labels": 20, "left": "3 min"}
    with console.drawn.shown() as file:
        file.write("logged\n")
        for number in range(12):
            done = f"{number + 1}/40"
            console.tell({"arm": "a" * 90, **row, "round": number, "accuracy": 0.25, "done": done})
        console.tell({"done": "12/39", "left": "2 min"})
    lines = screen_of(stream.getvalue(), 100)
    assert "logged" in lines
    assert any("12 of 39, 2 min left" in line for line in lines)
    assert sum("0.250" in line for line in lines) == 8
    unplanned = BacktestConsole(Terminal())
    unplanned.tell({"done": "3", "left": "?"})
    assert any("3 rounds are done" in line for line in unplanned._lines(Look(40), 20))


# -- what to do next -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("max_rounds", "raise stopping.max_rounds (now 3)"),
        ("label_budget", "raise stopping.label_budget"),
        ("target_accuracy", "raise stopping.target_accuracy"),
        ("kappa_average", "take `stop: true` from `kappa_average`"),
        ("pool_exhausted", ""),
    ],
)
def test_a_finished_run_says_what_to_do_next(
    finished: tuple[State, Tools], reason: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, tools = finished
    state = replace(state, stopped=RunStopped(0.0, reason))
    folder = tools.config.folder
    monkeypatch.chdir(folder)
    steps = next_steps(state, tools.config)
    commands = [step.command for step in steps]
    assert commands[:3] == [
        "loopd predict 'my run.yaml' --out 'my run-predicted.csv'",
        "loopd export 'my run.yaml'",
        "loopd report 'my run.yaml'",
    ]
    assert commands[3:] == (["loopd run 'my run.yaml'"] if words else [])
    assert words in (steps[-1].what if words else "")
    told = describe(state, tools.config)["next"]
    assert [step["command"] for step in told] == commands
    seen = shown(state, tools)
    assert [step.command for step in seen.next] == commands
    alive = {"run_dir": "x", "daemon": None, "seen": None, "discarded": 0}
    screen = status_text(seen, alive, Look(40)).split("\n")
    assert all(f"  {command}" in screen for command in commands)


def test_an_argilla_beside_the_configuration_is_started_with_it(
    finished: tuple[State, Tools],
) -> None:
    state, tools = finished
    home = tools.config.folder / "argilla-home"
    section = tools.config.argilla.model_copy(update={"api_key_file": home / "accounts.json"})
    config = tools.config.model_copy(update={"argilla": section})
    assert next_steps(state, config)[-1].command.startswith("loopd start ")


def test_a_console_that_ends_with_its_run(finished: tuple[State, Tools]) -> None:
    stream = Terminal()
    console = RunConsole(stream, ends_with_run=True)
    console.began(RunView(finished[0], (), finished[1]))
    console.ended(None)
    console.close()
    written = stream.getvalue()
    assert "The run is over" in written
    assert "loopd export" not in written  # whoever began it says what comes next


def test_nothing_is_next_while_it_goes_on(finished: tuple[State, Tools]) -> None:
    state, tools = finished
    assert next_steps(replace(state, phase=Phase.COLLECT), tools.config) == ()
    untrained = replace(state, trained={})
    assert "predict" not in "".join(step.command for step in next_steps(untrained, tools.config))


def test_a_configuration_knows_its_file(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text("task: {labels: [a, b]}\npool: {path: x.csv}\n", encoding="utf-8")
    config = load_config(path)
    assert config.file == tmp_path.resolve() / "some.yaml"
    assert config.model_copy(update={}).file == config.file


# -- status, watched -------------------------------------------------------------------------------


class Watchable:
    """A journal that gets an event at each look, and Ctrl-C in the end."""

    def __init__(self, events: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.events, self.count = events, 1
        monkeypatch.setattr("loopd.console.watch.read_run", lambda _: fold(events[: self.count]))
        monkeypatch.setattr("loopd.console.watch.Watched._stamped", lambda _: self.count)

    def sleep(self, _: float) -> None:
        self.count += 1
        if self.count > len(self.events):
            raise KeyboardInterrupt


@pytest.fixture
def events(finished: tuple[State, Tools]) -> list[Any]:
    state, _ = finished
    published = state.published[0]
    assert isinstance(published, BatchPublished)
    return [state.started, state.planned[0], published, state.collected[0]]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_pipe_gets_a_line_for_each_change(
    finished: tuple[State, Tools],
    events: list[Any],
    as_json: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, config = io.StringIO(), finished[1].config
    watchable = Watchable(events, monkeypatch)
    watch_run(config, 1.0, out, as_json=as_json, sleep=watchable.sleep)
    lines = out.getvalue().splitlines()
    if as_json:
        phases = [json.loads(line)["phase"] for line in lines]
    else:
        phases = [line.split()[1].rstrip(":") for line in lines]
    assert phases == ["seed", "publish", "collect", "train"]


def test_a_terminal_is_drawn_anew(
    finished: tuple[State, Tools], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Terminal()
    watchable = Watchable(events, monkeypatch)
    watch_run(finished[1].config, 1.0, out, as_json=False, sleep=watchable.sleep)
    screen = screen_of(out.getvalue(), 100)
    assert sum(line.startswith("labels") for line in screen) == 1


def test_between_two_looks_nothing_is_worked_out(
    finished: tuple[State, Tools], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Watchable(events, monkeypatch)
    worked_out: list[float] = []

    def counted(*told: Any, **more: Any) -> Any:
        worked_out.append(told[4])
        return overview(*told, **more)

    monkeypatch.setattr("loopd.console.watch.overview", counted)
    watched, plain, coloured = Watched(finished[1].config), Look(100), Look(100, colour=True)
    for looks in (1, 2):
        watched.look()
        texts = {watched.text(plain) for _ in range(8)}
        assert len(texts) == 1
        assert watched.text(coloured) not in texts, "another terminal is drawn anew at once"
        assert len(worked_out) == looks


def test_one_line_says_where_it_stands(finished: tuple[State, Tools]) -> None:
    state, tools = finished
    fields = {**describe(state, tools.config), "daemon": None}
    line = line_of(fields)
    assert "done: round" in line
    assert f"accuracy {fields['measured']:.3f} (test-asked)" in line
    assert line.endswith("no daemon")
