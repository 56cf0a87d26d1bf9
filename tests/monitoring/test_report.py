"""The report: its numbers are those of the metrics log, and what people typed stays text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from loopd.cli import main
from loopd.config import Config
from loopd.events import Event, RoundEvaluated
from loopd.records import JsonValue
from loopd.reports.report import run_report
from loopd.storage.lock import run_lock
from tests.monitoring.html import Page
from tests.monitoring.rounds import HOSTILE
from tests.monitoring.run_folder import run_on_disk
from tests.monitoring.story import opening, posted, story

TEXT = '<img src=x onerror="window.harmed = 1"> {{ 7 * 7 }} $x$ & text'
NEVER = ("script", "img", "iframe", "object", "embed", "link", "form", "base")


def report_of(config: Config, **options: Any) -> Page:
    page = run_report(config, None, lambda _: None, **options)
    return Page(page.read_text(encoding="utf-8"))


def log_of(config: Config) -> list[dict[str, Any]]:
    lines = (config.run.dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Three rounds and an open batch, every name of which tries to be more than text."""
    folder = tmp_path_factory.mktemp("hostile")
    return run_on_disk(folder, story(3, 1, HOSTILE), HOSTILE, TEXT)


@pytest.fixture(scope="module")
def page(hostile: Config) -> Page:
    return report_of(hostile)


def test_every_number_of_every_round_is_that_of_the_metrics_log(
    page: Page, hostile: Config
) -> None:
    rows = log_of(hostile)
    head, *lines = page.tables["numbers"]
    assert [int(cell.text) for cell in head[1:]] == [row["round"] for row in rows]
    shown = {line[0].text: line[1:] for line in lines}
    assert set(shown) == {key for row in rows for key in row}
    for key, cells in shown.items():
        for row, cell in zip(rows, cells, strict=True):
            value = row.get(key)
            if isinstance(value, (int, float)):
                assert cell.values == [value], key
            elif value is not None:
                assert cell.text == value, key
    assert sum(len(cell.values) for cells in shown.values() for cell in cells) > 60


def test_the_table_of_rounds_shows_them_rounded_and_keeps_them_exact(
    page: Page, hostile: Config
) -> None:
    rows = log_of(hostile)
    _, *lines = page.tables["rounds"]
    assert len(lines) == len(rows) == 3
    for row, line in zip(rows, lines, strict=True):
        cells = {cell.key: cell for cell in line if cell.key}
        assert {"round", "labels", "accuracy", "accuracy_low", "macro_f1"} <= set(cells)
        for key, cell in cells.items():
            assert cell.values == [row[key]], key
            digits = len(cell.text.partition(".")[2])
            assert float(cell.text.replace(",", "")) == pytest.approx(
                row[key], abs=0.5000001 * 10**-digits
            )


def test_the_list_of_batches_is_whole(page: Page) -> None:
    head, *lines = page.tables["batches"]
    names = [cell.text for cell in head]
    assert [line[names.index("Batch")].text for line in lines] == [f"b{n:04d}" for n in range(4)]
    first = dict(zip(names, lines[0], strict=True))
    assert first["Records"].values == [4]
    assert first["Strategy"].text == "facility_location"
    assert first["Because"].text == "complete"
    assert first["People, s"].values == [68.0]
    assert first["Training, s"].values == [4.0]
    assert dict(zip(names, lines[3], strict=True))["Collected"].text == "-"


def test_what_people_typed_is_text(page: Page) -> None:
    assert not page.tags & set(NEVER)
    assert not [name for name in page.attributes if name.startswith("on")]
    assert page.links == {link for link in page.links if link.startswith("#")}
    words = "".join(page.words)
    assert f"{TEXT} 15" in words
    assert "49" not in "".join(cell.text for row in page.tables["out"] for cell in row)
    for label in HOSTILE:
        assert any(label in row[0].text for row in page.tables["classes"]), label


def test_provenance_is_there_and_secrets_are_not(page: Page, hostile: Config) -> None:
    origin = {row[0].text: row[1].text for row in page.tables["origin"]}
    assert origin["seed"] == "1"
    assert origin["dataset_id"] == "dataset"
    assert origin["test_fingerprint"] == "test"
    assert origin["version.python"] == "3"
    assert origin["last_model"] == "m2"
    settings = {row[0].text: row[1].text for row in page.tables["settings"]}
    assert settings["queue.batch_size"] == "4"
    assert settings["stopping.max_rounds"] == "9"
    assert settings["argilla.api_key_command"] == "(left out)"
    assert "print-my-secret-key" not in "".join(page.words)


def test_texts_can_be_left_out(hostile: Config) -> None:
    bare = report_of(hostile, texts=False)
    assert "7 * 7" not in "".join(cell.text for row in bare.tables["out"] for cell in row)
    assert len(bare.tables["out"]) == 4  # three records are open


def test_another_pool_is_said_and_its_texts_are_not_shown(tmp_path: Path) -> None:
    config = run_on_disk(tmp_path, story(1), ("fruit", "tool"))
    pool = tmp_path / "pool.csv"
    pool.write_text("id,text\nr004,another text\n", encoding="utf-8")
    assert "the pool is another" in "".join(words := report_of(config).words)
    assert "another text" not in "".join(words)
    pool.unlink()
    assert "The texts are not shown" in "".join(report_of(config).words)


def without_test_set(events: list[Event]) -> list[Event]:
    return [
        replace(event, metrics={}, confusion=()) if isinstance(event, RoundEvaluated) else event
        for event in events
    ]


def of_several_labels(events: list[Event]) -> list[Event]:
    metrics: dict[str, JsonValue] = {
        "metric": "micro_f1", "micro_f1": 0.5, "micro_f1_low": 0.4, "micro_f1_high": 0.6,
        "macro_f1": 0.4, "hamming_loss": 0.1, "test_size": 9, "f1.fruit": 0.5,
    }  # fmt: skip
    return [
        replace(event, metrics=metrics, confusion=())
        if isinstance(event, RoundEvaluated)
        else event
        for event in events
    ]


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([], "The run has not begun yet"),
        ([opening()], "Nobody has answered yet"),
        ([opening(), *posted(0)], "4 open"),
        (story(2, over=True), "No record waits for an answer"),
        (without_test_set(story(2)), "There is no test set, so no accuracy"),
        (of_several_labels(story(2)), "Micro-F1"),
    ],
    ids=["new", "begun", "first-batch", "done", "no-test-set", "several-labels"],
)
def test_it_works_on_every_kind_of_run(events: list[Event], words: str, tmp_path: Path) -> None:
    config = run_on_disk(tmp_path, events, ("fruit", "tool"))
    with run_lock(config.run.dir):  # a daemon works on it
        page = report_of(config)
    assert words in "".join(page.words)
    rounds = page.tables.get("numbers", [[]])
    assert len(rounds[0]) == (len(log_of(config)) + 1 if "numbers" in page.tables else 0)


def test_the_command_writes_pictures_or_one_file(tmp_path: Path) -> None:
    config = run_on_disk(tmp_path, story(2), ("fruit", "tool"))
    before = {path.name: path.read_bytes() for path in config.run.dir.iterdir()}
    settings = str(tmp_path / "my.yaml")
    done = CliRunner().invoke(main, ["report", settings], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    made = {path.name for path in (tmp_path / "run-report").iterdir()}
    pictures = {"curve.png", "classes.png", "confusion.png", "criteria.png", "seconds.png"}
    assert made == {"report.html"} | pictures
    assert all(name in done.output for name in made)
    done = CliRunner().invoke(main, ["report", settings, "--out", str(tmp_path / "one.html")])
    assert done.exit_code == 0
    assert (tmp_path / "one.html").stat().st_size > 20_000
    after = {path.name: path.read_bytes() for path in config.run.dir.iterdir()}
    assert after.keys() - before.keys() <= {"journal.sqlite-shm", "journal.sqlite-wal"}
    assert {name: after[name] for name in before} == before
    (tmp_path / "run").rename(tmp_path / "gone")
    assert CliRunner().invoke(main, ["report", settings]).exit_code == 13
