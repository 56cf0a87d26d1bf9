"""Owns the metrics log as a table that a spreadsheet opens."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from loopd.records import JsonValue
from loopd.sinks.sink import RunRecord
from loopd.storage.files import write_atomic


class CsvFile:
    """One line for each round, a column for each key that any round has.

    Args:
        path: the file; written anew with each round, atomically.
    """

    name = "csv"

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, story: RunRecord) -> None:
        """Write the whole table."""
        columns = list(dict.fromkeys(key for row in story.rows for key in row))
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer)
        writer.writerow(columns)
        writer.writerows([[_cell(row.get(key)) for key in columns] for row in story.rows])
        write_atomic(self._path, buffer.getvalue())

    def close(self) -> None:
        """Nothing is open."""


def _cell(value: JsonValue) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
