"""Owns what a dataset and a record look like in Argilla: properties, metadata, suggestions and
answers as JSON; pure. Fields are in ``record_fields``, whole records in ``record_bodies``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from loopd.annotation import maker_mark, run_mark
from loopd.annotation.escaping import from_page, original, shown, to_page, unpadded
from loopd.annotation.label_spelling import LabelSpelling
from loopd.annotation.record_fields import MARKS, RecordLayout
from loopd.annotation.store import PublishedItem
from loopd.records import Answer, AnswerStatus, Batch, ExternalId, JsonValue, Suggestion
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
    "chosen_because": ("terms", "Why it was chosen"),
}
"""Metadata properties of records: Argilla type and title by name."""

HIDDEN = frozenset({"origin", "chosen_because"})
"""Those that annotators are not shown: nobody should work on a random draw in another way, or be
told what the model thinks where no suggestion says so."""

RANDOM, TEST = "random", "test"
"""The ``origin`` of a record that was drawn for the audit, or for the test set that people label;
the others have none."""


@dataclass(frozen=True, slots=True)
class MetadataNames:
    """How loopd's metadata are called in one dataset: people may use the same names.

    Attributes:
        prefix: stands before each of ``METADATA``.
    """

    prefix: str = ""

    def __call__(self, name: str) -> str:
        """The name in the dataset."""
        return f"{self.prefix}{name}"

    def ours(self, metadata: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:
        """What loopd has written, under its plain names."""
        plain = {self(name): name for name in METADATA}
        present = (metadata or {}).items()
        return {plain[name]: value for name, value in present if name in plain}

    def theirs(self, metadata: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:
        """What others have written."""
        own = {self(name) for name in METADATA} | MARKS
        return {name: value for name, value in (metadata or {}).items() if name not in own}

    def are_published(self, metadata: Mapping[str, JsonValue]) -> bool:
        """Whether they are those of a record that loopd has published, or works on."""
        return run_mark.PROPERTY in metadata or is_batch(self.ours(metadata))

    def named(self, metadata: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Metadata of plain names as the dataset calls them."""
        return {self(name): value for name, value in metadata.items()}


def free_names(properties: Collection[Json], keys: Collection[str]) -> MetadataNames:
    """Names that nobody uses yet in a dataset.

    Args:
        properties: metadata properties of the dataset. One that looks just as loopd would make it
            is taken for loopd's own, unless a record has a value for it.
        keys: names of the metadata of all records.
    """
    taken = {entry["name"] for entry in properties if not _is_own(entry)}.union(keys)
    prefixes = ("", "loopd_", *(f"loopd{number}_" for number in range(2, len(taken) + 3)))
    candidates = (MetadataNames(prefix) for prefix in prefixes)
    return next(names for names in candidates if taken.isdisjoint(map(names, METADATA)))


_PREFIX = re.compile(r"(loopd\d*_)?")


def names_in(properties: Collection[Json]) -> MetadataNames | None:
    """Names of loopd's metadata in a dataset that shows no mark: annotators never see it.

    Returns:
        ``None`` where loopd has none there.
    """
    titles = {entry["name"]: entry["title"] for entry in properties}
    plain = [name.removesuffix("batch_id") for name in titles if name.endswith("batch_id")]
    own = [prefix for prefix in plain if _PREFIX.fullmatch(prefix)]
    prefixes = [prefix for prefix in own if titles.get(f"{prefix}round") == METADATA["round"][1]]
    return MetadataNames(max(prefixes, key=len)) if prefixes else None


def _is_own(entry: Json) -> bool:
    kind, title = METADATA.get(entry["name"], ("", ""))
    return (entry["settings"]["type"], entry["title"]) == (kind, title)


def property_bodies(names: MetadataNames) -> list[Json]:
    """The metadata properties that every run needs, as Argilla's API wants them at creation."""
    return [*(metadata_property(name, names) for name in METADATA), maker_mark.body()]


def metadata_property(name: str, names: MetadataNames) -> Json:
    """One metadata property as Argilla's API wants it at creation."""
    kind, title = METADATA[name]
    return {
        "name": names(name),
        "title": title,
        "settings": {"type": kind},
        "visible_for_annotators": name not in HIDDEN,
    }


def suggestion(task: Task, batch: Batch, position: int, text: str, question_id: str) -> Json | None:
    """What the model proposes for one item of a batch, as Argilla's API wants it.

    Returns:
        ``None`` where the item has no proposal, or the task has nothing to show of it.
    """
    item = batch.items[position]
    proposal = None if item.suggestion is None else task.suggestion(item.suggestion)
    if proposal is None:
        return None
    if task.kind == "spans":
        proposal["value"] = to_page(text, proposal["value"])
    return {"question_id": question_id, "agent": f"{AGENT}{batch.model_id}", **proposal}


def is_batch(ours: Mapping[str, JsonValue]) -> bool:
    """Whether metadata (under loopd's plain names) are those of a published record."""
    batch_id, number = ours.get("batch_id"), ours.get("round")
    return isinstance(batch_id, str) and bool(_BATCH_ID.fullmatch(batch_id)) and number is not None


_BATCH_ID = re.compile(r"b\d{4,9}")


def field_text(task: Task, text: str) -> str:
    """What stands in the text field, so that the page shows the text."""
    return shown(text, spans=task.kind == "spans")


def shows_text(task: Task, field_value: JsonValue, text: str) -> bool:
    """Whether a text field shows a text, put in as it is or with escapes of any kind."""
    return isinstance(field_value, str) and text in readings(task, field_value)


def readings(task: Task, field_value: str) -> tuple[str, ...]:
    """The texts that a text field may show, the likeliest first: as it is, and without escapes."""
    plain = unpadded(field_value) if task.kind == "spans" else original(field_value)
    return (field_value, plain) if plain != field_value else (field_value,)


def metadata(batch: Batch, position: int) -> dict[str, JsonValue]:
    """The metadata of one record of a batch, under loopd's plain names."""
    item = batch.items[position]
    origin = TEST if item.test else RANDOM if item.draw else None
    optional = {
        "score": item.score,
        "model_id": batch.model_id,
        "second_opinion_of": item.record_id if item.copy_id is not None else None,
        "origin": origin,
        "chosen_because": item.reason or None,
    }
    return {
        "batch_id": batch.id,
        "round": batch.round,
        "strategy": batch.strategy,
        "priority": 1.0 - position / len(batch.items),
        **{name: value for name, value in optional.items() if value is not None},
    }


def answer(
    task: Task,
    record: Json,
    response: Mapping[str, Any],
    external_id: ExternalId,
    labels: LabelSpelling,
) -> Answer | None:
    """The answer in one of Argilla's responses to a record; ``None`` for a draft.

    Discarded responses carry whatever the form held, or ``null``: their value is never read.
    """
    status = response["status"]
    if status not in ("submitted", "discarded"):
        return None
    value = labels.read(_value(task, record, response)) if status == "submitted" else None
    meaning = AnswerStatus.DISCARDED
    if status == "submitted":
        meaning = AnswerStatus.SUBMITTED if task.is_valid(value) else AnswerStatus.INVALID
    if meaning is AnswerStatus.INVALID:
        value = _noted(value)
    return Answer(
        external_id=external_id,
        annotator=str(response["user_id"]),
        status=meaning,
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
    answered = values.get(task.question_name) if isinstance(values, Mapping) else None
    value = answered.get("value") if isinstance(answered, Mapping) else answered
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


def published_item(
    task: Task,
    record: Json,
    question_id: str,
    *,
    name: ExternalId | None,
    names: MetadataNames,
    labels: LabelSpelling,
    layout: RecordLayout,
    in_place: bool = False,
) -> PublishedItem:
    """What Argilla shows of a record, with its responses and suggestions.

    Args:
        task: the task.
        record: with responses and suggestions.
        question_id: of the task's question.
        name: the external id by which loopd knows the record.
        names: of loopd's metadata.
        labels: how the dataset spells them.
        layout: in which fields the text is.
        in_place: whether the record was there before it was put into a batch: then it counts as
            published when it last changed.
    """
    reactions = ("submitted", "discarded")
    return PublishedItem(
        external_id=name,
        field=layout.text_in(record["fields"]),
        metadata=names.ours(record.get("metadata")),
        suggestion=_suggestion(task, record, question_id, labels),
        answered=any(response["status"] in reactions for response in record.get("responses") or ()),
        time=record["updated_at" if in_place else "inserted_at"],
    )


def _suggestion(
    task: Task, record: Json, question_id: str, labels: LabelSpelling
) -> Suggestion | None:
    for suggestion in record.get("suggestions") or ():
        ours = str(suggestion.get("agent")).startswith(AGENT)
        if ours and suggestion["question_id"] == question_id:
            target = task.target(labels.read(_read(task, record, suggestion["value"])))
            score = _score(suggestion.get("score"), single=isinstance(target, str))
            return None if target is None or score is None else Suggestion(target, score)
    return None


def _score(score: JsonValue, *, single: bool) -> float | tuple[float, ...] | None:
    """The score as it was; for several labels and spans none at all is an empty one."""
    if isinstance(score, list):
        return tuple(float(str(number)) for number in score)
    if score is None:
        return None if single else ()
    return float(str(score))


def misfits(
    task: Task,
    layout: RecordLayout,
    fields: list[Json],
    questions: list[Json],
    properties: list[Json],
    names: MetadataNames,
) -> list[str]:
    """What keeps an existing dataset from serving the run, one line each, with what is there."""
    problems = _field_misfits(layout, fields) + _question_misfits(task, questions)
    kinds = {entry["name"]: entry["settings"]["type"] for entry in properties}
    for name, (kind, _) in METADATA.items():
        present = kinds.get(names(name), kind)
        if present != kind:
            problems.append(f"its metadata `{names(name)}` is {present}, not {kind}")
    return problems


def _field_misfits(layout: RecordLayout, fields: list[Json]) -> list[str]:
    """What of the fields that people must see is not there, one line each."""
    types = {entry["name"]: entry["settings"]["type"] for entry in fields}
    return [
        f"it has no text field `{name}`; its fields: {_listed(types)}"
        for name in layout.names
        if types.get(name) != "text"
    ]


def other_required(layout: RecordLayout, fields: list[Json]) -> list[str]:
    """Fields that each new record must have, besides those that loopd fills."""
    names = (entry["name"] for entry in fields if entry["required"])
    return [name for name in names if name not in layout.names]


def _question_misfits(task: Task, questions: list[Json]) -> list[str]:
    own = [entry for entry in questions if entry["name"] == task.question_name]
    if own:
        return task.misfits(own[0])
    types = {entry["name"]: entry["settings"]["type"] for entry in questions}
    return [f"it has no question `{task.question_name}`; its questions: {_listed(types)}"]


def _listed(types: Mapping[str, str]) -> str:
    """Names with their types, as a misfit shows what is there."""
    return ", ".join(f"`{name}` ({kind})" for name, kind in sorted(types.items())) or "none"
