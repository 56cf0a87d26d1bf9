"""On the embedded server other tests show the same: these are for `make check-full` there."""

from __future__ import annotations

import pytest

from tests.servers import EMBEDDED


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--argilla") == EMBEDDED:
        for item in items:
            if item.path.name == "test_whole_run.py":
                item.add_marker(pytest.mark.slow)
