"""Spans that a model marks: in the table that went in, in Python, without a test set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import loopd
from loopd.backtest.trial import Trial, run_trial
from loopd.cli import main
from loopd.config import Config
from loopd.config_file import load_config
from loopd.loop.data_sets import read_data
from loopd.loop.stop import Stop
from loopd.machine import Phase, State
from loopd.metrics_log.measured import CROSS, DRAWS, measured
from tests.export.shapes import SHAPES, read_out
from tests.export.test_models import QUICK

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
]

NAMES, TOWNS = ("Ann", "Bo", "Cy", "Dora"), ("Rome", "Oslo", "Kyoto", "Lima")
LEARNING = {**QUICK, "options": {"epochs": 3, "min_steps": 24, "batch_size": 8}}


def span(text: str, word: str, label: str) -> dict[str, Any]:
    start = text.index(word)
    return {"start": start, "end": start + len(word), "label": label}


def tickets(count: int) -> list[tuple[str, str, str]]:
    """Number, text and spans as JSON; every fifth text holds none."""
    rows = []
    for number in range(count):
        name, town = NAMES[number % 4], TOWNS[number // 4 % 4]
        text = f"{name} was in {town} on day {number}, Grüße"
        spans = [span(text, name, "person"), span(text, town, "place")]
        if number % 5 == 4:
            text, spans = f"nothing happened on day {number}", []
        rows.append((f"r{number}", text, json.dumps(spans)))
    return rows


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, State]:
    """A run to its end over a CSV, with answers at once and without a test set."""
    folder = tmp_path_factory.mktemp("spans")
    rows = [*tickets(40), ("r40", *tickets(1)[0][1:]), ("r41", " ", "")]
    SHAPES["semicolon"].write(folder, ["ref", "ticket", "spans"], rows)
    content = {
        "run": {"dir": "run", "seed": 3},
        "task": {"type": "spans", "labels": ["person", "place"]},
        "pool": {"path": "in.csv", "text": "ticket", "id": "ref", "label": "spans"},
        "classifier": LEARNING,
        "queue": {"batch_size": 12, "low_watermark": 0},
        "audit": {"folds": 2},
        "stopping": {"max_rounds": 2},
    }
    path = folder / "my.yaml"
    path.write_text(json.dumps(content))
    return path, _finished(load_config(path), folder)


def _finished(config: Config, folder: Path) -> State:
    data = read_data(config)
    config.run.dir.mkdir()
    trial = Trial("a", 3, config, 0.0, folder / "cache", None, data.pool.fingerprint, "")
    return run_trial(trial, data, Stop(), lambda *_: None)


def out(path: Path, name: str, *arguments: str) -> tuple[list[str], list[list[Any]]]:
    command = ["predict", str(path), "--out", str(path.parent / name), "--force", *arguments]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    return read_out(path.parent / name)


def are_spans(value: Any, text: str) -> bool:
    ends = [0]
    for item in value:
        assert {*item} == {"start", "end", "label"}
        assert ends[-1] <= item["start"] < item["end"] <= len(text)
        assert item["label"] in ("person", "place")
        ends.append(item["end"])
    return bool(value)


def test_a_run_of_spans_without_a_test_set_is_measured(run: tuple[Path, State]) -> None:
    path, state = run
    assert state.phase is Phase.DONE
    assert [batch.round for batch in state.batches] == [0, 1]
    for evaluated in state.evaluated.values():
        figure = measured({**evaluated.metrics, **evaluated.audit})
        assert figure is not None
        assert (figure.metric, figure.source in (DRAWS, CROSS)) == ("f1", True)
    assert "entity F1" in repr(loopd.open(path))


@pytest.mark.parametrize("name", ["out.csv", pytest.param("out.parquet", marks=pytest.mark.slow)])
def test_every_row_comes_out_with_spans(run: tuple[Path, State], name: str) -> None:
    path, state = run
    header, cells = out(path, name)
    rows = [*tickets(40), ("r40", *tickets(1)[0][1:]), ("r41", " ", "")]
    assert header == [
        "ref", "ticket", "spans", "label", "source", "confidence", "second_label", "reason",
    ]  # fmt: skip
    assert [tuple(row[:3]) for row in cells] == rows
    assert [row[4] for row in cells].count("model") >= 10
    assert [row[4] for row in cells].count("person") >= len(state.answers)
    assert cells[-1][3:] == ["", "", "", "", "there is no text"]
    right = 0
    for _, text, gold, label, source, confidence, second, reason in cells[:-1]:
        spans = json.loads(label) if isinstance(label, str) else list(label)
        are_spans(spans, text)
        scores = confidence if isinstance(confidence, (list, tuple)) else _numbers(confidence)
        assert all(0 <= score <= 1 for score in scores)
        assert (second, reason) == ("", "")
        if source == "person":
            assert spans == json.loads(gold)
        else:
            assert len(scores) == len(spans)
            right += spans == json.loads(gold)
    assert right >= 5, "the model has learned something"


def _numbers(text: str | float) -> list[float]:
    return [float(part) for part in str(text).split("|") if part]


@pytest.mark.slow
def test_a_row_that_repeats_a_text_has_its_spans(run: tuple[Path, State]) -> None:
    _, cells = out(run[0], "out.csv")
    assert cells[40][3:6] == cells[0][3:6]


def test_texts_that_the_run_has_never_seen_get_spans(run: tuple[Path, State]) -> None:
    path, _ = run
    texts = ["Dora was in Oslo on day 99", "", "nothing at all", "  Ann   was in\tLima  "]
    table = loopd.open(path).predict(texts)
    assert list(table["text"]) == texts
    assert list(table["reason"].fillna("")) == ["", "there is no text", "", ""]
    for text, label in zip(texts, table["label"], strict=True):
        assert label is None or are_spans(label, text) in (True, False)
    assert table["label"][0]
    other = path.parent / "other.csv"
    other.write_text("ref,ticket\n,Dora was in Oslo on day 99\n")
    _, cells = out(path, "other-out.csv", "--input", str(other))
    assert json.loads(cells[0][2]) == list(table["label"][0])


@pytest.mark.slow
def test_what_comes_out_can_be_a_pool_again(run: tuple[Path, State]) -> None:
    path, _ = run
    out(path, "again.csv")
    content = json.loads(path.read_text())
    content["pool"] = {"path": "again.csv", "text": "ticket", "id": "ref", "label": "label"}
    again = path.with_name("again.yaml")
    again.write_text(json.dumps(content))
    pool = read_data(load_config(again)).pool
    assert sum(record.gold is not None for record in pool) == len(pool) == 40


@pytest.mark.slow
def test_a_learner_of_spans() -> None:
    rows = tickets(30)
    texts, gold = [row[1] for row in rows], [json.loads(row[2]) for row in rows]
    learner = loopd.Learner(texts, ["person", "place"], task="spans", classifier=LEARNING)
    batch = learner.query(12)
    learner.teach(batch, [gold[int(str(id_))] for id_ in batch])
    assert len(learner.query(5)) == 5
    assert learner.score(texts, gold) > 0.5
    assert {type(target) for target in learner.predict(texts)} == {tuple}
    with pytest.raises(loopd.LoopdError, match="spans have no probability"):
        learner.predict_proba(texts)
