"""A small part of the packaged sample data with a configuration: backtests in seconds."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import yaml

from loopd.config import Config
from loopd.config_file import load_config
from loopd.demo import sample_data
from loopd.storage.files import write_atomic

POOL, TEST = 240, 80


def write_set(folder: Path, *, unlabelled: int = 0, **sections: dict[str, Any]) -> Path:
    """Write pool, test set and configuration; the first pool texts may lack their label."""
    _copy(sample_data.POOL_FILE, folder / "pool.csv", POOL, unlabelled)
    _copy(sample_data.TEST_FILE, folder / "test.csv", TEST)
    columns = {"id": "id", "text": "text", "label": "label"}
    content: dict[str, Any] = {
        "run": {"dir": "run"},
        "task": {"labels": list(sample_data.LABELS)},
        "pool": {"path": "pool.csv", **columns},
        "test": {"path": "test.csv", **columns},
        "classifier": {"name": "tfidf"},
        "strategy": {"name": "breaking_ties"},
        "queue": {"batch_size": 12},
        "stopping": {"max_rounds": 5, "stop_set_size": 50},
    }
    for name, values in sections.items():
        content[name] = {**content.get(name, {}), **values}
    path = folder / "config.yaml"
    write_atomic(path, yaml.safe_dump(content, sort_keys=False))
    return path


def small_set(folder: Path, *, unlabelled: int = 0, **sections: dict[str, Any]) -> Config:
    """The same, loaded."""
    return load_config(write_set(folder, unlabelled=unlabelled, **sections))


def _copy(source: Path, target: Path, rows: int, unlabelled: int = 0) -> None:
    with source.open(encoding="utf-8", newline="") as file:
        head, *body = csv.reader(file)
    for row in body[:unlabelled]:
        row[head.index("label")] = ""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *body[:rows]])
