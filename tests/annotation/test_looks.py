"""Histories of looks at a store that fails, lags and is slow, while people are at work.

Whatever mixture of partial and full looks comes of it: nothing is lost or doubled, a partial look
counts nothing as gone, and whatever people did is noticed within the time that is promised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopd.annotation.memory_store import MemoryStore
from loopd.annotation.store import Sweep
from loopd.annotation.watcher import (
    AT_FULL_PACE,
    DOUBT_SHARE,
    FULL_SHARE,
    LONGEST,
    LONGEST_SHARE,
    PARTIAL_SHARE,
    SECONDS_A_LOOK,
    SECONDS_A_RECORD,
    AnswerWatcher,
)
from loopd.data.pool import Pool
from loopd.errors import TransientError
from loopd.events import AnswersCollected, BatchPlanned, BatchPublished
from loopd.loop.collecting import changes
from loopd.machine import Phase, State, apply
from loopd.records import AnswerStatus, Batch, BatchItem, ExternalId, PoolId, Record
from loopd.tasks.single_label import SingleLabelTask

LABELS = ("fruit", "tool")
TASK = SingleLabelTask(LABELS, "label", "text", "Which?")
NAMES = tuple(f"r{number}" for number in range(7))
OTHER = "theirs"
"""A record of others, with a text of the pool that the run never published."""
CLOSED, OPEN = (
    Batch(f"b{number}", number, "x", None, tuple(BatchItem(PoolId(name)) for name in names))
    for number, names in enumerate((NAMES[:3], NAMES[3:6]))
)
PEOPLE = ("ann", "bob")
INTERVAL = 30.0

Key = tuple[str, str]
Shown = tuple[AnswerStatus, Any]


def _name(record_id: str) -> str:
    """By which the run knows a record."""
    return NAMES[6] if record_id == OTHER else record_id


class SlowStore(MemoryStore):
    """A store as large as it is said to be: looks take their time, fail, and others act meanwhile.

    Args:
        records: that stand for one of this store.
        busy: by what factor looks take longer than the server works for them.
    """

    def __init__(self, records: int, busy: float) -> None:
        super().__init__(TASK, 1)
        self.records, self.busy = records, busy
        self.now = 0.0
        self.fault = ""
        self.search_is_broken = False
        self.full_looks: list[float] = []
        self.tries = 0
        self.meanwhile: Callable[[bool], None] = lambda is_over: None
        self.shown: dict[Key, Shown] = {}
        self.ids_shown: set[str] = set()

    def sweep(self, external_ids: Any) -> Sweep:
        if self.fault == "before":
            raise TransientError("cut")
        self.full_looks.append(self.now)
        self.meanwhile(False)
        sweep = super().sweep(external_ids)
        return self._done(replace(sweep, listed=sweep.listed * self.records))

    def sweep_batches(self, batches: Sequence[Batch]) -> Sweep:
        self.tries += 1
        if self.fault == "before" or self.search_is_broken:
            raise TransientError("cut")
        self.meanwhile(False)
        visible = self.visible(batches)
        sweep = super().sweep(visible)
        answers = tuple(one for one in sweep.answers if one.external_id in visible)
        if self.fault == "lag":
            answers = answers[::2]
        return self._done(Sweep(answers, (), listed=len(visible), is_partial=True))

    def _done(self, sweep: Sweep) -> Sweep:
        self.shown, self.ids_shown = self.there(), set(self._records or {})
        self.now += sweep.listed * 0.0007 * self.busy
        self.meanwhile(True)
        if self.fault == "after":
            raise TransientError("cut")
        return sweep

    def bulk(self, record_id: str, person: str, value: str) -> None:
        """An answer that does not move the trigger."""
        self.submit(ExternalId(record_id), person, value)
        self._activity -= 1

    def there(self) -> dict[Key, Shown]:
        """What the store shows, under the names by which the run knows its records."""
        return {
            (_name(id_), person): (answer.status, answer.value)
            for id_, stored in (self._records or {}).items()
            for person, answer in stored.answers.items()
        }


class History:
    """People, the store, a watcher, and the run's state."""

    def __init__(self, records: int, busy: float) -> None:
        self.store = SlowStore(records, busy)
        pool = Pool(tuple(Record(PoolId(name), f"text of {name}") for name in NAMES))
        self.store.open(pool, fresh=True)
        for batch in (CLOSED, OPEN):
            self.store.publish(batch, {PoolId(name): f"text of {name}" for name in NAMES})
        self.store.log(ExternalId(OTHER), f"text of {NAMES[6]}")
        self.watcher = AnswerWatcher(self.store, INTERVAL, lambda: self.store.now)
        self.state = State(
            phase=Phase.COLLECT,
            batches=(CLOSED, OPEN),
            planned={n: BatchPlanned(0.0, b, 1.0) for n, b in enumerate((CLOSED, OPEN))},
            published={n: BatchPublished(0.0, f"b{n}", 1.0) for n in range(2)},
        )
        self.ever: set[tuple[str, str, Any]] = set()
        self.bin: dict[str, Any] = {}
        self.touched: dict[Key, float] = {}
        self.prompt: dict[Key, float] = {}
        self.partial = 0

    # -- people --------------------------------------------------------------------------------

    def act(self, action: tuple[Any, ...]) -> None:
        kind, record_id, person, value = action
        stored = (self.store._records or {}).get(record_id)
        if kind == "restore" and record_id in self.bin and stored is None:
            (self.store._records or {})[record_id] = self.bin.pop(record_id)
        elif stored is None:
            return
        elif kind in ("submit", "bulk"):
            getattr(self.store, kind)(record_id, person, value)
            self.ever.add((_name(record_id), person, value))
        elif kind == "discard":
            self.store.discard(record_id, person)
        elif kind == "withdraw" and person in stored.answers:
            self.store.withdraw(record_id, person)
        elif kind == "delete" and len(self.bin) < 3:
            self.bin[record_id] = stored
            self.store.delete(record_id)
        else:
            return
        for name in PEOPLE if kind in ("delete", "restore") else (person,):
            self._touch((record_id, name), is_prompt=kind in ("submit", "discard"))

    def _act_all(self, actions: Sequence[tuple[Any, ...]]) -> None:
        for action in actions:
            self.act(action)

    def _touch(self, key: Key, *, is_prompt: bool) -> None:
        self.touched[key] = self.store.now
        self.prompt.pop(key, None)
        never_gone = key[0] not in self.state.deleted
        if is_prompt and key[0] in OPEN.external_ids and never_gone:
            self.prompt[key] = self.store.now

    # -- looks ---------------------------------------------------------------------------------

    def look(self, fault: str, meanwhile: Sequence[tuple[Any, ...]]) -> None:
        began, self.store.fault = self.store.now, fault
        before, after = meanwhile[:1], meanwhile[1:]
        self.store.meanwhile = lambda is_over: self._act_all(after if is_over else before)
        try:
            sweep = self.watcher.look(self.state.external_ids, (OPEN,))
        except TransientError:
            return
        if sweep is not None:
            if fault == "lag" and sweep.is_partial:
                self.prompt.clear()
            self._take(sweep)
        self._check_promises(began)

    def _take(self, sweep: Sweep) -> None:
        event = changes(self.state, sweep, self.store.now)
        if event is not None:
            self._check_event(event, self.store.shown, is_partial=sweep.is_partial)
            self.state = apply(self.state, event)
        if sweep.is_partial:
            self.partial += 1
        else:
            assert self.known() == self.store.shown
            assert self.state.deleted == self.state.external_ids - self.store.ids_shown

    def _check_event(
        self, event: AnswersCollected, there: dict[Key, Shown], *, is_partial: bool
    ) -> None:
        keys = [(answer.external_id, answer.annotator) for answer in event.answers]
        assert len(set(keys)) == len(keys)
        for answer in event.answers:
            key = (answer.external_id, answer.annotator)
            if answer.status is AnswerStatus.WITHDRAWN:
                assert not is_partial
                assert key not in there
            else:
                assert there[key] == (answer.status, answer.value)
                before = self.state.answers.get(key)
                assert before is None or (before.status, before.value) != there[key]
                if answer.value is not None:
                    assert (*key, answer.value) in self.ever
        if is_partial:
            assert not {one.external_id for one in event.answers} & self.state.deleted
            assert not event.deleted
            assert not event.restored
        assert not set(event.deleted) & self.store.ids_shown

    def known(self) -> dict[Key, Shown]:
        return {
            key: (answer.status, answer.value)
            for key, answer in self.state.answers.items()
            if answer.status is not AnswerStatus.WITHDRAWN and key[0] not in self.state.deleted
        }

    def _check_promises(self, began: float) -> None:
        known, there = self.known(), self.store.there()
        longest = began - self._within()
        for key, moment in self.touched.items():
            name = (_name(key[0]), key[1])
            if moment < longest:
                assert known.get(name) == there.get(name), f"{name} after {began - moment:.0f} s"
        soon = began - (SECONDS_A_LOOK + 3 * SECONDS_A_RECORD) / PARTIAL_SHARE
        for key, moment in self.prompt.items():
            if moment < soon:
                assert known.get(key) == there.get(key), f"{key} after {began - moment:.1f} s"

    def _within(self) -> float:
        listed = (len(NAMES) + 1) * self.store.records
        seconds = min(listed * 0.0007 * self.store.busy, SECONDS_A_LOOK + SECONDS_A_RECORD * listed)
        paced = INTERVAL * max(1.0, listed / AT_FULL_PACE)
        affordable = seconds / FULL_SHARE if seconds > 1 else 0.0
        if self.store.search_is_broken:
            took = listed * 0.0007 * self.store.busy
            return min(max(paced, affordable), took / DOUBT_SHARE + INTERVAL)
        return min(max(paced, affordable), max(LONGEST, INTERVAL, seconds / LONGEST_SHARE))


CLICKS = st.tuples(
    st.sampled_from(
        ("submit", "submit", "submit", "bulk", "discard", "withdraw", "delete", "restore")
    ),
    st.sampled_from((*NAMES[:6], OTHER)),
    st.sampled_from(PEOPLE),
    st.sampled_from(LABELS),
)
PASSING = st.tuples(st.just("pass"), st.sampled_from((0.5, 3.0, 10.0, 40.0, 400.0)))
LOOKS = st.tuples(
    st.just("look"),
    st.sampled_from(("", "", "", "before", "after", "lag")),
    st.lists(CLICKS, max_size=2),
)


@settings(max_examples=300, deadline=None)
@given(
    records=st.sampled_from((1, 100, 300, 1500, 6000)),
    busy=st.sampled_from((0.1, 1.0, 5.0)),
    steps=st.lists(st.one_of(CLICKS, LOOKS, PASSING), max_size=60),
)
def test_nothing_is_lost_or_doubled_and_everything_is_noticed_in_time(
    records: int, busy: float, steps: list[tuple[Any, ...]]
) -> None:
    history = History(records, busy)
    history.look("", ())
    for step in steps:
        if step[0] == "pass":
            history.store.now += step[1]
        elif step[0] == "look":
            history.look(step[1], step[2])
            history.look("", ())
        else:
            history.act(step)
    history.store.now += history._within() + 1
    history.look("", ())
    assert history.known() == history.store.there()


def test_a_large_dataset_is_read_in_part_while_people_work() -> None:
    """An hour in which somebody answers every three seconds; a full look takes 7 s."""
    history = History(records=1250, busy=1.0)
    busy = 0.0
    while history.store.now < 3600:
        began = history.store.now
        history.act(("submit", NAMES[3], "ann", LABELS[int(began) % 2]))
        history.look("", ())
        busy += history.store.now - began
        history.store.now += 3.0
    assert history.partial > 500
    assert busy / history.store.now < FULL_SHARE + PARTIAL_SHARE


def test_a_small_dataset_is_read_whole_at_each_look() -> None:
    history = History(records=1, busy=1.0)
    for number in range(20):
        history.act(("submit", NAMES[0], "ann", LABELS[number % 2]))
        history.look("", ())
        history.store.now += 3.0
    assert history.partial == 0


def test_what_failed_is_read_again_and_what_was_not_taken_over_too() -> None:
    history = History(records=1250, busy=1.0)
    history.look("", ())
    history.act(("submit", NAMES[3], "ann", "tool"))
    history.look("after", ())
    assert not history.known()
    history.look("", ())
    assert history.known() == history.store.there()
    assert history.partial == 1
    history.act(("submit", NAMES[4], "ann", "tool"))
    history.store.now += 10.0
    look = history.watcher.look
    assert look(history.state.external_ids, (OPEN,)) is not None
    assert look(history.state.external_ids, (OPEN,)) is None
    history.watcher.forget()
    history.look("", ())
    assert history.known() == history.store.there()


@pytest.mark.parametrize(("records", "slow"), [(1250, 1.0), (6000, 1.0), (1250, 10.0)])
def test_while_the_open_batches_cannot_be_read_everything_is(records: int, slow: float) -> None:
    """An orphan in Argilla's index: each search for the batch fails, for good."""
    history = History(records=records, busy=slow)
    history.look("", ())
    history.store.search_is_broken = True
    busy = 0.0
    while history.store.now < 1800:
        began = history.store.now
        history.act(("submit", NAMES[3], "ann", LABELS[int(began) % 2]))
        history.look("", ())
        busy += history.store.now - began
        history.store.now += 3.0
    gaps = [later - earlier for earlier, later in pairwise(history.store.full_looks)]
    assert max(gaps) < history._within() + 3.0
    assert busy / history.store.now < DOUBT_SHARE + 0.02
    assert history.partial == 0
    assert history.store.tries < 10, "it is tried ever more seldom"
    history.store.search_is_broken = False
    history.store.now += LONGEST
    history.look("", ())
    history.act(("submit", NAMES[4], "ann", "tool"))
    history.store.now += 10.0
    history.look("", ())
    assert history.partial, "the search is believed again"


def test_one_person_who_answers_a_text_twice_is_heard_once() -> None:
    """The newer answer is on a record that a partial look does not read."""
    history = History(records=1250, busy=1.0)
    history.act(("submit", NAMES[3], "ann", "tool"))
    history.store.log(ExternalId("twin"), f"text of {NAMES[3]}")
    history.store.submit(ExternalId("twin"), "ann", "fruit")
    answers = history.store.sweep(history.state.external_ids).answers
    event = changes(history.state, Sweep(answers, ()), 0.0)
    assert event is not None
    history.state = apply(history.state, event)
    older = tuple(replace(one, value="tool", changed=one.time) for one in answers)
    older = tuple(replace(one, changed="2000-01-01T00:00:00") for one in older)
    partial = Sweep(older, (), is_partial=True)
    assert changes(history.state, partial, 0.0) is None


def test_what_comes_while_a_look_reads_is_read_by_the_next_one() -> None:
    for records in (1, 1250):  # full and partial
        history = History(records=records, busy=1.0)
        history.look("", ())
        history.store.now += 10.0
        history.act(("submit", NAMES[3], "ann", "tool"))
        nothing = ("withdraw", NAMES[5], "ann", "")
        history.look("", (nothing, ("submit", NAMES[4], "ann", "tool")))
        assert (NAMES[4], "ann") not in history.known()
        history.store.now += 10.0
        history.look("", ())
        assert (NAMES[4], "ann") in history.known()


def test_a_partial_look_leaves_a_record_that_came_back_to_the_next_full_one() -> None:
    history = History(records=1250, busy=1.0)
    history.act(("delete", NAMES[3], "ann", ""))
    history.look("", ())
    assert history.state.deleted == {NAMES[3]}
    history.act(("restore", NAMES[3], "ann", ""))
    history.act(("submit", NAMES[3], "ann", "tool"))
    history.look("", ())
    assert history.partial == 1
    assert history.state.deleted == {NAMES[3]}
    history.store.now += 600.0
    history.look("", ())
    assert not history.state.deleted
    assert history.known() == {(NAMES[3], "ann"): (AnswerStatus.SUBMITTED, "tool")}
