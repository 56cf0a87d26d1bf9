"""What was lost of a file: `check`, `run` and `simulate` say it in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from loopd.backtest import backtest
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.errors import DataError
from loopd.loop.daemon import report_data, run_daemon
from loopd.loop.data_sets import read_data
from loopd.operations import check
from loopd.operations.check_visit import CheckVisit


def config(folder: Path, bad: int = 0, encoding: str = "utf-8", **pool: Any) -> Config:
    rows = [f"text {n},{'fod' if n < bad else 'food'}\n" for n in range(40)]
    content = "text,label\n" + "".join(rows) + "Grüße,food\n"
    (folder / "pool.csv").write_bytes(content.encode(encoding))
    (folder / "test.csv").write_text("text,label\na,food\nb,price\n")
    sections = {
        "run": {"dir": "run"},
        "task": {"labels": ["food", "price"]},
        "pool": {"path": "pool.csv", "label": "label", **pool},
        "test": {"path": "test.csv", "label": "label"},
        "stopping": {"max_rounds": 1},
    }
    return parse_config(sections, folder)


def checked(settings: Config) -> list[tuple[str, str]]:
    """Level and text of what is found of the pool."""
    visit = CheckVisit(settings)
    visit.read_data()
    findings = check._data(visit)
    return [(each.level, each.text.strip()) for each in findings if each.topic == "pool"]


def logged(settings: Config) -> list[tuple[str, str]]:
    """The same of the log of a run."""
    with capture_logs() as lines:
        report_data(read_data(settings))
    return of_the_pool(lines)


def of_the_pool(lines: Any) -> list[tuple[str, str]]:
    return [
        ("ok" if line["log_level"] == "info" else "warning", line["detail"])
        for line in lines
        if line["event"] == "reading" and line["set"] == "pool"
    ]


def simulated(settings: Config, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The same of a backtest, before it begins."""

    def begin(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backtest, "opened", begin)
    with capture_logs() as lines, pytest.raises(KeyboardInterrupt):
        backtest.run_backtest(settings, backtest.BacktestOptions(), print)
    return of_the_pool(lines)


@pytest.mark.parametrize(
    ("bad", "encoding", "level"),
    [(0, "utf-8", "ok"), (1, "utf-8", "warning"), (0, "cp1252", "warning")],
)
def test_all_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: int, encoding: str, level: str
) -> None:
    settings = config(tmp_path, bad, encoding)
    said = checked(settings)
    assert {each for each, _ in said} == {level}
    assert said == logged(settings) == simulated(settings, monkeypatch)


def test_all_refuse_in_the_same_words(tmp_path: Path) -> None:
    settings = config(tmp_path, bad=9)
    refusals = []
    for refuse in (
        lambda: CheckVisit(settings).read_data(),
        lambda: run_daemon(settings),
        lambda: backtest.run_backtest(settings, backtest.BacktestOptions(), print),
    ):
        with pytest.raises(DataError, match="9 of 41 labels cannot be used") as caught:
            refuse()
        refusals.append((caught.value.message, caught.value.hint))
    assert len(set(refusals)) == 1
    tolerant = config(tmp_path, bad=9, tolerate=0.22)
    assert read_data(tolerant).pool.fingerprint
    assert tolerant.digest() == settings.digest()
