"""Why each record is asked: on every batch, with the numbers of the model that proposes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from loopd.annotation import record_schema
from loopd.learning.batch_choice import BatchChoice
from loopd.learning.strategies.catalogue import STRATEGIES
from loopd.loop import reasons
from loopd.machine import State, fold
from loopd.overview.open_records import open_records
from loopd.records import Batch, BatchItem, PoolId, Span, Suggestion
from loopd.storage.codec import decode, encode
from tests.loop.conftest import Bench, MakeBench, gold

pytestmark = pytest.mark.whatever_the_store

USABLE = [
    name for name, entry in STRATEGIES.items()
    if "single_label" in entry.kinds and not {"dropout", "hnswlib"} & set(entry.needs)
    and name != "activelab"
]  # fmt: skip


@pytest.fixture
def place() -> str:
    return "memory"


def answer_all(bench: Bench) -> None:
    for record_id in bench.people.open_records("ann"):
        bench.people.submit(record_id, "ann", gold(bench.tools.data.pool, record_id))


def played(bench: Bench, rounds: int = 3) -> State:
    return bench.run_until(lambda state: len(state.batches) >= rounds, lambda: answer_all(bench))


@pytest.mark.parametrize("name", USABLE)
def test_every_record_says_why_by_the_strategy_s_own_words(
    make_bench: MakeBench, name: str
) -> None:
    bench = make_bench(strategy={"name": name})
    for batch in played(bench).batches[1:]:
        entry = STRATEGIES[batch.strategy.rpartition("/")[2]]
        for item in batch.items:
            assert item.reason.startswith(entry.reason)
            if "likeliest" in entry.numbers:
                assert item.suggestion is not None
                top = re.search(rf"{item.suggestion.value} (\d+) %, ", item.reason)
                assert top is not None, item.reason
                assert int(top[1]) == round(100 * float(item.suggestion.score))  # type: ignore[arg-type]
            elif entry.numbers:
                assert re.search(r": \d+ % of the 20 most similar texts", item.reason)


@pytest.mark.parametrize("name", ["facility_location", "typiclust", "random_sampling"])
def test_the_first_batch_says_why_too(make_bench: MakeBench, name: str) -> None:
    bench = make_bench(strategy={"name": "auto", "cold_start": name})
    first = played(bench, 1).batches[0]
    assert all(item.reason.startswith(STRATEGIES[name].reason) for item in first.items)
    if name != "random_sampling":
        assert all("100 % of the 20 most similar" in item.reason for item in first.items)


def test_a_share_counts_the_labels_among_the_nearest(make_bench: MakeBench) -> None:
    bench = make_bench(strategy={"name": "typiclust"})
    state = played(bench, 2)
    learner, pool = bench.tools.learner, bench.tools.data.pool
    ids = [record.id for record in pool]
    labelled = set(state.batches[0].record_ids)
    vectors = learner.vectors(ids)
    assert vectors is not None
    for item in state.batches[1].items:
        own = pool.positions[item.record_id]
        closeness = vectors @ vectors[own]
        closeness[own] = -np.inf
        nearest = np.argsort(-closeness, kind="stable")[:20]
        border = closeness[nearest[-1]]
        sure = [ids[row] for row in nearest if closeness[row] > border]
        least = sum(id_ not in labelled for id_ in sure)
        shown = re.search(r": (\d+) %", item.reason)
        assert shown is not None
        count = round(int(shown[1]) / 5)
        assert least <= count <= least + 20 - len(sure)


def test_in_a_large_pool_the_most_similar_ones_are_looked_for_among_a_part(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third text of this pool; one that is not among them is like others all the same."""
    monkeypatch.setattr(reasons, "LOOKED_AT", 20)
    monkeypatch.setattr(reasons, "SIMILAR", 4)
    tools = make_bench(60).tools
    ids = [record.id for record in tools.data.pool]
    vectors = tools.learner.vectors(ids)
    assert vectors is not None
    choice = BatchChoice(tuple(map(BatchItem, ids)), "typiclust")
    labelled = set(ids[::9])
    explained = reasons.explained(choice, tools, None, labelled)
    looked_at = np.arange(0, 60, 3)
    for position, item in enumerate(explained.items):
        others = looked_at[looked_at != position]
        closeness = vectors[others] @ vectors[position]
        border = np.sort(closeness)[-4]
        is_open = np.array([ids[row] not in labelled for row in others])
        least = int(is_open[closeness > border + 1e-6].sum())
        most = min(4, int(is_open[closeness > border - 1e-6].sum()))
        shown = re.search(r": (\d+) % of the 4 most similar texts are unlabelled$", item.reason)
        assert shown is not None, item.reason
        assert least <= int(shown[1]) / 25 <= most


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning:sklearn")
def test_of_a_text_that_is_alone_no_share_of_similar_ones_is_told(make_bench: MakeBench) -> None:
    bench = make_bench(1, strategy={"name": "auto", "cold_start": "facility_location"})
    (item,) = played(bench, 1).batches[0].items
    assert item.reason == STRATEGIES["facility_location"].reason


def test_where_no_spans_are_proposed_none_are_told(make_bench: MakeBench) -> None:
    marked = Suggestion((Span(0, 3, "fruit"), Span(5, 8, "tool")), (0.9, 0.4))
    items = (
        BatchItem(PoolId("r000"), suggestion=marked),
        BatchItem(PoolId("r001")),
        BatchItem(PoolId("r002"), suggestion=Suggestion((), ())),
    )
    model: Any = "a model"
    choice = BatchChoice(items, "token_entropy")
    explained = reasons.explained(choice, make_bench().tools, model, ())
    words = STRATEGIES["token_entropy"].reason
    assert [item.reason for item in explained.items] == [
        f"{words}: the least sure of its 2 spans has 40 %",
        words,
        f"{words}: the model marks nothing",
    ]


def test_random_draws_do_not_say_why(make_bench: MakeBench) -> None:
    bench = make_bench(audit={"random_share": 0.3})
    items = [item for batch in played(bench).batches for item in batch.items]
    assert {bool(item.reason) for item in items if item.draw} == {False}
    assert {bool(item.reason) for item in items if not item.draw} == {True}


def test_what_waits_is_ranked_anew_with_score_proposal_and_reason_of_one_model(
    make_bench: MakeBench,
) -> None:
    bench = make_bench(queue={"batch_size": 6, "low_watermark": 3, "refresh": True})
    refreshed: list[BatchItem] = []

    def answer_some() -> None:
        for record_id in bench.people.open_records("ann")[:3]:
            bench.people.submit(record_id, "ann", gold(bench.tools.data.pool, record_id))

    state = bench.run_until(lambda state: len(state.batches) >= 4, answer_some)
    for planned in state.planned.values():
        for batch in planned.refreshed:
            assert batch.model_id == planned.batch.model_id
            refreshed += batch.items
    assert refreshed
    for item in refreshed:
        assert item.suggestion is not None
        assert isinstance(item.suggestion.score, float)
        assert item.score == pytest.approx(1 - item.suggestion.score)
        shown = f"{item.suggestion.value} {100 * item.suggestion.score:.0f} %"
        assert item.reason.startswith(f"ranked anew: the model is unsure of its proposal: {shown}")


def test_a_copy_asks_for_a_second_opinion(make_bench: MakeBench) -> None:
    pytest.importorskip("cleanlab")
    bench = make_bench(size=24, strategy={"name": "activelab"}, stopping={"max_rounds": 6})

    def answer_badly() -> None:
        for number, record_id in enumerate(bench.people.open_records("ann")):
            original = record_id.partition("#")[0]
            right = gold(bench.tools.data.pool, original)
            bench.people.submit(record_id, "ann", "fruit" if number % 3 == 0 else right)

    state = bench.run_until(lambda state: state.round > 5, answer_badly)
    items = [item for batch in state.batches for item in batch.items]
    copies = [item for item in items if item.copy_id is not None]
    assert {item.reason for item in copies} <= {"asks for a second opinion"}
    assert all(item.reason for item in items)


# -- where it is seen ------------------------------------------------------------------------------


def test_the_page_shows_it_and_old_journals_have_words(make_bench: MakeBench) -> None:
    bench = make_bench(strategy={"name": "auto"})
    state = played(bench, 2)
    pool = bench.tools.data.pool
    shown = open_records(state, pool, frozenset(state.batches[1].external_ids))
    assert [each.why for each in shown] == [item.reason for item in state.batches[1].items]
    assert all(re.search(r"\d+ %, \w+ \d+ %", each.why) for each in shown)
    old = fold([_without_reasons(event) for event in bench.events])
    again = open_records(old, pool, frozenset(old.batches[1].external_ids))
    assert {each.why for each in again} == {"unsure, and typical of other unsure texts"}


def _without_reasons(event: Any) -> Any:
    """An event as a version wrote it that kept no reasons."""
    name, payload = encode(event)
    return decode(name, re.sub(r',"reason":"[^"]*"(,"test":false)?(?=})', "", payload))


def test_argilla_shows_it_to_those_who_manage_and_to_nobody_else() -> None:
    item = BatchItem("r1", 0.5, Suggestion("fruit", 0.6), reason="why: fruit 60 %")  # type: ignore[arg-type]
    batch = Batch("b0001", 1, "margin", "m", (item, BatchItem("r2", draw=True)))  # type: ignore[arg-type]
    assert record_schema.metadata(batch, 0)["chosen_because"] == "why: fruit 60 %"
    assert "chosen_because" not in record_schema.metadata(batch, 1)
    bodies = [
        record_schema.metadata_property(name, record_schema.MetadataNames())
        for name in record_schema.METADATA
    ]
    hidden = {body["name"] for body in bodies if not body["visible_for_annotators"]}
    assert hidden == {"origin", "chosen_because"}
