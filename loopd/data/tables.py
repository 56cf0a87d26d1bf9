"""Owns reading Parquet files, saved folders and hub data sets; must not judge what cells hold.

``pyarrow`` and ``datasets`` are imported only when such a source is read.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from loopd.data.columns import listing, require
from loopd.data.source import HEAD, Source, SourceRow, first_rows
from loopd.errors import DataError

CHUNK = 10_000
"""Rows that are turned into Python objects at once."""

Names = Mapping[str, Sequence[str]]
"""Class names by column, for columns that hold their numbers."""


def parquet_source(path: Path) -> Source:
    """A Parquet file; class numbers of a Hugging Face export turn into names.

    Raises:
        DataError: not Parquet, or damaged.
    """
    from pyarrow import parquet

    with _readable(path), parquet.ParquetFile(path) as file:
        columns = tuple(file.schema_arrow.names)
    read = partial(_parquet_rows, path)
    return Source(path.name, "row", columns, _parquet_head(path), (), read)


def _parquet_head(path: Path) -> tuple[SourceRow, ...]:
    """The first rows, or nothing where a column that may not be asked for cannot be read."""
    try:
        return first_rows(_parquet_rows(path, None, HEAD))
    except DataError:
        return ()


def _parquet_rows(
    path: Path, names: Collection[str] | None, chunk: int = CHUNK
) -> Iterator[SourceRow]:
    from pyarrow import parquet

    with _readable(path), parquet.ParquetFile(path) as file:
        require(names or (), file.schema_arrow.names, path.name)
        classes = _class_names(file.schema_arrow.metadata)
        columns = None if names is None else list(names)
        batches = file.iter_batches(batch_size=chunk, columns=columns)
        yield from _numbered((batch.to_pydict() for batch in batches), classes)


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns what reading a damaged file raises into an error with its name."""
    import pyarrow as pa

    try:
        yield
    # Text that is not UTF-8 and times that Python cannot hold come as the latter two.
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        problem = f"{path.name} is not a readable Parquet file"
        if isinstance(error, (pa.ArrowNotImplementedError, OverflowError, UnicodeDecodeError)):
            problem += f": {_first_line(error)}"
        raise DataError(problem, "is it complete? Write it anew, or save it as CSV") from None


def saved_source(path: Path, split: str | None) -> Source:
    """A folder that ``datasets`` wrote with ``save_to_disk``.

    Raises:
        DataError: no such folder, or no such split.
    """
    import datasets

    try:
        loaded = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError, datasets.exceptions.DatasetsError):
        hint = "name a file in it, or a folder that save_to_disk wrote"
        raise DataError(f"{path} is a folder, and is no saved data set", hint) from None
    return _dataset_source(_pick(loaded, split, path.name), path.name)


def hub_source(name: str, config: str | None, split: str | None) -> Source:
    """A data set of the Hugging Face hub, downloaded or from its cache.

    Raises:
        DataError: it cannot be loaded, or no such split.
    """
    import datasets

    _refuse_no_hub_name(name)
    # Network failures, unknown names, missing access and broken files come as any of these.
    failures = (OSError, ValueError, RuntimeError, ImportError, KeyError)
    try:
        loaded = datasets.load_dataset(name, config, split=split)
    except (*failures, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            f"cannot load the hub data set {name}: {_first_line(error)}",
            "check its name, hub_config and split, the network, and HF_HUB_OFFLINE",
        ) from None
    return _dataset_source(_pick(loaded, split, name), name)


_HUB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)?")


def _refuse_no_hub_name(name: str) -> None:
    """Refuse what ``load_dataset`` would take for files of this machine.

    A folder, or one of its own formats (some releases read pickles as ``pandas``).

    Raises:
        DataError: the name is no name of the hub, or not of the hub alone.
    """
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

    if not _HUB_NAME.fullmatch(name) or name in _PACKAGED_DATASETS_MODULES or Path(name).exists():
        raise DataError(
            f"{name[:80]!r} is not the name of a hub data set", "use `path` for files and folders"
        )


def _pick(loaded: Any, split: str | None, name: str) -> Any:
    """The one split of a dictionary of splits; a single data set as it is."""
    if not isinstance(loaded, dict):
        return loaded
    if split in loaded:
        return loaded[split]
    if split is None and len(loaded) == 1:
        return next(iter(loaded.values()))
    problem = "needs a split" if split is None else f"has no split {split!r}"
    raise DataError(f"{name} {problem}; it has {listing(map(str, loaded))}", "set `split`")


def _dataset_source(dataset: Any, name: str) -> Source:
    columns = tuple(dataset.column_names)
    classes = _names_of(dataset.features.to_dict())
    # As Arrow has them: pictures and sounds are not decoded only to see what the columns are.
    first = dataset.with_format("arrow")[:HEAD].to_pydict()
    head = tuple(_numbered([first], classes))
    return Source(name, "row", columns, head, (), partial(_dataset_rows, dataset, name))


def _dataset_rows(dataset: Any, name: str, names: Collection[str] | None) -> Iterator[SourceRow]:
    columns = dataset.column_names if names is None else list(names)
    require(columns, dataset.column_names, name)
    picked = dataset.with_format(None).select_columns(columns)
    classes = _names_of(dataset.features.to_dict())
    yield from _numbered(picked.iter(batch_size=CHUNK), classes)


def _numbered(batches: Iterable[Mapping[str, list[object]]], classes: Names) -> Iterator[SourceRow]:
    number = 0
    for batch in batches:
        names = list(batch)
        cells = [_column(batch[name], classes.get(name)) for name in names]
        for row in zip(*cells, strict=True):
            number += 1
            yield SourceRow(number, dict(zip(names, row, strict=True)))


def _column(values: list[object], names: Sequence[str] | None) -> list[object]:
    return values if names is None else [_class_name(value, names) for value in values]


def _class_name(value: object, names: Sequence[str]) -> object:
    """Names in place of class numbers, in lists and under ``label`` in objects too.

    -1 and nothing mean that the label is not known.
    """
    if isinstance(value, list):
        return [_class_name(item, names) for item in value]
    if isinstance(value, dict):
        return {**value, "label": _class_name(value.get("label"), names)}
    if not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None


def _class_names(metadata: Mapping[bytes, bytes] | None) -> Names:
    """Class names that ``datasets`` leaves in a Parquet file; empty where it did not write it."""
    try:
        return _names_of(json.loads((metadata or {})[b"huggingface"])["info"]["features"])
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _names_of(features: Mapping[str, object]) -> Names:
    """Class names of each column that holds class numbers, alone, in lists or in spans."""
    names_by_column = {column: _names_in(feature) for column, feature in features.items()}
    return {column: names for column, names in names_by_column.items() if names is not None}


def _names_in(feature: object) -> Sequence[str] | None:
    if isinstance(feature, list):  # how older releases write a list
        return _names_in(feature[0]) if feature else None
    if not isinstance(feature, dict):
        return None
    if feature.get("_type") == "ClassLabel":
        return tuple(feature["names"])
    return _names_in(feature.get("feature") or feature.get("label"))


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
