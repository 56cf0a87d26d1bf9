"""No child outlives the demo, also when it is killed; a clean end leaves children alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loopd.starting.parent_watch import ParentDeathWatch, watch
from tests.simulation.conftest import wait_for

SLEEPER = (sys.executable, "-c", "import time; time.sleep(300)")

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(300)
"""

HOLDER = """
import subprocess, sys, time
from loopd.starting.parent_watch import ParentDeathWatch
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
with ParentDeathWatch() as leash:
    leash.hold(child.pid)
    print(child.pid, flush=True)
    time.sleep(300)
"""


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.integration
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_the_child_ends_when_its_holder_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE) as holder:
        child = int((holder.stdout or sys.stdin.buffer).readline())
        assert alive(child)
        holder.kill()
        wait_for(lambda: not alive(child))


KILLED = """
import os, signal, sys
from loopd.starting.parent_watch import ParentDeathWatch

class Dying(ParentDeathWatch):
    def hold(self, pid):
        print(pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

with Dying() as watch:
    watch.popen([sys.executable, "-c", "import time; time.sleep(300)"])
"""


@pytest.mark.integration
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_a_child_of_one_that_was_killed_before_it_could_hold_it_never_begins() -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE) as holder:
        child = int((holder.stdout or sys.stdin.buffer).readline())
        wait_for(lambda: not alive(child))


@pytest.mark.integration
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_what_it_starts_is_the_program_itself_and_is_held() -> None:
    """Its arguments arrive as they are, and it reads nothing."""
    odd = ["a b", "", "$HOME", "'", "x\ny"]
    says = "import sys; print(sys.argv[1:], repr(sys.stdin.read()))"
    with ParentDeathWatch() as parent_watch:
        command = [sys.executable, "-c", says, *odd]
        with parent_watch.popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.read().decode() == f"{odd} ''\n"
        with parent_watch.popen(SLEEPER) as child:
            wait_for(lambda: b"sleep(300)" in Path(f"/proc/{child.pid}/cmdline").read_bytes())
            watch([f"+{child.pid}\n"])
            assert child.wait(30) == -signal.SIGTERM


def test_a_clean_end_and_a_release_leave_the_child_alone() -> None:
    with subprocess.Popen(SLEEPER) as child:
        with ParentDeathWatch() as parent_watch:
            parent_watch.hold(child.pid)
        watch([f"+{child.pid}\n", f"-{child.pid}\n"])
        assert child.poll() is None
        watch([f"+{child.pid}\n", "done\n"])
        assert child.poll() is None
        child.kill()


def test_the_watcher_kills_what_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopd.starting.parent_watch.GRACE_SECONDS", 0.3)
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE) as child:
        (child.stdout or sys.stdin.buffer).readline()
        started = time.monotonic()
        watch([f"+{child.pid}\n"])
        assert child.wait(10) == -signal.SIGKILL
        assert time.monotonic() - started < 10


def test_unknown_processes_do_no_harm() -> None:
    with subprocess.Popen(SLEEPER) as child:
        child.kill()
        child.wait()
        watch([f"+{child.pid}\n"])
    assert os.getpid() > 0
