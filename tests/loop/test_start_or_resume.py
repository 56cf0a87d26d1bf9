"""What a start looks at before it goes on: the dataset, and packages for the sinks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loopd.config import Config
from loopd.config_file import parse_config
from loopd.errors import ConfigError, RunError
from loopd.events import TextsWithdrawn
from loopd.loop import start_or_resume
from loopd.loop.start_or_resume import begin, check_sinks
from loopd.machine import Phase
from loopd.records import PoolId
from loopd.storage.pool_table import PoolTable
from loopd.storage.removal_requests import RemovalRequests
from tests.loop.growing import GrowingRun, begun, rows, write_rows

pytestmark = pytest.mark.whatever_the_store


@pytest.fixture
def run(tmp_path: Path) -> GrowingRun:
    return begun(tmp_path)


def test_another_dataset_is_refused_before_a_model_is_loaded(
    run: GrowingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[object] = []
    monkeypatch.setattr(start_or_resume, "check_parts", checked.append)
    state = replace(run.state, config_digest="another configuration")
    with pytest.raises(RunError, match="not the one that this run began with") as caught:
        begin(state, run.tools, "another dataset")
    assert "restore argilla.url and argilla.dataset" in (caught.value.hint or "")
    assert checked == []
    assert begin(run.state, run.tools, "memory") is None
    assert begin(state, run.tools, "memory") is not None
    assert checked == [run.tools]


# -- sinks -----------------------------------------------------------------------------------------


def with_sinks(folder: Path, **sinks: object) -> Config:
    sections: dict[str, Any] = {
        "task": {"labels": ["a", "b"]},
        "pool": {"path": "pool.csv"},
        "sinks": sinks,
    }
    return parse_config(sections, folder)


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ((), ""),
        (("tensorboard",), "sinks.tensorboard needs tensorboard"),
        (("alembic",), "sinks.mlflow needs alembic"),
        (("mlflow", "sqlalchemy"), "sinks.mlflow needs mlflow and sqlalchemy"),
        (("tensorboard", "alembic"), "sinks.tensorboard needs tensorboard"),
    ],
)
def test_every_sink_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: tuple[str, ...], words: str
) -> None:
    def find(name: str) -> object | None:
        return None if name in lacking else SimpleNamespace(name=name)

    monkeypatch.setattr(start_or_resume, "find_spec", find)
    mlflow = {"uri": "sqlite:///mlflow.db"}
    config = with_sinks(tmp_path, csv=True, tensorboard="logs", mlflow=mlflow)
    if not lacking:
        assert check_sinks(config) == ["csv", "tensorboard", "mlflow"]
        assert check_sinks(with_sinks(tmp_path, mlflow=mlflow)) == ["mlflow"]
        assert check_sinks(with_sinks(tmp_path)) == []
        return
    with pytest.raises(ConfigError) as caught:
        check_sinks(config)
    assert caught.value.message == words
    assert words.partition(" ")[0].removeprefix("sinks.") in (caught.value.hint or "")


# -- tools that are worked with --------------------------------------------------------------------


def test_what_has_not_grown_again_is_not_made_anew(run: GrowingRun) -> None:
    tools = run.tools
    before = tools.learner
    write_rows(run.folder / "tickets" / "day2.csv", rows(40, 5))
    run.now[0] += 60
    run.run_until(lambda state: bool(state.intakes))
    learner, pool = tools.learner, tools.data.pool
    assert (learner is before, len(pool)) == (False, 45)
    aside, sets = tools.aside(run.state), tools._stop_sets
    tools.grow()
    tools.watch = None
    tools.grow()
    assert tools.learner is learner
    assert tools.data.pool is pool
    assert tools.aside(run.state) is aside
    assert tools._stop_sets is sets


def test_texts_leave_a_run_in_which_nobody_erases_files(run: GrowingRun) -> None:
    """As where a journal is replayed elsewhere: batches are without them, files stay."""
    run.run_until(lambda state: len(state.batches) >= 2 and state.phase is Phase.COLLECT)
    tools, folder = run.tools, run.config.run.dir
    tools.removals = None
    before, learner = list(PoolTable(folder).intakes()), tools.learner
    never = next(id_ for id_ in tools.data.pool.ids if id_ not in run.state.planned_ids)
    ids = (run.state.batch.record_ids[0], never)
    RemovalRequests(folder).leave(map(PoolId, ("r001",)))
    pool = tools.data.pool.without_texts(ids)
    run.record(TextsWithdrawn(run.now[0], tuple(sorted(ids)), pool.fingerprint))
    assert tools.data.pool.records == pool.records
    assert tools.learner is not learner
    assert list(PoolTable(folder).intakes()) == before
    planned = run.state.planned_ids
    run.run_until(lambda state: len(state.batches) >= 5)
    assert not set(ids) & (run.state.planned_ids - planned)
    assert run.state.withdrawn == set(ids)
    assert len(RemovalRequests(folder).waiting()) == 1
