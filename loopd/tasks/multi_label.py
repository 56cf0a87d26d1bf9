"""Owns multi-label text classification as a task; must not talk to Argilla or train anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loopd.records import JsonValue, Suggestion, Target
from loopd.tasks import question

QUESTION_TYPE = "multi_label_selection"


@dataclass(frozen=True, slots=True)
class MultiLabelTask:
    """Any number of labels out of a fixed list for each text.

    Argilla refuses an empty answer, so that a text to which no label applies needs an option that
    says so: ``none_label``. It is no label to the model: its answer is the empty target.

    Attributes:
        labels: label names, also Argilla's option values.
        question_name: name of the Argilla question.
        field_name: name of the Argilla text field.
        title: what the annotator reads above the options.
        none_label: the option for "none of these", ``None`` where each text has a label.
    """

    labels: tuple[str, ...]
    question_name: str
    field_name: str
    title: str
    none_label: str | None = None

    @property
    def kind(self) -> str:
        """``multi_label``."""
        return "multi_label"

    @property
    def metric(self) -> str:
        """F1 over all pairs of text and label."""
        return "micro_f1"

    @property
    def options(self) -> tuple[str, ...]:
        """What can be ticked: the labels, and none of these where that is allowed."""
        return self.labels if self.none_label is None else (*self.labels, self.none_label)

    def question(self) -> dict[str, Any]:
        """A multi-label selection."""
        return question.question(self.question_name, self.title, QUESTION_TYPE, self.options)

    def misfits(self, existing: Mapping[str, Any]) -> list[str]:
        """What keeps an existing question from serving."""
        return question.misfits(self.question_name, QUESTION_TYPE, self.options, existing)

    def target(self, value: JsonValue) -> Target | None:
        """The labels in the order of the configuration.

        ``None`` for an unknown label, for nothing at all (Argilla refuses it, too), and for none of
        these together with a label, which contradicts itself.
        """
        if not isinstance(value, (list, tuple)) or any(
            label not in self.options for label in value
        ):
            return None
        ticked = {str(label) for label in value}
        if self.none_label in ticked:
            return () if len(ticked) == 1 else None
        if not ticked:
            return None
        return tuple(label for label in self.labels if label in ticked)

    def is_valid(self, value: JsonValue) -> bool:
        """Whether the value is a target."""
        return self.target(value) is not None

    def value(self, target: Target) -> JsonValue:
        """The labels, or none of these."""
        named: list[JsonValue] = [str(label) for label in target]
        return named or ([] if self.none_label is None else [self.none_label])

    def suggestion(self, proposal: Suggestion) -> dict[str, Any] | None:
        """The probable labels, each with its probability; none of these where there is none."""
        value = self.value(proposal.value)
        scores = proposal.score if isinstance(proposal.score, tuple) else ()
        if not isinstance(value, list) or not value:
            return None
        if len(scores) != len(value):
            return {"value": value}
        return {"value": value, "score": [question.probability(score) for score in scores]}
