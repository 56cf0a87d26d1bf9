"""Owns span labelling (such as named entities) as a task; must not talk to Argilla or train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeGuard

from loopd.records import JsonValue, Span, Suggestion, Target
from loopd.tasks import question

QUESTION_TYPE = "span"


@dataclass(frozen=True, slots=True)
class SpanTask:
    """Labelled pieces of each text, none of which overlaps another.

    Attributes:
        labels: label names, also Argilla's option values.
        question_name: name of the Argilla question.
        field_name: name of the Argilla text field in which spans are marked.
        title: what the annotator reads above the labels.
    """

    labels: tuple[str, ...]
    question_name: str
    field_name: str
    title: str

    @property
    def kind(self) -> str:
        """``spans``."""
        return "spans"

    @property
    def metric(self) -> str:
        """F1 over entities, each of which must have the right borders and label."""
        return "f1"

    def question(self) -> dict[str, Any]:
        """A span question on the text field; Argilla keeps overlaps from being made."""
        question_ = question.question(self.question_name, self.title, QUESTION_TYPE, self.labels)
        question_["settings"] |= {"field": self.field_name, "allow_overlapping": False}
        return question_

    def misfits(self, existing: Mapping[str, Any]) -> list[str]:
        """What keeps an existing question from serving."""
        problems = question.misfits(self.question_name, QUESTION_TYPE, self.labels, existing)
        settings = existing["settings"]
        if not problems and settings["field"] != self.field_name:
            problems.append(
                f"question `{self.question_name}` marks spans in the field `{settings['field']}`, "
                f"not in `{self.field_name}`"
            )
        if not problems and settings.get("allow_overlapping"):
            problems.append(f"question `{self.question_name}` allows overlapping spans")
        return problems

    def target(self, value: JsonValue) -> Target | None:
        """The spans by their start.

        ``None`` for an unknown label, an empty or overlapping span, or something else. No value at
        all means no spans: that is how Argilla submits an answer in which nothing was marked.
        """
        if value is None:
            return ()
        if not isinstance(value, (list, tuple)):
            return None
        spans = [_span(item) for item in value]
        ordered = sorted(span for span in spans if span is not None and span.label in self.labels)
        overlapping = any(first.end > second.start for first, second in pairwise(ordered))
        return None if len(ordered) < len(spans) or overlapping else tuple(ordered)

    def is_valid(self, value: JsonValue) -> bool:
        """Whether the value is a target."""
        return self.target(value) is not None

    def value(self, target: Target) -> JsonValue:
        """Objects with ``start``, ``end`` and ``label``."""
        return [_object(Span(*span)) for span in target]  # a journal gives lists

    def suggestion(self, proposal: Suggestion) -> dict[str, Any] | None:
        """The spans, each with its probability; ``None`` where there is no span to show."""
        value = self.value(proposal.value)
        scores = proposal.score if isinstance(proposal.score, tuple) else ()
        if not isinstance(value, list) or not value:
            return None
        if len(scores) != len(value):
            return {"value": value}
        return {"value": value, "score": [question.probability(score) for score in scores]}


def _span(value: JsonValue) -> Span | None:
    if not isinstance(value, dict):
        return None
    start, end, label = value.get("start"), value.get("end"), value.get("label")
    if not _is_place(start) or not _is_place(end) or not isinstance(label, str):
        return None
    return Span(start, end, label) if 0 <= start < end else None


def _is_place(value: JsonValue) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _object(span: Span) -> JsonValue:
    return {"start": span.start, "end": span.end, "label": span.label}
