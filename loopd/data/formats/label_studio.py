"""Owns what Label Studio exports: JSON, minimal JSON, CSV and TSV; must not open files.

Of the full JSON each annotation is one person's answer to each of its tags. Skipped ones
(``was_cancelled``) and drafts are counted; predictions are no answers at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from loopd.data.cells import Unusable, plain
from loopd.data.formats.contract import Item, Request, values
from loopd.data.formats.items import Tool
from loopd.data.formats.literals import literal
from loopd.data.formats.words import flag_of, latest, person
from loopd.data.labels import Blank
from loopd.data.source import RawAnswer, Source, Verdict

LISTS = ("annotations", "completions")
"""What the releases call the list of answers of a task."""

TASK_KEYS = frozenset(
    (
        "id", "inner_id", "data", "meta", "predictions", "drafts", "file_upload", "project",
        "created_at", "updated_at", "updated_by", "total_annotations", "cancelled_annotations",
        "total_predictions", "comment_count", "unresolved_comment_count", "last_comment_updated_at",
        "comment_authors", *LISTS,
    )
)  # fmt: skip

RESERVED = frozenset(
    ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement")
)
"""Columns of a minimal export that are neither the task's nor an answer."""

LABELLED = (
    "choices", "labels", "hypertextlabels", "paragraphlabels", "taxonomy",
    "rating", "number", "selected",
)  # fmt: skip
"""Keys of a result's value that hold labels; the last of them one each."""


def _recognises(source: Source, request: Request) -> bool:
    del request
    return _is_full(source) or {"annotation_id", "annotator", "lead_time"} <= set(source.columns)


def _is_full(source: Source) -> bool:
    columns = set(source.columns)
    if "data" not in columns or not columns & set(LISTS):
        return False
    data = [literal(cell) for cell in values(source, "data")]
    return bool(data) and all(isinstance(cell, Mapping) for cell in data)


def _read(cells: Mapping[str, object], request: Request) -> Item:
    data = literal(cells.get("data"))
    if isinstance(data, Mapping) and any(name in cells for name in LISTS):
        return _task(cells, data, request)
    return _minimal(cells, request)


# -- full JSON -------------------------------------------------------------------------------------


def _task(cells: Mapping[str, object], data: Mapping[str, object], request: Request) -> Item:
    by_question: dict[str, list[RawAnswer]] = {}
    for annotation, verdict in _annotations(cells):
        for name, answer in _answers(annotation, verdict, request):
            by_question.setdefault(name, []).append(answer)
    own = {name: cell for name, cell in cells.items() if name not in ("data", *LISTS)}
    questions = {name: tuple(answers) for name, answers in by_question.items()}
    return Item({**own, **data}, questions)


def _annotations(cells: Mapping[str, object]) -> Iterator[tuple[Mapping[str, object], Verdict]]:
    for annotation in _objects(next((cells[name] for name in LISTS if cells.get(name)), None)):
        yield annotation, _verdict(annotation)
        for draft in _objects(annotation.get("drafts")):
            yield draft, Verdict.DRAFT
    for draft in _objects(cells.get("drafts")):
        yield draft, Verdict.DRAFT


def _verdict(annotation: Mapping[str, object]) -> Verdict:
    """Whether an annotation was skipped, or rejected by a reviewer."""
    if flag_of(annotation.get("was_cancelled")) or flag_of(annotation.get("skipped")):
        return Verdict.CANCELLED
    # What happened last, of a submission that may follow a review; else the last review.
    accepted = [flag_of(review.get("accepted")) for review in _objects(annotation.get("reviews"))]
    rejected = accepted[-1:] == [False]
    if action := plain(annotation.get("last_action")):
        rejected = action == "rejected"
    return Verdict.REJECTED if rejected else Verdict.SUBMITTED


def _answers(
    annotation: Mapping[str, object], verdict: Verdict, request: Request
) -> Iterator[tuple[str, RawAnswer]]:
    """An answer for each tag of the labelling interface."""
    who = person(annotation.get("completed_by", annotation.get("user")))
    results: dict[str, list[object]] = {}
    for result in _objects(annotation.get("result")):
        value = result.get("value")
        if isinstance(value, Mapping) and any(key in value for key in LABELLED):
            results.setdefault(plain(result.get("from_name")), []).append(value)
    for name in request.questions:
        results.setdefault(name, [])
    for name, regions in results.items():
        yield name, RawAnswer(who, _value(regions, request), verdict, latest(annotation))


def _value(regions: Sequence[object], request: Request) -> object:
    """What the regions of one tag say: spans, or the choices of all of them."""
    if request.kind == "spans":
        return [_region(region) for region in regions]
    names: list[object] = []
    for region in regions:
        if isinstance(region, Mapping) and "start" in region:
            return Unusable("the choices are of pieces of the text")
        names += _choices(region)
    return names or Blank([])  # submitted without a choice


def _choices(region: object) -> list[object]:
    if not isinstance(region, Mapping):
        return [region]
    key = next((key for key in LABELLED if key in region), None)
    labels = [] if key is None else region[key]
    return list(labels) if isinstance(labels, (list, tuple)) else [labels]


def _region(region: object) -> object:
    if not isinstance(region, Mapping):
        return region
    offsets = region.get("globalOffsets")
    borders = offsets if isinstance(offsets, Mapping) else region
    labels = _choices(region)
    return {
        "start": borders.get("start"),
        "end": borders.get("end"),
        "label": labels[0] if len(labels) == 1 else labels,
    }


# -- minimal JSON, CSV, TSV ------------------------------------------------------------------------


def _minimal(cells: Mapping[str, object], request: Request) -> Item:
    apart = {*RESERVED, *request.texts, *request.show}
    who = person(literal(cells.get("annotator")))
    when = latest(cells)
    names = dict.fromkeys((*(name for name in cells if name not in apart), *request.questions))
    answered = bool(plain(cells.get("annotation_id")).strip())
    questions = {
        name: (RawAnswer(who, _minimal_value(cells.get(name), request), time=when),)
        for name in names
        if answered
    }
    return Item(dict(cells), questions)


def _minimal_value(cell: object, request: Request) -> object:
    value = literal(cell)
    if value is None or value == "":
        return [] if request.kind == "spans" else None
    if request.kind == "spans" and isinstance(value, (list, tuple)):
        return [_region(region) for region in value]
    return _choices(value) if isinstance(value, Mapping) else value


def _objects(value: object) -> Iterator[Mapping[str, object]]:
    items = literal(value)
    for entry in items if isinstance(items, (list, tuple)) else ():
        if isinstance(entry, Mapping):
            yield entry


LABEL_STUDIO = Tool(
    name="label_studio",
    title="Label Studio",
    recognises=_recognises,
    read=_read,
    aliases=LISTS,
).format()
