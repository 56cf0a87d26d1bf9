"""Owns the settings of the texts."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from loopd.config.addresses import refuse_address
from loopd.config.section import LONGEST_NAME, NAME_PATTERN, Section
from loopd.config.task import LONGEST_LABEL

FORMATS = (
    "auto",
    "argilla2",
    "argilla1",
    "prodigy",
    "doccano",
    "label_studio",
    "loopd",
    "plain",
    "long",
    "wide",
    "one_hot",
)
"""What a file of texts and labels may be."""

Columns: TypeAlias = "str | tuple[str, ...] | None"
"""A column, several, or none."""

TextColumns: TypeAlias = "str | tuple[str, ...]"
"""A column, or several that make up one text."""


class DataSection(Section):
    """A set of texts: a local file or folder, or a data set of the Hugging Face hub."""

    path: Path | None = Field(
        None,
        description="CSV, JSONL or CoNLL (each also .gz), Excel (.xlsx), Parquet, or a folder "
        "made by `save_to_disk`. For the pool also a folder of such files, or a "
        "pattern such as `tickets/*.csv`.",
    )
    hub: str | None = Field(None, description="Name of a Hugging Face data set, instead of `path`.")
    hub_config: str | None = Field(None, description="Configuration of the hub data set.")
    split: str | None = Field(
        None, description="Split of a hub data set or of a saved folder, or sheet of a workbook."
    )
    text: TextColumns = Field(
        "text",
        description="Column of the texts. A list if a text has several parts, such as `[subject, "
        "body]`: the model reads them together, people see a field for each.",
    )
    id: str | None = Field(None, description="Column of the ids; empty: made from the content.")
    format: Literal[FORMATS] = Field(  # type: ignore[valid-type] # names of a tuple
        "auto",
        description="What wrote the file, see [the formats](formats.md); `auto` finds out if that "
        "is certain.",
    )
    label: Columns = Field(
        None,
        description="Column of known labels: needed for a test set and for `loopd oracle`. A list "
        "if each label has a column of zeros and ones.",
    )
    answers: Columns = Field(
        None,
        description="Column, or question, of labels that people gave earlier: they count as "
        "answers from the start. A list, or a pattern such as `rater_*`, if each "
        "person has a column.",
    )
    annotator_column: str | None = Field(
        None,
        min_length=1,
        description="Column that says who gave the `answers`, in a table with a row for each text "
        "and person; empty: one with a usual name, such as `annotator` or "
        "`worker_id`.",
    )
    verdict_column: str | None = Field(
        None,
        min_length=1,
        description="Column that says which labels were submitted and which rejected, discarded "
        "or skipped; empty: one with a usual name that holds verdicts.",
    )
    annotator: str = Field(
        "imported",
        min_length=1,
        max_length=LONGEST_LABEL,
        description="Who gave the `answers` in cells that name nobody.",
    )
    separator: str = Field(
        "|",
        min_length=1,
        max_length=5,
        description="`multi_label`: what separates the labels in a cell that is not a list.",
    )
    encoding: str | None = Field(
        None,
        description="Encoding of a text file, such as `cp1252`; empty: Unicode, or a guess that "
        "loopd reports.",
    )
    tolerate: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of the rows, of the answers and of the known labels that may be "
        "unusable; more is an error; empty: 0.01 for rows, 0.05 for the others.",
    )

    @field_validator("text")
    @classmethod
    def _text_is_named(cls, value: TextColumns) -> TextColumns:
        return value if isinstance(value, str) else _one_or_several(value)

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Column of the texts, or all of those that make up one."""
        return (self.text,) if isinstance(self.text, str) else self.text

    @field_validator("encoding")
    @classmethod
    def _encoding_is_one(cls, value: str | None) -> str | None:
        if value is not None and not _is_encoding(value):
            raise ValueError(f"Python knows no encoding {value[:40]!r}; write one such as cp1252")
        return value

    @model_validator(mode="after")
    def _one_source(self) -> DataSection:
        _refuse_all_but_one(self, ("path", "hub"))
        return self


class HoldoutSection(DataSection):
    """The test set: labelled texts, or a random part of the pool that people label first."""

    ask: int | None = Field(
        None,
        ge=20,
        description="How many texts of the pool, drawn at random, people label before all others "
        "to serve as the test set, instead of `path` and `hub`: no model learns from "
        "them.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> HoldoutSection:
        _refuse_all_but_one(self, ("path", "hub", "ask"))
        if self.ask is None:
            return self
        for name, field in type(self).model_fields.items():
            usual = field.get_default(call_default_factory=True)
            if name != "ask" and getattr(self, name) != usual:
                raise ValueError(f"{name}: the texts are those of the pool, leave it out")
        return self


class ArgillaPoolSection(Section):
    """A dataset in Argilla whose records are the texts."""

    workspace: str | None = Field(
        None, min_length=1, description="Its workspace; empty: `argilla.workspace`."
    )
    dataset: str = Field(
        min_length=1,
        max_length=LONGEST_NAME,
        pattern=NAME_PATTERN,
        description="Its name; the loop works in it, so `argilla.dataset` may be left out.",
    )


PACE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([smhd]?)")
"""A span of time for people."""

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
"""Seconds."""

LONGEST_PACE = 7 * UNITS["d"]

FOR_ARGILLA = ("argilla", "label", "near_duplicates", "separator", "text", "tolerate")
"""What may be set of a pool in Argilla; the rest is for files."""


class PoolSection(DataSection):
    """The texts to choose from: a set of texts, or the records of a dataset in Argilla."""

    argilla: ArgillaPoolSection | None = Field(
        None, description="A dataset in Argilla, instead of `path`, `hub` and `url`."
    )
    url: str | None = Field(
        None,
        description="Where the files are, if not on this machine, instead of `path` and `hub`: "
        "an address that `fsspec` can read, such as `s3://bucket/tickets/*.jsonl`, "
        "`hf://datasets/owner/name/*.parquet` or `https://...`. A file, a folder or a pattern; "
        "credentials stay where the libraries look for them.",
    )
    show: Mapping[str, Literal["field", "metadata"]] = Field(
        default_factory=dict,
        description="Columns that people see beside the text and the model does not read: a list "
        "of names, or `field` or `metadata` by name.",
    )
    follow: float | str | None = Field(
        None,
        description="How often the run looks for new texts at `path` or `url`, such as `10m`, `1h` "
        "or a number of seconds; empty: never, only `loopd add` adds texts.",
    )

    near_duplicates: float | None = Field(
        None,
        ge=0.5,
        le=1.0,
        description="Texts whose frozen vectors have this cosine, or a larger one, are nearly the "
        "same: the strategy asks for one of them, and `loopd predict` gives its label to the "
        "others. 0.95 is a good start; empty: all may be asked.",
    )

    @field_validator("follow")
    @classmethod
    def _follow_is_a_pace(cls, value: float | str | None) -> float | str | None:
        seconds = _seconds(value)
        if value is not None and (seconds is None or not 1 <= seconds <= LONGEST_PACE):
            raise ValueError(f"{str(value)[:40]!r} is no pace: write 10m, 1h or seconds; 1s to 7d")
        return value

    @field_validator("url")
    @classmethod
    def _url_is_an_address(cls, value: str | None) -> str | None:
        if value is not None:
            refuse_address(value)
        return value

    @property
    def pace(self) -> float | None:
        """Seconds between two looks for new texts; ``None``: there are none."""
        return _seconds(self.follow)

    @field_validator("show", mode="before")
    @classmethod
    def _show_as_fields(cls, value: object) -> object:
        """A name, or a list of names, stands for fields."""
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, (list, tuple)):
            return value
        if len({str(name) for name in names}) != len(names):
            raise ValueError("a column is listed twice")
        return {str(name): "field" for name in names}

    @property
    def shown_fields(self) -> tuple[str, ...]:
        """Columns that are fields for people, and nothing for the model."""
        return tuple(name for name, kind in self.show.items() if kind == "field")

    @property
    def shown_metadata(self) -> tuple[str, ...]:
        """Columns that are metadata."""
        return tuple(name for name, kind in self.show.items() if kind == "metadata")

    @model_validator(mode="after")
    def _one_source(self) -> PoolSection:
        _refuse_all_but_one(self, ("path", "hub", "url", "argilla"))
        if self.follow is not None and self.path is None and self.url is None:
            raise ValueError(
                "follow: only a file, a folder or a pattern can be followed: see path and url"
            )
        for name in self.show:
            refuse_no_name(name)
            if name in self.text_columns:
                raise ValueError(f"show: column {name!r} is a text, which people see anyway")
        if self.argilla is None:
            return self
        if not isinstance(self.text, str):
            raise ValueError("text: in Argilla it is one name, of a field")
        for name, field in type(self).model_fields.items():
            usual = field.get_default(call_default_factory=True)
            if name not in FOR_ARGILLA and getattr(self, name) != usual:
                raise ValueError(f"{name}: a pool in Argilla has none, it is for files")
        if isinstance(self.label, tuple):
            raise ValueError("label: in Argilla it is one name, of a metadata property or a field")
        return self


def _seconds(span: float | str | None) -> float | None:
    """A span of time in seconds; ``None`` where there is none, or it is no such."""
    if not isinstance(span, str):
        return span
    matched = PACE.fullmatch(span)
    return float(matched[1]) * UNITS[matched[2] or "s"] if matched else None


def _one_or_several(names: tuple[str, ...]) -> TextColumns:
    """Columns of the parts of a text; one alone is the column of the texts."""
    if not names:
        raise ValueError("no column is named")
    for name in names:
        refuse_no_name(name)
    if len(set(names)) != len(names):
        raise ValueError("a column is listed twice")
    return names[0] if len(names) == 1 else names


def refuse_no_name(name: str) -> None:
    """Refuse a column whose name can be no field's in Argilla.

    Raises:
        ValueError: it is such a one.
    """
    if len(name) > LONGEST_NAME or not re.match(NAME_PATTERN, name):
        raise ValueError(
            f"the column {name[:40]!r} can be no field in Argilla: it needs a name of 1 to "
            f"{LONGEST_NAME} characters"
        )


def _refuse_all_but_one(section: DataSection, names: tuple[str, ...]) -> None:
    if sum(getattr(section, name) is not None for name in names) != 1:
        listed = ", ".join(f"`{name}`" for name in names[:-1])
        raise ValueError(f"give exactly one of {listed} and `{names[-1]}`")


NO_ENCODINGS = ("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape")
"""What Python calls encodings of text, and what files are not written in."""


def _is_encoding(name: str) -> bool:
    """Whether files of text may be written in it."""
    try:
        codec = codecs.lookup(name)
        "a".encode(name)  # refuses what turns bytes into bytes
    except (LookupError, ValueError, OSError):
        return False
    return codec.name.replace("_", "-") not in NO_ENCODINGS
