"""`loopd.open`: a run as data frames and as a summary, read only, while a daemon works."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pandas as pd
import pyarrow as pa
import pytest

import loopd
from loopd.data.outgoing import Column
from loopd.errors import ConfigError, DataError, RunError
from loopd.events import RoundEvaluated
from loopd.interactive.frames import frame
from loopd.storage.journal import Journal
from loopd.storage.names import SavedNames
from tests.export.conftest import TEXTS, Run

MEASURED = {"accuracy": 0.75, "accuracy_low": 0.5, "accuracy_high": 0.9, "test_size": 20}


def evaluated(run: Run) -> None:
    """Train a model and measure it."""
    run.train()
    run.write(RoundEvaluated(10.0, 0, MEASURED, {}, "", "", 0.1, 0.1))


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if not path.name.endswith(("-wal", "-shm"))
    }


def test_a_run_is_four_frames(asked: Any) -> None:
    run: Run = asked()
    SavedNames(run.config.run.dir).keep({"ann": "Ann Smith"})
    evaluated(run)
    opened = loopd.open(run.config)

    labels = opened.labels()
    assert list(labels["id"]) == ["r0", "r1", "r2"]
    assert list(labels["label"]) == ["animal", "food", "animal"]
    assert list(labels["text"]) == list(TEXTS[:3])
    assert list(labels["answers"]) == [2, 1, 1]
    assert list(labels["batch_id"]) == ["b0000"] * 3
    assert list(labels["score"]) == pytest.approx([0.5, 0.4, 0.3])

    answers = opened.answers()
    assert list(answers["annotator"]) == ["Ann Smith", "bo", "Ann Smith", "Ann Smith"]
    assert list(answers["round"]) == [0, 0, 0, 0]

    (batch,) = opened.batches().to_dict("records")
    assert (batch["batch_id"], batch["size"], batch["answered"]) == ("b0000", 4, 4)
    assert batch["published"] == pd.Timestamp(2.0, unit="s", tz="UTC")

    (row,) = opened.metrics().to_dict("records")
    assert (row["round"], row["accuracy"], row["measured_by"]) == (0, 0.75, "test")
    assert opened.status()["labels"] == 3


def test_frames_of_a_run_that_has_just_begun_have_their_columns(make_run: Any) -> None:
    opened = loopd.open(make_run().config)
    for table in (opened.labels(), opened.answers(), opened.batches(), opened.metrics()):
        assert isinstance(table, pd.DataFrame)
        assert len(table) == 0
        assert "round" in table.columns
    assert list(opened.predict()["reason"]) == ["no model was trained yet"] * 5


def test_predict_is_the_table_of_the_pool(asked: Any) -> None:
    run: Run = asked()
    run.train()
    table = loopd.open(run.config).predict()
    assert list(table.columns) == [
        "key", "text", "label", "source", "confidence", "second_label", "reason",
    ]  # fmt: skip
    assert list(table["key"]) == [f"r{number}" for number in range(5)]
    assert list(table["source"]) == ["person"] * 3 + ["model"] * 2
    assert table["reason"][3] == "people discarded it"


@pytest.mark.parametrize("form", ["list", "series", "frame", "arrow", "mapping", "rows"])
def test_predict_takes_texts_of_any_form(asked: Any, form: str) -> None:
    run: Run = asked()
    run.train()
    texts = ["a dog", TEXTS[1], "", "a dog"]
    columns = {"text": texts, "n": [1, 2, 3, 4]}
    told: Any = {
        "list": texts,
        "series": pd.Series(texts, index=[9, 8, 7, 6]),
        "frame": pd.DataFrame(columns, index=[9, 8, 7, 6]),
        "arrow": pa.table(columns),
        "mapping": columns,
        "rows": [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ],
    }[form]
    table = loopd.open(run.config).predict(told)
    assert list(table["text"]) == texts
    assert ("n" in table) == (form not in ("list", "series"))
    assert list(table["source"].fillna("")) == ["model", "person", "", "model"]
    assert (table["label"][1], table["reason"][2]) == ("food", "there is no text")
    assert table["label"][0] == table["label"][3]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ("a dog", "a str is no list of texts"),
        (7, "a int is no list"),
        ({"x": ["a"], "y": ["b"]}, "no column 'text'"),
        (pd.DataFrame({"body": ["a"]}), "no column 'text'"),
    ],
)
def test_what_is_no_text_is_refused(asked: Any, texts: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        loopd.open(asked().config).predict(texts)


def test_several_labels_and_spans_are_lists(asked: Any) -> None:
    several = loopd.open(asked("multi_label").config).labels()
    assert [list(label) for label in several["label"]] == [["animal"], ["food"], []]
    spans = loopd.open(asked("spans").config).labels()
    assert [len(label) for label in spans["label"]] == [0, 0, 2]
    assert spans["label"][2][0] == {"start": 0, "end": 3, "label": "person"}


def test_without_pandas_they_are_tables_of_arrow(
    asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: Run = asked()
    evaluated(run)
    monkeypatch.setitem(sys.modules, "pandas", None)
    opened = loopd.open(run.config)
    for table in (opened.labels(), opened.batches(), opened.metrics(), opened.predict(["a dog"])):
        assert isinstance(table, pa.Table)
        assert table.num_rows >= 1


def test_two_columns_of_one_name_stay_two() -> None:
    table = frame([Column("n"), Column("n"), Column("n_2")], [[1, "a", None]])
    assert list(table.columns) == ["n", "n_2", "n_2_2"]


@pytest.mark.parametrize("pandas", [True, False])
@pytest.mark.parametrize(
    "cells",
    [
        [2**53 + 1, None, -(2**60) - 1], [None, 2**63 - 1], [3, None], [2**64 + 1, None],
        [2**64 - 1, None], [2**53 + 1, 0.5], [2**53 + 1, None, 0.5], [2**53 + 1, 7], [None, None],
    ],
)  # fmt: skip
def test_whole_numbers_are_not_rounded(
    cells: list[Any], pandas: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not pandas:
        monkeypatch.setitem(sys.modules, "pandas", None)
    table = frame([Column("id")], [[cell] for cell in cells])
    if pandas:
        assert [None if pd.isna(cell) else cell for cell in table["id"]] == cells
        return
    came = [cell.as_py() for cell in table["id"]]
    assert came in (cells, [cell if cell is None else str(cell) for cell in cells])


def test_it_is_only_read_while_a_daemon_writes(asked: Any) -> None:
    run: Run = asked()
    evaluated(run)
    shutil.rmtree(run.config.run.dir / "cache")  # what is computed again is not put there
    before = digests(run.config.run.dir)
    opened = loopd.open(run.config)
    with Journal(run.config.run.dir / "journal.sqlite") as journal:
        journal.read()
        repr(opened)
        opened._repr_html_()
        for table in (opened.labels(), opened.batches(), opened.metrics(), opened.predict()):
            assert len(table)
    assert digests(run.config.run.dir) == before


def test_it_goes_on_with_the_run(asked: Any) -> None:
    run: Run = asked()
    opened = loopd.open(run.config)
    assert "measured from the first round on" in repr(opened)
    evaluated(run)
    assert len(opened.metrics()) == 1
    assert "accuracy 0.750" in repr(opened)


def test_its_display_has_the_curve_and_the_accuracy(asked: Any) -> None:
    run: Run = asked()
    evaluated(run)
    shown = loopd.open(run.config)._repr_html_()
    assert shown is not None
    assert "accuracy 0.750 (95 % interval 0.500 to 0.900) on 20 test texts" in shown
    root = ET.fromstring(shown)  # noqa: S314 - our own, and whole
    assert root.find(".//{http://www.w3.org/2000/svg}svg") is not None
    assert "<script" not in shown
    assert repr(loopd.open(run.config)) == (
        "<loopd run loopd / loopd: 3 labels, accuracy 0.750 (95 % interval 0.500 to 0.900) on "
        "20 test texts; decide>"
    )


def test_what_people_typed_is_escaped(make_run: Any) -> None:
    run: Run = make_run(argilla={"workspace": "<b>&", "dataset": "texts"})
    shown = loopd.open(run.config)._repr_html_()
    assert shown is not None
    assert "&lt;b&gt;&amp;" in shown
    assert "<b>" not in shown


def test_a_run_that_is_not_there_is_one_sentence(asked: Any, tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    with pytest.raises(ConfigError):
        loopd.open(path)
    content = {"task": {"labels": ["a", "b"]}, "pool": {"path": "pool.csv"}}
    path.write_text(json.dumps(content))
    for form in (path, str(path)):
        with pytest.raises(RunError, match="no run in"):
            loopd.open(form)


def test_a_run_that_went_away_still_has_words(asked: Any) -> None:
    run: Run = asked()
    opened = loopd.open(run.config)
    (run.config.run.dir / "journal.sqlite").unlink()
    assert "no run in" in repr(opened)
    assert opened._repr_html_() is None
