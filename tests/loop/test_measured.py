"""A run without a test set is measured all the same: by cross-validation, then by random draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from loopd.config.audit import USUAL_FOLDS, USUAL_SHARE
from loopd.config_file import parse_config
from loopd.data.pool import Pool
from loopd.events import RoundEvaluated, RunStarted
from loopd.loop.audit_draws import set_aside
from loopd.loop.audit_in_force import folds_in_force, in_force, with_share
from loopd.loop.start_or_resume import begin
from loopd.loop.steps import STEPS
from loopd.machine import Phase, State, fold
from loopd.metrics_log import writer as metrics_log
from loopd.metrics_log.measured import CROSS, DRAWS, ENOUGH, measured, measured_in
from loopd.operations.rebuild import Rebuilt
from loopd.operations.recover import _as_begun, recovered
from loopd.records import Batch, BatchItem, ExternalId, PoolId, Record, text_of
from loopd.storage.codec import decode, encode
from tests.loop.conftest import LABELS, Bench, MakeBench, gold

pytestmark = pytest.mark.whatever_the_store

OPEN: dict[str, Any] = {"audit": {"random_share": USUAL_SHARE}, "queue": {"batch_size": 10}}


def untested(bench: Bench) -> Bench:
    bench.tools.__dict__["data"] = replace(bench.tools.data, test=None)
    return bench


def labelling(bench: Bench) -> Callable[[], None]:
    pool = bench.tools.data.pool

    def act() -> None:
        for id_ in bench.people.open_records("ann"):
            bench.people.submit(id_, "ann", gold(pool, id_))

    return act


def finished(bench: Bench, act: Callable[[], None] | None = None) -> State:
    return bench.run_until(lambda state: state.phase is Phase.DONE, act or labelling(bench))


def sources(state: State) -> list[str]:
    rounds = (measured_in(state.evaluated[number]) for number in sorted(state.evaluated))
    return [one.source for one in rounds if one is not None]


@pytest.mark.parametrize("place", ["memory"])
def test_cross_validation_measures_until_there_are_enough_draws(make_bench: MakeBench) -> None:
    bench = untested(make_bench(200, **{**OPEN, "stopping": {"max_rounds": 12}}))
    state = finished(bench)
    rows = metrics_log.rows(state)
    assert [row["measured_by"] for row in rows] == sources(state)
    for row in rows:
        enough = int(str(row["audit.draws"])) >= ENOUGH
        assert row["measured_by"] == (DRAWS if enough else CROSS)
        assert ("cross.accuracy" in row) is not enough  # none costs a training that no view shows
        assert row["measured_on"] == (row["audit.draws"] if enough else row["cross.texts"])
        low, value, high = (float(str(row[f"measured{end}"])) for end in ("_low", "", "_high"))
        assert 0 <= low <= value <= high <= 1
    assert set(sources(state)) == {DRAWS, CROSS}
    assert fold(decode(*encode(event)) for event in bench.events) == state


@pytest.mark.parametrize("place", ["memory"])
def test_draws_have_no_part_in_a_cross_validation(make_bench: MakeBench) -> None:
    bench = untested(make_bench(100, **OPEN))
    state = finished(bench)
    for number, event in state.evaluated.items():
        trained = state.trained[number]
        assert event.metrics["cross.texts"] == trained.labels - trained.held_out
        assert trained.held_out > 0


@pytest.mark.parametrize("place", ["memory"])
def test_it_is_repeated_alike(make_bench: MakeBench) -> None:
    bench = untested(make_bench(100, **OPEN))
    bench.run_until(lambda state: state.phase is Phase.DECIDE, labelling(bench))
    before, last = fold(bench.events[:-1]), bench.events[-1]
    again = STEPS[Phase.EVALUATE](before, bench.tools)
    assert isinstance(last, RoundEvaluated)
    assert isinstance(again, RoundEvaluated)
    assert again.metrics == last.metrics
    assert "cross.accuracy" in last.metrics


@pytest.mark.parametrize("place", ["memory"])
def test_measuring_changes_no_batch(make_bench: MakeBench) -> None:
    batches = []
    for folds in (5, 0):
        audit = {"random_share": 0.0, "folds": folds}
        bench = untested(make_bench(100, **{**OPEN, "audit": audit}))
        state = finished(bench)
        batches.append([batch.record_ids for batch in state.batches])
        assert bool(sources(state)) is bool(folds)
    assert batches[0] == batches[1]


@pytest.mark.parametrize("place", ["memory"])
def test_a_target_is_met_by_draws_alone(make_bench: MakeBench) -> None:
    stopping = {"target_accuracy": 0.5, "patience": 2, "max_rounds": 40}
    audit = {"random_share": 0.4, "folds": 0}
    bench = untested(make_bench(300, **{**OPEN, "audit": audit, "stopping": stopping}))
    state = finished(bench)
    assert state.stopped is not None
    assert state.stopped.reason == "target_accuracy"
    last_two = [measured_in(state.evaluated[number]) for number in sorted(state.evaluated)[-2:]]
    assert all(one is not None and one.source == DRAWS and one.is_reliable for one in last_two)
    said = [state.evaluated[number].stopping for number in sorted(state.evaluated)]
    early = [one["target_accuracy"] for one in said[:-2] if "target_accuracy" in one]
    assert early  # a few draws are shown, and meet no target
    assert not any(one["stop"] for one in early)


def _answers_for_topics(bench: Bench) -> Callable[[], None]:
    pool = bench.tools.data.pool

    def act() -> None:
        for id_ in bench.people.open_records("ann"):
            bench.people.submit(id_, "ann", [gold(pool, id_)])

    return act


@pytest.mark.parametrize("place", ["memory"])
@pytest.mark.slow
def test_several_labels_are_measured_by_their_own_measure(make_bench: MakeBench) -> None:
    task = {"type": "multi_label", "labels": list(LABELS)}
    limits = {"stopping": {"max_rounds": 11}}
    bench = untested(make_bench(200, task=task, **{**OPEN, **limits}))
    state = finished(bench, _answers_for_topics(bench))
    rounds = [measured_in(event) for event in state.evaluated.values()]
    assert {one.metric for one in rounds if one is not None} == {"micro_f1"}
    assert set(sources(state)) == {DRAWS, CROSS}


def _hardly_anything(bench: Bench) -> Callable[[], None]:
    """People answer that texts have no label, but for one of each label."""
    different = set(LABELS)

    def act() -> None:
        for id_ in bench.people.open_records("ann"):
            label = gold(bench.tools.data.pool, id_)
            if label in different and not is_draw(bench.state, id_):
                different.remove(label)
                bench.people.submit(id_, "ann", [label])
            else:
                bench.people.submit(id_, "ann", ["none"])

    return act


def is_draw(state: State, external_id: str) -> bool:
    return state.originals[ExternalId(external_id)] in state.draws


TOPICS = {"type": "multi_label", "labels": list(LABELS), "none_label": "none"}


@pytest.mark.parametrize("place", ["memory"])
def test_a_test_set_in_which_nothing_is_marked_tells_no_f1(make_bench: MakeBench) -> None:
    bench = make_bench(60, task=TOPICS, queue={"batch_size": 12}, stopping={"max_rounds": 1})
    blank = Pool(tuple(Record(PoolId(f"t{n}"), f"nothing of it {n}", ()) for n in range(20)))
    bench.tools.__dict__["data"] = replace(bench.tools.data, test=blank)
    state = finished(bench, _hardly_anything(bench))
    event = state.evaluated[0]
    names = ("micro_f1", "micro_f1_low", "micro_f1_high", "macro_f1")
    assert [event.metrics[name] for name in names] == [None] * 4
    assert (event.metrics["metric"], event.metrics["test_size"]) == ("micro_f1", 20)
    assert measured_in(event) is None
    assert event.confusion == ()


@pytest.mark.parametrize("place", ["memory"])
def test_draws_in_which_nothing_is_marked_tell_no_f1(make_bench: MakeBench) -> None:
    audit = {"random_share": 0.5, "folds": 0}
    limits: dict[str, Any] = {"queue": {"batch_size": 12}, "stopping": {"max_rounds": 1}}
    bench = untested(make_bench(60, task=TOPICS, audit=audit, **limits))
    state = finished(bench, _hardly_anything(bench))
    event = state.evaluated[0]
    assert event.audit["audit.draws"] == 6
    assert event.audit["audit.accuracy"] == 1.0
    assert not [name for name in event.audit if "f1" in name]
    assert measured_in(event) is None
    assert sources(state) == []


# -- the share of draws ----------------------------------------------------------------------------

SECTIONS: dict[str, Any] = {"task": {"labels": ["a", "b"]}, "pool": {"path": "x.csv"}}
TEST = {"test": {"path": "t.csv", "label": "l"}}


def began(share: float, digest: str = "d", folds: int | None = None) -> State:
    return fold([RunStarted(0.0, digest, 1, ("a", "b"), "p", "", "set", {}, share, folds)])


@pytest.mark.parametrize(
    ("sections", "state", "share"),
    [
        ({}, State(), USUAL_SHARE),
        (TEST, State(), 0.0),
        ({"audit": {"random_share": 0.0}}, State(), 0.0),
        ({"audit": {"random_share": 0.35}}, State(), 0.35),
        ({**TEST, "audit": {"random_share": 0.35}}, State(), 0.35),
        ({}, began(0.0), 0.0),
        ({}, began(USUAL_SHARE), USUAL_SHARE),
        ({}, began(0.1), 0.1),
        ({"audit": {"random_share": 0.0}}, began(USUAL_SHARE), 0.0),
    ],
)
def test_the_share_in_force(
    sections: dict[str, Any], state: State, share: float, tmp_path: Any
) -> None:
    config = in_force(parse_config({**SECTIONS, **sections}, tmp_path), state)
    assert config.audit.random_share == share
    assert in_force(config, State()) == config
    assert config.folder == tmp_path


def test_a_run_of_an_earlier_version_keeps_share_and_digest(tmp_path: Any) -> None:
    config = parse_config(SECTIONS, tmp_path)
    old = decode(
        "RunStarted",
        '{"at":0,"config_digest":"fbe4e50ab6f9","seed":42,"labels":["a","b"],'
        '"pool_fingerprint":"p","test_fingerprint":"","dataset_id":"s","versions":{}}',
    )
    assert isinstance(old, RunStarted)
    state = fold([old])
    resolved = in_force(config, state)
    assert resolved.audit.share == 0.0
    assert resolved.digest() == config.digest() == old.config_digest


def test_forty_draws_come_with_the_first_two_hundred_labels(tmp_path: Any) -> None:
    config = in_force(parse_config(SECTIONS, tmp_path), State())
    assert config.audit.share * 200 == 40
    assert config.digest() != with_share(config, 0.0).digest()
    said = parse_config({**SECTIONS, "audit": {"random_share": USUAL_SHARE}}, tmp_path)
    assert said.digest() == config.digest()


@pytest.mark.parametrize("place", ["memory"])
def test_the_journal_says_with_which_share_a_run_began(make_bench: MakeBench) -> None:
    bench = make_bench(60, test=None)
    config = in_force(bench.tools.config, State())
    tools = replace(bench.tools, config=config, data=replace(bench.tools.data, test=None))
    first = begin(State(), tools, bench.dataset_id)
    assert isinstance(first, RunStarted)
    assert first.random_share == USUAL_SHARE
    aside = set_aside(tools.data.pool, USUAL_SHARE, config.run.seed)
    assert tools.aside(State()) == aside != ()
    state = fold([first])
    assert in_force(bench.tools.config, state).digest() == first.config_digest


# -- the choice of the source ----------------------------------------------------------------------


@pytest.mark.parametrize("draws", [0, 4, 5, 19, 20, 300])
@pytest.mark.parametrize("tested", [False, True])
@pytest.mark.parametrize("crossed", [False, True])
@pytest.mark.parametrize("metric", ["accuracy", "micro_f1", "f1"])
def test_one_source_is_taken(draws: int, tested: bool, crossed: bool, metric: str) -> None:
    figures: dict[str, Any] = {"metric": metric, "audit.draws": draws}
    figures |= {f"audit.{metric}": 0.5} if draws >= 5 else {f"audit.{metric}": None}
    figures |= {metric: 0.9, "test_size": 7} if tested else {}
    figures |= {f"cross.{metric}": 0.3, "cross.texts": 44} if crossed else {}
    one = measured(figures)
    if tested:
        expected: tuple[Any, ...] | None = ("test", 0.9, 7)
    elif draws >= ENOUGH or (draws >= 5 and not crossed):
        expected = (DRAWS, 0.5, draws)
    else:
        expected = (CROSS, 0.3, 44) if crossed else None
    assert (one and (one.source, one.value, one.count)) == expected
    if one is not None:
        assert one.metric == metric
        assert measured({**figures, **one.row()}) == one


@pytest.mark.parametrize(
    ("audit", "begun", "folds"),
    [
        ({}, None, USUAL_FOLDS),
        ({}, began(0.0), 0),  # of a version that had no cross-validation: its rounds stay quick
        ({}, began(0.2), USUAL_FOLDS),
        ({"folds": 3}, began(0.0), 3),
        ({"folds": 0}, began(0.2), 0),
        ({}, began(0.0, folds=5), 5),
        ({}, began(0.0, folds=0), 0),
    ],
)
def test_a_run_keeps_the_folds_it_began_with(
    audit: dict[str, Any], begun: State | None, folds: int, tmp_path: Any
) -> None:
    config = parse_config({**SECTIONS, "audit": audit}, tmp_path)
    assert folds_in_force(config, begun or State()) == folds
    spelled = parse_config({**SECTIONS, "audit": {"folds": USUAL_FOLDS}}, tmp_path)
    assert spelled.digest() == parse_config(SECTIONS, tmp_path).digest()


@pytest.mark.parametrize("place", ["memory"])
def test_an_older_run_is_not_slowed_down(make_bench: MakeBench) -> None:
    bench = untested(make_bench(60, audit={"random_share": 0.0}))
    begun = bench.events[0]
    assert isinstance(begun, RunStarted)
    assert begun.folds == USUAL_FOLDS
    bench.state = fold([replace(begun, folds=None)])
    assert sources(finished(bench)) == []


@pytest.mark.parametrize("out", [1, 4, 5])
@pytest.mark.parametrize("tested", [False, True])
def test_of_so_few_records_none_need_be_a_draw(out: int, tested: bool, tmp_path: Any) -> None:
    items = tuple(BatchItem(text_of(ExternalId(f"r{number}"))) for number in range(out))
    rebuilt = Rebuilt((Batch("b0000", 0, "margin", None, items),), (None,), ())
    config = parse_config({**SECTIONS, **(TEST if tested else {})}, tmp_path)
    begun = _as_begun(config, rebuilt)
    assert begun.audit.random_share == (USUAL_SHARE if out < 5 and not tested else 0.0)


@pytest.mark.parametrize("place", ["memory"])
@pytest.mark.parametrize("size", [3, 12])
def test_a_run_that_is_lost_early_goes_on_with_its_draws(size: int, make_bench: MakeBench) -> None:
    bench = untested(make_bench(60, test=None, queue={"batch_size": size}, guests=False))
    config = in_force(bench.tools.config, State())
    bench.tools.__dict__["config"] = config
    bench.state, bench.events = State(), []
    first = begin(bench.state, bench.tools, bench.dataset_id)
    assert first is not None
    bench.state = bench.loop.record(bench.state, first)
    bench.run_until(lambda state: state.phase is Phase.COLLECT, lambda: None)
    open_share = config.audit.model_copy(update={"random_share": None})
    lost = replace(bench.tools, config=config.model_copy(update={"audit": open_share}))
    rebuilt = recovered(lost, bench.tools.store.published(bench.tools.data.pool))
    begun = rebuilt.state.started
    assert begun is not None
    assert (begun.random_share, begun.folds) == (USUAL_SHARE, USUAL_FOLDS)


@pytest.mark.parametrize("drew", [False, True])
@pytest.mark.parametrize("configured", [None, 0.0, 0.35])
def test_a_recovered_run_has_the_share_that_argilla_shows(
    configured: float | None, drew: bool, tmp_path: Any
) -> None:
    others = (BatchItem(text_of(ExternalId(f"r{number}"))) for number in range(5))
    items = (*others, BatchItem(text_of(ExternalId("r9")), draw=drew))
    rebuilt = Rebuilt((Batch("b0000", 0, "margin", None, items),), (None,), ())
    config = parse_config({**SECTIONS, "audit": {"random_share": configured}}, tmp_path)
    share = _as_begun(config, rebuilt).audit.random_share
    assert share == (configured if configured is not None else USUAL_SHARE if drew else 0.0)
