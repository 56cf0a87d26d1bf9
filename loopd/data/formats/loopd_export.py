"""Owns what ``loopd export`` wrote, read again: each person's answer stays that person's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from loopd.data.formats.contract import Item, Request, values
from loopd.data.formats.items import Tool
from loopd.data.formats.literals import literal
from loopd.data.formats.words import moment, person, verdict_of
from loopd.data.source import RawAnswer, Source, Verdict
from loopd.records import IMPORT_PREFIX

ANSWERS = "answers"

OWN = frozenset(("id", "text", "label", "quality", ANSWERS, "strategy", "draw"))

KEYS = frozenset(("annotator", "value", "status", "time", "record_id"))


def _recognises(source: Source, request: Request) -> bool:
    del request
    lists = [literal(cell) for cell in values(source, ANSWERS)]
    answers = [answer for cell in lists if isinstance(cell, (list, tuple)) for answer in cell]
    return (
        set(source.columns) >= OWN
        and bool(answers)
        and all(isinstance(answer, Mapping) and answer.keys() >= KEYS for answer in answers)
    )


def _read(cells: Mapping[str, object], request: Request) -> Item:
    del request
    fields = {name: cell for name, cell in cells.items() if name != ANSWERS}
    return Item(fields, {ANSWERS: tuple(_answers(literal(cells.get(ANSWERS))))})


def _answers(cell: object) -> Iterator[RawAnswer]:
    for answer in cell if isinstance(cell, (list, tuple)) else ():
        if isinstance(answer, Mapping):
            who = person(answer.get("annotator")).removeprefix(IMPORT_PREFIX)
            yield RawAnswer(who, answer.get("value"), _verdict(answer), moment(answer.get("time")))


def _verdict(answer: Mapping[str, object]) -> Verdict:
    """An invalid answer was submitted: the labels of the task say again whether it is one."""
    status = answer.get("status")
    return Verdict.SUBMITTED if status == "invalid" else verdict_of(status) or Verdict.PENDING


LOOPD = Tool(name="loopd", title="an export of loopd", recognises=_recognises, read=_read).format()
