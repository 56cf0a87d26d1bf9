"""What every test shares: no network for the Hugging Face libraries, no keys of the caller."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ.pop("ARGILLA_API_KEY", None)

from collections.abc import Iterator

import pytest

from tests.exempt import AROUND, WITHOUT_GUESTS, reason
from tests.faults.nursery import Nursery
from tests.guard import GUARDS
from tests.live import LiveArgilla

GUARDS.attend()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Datasets of this test get guests, or it says why not; before any fixture makes one."""
    GUARDS.expect(guests=reason(item.nodeid, WITHOUT_GUESTS) is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Once all that the test has started is gone: what others had in any dataset is as it was."""
    yield
    lines = GUARDS.losses()
    if lines and reason(item.nodeid, AROUND) is None:
        pytest.fail("lost by others: " + "\n".join(lines), pytrace=False)


@pytest.fixture(scope="session")
def argilla(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveArgilla]:
    """One real embedded Argilla for all tests of a worker; each test has its own dataset."""
    live = LiveArgilla.start(tmp_path_factory.mktemp("argilla") / "its home")
    yield live
    live.server.stop()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Forks the daemons of all tests of a worker."""
    with Nursery() as forking:
        yield forking
