"""What others open of an export: `load_dataset`, cards, files for everybody, the hub."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import DatasetCard, ModelCard
from pyarrow import parquet

from loopd.config_file import parse_config
from loopd.errors import ConfigError, ServerError
from loopd.events import RoundEvaluated
from loopd.export import shipment
from loopd.export.figures import Figure
from loopd.export.model_card import model_card
from loopd.export.rows import shown_names
from loopd.export.run import ExportOptions, run_export
from loopd.storage.names import SavedNames
from tests.export.conftest import Run
from tests.export.hub_stub import TOKEN, Hub, hub
from tests.export.test_export import exported, rows_of
from tests.export.test_models import QUICK

KINDS = ("single_label", "multi_label", "spans")

PUSH = """
import json, sys
from pathlib import Path
from loopd.export.hub import push
from loopd.errors import LoopdError
folder, name, model = sys.argv[1:]
try:
    push(Path(folder), name, Path(model) if model else None, print)
except LoopdError as error:
    print(type(error).__name__, error.message, error.hint, sep=" | ")
"""
"""Pushes in a process of its own: huggingface_hub reads its settings once."""


@pytest.fixture
def there() -> Iterator[Hub]:
    with hub() as server:
        yield server


def pushed(server: Hub, folder: Path, name: str, model: Path | None = None, **env: str) -> str:
    settings = {"HF_ENDPOINT": server.url, "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0", **env}
    settings |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PUSH, str(folder), name, str(model or "")],
        env={**os.environ, "HOME": str(folder.parent), **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_load_dataset_opens_what_load_from_disk_opens(
    asked: Any, kind: str, tmp_path: Path
) -> None:
    import datasets

    folder = exported(asked(kind))
    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    finally:
        datasets.enable_progress_bars()
    saved = datasets.load_from_disk(str(folder / "dataset"))
    assert list(loaded) == ["train"]
    assert loaded["train"].features == saved.features
    assert loaded["train"].to_list() == saved.to_list()
    assert len(saved) == 3


@pytest.mark.parametrize(
    ("formats", "data"),
    [
        (("dataset",), "data/train-00000-of-00001.parquet"),
        (("jsonl", "parquet"), "labels.parquet"),
        (("jsonl",), "labels.jsonl"),
        (("csv",), None),
    ],
)
def test_the_header_names_the_files_that_are_there(
    asked: Any, formats: tuple[str, ...], data: str | None
) -> None:
    folder = exported(asked(), formats=formats)
    card = DatasetCard.load(folder / "README.md")
    assert card.data.task_categories == ["text-classification"]
    assert card.data.size_categories == ["n<1K"]
    assert "active-learning" in card.data.tags
    assert card.text.lstrip().startswith("# Labels of an active learning run")
    configs = card.data.to_dict().get("configs")
    if data is None:
        assert configs is None
        return
    assert configs == [{"config_name": "default", "data_files": [{"split": "train", "path": data}]}]
    assert (folder / data).is_file()


def test_others_may_read_an_export_as_far_as_they_may_here(asked: Any) -> None:
    run = asked()
    for mask, file, entered in (
        (0o022, 0o644, 0o755),
        (0o027, 0o640, 0o750),
        (0o077, 0o600, 0o700),
    ):
        before = os.umask(mask)
        try:
            folder = exported(run, force=True)
        finally:
            os.umask(before)
        for path in (folder, *folder.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (entered if path.is_dir() else file), path


def test_annotators_have_names(asked: Any) -> None:
    run = asked()
    SavedNames(run.config.run.dir).keep({"ann": "Ann Smith", "other": "Nobody"})
    rows = rows_of(exported(run))
    assert {answer["annotator"] for row in rows for answer in row["answers"]} == {"Ann Smith", "bo"}


def test_two_people_of_one_name_stay_two() -> None:
    names = {"1": "ann", "2": "ann", "3": "bo", "5": "4"}
    shown = shown_names(["1", "2", "3", "4", "5"], names)
    assert shown == {"1": "ann (1)", "2": "ann (2)", "3": "bo", "5": "4 (5)"}


def test_the_table_that_came_in_comes_out_with_people_s_labels(asked: Any) -> None:
    import csv

    lines = (exported(asked()) / "table.csv").read_text("utf-8")
    header, *rows = csv.reader(io.StringIO(lines))
    assert header == ["key", "text", "label", "source", "confidence", "second_label", "reason"]
    assert [row[0] for row in rows] == ["r0", "r1", "r2", "r3", "r4"]
    assert [row[2] for row in rows] == ["animal", "food", "animal", "", ""]
    assert [row[6] for row in rows] == ["", "", "", "people discarded it", "nobody has labelled it"]


# -- cards -----------------------------------------------------------------------------------------

MODEL = {
    "id": "m", "round": 3, "labels": 80, "pipeline": "text-classification", "thresholds": {},
}  # fmt: skip
FACTS = {
    "task": "single_label", "labels": ["a|b", 'c"d', "ß: [x]"], "annotators": 2, "versions": {},
    "config_digest": "d", "seed": 0, "model": MODEL,
}  # fmt: skip


def test_a_model_card_has_figures_that_hugging_face_reads() -> None:
    some = (
        Figure("accuracy", "accuracy", 0.8125, 0.75, 0.86, "the run's test set", 200),
        Figure("micro_f1", "micro-F1", 0.5, None, None, "random draws", 40),
    )
    card: Any = ModelCard(model_card(FACTS, some, "org/encoder"))
    assert card.data.base_model == "org/encoder"
    assert (card.data.library_name, card.data.pipeline_tag) == (
        "transformers", "text-classification",
    )  # fmt: skip
    first, second = card.data.eval_results
    assert (first.metric_type, first.metric_value, first.dataset_name) == (
        "accuracy", 0.8125, "the run's test set",
    )  # fmt: skip
    assert "0.7500 to 0.8600" in first.metric_name
    assert (second.metric_type, second.metric_value) == ("f1", 0.5)
    assert "95 % interval 0.7500 to 0.8600) on 200 texts" in card.text


@pytest.mark.parametrize("base", ["/models/mine", "./mine", "packaged", None, "a/b/c", "~/x"])
def test_a_model_without_a_name_on_the_hub_has_no_base(base: str | None) -> None:
    card: Any = ModelCard(model_card(FACTS, (), base))
    assert card.data.base_model is None
    assert card.data.eval_results is None
    assert "It was not measured." in card.text


@pytest.mark.integration
def test_an_exported_model_has_its_card(asked: Any) -> None:
    run = asked(classifier=QUICK)
    run.train()
    metrics = {"accuracy": 0.75, "accuracy_low": 0.5, "accuracy_high": 0.9, "test_size": 20}
    run.write(RoundEvaluated(10.0, 0, metrics, {}, "", "", 0.1, 0.1))
    folder = run_export(run.config, ExportOptions(model=True), lambda line: None)
    card = ModelCard.load(folder / "model" / "README.md")
    (result,) = card.data.eval_results
    assert (result.metric_value, result.dataset_name) == (0.75, "the run's test set")
    assert "accuracy 0.7500 (95 % interval 0.5000 to 0.9000)" in (folder / "README.md").read_text()
    for path in (folder / "model").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o044 == 0o044, path


# -- the hub ---------------------------------------------------------------------------------------


def test_an_export_is_sent_with_its_model(asked: Any, there: Hub, tmp_path: Path) -> None:
    folder = exported(asked())
    model = tmp_path / "model"
    model.mkdir()
    (model / "README.md").write_text("---\n---\n# M\n")
    (model / "model.safetensors").write_bytes(b"\0" * 9)
    said = pushed(there, folder, "tickets", model)
    assert said.count("sent to") == 2
    assert f"{there.url}/datasets/ann/tickets" in said
    assert all(there.private.values())
    data, sent = there.files["dataset", "ann/tickets"], there.files["model", "ann/tickets"]
    assert (folder / "table.csv").exists(), "which stays at home"
    assert set(data) == {
        "README.md", "export.json", "labels.jsonl", "labels.parquet",
        "data/train-00000-of-00001.parquet",
    }  # fmt: skip
    assert all((folder / name).read_bytes() == content for name, content in data.items())
    assert sent["model.safetensors"] == b"\0" * 9
    table = parquet.read_table(io.BytesIO(data["data/train-00000-of-00001.parquet"]))
    assert table.num_rows == 3
    assert pushed(there, folder, "ann/tickets").count("sent to") == 1  # and once more


NAMES = ("README.md", "vocab.txt", "model.safetensors")


def test_a_second_export_takes_away_what_the_first_one_sent(
    asked: Any, there: Hub, tmp_path: Path
) -> None:
    run, model = asked(), tmp_path / "model"
    model.mkdir()
    folder = exported(run)
    for name in NAMES:
        (model / name).write_text("---\n---\n")
    facts = json.loads((folder / "export.json").read_text())
    (folder / "export.json").write_text(json.dumps({**facts, "model_files": [*NAMES]}))
    pushed(there, folder, "tickets", model)
    data, sent = there.files["dataset", "ann/tickets"], there.files["model", "ann/tickets"]
    for repository in (data, sent):
        repository["of-somebody-else.md"] = b"mine"
    data["table.csv"] = b"mine too: loopd never sends one"

    folder = exported(run, force=True, formats=("jsonl",))
    (model / "vocab.txt").unlink()
    (model / "tokenizer.json").write_text("{}")
    pushed(there, folder, "tickets", model)
    kept = {"README.md", "export.json", "labels.jsonl", "of-somebody-else.md", "table.csv"}
    assert set(data) == kept
    assert set(sent) == {
        "README.md", "model.safetensors", "tokenizer.json", "of-somebody-else.md",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name"),
    [("dataset", "of-mine.csv"), ("dataset", "export.json"), ("model", "README.md")],
)
def test_what_loopd_never_sent_stays_and_nothing_is_sent(
    asked: Any, there: Hub, tmp_path: Path, kind: str, name: str
) -> None:
    mine = {name: b"{}", ".gitattributes": b"*"}
    there.files[kind, "ann/tickets"] = dict(mine)
    there.private[kind, "ann/tickets"] = False
    (tmp_path / "README.md").write_text("---\n---\n")
    said = pushed(there, exported(asked(), formats=("jsonl",)), "tickets", tmp_path)
    assert said.startswith(f"ConfigError | --push: the {kind} repository ann/tickets holds files")
    assert f"such as {name} |" in said
    assert there.files[kind, "ann/tickets"] == mine
    assert not [line for line in there.asked if "/commit/" in line]


def test_a_file_of_somebody_else_in_the_way_is_not_replaced(asked: Any, there: Hub) -> None:
    run = asked()
    pushed(there, exported(run, formats=("jsonl",)), "tickets")
    kept = there.files["dataset", "ann/tickets"]
    kept["labels.parquet"] = b"mine"
    before = dict(kept)
    said = pushed(there, exported(run, force=True, formats=("parquet",)), "tickets")
    assert said.startswith("ConfigError | --push: the dataset repository ann/tickets holds")
    assert kept == before


def test_a_card_that_was_edited_there_is_kept(asked: Any, there: Hub) -> None:
    run = asked()
    pushed(there, exported(run, formats=("jsonl",)), "tickets")
    kept = there.files["dataset", "ann/tickets"]
    kept["README.md"] = b"# Tickets of our shop, and how we label them\n"
    before = dict(kept)
    folder = exported(run, force=True, formats=("jsonl", "parquet"))
    for _ in range(2):  # whose facts name a card that was not sent
        assert "kept its README.md" in pushed(there, folder, "tickets")
        assert kept["README.md"] == before["README.md"]
        assert "labels.parquet" in kept, "all else is sent"


@pytest.mark.parametrize(
    "name", ["labels.jsonl", pytest.param("labels.parquet", marks=pytest.mark.slow)]
)
def test_data_that_were_changed_there_are_not_replaced(asked: Any, there: Hub, name: str) -> None:
    run = asked()
    formats = ("jsonl", "parquet")
    pushed(there, exported(run, formats=formats), "tickets")
    kept = there.files["dataset", "ann/tickets"]
    kept[name] += b"\n"
    before = dict(kept)
    said = pushed(there, exported(run, force=True, formats=formats), "tickets")
    assert said.startswith(f"ConfigError | --push: somebody has changed {name} in the dataset")
    assert kept == before


def noted(folder: Path, **more: Any) -> None:
    """Let the facts of an export say what is in it now, as if loopd had written all of it."""
    facts = json.loads((folder / "export.json").read_text()) | more
    facts |= {"sha256": shipment.digests_of(folder)}
    (folder / "export.json").write_text(json.dumps(facts))


SPLIT = "data/test-00000-of-00001.parquet"


@pytest.mark.parametrize("changed", [False, True])
def test_old_files_go_unless_they_have_changed_there(
    asked: Any, there: Hub, tmp_path: Path, changed: bool
) -> None:
    run, model = asked(), tmp_path / "model"
    model.mkdir()
    (model / "README.md").write_text("---\n---\n")
    folder = exported(run)
    (folder / SPLIT).write_bytes(b"rows")
    noted(folder, test_texts=3, model_files=["*", "README.md", "d*/**", "of-mine.md", "[a-z]*"])
    pushed(there, folder, "tickets", model)
    data, sent = there.files["dataset", "ann/tickets"], there.files["model", "ann/tickets"]
    assert data[SPLIT] == b"rows"
    data |= {SPLIT: b"mine"} if changed else {}
    sent["mine.md"] = b"mine"
    folder = exported(run, force=True)
    noted(folder)
    pushed(there, folder, "tickets")
    assert data.get(SPLIT) == (b"mine" if changed else None)
    assert "labels.parquet" in data
    noted(folder, model_files=["README.md"])
    (model / "config.json").write_text("{}")
    said = pushed(there, folder, "tickets", model)  # the push between knew of no model
    assert said.count("sent to") == 2
    assert set(sent) == {"README.md", "mine.md", "config.json"}


def test_facts_name_no_files_but_those_that_loopd_sends() -> None:
    facts = {"formats": ["jsonl", "csv", "../x", "*"], "test_texts": 1, "config_digest": "d"}
    assert shipment._data_before(facts).keys() == {"export.json", "README.md", "labels.jsonl"}
    hostile = {**facts, "sha256": {"labels.jsonl": "1", "of-mine.md": "2", "data/*": "3"}}
    assert shipment._data_before(hostile) == {"export.json": None, "labels.jsonl": "1"}
    older = {"formats": ["dataset"], "test_texts": 0}
    assert shipment._data_before({**older, "test_texts": 2}).keys() >= {SPLIT}
    assert SPLIT not in shipment._data_before(older)


@pytest.mark.parametrize("section", ["pool", "test"])
def test_the_data_from_which_a_run_reads_are_not_replaced(section: str) -> None:
    content = {"pool": {"path": "a.csv"}, section: {"hub": "Ann/News", "label": "label"}}
    config = parse_config({**content, "task": {"labels": ["a", "b"]}}, Path("/tmp"))
    with pytest.raises(ConfigError, match="--push: the run reads its texts from ann/news"):
        run_export(config, ExportOptions(push="ann/news"), lambda line: None)


def test_they_are_not_replaced_under_a_short_name_either(asked: Any, there: Hub) -> None:
    folder = exported(asked(), formats=("jsonl",))
    noted(folder, hub_sources=["ann/tickets"])
    assert pushed(there, folder, "tickets").startswith("ConfigError | --push: the run reads")
    assert not [line for line in there.asked if "/commit/" in line]


@pytest.mark.parametrize(
    ("env", "status", "words"),
    [
        ({"HF_TOKEN": "hf_other"}, 0, "ServerError | the hub refuses tickets"),
        ({"HF_HUB_OFFLINE": "1"}, 0, "ServerError | the hub is switched off"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, 0, "ServerError | cannot reach the hub"),
        ({}, 400, "ServerError | the hub refuses tickets"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(
    asked: Any, there: Hub, env: dict[str, str], status: int, words: str
) -> None:
    folder = exported(asked(), formats=("jsonl",))
    there.failing = status
    said = pushed(there, folder, "tickets", None, **env)
    assert said.startswith(words)
    assert said.count("\n") == 1
    assert TOKEN not in said


def test_a_name_that_no_repository_can_have_is_refused_first(asked: Any) -> None:
    run = asked()
    with pytest.raises(ConfigError, match="--push"):
        exported(run, push="a/b/c")
    assert not (run.config.run.dir.parent / "run-export").exists()


def test_pushing_comes_when_the_export_is_there(
    asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: Run = asked()
    sent: list[Any] = []

    def push(folder: Path, name: str, model: Path | None, tell: Any) -> None:
        sent.append((json.loads((folder / "export.json").read_text())["texts"], name, model))
        raise ServerError("no")

    monkeypatch.setattr("loopd.export.run.push", push)
    with pytest.raises(ServerError):
        exported(run, push="tickets")
    assert sent == [(3, "tickets", None)]
    assert (run.config.run.dir.parent / "run-export" / "README.md").is_file()
    assert shipment.NOT_SENT
