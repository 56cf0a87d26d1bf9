"""The metrics log as a table, whatever it lacks."""

from pathlib import Path

import pytest

from loopd.errors import DataError
from loopd.metrics_log.rows import advice, class_names, number, read_metrics
from loopd.metrics_log.table import round_header, round_line, round_table
from loopd.records import JsonValue

FULL: dict[str, JsonValue] = {
    "round": 3,
    "labels": 79,
    "discarded": 1,
    "accuracy": 0.8125,
    "accuracy_low": 0.77,
    "accuracy_high": 0.85,
    "macro_f1": 0.7777,
    "f1.a.b": 0.5,
    "stop.kappa_average.value": 0.99,
    "stop.kappa_average.stop": True,
    "stop.label_budget.value": 79,
    "stop.label_budget.stop": False,
    "seconds.training": 12.34,
    "seconds.waiting": 100,
}


def test_a_full_round() -> None:
    cells = " ".join(round_line(FULL).split())
    assert cells == "3 79 1 0.812 [0.770-0.850] 0.778 12.3 s 100.0 s kappa_average"


def test_an_empty_round_has_dashes() -> None:
    assert set(round_line({}).split()) == {"-"}
    assert round_line({"accuracy": None, "round": 0}).split()[0] == "0"


def test_lines_align_under_the_heading() -> None:
    heading, rule = round_header().splitlines()
    assert len(rule) == len(heading)
    table = round_table([FULL, {}]).splitlines()
    assert len(table) == 4
    for name in ("round", "labels", "macro-F1"):
        end = heading.index(name) + len(name)
        assert all(line[end - 1] != " " and line[end] == " " for line in table[2:])


def test_reading_the_log(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(path) == []
    path.write_text('{"round": 0}\n\n{"round": 1, "f1.é": 0.5}\n', encoding="utf-8")
    rows = read_metrics(path)
    assert [number(row, "round") for row in rows] == [0, 1]
    assert class_names(rows) == ("é",)


@pytest.mark.parametrize("content", ["{", "[1]\n", "\xff"])
def test_a_damaged_log_is_a_clear_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=r"metrics\.jsonl"):
        read_metrics(path)


def test_advice_and_classes_keep_dots_in_names() -> None:
    assert advice(FULL) == ("kappa_average",)
    assert class_names([FULL]) == ("a.b",)
