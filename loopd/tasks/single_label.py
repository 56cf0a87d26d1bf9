"""Owns single-label text classification as a task; must not talk to Argilla or train anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loopd.records import JsonValue, Suggestion, Target
from loopd.tasks import question

QUESTION_TYPE = "label_selection"


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

    @property
    def kind(self) -> str:
        """``single_label``."""
        return "single_label"

    @property
    def metric(self) -> str:
        """Share of texts with the right label."""
        return "accuracy"

    def question(self) -> dict[str, Any]:
        """A label selection."""
        return question.question(self.question_name, self.title, QUESTION_TYPE, self.labels)

    def misfits(self, existing: Mapping[str, Any]) -> list[str]:
        """What keeps an existing question from serving."""
        return question.misfits(self.question_name, QUESTION_TYPE, self.labels, existing)

    def target(self, value: JsonValue) -> Target | None:
        """The label; ``None`` for anything else."""
        return value if isinstance(value, str) and value in self.labels else None

    def is_valid(self, value: JsonValue) -> bool:
        """Whether the value is one of the labels."""
        return self.target(value) is not None

    def value(self, target: Target) -> JsonValue:
        """The label."""
        return str(target)

    def suggestion(self, proposal: Suggestion) -> dict[str, Any] | None:
        """The most probable label with its probability."""
        score = proposal.score
        if isinstance(score, tuple):
            return None
        return {"value": proposal.value, "score": question.probability(score)}
