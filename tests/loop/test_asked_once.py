"""Of texts that are nearly the same one is asked, and the others get its label."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from loopd.errors import ConfigError
from loopd.events import BatchPlanned, RunStopped
from loopd.learning.batch_choice import BatchChoice
from loopd.loop.asked_once import ROUNDS, asked_once, refuse_without_vectors
from loopd.machine import Phase
from loopd.records import BatchItem, PoolId
from tests.loop.growing import GrowingRun, Row, write_rows

WORDS = ["red", "sweet", "ripe", "rusty", "sharp", "heavy", "cheap", "broken", "fresh", "old"]
THINGS = {"fruit": ("apple", "pear", "plum"), "tool": ("hammer", "saw", "drill")}

OWN = """
class Guesses:
    def __init__(self, num_classes):
        pass

    def new(self):
        raise NotImplementedError
"""
"""A classifier of somebody's own, without vectors of texts."""

pytestmark = pytest.mark.whatever_the_store


def texts(count: int) -> list[Row]:
    """Rows of which each second one is the one before in capitals, which the encoder cannot see."""
    rows: list[Row] = []
    for number in range(count):
        label = ("fruit", "tool")[number % 2]
        thing, word = THINGS[label][number % 3], WORDS[number % len(WORDS)]
        text = f"the {thing} on shelf {number * 37} was {word}, said customer {number * 11}"
        rows.append((f"r{2 * number:03d}", text, label))
        rows.append((f"r{2 * number + 1:03d}", text.upper(), label))
    return rows


def begun(folder: Path, least: float | None = 0.995, **sections: dict[str, Any]) -> GrowingRun:
    write_rows(folder / "tickets" / "day1.csv", texts(20))
    defaults: dict[str, dict[str, Any]] = {
        "pool": {"near_duplicates": least, "follow": None},
        "classifier": {"name": "frozen-head"},
        "audit": {"random_share": 0.0, "folds": 0},
        "queue": {"batch_size": 6, "low_watermark": 0, "opening_size": None},
    }
    run = GrowingRun(folder, {**defaults, **sections})
    run.start()
    return run


def pairs(ids: list[PoolId]) -> list[int]:
    """The number of the pair of each text."""
    return sorted(int(str(id_)[1:]) // 2 for id_ in ids)


def asked(run: GrowingRun) -> list[PoolId]:
    return [PoolId(id_) for batch in run.batches for id_ in batch]


GOLD = {PoolId(id_): label for id_, _, label in texts(20)}


def answer(run: GrowingRun) -> None:
    """People know the label of each text."""
    for id_ in sorted(run.state.external_ids):
        if not any(key[0] == id_ for key in run.state.answers):
            run.store.submit(id_, "ann", GOLD[PoolId(str(id_))])


@pytest.fixture(autouse=True)
def people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GrowingRun, "answer", answer)


def test_one_of_each_pair_is_asked_until_the_pool_is_exhausted(tmp_path: Path) -> None:
    run = begun(tmp_path)
    with capture_logs() as lines:
        run.run_until(lambda _: False)
    assert pairs(asked(run)) == list(range(20))
    assert all(len(batch) == 6 for batch in run.batches[:3])
    assert isinstance(run.events[-1], RunStopped)
    assert (run.state.phase, run.events[-1].reason) == (Phase.DONE, "pool_exhausted")
    counts = [line["count"] for line in lines if line["event"] == "near_duplicates_left_out"]
    assert counts[-1] == 20


def test_without_the_setting_both_are_asked(tmp_path: Path) -> None:
    run = begun(tmp_path, None, stopping={"max_rounds": None})
    run.run_until(lambda _: False)
    assert len(asked(run)) == 40


def test_the_same_batches_after_each_start(tmp_path: Path) -> None:
    whole = begun(tmp_path / "whole")
    whole.run_until(lambda _: False)
    run = begun(tmp_path / "again")
    while run.state.phase is not Phase.DONE:
        planned = len(run.batches)
        run.run_until(lambda _, run=run, planned=planned: len(run.batches) > planned)  # type: ignore[misc]
        run = run.started_again()
    assert run.batches == whole.batches


@pytest.mark.parametrize("least", [0.995, 1.0])
def test_a_crowd_of_letters_that_are_alike_does_not_fill_a_batch(
    tmp_path: Path, least: float
) -> None:
    """The same letter 60 times, each time with other capitals, and a few other texts."""
    letter = "dear customer, your parcel has been sent and will be with you soon"
    crowd = [
        (f"r{100 + n:03d}", letter[:n].upper() + letter[n:], "tool") for n in range(1, len(letter))
    ]
    write_rows(tmp_path / "tickets" / "day0.csv", crowd)
    run = begun(tmp_path, least, stopping={"max_rounds": None})
    GOLD.update({PoolId(id_): label for id_, _, label in crowd})
    run.run_until(lambda _: False)
    assert sum(int(str(id_)[1:]) >= 100 for id_ in asked(run)) == 1
    assert len(asked(run)) == 20 + 1


def test_where_a_strategy_chooses_twins_again_and_again_the_batch_is_smaller(
    tmp_path: Path,
) -> None:
    """Its first choice and five more are all of one kind each: a record of each kind is left."""
    kinds, size = ROUNDS + 3, 12
    names = ["apple", "pear", "plum", "cherry", "grape", "hammer", "saw", "drill"]
    write_rows(
        tmp_path / "tickets" / "day1.csv",
        [
            (f"r{20 * kind + n:03d}", f"the {names[kind]} was number {kind}" + "!" * n, "fruit")
            for kind in range(kinds)
            for n in range(20)
        ],
    )
    plain = {"pool": {"near_duplicates": 0.995, "follow": None}}
    run = GrowingRun(tmp_path, {**plain, "audit": {"random_share": 0.0, "folds": 0}})
    run.start()
    requests: list[int] = []

    def choose(count: int, besides: Collection[PoolId]) -> BatchChoice:
        requests.append(count)
        left = (record.id for record in run.tools.data.pool if record.id not in besides)
        return BatchChoice(tuple(map(BatchItem, islice(left, count))), "in order", "why")

    choice = asked_once(choose, run.state, run.tools, {})(size)
    kind_of = [int(str(item.record_id)[1:]) // 20 for item in choice.items]
    assert kind_of == list(range(ROUNDS + 1))
    assert requests == [size - n for n in range(ROUNDS + 1)]
    assert (choice.strategy, choice.reason) == ("in order", "why")


def test_random_draws_come_from_all_texts(tmp_path: Path) -> None:
    run = begun(tmp_path, audit={"random_share": 0.3, "folds": 0}, stopping={"max_rounds": None})
    run.run_until(lambda _: False)
    planned = [event.batch for event in run.events if isinstance(event, BatchPlanned)]
    chosen = [item.record_id for batch in planned for item in batch.items if not item.draw]
    drawn = [item.record_id for batch in planned for item in batch.items if item.draw]
    assert len(set(pairs(chosen))) == len(chosen)
    assert set(pairs(drawn)) & set(pairs(chosen)), "a draw is not kept from a twin"
    at_first = {id_ for batch in planned[:1] for id_ in batch.record_ids}
    assert at_first


def test_a_classifier_without_vectors_is_refused(tmp_path: Path) -> None:
    run = begun(tmp_path)
    refuse_without_vectors(run.config, run.tools.learner)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "guesses.py").write_text(OWN)
    own = begun(tmp_path / "own", None, classifier={"name": "guesses:Guesses"})
    refuse_without_vectors(own.config, own.tools.learner)
    own.sections["pool"] = {"near_duplicates": 0.95, "follow": None}
    with pytest.raises(ConfigError, match="near_duplicates: classifier `guesses:Guesses` has no"):
        refuse_without_vectors(own.config, own.tools.learner)


# -- second opinions -------------------------------------------------------------------------------


def answer_twice(run: GrowingRun) -> None:
    """Ann answers new texts, every third one wrongly; Bob is right, and answers the first text and
    copies of the others, and Ann the copy of that.
    """
    for id_ in sorted(run.state.external_ids - run.state.deleted):
        if any(key[0] == id_ for key in run.state.answers):
            continue
        original = str(run.state.originals[id_])
        number, right = int(original[1:]), GOLD[PoolId(original)]
        wrong = "tool" if right == "fruit" else "fruit"
        answered = {str(key[0]): key[1] for key in run.state.answers}
        first = not answered and original == str(min(run.state.external_ids))
        if str(id_) == original and not first:
            run.store.submit(id_, "ann", wrong if number % 3 == 0 else right)
        else:
            run.store.submit(id_, "ann" if answered.get(original) == "bob" else "bob", right)


@pytest.mark.parametrize("started_again", [False, True])
def test_second_opinions_are_asked_for_and_twins_of_the_texts_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started_again: bool
) -> None:
    monkeypatch.setattr(GrowingRun, "answer", answer_twice)
    sections: dict[str, Any] = {
        "strategy": {"name": "activelab", "cold_start": "random_sampling"},
        "consensus": {"folds": 3},
        "stopping": {"max_rounds": 7},
    }
    whole = begun(tmp_path / "whole", **sections)
    whole.run_until(lambda _: False)
    items = [
        item
        for event in whole.events
        if isinstance(event, BatchPlanned)
        for item in event.batch.items
    ]
    copies = [item for item in items if item.copy_id is not None]
    new = [item.record_id for item in items if item.copy_id is None]
    assert copies, "nobody was asked again"
    assert len(set(pairs(new))) == len(new), "both of a pair were asked"
    assert {item.record_id for item in copies} <= set(new)
    batches = [event.batch for event in whole.events if isinstance(event, BatchPlanned)]
    assert [len(batch.items) for batch in batches[:4]] == [6] * 4
    if not started_again:
        return
    run = begun(tmp_path / "again", **sections)
    while run.state.phase is not Phase.DONE:
        planned = len(run.batches)
        run.run_until(lambda _, run=run, planned=planned: len(run.batches) > planned)  # type: ignore[misc]
        run = run.started_again()
    assert run.batches == whole.batches
