"""The contracts of the search engine and of the store, run again on PostgreSQL and a real Redis.

Other tests than these run there, too, by `pytest --argilla postgresql`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.postgresql import need_programs

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
SEARCH, STORE = (
    "tests/embedded_argilla/test_search_contract.py",
    "tests/integration/test_store_contract.py",
)
HALF = (
    "filter_metadata or filter_response or filter_record or default_order or test_sort or "
    "test_query or similarity_by or metrics or progress or seen_at_once"
)
ROUND = "publishing_twice or survive or shown or sweep or edit_a_withdrawal or trigger or refreshed"
WHOLE = (
    SEARCH,
    STORE,
    "tests/integration",
    "tests/listener/test_live.py",
    "tests/simulation/test_oracle.py",
    "tests/acceptance/test_webhooks_live.py",
    "tests/acceptance/test_second_opinions_live.py",
)


def passed_on_postgresql(*arguments: str) -> int:
    """How many tests passed; fails where one did not."""
    environment = {name: text for name, text in os.environ.items() if "XDIST" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         "--argilla", "postgresql", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    match = re.search(r"(\d+) passed", done.stdout)
    assert match is not None, done.stdout
    assert " skipped" not in done.stdout.splitlines()[-1], done.stdout[-2000:]
    return int(match[1])


@pytest.fixture(autouse=True)
def installed() -> None:
    """Skips here where they are not, so that a skip below is a failure."""
    need_programs()


@pytest.mark.slow
def test_the_contracts_in_short() -> None:
    assert passed_on_postgresql(SEARCH, STORE, "-k", f"({HALF} or {ROUND}) and not memory") >= 90


@pytest.mark.slow
def test_the_contracts_whole_and_people() -> None:
    assert passed_on_postgresql(*WHOLE) >= 290


@pytest.mark.slow
@pytest.mark.crash
def test_kills_change_nothing() -> None:
    assert passed_on_postgresql("tests/crash", "-k", "boundaries or random") == 3
