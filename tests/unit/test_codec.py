"""Events as JSON: what comes back is what went in, and older journals still replay."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from loopd.errors import JournalError, NewerError
from loopd.events import (
    AnswersCollected,
    BatchPlanned,
    BatchPublished,
    Event,
    ModelTrained,
    PoolChanged,
    PoolGrew,
    RecordsReopened,
    RoundEvaluated,
    RunRecovered,
    SettingsAdopted,
    TextsWithdrawn,
)
from loopd.records import (
    Answer,
    AnswerStatus,
    Batch,
    BatchItem,
    ExternalId,
    PoolId,
    Span,
    Suggestion,
)
from loopd.storage.codec import decode, encode

ITEMS = (
    BatchItem(PoolId("r1"), 0.5, Suggestion("a", 0.9)),
    BatchItem(PoolId("r2"), 0.4, Suggestion(("a", "b"), (0.9, 0.8))),
    BatchItem(PoolId("r3"), 0.3, Suggestion((Span(0, 3, "a"),), (0.7,))),
    BatchItem(PoolId("r4"), 0.2, Suggestion((), (0.6,))),
    BatchItem(PoolId("r5"), 0.1, copy_id=ExternalId("r5#2")),
)


EVENTS = pytest.mark.parametrize(
    "event",
    [
        BatchPlanned(1.0, Batch("b0001", 1, "activelab", "m", ITEMS), 0.1),
        BatchPublished(1.5, "b0001", 0.1, unseen=2),
        AnswersCollected(
            1.9, (Answer(ExternalId("r1"), "ann", AnswerStatus.SUBMITTED, ["ä", {"s": 1}], "t"),)
        ),
        AnswersCollected(
            2.0, (), (ExternalId("r1"),), (ExternalId("r2"),), departed=("u1",), returned=("u2",)
        ),
        RecordsReopened(2.2, (ExternalId("r1"), ExternalId("r5#2"))),
        SettingsAdopted(2.5, 3),
        PoolChanged(2.6, 4, "f", (PoolId("r1"),), (PoolId("r2"), PoolId("r3"))),
        PoolGrew(2.7, "tickets/2026-11-28.csv", "i", "f", 60, 4, 2, 1),
        TextsWithdrawn(2.8, (PoolId("r1"), PoolId("r3")), "f"),
        RunRecovered(3.0, (Batch("b", 0, "s", None, ITEMS),) * 2, (2.5, None), ("a note",)),
        RoundEvaluated(4.0, 1, {}, {}, "", "d", 0.1, 0.2, (("a", "b", 3), ("b", "b", 1))),
        RoundEvaluated(
            5.0,
            2,
            {},
            {},
            "",
            "d",
            0.1,
            0.2,
            predicted={PoolId("r1"): (Span(0, 3, "a"),)},
            predicted_since=1,
        ),
        ModelTrained(2.0, 1, "m", 3, 0, {"a": 3}, 0.1, {"annotations": 4, "consensus.ties": 1}),
    ],
    ids=lambda event: type(event).__name__,
)


@EVENTS
def test_what_comes_back_is_what_went_in(event: Event) -> None:
    assert decode(*encode(event)) == event


@EVENTS
def test_what_is_written_is_what_earlier_versions_wrote(event: Event) -> None:
    """Fields under their own names, but that what was answered is a ``record_id``."""
    fields = asdict(event)
    for answer in fields.get("answers", ()):
        answer["record_id"] = answer.pop("external_id")
    written = json.loads(encode(event)[1])
    assert written == json.loads(json.dumps(fields))
    assert list(written) == list(fields)


OLD_ANSWERS = (
    '{"at":1.5,"answers":['
    '{"record_id":"r1","annotator":"u1","status":"submitted","value":"ä","time":"2024-05-01",'
    '"changed":"2024-05-02","given":"2024-05-01"},'
    '{"record_id":"r5#2","annotator":"u2","status":"withdrawn","value":null,"time":"2024-05-03",'
    '"changed":"","given":""}],'
    '"deleted":["r2"],"restored":[],"departed":[],"returned":["u3"]}'
)


def test_answers_of_earlier_versions_are_read_and_written_letter_by_letter() -> None:
    event = decode("AnswersCollected", OLD_ANSWERS)
    assert isinstance(event, AnswersCollected)
    assert [answer.external_id for answer in event.answers] == ["r1", "r5#2"]
    assert encode(event) == ("AnswersCollected", OLD_ANSWERS)


def test_the_name_in_the_code_is_no_key_of_the_journal() -> None:
    with pytest.raises(NewerError, match="external_id"):
        decode("AnswersCollected", OLD_ANSWERS.replace("record_id", "external_id"))
    with pytest.raises(JournalError, match="'record_id'"):
        decode("AnswersCollected", OLD_ANSWERS.replace('"record_id":"r1",', ""))


def test_spans_come_back_as_spans() -> None:
    event = decode(*encode(BatchPlanned(1.0, Batch("b", 0, "s", None, ITEMS), 0.1)))
    assert isinstance(event, BatchPlanned)
    proposal = event.batch.items[2].suggestion
    assert proposal is not None
    assert isinstance(proposal.value[0], Span)


def test_journals_of_the_first_version_replay() -> None:
    """Without copies, figures of the consensus, deleted accounts and what is not seen."""
    item = {"record_id": "r1", "score": 0.5, "suggestion": {"value": "a", "score": 0.9}}
    batch = {"id": "b0000", "round": 0, "strategy": "s", "model_id": None, "items": [item]}
    planned = {"at": 1.0, "batch": batch, "seconds": 0.1}
    assert decode("BatchPlanned", json.dumps(planned)) == BatchPlanned(
        1.0, Batch("b0000", 0, "s", None, ITEMS[:1]), 0.1
    )
    published = {"at": 1.5, "batch_id": "b0000", "seconds": 0.1}
    assert decode("BatchPublished", json.dumps(published)) == BatchPublished(1.5, "b0000", 0.1)
    collected = {"at": 1.7, "answers": [], "deleted": ["r1"], "restored": []}
    assert decode("AnswersCollected", json.dumps(collected)) == AnswersCollected(
        1.7, (), (ExternalId("r1"),)
    )
    trained = {"at": 2.0, "round": 0, "model_id": "m", "labels": 3, "discarded": 0}
    trained |= {"label_counts": {"a": 3}, "seconds": 0.1}
    assert decode("ModelTrained", json.dumps(trained)) == ModelTrained(
        2.0, 0, "m", 3, 0, {"a": 3}, 0.1
    )
    measured = {"at": 3.0, "round": 0, "metrics": {}, "stopping": {}, "stop_set": ""}
    measured |= {"config_digest": "d", "scoring_seconds": 0.1, "seconds": 0.1}
    assert decode("RoundEvaluated", json.dumps(measured)) == RoundEvaluated(
        3.0, 0, {}, {}, "", "d", 0.1, 0.1
    )


@pytest.mark.parametrize("half", ["\ud83d", "ä cut off \ud83d"])
def test_half_a_character_that_somebody_else_wrote_comes_back(half: str) -> None:
    """It cannot be written as it is."""
    answer = Answer(ExternalId("r1"), "änn", AnswerStatus.INVALID, half, "t")
    event = AnswersCollected(1.9, (answer,))
    name, payload = encode(event)
    assert payload.encode("utf-8")
    assert decode(name, payload) == event


def measured(*rows: object) -> str:
    """What a journal says of a round, with rows of its confusion."""
    event = RoundEvaluated(4.0, 1, {}, {}, "", "d", 0.1, 0.2)
    return json.dumps({**asdict(event), "confusion": rows})


@pytest.mark.parametrize("row", [["a", "b"], ["a", "b", 3, 0.5], []])
def test_a_row_with_another_number_of_values_is_not_cut(row: list[object]) -> None:
    whole = decode("RoundEvaluated", measured(["a", "b", 3]))
    assert isinstance(whole, RoundEvaluated)
    assert whole.confusion == (("a", "b", 3),)
    with pytest.raises(NewerError, match=f"RoundEvaluated, {len(row)} values instead of 3"):
        decode("RoundEvaluated", measured(["a", "b", 3], row))


def test_a_status_that_this_version_does_not_have_is_refused_by_its_name() -> None:
    later = OLD_ANSWERS.replace('"withdrawn"', '"postponed"')
    with pytest.raises(NewerError, match="AnswersCollected, unknown AnswerStatus 'postponed'"):
        decode("AnswersCollected", later)
