"""The same sentence from `loopd check` and `loopd run`, as processes."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.test_failures import collecting
from tests.daemon import Daemon, write_csv
from tests.live import LiveArgilla

pytestmark = [pytest.mark.acceptance, pytest.mark.integration]


def same_sentence(daemon: Daemon, code: int) -> str:
    """What both say; check names it in one of its lines, run in the one it ends with."""
    looked, ran = daemon.loopd("check"), daemon.loopd("run")
    assert (looked.returncode, ran.returncode) == (code, code), looked.stdout + ran.stderr
    error = next(line for line in ran.stderr.splitlines() if " error: " in line)
    sentence = error.partition(" error: ")[2]
    assert sentence in looked.stdout
    hint = ran.stderr.partition("hint: ")[2].splitlines()[0]
    assert f"hint: {hint}" in looked.stdout
    return sentence


def test_a_run_that_another_daemon_works_on(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla)
    process = daemon.start()
    daemon.wait(collecting)
    assert f"process {process.pid}" in same_sentence(daemon, 14)
    assert process.poll() is None
    assert collecting(daemon.state)


def test_a_dataset_of_another_run(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    first = make_daemon(argilla)
    first.start()
    first.wait(collecting)
    second = make_daemon(argilla, argilla={"dataset": first.dataset})
    assert "another run" in same_sentence(second, 21)


def test_what_changed_since_the_run_began(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla)
    daemon.start()
    daemon.wait(collecting)
    daemon.kill()
    with (daemon.folder / "pool.csv").open("a") as file:
        file.write("r999,a new text,fruit\n")
    assert "the pool has changed since it was read: 1 new" in daemon.loopd("check").stdout
    write_csv(daemon.folder / "pool.csv", 60, "z")
    assert "the pool changed" in same_sentence(daemon, 13)


def test_an_annotators_key(argilla: LiveArgilla, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(argilla)
    daemon.api_key = argilla.keys["ann"]
    assert "`ann` is an annotator" in same_sentence(daemon, 20)
