"""Owns what Prodigy exports: classification, choices, spans; must not open files.

Each line has an ``answer``: ``accept``, ``reject`` or ``ignore``. Only an accepted line is an
answer: what was rejected is known not to be right, and nobody knows what is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from loopd.data.cells import Unusable, plain
from loopd.data.formats.contract import Item, Request, values
from loopd.data.formats.items import Tool
from loopd.data.formats.literals import literal
from loopd.data.formats.words import ANNOTATOR_KEYS, first_key, moment, person, verdict_of
from loopd.data.labels import two_readings
from loopd.data.source import RawAnswer, Source, SourceRow, Verdict

OWN = ("label", "accept", "spans")
"""Columns of what was annotated."""

MARKS = frozenset(("_input_hash", "_task_hash", "_view_id", "_annotator_id", "_session_id"))

QUESTION = "answer"

_WORDS = frozenset(("accept", "reject", "ignore"))

_LABEL_VIEWS = ("classification", "choice")
"""Views that ask about the whole text."""

_SESSION = re.compile(r"(.*-)?\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d")
"""What an unnamed session is called: when it began, which says nothing of who it was."""


def _recognises(source: Source, request: Request) -> bool:
    columns = set(source.columns)
    words = {plain(cell) for cell in values(source, QUESTION)}
    if QUESTION not in columns or not words <= _WORDS or not (words or columns & MARKS):
        return False
    labelled = words <= set(request.labels or ()) or not columns & set(OWN)
    if QUESTION in request.named and labelled:
        return False  # the words are labels
    return bool(columns & {*MARKS, *OWN, "options"})


def _read(cells: Mapping[str, object], request: Request) -> Item:
    fields = {name: cell for name, cell in cells.items() if name not in (*OWN, QUESTION)}
    verdict = verdict_of(cells.get(QUESTION))
    own = any(plain(cells.get(name)).strip() for name in OWN)
    if not own and (verdict is None or not _is_whole(cells, request)):
        return Item(fields, {QUESTION: ()}, verdict or Verdict.PENDING)
    verdict = verdict or Verdict.PENDING  # a task that nobody has seen, with what it suggests
    value = _spans(cells) if request.kind == "spans" else _labels(cells, request)
    answer = RawAnswer(_annotator(cells), value, verdict, moment(cells.get("_timestamp")))
    return Item(fields, {QUESTION: (answer,)})


def _annotator(cells: Mapping[str, object]) -> str:
    key = first_key(cells, ("_annotator_id", "_session_id", *ANNOTATOR_KEYS))
    name = "" if key is None else person(cells[key])
    return "" if _SESSION.fullmatch(name) else name


def _is_whole(cells: Mapping[str, object], request: Request) -> bool:
    """Whether nothing under its own names is an answer too: no spans, none of the options."""
    chooses = not cells.keys().isdisjoint(("accept", "options"))
    return chooses if request.kind != "spans" else not chooses and "label" not in cells


# -- spans -----------------------------------------------------------------------------------------


def _spans(cells: Mapping[str, object]) -> object:
    spans = literal(cells.get("spans"))
    if spans is None or spans == "":
        classified = not cells.keys().isdisjoint(("label", "accept", "options"))
        return Unusable("the line judges a label, not spans") if classified else []
    if plain(cells.get("_view_id")) in _LABEL_VIEWS:
        return Unusable("the line judges a label, not spans")  # which are what a pattern matched
    if _judges_one(cells, spans):
        return Unusable("the line judges one suggested span, not all of the text")
    return spans


def _judges_one(cells: Mapping[str, object], spans: object) -> bool:
    """Whether this is a line of ``ner.teach`` or ``ner.match``: yes or no to a single span."""
    entries = spans if isinstance(spans, (list, tuple)) else ()
    suggested = any(
        isinstance(entry, Mapping) and ("score" in entry or "pattern" in entry)
        for entry in (literal(cells.get("meta")), *entries)
    )
    return plain(cells.get("_view_id")) in ("ner", "spans") and suggested


# -- labels ----------------------------------------------------------------------------------------


def _labels(cells: Mapping[str, object], request: Request) -> object:
    if cells.get("accept") is not None or cells.get("options") is not None:
        return _accepted(cells, request)
    return cells.get("label")


def _accepted(cells: Mapping[str, object], request: Request) -> object:
    accept = literal(cells.get("accept"))
    names = accept if isinstance(accept, (list, tuple)) else [] if accept is None else [accept]
    texts = _texts(literal(cells.get("options")))
    meant = [_meant(plain(name), texts, request) for name in names]
    return next((label for label in meant if isinstance(label, Unusable)), meant)


def _meant(name: str, texts: Mapping[str, str], request: Request) -> str | Unusable:
    """The label that an option stands for, by its id or by its text."""
    labels, text = set(request.labels or ()), texts.get(name)
    if text not in labels or text == name:
        return name
    return (
        text if name not in labels else two_readings(name, "the option's id", f"its text {text!r}")
    )


def _texts(options: object) -> dict[str, str]:
    """Text of each option by its id."""
    items = options if isinstance(options, (list, tuple)) else ()
    return {
        plain(option.get("id")): plain(option.get("text"))
        for option in items
        if isinstance(option, Mapping)
    }


# -- several lines for one text --------------------------------------------------------------------


def _join(
    items: Iterable[tuple[SourceRow, Item]], request: Request
) -> Iterable[tuple[SourceRow, Item]]:
    """Of several labels, a line judges one: the lines of a text and a person are one answer."""
    if request.kind != "multi_label":
        return items
    return _joined(list(items), request)


def _joined(
    items: list[tuple[SourceRow, Item]], request: Request
) -> Iterator[tuple[SourceRow, Item]]:
    judged: dict[tuple[str, str], dict[str, Verdict]] = {}
    for row, item in items:
        if answer := _binary(row, item):
            person_and_text = (plain(request.text_cell(item.fields)), answer.annotator)
            judged.setdefault(person_and_text, {})[plain(answer.value).strip()] = answer.verdict
    for row, item in items:
        answer = _binary(row, item)
        if answer is None:
            yield row, item
            continue
        key = (plain(request.text_cell(item.fields)), answer.annotator)
        whole = judged.pop(key, None)  # the first line has it all, the others repeat the text
        answers = () if whole is None else (_whole(answer, whole, request),)
        yield row, Item(item.fields, {QUESTION: answers})


def _binary(row: SourceRow, item: Item) -> RawAnswer | None:
    """The answer of a line that judges one label."""
    if row.broken or row.cells.get("accept") is not None or not item.questions[QUESTION]:
        return None
    return item.questions[QUESTION][0] if plain(row.cells.get("label")).strip() else None


def _whole(answer: RawAnswer, judged: Mapping[str, Verdict], request: Request) -> RawAnswer:
    if all(verdict is Verdict.IGNORED for verdict in judged.values()):
        return RawAnswer(answer.annotator, None, Verdict.IGNORED)
    sure = {name for name, verdict in judged.items() if verdict is not Verdict.IGNORED}
    missing = [name for name in request.labels or () if name not in sure]
    names = [name for name, verdict in judged.items() if verdict is Verdict.SUBMITTED]
    if missing:
        value: object = Unusable(f"nobody said whether {missing[0]!r} applies")
        verdict = Verdict.SUBMITTED if names else Verdict.REJECTED
        return RawAnswer(answer.annotator, value, verdict)
    return RawAnswer(answer.annotator, names)


PRODIGY = Tool(
    name="prodigy",
    title="Prodigy",
    recognises=_recognises,
    read=_read,
    aliases=OWN,
    join=_join,
).format()
