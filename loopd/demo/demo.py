"""Owns the demo: a real Argilla, the daemon and simulated people, put together to be watched.

Must not do anything that a user could not do with the other commands: server and daemon are
processes of their own, and the people use Argilla's HTTP API.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from loopd.config import DashboardSection
from loopd.dashboard.serving import claimed
from loopd.demo.demo_folder import DemoFolder, opened
from loopd.demo.play import Play, Sections, config_play, merged, sample_play
from loopd.embedded_argilla.embedded import EmbeddedServer
from loopd.errors import LoopdError
from loopd.loop.stop import Stop, on_signals
from loopd.metrics_log.curve import plot_learning_curve
from loopd.metrics_log.measured import measured
from loopd.metrics_log.rows import Row, measure_name, metric_of, number, read_metrics
from loopd.metrics_log.table import round_header, round_line, round_table
from loopd.oracle.oracle import OracleOptions, OracleReport, OracleTask, run_oracle
from loopd.starting.parent_watch import ParentDeathWatch

WATCH_SECONDS = 0.3
"""How often the demo looks for a new round."""


DAEMON_STOP_SECONDS = 20.0
"""Time that the daemon has to end after SIGTERM."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the demo does.

    Attributes:
        dir: its folder; an earlier demo's folder is cleared, any other is refused.
        resume: go on in an earlier demo's folder instead of clearing it.
        label_yourself: no simulated people: whoever watches labels in the UI.
        config: a configuration to rehearse instead of the sample data.
        rounds: rounds after which the daemon ends; ``None``: nine with the sample data, as the
            configuration says otherwise, and no end for people who label themselves.
        port: of the Argilla server; 0 takes any free one.
        page_port: of the live page, 0 for any free one; ``None``: the configuration's, or the next
            free one.
        people: how many simulated people.
        seconds_per_answer: mean time of one answer.
        seed: of the run and of the people; ``None``: the configuration's.
        classifier: name of another classifier.
        sinks: ``csv``, ``tensorboard``, ``mlflow``: where the rounds are written besides.
    """

    dir: Path = Path("demo-run")
    resume: bool = False
    label_yourself: bool = False
    config: Path | None = None
    rounds: int | None = None
    port: int = 0
    page_port: int | None = None
    people: int = 3
    seconds_per_answer: float = 0.3
    seed: int | None = None
    classifier: str | None = None
    sinks: tuple[str, ...] = ()


def run_demo(options: DemoOptions, out: Callable[[str], None]) -> int:
    """Run the demo to its end, or until Ctrl-C; must be called from the main thread.

    Args:
        options: what to do.
        out: takes each line for people; called from more than one thread.

    Returns:
        0 when the daemon came to its end (or when people who label themselves end it), 130 after
        Ctrl-C, else the daemon's exit code.

    Raises:
        LoopdError: the folder, the server or the simulated people fail, or a port is taken.
    """
    stop = Stop(second_kills=True)
    play = _play(options)
    for port, option in ((options.port, "--port"), (options.page_port, "--page-port")):
        if port:
            claimed(DashboardSection().host, port, option).close()
    with ExitStack() as stack:
        stack.enter_context(on_signals(stop))
        folder = stack.enter_context(opened(options.dir, options.resume))
        demo = Demo(options, play, folder, stop, out, stack.enter_context(ParentDeathWatch()))
        try:
            demo.start(stack)
            code = demo.watch()
        except LoopdError:
            if not stop.is_set():
                raise
            # Ctrl-C reached the server before it was ready: that is no failure.
            code = INTERRUPTED
        return 0 if options.label_yourself and code == INTERRUPTED else code


def _play(options: DemoOptions) -> Play:
    if options.config is None:
        return sample_play(options.label_yourself)
    return config_play(options.config, options.label_yourself)


@dataclass
class Demo:
    """The parts of a running demo."""

    options: DemoOptions
    play: Play
    folder: DemoFolder
    stop: Stop
    out: Callable[[str], None]
    parent_watch: ParentDeathWatch
    people: People | None = None
    shown: int = 0
    """Rounds that are printed already."""
    page_shown: bool = False
    """Whether the address of the live page is printed already."""
    daemon: subprocess.Popen[bytes] = field(init=False)

    def start(self, stack: ExitStack) -> None:
        """Start server, daemon and people; ``stack`` ends them in the opposite order."""
        self.out("Starting Argilla ...")
        home, workspace = self.folder.server_home, self.play.task.workspace
        server = EmbeddedServer(
            home, self.options.port, workspace=workspace, popen=self.parent_watch.popen
        )
        stack.callback(server.stop)
        server.start()
        self._greet(server)
        self.folder.write_config(self._settings(server.url))
        self.daemon = self._spawn(server.owner.api_key)
        stack.callback(self._end_daemon)
        if not self.options.label_yourself:
            self.people = People(server, self.play.task, self.options, self.out)
            stack.callback(self.people.go_home)

    def _greet(self, server: EmbeddedServer) -> None:
        account = server.annotator
        self.out("")
        self.out(f"  Argilla   {server.url}")
        self.out(f"  log in    {account.username}  password {account.password}")
        self.out(f"  dataset   {self.play.task.dataset}, as soon as the first batch is out")
        self.out(f"  daemon    its log is {_shown_path(self.folder.daemon_log)}")
        self.out("")
        if self.options.label_yourself:
            self.out("Label the records there; a line appears here after each batch. Ctrl-C ends.")

    def _settings(self, url: str) -> Sections:
        rounds = self.options.rounds
        if rounds is None and not self.options.label_yourself:
            rounds = self.play.rounds
        sections: Sections = {
            "run": {"seed": self.options.seed},
            "argilla": {"url": url},
            "classifier": {"name": self.options.classifier},
            "stopping": {"max_rounds": rounds},
            "dashboard": {"port": self.options.page_port},
            "sinks": self.folder.sinks(self.options.sinks),
        }
        changes = {
            name: {key: value for key, value in values.items() if value is not None}
            for name, values in sections.items()
        }
        return merged(self.play.sections, changes)

    def _spawn(self, api_key: str) -> subprocess.Popen[bytes]:
        self.folder.page.unlink(missing_ok=True)  # of a daemon that was killed
        with self.folder.daemon_log.open("ab") as log:
            return self.parent_watch.popen(
                [sys.executable, "-m", "loopd", "run", str(self.folder.config)],
                cwd=self.play.folder,
                stdout=log,
                stderr=log,
                env={**os.environ, "ARGILLA_API_KEY": api_key},
                # Ctrl-C is the demo's alone: it ends the people first, then the daemon.
                start_new_session=True,
            )

    def watch(self) -> int:
        """Print each round as it comes until the daemon ends or a stop is asked for."""
        while self.daemon.poll() is None and not self.stop.wait(WATCH_SECONDS):
            self._show_page()
            self._show_new_rounds()
            if self.people is not None:
                self.people.check()
        self._show_new_rounds()
        if self.stop.is_set():
            self.out("Ending ...")
            return INTERRUPTED
        if self.daemon.returncode != 0:
            return self._explain_failure(self.daemon.returncode)
        self._conclude()
        return 0

    def _show_page(self) -> None:
        """Print the address of the live page, once it is known."""
        if not self.page_shown and self.folder.page.is_file():
            self.page_shown = True
            url = self.folder.page.read_text(encoding="utf-8").strip()
            self.out(f"  dashboard {url}")
            self.out("")

    def _show_new_rounds(self) -> None:
        rows = read_metrics(self.folder.metrics)
        if self.shown == 0 and rows:
            self.out(round_header(metric_of(rows)))
        for row in rows[self.shown :]:
            self.out(round_line(row))
        self.shown = max(self.shown, len(rows))

    def _explain_failure(self, code: int) -> int:
        self.out(f"The daemon failed with exit code {code}:")
        for line in last_words(self.folder.daemon_log):
            self.out(f"  {line}")
        return code if code > 0 else 1

    def _conclude(self) -> None:
        rows = read_metrics(self.folder.metrics)
        if not self.folder.curve.exists():
            plot_learning_curve(rows, self.folder.curve, "Learning curve")
        self.out("")
        self.out(round_table(rows))
        self.out("")
        if self.people is not None:
            self.out(f"  people          {self.people.go_home().line()}")
        self.out(f"  {measure_name(metric_of(rows)):<14}  {comparison(rows)}")
        self.out(f"  learning curve  {_shown_path(self.folder.curve)}")
        self.out(f"  metrics         {_shown_path(self.folder.metrics)}")
        for name, words in self.folder.looking().items():
            if name in self.options.sinks:
                self.out(f"  {name:<14}  {words}")

    def _end_daemon(self) -> None:
        if self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(DAEMON_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
        self.parent_watch.release(self.daemon.pid)


class People:
    """The simulated annotators, in threads of this process."""

    def __init__(
        self,
        server: EmbeddedServer,
        task: OracleTask,
        options: DemoOptions,
        out: Callable[[str], None],
    ) -> None:
        self._stop = threading.Event()
        self._report = OracleReport()
        self._error: LoopdError | None = None
        self._arguments = (server.url, server.owner.api_key, task, options, out)
        self._thread = threading.Thread(target=self._work, name="people", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what sent the people home early, if anything did."""
        if self._error is not None:
            raise self._error

    def go_home(self) -> OracleReport:
        """End their work; returns what they did."""
        self._stop.set()
        self._thread.join()
        return self._report

    def _work(self) -> None:
        url, api_key, task, options, out = self._arguments
        try:
            self._report = run_oracle(
                url,
                api_key,
                task,
                options=_manners(options),
                stop=self._stop,
                report=lambda line: out(f"people: {line}"),
            )
        except LoopdError as error:
            self._error = error


def _manners(options: DemoOptions) -> OracleOptions:
    return OracleOptions(
        people=options.people,
        seconds_per_answer=options.seconds_per_answer,
        discard_rate=0.04,
        edit_rate=0.04,
        seed=options.seed or 0,
    )


def comparison(rows: list[Row]) -> str:
    """The first and the last value of the task's measure in words."""
    rounds = [(row, accuracy) for row in rows if (accuracy := measured(row)) is not None]
    if not rounds:
        return "not measured"
    first, last = rounds[0][1].value, rounds[-1][1].value
    labels = number(rounds[-1][0], "labels") or 0
    return f"{first:.3f} -> {last:.3f} ({last - first:+.3f}) with {labels:.0f} labels"


def last_words(log: Path, count: int = 4) -> list[str]:
    """The error that a daemon's log ends with: from its last ``error:`` line on."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    starts = [index for index, line in enumerate(lines) if line.startswith("loopd: ")]
    return lines[starts[-1] :][:count] if starts else lines[-count:]


def _shown_path(path: Path) -> str:
    """A path relative to the working folder where it lies in it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
