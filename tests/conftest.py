"""What every test shares: no network for the Hugging Face libraries, no keys of the caller.

``pytest --argilla NAME_OR_URL`` runs the tests that need an Argilla on another server than the
embedded one; see ``tests.servers`` for the names. Tests say what they need of a server with the
marker ``needs``, and are skipped, with the reason, on one that lacks it.
"""

import os
import platform
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
# Before a library reads it. The workers share few cores: threads that wait for others burn half of
# the time, and the last bits of sums are those of one thread, as in the daemons of the nursery.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Kernels that every processor of the last ten years has: those for AVX-512 sum in another order,
# and last bits decide between texts that a model finds equally good. So stored choices are the
# same wherever the tests run.
if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import workers
from tests.exempt import AROUND, WITHOUT_GUESTS, reason
from tests.faults.nursery import Nursery
from tests.guard import GUARDS
from tests.live import LiveArgilla
from tests.long import is_folder_of_long_ones, is_long
from tests.servers import EMBEDDED, Server, server_of

OWNER_KEY = pytest.StashKey[str]()
"""Of the caller, for ``--argilla URL`` alone."""

CHOSEN = pytest.StashKey[Server]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--argilla",
        default=EMBEDDED,
        metavar="NAME_OR_URL",
        help="server on which to run what needs one; a URL takes the owner's ARGILLA_API_KEY",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[OWNER_KEY] = os.environ.pop("ARGILLA_API_KEY", "")


def chosen(config: pytest.Config) -> Server:
    """The server that the switch names."""
    if CHOSEN not in config.stash:
        try:
            name = str(config.getoption("--argilla"))
            config.stash[CHOSEN] = server_of(name, config.stash[OWNER_KEY])
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[CHOSEN]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make fast` does not import what it leaves out as a whole."""
    if "not long" not in config.option.markexpr or not collection_path.is_dir():
        return None
    relative = collection_path.relative_to(config.rootpath).as_posix()
    return is_folder_of_long_ones(f"{relative}/") or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_long(item.nodeid):
            item.add_marker(pytest.mark.long)
    workers.sort(items)


def pytest_collection_finish() -> None:
    """What has been imported stays to the end; to walk over it each time would cost seconds."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def collected() -> Iterator[None]:
    """A socket or a file that is left open fails its own file, and no later one.

    What has survived, such as libraries, is not walked over again: that would be minutes in all.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _modules_of_the_test() -> Iterator[None]:
    """What a test imports from a folder of its own is not there for the next."""
    before = set(sys.path)
    yield
    added = tuple(f"{folder}{os.sep}" for folder in sys.path if folder not in before)
    if added:
        sys.path[:] = [folder for folder in sys.path if folder in before]
        for name, module in [*sys.modules.items()]:
            if (getattr(module, "__file__", None) or "").startswith(added):
                del sys.modules[name]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Any:
    return workers.scheduler(config, log)


def pytest_report_header(config: pytest.Config) -> str:
    server = chosen(config)
    return f"argilla: {server.title}, {server.database}, {server.search}"


GUARDS.attend()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Datasets get guests before any fixture makes one; what the server lacks is not tried."""
    GUARDS.expect(guests=reason(item.nodeid, WITHOUT_GUESTS) is None)
    server = chosen(item.config)
    for marker in item.iter_markers("needs"):
        for need in marker.args:
            if need in server.lacks:
                pytest.skip(f"{server.title}: {server.lacks[need]}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Once all that the test has started is gone: what others had in any dataset is as it was."""
    yield
    lines = GUARDS.losses()
    if lines and reason(item.nodeid, AROUND) is None:
        pytest.fail("lost by others: " + "\n".join(lines), pytrace=False)


@pytest.fixture(scope="session")
def argilla(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveArgilla]:
    """One real Argilla for all tests of a worker; each test has its own dataset."""
    server = chosen(request.config)
    live = server.start(tmp_path_factory.mktemp("argilla") / "its home")
    live.lacks = server.lacks
    yield live
    live.stop()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Forks the daemons of all tests of a worker."""
    with Nursery() as forking:
        yield forking
