"""What every test shares: no network for the Hugging Face libraries, no keys of the caller."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ.pop("ARGILLA_API_KEY", None)

from collections.abc import Iterator

import pytest

from tests.faults.nursery import Nursery
from tests.live import LiveArgilla


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
