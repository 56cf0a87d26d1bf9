"""Owns what Argilla 2's SDK exports, flat and nested; must not open files.

``to_datasets`` writes a row for each record, with the columns ``label.responses``,
``label.responses.users`` and ``label.responses.status`` for a question ``label``;
``records.to_json`` nests fields and responses, and leaves the status of each response out. There
the record's own status has to do: the answers of a completed record count, those of a pending one
may be drafts or discards. Suggestions are never answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from loopd.data.cells import Unusable, plain
from loopd.data.formats.contract import Item, Request, values
from loopd.data.formats.items import Tool
from loopd.data.formats.literals import literal
from loopd.data.formats.words import latest, person, verdict_of
from loopd.data.source import RawAnswer, Source, SourceRow, Verdict

RESPONSES = ".responses"
USERS = ".responses.users"
STATUS = ".responses.status"

COMPLETED = "completed"


def _recognises(source: Source, request: Request) -> bool:
    del request
    return _is_flat(source) or _is_nested(source)


def _is_flat(source: Source) -> bool:
    ends = [name for name in source.columns if name.endswith((USERS, STATUS))]
    if any(name.rpartition(".")[0] in source.columns for name in ends):
        return True
    # Somebody may have left those out; the record's own status is what there is then.
    return "_server_id" in source.columns and any(map(_is_question, source.columns))


def _is_question(name: str) -> bool:
    return name.endswith(RESPONSES)


def _is_nested(source: Source) -> bool:
    if not {"fields", "responses"} <= set(source.columns):
        return False
    fields = [literal(cell) for cell in values(source, "fields")]
    return bool(fields) and all(isinstance(cell, Mapping) for cell in fields)


def _remark(source: Source) -> str:
    """Of a nested export, that it keeps drafts and discards without saying so."""
    if not _is_nested(source) or not any(map(_lacks_status, source.head)):
        return ""
    return (
        "it has no status of single responses: those of completed records count, those of others "
        "do not; `to_datasets` says which were discarded"
    )


def _lacks_status(row: SourceRow) -> bool:
    """Whether any response of a record does not say what became of it."""
    responses = literal(row.cells.get("responses"))
    if isinstance(responses, Mapping):
        groups = (group for group in responses.values() if isinstance(group, (list, tuple)))
        responses = [response for group in groups for response in group]
    entries = responses if isinstance(responses, (list, tuple)) else ()
    return any("status" not in _object(response) for response in entries)


def _read(cells: Mapping[str, object], request: Request) -> Item:
    del request
    return _nested(cells) if "fields" in cells else _flat(cells)


# -- to_datasets -----------------------------------------------------------------------------------


def _flat(cells: Mapping[str, object]) -> Item:
    names = [name.removesuffix(RESPONSES) for name in cells if _is_question(name)]
    questions = {name: tuple(_columns(cells, name)) for name in names}
    fields = {name: cell for name, cell in cells.items() if RESPONSES not in name}
    return Item(fields, questions)


def _columns(cells: Mapping[str, object], name: str) -> Iterator[RawAnswer]:
    """The answers of one question: three lists of one length."""
    responses = _list(cells.get(name + RESPONSES)) or ()
    users, states = _list(cells.get(name + USERS)), _list(cells.get(name + STATUS))
    if users is not None and len(users) != len(responses):
        yield RawAnswer("", Unusable(f"{len(responses)} responses of {len(users)} users"))
        return
    for at, value in enumerate(responses):
        who = "" if users is None else person(users[at])
        if states is None and name + STATUS not in cells:
            verdict = _of_record(cells)
        else:
            verdict = _of_response(states[at] if states and at < len(states) else None)
        yield RawAnswer(who, value, verdict)


def _list(cell: object) -> Sequence[object] | None:
    value = literal(cell)
    if isinstance(value, (list, tuple)):
        return value
    text = plain(value).strip()
    return [value] if text else None


# -- records.to_json -------------------------------------------------------------------------------


def _nested(cells: Mapping[str, object]) -> Item:
    fields = {**_object(cells.get("metadata")), **cells, **_object(cells.get("fields"))}
    without = ("fields", "metadata", "responses", "suggestions", "vectors")
    questions: dict[str, list[RawAnswer]] = {}
    for name, answer in _responses(literal(cells.get("responses")), cells):
        questions.setdefault(name, []).append(answer)
    rest = {name: cell for name, cell in fields.items() if name not in without}
    return Item(rest, {name: tuple(answers) for name, answers in questions.items()})


def _responses(responses: object, cells: Mapping[str, object]) -> Iterator[tuple[str, RawAnswer]]:
    """Question and answer, from the SDK's object or from the list that the server sends."""
    if isinstance(responses, Mapping):
        for name, several in responses.items():
            for response in several or ():
                yield str(name), _answer(_object(response), cells)
    elif isinstance(responses, (list, tuple)):
        for response in map(_object, responses):
            for name, value in _object(response.get("values")).items():
                yield str(name), _answer({**response, **_object(value)}, cells)


def _answer(response: Mapping[str, object], cells: Mapping[str, object]) -> RawAnswer:
    status = response.get("status")
    verdict = _of_record(cells) if status is None else _of_response(status)
    who = person(response.get("user_id"))
    return RawAnswer(who, response.get("value"), verdict, latest(response))


def _of_response(status: object) -> Verdict:
    return verdict_of(status) or Verdict.PENDING


def _of_record(cells: Mapping[str, object]) -> Verdict:
    """What the record's status says of a response without one of its own."""
    if "status" not in cells:
        return Verdict.SUBMITTED
    completed = plain(cells["status"]).strip().casefold() == COMPLETED
    return Verdict.SUBMITTED if completed else Verdict.PENDING


def _object(cell: object) -> Mapping[str, object]:
    value = literal(cell)
    return value if isinstance(value, Mapping) else {}


ARGILLA2 = Tool(
    name="argilla2",
    title="Argilla 2",
    recognises=_recognises,
    read=_read,
    aliases=("responses",),
    remark=_remark,
).format()
