"""Owns the settings of what is asked and of the texts."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator, model_validator

from loopd.config.section import LONGEST_NAME, NAME_PATTERN, Section

LONGEST_LABEL = 200
"""Characters of a label that Argilla takes."""

_CONTROLS = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of characters that no label may hold."""

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u061c\xad"
"""Characters without width: joiners, marks of direction, and the soft hyphen."""


def label_key(name: str) -> str:
    """What two spellings of one label have in common.

    White space and invisible characters around it do not count, nor does the way in which Unicode
    composes its letters.
    """
    if name.isascii():
        return name.strip()
    return unicodedata.normalize("NFC", name).strip().strip(INVISIBLE).strip()


class TaskSection(Section):
    """What people are asked."""

    type: Literal["single_label", "multi_label", "spans"] = Field(
        "single_label",
        description="Kind of task: one label for each text, any number of labels, or labelled "
        "pieces of the text (named entities).",
    )
    labels: tuple[str, ...] = Field(
        description="The labels, in the order in which they are shown; as many as the server "
        "takes: Argilla itself 500 unless it is told otherwise.",
        min_length=1,
    )
    none_label: str | None = Field(
        None,
        min_length=1,
        max_length=LONGEST_LABEL,
        description="`multi_label`: an option of its own for texts to which no label applies, such "
        "as `None of these`; empty: each text has a label.",
    )
    question: str = Field(
        "label",
        max_length=LONGEST_NAME,
        pattern=NAME_PATTERN,
        description="Name of the Argilla question.",
    )
    field: str = Field(
        "text",
        max_length=LONGEST_NAME,
        pattern=NAME_PATTERN,
        description="Name of the Argilla text field.",
    )
    title: str | None = Field(
        None,
        min_length=1,
        max_length=500,
        description="Title of the question in the UI; empty: one that fits the kind of task.",
    )
    guidelines: str = Field(
        "", max_length=10_000, description="Annotation guidelines, Markdown; empty for none."
    )

    @field_validator("labels", mode="before")
    @classmethod
    def _labels_are_text(cls, value: object) -> object:
        if isinstance(value, (list, tuple)):
            return tuple(item if isinstance(item, str) else _plain(item) for item in value)
        return value

    @field_validator("labels")
    @classmethod
    def _labels_are_distinct(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if len(value) < 2 and info.data.get("type") == "single_label":
            raise ValueError("one label out of one is no question; list at least two")
        if any(not label_key(label) for label in value):
            raise ValueError("a label is empty")
        if any(len(label) > LONGEST_LABEL for label in value):
            raise ValueError(f"a label is longer than {LONGEST_LABEL} characters")
        if any(unicodedata.category(letter) in _CONTROLS for label in value for letter in label):
            raise ValueError("a label holds a control character, such as a line end")
        if len(set(value)) != len(value):
            raise ValueError("a label is listed twice")
        _refuse_alike(value)
        return value

    @model_validator(mode="after")
    def _fits_the_kind(self) -> TaskSection:
        options = len(self.labels) + (self.none_label is not None)
        if self.type == "multi_label" and options < 2:
            raise ValueError("labels: Argilla takes 2 options at least, none_label included")
        if self.none_label is not None and self.type != "multi_label":
            raise ValueError("none_label: only a multi_label task has it")
        if self.none_label is None:
            return self
        if not label_key(self.none_label):
            raise ValueError("none_label: the name is empty")
        if label_key(self.none_label) in map(label_key, self.labels):
            raise ValueError("none_label: the name is already a label")
        return self


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
        description="CSV, JSONL or CoNLL (each also .gz), Excel (.xlsx), Parquet, or a folder made "
        "by `save_to_disk`.",
    )
    hub: str | None = Field(None, description="Name of a Hugging Face data set, instead of `path`.")
    hub_config: str | None = Field(None, description="Configuration of the hub data set.")
    split: str | None = Field(
        None, description="Split of a hub data set or of a saved folder, or sheet of a workbook."
    )
    text: TextColumns = Field(
        "text",
        description="Column of the texts. A list where a text has several parts, such as "
        "`[subject, body]`: the model reads them together, people see a field for each.",
    )
    id: str | None = Field(None, description="Column of the ids; empty: made from the content.")
    format: Literal[FORMATS] = Field(  # type: ignore[valid-type] # names of a tuple
        "auto",
        description="What wrote the file, see [the formats](formats.md); `auto` finds out where "
        "that is sure.",
    )
    label: Columns = Field(
        None,
        description="Column of known labels: needed for a test set and for `loopd oracle`. A list "
        "where each label has a column of zeros and ones.",
    )
    answers: Columns = Field(
        None,
        description="Column, or question, of labels that people gave before: they are answers from "
        "the start. A list, or a pattern such as `rater_*`, where each person has a column.",
    )
    annotator_column: str | None = Field(
        None,
        min_length=1,
        description="Column of who gave the `answers`, in a table with a row for each text and "
        "person; empty: by a usual name, such as `annotator` or `worker_id`.",
    )
    verdict_column: str | None = Field(
        None,
        min_length=1,
        description="Column that says which labels were submitted and which rejected, discarded or "
        "skipped; empty: by a usual name, where its words are verdicts.",
    )
    annotator: str = Field(
        "imported",
        min_length=1,
        max_length=LONGEST_LABEL,
        description="Who gave the `answers` whose cell does not name anybody.",
    )
    separator: str = Field(
        "|",
        min_length=1,
        max_length=5,
        description="`multi_label`: what stands between the labels of a cell that is no list.",
    )
    encoding: str | None = Field(
        None,
        description="Encoding of a text file, such as `cp1252`; empty: Unicode, or a guess that is "
        "said.",
    )
    tolerate: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of the rows, of the answers and of the known labels that may be "
        "unusable: more is an error; empty: 0.01 of the rows, 0.05 of the others.",
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
            raise ValueError(f"Python knows no encoding {value!r}; write one such as cp1252")
        return value

    @model_validator(mode="after")
    def _one_source(self) -> DataSection:
        _refuse_all_but_one(self, ("path", "hub"))
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


FOR_ARGILLA = ("argilla", "text", "label", "separator", "tolerate")
"""What may be set of a pool in Argilla; the rest is for files."""


class PoolSection(DataSection):
    """The texts to choose from: a set of texts, or the records of a dataset in Argilla."""

    argilla: ArgillaPoolSection | None = Field(
        None, description="A dataset in Argilla, instead of `path` and `hub`."
    )
    show: Mapping[str, Literal["field", "metadata"]] = Field(
        default_factory=dict,
        description="Columns that people see beside the text and the model does not read: a list "
        "of names, or `field` or `metadata` by name.",
    )

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
        _refuse_all_but_one(self, ("path", "hub", "argilla"))
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


def _refuse_alike(labels: tuple[str, ...]) -> None:
    """Refuse labels that nobody can tell apart."""
    first: dict[str, str] = {}
    for label in labels:
        other = first.setdefault(label_key(label), label)
        if other != label:
            raise ValueError(
                f"the labels {other!a} and {label!a} are one: white space around a label "
                "and the way in which accents are composed do not count"
            )


def _plain(value: object) -> str:
    kind = type(value).__name__
    shown = "a label" if isinstance(value, (list, dict)) else repr(value)[:40]
    raise ValueError(f"{shown} is read as {kind}; write it in quotes")
