"""Owns what `long_run.py` measures on a server: people at work, and what a watcher costs them.

An embedded Argilla with a dataset of answered records and of open ones; twenty people who answer at
a steady pace; beside them nobody, a watcher that reads everything as soon as anybody has answered,
as loopd did before, or loopd's own. The arms take turns, so that a busy machine treats them alike.
The first look of a watcher, which reads everything, is part of what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from loopd.annotation import record_schema, unhurried
from loopd.annotation.argilla_dataset import DatasetPlan
from loopd.annotation.argilla_store import ArgillaStore
from loopd.annotation.run_mark import PROPERTY
from loopd.annotation.store import Sweep
from loopd.annotation.watcher import AnswerWatcher, Pace
from loopd.config import ArgillaSection
from loopd.data.pool import Pool
from loopd.embedded_argilla.embedded import EmbeddedServer
from loopd.records import Batch, BatchItem, ExternalId, PoolId, published_as
from loopd.tasks.single_label import SingleLabelTask

PEOPLE, SECONDS_AN_ANSWER = 20, 5.0
BATCH, OPEN_BATCHES = 100, 3
POLL, SWEEP = 3.0, 30.0
"""loopd's own defaults."""

BULK = 250
LABELS = ("yes", "no")
TASK = SingleLabelTask(LABELS, "label", "text", "Which?")
BEFORE = "before"
ARMS = ("nobody", BEFORE, "now")
RESAMPLES = 2000
TEXT = "Somebody has written a sentence or two of which people say what it is about, number {}."

Json = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """A server with a dataset, as a process beside it needs it."""

    url: str
    key: str
    records: int
    open_from: int

    def store(self) -> CountingStore:
        section = ArgillaSection(
            url=self.url, workspace="bench", dataset=f"work-{self.records}", timeout=600
        )
        store = CountingStore(section, self.key, DatasetPlan(TASK, "", 1))
        store.open(pool(self.records), fresh=False)
        return store


class CountingStore(ArgillaStore):
    """Counts its requests."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.requests = 0
        request = self._http.request

        def counted(method: str, path: str, **options: Any) -> Any:
            self.requests += 1
            return request(method, path, **options)

        self._http.request = counted  # type: ignore[method-assign]


def name(number: int) -> PoolId:
    """Pool id of a record."""
    return PoolId(f"r{number}")


def pool(records: int) -> Pool:
    """The texts."""
    from loopd.records import Record

    return Pool(tuple(Record(name(n), TEXT.format(n)) for n in range(records)))


def batches(records: int) -> list[Batch]:
    """All records, in batches."""
    return [
        Batch(f"b{start // BATCH:05d}", start // BATCH, "x", None, tuple(
            BatchItem(name(n), 0.5) for n in range(start, min(start + BATCH, records))
        ))
        for start in range(0, records, BATCH)
    ]  # fmt: skip


# -- the dataset -----------------------------------------------------------------------------------


class Office:
    """A dataset and twenty accounts on an embedded server.

    Args:
        server: that runs.
        records: of the dataset.
        open_records: how many of them nobody has answered, the last ones.
    """

    def __init__(self, server: EmbeddedServer, records: int, open_records: int) -> None:
        self._server = server
        self.site = Site(server.url, server.owner.api_key, records, records - open_records)
        headers = {"X-Argilla-Api-Key": server.owner.api_key}
        self._client = httpx.Client(base_url=server.url, headers=headers, timeout=600)
        self.people = [self._account(number) for number in range(PEOPLE)]
        self.record_ids: dict[str, str] = {}
        self._next = self.site.open_from
        self._fill()

    def _call(self, method: str, path: str, body: Json | None = None) -> Any:
        answer = self._client.request(method, f"/api/v1/{path}", json=body)
        answer.raise_for_status()
        return answer.json()

    def _account(self, number: int) -> Json:
        word = secrets.token_urlsafe(12)
        username = f"person-{self.site.records}-{number}"
        body = {"username": username, "first_name": "P", "role": "annotator", "password": word}
        account: Json = self._call("POST", "users", body)
        spaces = self._call("GET", "me/workspaces")["items"]
        (space,) = (each["id"] for each in spaces if each["name"] == "bench")
        self._call("POST", f"workspaces/{space}/users", {"user_id": account["id"]})
        return account

    def _fill(self) -> None:
        section = ArgillaSection(
            url=self.site.url, workspace="bench", dataset=f"work-{self.site.records}", timeout=600
        )
        store = ArgillaStore(section, self.site.key, DatasetPlan(TASK, "", 1))
        dataset_id = store.open(pool(self.site.records), fresh=True)
        store._dataset.add_metadata()
        run_id = store._dataset.run_id
        store.close()
        bodies = [*self._bodies(run_id)]
        for start in range(0, len(bodies), BULK):
            items = {"items": bodies[start : start + BULK]}
            for record in self._call("POST", f"datasets/{dataset_id}/records/bulk", items)["items"]:
                self.record_ids[record["external_id"]] = record["id"]

    def _bodies(self, run_id: str) -> Iterator[Json]:
        number = 0
        for batch in batches(self.site.records):
            for position in range(len(batch.items)):
                body: Json = {
                    "external_id": name(number),
                    "fields": {"text": TEXT.format(number)},
                    "metadata": {**record_schema.metadata(batch, position), PROPERTY: run_id},
                }
                if number < self.site.open_from:
                    body["responses"] = [self._response(number)]
                yield body
                number += 1

    def _response(self, number: int) -> Json:
        person = self.people[number % PEOPLE]["id"]
        values = {"label": {"value": LABELS[number % 2]}}
        return {"user_id": person, "values": values, "status": "submitted"}

    # -- people at work ------------------------------------------------------------------------

    def work(self, seconds: float) -> list[float]:
        """Let everybody answer for so long; how long posting each answer took."""
        return asyncio.run(self._work(seconds))

    async def _work(self, seconds: float) -> list[float]:
        took: list[float] = []
        until = time.monotonic() + seconds
        tasks = [self._person(person, until, took) for person in self.people]
        await asyncio.gather(*tasks)
        return took

    async def _person(self, person: Json, until: float, took: list[float]) -> None:
        rng = random.Random(person["username"])  # noqa: S311
        headers = {"X-Argilla-Api-Key": person["api_key"]}
        async with httpx.AsyncClient(
            base_url=self.site.url, headers=headers, timeout=600,
            limits=httpx.Limits(keepalive_expiry=2.0),
        ) as client:  # fmt: skip
            await asyncio.sleep(rng.uniform(0, SECONDS_AN_ANSWER))
            while time.monotonic() < until:
                record_id, self._next = self.record_ids[name(self._next)], self._next + 1
                body = {"values": {"label": {"value": "yes"}}, "status": "submitted"}
                began = time.monotonic()
                answer = await client.post(f"/api/v1/records/{record_id}/responses", json=body)
                answer.raise_for_status()
                took.append(time.monotonic() - began)
                await asyncio.sleep(rng.uniform(0.5, 1.5) * SECONDS_AN_ANSWER)


# -- watchers --------------------------------------------------------------------------------------


class WorkingTime:
    """A clock that stands still between turns."""

    def __init__(self) -> None:
        self._before, self._began = 0.0, time.monotonic()

    def resume(self) -> None:
        self._began = time.monotonic()

    def rest(self) -> None:
        self._before += time.monotonic() - self._began

    def __call__(self) -> float:
        return self._before + time.monotonic() - self._began


class WholeReading:
    """Reads everything as soon as anybody has answered, in large pages without a pause.

    For the whole process: no other watcher may be in it.
    """

    def __init__(self, store: ArgillaStore, clock: Callable[[], float]) -> None:
        unhurried.SIZES, unhurried.LONGEST_PAUSE = (1000,), 0.0  # type: ignore[assignment]
        self._store, self._pace = store, Pace(SWEEP, clock)

    def look(self, ids: Sequence[ExternalId], _: Sequence[Batch]) -> Sweep | None:
        slower = max(1.0, len(ids) / 4000)
        return self._pace.look(self._store.activity, lambda: self._store.sweep(ids), slower)


@dataclass
class Desk:
    """A process that looks for answers while it is told to."""

    site: Site
    arm: str
    answered: set[str] = field(default_factory=set)
    looks: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        """Take turns as long as somebody says for how many seconds; then say what was done."""
        store, clock = self.site.store(), WorkingTime()
        watcher: WholeReading | AnswerWatcher
        if self.arm == BEFORE:
            watcher = WholeReading(store, clock)
        else:
            watcher = AnswerWatcher(store, SWEEP, clock)
        ids, everything = (
            [published_as(name(n)) for n in range(self.site.records)],
            batches(self.site.records),
        )
        store.requests = 0
        print("ready", flush=True)
        for line in sys.stdin:
            clock.resume()
            until = time.monotonic() + float(line)
            while time.monotonic() < until:
                self._look(watcher, ids, everything)
                time.sleep(POLL)
            clock.rest()
            print(json.dumps({"requests": store.requests, **self.looks}), flush=True)
        store.close()

    def _look(self, watcher: Any, ids: Sequence[ExternalId], everything: Sequence[Batch]) -> None:
        is_open = [b for b in everything if not self.answered.issuperset(b.external_ids)]
        sweep = watcher.look(ids, is_open[:OPEN_BATCHES])
        if sweep is not None:
            self.looks["partial" if sweep.is_partial else "full"] += 1
            self.answered |= {answer.external_id for answer in sweep.answers}


class Watcher:
    """Such a process, as this one sees it."""

    def __init__(self, site: Site, arm: str) -> None:
        self.told: Json = {}
        values = [site.url, site.key, str(site.records), str(site.open_from)]
        self._process = subprocess.Popen(
            [sys.executable, __file__, arm, *values],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._line()

    def begin(self, seconds: float) -> None:
        print(seconds, file=self._process.stdin, flush=True)

    def end(self) -> None:
        self.told = json.loads(self._line())

    def close(self) -> None:
        self._process.communicate()

    def _line(self) -> str:
        if self._process.stdout is None:
            raise RuntimeError("no pipe")
        return self._process.stdout.readline()


# -- measuring -------------------------------------------------------------------------------------


def measure(records: int, turns: int, seconds: float, arms: Sequence[str] = ARMS) -> Json:
    """All rows of one dataset."""
    in_a_turn = int(1.2 * len(arms) * seconds * PEOPLE / SECONDS_AN_ANSWER)
    turns = max(1, min(turns, (records - BATCH) // in_a_turn))  # a small dataset is soon answered
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServer(Path(folder) / "argilla", workspace="bench", ready_within=600) as server,
    ):
        office = Office(server, records, min(turns * in_a_turn, records - BATCH))
        looks = _single_looks(office.site, server)
        return {"turns": turns, **looks, **_at_work(office, turns, seconds, arms)}


def _single_looks(site: Site, server: EmbeddedServer) -> Json:
    """One look of each kind while nobody is at work."""
    store, everything = site.store(), batches(site.records)
    ids = [published_as(name(n)) for n in range(site.records)]
    is_open = everything[site.open_from // BATCH :][:OPEN_BATCHES]
    actions: Mapping[str, Callable[[], Any]] = {
        "trigger": store.activity,
        "full look": lambda: store.sweep(ids),
        "partial look": lambda: store.sweep_batches(is_open),
    }
    rows: Json = {}
    for what, action in actions.items():
        tries = []
        for _ in range(3):
            store.requests, before, began = 0, _cpu(server), time.monotonic()
            action()
            took = {"seconds": time.monotonic() - began, "server": _cpu(server) - before}
            tries.append({**took, "requests": store.requests})
        rows[what] = min(tries, key=lambda row: row["seconds"])
    store.close()
    return rows


def _cpu(server: EmbeddedServer) -> float:
    """Processor seconds of the server so far."""
    values = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def _at_work(office: Office, turns: int, seconds: float, arms: Sequence[str]) -> Json:
    watchers = {arm: Watcher(office.site, arm) for arm in arms if arm != "nobody"}
    took: dict[str, list[float]] = {arm: [] for arm in arms}
    for turn in range(turns):
        first = turn % len(arms)
        for arm in (*arms[first:], *arms[:first]):
            if arm in watchers:
                watchers[arm].begin(seconds)
            took[arm] += office.work(seconds)
            if arm in watchers:
                watchers[arm].end()
            print(office.site.records, turn, arm, len(took[arm]), file=sys.stderr, flush=True)
    rows: Json = {}
    for arm in arms:
        if arm in watchers:
            watchers[arm].close()
        rows[arm] = {
            "answers a second": len(took[arm]) / (turns * seconds),
            "p50": float(np.quantile(took[arm], 0.5)),
            "p95": float(np.quantile(took[arm], 0.95)),
            "p95 in relation to nobody's": _ratio(took[arm], took["nobody"]),
            **(watchers[arm].told if arm in watchers else {}),
        }
    return rows


def _ratio(took: Sequence[float], without: Sequence[float]) -> list[float]:
    """Of both p95, with a 95 % interval: as if other answers of the same kind had been measured."""
    rng = np.random.default_rng(0)

    def p95(values: Sequence[float]) -> Any:
        return np.quantile(rng.choice(values, (RESAMPLES, len(values))), 0.95, axis=1)

    measured = np.quantile(took, 0.95) / np.quantile(without, 0.95)
    ratios = p95(took) / p95(without)
    return [float(measured), *map(float, np.quantile(ratios, [0.025, 0.975]))]


def table(rows: Mapping[int, Json], arms: Sequence[str]) -> Iterator[str]:
    """Markdown: a line for each size and arm."""
    yield (
        "| records | watcher | answers a second | posting one, p50 | p95 | times nobody's "
        "| full looks | partial |"
    )
    yield "| --- " * 8 + "|"
    for records, row in rows.items():
        for arm in arms:
            one = row[arm]
            looks = f"{one.get('full', 0)} | {one.get('partial', 0)}"
            ratio = "{:.2f} [{:.2f}, {:.2f}]".format(*one["p95 in relation to nobody's"])
            if arm == "nobody":
                ratio = ""
            speed = f"{one['answers a second']:.2f} | {one['p50']:.3f} s | {one['p95']:.3f} s"
            yield f"| {records:,} | {arm} | {speed} | {ratio} | {looks} |"
    yield ""
    yield "| records | look | seconds | of the server's processor | requests |"
    yield "| --- " * 5 + "|"
    for records, row in rows.items():
        for what in ("trigger", "partial look", "full look"):
            one = row[what]
            values = f"{one['seconds']:.3f} | {one['server']:.2f} | {one['requests']}"
            yield f"| {records:,} | {what} | {values} |"


def main() -> None:
    """Be the process of a watcher."""
    parser = argparse.ArgumentParser(description="see long_run.py")
    parser.add_argument("arm", choices=ARMS)
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("records", type=int)
    parser.add_argument("open_from", type=int)
    options = parser.parse_args()
    Desk(Site(options.url, options.key, options.records, options.open_from), options.arm).run()


if __name__ == "__main__":
    main()
