"""Owns reading Parquet files, saved folders and hub data sets; must not judge what cells hold.

``pyarrow`` and ``datasets`` are imported only when such a source is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from loopd.data.columns import Columns, Row, listing
from loopd.errors import DataError

CHUNK = 10_000
"""Rows that are turned into Python objects at once."""

Names = Mapping[str, Sequence[str]]
"""Class names by column, for columns that hold their numbers."""


def parquet_rows(path: Path, columns: Columns) -> Iterator[Row]:
    """Rows of a Parquet file; class numbers of a Hugging Face export turn into names.

    Raises:
        DataError: not Parquet, damaged, or a column is missing.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            columns.require(file.schema_arrow.names, path.name)
            names = _class_names(file.schema_arrow.metadata)
            batches = file.iter_batches(batch_size=CHUNK, columns=list(columns.wanted))
            yield from _numbered((batch.to_pydict() for batch in batches), columns, names)
    # Text that is not UTF-8 and times that Python cannot hold come as the latter two.
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        problem = _first_line(error)
        raise DataError(f"{path.name} is not a readable Parquet file: {problem}") from None


def saved_rows(path: Path, split: str | None, columns: Columns) -> Iterator[Row]:
    """Rows of a folder that ``datasets`` wrote with ``save_to_disk``.

    Raises:
        DataError: no such folder, no such split, or a column is missing.
    """
    import datasets

    try:
        loaded = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            f"{path} is no saved data set: {_first_line(error)}",
            "give a file, or a folder that save_to_disk wrote",
        ) from None
    yield from _dataset_rows(_pick(loaded, split, path.name), columns, path.name)


def hub_rows(name: str, config: str | None, split: str | None, columns: Columns) -> Iterator[Row]:
    """Rows of a data set of the Hugging Face hub, downloaded or from its cache.

    Raises:
        DataError: it cannot be loaded, no such split, or a column is missing.
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
    yield from _dataset_rows(_pick(loaded, split, name), columns, name)


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


def _dataset_rows(dataset: Any, columns: Columns, name: str) -> Iterator[Row]:
    columns.require(dataset.column_names, name)
    names = _names_of(dataset.features.to_dict())
    chosen = dataset.with_format(None).select_columns(list(columns.wanted))
    yield from _numbered(chosen.iter(batch_size=CHUNK), columns, names)


def _numbered(
    batches: Iterable[Mapping[str, list[object]]], columns: Columns, names: Names
) -> Iterator[Row]:
    place = 0
    for batch in batches:
        cells = (_column(batch, column, names) for column in columns.names)
        for text, identifier, label, answers in zip(*cells, strict=True):
            place += 1
            yield place, text, identifier, label, answers


def _column(
    batch: Mapping[str, list[object]], column: str | None, names: Names
) -> Sequence[object]:
    if column is None:
        return (None,) * len(next(iter(batch.values())))
    if column not in names:
        return batch[column]
    return [_class_name(value, names[column]) for value in batch[column]]


def _class_name(value: object, names: Sequence[str]) -> object:
    """Names in place of class numbers, in lists and under ``label`` in objects too.

    -1 and nothing mean that the label is not known.
    """
    if isinstance(value, list):
        return [_class_name(each, names) for each in value]
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
    found = {column: _names_in(feature) for column, feature in features.items()}
    return {column: names for column, names in found.items() if names is not None}


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
