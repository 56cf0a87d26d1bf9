"""The table of servers on the page is that of the results."""

from __future__ import annotations

import pytest

from tests.servers import SERVERS
from tests.servers.matrix import BEGIN, END, PAGE, PARTS, PROJECT, read, table


def test_the_page_shows_the_results() -> None:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    shown, _, _ = rest.partition(END)
    results = read()
    ordered = [results[name] for name in SERVERS if name in results]
    assert shown.strip() == table(ordered), "python -m tests.servers.matrix --table"


@pytest.mark.parametrize("name", read())
def test_the_results_are_of_servers_that_there_are(name: str) -> None:
    result = read()[name]
    assert result.title == SERVERS[name].title
    assert set(result.parts) <= set(PARTS)
    assert "run" in result.parts


@pytest.mark.parametrize("path", [path for paths in PARTS.values() for path in paths])
def test_the_parts_are_there(path: str) -> None:
    assert (PROJECT / path.partition("::")[0]).exists()
