"""The table of servers on the page is that of the results."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers import SERVERS, matrix
from tests.servers.matrix import (
    BEGIN,
    END,
    PAGE,
    PARTS,
    Part,
    Result,
    keep,
    read,
    table,
)
from tests.servers.stock import PROJECT


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


def test_a_part_that_runs_again_takes_the_place_of_that_part_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\n{END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(matrix, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(matrix, "PAGE", page)
    good, bad = (
        Part("2026-01-01", 1.2, 5, 0, 1, ("no",)),
        Part("2026-02-02", 3, 4, 1, 0, (), ("t",)),
    )
    for name, parts in (
        ("opensearch", {"store": good}),
        ("embedded", {"run": good}),
        ("opensearch", {"run": bad}),
        ("opensearch", {"run": good}),
        ("opensearch", {"store": bad}),
    ):
        keep(Result(name, name, "a database", "a search", parts))
    assert list(read()) == ["embedded", "opensearch"]
    assert list(read()["opensearch"].parts.items()) == [("run", good), ("store", bad)]
    lines = page.read_text(encoding="utf-8").splitlines()
    row = "| opensearch | a database | a search | 9 | 1 | 1 | yes | run store | 4 | 2026-02-02 |"
    assert lines[-3:] == [row, END, "after"]
