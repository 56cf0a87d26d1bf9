"""Reads files for the tests of formats, and shows what became of their lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from loopd.config import DataSection
from loopd.data.pool import Pool
from loopd.data.reading import ReadingReport, read_pool
from loopd.records import JsonValue

FILES = Path(__file__).parent / "files"

LABELS = ("praise", "complaint", "question")

ENTITIES = ("PER", "LOC")

Answers = dict[str, dict[str, JsonValue]]


def read(
    path: Path, kind: str = "single_label", labels: tuple[str, ...] = LABELS, **keys: Any
) -> tuple[Pool, ReadingReport]:
    test = bool(keys.pop("test", False))
    none_label = keys.pop("none_label", None)
    keys.setdefault("tolerate", 1.0)  # one line of three is more than may be lost otherwise
    section = DataSection(path=path, **keys)
    return read_pool(section, labels=labels, kind=kind, none_label=none_label, require_gold=test)


def answers(
    path: Path, kind: str = "single_label", labels: tuple[str, ...] = LABELS, **keys: Any
) -> Answers:
    """What everybody answered, by text; texts that nobody answered are not there."""
    pool, _ = read(path, kind, labels, **keys)
    return {record.text: dict(record.answers) for record in pool if record.answers}


def golds(path: Path, kind: str = "single_label", **keys: Any) -> dict[str, object]:
    """The known labels by text."""
    pool, _ = read(path, kind, **keys)
    return {record.text: record.gold for record in pool if record.gold is not None}


def spans(*each: tuple[int, int, str]) -> list[dict[str, JsonValue]]:
    return [{"start": start, "end": end, "label": label} for start, end, label in each]


def jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
