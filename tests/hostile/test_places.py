"""Paths, links and names that lead elsewhere: nothing outside the run is written or deleted."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest

from loopd.config import DataSection
from loopd.data.reading import read_pool
from loopd.errors import DataError, StorageError
from loopd.events import RunStopped
from loopd.learning.features.projection import kept
from loopd.learning.model_store import ModelStore
from loopd.metrics_log.curve import plot_learning_curve
from loopd.records import JsonValue, PoolId
from loopd.storage.files import write_atomic
from loopd.storage.journal import Journal
from loopd.storage.lock import run_lock

STRANGE = (
    "../../x",
    "/etc/passwd",
    "a/b",
    "..",
    "~root",
    "$HOME",
    "a\\b",
    "<b>",
    "con:",
    "é\u0301",
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_a_run_writes_is_its_owners_alone(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "one"
    with run_lock(run), Journal(run / "journal.sqlite") as journal:
        journal.append(RunStopped(1.0, "x"))
        write_atomic(run / "cache" / "deep" / "file", "x")
        ModelStore(run / "cache" / "models").put("0" * 16, {"a": np.zeros(2)})
        paths = list(tmp_path.rglob("*"))
        assert {path.name for path in paths} >= {"journal.sqlite-wal", "daemon.lock", "models"}
        for path in paths:
            assert mode(path) == (0o700 if path.is_dir() else 0o600), path


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    run.chmod(0o750)
    with run_lock(run):
        assert mode(run) == 0o750


@pytest.mark.parametrize("name", ["daemon.lock", "journal.sqlite"])
def test_a_link_in_the_place_of_our_file_is_refused(name: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    run = tmp_path / "run"
    run.mkdir()
    (run / name).symlink_to(victim)
    with pytest.raises(StorageError), run_lock(run), Journal(run / "journal.sqlite"):
        pass
    assert victim.read_text() == "precious"


def test_a_link_in_the_place_of_the_metrics_is_replaced(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "metrics.jsonl").symlink_to(victim)
    write_atomic(tmp_path / "metrics.jsonl", "ours")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "metrics.jsonl").is_symlink()


def test_a_linked_run_folder_is_the_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "real")
    with run_lock(tmp_path / "run"), Journal(tmp_path / "run" / "journal.sqlite") as journal:
        assert journal.read() == []
    assert (tmp_path / "real" / "journal.sqlite").is_file()


def test_a_linked_cache_loses_nothing_but_our_models(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "model.safetensors").write_text("somebody's weights")
    (tmp_path / "models").symlink_to(elsewhere)
    store = ModelStore(tmp_path / "models")
    store.put("a" * 16, {"a": np.zeros(2)})
    store.put("b" * 16, {"a": np.zeros(2)})
    store.keep({"b" * 16})
    assert sorted(path.stem for path in elsewhere.iterdir()) == ["b" * 16, "model"]


def test_a_pickle_in_the_place_of_a_projection_is_not_loaded(tmp_path: Path) -> None:
    import hashlib
    import io

    from loopd.learning.features.projection import Projection

    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": "pickle"}], dtype=object), allow_pickle=True)
    body = buffer.getvalue()
    path = tmp_path / "projection"
    path.write_bytes(body + hashlib.blake2b(body, digest_size=16).digest())
    assert kept(path, lambda: Projection.none(3)).width == 3


def test_labels_are_never_names_of_files(tmp_path: Path) -> None:
    values = {"labels": 5, "accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6}
    rows: list[dict[str, JsonValue]] = [
        {"round": number, **values, **{f"f1.{label}": 0.5 for label in STRANGE}}
        for number in range(3)
    ]
    plot_learning_curve(rows, tmp_path / "deep" / "run" / "curve.png", title="$x^{ <b>")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["curve.png"]


@pytest.mark.parametrize("identifier", STRANGE)
def test_strange_ids_are_only_ids(identifier: str, tmp_path: Path) -> None:
    import json

    (tmp_path / "pool.jsonl").write_text(json.dumps({"id": identifier, "text": "x"}))
    section = DataSection(path=tmp_path / "pool.jsonl", id="id")
    pool, _ = read_pool(section, labels=None)
    assert pool[PoolId(identifier)].text == "x"


@pytest.mark.parametrize(
    "name", ["pandas", "csv", ".", "..", "./x", "a/../b", "/etc", "a/b/c", "~"]
)
def test_a_hub_name_never_means_files_of_this_machine(name: str) -> None:
    with pytest.raises(DataError, match="not the name of a hub data set"):
        read_pool(DataSection(hub=name), labels=None)


def test_a_folder_with_the_name_of_a_hub_data_set_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imdb").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="not the name of a hub data set"):
        read_pool(DataSection(hub="imdb"), labels=None)
