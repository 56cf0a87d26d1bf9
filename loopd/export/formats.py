"""Owns the files of an exported data set; must not decide what is in it.

``datasets`` and ``pyarrow`` are imported only when their formats are written.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopd.data.cells import json_value
from loopd.data.conll import conll_text
from loopd.data.json_lines import prodigy_lines
from loopd.errors import ConfigError
from loopd.export.rows import AskedIn, GivenAnswer, LabelledRow
from loopd.records import JsonValue, Record, Target
from loopd.storage.files import storage_error


@dataclass(frozen=True, slots=True)
class LabelScheme:
    """What the labels are.

    Attributes:
        kind: ``single_label``, ``multi_label`` or ``spans``.
        names: of the task, in order.
    """

    kind: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A way to write the data set.

    Attributes:
        place: name of its file or folder.
        write: writes rows to a path that does not exist yet; ``None`` for the incoming table, which
            is more than labels: see ``table``.
        meaning: what it is, for the data card.
        spans_only: whether it holds spans and nothing else.
    """

    place: str
    write: Callable[[Sequence[LabelledRow], LabelScheme, Path], None] | None
    meaning: str
    spans_only: bool = False


def write_formats(
    names: Sequence[str], rows: Sequence[LabelledRow], labels: LabelScheme, folder: Path
) -> None:
    """Write the data set in several formats.

    Raises:
        DataError: CoNLL cannot say something.
        StorageError: the disk is full or the folder cannot be written.
    """
    for name in names:
        path, write = folder / FORMATS[name].place, FORMATS[name].write
        try:
            if write is not None:
                write(rows, labels, path)
        except OSError as error:
            raise storage_error(path, error) from error


def refuse_unfit(names: Sequence[str], kind: str) -> None:
    """Check that the formats can hold the kind of task.

    Raises:
        ConfigError: one cannot.
    """
    unfit = [name for name in names if FORMATS[name].spans_only and kind != "spans"]
    if unfit:
        fitting = ", ".join(name for name, format_ in FORMATS.items() if not format_.spans_only)
        raise ConfigError(
            f"format {unfit[0]} holds spans, and the task is {kind}", f"these fit: {fitting}"
        )


def plain_row(row: LabelledRow) -> dict[str, JsonValue]:
    """A row as JSON: what JSON Lines hold, and with typed answers what the tables hold."""
    return {
        "id": row.id,
        "text": row.text,
        "label": json_value(row.target),
        "quality": row.quality,
        "answers": [_answer(own) for own in row.answers],
        **_asked(row.asked),
        "strategy": row.strategy,
        "draw": row.draw,
        "split": row.split,
    }


def _asked(request: AskedIn | None) -> dict[str, JsonValue]:
    if request is None:
        return dict.fromkeys(("batch_id", "round", "score"))
    return {"batch_id": request.batch.id, "round": request.batch.round, "score": request.item.score}


def _answer(own: GivenAnswer) -> dict[str, JsonValue]:
    answer = own.answer
    return {
        "annotator": answer.annotator,
        "value": answer.value,
        "status": answer.status.value,
        "time": answer.time,
        "record_id": answer.external_id,
        "departed": own.departed,
        **_asked(own.asked),
    }


# -- text files ------------------------------------------------------------------------------------


def _write_jsonl(rows: Sequence[LabelledRow], labels: LabelScheme, path: Path) -> None:
    del labels
    _write_lines(path, (json.dumps(plain_row(row), ensure_ascii=False) + "\n" for row in rows))


def _write_conll(rows: Sequence[LabelledRow], labels: LabelScheme, path: Path) -> None:
    del labels
    _write_lines(path, map(conll_text, _records(rows)))


def _write_prodigy(rows: Sequence[LabelledRow], labels: LabelScheme, path: Path) -> None:
    del labels
    _write_lines(path, prodigy_lines(_records(rows)))


def _write_lines(path: Path, lines: Iterator[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)


def _records(rows: Sequence[LabelledRow]) -> Iterator[Record]:
    return (Record(row.id, row.text, row.target) for row in rows)


# -- tables ----------------------------------------------------------------------------------------


def _write_parquet(rows: Sequence[LabelledRow], labels: LabelScheme, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    text, number = pa.string(), pa.int32()
    span = pa.struct([("start", number), ("end", number), ("label", text)])
    value = {"single_label": text, "multi_label": pa.list_(text), "spans": pa.list_(span)}
    kind = value[labels.kind]
    request = [("batch_id", text), ("round", number), ("score", pa.float64())]
    answer = [(name, text) for name in ("annotator", "status", "time", "record_id")] + request
    answer += [("departed", pa.bool_())]
    columns = [("id", text), ("text", text), ("label", kind), ("quality", pa.float64())]
    columns += [("answers", pa.list_(pa.struct([*answer, ("value", kind)])))]
    columns += [*request, ("strategy", text), ("draw", pa.bool_()), ("split", text)]
    table = pa.Table.from_pylist([_typed(row, labels) for row in rows], pa.schema(columns))
    parquet.write_table(table, path)


def _write_dataset(rows: Sequence[LabelledRow], labels: LabelScheme, path: Path) -> None:
    import datasets

    numbers = {name: number for number, name in enumerate(labels.names)}
    columns = [{**_typed(row, labels), "label": _numbered(row.target, numbers)} for row in rows]
    features = _features(labels)
    splits = datasets.DatasetDict()
    for split in splits_of(rows):
        own = [column for column in columns if column["split"] == split]
        splits[split] = datasets.Dataset.from_list(own, features=features)
    with _silent():
        (splits if len(splits) > 1 else splits["train"]).save_to_disk(str(path))
        (path.parent / DATA).parent.mkdir(exist_ok=True)
        for split, dataset in splits.items():
            dataset.to_parquet(str(path.parent / DATA.replace("train", split)))


def splits_of(rows: Sequence[LabelledRow]) -> tuple[str, ...]:
    """The splits of the data set: one more where people labelled a test set."""
    return ("train", "test") if any(row.split == "test" for row in rows) else ("train",)


def _features(labels: LabelScheme) -> Any:
    from datasets import ClassLabel, Features, Value

    text, number = Value("string"), Value("int32")
    label, value = ClassLabel(names=list(labels.names)), text
    if labels.kind == "multi_label":
        label, value = [label], [text]
    elif labels.kind == "spans":
        borders = {"start": number, "end": number}
        label, value = [{**borders, "label": label}], [{**borders, "label": text}]
    request = {"batch_id": text, "round": number, "score": Value("float64")}
    answer = dict.fromkeys(("annotator", "status", "time", "record_id"), text) | request
    answer |= {"departed": Value("bool")}
    return Features(
        {
            "id": text,
            "text": text,
            "label": label,
            "quality": Value("float64"),
            "answers": [{**answer, "value": value}],
            **request,
            "strategy": text,
            "draw": Value("bool"),
            "split": text,
        }
    )


def _numbered(target: Target, numbers: Mapping[str, int]) -> Any:
    """A target with class numbers in place of names."""
    if isinstance(target, str):
        return numbers[target]
    return [
        numbers[label]
        if isinstance(label, str)
        else {"start": label.start, "end": label.end, "label": numbers[label.label]}
        for label in target
    ]


def _typed(row: LabelledRow, labels: LabelScheme) -> dict[str, Any]:
    """A row whose answers' values all have the type of the column; null where one has not."""
    plain: dict[str, Any] = plain_row(row)
    answers = [
        {**_answer(own), "value": _fitting(own.answer.value, labels.kind)} for own in row.answers
    ]
    return {**plain, "answers": answers}


def _fitting(value: JsonValue, kind: str) -> JsonValue:
    if kind == "single_label":
        return value if isinstance(value, str) else None
    if not isinstance(value, (list, tuple)):
        return None
    if kind == "multi_label":
        return list(value) if all(isinstance(item, str) for item in value) else None
    spans = [item for item in value if isinstance(item, dict)]
    names = ("start", "end", "label")
    return [{name: span.get(name) for name in names} for span in spans]


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """No progress bars of ``datasets``."""
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


DATA = "data/train-00000-of-00001.parquet"
"""Where ``datasets.load_dataset`` finds the rows of the format ``dataset``."""

TABLE = "csv"
"""The format that is the incoming table."""

FORMATS: Mapping[str, ExportFormat] = {
    "jsonl": ExportFormat("labels.jsonl", _write_jsonl, "JSON Lines"),
    "parquet": ExportFormat("labels.parquet", _write_parquet, "Parquet, labels by name"),
    "dataset": ExportFormat(
        "dataset", _write_dataset, "a folder for `datasets.load_from_disk`, labels as class numbers"
    ),
    TABLE: ExportFormat(
        "table.csv", None, "the table that came in, every row and column, with people's labels"
    ),
    "conll": ExportFormat(
        "labels.conll", _write_conll, "CoNLL: tokens with IOB2 tags", spans_only=True
    ),
    "prodigy": ExportFormat(
        "labels.prodigy.jsonl", _write_prodigy, "Prodigy's JSON Lines", spans_only=True
    ),
}
"""All formats by the name that the command line knows."""

DEFAULT_FORMATS = ("jsonl", "parquet", "dataset", TABLE)
