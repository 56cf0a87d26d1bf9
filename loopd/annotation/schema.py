"""Owns the shape of the Argilla dataset: fields, metadata and records as JSON; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopd.annotation.page import from_page, shown, to_page, unpadded
from loopd.annotation.store import PublishedItem
from loopd.records import Answer, AnswerStatus, Batch, JsonValue, Suggestion
from loopd.tasks.task import Task

Json = dict[str, Any]

AGENT = "loopd:"
"""How the agent of our suggestions begins; the model follows."""

METADATA: dict[str, tuple[str, str]] = {
    "batch_id": ("terms", "Batch"),
    "round": ("integer", "Round"),
    "strategy": ("terms", "Strategy"),
    "score": ("float", "Informativeness"),
    "priority": ("float", "Priority"),
    "model_id": ("terms", "Model"),
    "second_opinion_of": ("terms", "Second opinion of"),
    "origin": ("terms", "Origin"),
}
"""Metadata properties of records: Argilla type and title by name."""

HIDDEN = frozenset({"origin"})
"""Those that annotators are not shown: nobody should work on a random draw in another way."""

RANDOM = "random"
"""The ``origin`` of a record that was drawn for the audit; the others have none."""


def field(task: Task) -> Json:
    """The text field; no Markdown, and see ``page.shown`` for HTML."""
    settings = {"type": "text", "use_markdown": False}
    return {"name": task.field_name, "title": "Text", "required": True, "settings": settings}


def metadata_property(name: str) -> Json:
    """One metadata property as Argilla's API wants it at creation."""
    kind, title = METADATA[name]
    return {
        "name": name,
        "title": title,
        "settings": {"type": kind},
        "visible_for_annotators": name not in HIDDEN,
    }


def record(task: Task, batch: Batch, place: int, text: str, question_id: str) -> Json:
    """One record of a batch as the bulk upsert wants it."""
    body = renewed(task, batch, place, text, question_id)
    return {**body, "fields": {task.field_name: field_text(task, text)}}


def renewed(task: Task, batch: Batch, place: int, text: str, question_id: str) -> Json:
    """The same for a record that is there: its fields stay as they are."""
    item = batch.items[place]
    body: Json = {
        "external_id": item.external_id,
        "metadata": metadata(batch, place),
    }
    proposal = None if item.suggestion is None else task.suggestion(item.suggestion)
    if proposal is not None:
        if task.kind == "spans":
            proposal["value"] = to_page(text, proposal["value"])
        agent = f"{AGENT}{batch.model_id}"
        body["suggestions"] = [{"question_id": question_id, "agent": agent, **proposal}]
    return body


def field_text(task: Task, text: str) -> str:
    """What stands in the text field, so that the page shows the text."""
    return shown(text, spans=task.kind == "spans")


def metadata(batch: Batch, place: int) -> Json:
    """The metadata of one record of a batch."""
    item = batch.items[place]
    optional = {
        "score": item.score,
        "model_id": batch.model_id,
        "second_opinion_of": item.record_id if item.copy_id is not None else None,
        "origin": RANDOM if item.draw else None,
    }
    return {
        "batch_id": batch.id,
        "round": batch.round,
        "strategy": batch.strategy,
        "priority": 1.0 - place / len(batch.items),
        **{name: value for name, value in optional.items() if value is not None},
    }


def answer(task: Task, record: Json, response: Mapping[str, Any]) -> Answer | None:
    """The answer in one of Argilla's responses to a record; ``None`` for a draft.

    Discarded responses carry whatever the form held, or ``null``: their value is never read.
    """
    status = response["status"]
    if status not in ("submitted", "discarded"):
        return None
    value = _value(task, record, response) if status == "submitted" else None
    known = AnswerStatus.DISCARDED
    if status == "submitted":
        known = AnswerStatus.SUBMITTED if task.is_valid(value) else AnswerStatus.INVALID
    if known is AnswerStatus.INVALID:
        value = _noted(value)
    return Answer(
        record_id=record["external_id"],
        annotator=str(response["user_id"]),
        status=known,
        value=value,
        time=response["inserted_at"],
        changed=response["updated_at"],
    )


def _noted(value: Any) -> JsonValue:
    """A value that the task does not know, as it is journaled: short text."""
    return value[:_NOTED] if isinstance(value, str) else repr(value)[:_NOTED]


_NOTED = 200


def _value(task: Task, record: Json, response: Mapping[str, Any]) -> Any:
    values = response.get("values")
    given = values.get(task.question_name) if isinstance(values, Mapping) else None
    value = given.get("value") if isinstance(given, Mapping) else given
    return _read(task, record, value)


def _read(task: Task, record: Json, value: Any) -> Any:
    if task.kind != "spans":
        return value
    moved = from_page(unpadded(record["fields"].get(task.field_name) or ""), value)
    return [_bare(span) for span in moved] if isinstance(moved, list) else moved


def _bare(span: JsonValue) -> JsonValue:
    """A span without whatever else a client has put into it."""
    if not isinstance(span, dict):
        return span
    return {key: span[key] for key in ("start", "end", "label") if key in span}


def published_item(task: Task, record: Json, question_id: str) -> PublishedItem:
    """What Argilla shows of a record, with its responses and suggestions."""
    reactions = ("submitted", "discarded")
    return PublishedItem(
        external_id=record["external_id"],
        field=record["fields"].get(task.field_name),
        metadata=record.get("metadata") or {},
        suggestion=_suggestion(task, record, question_id),
        answered=any(each["status"] in reactions for each in record.get("responses") or ()),
        time=record["inserted_at"],
    )


def _suggestion(task: Task, record: Json, question_id: str) -> Suggestion | None:
    for each in record.get("suggestions") or ():
        if each["question_id"] == question_id and str(each.get("agent")).startswith(AGENT):
            target = task.target(_read(task, record, each["value"]))
            score = _score(each.get("score"), single=isinstance(target, str))
            return None if target is None or score is None else Suggestion(target, score)
    return None


def _score(score: JsonValue, *, single: bool) -> float | tuple[float, ...] | None:
    """The score as it was; for several labels and spans none at all is an empty one."""
    if isinstance(score, list):
        return tuple(float(str(each)) for each in score)
    if score is None:
        return None if single else ()
    return float(str(score))


def misfits(
    task: Task, fields: list[Json], questions: list[Json], properties: list[Json]
) -> list[str]:
    """What keeps an existing dataset from serving the run, one line each."""
    problems: list[str] = []
    types = {each["name"]: each["settings"]["type"] for each in fields}
    if types.get(task.field_name) != "text":
        problems.append(f"it has no text field `{task.field_name}` (fields: {sorted(types)})")
    others = [
        each["name"] for each in fields if each["required"] and each["name"] != task.field_name
    ]
    problems += [f"it requires another field `{name}`" for name in others]
    problems += _question_misfits(task, questions)
    kinds = {each["name"]: each["settings"]["type"] for each in properties}
    for name, (kind, _) in METADATA.items():
        if kinds.get(name, kind) != kind:
            problems.append(f"its metadata `{name}` is {kinds[name]}, not {kind}")
    return problems


def _question_misfits(task: Task, questions: list[Json]) -> list[str]:
    own = [each for each in questions if each["name"] == task.question_name]
    if not own:
        return [f"it has no question `{task.question_name}`"]
    others = [each["name"] for each in questions if each["required"] and each not in own]
    extra = [f"it requires another question `{name}`" for name in others]
    return task.misfits(own[0]) + extra
