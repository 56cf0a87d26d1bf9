"""One PostgreSQL and one Redis for all tests of a worker; each test makes a database of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.postgresql import Postgresql, Redis, postgresql, redis_server


@pytest.fixture(scope="session")
def cluster() -> Iterator[Postgresql]:
    with postgresql() as running:
        yield running


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    with redis_server() as running:
        yield running
