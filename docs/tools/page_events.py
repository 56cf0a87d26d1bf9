"""Writes the page of the journal's events from `loopd.events`; knows no fact of its own."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args

import yaml
from docstrings import markdown, parts
from tables import WORDS, doc, page, table

from loopd import events as facts
from loopd import records
from loopd.machine import TRANSITIONS, Phase
from loopd.storage.from_json import key_of

NOUNS: tuple[type, ...] = (
    records.Batch,
    records.BatchItem,
    records.Suggestion,
    records.Answer,
    records.Span,
)
"""What the fields of events consist of."""


def events() -> str:
    """`docs/events.md`."""
    meanings = yaml.safe_load((WORDS / "events.yaml").read_text(encoding="utf-8"))
    kinds = get_args(facts.Event)
    return page(
        "events",
        phases=_phases(),
        transitions=_transitions(),
        events="\n\n".join(_event(each, meanings) for each in kinds),
        nouns="\n\n".join(_noun(each) for each in NOUNS),
        statuses=_members(records.AnswerStatus),
    )


def _phases() -> str:
    source = inspect.getsource(Phase).split('"""')[2:]
    docs = [each.strip() for each in source[1::2]]
    rows = [(f"`{phase.value}`", text) for phase, text in zip(Phase, docs, strict=True)]
    return table(("Phase", "What comes next"), rows)


def _members(kind: type[Enum]) -> str:
    return ", ".join(f"`{each.value}`" for each in kind)


def _transitions() -> str:
    rows = [
        (f"`{phase.value}`", _link(event), f"`{target.value}`")
        for phase, targets in TRANSITIONS.items()
        for event, target in targets.items()
    ]
    return table(("In phase", "this event may come", "and leads to"), rows)


def _link(event: type) -> str:
    return f"[`{event.__name__}`](#{event.__name__.lower()})"


def _event(kind: type, meanings: dict[str, Any]) -> str:
    own = meanings.get(kind.__name__) or {}
    rows = [
        (f"`{field.name}`", _type(field.type), own.get(field.name) or meanings["all"][field.name])
        for field in dataclasses.fields(kind)
    ]
    fields = table(("Field", "Type", "Meaning"), rows)
    return f"### {kind.__name__}\n\n{markdown(inspect.getdoc(kind) or '')}\n\n{fields}"


def _noun(kind: type) -> str:
    about = parts(inspect.getdoc(kind) or "").get("Attributes", {})
    rows = [
        (f"`{name}`{_in_payload(kind, name)}", _type(annotation), about[name])
        for name, annotation in _fields(kind)
    ]
    return f"### {kind.__name__}\n\n{doc(kind)}\n\n{table(('Field', 'Type', 'Meaning'), rows)}"


def _in_payload(kind: type, name: str) -> str:
    key = key_of(kind, name)
    return "" if key == name else f" (in the payload `{key}`)"


def _fields(kind: type) -> Iterator[tuple[str, str]]:
    return iter(kind.__annotations__.items())


def _type(annotation: object) -> str:
    """A type as it stands in the code."""
    forward = getattr(annotation, "__forward_arg__", annotation)
    return f"`{forward!s}`"
