"""The independent checker: a history's evidence in, violations of the loop's promises out.

Its verdicts come from raw rows and records. Only ``replay`` uses loopd's own fold, for that is what
it is about.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from loopd.machine import fold
from loopd.metrics_log import writer as metrics_log
from loopd.storage.codec import decode
from tests.faults.evidence import Evidence, Row
from tests.faults.ledger import IMPORTED, Ledger

ANSWERS, LATE, TRAINING, TWICE, LOST = "answers", "late", "training", "twice", "lost"
METRICS, REPLAY, PROGRESS, GUESTS = "metrics", "replay", "progress", "guests"


class Violation(NamedTuple):
    """A promise that was broken in the history of a seed."""

    seed: int
    invariant: str
    detail: str

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.invariant}: {self.detail}"


def check(evidence: Evidence) -> tuple[Violation, ...]:
    """All violations; none is what loopd promises."""
    found = list(evidence.broken)
    for invariant, look in CHECKS.items():
        found += [(invariant, detail) for detail in look(evidence)]
    return tuple(Violation(evidence.seed, *each) for each in dict.fromkeys(found))


def _ledger(evidence: Evidence) -> Ledger:
    return Ledger(evidence.labels, another_person=evidence.another_person)


def _at_the_end(evidence: Evidence) -> Ledger:
    ledger = _ledger(evidence)
    for row in evidence.journal:
        ledger.feed(*row)
    return ledger


# -- 1: every answer is known, nothing is invented -------------------------------------------------


def _answers(evidence: Evidence) -> Iterator[str]:
    yield from _invented(evidence)
    if not evidence.quiet:
        return
    ledger, late = _at_the_end(evidence), evidence.doings.late
    known = {key: answer[:2] for key, answer in ledger.answers.items()}
    there = {
        (id_, person): answer
        for id_, record in evidence.store.items()
        for person, answer in record.answers.items()
    }
    for key in sorted(there.keys() | known.keys() - late):
        if key in late or key[0] not in evidence.store or key[1].startswith(IMPORTED):
            continue
        expected = there.get(key, ("withdrawn", None))
        if known.get(key) != expected:
            yield f"the journal has {known.get(key)} for {key}, the store {expected}"
    missing = {id_ for id_ in _published(evidence.journal) if id_ not in evidence.store}
    for id_ in sorted(missing ^ ledger.deleted):
        if (id_, "") not in late:
            yield f"{id_} is {'gone' if id_ in missing else 'there'}, the journal says otherwise"


def _invented(evidence: Evidence) -> Iterator[str]:
    for name, payload in evidence.journal:
        for answer in payload["answers"] if name == "AnswersCollected" else ():
            given = (answer["record_id"], answer["annotator"], answer["value"])
            if answer["status"] == "submitted" and given not in evidence.doings.given:
                yield f"nobody ever gave {given}"


def _published(journal: tuple[Row, ...]) -> list[str]:
    """External ids of all batches of which the journal says that they are out."""
    done = {payload["batch_id"] for name, payload in journal if name == "BatchPublished"}
    return [id_ for batch in _planned(journal) if batch["id"] in done for id_ in _ids(batch)]


def _planned(journal: tuple[Row, ...]) -> list[dict[str, Any]]:
    return [payload["batch"] for name, payload in journal if name == "BatchPlanned"]


def _ids(batch: dict[str, Any]) -> list[str]:
    return [item["copy_id"] or item["record_id"] for item in batch["items"]]


# -- 2: what was given before a batch was closed is in that round ----------------------------------


def _late(evidence: Evidence) -> Iterator[str]:
    ledger = _ledger(evidence)
    for name, payload in evidence.journal:
        ledger.feed(name, payload)
        if name == "BatchCollected" and payload["batch_id"] in evidence.closed:
            yield from _overlooked(evidence, ledger, payload["batch_id"])


def _overlooked(evidence: Evidence, ledger: Ledger, batch_id: str) -> Iterator[str]:
    """Answers whose last change was in sight when the batch was closed, and is not known."""
    closed = evidence.closed[batch_id]
    for key, clicks in evidence.doings.clicks.items():
        before = [click for click in clicks if click.at < closed]
        if not before or before[-1].left is None or before[-1].at >= closed - evidence.sight:
            continue
        known = ledger.answers[key][:2] if key in ledger.answers else ("withdrawn", None)
        if known != before[-1].left:
            age = f"{closed - before[-1].at:.0f} s after"
            yield f"{batch_id} was closed with {known} for {key}, {age} {before[-1].left}"


# -- 3: each model was trained on what was known, and labels are on the right texts ----------------


def _training(evidence: Evidence) -> Iterator[str]:
    ledger = _ledger(evidence)
    for name, payload in evidence.journal:
        ledger.feed(name, payload)
        if name == "ModelTrained":
            yield from _trained(evidence, payload, ledger.labelled())


def _trained(
    evidence: Evidence, payload: dict[str, Any], expected: dict[str, str]
) -> Iterator[str]:
    where = f"round {payload['round']}"
    lesson = evidence.lessons.get(payload["model_id"])
    if lesson is None:
        yield f"{where}: nobody saw the training of {payload['model_id']}"
        return
    if lesson.round != payload["round"]:
        yield f"{where}: its model was trained as that of round {lesson.round}"
    for id_ in sorted(expected.keys() | lesson.targets.keys()):
        given, learnt = expected.get(id_), lesson.targets.get(id_)
        if given != learnt:
            yield f"{where}: {id_} was learnt as {learnt}, the answers say {given}"
        if learnt is not None and learnt not in evidence.doings.said.get(evidence.pool[id_], ()):
            yield f"{where}: {id_} was learnt as {learnt}, which nobody says of its text"
    if payload["labels"] != len(expected):
        yield f"{where}: the journal counts {payload['labels']} labels of {len(expected)}"


# -- 4: nothing is published twice in one role -----------------------------------------------------


def _twice(evidence: Evidence) -> Iterator[str]:
    ledger, used, new = _ledger(evidence), set(), set()
    for name, payload in evidence.journal:
        if name == "BatchPlanned":
            labelled = ledger.votes()
            for item in payload["batch"]["items"]:
                record_id, copy_id = item["record_id"], item["copy_id"]
                if (copy_id or record_id) in used:
                    yield f"{copy_id or record_id} is in two batches"
                used.add(copy_id or record_id)
                if copy_id is None:
                    if record_id in new or record_id in labelled:
                        yield f"{record_id} was asked as new though it was not"
                    new.add(record_id)
                elif record_id not in labelled:
                    yield f"{copy_id} asks again what nobody has answered"
        ledger.feed(name, payload)


# -- 5: no batch is lost ---------------------------------------------------------------------------


def _lost(evidence: Evidence) -> Iterator[str]:
    batches = _planned(evidence.journal)
    if [batch["round"] for batch in batches] != list(range(len(batches))):
        yield f"the rounds of the batches are {[batch['round'] for batch in batches]}"
    planned = {id_: batch["id"] for batch in batches for id_ in _ids(batch)}
    texts = {
        item["copy_id"] or item["record_id"]: evidence.pool[item["record_id"]]
        for batch in batches
        for item in batch["items"]
    }
    for id_ in _published(evidence.journal):
        if id_ not in evidence.store and id_ not in evidence.doings.removed:
            yield f"{id_} of {planned[id_]} never reached the store"
    for id_, stored in evidence.store.items():
        if id_ not in planned:
            yield f"{id_} is in the store, and no batch has it"
        elif stored.batch_id != planned[id_]:
            yield f"{id_} of {planned[id_]} is in the store as one of {stored.batch_id}"
        elif stored.text != texts[id_]:
            yield f"{id_} shows another text than the pool's"
    out = Counter(payload["batch_id"] for name, payload in evidence.journal if name == _OUT)
    yield from (f"{id_} came out {count} times" for id_, count in out.items() if count > 1)
    if evidence.quiet and len(out) < len(batches):
        yield f"{len(batches) - len(out)} planned batches never came out"


_OUT = "BatchPublished"


# -- 6: metrics only grow --------------------------------------------------------------------------


def _metrics(evidence: Evidence) -> Iterator[str]:
    rounds = [row["round"] for row in evidence.metrics]
    if any(one >= other for one, other in pairwise(rounds)):
        yield f"the rounds are {rounds}"
    evaluated = {row["round"] for name, row in evidence.journal if name == "RoundEvaluated"}
    if evidence.quiet and set(rounds) != evaluated:
        yield f"the log has rounds {rounds}, the journal {sorted(evaluated)}"
    for row in evidence.metrics:
        before = evidence.earlier.get(row["round"], row)
        for name in sorted(before.keys() | row.keys()):
            if before.get(name) != row.get(name):
                told = f"{before.get(name)} to {row.get(name)}"
                yield f"`{name}` of round {row['round']} changed from {told}"
    yield from _labels_fall(evidence)


def _labels_fall(evidence: Evidence) -> Iterator[str]:
    """Fewer labels than before need somebody who took one back or deleted the record."""
    ledger, shown = _ledger(evidence), {row["round"]: row["labels"] for row in evidence.metrics}
    trained: dict[int, dict[str, str]] = {}
    for name, payload in evidence.journal:
        ledger.feed(name, payload)
        if name != "ModelTrained":
            continue
        number, lesson = payload["round"], evidence.lessons.get(payload["model_id"])
        trained[number] = dict(lesson.targets) if lesson is not None else {}
        if number in shown and shown[number] != len(trained[number]):
            yield f"round {number} shows {shown[number]} labels of {len(trained[number])}"
        gone = trained.get(number - 1, {}).keys() - trained[number].keys() - ledger.touched
        if gone:
            yield f"round {number} lost the labels of {sorted(gone)}, and nobody took them back"


# -- 7: the journal alone gives the state ----------------------------------------------------------


def _replay(evidence: Evidence) -> Iterator[str]:
    if not evidence.quiet:
        return
    state = fold(decode(name, json.dumps(payload)) for name, payload in evidence.journal)
    rows = json.loads(json.dumps(metrics_log.rows(state)))
    if len(rows) == len(evidence.metrics) and rows != list(evidence.metrics):
        yield "the metrics log is not what the journal says"


CHECKS: dict[str, Callable[[Evidence], Iterator[str]]] = {
    ANSWERS: _answers,
    LATE: _late,
    TRAINING: _training,
    TWICE: _twice,
    LOST: _lost,
    METRICS: _metrics,
    REPLAY: _replay,
}
