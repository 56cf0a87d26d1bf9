"""Owns single-label text classification as a task; must not talk to Argilla or train anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loopd.config import TaskSection
from loopd.records import JsonValue, Suggestion

QUESTION_TYPE = "label_selection"
MIN_VISIBLE_OPTIONS = 3


@dataclass(frozen=True, slots=True)
class SingleLabelTask:
    """One label out of a fixed list for each text.

    Attributes:
        labels: label names, also Argilla's option values.
        question_name: name of the Argilla question.
        field_name: name of the Argilla text field.
        title: what the annotator reads above the options.
    """

    labels: tuple[str, ...]
    question_name: str
    field_name: str
    title: str

    @classmethod
    def from_config(cls, section: TaskSection) -> SingleLabelTask:
        """The task that the configuration describes."""
        return cls(section.labels, section.question, section.field, section.title)

    def question(self) -> dict[str, Any]:
        """A label selection that shows all its options."""
        options = [{"value": label, "text": label} for label in self.labels]
        settings: dict[str, Any] = {"type": QUESTION_TYPE, "options": options}
        if len(options) >= MIN_VISIBLE_OPTIONS:
            settings["visible_options"] = len(options)
        return {
            "name": self.question_name,
            "title": self.title,
            "required": True,
            "settings": settings,
        }

    def misfits(self, question: Mapping[str, Any]) -> list[str]:
        """What keeps an existing question from serving."""
        settings = question["settings"]
        if settings["type"] != QUESTION_TYPE:
            return [f"question `{self.question_name}` is a {settings['type']}, not {QUESTION_TYPE}"]
        offered = {option["value"] for option in settings["options"]}
        absent = [label for label in self.labels if label not in offered]
        return [f"question `{self.question_name}` lacks the labels {absent}"] if absent else []

    def is_valid(self, value: JsonValue) -> bool:
        """Whether the value is one of the labels."""
        return isinstance(value, str) and value in self.labels

    def suggestion(self, proposal: Suggestion) -> dict[str, Any]:
        """The most probable label with its probability."""
        return {"value": proposal.value, "score": min(1.0, max(0.0, proposal.score))}
