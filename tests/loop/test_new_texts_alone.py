"""New texts that cannot be compared, and those from which a whole batch is chosen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loopd.learning.batch_choice import BatchChoice
from loopd.learning.strategies.reason_words import AMONG_NEW
from loopd.loop.audit_figures import Audit
from loopd.loop.fresh_share import with_new_texts
from loopd.loop.new_texts import _by_week, _Draws, _intakes, compared_with_old
from loopd.machine import Phase
from loopd.metrics_log.rows import number
from loopd.metrics_log.shift import INTAKES, SHARE, SINCE, WEEK
from loopd.records import BatchItem, PoolId, Record
from loopd.storage.inbox import Inbox
from tests.loop.growing import GrowingRun, Row
from tests.loop.test_new_texts import begun, chosen, joins, next_batch, questions, tweets

pytestmark = pytest.mark.whatever_the_store

OWN = """
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.naive_bayes import MultinomialNB
from small_text import SklearnClassifierFactory

class Hashed:
    def __init__(self, num_classes):
        self.factory = SklearnClassifierFactory(MultinomialNB(), num_classes)

    def encode(self, texts):
        return HashingVectorizer(n_features=512, alternate_sign=False).transform(texts)

    def new(self):
        return self.factory.new()
"""
"""A classifier that has features of its own, and no vectors to compare texts by."""


def grown(run: GrowingRun, some: Sequence[Row]) -> None:
    """The texts have joined, and their round is trained and not measured yet."""
    records = [Record(PoolId(id_), text, label) for id_, text, label in some]
    Inbox(run.config.run.dir).leave(records, "added.csv", duplicates=0, refused=0)
    run.run_until(lambda state: bool(state.intakes))
    run.run_until(lambda state: state.phase is Phase.EVALUATE)


def test_a_share_of_all_gives_a_whole_batch_to_new_texts(tmp_path: Path) -> None:
    run = begun(tmp_path, strategy={"fresh_share": 1.0}, audit={"folds": 0, "random_share": 0})
    joins(run, questions(120, 30))
    event = next_batch(run)
    assert event.fresh == len(event.batch.items) == 6
    assert all(text >= 120 for text in chosen(event))
    assert all(item.reason.startswith(AMONG_NEW) for item in event.batch.items)
    assert len(set(event.batch.record_ids)) == 6


def test_where_all_are_new_the_strategy_is_asked_once_and_its_order_stays(tmp_path: Path) -> None:
    run = begun(tmp_path, strategy={"fresh_share": 1.0})
    grown(run, questions(120, 30))
    order = [PoolId(f"r{row}") for row in (140, 125, 149, 120, 131, 138)]
    counts: list[int] = []

    def choose(
        count: int, besides: Collection[PoolId], old: Collection[PoolId] = ()
    ) -> BatchChoice:
        counts.append(count)
        assert not {*besides, *old} & {*order}
        return BatchChoice(tuple(BatchItem(id_, 0.5) for id_ in order[:count]), "random")

    mixed_in = with_new_texts(choose, run.state, run.tools, (), cold=False)
    choice = mixed_in(6, ())
    assert [item.record_id for item in choice.items] == order
    assert counts == [6]


def test_a_classifier_without_vectors_cannot_say_that_texts_differ(tmp_path: Path) -> None:
    """The round is measured all the same, and new texts get nothing for that."""
    (tmp_path / "own_model.py").write_text(OWN)
    strategy = {"name": "least_confidence", "cold_start": "random_sampling"}
    run = begun(tmp_path, classifier={"name": "own_model:Hashed"}, strategy=strategy)
    assert not run.tools.learner.represents()
    told = joins(run, tweets(120, 40))
    assert (told[INTAKES], told[SHARE]) == (1, 0)
    assert not {"shift.unlike", "shift.new", SINCE} & told.keys()
    assert next_batch(run).fresh == 0


@pytest.mark.parametrize("reason", ["vectors for nothing else", "another pool"])
def test_no_vector_is_asked_for_where_texts_are_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    run = begun(tmp_path)
    grown(run, tweets(120, 40))
    tools, looks = run.tools, list[Any]()
    usual = compared_with_old(run.state, tools, Audit())
    assert (usual["shift.unlike"], usual[SINCE]) == (1, 120)
    if reason == "another pool":  # more texts than the journal knows of
        pool = tools.data.pool.grown([Record(PoolId("more"), "a text more")])
        tools = replace(tools, data=replace(tools.data, pool=pool))
    else:
        config = tools.config
        sections: dict[str, Any] = {
            "classifier": config.classifier.model_copy(update={"name": "transformer"}),
            "strategy": config.strategy.model_copy(update={"cold_start": "random_sampling"}),
            "audit": config.audit.model_copy(update={"random_share": 0}),
        }
        tools = replace(tools, config=config.model_copy(update=sections))
    monkeypatch.setattr(tools.learner, "vectors", looks.append)
    told = compared_with_old(run.state, tools, Audit())
    assert looks == []
    assert (told[INTAKES], told[SHARE]) == (1, 0)
    assert not {"shift.unlike", SINCE} & told.keys()


def test_a_draw_that_the_model_was_not_asked_about_counts_in_no_week(tmp_path: Path) -> None:
    """A label may come so late that it was left out when the round was measured."""
    run = begun(tmp_path)
    run.now[0] += 8 * 86_400
    grown(run, questions(120, 30))
    ids = [PoolId(f"r{number:03d}") for number in (3, 7, 125, 130)]
    draws = [(row, 0, id_, "fruit") for row, id_ in zip((3, 7, 125, 130), ids, strict=True)]
    guesses = {run.state.round: {ids[0]: "fruit", ids[1]: "tool", ids[2]: "fruit"}}
    row = _by_week(run.state, _intakes(run.state), _Draws(draws, guesses))
    first, second = f"{WEEK}1970-W01", f"{WEEK}1970-W02"
    assert (number(row, f"{first}.accuracy"), number(row, f"{first}.draws")) == (0.5, 2)
    assert (number(row, f"{second}.accuracy"), number(row, f"{second}.draws")) == (1, 1)
    nothing = _by_week(run.state, _intakes(run.state), _Draws(draws, {run.state.round: {}}))
    assert nothing == {}
