"""Owns the settings of what people are asked."""

from __future__ import annotations

import unicodedata
from typing import Literal

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


MOST_DESCRIPTIONS = 50
"""Descriptions of one label; more of them are labelled texts."""


class TaskSection(Section):
    """What people are asked."""

    type: Literal["single_label", "multi_label", "spans"] = Field(
        "single_label",
        description="Kind of task: one label for each text, any number of labels, or labelled "
        "pieces of the text (named entities).",
    )
    labels: tuple[str, ...] = Field(
        description="The labels, in the order in which they are shown; as many as the server "
        "allows (500 by default in Argilla).",
        min_length=1,
    )
    none_label: str | None = Field(
        None,
        min_length=1,
        max_length=LONGEST_LABEL,
        description="`multi_label`: an extra option for texts to which no label applies, such as "
        "`None of these`; empty: each text has a label.",
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
        "",
        max_length=10_000,
        description="Annotation guidelines, Markdown; empty: what loopd does, and what the keys "
        "do. A change reaches Argilla when the run starts again, unless people have "
        "edited them there.",
    )

    descriptions: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="What labels mean, by label: one or a few short texts as people would write "
        "them, from which the model learns before anybody has answered. Not for `spans`.",
    )

    @field_validator("descriptions", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {
            label if isinstance(label, str) else _plain(label): (texts,)
            if isinstance(texts, str)
            else texts
            for label, texts in value.items()
        }

    @field_validator("descriptions")
    @classmethod
    def _describes(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for label, texts in value.items():
            if any(not label_key(text) for text in texts):
                raise ValueError(f"{label}: a description is empty")
            if len(texts) > MOST_DESCRIPTIONS:
                raise ValueError(f"{label}: more than {MOST_DESCRIPTIONS} descriptions")
        return value

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
        self._refuse_odd_descriptions()
        if self.none_label is not None and self.type != "multi_label":
            raise ValueError("none_label: only a multi_label task has it")
        if self.none_label is None:
            return self
        if not label_key(self.none_label):
            raise ValueError("none_label: the name is empty")
        if label_key(self.none_label) in map(label_key, self.labels):
            raise ValueError("none_label: the name is already a label")
        return self

    def _refuse_odd_descriptions(self) -> None:
        if self.descriptions and self.type == "spans":
            raise ValueError("descriptions: a text of its own says nothing of spans")
        odd = next((label for label in self.descriptions if label not in self.labels), None)
        if odd is not None:
            raise ValueError(f"descriptions: {odd!r} is no label; there are {_some(self.labels)}")


def _some(labels: tuple[str, ...]) -> str:
    """The first labels."""
    return ", ".join(labels[:6]) + (", ..." if len(labels) > 6 else "")


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
