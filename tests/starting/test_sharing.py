"""Several `loopd start` on one Argilla: whoever ends last ends it, and nobody comes in between."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from loopd.embedded_argilla.home import ServerHome, is_locked, locked, open_home, running_url
from loopd.errors import Interrupted, ServerError
from loopd.loop.stop import Stop
from loopd.starting.argilla import argilla_in
from loopd.starting.tenants import Tenancy, exclusive
from tests.simulation.conftest import wait_for


def test_the_last_one_is_told_so(tmp_path: Path) -> None:
    home = open_home(tmp_path)
    with Tenancy(home) as first, Tenancy(home) as second:
        assert not first.is_last()
        assert second.is_last(), "the first is not there any more"


def test_of_two_that_ask_at_once_one_is_the_last(tmp_path: Path) -> None:
    home, answers, both = open_home(tmp_path), [], threading.Barrier(2)

    def leave() -> None:
        with Tenancy(home) as tenancy:
            both.wait()
            answers.append(tenancy.is_last())
            both.wait()

    threads = [threading.Thread(target=leave) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False, True]


def test_whoever_comes_while_one_starts_waits_or_is_stopped(tmp_path: Path) -> None:
    home = open_home(tmp_path)
    with exclusive(home, lambda: False):  # noqa: SIM117 - the second must not get in
        with pytest.raises(Interrupted), exclusive(home, lambda: True):
            pass


def test_whoever_waits_for_one_that_ends_may_give_up(tmp_path: Path) -> None:
    home, looks = open_home(tmp_path), iter([False, False, True])
    with Tenancy(home) as ending:
        assert ending.is_last()
        with pytest.raises(Interrupted), Tenancy(home, lambda: next(looks)):
            pass
        assert next(looks, "all asked") == "all asked"
    with Tenancy(home, lambda: True) as next_one:
        assert next_one.is_last()


def test_a_look_at_the_lock_keeps_no_server_from_starting(tmp_path: Path) -> None:
    home = open_home(tmp_path)
    with locked(home):
        pass
    look = (
        "import fcntl, sys, time; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_SH);"
        "print('held', flush=True); time.sleep(0.1)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", look, str(home.lock)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    assert not is_locked(home), "whoever looks is no server"
    with locked(home):
        assert is_locked(home)
    child.wait()
    child.stdout.close()


def test_a_home_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with (
        pytest.raises(ServerError, match="cannot be used"),
        argilla_in(tmp_path / "home", 0, "loopd", Stop(), lambda: None),
    ):
        pass


@pytest.mark.integration
@pytest.mark.parametrize("first_ends", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_an_argilla_is_there_as_long_as_somebody_uses_it(tmp_path: Path, first_ends: bool) -> None:
    home, ends = ServerHome(tmp_path / "home"), [threading.Event(), threading.Event()]
    urls: dict[int, str] = {}

    def use(number: int) -> None:
        with argilla_in(home.path, 0, "loopd", Stop(), lambda: None) as there:
            urls[number] = there.url
            ends[number].wait(120)

    users = [threading.Thread(target=use, args=(number,)) for number in range(2)]
    try:
        for user in users:
            user.start()  # both at once: one brings it up
        wait_for(lambda: len(urls) == 2, 120)
        assert len(set(urls.values())) == 1
        order = (0, 1) if first_ends else (1, 0)
        ends[order[0]].set()
        users[order[0]].join(60)
        assert running_url(home) == urls[0], "the other one still works with it"
    finally:
        for end in ends:
            end.set()
        for user in users:
            user.join(60)
    assert not is_locked(home)
    assert not home.left.exists()
