"""Records that nobody can answer, and accounts that are deleted: nothing waits for ever."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from loopd.annotation.consensus import targets, to_set_aside, unresolved
from loopd.annotation.memory_store import MemoryStore
from loopd.annotation.second_opinions import askable
from loopd.annotation.store import Sweep, VisibleAccounts
from loopd.config import RelabelSection
from loopd.errors import ArgillaError, AuthError, DatasetError, StorageError, TransientError
from loopd.events import BatchPublished, RecordsReopened
from loopd.loop.account_watch import AccountWatch
from loopd.loop.obstacles import obstacle
from loopd.loop.steps import publish
from loopd.loop.visibility import VisibilityCheck
from loopd.machine import Phase, State
from loopd.records import AnswerStatus, Batch, ExternalId
from loopd.storage.names import SavedNames, UnsavedNames
from tests.annotation.states import answer, state
from tests.loop.conftest import Bench, MakeBench, gold

QUICK = {"batch_size": 12, "sweep_interval": 5, "min_submitted": 1}
KEEP, DROP = {"keep_answers_of_deleted_accounts": True}, {"keep_answers_of_deleted_accounts": False}


def collecting(state: State) -> bool:
    return state.phase is Phase.COLLECT


def trained(state: State) -> bool:
    return bool(state.trained)


def nothing_left(state: State) -> bool:
    return {answer.status for answer in state.answers.values()} == {AnswerStatus.WITHDRAWN}


def answer_all(bench: Bench, person: str = "ann") -> None:
    for record_id in bench.people.open_records(person):
        bench.people.submit(record_id, person, gold(bench.tools.data.pool, record_id))


@pytest.fixture
def bench(make_bench: MakeBench, place: str) -> Bench:
    """In memory, where the search can lose records; the first batch is out."""
    if place != "memory":
        pytest.skip("the database of the embedded server is its index")
    made = make_bench(queue=QUICK, completes=True)
    made.run_until(collecting, lambda: None)
    return made


def reopened(bench: Bench) -> list[str]:
    events = [event for event in bench.events if isinstance(event, RecordsReopened)]
    return [id_ for event in events for id_ in event.records]


# -- lost to the search ----------------------------------------------------------------------------


@pytest.mark.parametrize("share", [4, 1])
def test_what_the_search_lost_is_published_again(bench: Bench, share: int) -> None:
    lost = bench.state.batch.external_ids[::share]
    bench.people.lose(lost)
    assert not set(bench.people.open_records("ann")) & set(lost)
    with capture_logs() as logs:
        after = bench.run_until(trained, lambda: answer_all(bench))
    assert sorted(reopened(bench)) == sorted(lost), "all of them, none twice"
    assert after.trained[0].labels == 12
    assert after.reopened == len(lost)
    assert sorted(bench.people._records) == sorted(after.batches[0].external_ids)
    said = [line for line in logs if line["event"] == "records_cannot_be_answered"]
    assert not said


def test_what_people_deleted_stays_deleted(bench: Bench) -> None:
    gone, *_ = bench.state.batch.external_ids
    bench.people.delete(gone)
    after = bench.run_until(trained, lambda: answer_all(bench))
    assert reopened(bench) == []
    assert after.trained[0].labels == 11
    assert not bench.people.holds(gone)


def test_what_is_answered_meanwhile_is_not_said_to_be_opened(bench: Bench) -> None:
    """Completed in Argilla a moment before the loop has heard of it."""
    bench.now[0] += 1000
    answer_all(bench)
    waiting = frozenset(bench.state.batch.external_ids)
    assert bench.tools.visibility.look(bench.state, waiting, 0.0) is None


class Hiding:
    """A store whose search never finds some records, and notes when they are published again."""

    def __init__(self, store: Any, hidden: Collection[str], now: Callable[[], float]) -> None:
        self._store, self._hidden, self._now = store, frozenset(hidden), now
        self.attempts: list[tuple[float, int]] = []
        self.looks: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def visible(self, batches: Sequence[Batch], *, open_only: bool = False) -> frozenset[str]:
        self.looks.append(self._now())
        seen: frozenset[str] = self._store.visible(batches, open_only=open_only)
        return seen - self._hidden

    def reopen(self, batches: Sequence[Batch]) -> frozenset[str]:
        ids = [id_ for batch in batches for id_ in batch.external_ids]
        self.attempts.append((self._now(), len(ids)))
        return frozenset(self._store.reopen(batches))


def watched(bench: Bench, store: Any) -> Bench:
    visibility = VisibilityCheck(store, 5.0, lambda: bench.now[0])
    bench.tools = replace(bench.tools, store=store, visibility=visibility)
    return bench


def test_what_stays_hidden_is_tried_ever_more_seldom_and_said_once(bench: Bench) -> None:
    hidden = bench.state.batch.external_ids[:3]
    store = Hiding(bench.tools.store, hidden, lambda: bench.now[0])
    watched(bench, store)
    with (
        capture_logs() as logs,
        pytest.raises(RuntimeError, match="does not get on"),
    ):
        bench.run_until(trained, lambda: answer_some(bench, hidden), steps=20_000)
    pauses = [later - before for (before, _), (later, _) in pairwise(store.attempts)]
    assert pauses == sorted(pauses)
    assert 3500 < pauses[-1] <= 3700
    assert len(store.attempts) < 20
    assert {count for _, count in store.attempts} == {3}, "in one request"
    assert len(store.looks) < 20_000 / 5 + 10
    (said,) = [line for line in logs if line["event"] == "records_cannot_be_answered"]
    assert said["records"] == sorted(hidden)


def answer_some(bench: Bench, hidden: Collection[str]) -> None:
    for record_id in bench.people.open_records("ann"):
        if record_id not in hidden:
            bench.people.submit(record_id, "ann", gold(bench.tools.data.pool, record_id))


@pytest.mark.parametrize("error", [TransientError("HTTP 500"), ArgillaError("HTTP 422")], ids=str)
def test_one_record_that_argilla_fails_at_keeps_no_other_back(
    bench: Bench, error: Exception
) -> None:
    lost = bench.state.batch.external_ids
    spoilt, real = lost[5], bench.tools.store.reopen

    def reopen(batches: Sequence[Batch]) -> frozenset[str]:
        if any(spoilt in batch.external_ids for batch in batches):
            raise error
        return real(batches)

    bench.tools.store.reopen = reopen  # type: ignore[assignment,method-assign]
    bench.people.lose(lost)
    with pytest.raises(RuntimeError, match="does not get on"):
        bench.run_until(trained, lambda: answer_all(bench), steps=300)
    assert set(lost) - {each.external_id for each in bench.state.answers.values()} == {spoilt}


# -- publishing ------------------------------------------------------------------------------------


def about_to_publish(make_bench: MakeBench, place: str) -> Bench:
    if place != "memory":
        pytest.skip("the database of the embedded server is its index")
    bench = make_bench(queue=QUICK, completes=True)
    bench.run_until(lambda state: state.phase is Phase.PUBLISH, lambda: None)

    def pause(seconds: float) -> bool:
        bench.now[0] += seconds
        return False

    bench.tools = replace(bench.tools, pause=pause)
    return bench


def test_a_batch_is_published_when_all_of_it_can_be_seen(make_bench: MakeBench, place: str) -> None:
    bench = about_to_publish(make_bench, place)
    last, began = bench.state.batch.external_ids[-1], bench.now[0]
    store = Hiding(bench.tools.store, [last], lambda: bench.now[0])
    watched(bench, store)
    real = store.visible

    def visible(batches: Sequence[Batch], *, open_only: bool = False) -> frozenset[str]:
        seen = real(batches, open_only=open_only)
        return seen | {last} if bench.now[0] >= began + 8 else seen  # a lag of 8 seconds

    store.visible = visible  # type: ignore[method-assign]
    with capture_logs() as logs:
        event = publish(bench.state, bench.tools)
    assert isinstance(event, BatchPublished)
    assert event.unseen == 0
    assert 8 <= bench.now[0] - began <= 10
    assert len(store.looks) < 12
    assert not logs


@pytest.mark.parametrize("fails", [False, True])
def test_publishing_goes_on_without_what_cannot_be_seen(
    make_bench: MakeBench, place: str, fails: bool
) -> None:
    """Whether the search lacks some, or gives no answer at all."""
    bench = about_to_publish(make_bench, place)
    hidden = bench.state.batch.external_ids[:3]
    store = Hiding(bench.tools.store, hidden, lambda: bench.now[0])
    watched(bench, store)
    real = store.visible

    def failing(batches: Sequence[Batch], *, open_only: bool = False) -> frozenset[str]:
        raise TransientError("HTTP 500")

    if fails:
        store.visible = failing  # type: ignore[method-assign]
    with capture_logs() as logs:
        event = publish(bench.state, bench.tools)
    assert isinstance(event, BatchPublished)
    assert event.unseen == (12 if fails else 3)
    names = ["search_fails", "batch_not_shown"] if fails else ["batch_not_shown"]
    assert [line["event"] for line in logs] == names
    assert logs[-1]["count"] == event.unseen
    bench.state = bench.loop.record(bench.state, event)
    store.visible, store._hidden = real, frozenset()  # type: ignore[method-assign]
    with capture_logs() as logs:
        after = bench.run_until(trained, lambda: answer_all(bench))
    assert after.trained[0].labels == 12
    assert ("search_works_again" in [line["event"] for line in logs]) is fails


def test_what_is_left_out_on_purpose_is_not_waited_for(make_bench: MakeBench, place: str) -> None:
    """Of a pool in Argilla what was removed or edited there."""
    bench = about_to_publish(make_bench, place)
    left_out = frozenset(bench.state.batch.external_ids[:3])
    store = Hiding(bench.tools.store, left_out, lambda: bench.now[0])
    store.publish = lambda batch, texts: left_out  # type: ignore[attr-defined]
    watched(bench, store)
    began = bench.now[0]
    store._store.publish(bench.state.batch, {
        id_: bench.tools.data.pool[id_].text for id_ in bench.state.batch.record_ids
    })  # fmt: skip
    with capture_logs() as logs:
        event = publish(bench.state, bench.tools)
    assert isinstance(event, BatchPublished)
    assert (event.unseen, bench.now[0], logs) == (0, began, [])


def test_answers_are_read_while_the_search_fails(bench: Bench) -> None:
    def failing(batches: Sequence[Batch], *, open_only: bool = False) -> frozenset[str]:
        raise TransientError("HTTP 500")

    bench.tools.store.visible = failing  # type: ignore[assignment,method-assign]
    with capture_logs() as logs:
        assert bench.run_until(trained, lambda: answer_all(bench)).trained[0].labels == 12
    assert [line["event"] for line in logs].count("search_fails") == 1


# -- accounts --------------------------------------------------------------------------------------


def half_answered_by_somebody_who_leaves(
    make_bench: MakeBench, people: dict[str, bool], **queue: Any
) -> tuple[Bench, str, str, list[str]]:
    """The bench, name and id of who leaves, and what this person has answered."""
    bench = make_bench(queue={**QUICK, "batch_size": 6, **queue}, people=people, completes=True)
    bench.run_until(collecting, lambda: None)
    name = f"leaver-{uuid.uuid4().hex[:8]}"
    if not isinstance(bench.people, MemoryStore):
        bench.people.hire(name)
    half = sorted(bench.people.open_records("ann"))[::2]
    for id_ in half:
        bench.people.submit(id_, name, gold(bench.tools.data.pool, id_))
    id_of_leaver = bench.people.ids[name]
    bench.run_until(lambda state: len(state.answers) == len(half), lambda: None)
    return bench, name, id_of_leaver, half


def test_answers_of_a_deleted_account_are_kept(make_bench: MakeBench) -> None:
    bench, name, gone, half = half_answered_by_somebody_who_leaves(make_bench, KEEP)
    before = dict(bench.state.answers)
    bench.people.dismiss(name)
    with capture_logs() as logs:
        after = bench.run_until(trained, lambda: answer_all(bench))
    assert after.departed == {gone}
    assert {key: after.answers[key] for key in before} == before
    assert after.trained[0].labels == 6
    assert reopened(bench) == []
    (said,) = [line for line in logs if line["event"] == "account_deleted"]
    assert (said["account"], said["answers"]) == (name, len(half))
    assert gone not in str(said) or gone == name
    assert "withdrawn" not in {key for line in logs for key in line}


@pytest.mark.left_to_others
def test_answers_of_a_deleted_account_may_be_dropped(make_bench: MakeBench) -> None:
    """Argilla leaves the records completed: they are opened again, and somebody else answers."""
    bench, name, gone, half = half_answered_by_somebody_who_leaves(make_bench, DROP)
    bench.people.dismiss(name)
    with capture_logs() as logs:
        after = bench.run_until(trained, lambda: answer_pending(bench))
    assert after.trained[0].labels == 6
    assert sorted(reopened(bench)) == half
    assert {after.answers[ExternalId(id_), gone].status for id_ in half} == {AnswerStatus.WITHDRAWN}
    (said,) = [line for line in logs if line["event"] == "account_deleted"]
    assert (said["account"], said["answers"]) == (name, len(half))


def answer_pending(bench: Bench) -> None:
    """What people's page shows: nothing that Argilla takes for completed."""
    if isinstance(bench.people, MemoryStore):
        answer_all(bench)
        return
    open_ids = set(bench.people.open_records("ann"))
    for record in bench.people.records():
        if record["status"] == "pending" and record["external_id"] in open_ids:
            id_ = record["external_id"]
            bench.people.submit(id_, "ann", gold(bench.tools.data.pool, id_))


def test_who_takes_all_answers_back_is_no_deleted_account(make_bench: MakeBench) -> None:
    """At once, as the loop sees it; the account is there."""
    bench, name, mine, half = half_answered_by_somebody_who_leaves(make_bench, KEEP)
    for id_ in half:
        bench.people.withdraw(id_, name)
    with capture_logs() as logs:
        after = bench.run_until(nothing_left, lambda: None)
    assert after.departed == frozenset()
    assert "account_deleted" not in [line["event"] for line in logs]
    assert {id_ for id_, person in after.answers if person == mine} == set(half)


def test_answers_that_come_back_with_the_account_count_as_before(bench: Bench) -> None:
    """Somebody restores the database; later the person takes one back after all."""
    first, *_ = bench.state.batch.external_ids
    bench.people.submit(first, "eve", "fruit")
    stored = bench.people._records[first]
    kept = dict(stored.answers)
    bench.run_until(lambda state: bool(state.answers), lambda: None)
    bench.people.dismiss("eve")
    bench.run_until(lambda state: state.departed == {"eve"}, lambda: None)
    stored.answers.update(kept)
    bench.people._people.add("eve")
    bench.run_until(lambda state: state.departed == frozenset(), lambda: None)
    assert bench.state.answers[first, "eve"].status is AnswerStatus.SUBMITTED
    bench.people.withdraw(first, "eve")
    bench.run_until(
        lambda state: state.answers[first, "eve"].status is AnswerStatus.WITHDRAWN, lambda: None
    )


class Known:
    """A store that only knows accounts."""

    def __init__(self, *names: str, complete: bool = True) -> None:
        self.list = VisibleAccounts({f"id of {name}": name for name in names}, complete)
        self.looks = 0

    def accounts(self) -> VisibleAccounts:
        self.looks += 1
        return self.list


RUN = state(
    "r1 r2 r3",
    answer("r1", "id of ann"),
    answer("r2", "id of ann"),
    answer("r3", "id of bob"),
    answer("r1", "import:old"),
)


def sweep_without(*gone: tuple[str, str]) -> Sweep:
    left = (each for key, each in RUN.answers.items() if key not in gone and not each.imported)
    return Sweep(tuple(left), ())


ANNS = (("r1", "id of ann"), ("r2", "id of ann"))


def test_the_name_outlives_the_process(tmp_path: Path) -> None:
    """The account is deleted while no daemon runs."""
    store = Known("ann", "bob", "others")
    AccountWatch(store, SavedNames(tmp_path)).departed(RUN, sweep_without())  # type: ignore[arg-type]
    assert SavedNames(tmp_path).read() == {"id of ann": "ann", "id of bob": "bob"}
    watch = AccountWatch(Known("bob", "others"), SavedNames(tmp_path))  # type: ignore[arg-type]
    with capture_logs() as logs:
        assert watch.departed(RUN, sweep_without(*ANNS)) == frozenset({"id of ann"})
    assert [(line["account"], line["answers"]) for line in logs] == [("ann", 2)]


def test_a_name_that_nobody_knew_is_said_to_be_unknown() -> None:
    watch = AccountWatch(Known("bob"))  # type: ignore[arg-type]
    with capture_logs() as logs:
        assert watch.departed(RUN, sweep_without(*ANNS)) == frozenset({"id of ann"})
    assert (logs[0]["account"], logs[0]["id"]) == ("not known by name", "id of ann")


@pytest.mark.parametrize(
    ("gone", "deleted"), [(ANNS, {"id of ann"}), (ANNS[:1], set()), ((("r3", "id of bob"),), set())]
)
def test_an_admin_sees_only_members(gone: tuple[tuple[str, str], ...], deleted: set[str]) -> None:
    """Somebody who never was a member, as an owner, may have taken answers back."""
    store = Known("ann", complete=False)
    watch = AccountWatch(store)  # type: ignore[arg-type]
    assert watch.departed(RUN, sweep_without()) == frozenset()
    store.list = VisibleAccounts({}, complete=False)
    if not deleted and gone == ANNS[:1]:
        assert watch.departed(RUN, sweep_without(*gone)) is None, "another sweep tells"
    assert watch.departed(RUN, sweep_without(*gone)) == frozenset(deleted)


def test_an_account_that_is_deleted_between_two_pages_is_deleted() -> None:
    """An admin's sweep shows half of the answers, and the one after it none."""
    store = Known("ann", complete=False)
    watch = AccountWatch(store)  # type: ignore[arg-type]
    assert watch.departed(RUN, sweep_without()) == frozenset()
    store.list = VisibleAccounts({}, complete=False)
    with capture_logs() as logs:
        assert watch.departed(RUN, sweep_without(*ANNS[:1])) is None
        assert not logs
        assert watch.departed(RUN, sweep_without(*ANNS)) == frozenset({"id of ann"})
    assert [line["event"] for line in logs] == ["account_deleted"]


def test_a_former_member_is_looked_at_twice_each_time() -> None:
    """Something was taken back; much later something else is gone."""
    store = Known("ann", complete=False)
    watch = AccountWatch(store)  # type: ignore[arg-type]
    assert watch.departed(RUN, sweep_without()) == frozenset()
    store.list = VisibleAccounts({}, complete=False)
    for _ in range(2):
        assert watch.departed(RUN, sweep_without(*ANNS[:1])) is None
        assert watch.departed(RUN, sweep_without(*ANNS[:1])) == frozenset()
        assert watch.departed(RUN, sweep_without()) == frozenset()


def test_no_answer_is_withdrawn_before_it_is_clear_why(bench: Bench) -> None:
    """The same in the loop: nothing of who has left is taken for taken back."""
    half = sorted(bench.people.open_records("ann"))[:4]
    for id_ in half:
        bench.people.submit(id_, "eve", "fruit")
    bench.run_until(lambda state: len(state.answers) == 4, lambda: None)
    store, sweeps = bench.tools.store, iter([half[:2], half])
    store.accounts = lambda: VisibleAccounts({}, complete=False)  # type: ignore[method-assign]
    real = store.sweep

    def sweep(ids: Collection[ExternalId]) -> Sweep:
        lost = {(id_, "eve") for id_ in next(sweeps, half)}
        seen = real(ids)
        kept = tuple(a for a in seen.answers if (a.external_id, a.annotator) not in lost)
        return replace(seen, answers=kept)

    store.sweep = sweep  # type: ignore[assignment,method-assign]
    bench.tools.watcher.forget()
    after = bench.run_until(lambda state: bool(state.departed), lambda: None)
    assert after.departed == {"eve"}
    assert {each.status for each in after.answers.values()} == {AnswerStatus.SUBMITTED}


@pytest.mark.parametrize(
    "error",
    [
        TransientError("x"),
        ArgillaError("x"),
        AuthError("x"),
        DatasetError("no workspace"),
        StorageError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_names_that_cannot_be_had_do_not_end_a_run(error: Exception) -> None:
    store = Known("ann")

    def refused() -> VisibleAccounts:
        raise error

    store.accounts = refused  # type: ignore[method-assign]
    assert AccountWatch(store).departed(RUN, sweep_without()) == frozenset()  # type: ignore[arg-type]


@pytest.mark.parametrize("broken", ["read", "keep"])
def test_names_that_cannot_be_kept_do_not_end_a_run(broken: str) -> None:
    names = UnsavedNames()

    def fails(*_: object) -> dict[str, str]:
        raise StorageError("the disk is full")

    setattr(names, broken, fails)
    watch = AccountWatch(Known("ann", "bob"), names)  # type: ignore[arg-type]
    with capture_logs() as logs:
        for _ in range(3):
            assert watch.departed(RUN, sweep_without()) == frozenset()
    assert [line["event"] for line in logs] == ["names_not_kept"]
    watch._store.list = VisibleAccounts({}, complete=True)  # type: ignore[union-attr]
    with capture_logs() as logs:
        assert watch.departed(RUN, sweep_without(*ANNS)) == frozenset({"id of ann"})
    assert logs[0]["account"] == "ann"


def test_a_record_that_is_gone_hides_no_deleted_account() -> None:
    """Answers on it were never withdrawn, and are not missed now."""
    store = Known("ann", complete=False)
    watch = AccountWatch(store)  # type: ignore[arg-type]
    run = replace(RUN, deleted=frozenset({ExternalId("r2")}))
    assert watch.departed(run, sweep_without()) == frozenset()
    store.list = VisibleAccounts({}, complete=False)
    left = replace(sweep_without(*ANNS), missing=(ExternalId("r2"),))
    assert watch.departed(run, left) == frozenset({"id of ann"})


def test_nobody_is_asked_for_again_and_again() -> None:
    store = Known("ann")
    watch = AccountWatch(store)  # type: ignore[arg-type]
    for _ in range(5):
        assert watch.departed(RUN, sweep_without()) == frozenset()
    assert store.looks == 1
    departed = replace(RUN, departed=frozenset({"id of ann"}))
    assert watch.departed(departed, sweep_without(*ANNS)) == frozenset()
    assert store.looks == 1


# -- what a kept answer counts for -----------------------------------------------------------------


def test_kept_answers_complete_records_and_vote() -> None:
    kept = replace(RUN, departed=frozenset({"id of ann"}))
    assert unresolved(kept, 1) == frozenset()
    assert unresolved(kept, 2) == {"r1", "r2", "r3"}
    assert set(targets(kept)) == {"r1", "r2", "r3"}


def test_a_copy_does_not_wait_for_a_deleted_account() -> None:
    """Everybody who can still be asked has answered."""
    said = (answer("r1", "ann"), answer("r2", "bob"), answer("r2", "cyd"), answer("r1", "cyd"))
    asked = state("r1 r2 r1#2", *said)
    assert unresolved(asked, 1) == {"r1#2"}, "bob could be asked"
    assert unresolved(replace(asked, departed=frozenset({"bob"})), 1) == frozenset()


def test_a_copy_that_one_of_two_leaves_behind_waits_for_nobody() -> None:
    """The other has read the text already, and no copy is made for who has left."""
    asked = state("r1 r2 r1#2", answer("r1", "bob"), answer("r2", "ann"))
    assert unresolved(asked, 1) == {"r1#2"}, "ann could be asked"
    left = replace(asked, departed=frozenset({"ann"}))
    assert unresolved(left, 1) == frozenset()
    relabel = RelabelSection(another_person=True, max_annotations=3)
    assert "r1" not in askable(left, 1, relabel)


def test_what_is_gone_is_not_set_aside() -> None:
    """Nor looked for at every turn."""
    repeated = state("r1 r1#2", answer("r1", "ann", time="t1"), answer("r1#2", "ann", time="t2"))
    assert to_set_aside(repeated)
    assert not to_set_aside(replace(repeated, departed=frozenset({"ann"})))


def test_a_deleted_account_is_nobody_to_wait_for(make_bench: MakeBench, place: str) -> None:
    """Records need two people, and of two who answered one has left."""
    if place != "memory":
        pytest.skip("the store has no part in it")
    bench = make_bench(queue={**QUICK, "min_submitted": 2})
    bench.run_until(collecting, lambda: None)
    first, *_ = bench.state.batch.external_ids
    for person in ("ann", "bob"):
        bench.people.submit(first, person, "fruit")
    bench.run_until(lambda state: len(state.answers) == 2, lambda: None)
    assert obstacle(bench.state, bench.tools.config) is None
    bench.people.dismiss("bob")
    bench.run_until(lambda state: bool(state.departed), lambda: None)
    kept = obstacle(bench.state, bench.tools.config)
    assert kept is not None
    assert kept.kind == "people"
