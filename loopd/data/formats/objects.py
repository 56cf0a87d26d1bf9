"""Owns cells that hold several people's answers, or one with its person; opens nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from loopd.data.cells import SPAN_KEYS, Unusable, plain
from loopd.data.formats.contract import Request
from loopd.data.formats.literals import literal
from loopd.data.formats.values import answer_cell
from loopd.data.formats.words import (
    ANNOTATOR_KEYS,
    APPROVAL_KEYS,
    DONE,
    FLAG_KEYS,
    GENERAL_KEYS,
    PERSON_KEYS,
    TIME_KEYS,
    VALUE_KEYS,
    VERDICT_KEYS,
    first_key,
    flag_of,
    key_of,
    latest,
    person,
    verdict_of,
)
from loopd.data.labels import Blank
from loopd.data.source import RawAnswer, Verdict

WHO = (*ANNOTATOR_KEYS, *PERSON_KEYS)

_LISTS = ("spans", "entities", "result")
"""Names of the list that an answer is."""

_WORDS = frozenset(
    (*VALUE_KEYS, *_LISTS, *VERDICT_KEYS, *FLAG_KEYS, *APPROVAL_KEYS, *TIME_KEYS, "id")
)

_SPAN_WORDS = frozenset((*SPAN_KEYS, "start_offset", "end_offset"))


def answers_of(cell: object, request: Request) -> tuple[RawAnswer, ...]:
    """The answers of a cell, each as a cell of its own.

    It may be one answer that stands alone; an object with the answer of each annotator; one object,
    or a list of them, that say who answered what (``{"user": "ann", "label": "praise"}``), maybe
    with a verdict.
    """
    if cell is None:
        return ()
    return _read(_answers(cell, request), request)


def labels_of(cell: object, request: Request) -> tuple[RawAnswer, ...]:
    """The same of a cell of known labels, where an object's keys are nobody's names."""
    value = literal(cell)
    if cell is None or not isinstance(value, Mapping) or _says_who(value):
        return answers_of(cell, request)
    return _read([RawAnswer("", value)], request)


def _read(answers: Iterable[RawAnswer], request: Request) -> tuple[RawAnswer, ...]:
    return tuple(answer._replace(value=answer_cell(answer.value, request)) for answer in answers)


def _answers(cell: object, request: Request) -> Iterable[RawAnswer]:
    if isinstance(cell, Unusable) or plain(cell).strip() in (request.labels or ()):
        return (RawAnswer("", cell),)
    value = literal(cell)
    if isinstance(value, str) and value.lstrip().startswith("{"):
        return (RawAnswer("", Unusable(f"{value[:40]!r} is not JSON")),)
    if isinstance(value, Mapping):
        return _of_object(value, request)
    if isinstance(value, (list, tuple)) and value:
        return _of_list(value, request)
    return (RawAnswer("", cell if isinstance(value, str) else value),)


def _of_object(value: Mapping[object, object], request: Request) -> Iterable[RawAnswer]:
    if not value:
        return (RawAnswer("", Blank("{}")),)
    named = {str(name): entry for name, entry in value.items()}
    if named.keys() >= set(SPAN_KEYS) or "choices" in named:
        return (RawAnswer("", named),)
    if _says_who(named) and isinstance(named[_who(named) or ""], (list, tuple)):
        return _of_columns(named)
    if not _says_who(named):
        return _of_names(named, request)
    if all(plain(entry) in (request.labels or ()) for entry in named.values()):
        return (RawAnswer("", _two_readings(named)),)
    return (_structured(named),)


def _of_names(named: Mapping[str, object], request: Request) -> Iterable[RawAnswer]:
    """One answer of an object that names nobody, or one for each of its keys."""
    told = _what(named) and {key_of(name) for name in named} <= _WORDS
    if told or _stands_alone(named, request):
        return (_structured(named),)
    return [_of_one(name, entry) for name, entry in named.items()]


def _of_columns(named: Mapping[str, object]) -> Iterator[RawAnswer]:
    """The answers of an object of lists, as ``datasets`` keeps a list of objects."""
    lists = {name: cell for name, cell in named.items() if isinstance(cell, (list, tuple))}
    if len({len(cells) for cells in lists.values()}) > 1:
        sizes = " and ".join(f"{len(cells)} in {name!r}" for name, cells in lists.items())
        yield RawAnswer("", Unusable(f"lists of different lengths: {sizes[:80]}"))
        return
    for entry in zip(*lists.values(), strict=True):
        yield _structured(dict(zip(lists, entry, strict=True)))


def _two_readings(named: Mapping[str, object]) -> Unusable:
    who, what = _who(named) or "", _what(named) or ""
    return Unusable(
        f"it could be one answer, {plain(named[what])[:40]!r} by {plain(named[who])[:40]!r}, or "
        f"the answers of two people called {who!r} and {what!r}"
    )


def _stands_alone(named: Mapping[str, object], request: Request) -> bool:
    """Whether an object says one answer and something about it: nothing else in it is a label."""
    what, labels = _what(named), request.labels or ()
    labelled = [name for name, entry in named.items() if plain(entry).strip() in labels]
    return what is not None and labelled == [what]


def _of_one(name: str, value: object) -> RawAnswer:
    """One person's answer; a name that is empty is none, and not that of ``pool.annotator``."""
    said = name or " "
    if isinstance(value, Mapping) and _what(value) and not _is_span(value):
        return _structured(value)._replace(annotator=said)
    return RawAnswer(said, value)


def _of_list(value: Sequence[object], request: Request) -> Iterable[RawAnswer]:
    pairs = [entry for entry in value if isinstance(entry, tuple) and len(entry) == 2]
    if len(pairs) == len(value):  # what pyarrow makes of a map
        return [_of_one(str(name), answer) for name, answer in pairs]
    objects = [entry for entry in value if isinstance(entry, Mapping)]
    if len(objects) < len(value):
        return (RawAnswer("", value),)
    if all(_who(entry) and _is_span(entry) for entry in objects):
        return _spans_by_person(objects)
    if all(map(_says_who, objects)) or (
        request.kind == "single_label" and all(map(_what, objects))
    ):
        return [_structured(entry) for entry in objects]
    return (RawAnswer("", value),)


def _spans_by_person(spans: Iterable[Mapping[str, object]]) -> Iterator[RawAnswer]:
    by_person: dict[str, list[object]] = {}
    for span in spans:
        by_person.setdefault(person(span[_who(span) or ""]), []).append(span)
    for name, marked in by_person.items():
        yield RawAnswer(name, marked)


def _structured(value: Mapping[str, object]) -> RawAnswer:
    """An object that says what was answered and, maybe, by whom, when, and what became of it."""
    who, what = _who(value), _what(value) or ""
    verdict = row_verdict(value, (what,))
    answer = RawAnswer(
        "" if who is None else person(value[who]), value.get(what), time=latest(value)
    )
    if isinstance(verdict, Unusable):
        return answer._replace(value=verdict)
    return answer._replace(verdict=verdict)


def row_verdict(cells: Mapping[str, object], without: Sequence[str]) -> Verdict | Unusable:
    """The verdict beside an answer, by the names that are usual."""
    for name, cell in cells.items():
        key = key_of(name)
        if name in without or not plain(cell).strip():
            continue
        if key in VERDICT_KEYS and (told := _told(name, cell)):
            return told
        if key in FLAG_KEYS and flag_of(cell):
            return FLAG_KEYS[key]
        if key in APPROVAL_KEYS and flag_of(cell) is False:
            return Verdict.REJECTED
    return Verdict.SUBMITTED


def _told(name: str, cell: object) -> Verdict | Unusable | None:
    """What a word says; of an ``answer`` that is no verdict, that it is something else."""
    word = plain(cell).strip()
    if word.casefold() in DONE:
        return Verdict.SUBMITTED
    strange = Unusable(f"{name} is {word[:40]!r}, which is no verdict")
    is_general = key_of(name) in GENERAL_KEYS - {"status"}
    return verdict_of(word) or (None if is_general else strange)


def _says_who(value: Mapping[str, object]) -> bool:
    return _who(value) is not None and _what(value) is not None and not _is_span(value)


def _who(value: Mapping[str, object]) -> str | None:
    return first_key(value, WHO)


def _what(value: Mapping[str, object]) -> str | None:
    """The key of the answer, whatever it holds."""
    names = {key_of(str(name)): str(name) for name in value}
    return next((names[key] for key in (*VALUE_KEYS, *_LISTS) if key in names), None)


def _is_span(value: Mapping[str, object]) -> bool:
    return bool(_SPAN_WORDS & value.keys() - {"label"})
