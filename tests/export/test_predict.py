"""`loopd predict`: the table that went in comes out, with a label for every row."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from loopd.cli import main
from loopd.config_file import parse_config
from loopd.events import (
    AnswersCollected,
    BatchCollected,
    BatchPlanned,
    BatchPublished,
    RunStarted,
)
from loopd.export.predict import _twins
from loopd.learning.classifiers import registry
from loopd.loop.start_or_resume import versions
from loopd.records import Answer, AnswerStatus, Batch, BatchItem, JsonValue, published_as
from loopd.storage.journal import Journal
from tests.export.conftest import Run
from tests.export.shapes import SHAPES, read_out

HEADER = ["ref", "subject", "body", "customer", "label"]
WORDS = {"animal": ("cat", "dog", "horse"), "food": ("soup", "bread", "cake")}


def body_rows() -> list[list[str]]:
    """Twelve texts, a twin of the first, and one that nobody can read."""
    rows = []
    for number in range(12):
        kind = ("animal", "food")[number % 2]
        words = WORDS[kind]
        text = f"the {words[number % 3]} and a {words[(number // 2) % 3]} {number}\nGrüße, Käthe"
        rows.append([f"r{number}", f"about {words[0]}", text, f"c{number}", "x"])
    return [*rows, [*rows[0][:3], "twin", "y"], ["r99", "", " ", "none", "z"]]


class Table:
    """A run over a table of its own."""

    def __init__(self, folder: Path, path: Path, **sections: Any) -> None:
        pool = {"path": path.name, "text": ["subject", "body"], "show": ["customer"]}
        content = {
            "run": {"dir": "run", "seed": 3},
            "task": {"labels": ["animal", "food"]},
            "classifier": {"name": "tfidf"},
            **sections,
            "pool": {**pool, **sections.get("pool", {})},
        }
        self.folder = folder
        self.yaml = folder / "my.yaml"
        self.yaml.write_text(json.dumps(content))
        self.run = Run(parse_config(content, folder), content["task"].get("type", ""), [])
        self.run.config.run.dir.mkdir(exist_ok=True)
        self.pool = self.run.tools.data.pool

    def answered(self, values: dict[int, JsonValue], *, discarded: int | None = None) -> None:
        """People have answered some texts, by their position."""
        ids = [record.id for record in self.pool]
        items = tuple(BatchItem(ids[number], 0.5) for number in (*values, discarded or 0))
        batch = Batch("b0000", 0, "margin", None, items)
        answers = [self._answer(ids[number], value) for number, value in values.items()]
        if discarded is not None:
            answers.append(self._answer(ids[discarded], None, AnswerStatus.DISCARDED))
        config = self.run.config
        self.run.write(
            RunStarted(
                0.0, config.digest(), 3, config.task.labels, self.pool.fingerprint, "", "d",
                versions(),
            ),
            BatchPlanned(1.0, batch, 0.1),
            BatchPublished(2.0, "b0000", 0.1),
            AnswersCollected(3.0, tuple(answers)),
            BatchCollected(4.0, "b0000", "complete", 0),
        )  # fmt: skip

    @staticmethod
    def _answer(
        id_: Any, value: JsonValue, status: AnswerStatus = AnswerStatus.SUBMITTED
    ) -> Answer:
        return Answer(published_as(id_), "ann", status, value, "2026-01-01T00:00:00")

    def predict(self, out: str, *arguments: str) -> Result:
        command = ["predict", str(self.yaml), "--out", str(self.folder / out), *arguments]
        return CliRunner().invoke(main, command)

    def out(self, name: str, *arguments: str) -> tuple[list[str], list[list[Any]]]:
        result = self.predict(name, *arguments)
        assert result.exit_code == 0, result.output
        return read_out(self.folder / name)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    made = Table(tmp_path, SHAPES["semicolon"].write(tmp_path, HEADER, body_rows()))
    made.answered({0: "animal", 1: "food", 2: "animal", 3: "food"}, discarded=4)
    made.run.train()
    return made


@pytest.mark.parametrize("changed", [False, True])
def test_a_model_of_an_earlier_recipe_is_taken_from_the_cache(
    table: Table, monkeypatch: pytest.MonkeyPatch, changed: bool
) -> None:
    _, before = table.out("before.csv")
    recipes = {**registry.RECIPES, "tfidf": registry.RECIPES["tfidf"] + 1}
    monkeypatch.setattr(registry, "RECIPES", recipes)
    if changed:  # it may be a model of other settings: nobody knows
        content = json.loads(table.yaml.read_text())
        table.yaml.write_text(
            json.dumps({**content, "classifier": {"name": "tfidf", "options": {"c": 5.0}}})
        )
        result = table.predict("changed.csv")
        assert "cannot be made again: the configuration changed" in result.output
        return
    assert table.out("after.csv")[1] == before
    (kept,) = (table.run.config.run.dir / "cache" / "models").iterdir()
    kept.unlink()
    result = table.predict("gone.csv")
    assert "cannot be made again" in result.output
    assert "trains in another way now" in result.output


@pytest.mark.parametrize("out", ["out.csv", "out.jsonl", "out.parquet", "out.xlsx"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_comes_out_with_labels(tmp_path: Path, shape: str, out: str) -> None:
    rows = body_rows()
    path = SHAPES[shape].write(tmp_path, HEADER, rows)
    ids = {} if shape == "json" else {"id": "ref"}
    made = Table(tmp_path, path, pool=ids if shape != "comma" else {})
    made.answered({0: "food", 1: "food", 2: "animal", 3: "food"})
    made.run.train()
    header, cells = made.out(out)
    assert header == [
        *HEADER, "loopd_label", "loopd_source", "loopd_confidence", "loopd_second_label",
        "loopd_reason",
    ]  # fmt: skip
    assert [row[:5] for row in cells] == rows
    added = [row[5:] for row in cells]
    assert [told[1] for told in added] == [*["person"] * 4, *["model"] * 8, "person", ""]
    assert added[12][:3] == added[0][:3] == ["food", "person", "1.0" if out == "out.csv" else 1]
    assert added[13] == ["", "", "", "", "there is no text"]
    for label, source, confidence, second, reason in added[4:12]:
        assert {label, second} == {"animal", "food"}
        assert 0.5 <= float(confidence) <= 1
        assert (source, reason) == ("model", "")


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_comes_out_of_the_csv_export(tmp_path: Path, shape: str) -> None:
    rows = body_rows()
    made = Table(tmp_path, SHAPES[shape].write(tmp_path, HEADER, rows), pool={"id": "ref"})
    made.answered({0: "food", 3: "animal"}, discarded=4)
    out = tmp_path / "export"
    command = ["export", str(made.yaml), "--format", "csv", "--no-model", "--out", str(out)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    header, cells = read_out(out / "table.csv")
    assert header[:5] == HEADER
    assert [row[:5] for row in cells] == rows
    assert [number for number, row in enumerate(cells) if row[6] == "person"] == [0, 3, 12]
    assert {row[6] for row in cells} == {"person", ""}
    assert cells[4][9] == "people discarded it"


def test_the_model_says_what_it_says_in_the_run(table: Table) -> None:
    import numpy as np

    _, cells = table.out("out.csv")
    tools = table.run.tools
    targets = {id_: ("animal", "food")[n % 2] for n, id_ in enumerate(table.pool.positions)}
    labels = {id_: targets[id_] for id_ in list(targets)[:4]}
    model = tools.learner.fit(0, labels)
    ids = [record.id for record in table.pool][4:12]
    proba = tools.learner.predict_pool(model, ids)
    told = [(row[5], float(row[7])) for row in cells[4:12]]
    best = proba.argmax(axis=1)
    assert [label for label, _ in told] == [("animal", "food")[column] for column in best]
    assert np.allclose([score for _, score in told], proba.max(axis=1), atol=1e-6)


def test_a_discarded_text_says_so(table: Table) -> None:
    _, cells = table.out("out.csv")
    assert cells[4][6:] != cells[5][6:]
    assert (cells[4][6], cells[4][9]) == ("model", "people discarded it")


@pytest.mark.parametrize("least", [None, 0.9999])
def test_what_is_nearly_the_same_gets_the_label_of_people(
    tmp_path: Path, least: float | None
) -> None:
    rows = body_rows()[:12]
    rows += [[f"t{number}", rows[number][1], rows[number][2].title(), "", ""] for number in (1, 4)]
    made = Table(
        tmp_path,
        SHAPES["comma"].write(tmp_path, HEADER, rows),
        pool={"near_duplicates": least, "id": "ref"},
    )
    made.answered({0: "animal", 1: "food", 2: "animal", 3: "food"}, discarded=4)
    made.run.train()
    _, cells = made.out("out.csv")
    told = [row[5:10] for row in cells]
    assert told[13][1] == "model", "nobody has labelled its twin"
    if least is None:
        assert told[12][1] == "model"
        return
    assert told[12] == ["food", "near duplicate", "1.0", "", "nearly the same as r1"]
    assert [row[1] for row in told[4:12]] == ["model"] * 8
    said = made.predict("again.csv").output
    assert "1 nearly the same as one that people labelled, with its label" in said


def test_spans_are_those_of_one_text(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = table.run.tools
    config = tools.config
    sections = {
        "pool": config.pool.model_copy(update={"near_duplicates": 0.5}),
        "task": config.task.model_copy(update={"type": "spans"}),
    }
    ids = list(table.pool.positions)
    for section in ({"pool": sections["pool"]}, sections):
        monkeypatch.setattr(tools, "config", config.model_copy(update=section))
        found = _twins(tools)(ids[:6], ids[6:])
        assert bool(found) is ("task" not in section)


def test_another_table_gets_labels_too(table: Table) -> None:
    rows = [
        ["about cat", "z", "the cat and a cat 0\nGrüße, Käthe"], ["", "z", "a horse"], ["", "", ""],
    ]  # fmt: skip
    known = body_rows()[1][1:3]
    rows.append([known[0], "z", known[1]])
    path = SHAPES["xlsx"].write(table.folder, ["subject", "more", "body"], rows)
    header, cells = table.out("out.csv", "--input", str(path))
    assert header == ["subject", "more", "body", "label", "source", "confidence", "second_label",
                      "reason"]  # fmt: skip
    assert [row[:3] for row in cells] == rows
    assert [row[4] for row in cells] == ["person", "model", "", "person"]


def test_another_table_may_have_another_encoding(table: Table, tmp_path: Path) -> None:
    rows = [["x", "Grüße"], ["y", "Käthe"]]
    utf8 = SHAPES["comma"].write(tmp_path, ["subject", "body"], rows)
    content = json.loads(table.yaml.read_text())
    content["pool"]["encoding"] = "utf-16"
    pool = SHAPES["utf-16"].write(tmp_path, HEADER, body_rows())
    content["pool"]["path"] = pool.name
    table.yaml.write_text(json.dumps(content))
    _, cells = table.out("out.csv", "--input", str(utf8))
    assert [row[:2] for row in cells] == rows


def test_before_the_first_model_people_s_labels_come_out(tmp_path: Path) -> None:
    made = Table(tmp_path, SHAPES["comma"].write(tmp_path, HEADER, body_rows()))
    made.answered({1: "food"})
    _, cells = made.out("out.csv")
    assert [row[5] for row in cells][:3] == ["", "food", ""]
    assert cells[0][9] == "no model was trained yet"
    assert len(cells) == 14


@pytest.mark.parametrize("option", ["--model", "--no-model"])
def test_the_model_may_be_left_out(table: Table, option: str) -> None:
    result = table.predict("out.csv", option)
    assert result.exit_code == 0, result.output
    _, cells = read_out(table.folder / "out.csv")
    reasons = {row[9] for row in cells}
    if option == "--model":
        assert "nobody has labelled it" not in reasons
        assert "the model is that of round 0" in result.output
        return
    assert [row[6] for row in cells] == ["person"] * 4 + [""] * 8 + ["person", ""]
    assert cells[4][9] == "people discarded it"
    assert {row[9] for row in cells[5:12]} == {"nobody has labelled it"}
    assert "8 without a label: nobody has labelled it" in result.output
    assert "the model is" not in result.output


def test_without_the_model_none_is_loaded(table: Table) -> None:
    import shutil

    content = json.loads(table.yaml.read_text())
    table.yaml.write_text(json.dumps({**content, "classifier": {"name": "frozen-head"}}))
    shutil.rmtree(table.run.config.run.dir / "cache")
    refused = table.predict("out.csv")
    assert refused.exit_code == 12
    assert "--no-model" in refused.stderr
    assert len(table.out("out.csv", "--no-model")[1]) == 14


@pytest.mark.parametrize("ids", [True, False])
def test_ids_of_another_table_are_columns_as_any_others(tmp_path: Path, *, ids: bool) -> None:
    pool = SHAPES["comma"].write(tmp_path, HEADER, body_rows())
    made = Table(tmp_path, pool, pool={"id": "ref"})
    made.answered({0: "animal", 1: "food"})
    made.run.train()
    rows = [["r1", "a", "a dog"], ["", "b", "a cat"], ["r1", "c", "bread"], [" ", "d", "soup"]]
    (tmp_path / "other").mkdir()
    path = SHAPES["semicolon"].write(
        tmp_path / "other", ["ref", "subject", "body"][not ids :], [row[not ids :] for row in rows]
    )
    header, cells = made.out("out.csv", "--input", str(path))
    assert [row[-4] for row in cells] == ["model"] * 4
    assert [row[: len(header) - 5] for row in cells] == [row[not ids :] for row in rows]


def test_formulas_are_told_of_and_may_be_disarmed(tmp_path: Path) -> None:
    rows = body_rows()
    rows[1][3], rows[3][3] = "=1+1", "-5"
    made = Table(tmp_path, SHAPES["comma"].write(tmp_path, HEADER, rows))
    made.answered({0: "animal", 1: "food"})
    plain = made.predict("out.csv")
    # The header is line 1, and texts have two lines.
    assert "1 cell begins like a formula" in plain.output
    assert "the first is on line 5 of in.csv; `--for-excel`" in plain.output
    assert read_out(tmp_path / "out.csv")[1][1][3] == "=1+1"
    told = made.predict("again.csv", "--for-excel")
    assert "1 cell that begins like a formula got an apostrophe" in told.output
    assert [row[3] for row in read_out(tmp_path / "again.csv")[1]][1:4] == ["'=1+1", "c2", "-5"]
    assert "apostrophe" not in made.predict("out.xlsx").output
    refused = made.predict("out.jsonl", "--for-excel")
    assert (refused.exit_code, "--for-excel" in refused.stderr) == (10, True)


def test_the_table_of_an_export_tells_of_formulas_too(tmp_path: Path) -> None:
    rows = body_rows()
    rows[1][3] = "@x"
    made = Table(tmp_path, SHAPES["comma"].write(tmp_path, HEADER, rows))
    made.answered({0: "animal", 1: "food"})
    for extra, cell in ((), "@x"), (("--for-excel", "--force"), "'@x"):
        command = ["export", str(made.yaml), "--no-model", "--format", "csv", *extra]
        result = CliRunner().invoke(main, command)
        assert "1 cell" in result.output, result.output
        assert read_out(tmp_path / "run-export" / "table.csv")[1][1][3] == cell


def test_a_stray_byte_in_a_column_that_nobody_reads_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    lines = [f"r{number},s,t\u00e4xt {number},c".encode() for number in range(150)]
    lines[41] = lines[41].replace(b",c", b",caf\xe9")
    path.write_bytes(b"\n".join([b"ref,subject,body,customer", *lines, b""]))
    made = Table(tmp_path, path, pool={"show": []})
    made.answered({0: "animal", 1: "food"})
    result = made.predict("out.csv")
    assert "1 cell holds signs that are no text there, written as U+FFFD" in result.output
    assert "the first is on line 43 of in.csv" in result.output
    assert read_out(tmp_path / "out.csv")[1][41][3] == "caf\ufffd"


def test_without_a_run_there_is_nothing_to_say(tmp_path: Path) -> None:
    made = Table(tmp_path, SHAPES["comma"].write(tmp_path, HEADER, body_rows()))
    result = made.predict("out.csv")
    assert result.exit_code == 13
    assert "no run in" in result.stderr
    assert not (tmp_path / "out.csv").exists()


def test_several_labels(tmp_path: Path) -> None:
    task = {"type": "multi_label", "labels": ["animal", "food"], "none_label": "none"}
    made = Table(tmp_path, SHAPES["comma"].write(tmp_path, HEADER, body_rows()), task=task)
    made.answered({0: ["animal"], 1: ["food"], 2: ["animal", "food"], 3: ["none"]})
    made.run.train()
    _, cells = made.out("out.csv")
    assert [row[5] for row in cells[:4]] == ["animal", "food", "animal|food", "none"]
    assert {row[5] for row in cells[4:12]} <= {"animal", "food", "animal|food", "none"}
    _, lists = made.out("out.parquet")
    assert [row[5] for row in lists[:4]] == [["animal"], ["food"], ["animal", "food"], []]
    for row in lists[4:12]:
        assert len(row[7]) == max(1, len(row[5]))
        assert row[8] not in row[5]


def test_spans_of_people(tmp_path: Path) -> None:
    task = {"type": "spans", "labels": ["person"]}
    path = SHAPES["jsonl"].write(tmp_path, HEADER, body_rows())
    made = Table(tmp_path, path, task=task, pool={"text": "body"})
    made.answered({0: [{"start": 0, "end": 3, "label": "person"}], 1: []})
    _, cells = made.out("out.csv")
    assert json.loads(cells[0][5]) == [{"start": 0, "end": 3, "label": "person"}]
    assert (cells[1][5], cells[1][6], cells[2][6]) == ("[]", "person", "")
    _, lists = made.out("out.jsonl")
    assert lists[0][5] == [{"start": 0, "end": 3, "label": "person"}]


def test_a_pool_in_argilla_comes_out_as_ids_and_texts(table: Table) -> None:
    from loopd.data.incoming import of_pool

    found = of_pool(table.pool)
    assert found.columns == ("id", "text")
    assert [values for _, values in found.rows()] == [(r.id, r.text) for r in table.pool]


# -- places ----------------------------------------------------------------------------------------


def test_nothing_is_replaced_without_being_told(table: Table) -> None:
    (table.folder / "out.csv").write_text("mine")
    refused = table.predict("out.csv")
    assert refused.exit_code == 10
    assert "--force" in refused.stderr
    assert (table.folder / "out.csv").read_text() == "mine"
    assert len(table.out("out.csv", "--force")[1]) == 14


def test_the_table_that_is_read_is_never_replaced(table: Table) -> None:
    before = (table.folder / "in.csv").read_bytes()
    assert table.predict("in.csv", "--force").exit_code == 10
    (table.folder / "link.csv").symlink_to("in.csv")
    assert table.predict("link.csv", "--force").exit_code == 10
    assert (table.folder / "in.csv").read_bytes() == before


@pytest.mark.parametrize("name", ["out", "out.txt", "out.xls"])
def test_a_name_must_say_how_to_write(table: Table, name: str) -> None:
    result = table.predict(name)
    assert result.exit_code == 10
    assert ".parquet" in result.stderr


def test_the_run_is_only_read_and_a_daemon_may_write_meanwhile(table: Table) -> None:
    def digests() -> dict[str, str]:
        files = (path for path in table.run.config.run.dir.rglob("*") if path.is_file())
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if not path.name.endswith(("-wal", "-shm"))
        }

    before = digests()
    with Journal(table.run.config.run.dir / "journal.sqlite") as journal:
        journal.read()
        assert len(table.out("out.csv")[1]) == 14
    assert digests() == before


def test_a_model_that_is_not_in_the_cache_is_made_again(table: Table) -> None:
    import shutil

    _, before = table.out("out.csv")
    shutil.rmtree(table.run.config.run.dir / "cache")
    assert table.out("again.csv")[1] == before
