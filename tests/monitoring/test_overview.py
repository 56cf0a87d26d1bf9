"""What there is to see of a run: pure, from the journal's events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from loopd.config import Config
from loopd.dashboard.page_cache import View
from loopd.dashboard.snapshot import SnapshotHolder
from loopd.events import AnswersCollected, BatchPlanned, BatchPublished, Event, RunStarted
from loopd.machine import fold
from loopd.metrics_log.writer import rows
from loopd.overview.cautions import Outage
from loopd.overview.open_records import proposals
from loopd.overview.overview import LiveContext, Overview, overview
from loopd.records import AnswerStatus, ExternalId, JsonValue, PoolId, Span, Suggestion
from loopd.reports.report_page import report_html
from tests.monitoring.story import (
    ANN,
    BOB,
    SIZE,
    START,
    answer,
    answered,
    batch,
    learned,
    opening,
    pool,
    posted,
    settings,
    story,
)


def seen(
    events: Sequence[Event],
    config: Config,
    now: float = START + 400,
    live: LiveContext | None = None,
) -> Overview:
    state = fold(events)
    return overview(state, config, pool(), rows(state), now, live=live)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return settings(tmp_path)


def test_a_run_that_has_not_begun(config: Config) -> None:
    found = seen([], config)
    assert found.standing.sentence == "The run has not begun yet: it waits for Argilla."
    assert found.advice == "Nothing is known yet: the first round is not measured."
    assert (found.curve, found.batches, found.people, found.started) == ((), (), (), None)


def test_every_phase_has_its_sentence_and_its_beginning(config: Config) -> None:
    events: list[Event] = [opening(), *posted(0), answered(0), *learned(0)]
    found = [seen(events[: count + 1], config).standing for count in range(len(events))]
    assert [(each.phase, each.since) for each in found] == [
        ("seed", START),
        ("publish", START + 1),
        ("collect", START + 2),
        ("collect", START + 2),
        ("train", START + 70),
        ("evaluate", START + 75),
        ("decide", START + 80),
    ]
    assert [each.sentence for each in found] == [
        "Chooses the first batch.",
        "Brings batch b0000 with 4 records to Argilla.",
        "Waits for people: 4 records are open. The next batch follows when all are answered.",
        "Waits for people: 0 records are open. The next batch follows when all are answered.",
        "Trains a model on 4 labels.",
        "Measures the new model.",
        "Chooses the next batch.",
    ]


def test_a_step_says_how_long_it_took_last_time(config: Config) -> None:
    events = [*story(1, SIZE), learned(1)[0]]
    assert seen(events, config).standing.usual == 4.0


def test_the_open_batch_shrinks_as_answers_come(config: Config) -> None:
    sizes = [seen(story(1, done), config).batches[0] for done in range(SIZE)]
    assert [(each.open, each.done) for each in sizes] == [(4, 0), (3, 1), (2, 2), (1, 3)]
    assert seen(story(1, SIZE), config).batches == ()


def test_a_record_is_out_for_a_reason(config: Config) -> None:
    record = seen(story(2, 1), config).out[0]
    assert (record.id, record.text, record.batch) == ("r009", "text number 9", "b0002")
    assert record.strategy == "margin"
    assert record.score == pytest.approx(0.8)
    assert record.why == "the two likeliest labels are close to each other"
    assert [(each.label, each.certainty) for each in record.proposals] == [("tool", 0.6)]


def test_a_record_that_was_ranked_anew_shows_the_new_proposal(config: Config) -> None:
    events = story(1, 0)
    old = batch(1)
    item = replace(old.items[0], suggestion=Suggestion("tool", 0.99))
    planned = BatchPlanned(START + 200, batch(2), 0.1, (replace(old, items=(item,)),))
    state_events = [*events, *learned(1), planned, BatchPublished(START + 202, "b0002", 0.1)]
    record = next(each for each in seen(state_events, config).out if each.id == item.record_id)
    assert record.proposals[0].label == "tool"
    assert record.proposals[0].certainty == 0.99


def test_a_copy_asks_for_a_second_opinion(config: Config) -> None:
    one = batch(1)
    copy = replace(
        one.items[0], record_id=PoolId("r000"), copy_id=ExternalId("r000#2"), suggestion=None
    )
    events = [
        opening(), *posted(0), answered(0), *learned(0),
        BatchPlanned(START + 101, replace(one, items=(copy,)), 0.1),
        BatchPublished(START + 102, one.id, 0.1),
    ]  # fmt: skip
    (record,) = seen(events, config).out
    assert (record.again, record.why) == (True, "asks for a second opinion")
    assert record.text == "text number 0"


def test_a_random_draw_has_no_other_reason(config: Config) -> None:
    one = batch(1)
    draw = replace(one.items[0], draw=True, score=None, suggestion=None)
    events = [
        opening(), *posted(0), answered(0), *learned(0),
        BatchPlanned(START + 101, replace(one, items=(draw, one.items[1])), 0.1),
        BatchPublished(START + 102, one.id, 0.1),
    ]  # fmt: skip
    drawn, chosen = seen(events, config).out
    assert (drawn.strategy, drawn.why) == ("audit", "drawn at random, to judge the model by")
    assert (drawn.score, drawn.proposals) == (None, ())
    assert chosen.strategy == one.strategy


def test_people_by_name_with_what_they_did(config: Config) -> None:
    events = story(1, 1)
    late = AnswersCollected(
        START + 190,
        (
            answer("r006", BOB, None, START + 180, AnswerStatus.DISCARDED),
            answer("r007", BOB, "gadget", START + 185, AnswerStatus.INVALID),
        ),
    )
    around = LiveContext(names={ANN: "ann"})
    ann, bob = sorted(
        seen([*events, late], config, START + 200, around).people, key=lambda each: each.id
    )
    assert (ann.name, ann.submitted, ann.seen, ann.quality) == ("ann", 3, START + 110, 0.95)
    assert (bob.name, bob.submitted, bob.discarded, bob.unknown) == ("22222222", 2, 1, 1)
    assert ann.pace is not None


def test_who_is_silent_for_long_is_not_at_work(config: Config) -> None:
    found = seen(story(1, 1), config, START + 10_000)
    assert {each.pace for each in found.people} == {None}
    assert found.seconds_left is None


def test_the_present_pace_says_how_long_the_rest_takes(config: Config) -> None:
    found = seen(story(3, 1), config, START + 320)
    pace = sum(each.pace or 0.0 for each in found.people)
    assert found.seconds_left == pytest.approx(found.open_records / pace * 60)


def test_the_curve_and_the_classes_are_those_of_the_metrics_log(config: Config) -> None:
    found = seen(story(3), config)
    points = [(each.round, each.effort, each.value, each.low) for each in found.curve]
    assert points == [
        (0, 4, 0.5, 0.45), (1, 8, 0.6, pytest.approx(0.55)), (2, 12, 0.7, pytest.approx(0.65)),
    ]  # fmt: skip
    assert [(each.label, each.labels) for each in found.classes] == [("tool", 6), ("fruit", 6)]
    assert [(each.right, each.taken, each.times, each.share) for each in found.mistakes] == [
        ("fruit", "tool", 1, 0.1)
    ]


@pytest.mark.parametrize(
    ("rounds", "may_end", "advice"),
    [
        (2, False, "Go on: nothing advises to stop."),
        (
            3,
            False,
            "Consider stopping: kappa_average advises to stop (1 of 1). None of them may end the "
            "run by the configuration: that is yours to decide.",
        ),
        (
            3,
            True,
            "Stop: kappa_average advises to stop and the run ends if kappa_average does so for "
            "one more round.",
        ),
        (4, True, "Stop: kappa_average advises to stop and the run ends."),
    ],
)
def test_the_advice_in_one_sentence(
    rounds: int, may_end: bool, advice: str, tmp_path: Path
) -> None:
    criteria = [{"name": "kappa_average", "stop": may_end}]
    config = settings(tmp_path, stopping={"criteria": criteria, "patience": 2})
    found = seen(story(rounds), config)
    assert found.advice == advice
    assert found.criteria[0].values[0] == 0.9


def test_a_run_that_is_over_says_why(config: Config) -> None:
    found = seen(story(2, over=True), config)
    wanted = "The run is over: the greatest number of rounds is reached."
    assert found.standing.sentence == found.advice == wanted
    assert found.ended == START + 200


def test_warnings(tmp_path: Path) -> None:
    config = settings(tmp_path, test=None)
    events = [
        *story(1, 0),
        AnswersCollected(
            START + 150,
            (answer("r004", ANN, "gad\u202eget", START + 140, AnswerStatus.INVALID),),
            deleted=(ExternalId("r005"),),
        ),
    ]
    around = LiveContext(outage=Outage(START, "no route\nto host"), failure="boom")
    assert seen(events, config, live=around).cautions == (
        "The daemon ended with an error: boom",
        "Argilla does not answer since 2023-11-14 22:13:20 UTC: no route to host",
        "1 published record is gone from Argilla, and not asked for any more.",
        "1 answer is left out, because the task lacks such labels: gad\\u202eget",
    )
    unmeasured = config.model_copy(
        update={"audit": config.audit.model_copy(update={"random_share": 0.0, "folds": 0})}
    )
    (sentence,) = seen(story(1, 0), unmeasured).cautions
    assert sentence.startswith("Nothing is measured: there is no test set")
    aims = unmeasured.stopping.model_copy(update={"target_accuracy": 0.9})
    (sentence,) = seen(story(1, 0), unmeasured.model_copy(update={"stopping": aims})).cautions
    assert "`stopping.target_accuracy: 0.9` is never met" in sentence
    begun, *others = story(1, 0)
    assert isinstance(begun, RunStarted)
    of_an_earlier_version = [replace(begun, folds=None), *others]
    (sentence,) = seen(of_an_earlier_version, config).cautions
    assert sentence.endswith("set `audit.folds: 5`, and start again.")
    wants_it = config.model_copy(update={"audit": config.audit.model_copy(update={"folds": 5})})
    assert seen(of_an_earlier_version, wants_it).cautions == ()


def test_audit_figures_are_shown_where_there_are_any(config: Config) -> None:
    state = fold(story(1))
    measured = [{**rows(state)[0], "audit.accuracy": 0.8, "audit.labels_saved": None}]
    found = overview(state, config, pool(), measured, START)
    assert found.audit == {"audit.accuracy": 0.8, "audit.labels_saved": None}
    assert found.findings == ()
    assert seen(story(1), config).audit == {}


def test_the_audit_speaks_in_sentences(config: Config) -> None:
    state = fold(story(1))
    figures: dict[str, JsonValue] = {"audit.draws": 20, "audit.open": 0, "audit.accuracy": 0.8}
    figures |= {"audit.accuracy_low": 0.56, "audit.accuracy_high": 0.94, "audit.saved": None}
    found = overview(state, config, pool(), [{**rows(state)[0], **figures}], START)
    assert "about 80 % (56 % to 94 %, 20 random draws)" in found.findings[0]
    assert found.findings[1] == "Labels saved by choosing: not known yet."
    pages = (
        report_html(found, state, config, ()),
        View(SnapshotHolder())._render("live_content.html.jinja", found),
    )
    for sentence in found.findings:
        assert all(f"<p>{sentence}</p>" in each.replace("&#39;", "'") for each in pages)


def test_several_labels_and_spans_are_proposed_with_their_own_certainties() -> None:
    several = proposals(Suggestion(("a", "b"), (0.6, 0.9)), "text")
    assert [(each.label, each.certainty) for each in several] == [("b", 0.9), ("a", 0.6)]
    (span,) = proposals(Suggestion((Span(4, 9, "CITY"),), (0.7,)), "see Paris now")
    assert (span.label, span.piece, span.certainty) == ("CITY", "Paris", 0.7)
    assert proposals(Suggestion((), ()), "text") == proposals(None, "text") == ()


def test_texts_of_people_are_one_line_and_show_what_is_invisible(config: Config) -> None:
    state = fold(story(1, 0))
    hostile = pool(text="a\u202eb\x1b[31m\nc\ud800")
    found = overview(state, config, hostile, rows(state), START)
    assert found.out[0].text == "a\\u202eb\\x1b[31m c\\ud800 4"
    found.out[0].text.encode("utf-8")
