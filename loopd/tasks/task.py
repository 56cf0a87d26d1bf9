"""Owns what the loop may ask of a kind of task; must not know any one kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from loopd.records import JsonValue, Suggestion, Target


class Task(Protocol):
    """A kind of task: its Argilla question, its answers and its suggestions.

    Attributes:
        kind: ``single_label``, ``multi_label`` or ``spans``.
        metric: the measure by which the kind is judged, a key of the metrics log.
        labels: the labels in the order of the configuration; columns of probabilities follow it.
        question_name: name of the Argilla question.
        field_name: name of the Argilla field that shows the text.
    """

    @property
    def kind(self) -> str: ...

    @property
    def metric(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def question_name(self) -> str: ...

    @property
    def field_name(self) -> str: ...

    def question(self) -> dict[str, Any]:
        """The question as Argilla's API wants it at creation."""

    def misfits(self, question: Mapping[str, Any]) -> list[str]:
        """What keeps an existing Argilla question from serving, one line each; empty if it fits."""

    def target(self, value: JsonValue) -> Target | None:
        """What a model learns from a submitted value; ``None`` where the value is not allowed."""

    def is_valid(self, value: JsonValue) -> bool:
        """Whether a submitted value can become a training target."""

    def value(self, target: Target) -> JsonValue:
        """The value that somebody submits who means the target."""

    def suggestion(self, proposal: Suggestion) -> dict[str, Any] | None:
        """The value and score of a suggestion as Argilla's API wants them; ``None`` for none."""
