"""A pool that grows in Argilla: nothing that people do there moves a text from its position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import loopd.storage.files
from loopd.annotation.pool_texts import texts_of
from loopd.annotation.record_schema import MetadataNames
from loopd.annotation.server_version import ServerVersion, version_of
from loopd.annotation.store import Published
from loopd.config import Config
from loopd.config_file import parse_config
from loopd.data.pool import Pool
from loopd.data.report import ReadingReport
from loopd.errors import DataError, DatasetError, RunError, StorageError
from loopd.events import SHUFFLED, PoolChanged, RunStarted
from loopd.loop.argilla_pool import PoolNow, compared, joined, keep, kept_pool, look, pool_options
from loopd.loop.audit_draws import set_aside
from loopd.loop.daemon import run_daemon
from loopd.loop.data_sets import DataSets
from loopd.loop.gates import GATES, in_order
from loopd.loop.start_or_resume import pool_changed, refuse_changes
from loopd.machine import State, apply
from loopd.operations.recover import run_recovery
from loopd.records import PoolId, Record
from loopd.storage.argilla_intakes import Intakes
from loopd.storage.run_folder import POOL_FOLDER
from loopd.storage.withdrawn_texts import read_withdrawn, write_withdrawn
from tests.loop.growing import Killed, killed_at

REPORT = ReadingReport("x", 0, 0, 0, 0, 0, 0, ())


def settings(folder: Path, **pool: Any) -> Config:
    there = {"argilla": {"dataset": "theirs"}, **pool}
    return parse_config({"task": {"labels": ["fruit", "tool"]}, "pool": there}, folder)


def started(config: Config, pool: Pool) -> State:
    event = RunStarted(1.0, "c", config.run.seed, config.task.labels, pool.fingerprint, "", "d", {})
    return apply(State(), event)


def record(number: int, text: str | None = None) -> Record:
    return Record(PoolId(f"r{number}"), text or f"text {number}")


def after(now: PoolNow) -> tuple[Sequence[Record], ...]:
    return now.pool.parts


# -- what joins, and what is gone ------------------------------------------------------------------

DEEDS = st.lists(
    st.tuples(st.sampled_from(("add", "remove", "edit", "set back", "look")), st.integers(0, 30)),
    max_size=40,
)


@given(DEEDS)
def test_positions_never_move_and_what_is_shown_is_what_can_be_asked(
    deeds: list[tuple[str, int]],
) -> None:
    """Whatever people do between the starts of a run."""
    shown: dict[str, str] = {"r0": "text 0"}
    intakes: tuple[Sequence[Record], ...] = ((record(0),),)
    for what, number in (*deeds, ("look", 0)):
        id_ = f"r{number}"
        if what == "add":
            shown.setdefault(id_, f"text {number}")
        elif what == "remove":
            shown.pop(id_, None)
        elif what == "edit" and id_ in shown:
            shown[id_] = f"edited {number}"
        elif what == "set back" and id_ in shown:
            shown[id_] = f"text {number}"
        elif what == "look" and shown:
            listed = Pool(tuple(Record(PoolId(id_), text) for id_, text in shown.items()))
            now = compared(intakes, listed, (), REPORT)
            before, intakes = intakes, after(now)
            assert intakes[: len(before)] == before
            assert now.pool == joined(intakes)
            assert len(set(now.pool.texts)) == len(set(now.pool.positions)) == len(now.pool)
            asked = {each.id: each.text for each in now.pool if each.id not in now.gone}
            assert asked == {
                id_: text for id_, text in shown.items() if now.pool[PoolId(id_)].text == text
            }
            assert set(now.edited) == now.gone & shown.keys()


def test_a_text_that_is_in_a_batch_is_not_gone() -> None:
    now = compared(((record(0), record(1)),), Pool((record(2),)), {PoolId("r0")}, REPORT)
    assert now.gone == {"r1"}
    assert now.added == (record(2),)


def test_a_text_that_another_record_shows_is_there() -> None:
    now = compared(((record(0),),), Pool((Record(PoolId("copy"), "text 0"),)), (), REPORT)
    assert (now.gone, now.added) == (frozenset(), ())


# -- the run's folder ------------------------------------------------------------------------------


def test_intakes_come_back_whatever_their_texts_hold(tmp_path: Path) -> None:
    texts = ('say "no"\n{"id": 1}', "\u2028 line", "\\n", "é😀", "\t\r\n x")
    intakes = Intakes(tmp_path)
    first = tuple(record(number, text) for number, text in enumerate(texts))
    assert intakes.begin(first, 1.0) is None
    intakes.add((record(9),))
    assert Intakes(tmp_path).read() == (first, (record(9),))


@pytest.mark.parametrize("damaged", [False, True])
def test_the_texts_of_an_earlier_run_are_moved_aside(tmp_path: Path, damaged: bool) -> None:
    """Its journal may only have been moved away for a while."""
    intakes = Intakes(tmp_path)
    intakes.begin((record(0),), 1.0)
    assert intakes.begin((record(0),), 2.0) is None  # the same are left where they are
    intakes.add((record(9),))
    if damaged:
        (tmp_path / POOL_FOLDER / "000001.jsonl").write_bytes(b"x")
    before = contents(tmp_path / POOL_FOLDER)
    for number in (1, 2):
        aside = intakes.begin((record(number),), 86_400.0)
        assert intakes.read() == ((record(number),),)
        assert aside is not None
        assert contents(aside) == before
        before = contents(tmp_path / POOL_FOLDER)
    assert {path.name for path in tmp_path.iterdir()} == {
        POOL_FOLDER,
        f"{POOL_FOLDER}-before-19700102T000000Z",
        f"{POOL_FOLDER}-before-19700102T000000Z-2",
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text("", encoding="utf-8"),
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: path.write_bytes(b"\xff" + path.read_bytes()),
        lambda path: path.write_text(path.read_text().replace('"id"', '"no"'), encoding="utf-8"),
        lambda path: path.write_text(path.read_text().replace(": 2}", ": 3}"), encoding="utf-8"),
        lambda path: path.write_text(path.read_text().replace('"r1"', "1"), encoding="utf-8"),
        lambda path: path.write_text(
            path.read_text().replace('"r1"', "[" * 100_000), encoding="utf-8"
        ),
        lambda path: path.write_text("[" * 100_000 + "\n", encoding="utf-8"),
    ],
)
def test_a_damaged_intake_is_an_error(tmp_path: Path, damage: Any) -> None:
    Intakes(tmp_path).begin((record(0), record(1)), 1.0)
    damage(tmp_path / POOL_FOLDER / "000000.jsonl")
    with pytest.raises(StorageError, match="is damaged"):
        Intakes(tmp_path).read()


def test_without_an_intake_there_is_no_pool_without_argilla(tmp_path: Path) -> None:
    config = settings(tmp_path)
    with pytest.raises(DataError, match="has not read it yet"):
        kept_pool(config)


def test_a_process_that_is_killed_before_the_journal_knows_goes_on(tmp_path: Path) -> None:
    """The intake is written, and the event that says so is not."""
    config = settings(tmp_path)
    first = compared((), Pool((record(0), record(1))), (), REPORT)
    keep(config, State(), first, 1.0)
    state = started(config, first.pool)
    grown = compared(
        Intakes(config.run.dir).read(), Pool((record(0), record(1), record(2))), (), REPORT
    )
    keep(config, state, grown, 1.0)
    killed = kept_pool(config)
    refuse_changes(state, config, DataSets(killed, None, {}))
    event = pool_changed(state, DataSets(killed, None, {}), 2.0)
    assert event == PoolChanged(2.0, 1, killed.fingerprint)
    known = apply(state, event)
    refuse_changes(known, config, DataSets(killed, None, {}))
    assert pool_changed(known, DataSets(killed, None, {}), 3.0) is None
    lost = pool_changed(known, DataSets(killed, None, {}, frozenset({PoolId("r1")})), 4.0)
    assert lost is not None
    assert (lost.added, lost.gone) == (0, ("r1",))
    back = pool_changed(apply(known, lost), DataSets(killed, None, {}), 5.0)
    assert back is not None
    assert back.back == ("r1",)


class Listing:
    """A store that lists these texts."""

    def __init__(self, *numbers: int) -> None:
        self._pool = Pool(tuple(record(number) for number in numbers))

    def texts(self, *_: object) -> tuple[Pool, ReadingReport]:
        return self._pool, REPORT


def test_a_run_whose_intakes_are_lost_goes_on_only_where_nothing_has_changed(
    tmp_path: Path,
) -> None:
    config = settings(tmp_path)
    now = look(config, State(), Listing(0, 1))  # type: ignore[arg-type]
    keep(config, State(), now, 1.0)
    state = started(config, now.pool)
    keep(config, state, look(config, state, Listing(0, 1, 2)), 1.0)  # type: ignore[arg-type]
    folder = config.run.dir / POOL_FOLDER
    (folder / "000000.jsonl").rename(folder / "away")
    with pytest.raises(StorageError, match="does not hold the texts"):
        look(config, state, Listing(0, 1, 2))  # type: ignore[arg-type]
    assert look(config, state, Listing(0, 1)).pool == now.pool  # type: ignore[arg-type]
    (folder / "away").rename(folder / "000000.jsonl")
    grown = look(config, state, Listing(0, 2, 3))  # type: ignore[arg-type]
    assert [each.id for each in grown.pool] == ["r0", "r1", "r2", "r3"]
    assert grown.gone == {"r1"}


class Refusing(Listing):
    """A server whose dataset cannot serve."""

    def account(self) -> tuple[str, str]:
        return "owner", "owner"

    def server(self) -> ServerVersion:
        return version_of({"version": "2.8.0"}, is_fork=False)

    def preview(self, _: Pool, *, fresh: bool) -> str:
        raise DatasetError(f"it does not fit ({fresh})")

    def published(self, *_: object) -> Published:
        raise DatasetError("it holds no batch")

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("begin", "module"),
    [
        (run_daemon, "loop.daemon"),
        (lambda config: run_recovery(config, print), "operations.recover"),
    ],
    ids=["run", "recover"],
)
def test_a_start_that_is_refused_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: Callable[[Config], object], module: str
) -> None:
    """A journal that was moved away for a while finds the texts that it is about."""
    monkeypatch.setenv("ARGILLA_API_KEY", "a-key")
    monkeypatch.setattr(f"loopd.{module}.build_store", lambda *_: Refusing(2, 3))
    config = settings(tmp_path)
    plain = {"classifier": {"name": "tfidf"}, "dashboard": {"enabled": False}}
    config = parse_config({**config.model_dump(exclude_unset=True), **plain}, tmp_path)
    intakes = Intakes(config.run.dir)
    intakes.begin((record(0), record(1)), 1.0)
    intakes.add((record(2),))
    with pytest.raises(DatasetError):
        begin(config)
    assert intakes.read() == ((record(0), record(1)), (record(2),))
    assert not list(config.run.dir.glob(f"{POOL_FOLDER}-*"))


def test_withdrawn_texts_stay_away_wherever_a_fresh_start_is_killed(tmp_path: Path) -> None:
    """The journal was moved away, and the dataset still shows a text that was withdrawn."""

    def begun_again(folder: Path, point: int) -> list[str]:
        config = settings(folder)
        where = config.run.dir
        Intakes(where).begin((record(0), replace(record(1), text="")), 1.0)
        write_withdrawn(where, read_withdrawn(where).plus(["text 1"], ["f"], [PoolId("r1")]))
        known, before = read_withdrawn(where), contents(where / POOL_FOLDER)
        dataset: Any = Listing(0, 1, 2)
        with killed_at(point, *AT_A_START) as passed, suppress(Killed):
            keep(config, State(), look(config, State(), dataset), 1.0)
        now = look(config, State(), dataset)
        keep(config, State(), now, 2.0)
        assert [each.id for each in now.pool] == ["r0", "r2"], passed[point - 1 :]
        assert Intakes(where).read() == ((record(0), record(2)),), passed[point - 1 :]
        assert read_withdrawn(where) == known, passed[point - 1 :]
        assert before in [contents(aside) for aside in where.glob(f"{POOL_FOLDER}-before-*")]
        assert [path.name for path in where.iterdir() if path.is_file()] == []
        return passed

    points = len(begun_again(tmp_path / "whole", 0))
    assert points >= 12
    for point in range(1, points + 1):
        begun_again(tmp_path / str(point), point)


AT_A_START: tuple[tuple[Any, str], ...] = (
    (Path, "rename"),
    (Path, "unlink"),
    (loopd.storage.files, "sync_folder"),
)


def test_a_pool_of_other_texts_is_refused(tmp_path: Path) -> None:
    config = settings(tmp_path)
    state = started(config, joined(((record(0), record(1)),)))
    for other in ((record(1), record(0)), (record(0),), (record(0), record(2))):
        with pytest.raises(RunError, match="the pool changed"):
            refuse_changes(state, config, DataSets(joined((other,)), None, {}))


# -- what is drawn from it -------------------------------------------------------------------------


def test_what_was_set_aside_stays_aside_when_the_pool_grows() -> None:
    first = tuple(record(number) for number in range(100))
    later = tuple(record(number) for number in range(100, 140))
    before = set_aside(Pool(first), 0.2, 7, SHUFFLED)
    after = set_aside(joined((first, later)), 0.2, 7, SHUFFLED)
    assert [id_ for id_ in after if int(id_[1:]) < 100] == list(before)
    assert (len(before), len(after)) == (20, 28)
    places = [place for place, id_ in enumerate(after) if int(id_[1:]) >= 100]
    assert max(places) > 20  # among the others, not behind them or before them
    assert min(places) < 8


def test_single_texts_that_join_are_set_aside_now_and_then() -> None:
    intakes = tuple((record(number),) for number in range(50))
    assert len(set_aside(joined(intakes), 0.2, 1, SHUFFLED)) == 10


# -- records ---------------------------------------------------------------------------------------


def entry(external_id: str | None, text: object, **metadata: Any) -> dict[str, Any]:
    return {
        "id": f"id of {text}",
        "external_id": external_id,
        "fields": {"text": text, "topic": "tool"},
        "metadata": metadata,
        "responses": [],
    }


def test_records_become_texts(tmp_path: Path) -> None:
    records = [
        entry("a", "an &lt;b&gt; apple"),
        entry(None, "a pear"),
        entry("c", "a pear"),
        entry("d", None),
        entry("e\n", "a saw"),
        entry("f", "a plum", loopd_second_opinion_of="a"),
    ]
    records[0]["responses"] = [{"status": "submitted"}, {"status": "draft"}]
    names = MetadataNames("loopd_")
    pool, report = texts_of(records, names, pool_options(settings(tmp_path, tolerate=1)))
    assert [(each.id, each.text) for each in pool] == [
        ("a", "an <b> apple"),
        ("id of a pear", "a pear"),
        ("id of a saw", "a saw"),
    ]
    assert (report.rows, report.kept, report.duplicates, report.empty) == (5, 3, 1, 1)
    assert report.answers == 1
    assert report.source == "dataset `theirs`"


def test_known_labels_are_metadata_or_a_field(tmp_path: Path) -> None:
    records = [entry("a", "an apple", kind="fruit"), entry("b", "a pear", kind="cake")]
    config = settings(tmp_path, tolerate=1)
    pool, _ = texts_of(records, MetadataNames(), pool_options(config, "kind"))
    assert [each.gold for each in pool] == ["fruit", None]
    pool, _ = texts_of(records, MetadataNames(), pool_options(config, "topic"))
    assert [each.gold for each in pool] == ["tool", "tool"]


def test_a_dataset_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        texts_of([entry("a", None)], MetadataNames(), pool_options(settings(tmp_path)))


# -- gates -----------------------------------------------------------------------------------------


def test_the_pool_is_read_once_argilla_answers(tmp_path: Path) -> None:
    config = settings(tmp_path)
    ordered = in_order(GATES, config)
    names = [gate.name for gate in ordered]
    assert sorted(names) == sorted(gate.name for gate in GATES)
    for gate in ordered:
        assert set(gate.needs) <= set(names[: names.index(gate.name)]), gate.name
    assert names.index("argilla") < names.index("data") < names.index("same run")
