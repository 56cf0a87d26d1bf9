"""Which classifier a round has under `auto`: told by the journal alone, and by nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import loopd
from loopd.config import ClassifierSection, Config
from loopd.config.learning import PACKAGED_MODEL
from loopd.config_file import parse_config
from loopd.data.pool import Pool
from loopd.errors import ConfigError, ModelError
from loopd.evaluation import classifier_choice as rule
from loopd.events import Event, ModelTrained, RoundEvaluated, RunResumed, RunStarted, RunStopped
from loopd.export.last_model import last_model
from loopd.learning.auto_classifiers import AUTO, CHEAP, DEAR, section_of
from loopd.learning.classifiers.source import locate
from loopd.loop import classifier_comparison, classifier_in_use
from loopd.loop.classifier_in_use import OF, classifier_of, labels_compared
from loopd.loop.start_or_resume import first_event, started
from loopd.loop.steps import STEPS
from loopd.loop.stop import Stop, interrupt_of
from loopd.loop.tools import build_learner
from loopd.machine import Phase, apply, fold
from loopd.metrics_log import writer
from loopd.overview.overview import overview
from loopd.overview.terminal import Look, status_text
from loopd.storage.codec import decode, encode
from tests.loop.conftest import Bench, MakeBench, gold

pytestmark = pytest.mark.whatever_the_store

OPTIONS = {DEAR: {"epochs": 1, "min_steps": 2}, CHEAP: {"c": 5.0}}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an encoder that is quick, and knows nothing."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    folder = tmp_path_factory.mktemp("encoder")
    sizes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    BertModel(BertConfig(num_attention_heads=2, **sizes)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(locate(PACKAGED_MODEL)).save_pretrained(folder)
    return folder


@pytest.fixture
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few texts are enough, and any lead is tolerated: the cheap one takes over at once."""
    monkeypatch.setattr(rule, "LEAST", 6)
    monkeypatch.setattr(rule, "TOLERATED", 2.0)


def run(bench: Bench) -> list[Event]:
    def answer() -> None:
        for record_id in bench.people.open_records("ann"):
            bench.people.submit(record_id, "ann", gold(bench.tools.data.pool, record_id))

    bench.run_until(lambda _: False, answer)
    return bench.events


def begun(make_bench: MakeBench, encoder: Path, **sections: Any) -> Bench:
    classifier = {"name": "auto", "model": str(encoder), "threads": 1, "options": OPTIONS}
    return make_bench(
        30, stopping={"max_rounds": 4}, classifier=classifier, **{"audit": {"folds": 2}, **sections}
    )


@pytest.mark.usefixtures("_eager")
def test_a_run_that_switches(make_bench: MakeBench, encoder: Path) -> None:
    bench = begun(make_bench, encoder)
    events = run(bench)
    trained = [event for event in events if isinstance(event, ModelTrained)]
    evaluated = [event for event in events if isinstance(event, RoundEvaluated)]
    compared = [event.classifiers for event in evaluated]
    assert [bool(figures) for figures in compared] == [False, True, True, False]  # 6, 12, 18, 24
    assert [figures["next"] for figures in compared[1:3]] == [DEAR, CHEAP]
    assert [event.classifier for event in trained] == [DEAR, DEAR, DEAR, CHEAP]
    assert_figures_add_up(compared[1])
    assert_a_reader_gets_the_same(events)
    assert_each_model_is_told_by_the_journal(bench, events)
    assert_a_killed_process_decides_alike(bench, events)
    assert_people_are_told(bench, events)
    assert_others_begin_anew(bench, events)
    rows = writer.rows(fold(events))
    assert [row["classifier"] for row in rows] == [DEAR, DEAR, DEAR, CHEAP]
    assert "contest.texts" in rows[1]
    assert "contest.texts" not in rows[3]


def assert_figures_add_up(figures: Any) -> None:
    assert figures["by"] == "cross-validation"
    assert figures["labels"] == figures["texts"] == 12
    both = figures[f"right.{DEAR}"] - figures[f"only.{DEAR}"]
    assert both == figures[f"right.{CHEAP}"] - figures[f"only.{CHEAP}"] >= 0


def assert_a_reader_gets_the_same(events: list[Event]) -> None:
    for event in events:
        assert decode(*encode(event)) == event


def assert_each_model_is_told_by_the_journal(bench: Bench, events: list[Event]) -> None:
    for index, event in enumerate(events):
        if isinstance(event, ModelTrained):
            assert classifier_of(fold(events[:index]), bench.tools) == event.classifier
            assert classifier_of(fold(events[: index + 1]), bench.tools) == event.classifier
            tools = bench.tools.having(event.classifier)
            assert tools.learner is bench.tools.learner.contenders[event.classifier]
            assert bench.tools.having(event.classifier) is tools
            labels = bench.tools.resolver.consensus(fold(events[:index]), bench.tools).targets
            assert event.model_id == tools.learner.model_id(event.round, labels)
            used = event.classifier
        if isinstance(event, RoundEvaluated):  # which one follows concerns later rounds alone
            assert classifier_of(fold(events[: index + 1]), bench.tools) == used


def assert_a_killed_process_decides_alike(bench: Bench, events: list[Event]) -> None:
    """Another process, with an empty cache, trains and measures each round alike."""
    config = bench.tools.config
    shutil.rmtree(config.run.dir / "cache", ignore_errors=True)
    learner = build_learner(config, bench.tools.data.pool, interrupt=interrupt_of(Stop()))
    tools = replace(bench.tools, learner=learner)
    for last in (i for i, event in enumerate(events) if isinstance(event, ModelTrained)):
        state = fold(events[:last])
        for expected in events[last : last + 2]:
            again = STEPS[state.phase](state, tools)
            assert again is not None
            assert plain(again) == plain(expected)
            state = apply(state, again)
        trained = next(event for event in events[last:] if isinstance(event, ModelTrained))
        exported = last_model(events, trained, tools.having(trained.classifier))
        assert exported.id == trained.model_id


def assert_people_are_told(bench: Bench, events: list[Event]) -> None:
    def seen(some: list[Event]) -> str:
        state = fold(some)
        shown = overview(state, bench.tools.config, Pool(()), writer.rows(state), 2000.0)
        assert shown.contest in status_text(shown, ALIVE, Look(width=400)).replace("\n", " ")
        return shown.contest

    assert seen(events[:2]).startswith(f"`auto` uses {DEAR}: it has not been compared")
    assert seen(events).startswith(f"`auto` uses {CHEAP}: of 18 labelled texts that neither had")


def assert_others_begin_anew(bench: Bench, events: list[Event]) -> None:
    """What the comparisons say of one encoder is not said of another, and not forgotten."""
    journal = events[: max(i for i, each in enumerate(events) if isinstance(each, RoundEvaluated))]

    def resumed(config: Config) -> tuple[str, int]:
        tools = replace(bench.tools, config=config)
        event = first_event(fold(journal), tools, "dataset")
        assert isinstance(event, RunResumed)
        journal.append(decode(*encode(event)))
        state = fold(journal)
        assert first_event(state, tools, "dataset") is None
        return classifier_of(state, tools), labels_compared(state)

    own = bench.tools.config
    assert (classifier_of(fold(journal), bench.tools), labels_compared(fold(journal))) == (
        CHEAP,
        18,
    )
    options = {**OPTIONS, CHEAP: {"c": 7.0}}
    others = (
        {"classifier": own.classifier.model_copy(update={"model": PACKAGED_MODEL})},
        {"classifier": own.classifier.model_copy(update={"options": options})},
        {"task": own.task.model_copy(update={"descriptions": {"tool": ("what one holds",)}})},
    )
    for other in others:
        assert resumed(own.model_copy(update=other)) == (DEAR, 0)
    longer = own.stopping.model_copy(update={"max_rounds": 9})
    assert resumed(own.model_copy(update={"stopping": longer})) == (CHEAP, 18)
    older = [before_digests(each) for each in journal[: -len(others) - 1]]
    assert (classifier_of(fold(older), bench.tools), labels_compared(fold(older))) == (CHEAP, 18)
    changed = RunResumed(1.0, "other", "the configuration changed", fold(journal).contenders)
    assert labels_compared(fold([*older, changed])) == 0, "it may have been another encoder"
    assert labels_compared(fold([*older, replace(changed, contenders="")])) == 0


def before_digests(event: Event) -> Event:
    """As an older journal has it, which does not say what was compared."""
    if isinstance(event, RunStarted):
        return replace(event, contenders="")
    if isinstance(event, RoundEvaluated):
        figures = {key: value for key, value in event.classifiers.items() if key != OF}
        return replace(event, classifiers=figures)
    return event


def test_an_encoder_that_changes_in_its_folder_is_another(
    make_bench: MakeBench, encoder: Path, tmp_path: Path
) -> None:
    own = shutil.copytree(encoder, tmp_path / "own")
    tools = begun(make_bench, own).tools
    state = fold([started(tools, "dataset")])
    assert first_event(state, tools, "dataset") is None
    (own / "config.json").write_text((own / "config.json").read_text() + "\n")
    event = first_event(state, tools, "dataset")
    assert isinstance(event, RunResumed)
    assert event.contenders not in ("", state.contenders)
    ended = fold([started(tools, "dataset"), RunStopped(2.0, "label_budget")])
    assert first_event(replace(ended, contenders="another"), tools, "dataset") is None


ALIVE = {"run_dir": "run", "daemon": None, "seen": None, "discarded": 0}


def plain(event: Event) -> Event:
    """An event without what a clock says."""
    if isinstance(event, ModelTrained):
        return replace(event, at=0.0, seconds=0.0)
    assert isinstance(event, RoundEvaluated)
    return replace(event, at=0.0, seconds=0.0, scoring_seconds=0.0)


def test_a_run_with_a_named_classifier_says_nothing_of_it(make_bench: MakeBench) -> None:
    bench = make_bench()
    events = run(bench)
    for event in events:
        if isinstance(event, ModelTrained):
            assert event.classifier == ""
        if isinstance(event, RoundEvaluated):
            assert event.classifiers == {}
    assert bench.tools.having(CHEAP) is bench.tools
    assert classifier_of(bench.state, bench.tools) == ""


def test_an_older_journal_is_one_of_a_named_classifier() -> None:
    event = ModelTrained(1.0, 0, "m", 3, 0, {}, 1.0)
    name, text = encode(event)
    assert decode(name, text.replace(',"classifier":""', "")) == event


def test_a_comparison_of_the_round_itself_decides_about_later_ones(
    make_bench: MakeBench, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = begun(make_bench, encoder)
    monkeypatch.setattr(classifier_in_use, "_in_use", lambda state: CHEAP)
    events = run(bench)
    trained = [event for event in events if isinstance(event, ModelTrained)]
    assert {event.classifier for event in trained} == {CHEAP}
    assert labels_compared(fold(events)) == 0  # never so many labels that it is due
    assert bench.state.phase is Phase.DONE


@pytest.mark.usefixtures("_eager")
def test_random_draws_compare_them_where_there_are_enough(
    make_bench: MakeBench, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier_comparison, "ENOUGH_DRAWS", 5)
    bench = begun(make_bench, encoder, audit={"random_share": 0.5, "folds": 0})
    events = run(bench)
    compared = [
        event.classifiers
        for event in events
        if isinstance(event, RoundEvaluated) and event.classifiers
    ]
    draws = [figures for figures in compared if figures["by"] == "draws"]
    assert draws
    for figures in draws:
        texts = figures["texts"]
        assert isinstance(texts, int)
        assert texts >= 5
        assert figures["labels"] == texts  # half of the labels are draws


@pytest.mark.usefixtures("_eager")
def test_a_test_set_that_people_label_never_compares_them(
    make_bench: MakeBench, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier_comparison, "ENOUGH_DRAWS", 1)
    classifier = {"name": "auto", "model": str(encoder), "threads": 1, "options": OPTIONS}
    sections: Any = {"audit": {"folds": 2}, "test": {"ask": 20}, "stopping": {"max_rounds": 6}}
    events = run(make_bench(80, classifier=classifier, **sections))
    compared = [event.classifiers for event in events if isinstance(event, RoundEvaluated)]
    assert {figures["by"] for figures in compared if figures} == {"cross-validation"}


@pytest.mark.usefixtures("_eager")
def test_draws_that_train_do_not_compare_them(
    make_bench: MakeBench, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier_comparison, "ENOUGH_DRAWS", 1)
    bench = begun(make_bench, encoder, audit={"random_share": 0.5, "folds": 2})
    run(bench)
    state = bench.state
    drawn = set(state.draws)
    everything = dict(bench.tools.resolver.consensus(state, bench.tools).targets)
    assert drawn & everything.keys()
    evaluated = {number: replace(each, classifiers={}) for number, each in state.evaluated.items()}
    later = replace(state, evaluated=evaluated)
    figures = classifier_comparison.compared(later, everything, bench.tools)
    assert figures["by"] == "cross-validation"


@pytest.mark.parametrize("kind", ["spans", "multi_label"])
def test_one_label_for_each_text_is_what_it_is_for(kind: str, tmp_path: Path) -> None:
    content = {
        "task": {"type": kind, "labels": ["a", "b"]},
        "pool": {"path": "pool.csv"},
        "classifier": {"name": AUTO},
    }
    with pytest.raises(ConfigError, match=r"classifier\.name: auto needs a single_label task"):
        parse_config(content, tmp_path)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"transfomer": {}}, "`transformer`"),
        ({"epochs": 3}, "epochs"),
        ({DEAR: 3}, DEAR),
        ({CHEAP: ["c"]}, CHEAP),
    ],
)
def test_options_that_belong_to_neither_are_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ModelError, match=named):
        section_of(
            ClassifierSection(name=AUTO, options=options), DEAR if DEAR in options else CHEAP
        )


def test_a_classifier_has_its_own_options_and_all_else_that_is_set() -> None:
    section = ClassifierSection(name=AUTO, max_tokens=99, options={CHEAP: {"c": 3.0}})
    own = section_of(section, CHEAP)
    assert (own.name, own.options, own.max_tokens) == (CHEAP, {"c": 3.0}, 99)
    assert section_of(section, DEAR).options == {}


def test_a_program_that_has_no_rounds_names_one() -> None:
    with pytest.raises(ConfigError, match="auto"):
        loopd.Learner(["a", "b"], ["x", "y"], classifier=AUTO)
