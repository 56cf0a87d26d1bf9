"""What `loopd export` writes of labels: every kind of task, every format, copies, the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from loopd.cli import main
from loopd.config import DataSection
from loopd.data.reading import read_pool
from loopd.errors import ConfigError, LoopdError, ModelError, RunError
from loopd.events import AnswersCollected, BatchPlanned, BatchPublished
from loopd.export.formats import FORMATS
from loopd.export.run import ExportOptions, run_export
from loopd.records import IMPORT_PREFIX, AnswerStatus, Batch, BatchItem, ExternalId, PoolId
from tests.export.conftest import TEXTS, Run

TARGETS: dict[str, list[Any]] = {
    "single_label": ["animal", "food", "animal"],
    "multi_label": [["animal"], ["food"], []],
    "spans": [
        [],
        [],
        [
            {"start": 0, "end": 3, "label": "person"},
            {"start": 8, "end": 12, "label": "place"},
        ],
    ],
}


def exported(run: Run, **options: Any) -> Path:
    given = {"model": False, **options}
    return run_export(run.config, ExportOptions(**given), lambda line: None)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("kind", TARGETS)
def test_one_row_for_each_labelled_text(asked: Any, kind: str) -> None:
    run = asked(kind)
    folder = exported(run)
    assert folder.name == "run-export"
    rows = rows_of(folder)
    assert [row["id"] for row in rows] == ["r0", "r1", "r2"]
    assert [row["text"] for row in rows] == list(TEXTS[:3])
    assert [row["label"] for row in rows] == TARGETS[kind]
    first = rows[0]
    assert [answer["annotator"] for answer in first["answers"]] == ["ann", "bo"]
    assert first["answers"][0] == {
        "annotator": "ann",
        "value": run.answer(0, "ann").value,
        "status": "submitted",
        "time": "2024-05-01T00:00:00",
        "record_id": "r0",
        "departed": False,
        "batch_id": "b0000",
        "round": 0,
        "score": 0.5,
    }
    shown = {key: first[key] for key in ("batch_id", "round", "strategy", "score", "quality")}
    assert shown == {
        "batch_id": "b0000", "round": 0, "strategy": "breaking_ties", "score": 0.5, "quality": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize("kind", TARGETS)
def test_the_tables_hold_what_the_lines_hold(asked: Any, kind: str) -> None:
    import datasets
    from pyarrow import parquet

    folder = exported(asked(kind))
    rows = rows_of(folder)
    table = parquet.read_table(folder / "labels.parquet").to_pylist()
    assert table == rows
    found = datasets.load_from_disk(str(folder / "dataset"))
    label = found.features["label"]
    assert "ClassLabel" in str(label)
    for row, line in zip(found.to_list(), rows, strict=True):
        assert {**row, "label": None} == {**line, "label": None}
    kinds = {"single_label": [0, 1, 0], "multi_label": [[0], [1], []]}
    if kind != "spans":
        assert found["label"][:] == kinds[kind]
    else:
        assert [span["label"] for span in found["label"][2]] == [0, 1]


def test_what_was_kept_of_a_deleted_account_is_marked(make_run: Any) -> None:
    """In every format that holds single answers, and after that it is read again as before."""
    import datasets
    from pyarrow import parquet

    run = make_run()
    batch = Batch(
        "b0000", 0, "breaking_ties", None, (BatchItem(PoolId("r0")), BatchItem(PoolId("r1")))
    )
    run.write(BatchPlanned(1.0, batch, 0.1), BatchPublished(2.0, "b0000", 0.1))
    answers = (run.answer(0, "ann"), run.answer(0, "bo"), run.answer(1, "bo"))
    run.write(AnswersCollected(3.0, answers), AnswersCollected(4.0, (), departed=("bo",)))
    folder = exported(run)
    tables = (
        rows_of(folder),
        parquet.read_table(folder / "labels.parquet").to_pylist(),
        datasets.load_from_disk(str(folder / "dataset")).to_list(),
    )
    for rows in tables:
        marks = {one["annotator"]: one["departed"] for row in rows for one in row["answers"]}
        assert marks["bo"] is True
        assert {mark for name, mark in marks.items() if name != "bo"} == {False}
    assert "`departed`" in (folder / "README.md").read_text()


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("place", ["labels.jsonl", "labels.parquet", "dataset"])
def test_loopd_reads_what_it_exported(asked: Any, kind: str, place: str) -> None:
    run = asked(kind)
    folder = exported(run)
    section = DataSection(path=folder / place, id="id", label="label")
    pool, report = read_pool(
        section, labels=run.config.task.labels, kind=kind, none_label="none", require_gold=True
    )
    assert report.kept == 3
    task = run.tools.task
    values = [task.value(record.gold) for record in pool if record.gold is not None]
    assert values == [run.answer(number, "ann").value for number in range(3)]


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("place", ["labels.jsonl", "labels.parquet", "dataset"])
def test_everybodys_answers_come_back_as_theirs(asked: Any, kind: str, place: str) -> None:
    run = asked(kind)
    folder = exported(run)
    section = DataSection(path=folder / place, id="id", answers="answers")
    pool, report = read_pool(section, labels=run.config.task.labels, kind=kind, none_label="none")
    assert {record.id: dict(record.answers) for record in pool} == {
        row["id"]: {
            answer["annotator"].removeprefix(IMPORT_PREFIX): answer["value"]
            for answer in row["answers"]
            if answer["status"] == "submitted"
        }
        for row in rows_of(folder)
    }
    assert report.said.there == sum(len(row["answers"]) for row in rows_of(folder)) > 3
    assert report.written_by == "an export of loopd"
    assert report.notes == ()


def test_spans_go_out_as_conll_and_for_prodigy(asked: Any) -> None:
    run = asked("spans")
    folder = exported(run, formats=("conll", "prodigy"))
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "export.json", "labels.conll", "labels.prodigy.jsonl",
    ]  # fmt: skip
    assert "Ann\tB-person\nsaw\tO\nRome\tB-place\n\n" in (folder / "labels.conll").read_text()
    for place, label in (("labels.conll", "tags"), ("labels.prodigy.jsonl", "spans")):
        section = DataSection(path=folder / place, id="id", label=label)
        pool, _ = read_pool(section, labels=run.config.task.labels, kind="spans")
        assert [record.id for record in pool] == ["r0", "r1", "r2"]
        assert [len(record.gold or ()) for record in pool] == [0, 0, 2]


def test_copies_are_folded_into_their_original(asked: Any) -> None:
    run = asked()
    batch = Batch(
        "b0001", 1, "activelab", None, (BatchItem(PoolId("r1"), 0.9, copy_id=ExternalId("r1~2")),)
    )
    again = run.answer(1, "cy", "animal", external_id="r1~2", time="2024-05-02T00:00:00")
    withdrawn = run.answer(2, "cy", status=AnswerStatus.WITHDRAWN)
    run.train()
    run.write(*_evaluated(run), BatchPlanned(5.0, batch, 0.1), BatchPublished(6.0, "b0001", 0.1))
    run.write(AnswersCollected(7.0, (again, withdrawn)))
    rows = rows_of(exported(run))
    assert [row["id"] for row in rows] == ["r0", "r1", "r2"]
    given = [(each["annotator"], each["record_id"]) for each in rows[1]["answers"]]
    assert given == [("ann", "r1"), ("cy", "r1~2")]
    assert (rows[1]["batch_id"], rows[1]["score"]) == ("b0000", 0.4)
    asked_by = [(each["batch_id"], each["round"], each["score"]) for each in rows[1]["answers"]]
    assert asked_by == [("b0000", 0, 0.4), ("b0001", 1, 0.9)]
    assert rows[1]["quality"] == 0.5
    assert [each["status"] for each in rows[2]["answers"]] == ["submitted", "withdrawn"]


def _evaluated(run: Run) -> list[Any]:
    from loopd.events import RoundEvaluated

    return [RoundEvaluated(9.5, 0, {"accuracy": 0.75}, {}, "", "", 0.1, 0.1)]


def test_answers_that_came_with_the_pool_have_no_batch(make_run: Any) -> None:
    run = make_run()
    run.write(AnswersCollected(1.0, (run.answer(4, f"{IMPORT_PREFIX}imported"),)))
    (row,) = rows_of(exported(run))
    assert (row["id"], row["label"]) == ("r4", "animal")
    names = ("batch_id", "round", "strategy", "score")
    assert [row[name] for name in names] == [None] * 4
    assert [row["answers"][0].get(name) for name in names] == [None] * 4


def test_random_draws_are_marked(make_run: Any) -> None:
    from pyarrow import parquet

    run = make_run()
    items = (BatchItem(PoolId("r0"), 0.5), BatchItem(PoolId("r1"), draw=True))
    batch = Batch("b0000", 0, "breaking_ties", None, items)
    answers = tuple(run.answer(number, "ann") for number in (0, 1))
    run.write(BatchPlanned(1.0, batch, 0.1), BatchPublished(2.0, "b0000", 0.1))
    run.write(AnswersCollected(3.0, answers))
    folder = exported(run)
    rows = rows_of(folder)
    assert [(row["draw"], row["strategy"]) for row in rows] == [
        (False, "breaking_ties"),
        (True, "random_sampling"),
    ]
    assert parquet.read_table(folder / "labels.parquet").to_pylist() == rows
    card = (folder / "README.md").read_text()
    assert "Of the texts 1 were drawn at random for an audit" in card
    assert "The other 1 were chosen to teach a model" in card


def test_an_export_changes_nothing_in_the_run(asked: Any) -> None:
    run = asked(consensus={"strategy": "crowdlab", "folds": 2})
    folder = run.config.run.dir

    def content() -> dict[Path, bytes]:
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {  # without what SQLite notes for those who read
            path: path.read_bytes() for path in files if not path.name.startswith("journal.sqlite-")
        }

    before = content()
    assert not (folder / "cache").exists()
    alone = rows_of(exported(run))
    assert content() == before  # what it had to compute is not there
    run.train()
    others = folder / "cache" / "folds" / f"{7:016x}.safetensors"
    others.write_bytes(b"of the daemon")
    before = content()
    assert len(list((folder / "cache" / "folds").iterdir())) == 2
    again = rows_of(exported(run, force=True, model=None))
    assert content() == before
    assert again == alone


@pytest.mark.parametrize("kind", TARGETS)
def test_answers_the_task_does_not_know_are_null_in_tables(make_run: Any, kind: str) -> None:
    import datasets

    run = make_run(kind)
    odd = run.answer(2, f"{IMPORT_PREFIX}odd", 7, status=AnswerStatus.INVALID)
    run.write(AnswersCollected(1.0, (run.answer(2, f"{IMPORT_PREFIX}imported"), odd)))
    folder = exported(run)
    (row,) = rows_of(folder)
    assert row["answers"][1]["value"] == 7
    (found,) = datasets.load_from_disk(str(folder / "dataset"))
    assert (found["answers"][1]["value"], found["answers"][1]["status"]) == (None, "invalid")


def test_the_card_and_the_facts(asked: Any) -> None:
    run = asked(test={"path": "test.jsonl", "label": "label"})
    folder = exported(run)
    card = (folder / "README.md").read_text()
    for words in (
        "3 labelled texts, 4 answers of 2 annotators",
        "| animal | 2 |",
        f"digest {run.config.digest()}, seed 3",
        "fingerprint f00d; nothing of it is in here",
        "Not exported: it was not asked for.",
        "1 texts that people discarded",
    ):
        assert words in card
    facts = json.loads((folder / "export.json").read_text())
    assert (facts["texts"], facts["events"], facts["phase"]) == (3, 5, "train")
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"a test text" not in everything


def test_the_folder_appears_at_once_or_not_at_all(asked: Any, monkeypatch: Any) -> None:
    run = asked("spans")
    folder = exported(run)
    with pytest.raises(ConfigError, match="holds an export"):
        exported(run)
    (folder / "left over").touch()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("loopd.export.run.write_formats", fail)
    with pytest.raises(LoopdError, match="cannot write"):
        exported(run, force=True)
    assert (folder / "left over").exists()
    monkeypatch.undo()
    exported(run, force=True)
    assert not (folder / "left over").exists()
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []
    foreign = folder.parent / "foreign"
    foreign.mkdir()
    exported(run, out=foreign)
    (foreign / "export.json").unlink()
    with pytest.raises(ConfigError, match="not empty and no export made it"):
        exported(run, out=foreign, force=True)


def test_what_cannot_be_exported_says_so(asked: Any, make_run: Any) -> None:
    run = asked()
    with pytest.raises(ConfigError, match="format conll holds spans, and the task is single_label"):
        exported(run, formats=("conll",))
    with pytest.raises(ModelError, match="no model was trained yet"):
        exported(run, model=True)
    assert run.config.pool.path is not None
    run.config.pool.path.write_text('{"key": "r0", "text": "another"}\n')
    with pytest.raises(RunError, match="the pool changed"):
        exported(run)
    with pytest.raises(RunError, match="nothing is labelled yet"):
        exported(make_run("spans"))
    (run.config.run.dir / "journal.sqlite").unlink()
    with pytest.raises(RunError, match="no run in"):
        exported(run)


def test_a_classifier_without_a_stock_form_is_left_out_with_the_reason(asked: Any) -> None:
    run = asked()
    run.train()
    lines: list[str] = []
    folder = run_export(run.config, ExportOptions(), lines.append)
    assert not (folder / "model").exists()
    reason = "no form that plain transformers opens: tfidf is no transformer"
    assert reason in lines[-1]
    assert reason in (folder / "README.md").read_text()
    with pytest.raises(ModelError, match=reason):
        exported(run, model=True, force=True)


def test_the_command(asked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    run = asked("spans")
    path = tmp_path / "spans" / "my.yaml"
    content = {
        "run": {"dir": "run", "seed": 3},
        "task": {"type": "spans", "labels": ["person", "place"]},
        "pool": {"path": "pool.jsonl", "id": "key"},
        "classifier": {"name": "tfidf"},
    }
    path.write_text(yaml.safe_dump(content))
    words = ["export", str(path), "--out", str(tmp_path / "out"), "--format", "conll", "--no-model"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("3 labelled texts with 4 answers in ")
    assert (tmp_path / "out" / "labels.conll").is_file()
    (option,) = [each for each in main.commands["export"].params if each.name == "formats"]
    assert list(option.type.choices) == list(FORMATS)  # type: ignore[attr-defined]
    del run
