"""What a run costs that is old: seconds and memory by the number of answers in its journal.

    python benchmarks/long_run.py [--answers 10000 100000 300000] [--before CHECKOUT]
        [--before-up-to 100000]
    python benchmarks/long_run.py --datasets 2000 10000 [50000] [--turns 4] [--seconds 60]
        [--without-before]

Each size is measured in a process of its own, by processor time, so that a busy machine says the
same as an idle one; the memory of a row is what the process needed at most meanwhile. ``--before``
measures another checkout of loopd likewise. Writes ``benchmarks/results/long_run.json`` and prints
a table in Markdown.

With ``--datasets`` it measures on an embedded Argilla what a look costs, and what it costs twenty
people at work: see ``people_at_work.py``. The arms take so many turns of so many seconds;
``--without-before`` leaves out the watcher that reads everything at each look. That takes some 15
minutes for 10,000 records, and filling a dataset of 50,000 a quarter of an hour more. Writes
``benchmarks/results/long_run_server.json``.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import machine

if TYPE_CHECKING:
    from loopd.records import ExternalId

ROWS: Mapping[str, str] = {
    "start": "start: read the journal, fold it, count it, write the metrics log",
    "status": "`loopd status`",
    "report": "`loopd report`",
    "export": "`loopd export --no-model`",
    "event": "one answer: fold it, and say what is in the way",
    "poll": "one poll: compare all answers with Argilla's, one of them new; decide to go on",
    "closing": "one closing: decide, and how long people waited",
    "page": "one page",
    "scrape": "one scrape",
    "journal": "the journal, MB",
}

WARM_UP = 3000
"""Answers of a run that is measured first, and not told: it imports what is imported once."""

Value = TypeVar("Value")

Measured = dict[str, dict[str, float]]


def measure(answers: int) -> Measured:
    """Every row, for a run with so many answers."""
    import long_journal

    with tempfile.TemporaryDirectory() as folder:
        config, story = long_journal.write(Path(folder) / "set", answers)
        return dict(_rows(config, story))


def _rows(config: Any, story: Any) -> Iterator[tuple[str, dict[str, float]]]:
    from loopd.annotation.memory_store import MemoryStore
    from loopd.export.run import ExportOptions, run_export
    from loopd.loop.data_sets import read_data
    from loopd.loop.stop import Stop
    from loopd.loop.tools import build_tools
    from loopd.operations.status import read_run, read_status
    from loopd.reports.report import run_report
    from loopd.storage.run_folder import JOURNAL_NAME
    from loopd.tasks.registry import build_task

    size = (config.run.dir / JOURNAL_NAME).stat().st_size / 1e6
    yield "journal", {"MB": size}
    row, (state, events) = timed(lambda: _start(config))
    yield "start", row
    row, _ = timed(lambda: read_status(config, read_run(config)))
    yield "status", row
    row, _ = timed(lambda: run_report(config, None, lambda _: None))
    yield "report", row
    options = ExportOptions(model=False)
    row, _ = timed(lambda: run_export(config, options, lambda _: None))
    yield "export", row
    store = MemoryStore(build_task(config.task))
    tools = build_tools(config, read_data(config), Stop(), store=store)
    live = Live(config, tools, story, state, events)
    yield from live.rows()


def _start(config: Any) -> tuple[Any, Any]:
    from loopd.dashboard.event_totals import totals
    from loopd.loop.obstacles import obstacle
    from loopd.machine import fold
    from loopd.metrics_log import writer
    from loopd.storage.journal import Journal
    from loopd.storage.run_folder import JOURNAL_NAME

    with Journal(config.run.dir / JOURNAL_NAME) as journal:
        events = journal.read()
    state = fold(events)
    totals(events)
    writer.write(state, config.run.dir)
    obstacle(state, config)
    return state, events


class Live:
    """A daemon at work on the run, without a server."""

    def __init__(self, config: Any, tools: Any, story: Any, state: Any, events: Any) -> None:
        from loopd.dashboard.snapshot import SnapshotHolder
        from loopd.loop.observers import RunView

        self.config, self.tools, self.story, self.state = config, tools, story, state
        self.window = SnapshotHolder()
        self.window.began(RunView(state, events, tools))
        self.view: Any = None

    def rows(self) -> Iterator[tuple[str, dict[str, float]]]:
        """What is done again and again."""
        left = sorted(self._waiting())
        self._answer(left[0])  # as it does after its first look
        self._page()
        self._scrape()
        yield "event", self._best(lambda: self._answer(left.pop()))
        yield "poll", self._best(lambda: self._poll(left.pop()))
        yield "page", self._best(self._page, lambda: self._answer(left.pop()))
        yield "scrape", self._best(self._scrape, lambda: self._answer(left.pop()))
        for id_ in sorted(self._waiting()):
            self._answer(id_)
        yield "closing", self._best(self._close)

    def _best(
        self, action: Callable[[], Any], before: Callable[[], Any] = lambda: None, times: int = 3
    ) -> dict[str, float]:
        """The quickest of a few times."""
        rows = []
        for _ in range(times):
            before()
            rows.append(timed(action)[0])
        return min(rows, key=lambda row: row["seconds"])

    def _waiting(self) -> frozenset[ExternalId]:
        from loopd.annotation.consensus import unresolved

        return unresolved(self.state, self.config.queue.min_submitted)

    def _answer(self, id_: str) -> None:
        """One event with three answers, as the loop takes it."""
        (event,) = self.story.answers([id_])
        self._take(event)

    def _take(self, event: Any) -> None:
        from loopd.loop.obstacles import obstacle
        from loopd.machine import apply

        self.state = apply(self.state, event)
        obstacle(self.state, self.config)
        self.window.saw(event, self.state)

    def _poll(self, id_: str) -> None:
        from loopd.annotation.store import Sweep
        from loopd.loop.collecting import changes

        (event,) = self.story.answers([id_])
        sweep = Sweep((*self.state.answers.values(), *event.answers), ())
        news = changes(self.state, sweep, self.story.now)
        self._take(required(news))
        self._reason()

    def _reason(self) -> str | None:
        from loopd.annotation.consensus import to_set_aside
        from loopd.loop.batch_closing import reason_to_close

        to_set_aside(self.state)
        waiting, now = self._waiting(), self.story.now
        pool_size = len(self.tools.data.pool)
        return reason_to_close(self.state, self.config, waiting, pool_size=pool_size, now=now)

    def _close(self) -> None:
        from loopd.loop.waiting_figures import figures

        # A state of its own, so that nothing is at hand that another time has worked out.
        id_ = self.state.batch.items[0].record_id
        (event,) = self.story.answers([id_])
        self._take(event)
        required(self._reason())
        figures(self.state, self.config.queue.min_submitted)

    def _page(self) -> None:
        from loopd.dashboard.charts import chart_data
        from loopd.dashboard.templating import environment
        from loopd.metrics_log import writer
        from loopd.metrics_log.rows import measure_name
        from loopd.overview.overview import overview

        rows = writer.rows(self.state)
        seen = overview(self.state, self.config, self.tools.data.pool, rows, self.story.now)
        self.view = self.view or environment().get_template("live_content.html.jinja")
        self.view.render(o=seen, charts=chart_data(seen), measure=measure_name(seen.metric))

    def _scrape(self) -> None:
        from loopd.dashboard.page_cache import View
        from loopd.dashboard.prometheus import exposition

        exposition(required(View(self.window).moment()))


def required(value: Value | None) -> Value:
    """What cannot be missing, or else another thing than meant was measured."""
    if value is None:
        raise RuntimeError("the run is not what it was made to be")
    return value


def timed(action: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Processor seconds of a call, the most memory that the process had meanwhile, the result."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    began = time.process_time()
    result = action()
    seconds = time.process_time() - began
    return {"seconds": seconds, "MiB": _peak()}, result


def _peak() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(peak) / 1024


def in_process(checkout: Path, answers: int) -> Measured:
    """Measure a checkout of loopd in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, __file__, "--measure", str(answers)]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=environment, cwd=checkout
    )
    measured: Measured = json.loads(done.stdout.splitlines()[-1])
    return measured


def exponent(measured: Mapping[int, Measured], row: str, unit: str = "seconds") -> float | None:
    """Slope of the logarithms: 1 where twice the answers cost twice as much."""
    points = [(math.log(size), math.log(rows[row][unit])) for size, rows in measured.items()]
    if len(points) < 2:
        return None
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    together = math.fsum((x - mean_x) * (y - mean_y) for x, y in points)
    return together / math.fsum((x - mean_x) ** 2 for x, _ in points)


def table(versions: Mapping[str, Mapping[int, Measured]]) -> Iterator[str]:
    """Markdown, a line for each row and version."""
    sizes = sorted({size for measured in versions.values() for size in measured})
    yield "| | | " + " | ".join(f"{size:,}" for size in sizes) + " | exponent |"
    yield "| --- | --- |" + " --- |" * (len(sizes) + 1)
    for row, words in ROWS.items():
        unit = "MB" if row == "journal" else "seconds"
        for version, measured in versions.items():
            cells = [_cell(measured.get(size, {}).get(row), unit) for size in sizes]
            slope = exponent(measured, row, unit)
            cells.append("" if slope is None else f"{slope:.2f}")
            yield f"| {words} | {version} | " + " | ".join(cells) + " |"


def _cell(row: Mapping[str, float] | None, unit: str) -> str:
    if row is None:
        return ""
    value = f"{row[unit]:.3g}"
    return value if unit == "MB" else f"{value} s, {row['MiB']:.0f} MiB"


def measure_server(sizes: list[int], turns: int, seconds: float, before: bool) -> None:
    """The rows that need a server."""
    import people_at_work

    arms = [arm for arm in people_at_work.ARMS if before or arm != people_at_work.BEFORE]
    described = machine.described()
    rows: dict[int, people_at_work.Json] = {}
    for size in sizes:
        rows[size] = people_at_work.measure(size, turns, seconds, arms)
        figures = {"machine": described, "seconds": seconds, "datasets": rows}
        path = machine.write("long_run_server", figures)
    print("\n".join(people_at_work.table(rows, arms)))
    print(path)


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--answers", type=int, nargs="+", default=[10_000, 100_000, 300_000])
    parser.add_argument("--before", type=Path, help="another checkout of loopd")
    parser.add_argument("--before-up-to", type=int, default=100_000)
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--datasets", type=int, nargs="+", default=[], help="sizes, on a server")
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--without-before", action="store_true")
    options = parser.parse_args()
    if options.datasets:
        measure_server(options.datasets, options.turns, options.seconds, not options.without_before)
        return
    if options.measure is not None:
        measure(WARM_UP)
        measured = measure(options.measure)
        print(json.dumps(measured))
        return
    checkouts = {"now": Path(__file__).parent.parent}
    if options.before is not None:
        checkouts = {"before": options.before.absolute(), **checkouts}
    versions: dict[str, dict[int, Measured]] = {}
    for version, checkout in checkouts.items():
        most = options.before_up_to if version == "before" else math.inf
        for size in options.answers:
            if size <= most:
                measured = in_process(checkout, size)
                print(version, size, json.dumps(measured), file=sys.stderr)
                versions.setdefault(version, {})[size] = measured
    print("\n".join(table(versions)))
    print(machine.write("long_run", {"machine": machine.described(), "versions": versions}))


if __name__ == "__main__":
    main()
