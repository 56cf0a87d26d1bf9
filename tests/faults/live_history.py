"""One history with real processes: daemon, Argilla, a proxy between them, people in threads.

The seed gives the plan: configuration, people, which faults and when. Real processes keep no
common time, so the same seed gives the same story, not the same bytes.
"""

from __future__ import annotations

import random
import resource
import signal
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loopd.annotation.consensus import to_set_aside
from loopd.machine import Phase
from tests.daemon import Daemon
from tests.faults.checker import GUESTS, PROGRESS, REPLAY, Violation, check
from tests.faults.evidence import (
    Click,
    Doings,
    Evidence,
    Key,
    Lesson,
    Row,
    read_argilla,
    read_journal,
    read_lines,
    read_metrics,
)
from tests.faults.live_crowd import LivePerson
from tests.faults.nursery import Nursery
from tests.faults.proxy import FaultProxy
from tests.faults.visit import Visit
from tests.faults.watched import CLOSINGS, LESSONS, STATES
from tests.faults.weather import HOUR
from tests.live import NAMES, LiveArgilla
from tests.loop.conftest import LABELS, make_pool

WORK_SECONDS = 90.0
"""People go home after so long, however far the run has come."""
QUIET_SECONDS = 90.0
"""Within these the loop must then have seen everything."""
TICK = 0.05
SLACK = 0.5
"""Seconds beyond the interval of sweeps after which a look must have seen a click."""

LINE = ("error", "garbage", "cut", "hole", "truncate", "slow")
"""Modes of the proxy."""


@dataclass(frozen=True)
class LivePlan:
    """What a history with real processes is like.

    Attributes:
        seed: of everything.
        sections: of the configuration.
        people: names.
        pace: seconds between two clicks of a person.
        rounds: how many must be over before people and faults rest.
        faults: (seconds to wait after the last one, what).
        kills: for each process in turn, ``SOAK_KILL`` or nothing.
        clocks: for each process in turn, by how much its wall clock is wrong.
        forgets: a planted bug: answers after which the daemon writes no more of them down.
        guests_later: others come only once the daemon has made the dataset.
    """

    seed: int
    sections: dict[str, dict[str, Any]]
    people: tuple[str, ...]
    pace: float
    rounds: int
    faults: tuple[tuple[float, str], ...]
    kills: tuple[str, ...]
    clocks: tuple[float, ...]
    forgets: int | None = None
    guests_later: bool = False


def draw_live(seed: int) -> LivePlan:
    """The history of a seed."""
    rng = random.Random(f"live plan {seed}")
    again, needed = rng.random() < 0.15, rng.choice((1, 1, 1, 2))
    sections: dict[str, dict[str, Any]] = {
        "argilla": {"timeout": 1, "max_backoff": 0.3},
        "strategy": {
            "name": "activelab" if again else "breaking_ties",
            "cold_start": "random_sampling",
        },
        "queue": {
            "batch_size": rng.randint(4, 6),
            "min_submitted": needed,
            "low_watermark": rng.choice((0, 1, 2, "auto")),
            "refresh": rng.random() < 0.7,
            "poll_interval": 0.1,
            "sweep_interval": 1.0,
        },
        "relabel": {"another_person": rng.random() < 0.7},
        "stopping": {"max_rounds": None, "criteria": []},
    }
    whats = [f"line {rng.choice(LINE)}" for _ in range(rng.randint(1, 3))]
    whats += ["kill"] * rng.choice((0, 1, 1, 2))
    whats += ["disk"] * (rng.random() < 0.25) + ["server"] * (rng.random() < 0.2)
    rng.shuffle(whats)
    lives = len(whats) + 6
    return LivePlan(
        seed=seed,
        sections=sections,
        people=NAMES[: rng.randint(2 if again else needed, 3)],
        pace=rng.choice((0.1, 0.2)),
        rounds=rng.choice((2, 2, 3)),
        faults=tuple((rng.uniform(0.1, 1.2), what) for what in whats),
        kills=tuple(
            f"{rng.choice(('before', 'after'))} {rng.randint(1, 8)}" if rng.random() < 0.3 else ""
            for _ in range(lives)
        ),
        clocks=tuple(rng.uniform(-9, 9) * HOUR * (rng.random() < 0.3) for _ in range(lives)),
        guests_later=seed % 2 == 1,
    )


class LiveHistory:
    """A run from its first process until all is quiet.

    Args:
        plan: what it is like.
        folder: an empty folder for the run.
        live: the server; killed and started again where the plan says so.
        nursery: bears the daemons.
    """

    def __init__(self, plan: LivePlan, folder: Path, live: LiveArgilla, nursery: Nursery) -> None:
        self.plan = plan
        self._nursery = nursery
        self._live = live
        self._proxy = FaultProxy(live.server.port, plan.seed)
        folder = folder / f"soak-{plan.seed}-{uuid.uuid4().hex[:6]}"
        folder.mkdir(parents=True)
        self._daemon = Daemon(folder, self._proxy.url, live.owner_key, None, **plan.sections)
        self._daemon.settings["argilla"]["workspace"] = live.workspace
        self._daemon.save()
        self._visit = Visit(live, self._daemon, later=plan.guests_later)
        self._doings = Doings()
        self._broken: list[tuple[str, str]] = []
        self._earlier: dict[int, dict[str, Any]] = {}
        self._disk_full = False
        self._told = 0
        self.lives = 0
        self.struck: list[str] = []

    def run(self) -> tuple[Violation, ...]:
        """All violations."""
        people = [
            LivePerson(
                self._live,
                name,
                self._daemon.dataset,
                self._doings,
                random.Random(f"{name} in {self.plan.seed}"),
                self.plan.pace,
            )
            for name in self.plan.people
        ]
        try:
            try:
                for person in people:
                    person.start()
                self._work()
                self._calm_down()
            finally:
                for person in people:
                    person.go_home()
            self._drain()
        finally:
            self._daemon.kill()
            self._proxy.__exit__(None, None, None)
        self._look_at_states()
        self._broken += [(GUESTS, line) for line in self._visit.end()]
        return check(self.evidence())

    def evidence(self) -> Evidence:
        """What there is now."""
        journal, folder = self._journal, self._daemon.folder
        over = any(name == "RunStopped" for name, _ in journal)
        return Evidence(
            seed=self.plan.seed,
            journal=journal,
            store=read_argilla(self._live, self._daemon.dataset, LABELS),
            doings=replace(self._doings, clicks=self._clicks(journal)),
            pool={record.id: record.text for record in make_pool(60)},
            labels=LABELS,
            lessons=self._lessons(),
            metrics=read_metrics(self._daemon.run_dir / "metrics.jsonl"),
            earlier=self._earlier,
            another_person=bool(self.plan.sections["relabel"]["another_person"]),
            broken=tuple(self._broken),
            quiet=not over,
            closed={line["batch_id"]: line["at"] for line in read_lines(folder / CLOSINGS)},
            sight=float(self.plan.sections["queue"]["sweep_interval"]) + SLACK,
        )

    def _clicks(self, journal: tuple[Row, ...]) -> dict[Key, list[Click]]:
        """Of people alone: not on records that came and went, or that the loop may set aside."""
        batches = [payload["batch"] for name, payload in journal if name == "BatchPlanned"]
        copies = [item for batch in batches for item in batch["items"] if item["copy_id"]]
        others = {item[part] for item in copies for part in ("record_id", "copy_id")}
        others |= self._doings.removed
        return {key: some for key, some in self._doings.clicks.items() if key[0] not in others}

    # -- the story -----------------------------------------------------------------------------

    def _work(self) -> None:
        """People work and faults strike until both have had enough."""
        self._start()
        faults, deadline = list(self.plan.faults), time.monotonic() + WORK_SECONDS
        since = time.monotonic()
        while time.monotonic() < deadline and not self._broken:
            self._revive()
            self._visit.meanwhile()
            if faults and time.monotonic() - since >= faults[0][0]:
                self._strike(faults.pop(0)[1])
                since = time.monotonic()
            elif not faults and time.monotonic() - since > 0.7:
                self._proxy.mode = "pass"
                since = time.monotonic() + WORK_SECONDS
            if not faults and self._rounds >= self.plan.rounds:
                return
            time.sleep(TICK)

    def _strike(self, what: str) -> None:
        self.struck.append(what)
        self._proxy.mode = what.split()[1] if what.startswith("line") else "pass"
        if what == "kill":
            self._daemon.kill()
        elif what == "server":
            self._live.server.kill()
            self._live.server.start()
        elif what == "disk":
            self._fill_disk()

    def _fill_disk(self) -> None:
        process = self._daemon.process
        sizes = [path.stat().st_size for path in self._daemon.run_dir.glob("journal.sqlite*")]
        if process is not None and process.poll() is None and sizes:
            self._disk_full = True
            limit = (max(sizes), resource.RLIM_INFINITY)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limit)

    def _calm_down(self) -> None:
        self._proxy.mode = "pass"
        if self._disk_full:
            self._daemon.kill()

    def _drain(self) -> None:
        """Nobody does anything any more: the loop must see all that was done."""
        deadline = time.monotonic() + QUIET_SECONDS
        while not self._broken:
            self._revive(spared=True)
            if self._settled() and self._ended():
                return
            if time.monotonic() > deadline:
                self._broken.append((PROGRESS, f"not settled: {self._daemon.log[-1500:]}"))
            time.sleep(4 * TICK)

    def _ended(self) -> bool:
        """Have the daemon end; false if it was killed, as its plan may say, before it could.

        False too where the stop met it between two steps, as with a batch that is planned and not
        yet out: it goes on with that.
        """
        process = self._daemon.process
        if process is None:
            return True
        if self._daemon.state.phase is not Phase.DONE:
            process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        if code not in (0, -signal.SIGKILL):
            self._broken.append((PROGRESS, f"the end was {code}"))
        is_between = code == 0 and self._daemon.state.phase not in (Phase.COLLECT, Phase.DONE)
        if is_between:
            self._start(spared=True)
        return code != -signal.SIGKILL and not is_between

    def _settled(self) -> bool:
        """Whether the run is over, or collects and knows all; a guess that the checker confirms."""
        state = self._daemon.state
        if state.phase is Phase.DONE:
            return True
        if len(self._daemon.log) == self._told:
            return False  # a newborn: what it finds may be settled, but it cannot take signals yet
        if state.phase is not Phase.COLLECT or check(self.evidence()):
            return False
        another = bool(self.plan.sections["relabel"]["another_person"])
        return not (another and to_set_aside(self._daemon.state))  # these it will change yet

    # -- processes -----------------------------------------------------------------------------

    def _start(self, *, spared: bool = False) -> None:
        place = self.lives % len(self.plan.kills)
        kill = "" if spared else self.plan.kills[place]
        environment = {"SOAK_CLOCK": str(self.plan.clocks[place])}
        if kill:
            environment["SOAK_KILL"] = kill
            self.struck.append(f"kill {kill}")
        if self.plan.forgets is not None:
            environment["SOAK_FORGETS"] = str(self.plan.forgets)
        self._disk_full = False
        self.lives += 1
        daemon = self._daemon
        self._told = len(daemon.log)
        key = {"ARGILLA_API_KEY": daemon.api_key}
        log = daemon.folder / "daemon.log"
        daemon.process = self._nursery.spawn(daemon.config, log, {**environment, **key})

    def _revive(self, *, spared: bool = False) -> None:
        """Start the daemon again if it has ended for a reason that was planned."""
        self._look_at_states()
        process = self._daemon.process
        if process is None or process.poll() is None:
            return
        self._remember_metrics()
        code = process.returncode
        foreseen = code == -signal.SIGKILL or (code == 16 and self._disk_full)
        if code == 0:
            return  # the pool is exhausted
        if code == 16:
            self.struck.append("the disk was full")
        if not foreseen:
            detail = f"the daemon ended with {code}: {self._daemon.log[-1500:]}"
            self._broken.append((PROGRESS, detail))
            return
        self._start(spared=spared)

    def _look_at_states(self) -> None:
        """What the daemon itself found at its turns: see ``watched.hold_states``."""
        for line in read_lines(self._daemon.folder / STATES):
            self._broken.append((REPLAY, f"the journal does not give the live state: {line}"))

    def _remember_metrics(self) -> None:
        for row in read_metrics(self._daemon.run_dir / "metrics.jsonl"):
            self._earlier.setdefault(row["round"], row)

    @property
    def _journal(self) -> tuple[Any, ...]:
        return read_journal(self._daemon.run_dir / "journal.sqlite")

    @property
    def _rounds(self) -> int:
        return sum(name == "RoundEvaluated" for name, _ in self._journal)

    def _lessons(self) -> dict[str, Lesson]:
        lines = read_lines(self._daemon.folder / LESSONS)
        return {each["id"]: Lesson(each["id"], each["round"], each["targets"]) for each in lines}


def run_live_seed(
    seed: int, folder: Path, live: LiveArgilla, nursery: Nursery
) -> tuple[Violation, ...]:
    """The violations of the history of a seed."""
    return LiveHistory(draw_live(seed), folder, live, nursery).run()
