"""Limits of a proxy: size of a request, time of an answer, rest of a connection."""

from __future__ import annotations

import csv
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.http import TooLargeError
from loopd.config import ArgillaSection
from loopd.data.pool import Pool
from loopd.errors import TransientError
from loopd.records import Batch, BatchItem, PoolId, Record
from loopd.tasks.single_label import SingleLabelTask
from tests.acceptance.conftest import MakeDaemon, slowly
from tests.acceptance.test_failures import answer_all, collecting, rounds
from tests.daemon import Condition, Daemon
from tests.fronts.conftest import Front, Nginx
from tests.fronts.hesitant import Hesitant
from tests.live import LiveArgilla
from tests.loop.conftest import make_pool

pytestmark = [pytest.mark.integration, pytest.mark.acceptance]

ONE_MEGABYTE = "client_max_body_size 1m;"

TASK = SingleLabelTask(("fruit", "tool"), "label", "text", "Which?")


def long_pool(count: int, size: int) -> Pool:
    return Pool(
        tuple(Record(PoolId(f"r{n:02d}"), f"{n} " + "lorem " * (size // 6)) for n in range(count))
    )


def batch_of(pool: Pool) -> Batch:
    return Batch("b0000", 0, "cold", None, tuple(BatchItem(record.id, 0.5) for record in pool))


def answered(number: int) -> Condition:
    """That so many answers are in the journal."""
    return lambda state: len(state.answers) >= number


@pytest.fixture
def make_store(argilla: LiveArgilla) -> Iterator[Callable[[str, Pool], ArgillaStore]]:
    made: list[ArgillaStore] = []

    def make(url: str, pool: Pool) -> ArgillaStore:
        section = ArgillaSection(url=url, dataset=f"limits-{uuid.uuid4().hex[:8]}", timeout=20)
        made.append(ArgillaStore(section, argilla.owner_key, DatasetPlan(TASK, "", 1)))
        made[-1].open(pool, fresh=True)
        return made[-1]

    yield make
    for store in made:
        store.close()


def in_argilla(store: ArgillaStore, pool: Pool) -> Counter[str | None]:
    return Counter(item.external_id for item in store.published(pool).items)


def publish(store: ArgillaStore, pool: Pool) -> int:
    """As the loop does, until it works; how often it failed."""
    texts = {record.id: record.text for record in pool}
    for failures in range(30):
        with suppress(TransientError):
            store.publish(batch_of(pool), texts)
            return failures
    raise TimeoutError("it never works")


def test_a_bulk_that_is_too_large_is_halved_until_it_gets_through(
    front: Front, make_store: Callable[[str, Pool], ArgillaStore]
) -> None:
    front.play(front.passing(ONE_MEGABYTE))
    pool = long_pool(40, 60_000)
    store = make_store(front.url, pool)
    with capture_logs() as lines:
        assert publish(store, pool) == 0
    said = [line["records"] for line in lines if line["event"] == "bulk_halved"]
    assert said == [20, 10]
    assert in_argilla(store, pool) == Counter(record.id for record in pool)


def test_a_single_record_that_is_too_large_is_named(
    front: Front, make_store: Callable[[str, Pool], ArgillaStore]
) -> None:
    front.play(front.passing(ONE_MEGABYTE))
    pool = long_pool(3, 1_200_000)
    store = make_store(front.url, pool)
    with pytest.raises(TooLargeError, match=r"the record `r00` alone \(1,20\d,\d+ bytes\)") as seen:
        publish(store, pool)
    assert "client_max_body_size" in seen.value.hint
    assert not in_argilla(store, pool)


@pytest.mark.parametrize("obeys", ["after", slowly("before"), slowly("never")])
def test_a_bulk_that_runs_out_of_time_doubles_no_record(
    argilla: LiveArgilla,
    nginx: Nginx,
    make_store: Callable[[str, Pool], ArgillaStore],
    obeys: str,
) -> None:
    with Hesitant(argilla.url, 0.25, obeys, 0.8) as slow:
        front = nginx.front(slow.url)
        front.play(front.passing("proxy_read_timeout 1s; proxy_send_timeout 1s;"))
        pool = long_pool(10, 60)
        store = make_store(front.url, pool)
        with capture_logs() as lines:
            failures = publish(store, pool)
        said = [line["says"] for line in lines if line["event"] == "bulk_halved"]
        assert said[0].startswith("a request with 10 records was not answered in time")
        assert failures >= 1
        assert slow.bulks == sorted(slow.bulks, reverse=True)
        assert slow.bulks[:3] == [10, 5, 2] or obeys != "never"
        assert in_argilla(store, pool) == Counter(record.id for record in pool)


def with_long_texts(daemon: Daemon) -> Daemon:
    """The pool of the daemon, each text with 60 KB behind it; the texts stay apart."""
    with (daemon.folder / "pool.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [[each.id, each.text + " ipsum" * 10_000, each.gold] for each in make_pool(60)]
        csv.writer(file).writerows([["id", "text", "label"], *rows])
    daemon.settings["queue"]["batch_size"] = 20
    daemon.save()
    return daemon


@pytest.mark.slow
def test_a_run_with_long_texts_behind_one_megabyte(
    argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front
) -> None:
    front.play(front.passing(ONE_MEGABYTE))
    daemon = make_daemon(argilla, url=front.url, guests=False, stopping={"max_rounds": 2})
    with_long_texts(daemon).start()
    daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    front.play(front.passing("client_max_body_size 500k;"))  # while it runs, less
    answer_all(daemon, people)
    daemon.wait(rounds(2))
    answer_all(daemon, people)
    people.close()
    assert daemon.ended() == 0, daemon.log
    assert [f"from now on {count} records" in daemon.log for count in (10, 5)] == [True, True]
    assert len(daemon.state.answers) == 40


@pytest.mark.slow
def test_connections_that_are_cut_at_rest_go_unnoticed(
    argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front
) -> None:
    front.play("keepalive_timeout 1s;" + front.passing())
    daemon = make_daemon(
        argilla,
        url=front.url,
        queue={"batch_size": 3, "low_watermark": 0, "poll_interval": 1.5, "sweep_interval": 3.0},
        stopping={"max_rounds": 1},
    )
    daemon.start()
    daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    gold = {record.id: record.gold for record in make_pool(60)}
    for record_id in people.open_records("ann"):
        people.submit(record_id, "ann", gold[PoolId(record_id)])
        left = len(people.open_records("ann"))
        daemon.wait(answered(3 - left))
    people.close()
    assert daemon.ended() == 0, daemon.log
    assert "waiting_for_argilla" not in daemon.log
