"""Owns how a dataset of others spells the labels of the task; pure.

Two spellings of one label differ in how Unicode composes its letters, or in white space around it:
nobody sees that in Argilla, and an answer must not be lost for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from loopd.config import label_key
from loopd.records import JsonValue


@dataclass(frozen=True, slots=True)
class LabelSpelling:
    """Labels that are spelled otherwise, both ways.

    Attributes:
        options: Argilla's option by label of the task.
        labels: label of the task by Argilla's option.
    """

    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def read(self, value: JsonValue) -> JsonValue:
        """A value of Argilla's in the task's spelling."""
        return _respelled(value, self.labels)

    def write(self, value: JsonValue) -> JsonValue:
        """A value of the task in Argilla's spelling."""
        return _respelled(value, self.options)


def spelling(labels: Collection[str], options: Collection[str]) -> LabelSpelling:
    """How the options of a question spell the labels of a task."""
    by_key = {label_key(option): option for option in options}
    written = {label: by_key.get(label_key(label), label) for label in labels}
    others = {label: option for label, option in written.items() if label not in options}
    return LabelSpelling(others, {option: label for label, option in others.items()})


def _respelled(value: JsonValue, names: Mapping[str, str]) -> JsonValue:
    if not names:
        return value
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, (list, tuple)):
        return [_respelled(part, names) for part in value]
    if isinstance(value, dict):
        label = value.get("label")
        return {**value, "label": _respelled(label, names)} if "label" in value else value
    return value
