"""Owns what the loop may ask of a kind of task; must not know any one kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from loopd.records import JsonValue, Suggestion


class Task(Protocol):
    """A kind of task: its Argilla question, its answers and its suggestions.

    Attributes:
        labels: the labels in the order of the configuration; columns of probabilities follow it.
        question_name: name of the Argilla question.
        field_name: name of the Argilla field that shows the text.
    """

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

    def is_valid(self, value: JsonValue) -> bool:
        """Whether a submitted value can become a training target."""

    def suggestion(self, proposal: Suggestion) -> dict[str, Any]:
        """The value and score of a suggestion as Argilla's API wants them."""
