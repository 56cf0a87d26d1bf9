"""A run as it lies on the disk: configuration, pool and journal, made of events."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from loopd.config import Config
from loopd.config_file import load_config
from loopd.events import Event, RunStarted
from loopd.loop.data_sets import read_data
from loopd.machine import fold
from loopd.metrics_log import writer as metrics_log
from loopd.storage.journal import Journal


def run_on_disk(
    folder: Path,
    events: Sequence[Event],
    labels: Sequence[str],
    text: str = "text number",
    *,
    size: int = 40,
) -> Config:
    """Write everything that ``loopd report`` and ``loopd status`` read."""
    settings: dict[str, Any] = {
        "run": {"dir": "run", "seed": 1},
        "argilla": {"dataset": "story", "api_key_command": ["print-my-secret-key"]},
        "task": {"labels": list(labels)},
        "pool": {"path": "pool.csv", "id": "id"},
        "queue": {"batch_size": 4, "low_watermark": 0},
        "stopping": {"max_rounds": 9},
    }
    (folder / "my.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with (folder / "pool.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        writer.writerows([f"r{n:03d}", f"{text} {n}"] for n in range(size))
    config = load_config(folder / "my.yaml")
    write_journal(config, events)
    return config


def write_journal(config: Config, events: Sequence[Event]) -> None:
    """Append the events, the first one with the fingerprint of the pool that is there."""
    fingerprint = read_data(config).pool.fingerprint
    config.run.dir.mkdir(exist_ok=True)
    known = [
        replace(event, pool_fingerprint=fingerprint) if isinstance(event, RunStarted) else event
        for event in events
    ]
    with Journal(config.run.dir / "journal.sqlite") as journal:
        for event in known:
            journal.append(event)
    metrics_log.write(fold(known), config.run.dir)
