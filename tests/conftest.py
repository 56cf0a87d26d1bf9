"""What every test shares: no network for the Hugging Face libraries, no keys of the caller."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ.pop("ARGILLA_API_KEY", None)

import importlib
from collections.abc import Iterator

import pytest

from tests.faults.nursery import Nursery
from tests.live import LiveArgilla


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which Argilla the tests run on: the embedded one, or one that `tests.servers` starts."""
    parser.addoption("--argilla", default="embedded", help="embedded, or a name in tests.servers")


@pytest.fixture(scope="session")
def argilla(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveArgilla]:
    """One real Argilla for all tests of a worker; each test has its own dataset."""
    name, home = request.config.getoption("--argilla"), tmp_path_factory.mktemp("argilla")
    embedded = name == "embedded"
    start = LiveArgilla if embedded else importlib.import_module(f"tests.servers.{name}")
    live = start.start(home / "its home")
    yield live
    live.stop()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Forks the daemons of all tests of a worker."""
    with Nursery() as forking:
        yield forking
