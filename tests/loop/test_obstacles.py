"""Why nothing happens: said of all that does not get on, by log, status, page and report."""

from __future__ import annotations

import json
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner

from loopd.cli import main
from loopd.config import Config
from loopd.config_file import load_config
from loopd.dashboard.templating import environment
from loopd.data.pool import Pool
from loopd.events import (
    AnswersCollected,
    BatchCollected,
    BatchPlanned,
    BatchPublished,
    Event,
    RunStopped,
)
from loopd.loop.narrate import ObstacleNotes
from loopd.loop.obstacles import obstacle
from loopd.machine import State, apply, fold
from loopd.operations.status import read_run
from loopd.overview.overview import overview
from loopd.records import Answer, AnswerStatus, Batch, BatchItem, ExternalId, PoolId
from loopd.storage.journal import Journal
from tests.monitoring.story import ANN, BOB, START, answer, opening, posted, settings, story

SUBMITTED, DISCARDED = AnswerStatus.SUBMITTED, AnswerStatus.DISCARDED
INVALID = AnswerStatus.INVALID

SPAN = [{"start": 0, "end": 3, "label": "thing"}]


def said(*answers: Answer, start: int = 0) -> Event:
    return AnswersCollected(START + 60 + start, answers)


def alike(value: Any, size: int = 4, person: str = ANN, status: Any = SUBMITTED) -> Event:
    return said(*(answer(f"r{n:03d}", person, value, START + n, status) for n in range(size)))


def closed(number: int = 0) -> Event:
    return BatchCollected(START + 70 + 100 * number, f"b{number:04d}", "complete", 0)


def cold(number: int) -> list[Event]:
    """Another batch without a model."""
    planned, published = posted(number)
    assert isinstance(planned, BatchPlanned)
    return [replace(planned, batch=replace(planned.batch, model_id=None)), published]


def state_of(*events: Event | list[Event]) -> State:
    flat = [event for some in events for event in (some if isinstance(some, list) else [some])]
    return fold([opening(), *flat])


FIRST = posted(0)

CASES: dict[str, tuple[list[Any], dict[str, Any], str, tuple[str, ...]]] = {
    "nobody": ([FIRST], {}, "unanswered", ("Nobody has answered", "4 records are open", "`story`")),
    "one class": (
        [FIRST, alike("fruit"), closed(), cold(1)],
        {},
        "one_kind",
        ("all 4 labels so far are `fruit`", "two different", "pool.answers"),
    ),
    "one class, first batch nearly done": (
        [FIRST, alike("fruit", 4), closed()], {}, "one_kind", ("`fruit`",),
    ),
    "one label": (
        [FIRST, said(answer("r000", ANN, "fruit", START)), closed(), cold(1)],
        {},
        "one_kind",
        ("only label so far is `fruit`",),
    ),
    "discards": (
        [FIRST, alike(None, status=DISCARDED), closed(), cold(1)],
        {},
        "discarded",
        ("all 4 answers so far are discards", "guidelines"),
    ),
    "unknown labels": (
        [FIRST, alike("vegetable", status=INVALID), closed(), cold(1)],
        {},
        "unknown_labels",
        ("all 4 answers", "the task lacks", "`vegetable`", "task.labels"),
    ),
    "discards and unknown labels": (
        [
            FIRST,
            alike(None, 2, status=DISCARDED),
            said(*(answer(f"r00{n}", ANN, "herb", START, INVALID) for n in (2, 3))),
            closed(),
            cold(1),
        ],
        {},
        "unusable",
        ("none of the 4 answers", "2 are discards", "2 have labels", "`herb`"),
    ),
    "all deleted": (
        [
            FIRST,
            AnswersCollected(
                START + 60,
                (answer("r000", ANN, "fruit", START),),
                tuple(ExternalId(f"r{n:03d}") for n in range(4)),
            ),
            closed(),
            cold(1),
        ],
        {},
        "deleted",
        ("gone from Argilla",),
    ),
    "all deleted before anybody answered": (
        [FIRST, AnswersCollected(START + 60, (), tuple(ExternalId(f"r{n:03d}") for n in range(4)))],
        {},
        "unanswered",
        ("Nobody answered.", "go on labelling"),
    ),
    "one person where two are needed": (
        [FIRST, alike("fruit", 3)],
        {"queue": {"batch_size": 4, "low_watermark": 0, "min_submitted": 2}},
        "people",
        ("2 different people", "1 person has answered", "3 of 4 open records wait"),
    ),
    "two people where three are needed": (
        [FIRST, alike("fruit"), alike("tool", person=BOB)],
        {"queue": {"batch_size": 4, "low_watermark": 0, "min_submitted": 3}},
        "people",
        ("2 people have answered", "4 of 4 open records wait", "1 more"),
    ),
    "somebody who has left had completed some": (
        [
            FIRST,
            alike("fruit", 3),
            alike("tool", 2, person=BOB),
            AnswersCollected(START + 65, (), departed=(BOB,)),
        ],
        {"queue": {"batch_size": 4, "low_watermark": 0, "min_submitted": 2}},
        "people",
        ("1 person has answered", "1 of 2 open records waits"),
    ),
    "the same labels everywhere": (
        [FIRST, alike(["fruit"]), closed(), cold(1)],
        {"task": {"type": "multi_label", "labels": ["fruit", "tool"]}},
        "one_kind",
        ("4 answered texts so far have the same labels (`fruit`)", "texts that differ"),
    ),
    "no span": (
        [FIRST, alike([]), closed(), cold(1)],
        {"task": {"type": "spans", "labels": ["thing"]}},
        "one_kind",
        ("nothing is marked in the 4 answered texts", "one span at least"),
    ),
    "the end without a model": (
        [FIRST, alike("fruit"), closed(), RunStopped(START + 80, "pool_exhausted")],
        {},
        "no_model",
        ("ended without a model", "all 4 labels so far are `fruit`", "more texts"),
    ),
    "a budget without a model": (
        [FIRST, alike("fruit"), closed(), RunStopped(START + 80, "label_budget")],
        {},
        "no_model",
        ("ended without a model", "label_budget"),
    ),
    "the end without a model, and a pool that can grow": (
        [FIRST, alike("fruit"), closed(), RunStopped(START + 80, "pool_exhausted")],
        {"pool": {"argilla": {"dataset": "theirs"}}, "argilla": {}},
        "no_model",
        ("every text of the pool was asked: add records to the dataset in Argilla",),
    ),
    "the pool is used up": (
        [*story(2)[1:-3], RunStopped(START + 900, "pool_exhausted")],
        {},
        "pool_exhausted",
        ("Every text of the pool was asked", "a new run, with another run.dir"),
    ),
    "a pool that can grow is used up": (
        [*story(2)[1:-3], RunStopped(START + 900, "pool_exhausted")],
        {"pool": {"argilla": {"dataset": "theirs"}}, "argilla": {}},
        "pool_exhausted",
        ("Every text of the pool was asked", "add records to the dataset in Argilla"),
    ),
}  # fmt: skip


def configured(folder: Path, sections: dict[str, Any]) -> Config:
    return settings(folder, **{**sections, "audit": sections.get("audit", {})})


@pytest.mark.parametrize("name", CASES)
def test_each_obstacle_has_its_sentence(name: str, tmp_path: Path) -> None:
    events, sections, kind, words = CASES[name]
    found = obstacle(state_of(*events), configured(tmp_path, sections))
    assert found is not None
    assert found.kind == kind
    for word in words:
        assert word.lower() in f"{found.sentence} {found.hint}".lower()
    assert found.sentence.endswith(".")
    assert found.hint
    assert not found.hint.endswith(".")


GETS_ON: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "new": ([], {}),
    "planned": ([FIRST[0]], {}),
    "two classes": ([FIRST, alike("fruit", 2), said(answer("r002", ANN, "tool", START))], {}),
    "the first answers are alike by chance": ([FIRST, alike("fruit", 2)], {}),
    "trained": (story(2)[1:], {}),
    "over as it should be": (story(2, over=True)[1:], {}),
    "two people": (
        [FIRST, alike("fruit", 2), said(answer("r002", BOB, "tool", START))],
        {"queue": {"batch_size": 4, "low_watermark": 0, "min_submitted": 2}},
    ),
    "one class, and all are described": (
        [FIRST, alike("fruit"), closed(), cold(1)],
        {
            "task": {
                "labels": ["fruit", "tool"],
                "descriptions": {"fruit": "Something to eat.", "tool": "Something to work with."},
            },
        },
    ),
    "a span": (
        [FIRST, alike([]), said(answer("r003", BOB, SPAN, START)), closed(), cold(1)],  # type: ignore[arg-type]
        {"task": {"type": "spans", "labels": ["thing"]}},
    ),
}


@pytest.mark.parametrize("name", GETS_ON)
def test_nothing_is_said_where_nothing_is_wrong(name: str, tmp_path: Path) -> None:
    events, sections = GETS_ON[name]
    assert obstacle(state_of(*events), configured(tmp_path, sections)) is None


def test_a_single_person_and_second_opinions(tmp_path: Path) -> None:
    copies = Batch(
        "b0001",
        1,
        "activelab",
        "m0",
        (BatchItem(PoolId("r000"), 0.5, copy_id=ExternalId("r000#2")),),
    )
    events = [
        *story(1)[1:-3],
        BatchPlanned(START, copies, 0.1),
        BatchPublished(START, "b0001", 0.1),
    ]
    one = [
        replace(event, answers=tuple(replace(each, annotator=ANN) for each in event.answers))
        if isinstance(event, AnswersCollected)
        else event
        for event in events
    ]
    config = settings(tmp_path, strategy={"name": "activelab"})
    found = obstacle(state_of(*one), config)
    assert found is not None
    assert found.kind == "second_opinions"
    assert "1 record waits for the second opinion of another" in found.sentence
    assert "another_person" in found.hint
    assert obstacle(state_of(*events), config) is None
    free = settings(tmp_path, strategy={"name": "activelab"}, relabel={"another_person": False})
    assert obstacle(state_of(*one), free) is None
    gone = AnswersCollected(START, (), deleted=(ExternalId("r000#2"),))
    assert obstacle(state_of(*one, gone), config) is None, "nothing waits for anybody"
    both = replace(copies, items=(*copies.items, BatchItem(PoolId("r010"), 0.4)))
    more_to_do = [*one[:-2], BatchPlanned(START, both, 0.1), one[-1]]
    assert obstacle(state_of(*more_to_do), config) is None, "a new text is open to everybody"


def test_random_draws_alone_teach_nothing(tmp_path: Path) -> None:
    planned, published = FIRST
    assert isinstance(planned, BatchPlanned)
    drawn = tuple(replace(item, draw=True) for item in planned.batch.items)
    batch = replace(planned, batch=replace(planned.batch, items=drawn))
    config = settings(tmp_path, audit={"random_share": 0.5})
    found = obstacle(state_of(batch, published, alike("fruit"), closed()), config)
    assert found is not None
    assert found.kind == "random_draws"
    assert "random draws" in found.sentence


def test_the_log_says_it_once_and_when_it_is_over(tmp_path: Path) -> None:
    config, notes = settings(tmp_path), ObstacleNotes()
    state = state_of(FIRST)
    with structlog.testing.capture_logs() as lines:
        for event in (
            alike("fruit"),
            closed(),
            *cold(1),
            said(answer("r004", ANN, "fruit", START), start=1),
            said(answer("r005", ANN, "fruit", START), start=2),
            said(answer("r006", BOB, "tool", START), start=3),
        ):
            notes.look(state, config)
            notes.look(state, config)
            state = apply(state, event)
            notes.look(state, config)
    assert [line["event"] for line in lines] == ["obstacle", "obstacle", "obstacle_gone"]
    assert [line.get("kind") for line in lines] == ["unanswered", "one_kind", None]
    assert "`fruit`" in lines[1]["says"]
    assert lines[1]["hint"]


def test_status_and_report_and_page_say_the_same(tmp_path: Path) -> None:
    config = tmp_path / "my.yaml"
    config.write_text(
        "run: {dir: run, seed: 1}\ntask: {labels: [fruit, tool]}\npool: {path: pool.csv}\n"
        "queue: {batch_size: 4, low_watermark: 0}\n"
    )
    (tmp_path / "run").mkdir()
    with Journal(tmp_path / "run" / "journal.sqlite") as journal:
        for event in (opening(), *FIRST, alike("fruit"), closed(), *cold(1)):
            journal.append(event)
    runner = CliRunner()
    status = json.loads(runner.invoke(main, ["status", str(config), "--json"]).output)
    assert status["obstacle"]["kind"] == "one_kind"
    sentence = status["obstacle"]["sentence"]
    shown = " ".join(runner.invoke(main, ["status", str(config)]).output.split())
    assert sentence in shown
    assert status["obstacle"]["hint"] in shown
    assert sentence in shown_by_the_page(load_config(config))
    out = tmp_path / "report.html"
    done = runner.invoke(main, ["report", str(config), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert sentence in out.read_text(encoding="utf-8")


def shown_by_the_page(config: Config) -> str:
    seen = overview(read_run(config), config, Pool(()), [], START + 500)
    template = environment().get_template("live_content.html.jinja")
    page = template.render(o=seen, charts={}, measure="accuracy", unmeasured="")
    return unescape(page.replace("<code>", "`").replace("</code>", "`"))


def test_a_new_kind_of_obstacle_has_a_case() -> None:
    """The kinds that the attribute's description lists are those that the tests plant."""
    from loopd.loop.obstacles import Obstacle

    planted = {case[2] for case in CASES.values()} | {"second_opinions", "random_draws"}
    listed = set((Obstacle.__doc__ or "").split("``")[1::2])
    assert planted == listed - {"Attributes"}
