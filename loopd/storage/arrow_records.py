"""Owns records as Arrow files, written whole or not at all; must not know what they are for.

They lie in blocks of ``ROWS``, each with a checksum, so that one block can be read without the
others. ``pyarrow`` is imported at the first use.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loopd.errors import NewerError, StorageError
from loopd.records import PoolId, Record, Span, Target
from loopd.storage.files import storage_error, whole_file

VERSION = 1
"""Of the format: its columns, and how they are written."""

ROWS = 8192
"""Records of a block; readers of a block rely on it, so another number is another version."""

CHECKSUM = "loopd.crc32"
"""Of a block, in what Arrow keeps with it; absent in files of earlier versions."""

CHECKED = "checksum"
"""Name of the note by which each block of a file must have one."""

COLUMNS = ("id", "text", "gold", "answers", "parts", "shown")
"""Attributes of a record; all but the first two as JSON, and null where there is nothing."""

_PREFIX = "loopd."

_DAMAGE = (ValueError, TypeError, KeyError, RecursionError, MemoryError, SystemError)
"""What Arrow and Python raise over bytes that were changed."""


def write_records(path: Path, records: Sequence[Record], notes: Mapping[str, str]) -> None:
    """Write records.

    Args:
        path: of the file.
        records: in order.
        notes: more about them, kept in the file.

    Raises:
        StorageError: the disk is full or the place cannot be written.
    """
    import pyarrow as pa

    told = {"version": str(VERSION), "records": str(len(records)), CHECKED: CHECKSUM, **notes}
    kinds = [(name, pa.large_string()) for name in COLUMNS]
    schema = pa.schema(kinds, metadata={_PREFIX + name: note for name, note in told.items()})
    with whole_file(path) as fresh, pa.ipc.new_file(str(fresh), schema) as file:
        for start in range(0, len(records), ROWS):
            rows = [_cells(record) for record in records[start : start + ROWS]]
            block = pa.record_batch(list(zip(*rows, strict=True)), schema=schema)
            file.write_batch(block, custom_metadata={CHECKSUM: _checksum(block)})


def read_records(path: Path) -> tuple[tuple[Record, ...], Mapping[str, str]]:
    """The records of a file, and the notes about them.

    Raises:
        StorageError: it is damaged, missing or cannot be read.
        NewerError: a newer version wrote it.
    """
    notes = read_notes(path)
    with _explained(path):
        records = tuple(_records(path))
    if notes.get("records") != str(len(records)):
        raise damaged(path)
    return records, notes


def read_notes(path: Path) -> Mapping[str, str]:
    """What a file says of its records; these are not read.

    Raises:
        StorageError: it is damaged, missing or cannot be read.
        NewerError: a newer version wrote it.
    """
    import pyarrow as pa

    with _explained(path):
        with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as file:
            schema = file.schema
        names = set(schema.names)
        metadata = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    notes = {
        key.removeprefix(_PREFIX): value
        for key, value in metadata.items()
        if key.startswith(_PREFIX)
    }
    version = notes.get("version", "")
    if not version.isdecimal():
        raise damaged(path)
    if int(version) > VERSION or names - set(COLUMNS):
        raise NewerError(f"a newer loopd wrote {path}")
    return notes


def read_block(path: Path, number: int) -> Any:
    """One block of a file as an Arrow ``RecordBatch`` that has been looked at.

    Args:
        path: of the file.
        number: of the block, from 0.

    Raises:
        StorageError: it is damaged, missing or cannot be read.
    """
    import pyarrow as pa

    # Not mapped, and looked at before it is taken apart: a flipped bit would end the process.
    with _explained(path), pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as file:
        return _looked_at(file, number)


def block_records(block: Any) -> Iterator[Record]:
    """The records of a block that ``read_block`` gave."""
    columns = block.to_pydict()
    return map(_record, *(columns[name] for name in COLUMNS))


def one_record(block: Any, row: int) -> Record:
    """A record of a block that ``read_block`` gave."""
    return _record(*(block.column(name)[row].as_py() for name in COLUMNS))


def _records(path: Path) -> Iterator[Record]:
    import pyarrow as pa

    with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as file:
        for number in range(file.num_record_batches):
            yield from block_records(_looked_at(file, number))


def _looked_at(file: Any, number: int) -> Any:
    block, about = file.get_batch_with_custom_metadata(number)
    block.validate(full=True)
    told = (about or {}).get(CHECKSUM.encode())
    is_checked = _PREFIX + CHECKED in (key.decode() for key in file.schema.metadata or ())
    if (told or is_checked) and told != _checksum(block).encode():
        raise ValueError("another checksum")
    return block


def _checksum(block: Any) -> str:
    """CRC-32 of what a valid block holds: which cells are null, and what the others say."""
    import numpy as np

    value = 0
    for column in block.columns:
        _, ends, content = column.buffers()
        offsets = np.frombuffer(ends, dtype="<i8", count=len(column) + 1, offset=8 * column.offset)
        nulls = np.packbits(column.is_null().to_numpy(zero_copy_only=False))
        value = zlib.crc32(nulls.tobytes(), value)
        value = zlib.crc32((offsets - offsets[0]).tobytes(), value)
        if content is not None:
            value = zlib.crc32(memoryview(content)[offsets[0] : offsets[-1]], value)
    return f"{value:08x}"


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns what a file that cannot be read raises into loopd's error."""
    import pyarrow as pa

    try:
        yield
    except OSError as error:  # Arrow's own have no number
        raise damaged(path) if error.errno is None else storage_error(path, error) from error
    except (*_DAMAGE, pa.ArrowException):
        raise damaged(path) from None


def _cells(record: Record) -> tuple[str | None, ...]:
    gold = None if record.gold is None else _json(record.gold)
    others = (record.answers, record.parts, record.shown)
    return record.id, record.text, gold, *(_json(value) if value else None for value in others)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _record(
    record_id: str,
    text: str,
    gold: str | None,
    answers: str | None,
    parts: str | None,
    shown: str | None,
) -> Record:
    target = None if gold is None else _target(json.loads(gold))
    return Record(
        PoolId(record_id), text, target, *(_pairs(value) for value in (answers, parts, shown))
    )


def _target(value: Any) -> Target:
    if isinstance(value, str):
        return value
    if all(isinstance(part, str) for part in value):
        return tuple(value)
    return tuple(Span(*part) for part in value)


def _pairs(value: str | None) -> tuple[tuple[str, Any], ...]:
    return () if value is None else tuple((name, cell) for name, cell in json.loads(value))


def damaged(path: Path) -> StorageError:
    """The error over a file that does not hold what was written."""
    return StorageError(
        f"{path} is damaged: the run does not know its texts",
        "restore it from a backup, or move the journal away and use `loopd recover`",
    )
