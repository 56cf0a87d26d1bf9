"""Sinks: what they hold is read back by their own libraries, and never twice the same step."""

from __future__ import annotations

import csv
import socket
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from loopd.config import MlflowSection
from loopd.config_file import parse_config
from loopd.dashboard.observers import observers
from loopd.errors import ConfigError
from loopd.events import RunStopped
from loopd.installation import add_extra
from loopd.loop import start_or_resume
from loopd.loop.observers import RunView
from loopd.metrics_log.rows import Row, number
from loopd.sinks.csv_file import CsvFile
from loopd.sinks.mlflow_run import MlflowRun
from loopd.sinks.sink import LastModel, RunRecord, Sink, numbers, plain_name
from loopd.sinks.sink_writer import SinkWriter
from loopd.sinks.tensorboard_log import TensorBoardLog
from tests.loop.conftest import Bench, MakeBench, make_bench  # noqa: F401 (a fixture)
from tests.loop.test_people import answer_all, never
from tests.monitoring.rounds import HOSTILE, make_rows

TASK = {"task": {"labels": ["a", "b"]}, "pool": {"path": "pool.csv"}}


def story(count: int, **changes: Any) -> RunRecord:
    rows = [{**row, "at": 1_000_000.5 + place} for place, row in enumerate(make_rows(9, HOSTILE))]
    settings = {"run.seed": "1", "queue.batch_size": "6"}
    source = {"config_digest": "d1", "seed": "1"}
    told = RunRecord("0123456789ab", "a run", 1_000_000.0, tuple(rows[:count]), settings, source)
    return replace(told, **changes)


def points_of(rows: Iterable[Row], *, slash: bool = False) -> set[tuple[str, int, float]]:
    """Every number of the rounds as a sink should hold it."""
    return {
        (key.replace(".", "/", 1) if slash else key, int(number(row, "round") or 0), value)
        for row in rows
        for key, value in numbers(row)
    }


def expected(told: RunRecord, *, slash: bool = False) -> set[tuple[str, int, float]]:
    return points_of(told.rows, slash=slash)


def scalars(folder: Path) -> list[tuple[str, int, float]]:
    """Every scalar below the folder, as TensorBoard's own reader sees it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (run,) = folder.iterdir()
    read = EventAccumulator(str(run), {"scalars": 0})
    read.Reload()
    tags = read.Tags()["scalars"]
    return [(tag, each.step, each.value) for tag in tags for each in read.Scalars(tag)]


def same(found: list[tuple[str, int, float]], wanted: set[tuple[str, int, float]]) -> bool:
    """Whether they are the same, each once; TensorBoard keeps 32 bits of a number."""
    return sorted((key, step) for key, step, _ in found) == sorted(
        (key, step) for key, step, _ in wanted
    ) and {(key, step): value for key, step, value in found} == pytest.approx(
        {(key, step): value for key, step, value in wanted}, rel=1e-6
    )


def test_the_table_holds_every_key_and_number(tmp_path: Path) -> None:
    sink, told = CsvFile(tmp_path / "metrics.csv"), story(3)
    sink.write(story(2))
    sink.write(told)
    with (tmp_path / "metrics.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert len(read) == 3
    for line, row in zip(read, told.rows, strict=True):
        assert {key: value for key, value in line.items() if value} == {
            key: value if isinstance(value, str) else str(value).lower()
            for key, value in row.items()
            if value is not None
        }


def test_tensorboard_reads_every_number_once_though_the_process_died(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    TensorBoardLog(tmp_path).write(story(2))  # never closed, as after SIGKILL
    again = TensorBoardLog(tmp_path)
    again.write(story(2))
    again.write(story(4))
    again.write(story(4))
    again.close()
    assert same(scalars(tmp_path), expected(story(4), slash=True))


def test_a_round_that_was_cut_in_the_middle_is_made_whole(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    first = TensorBoardLog(tmp_path)
    first.write(story(3))
    first.close()
    (file,) = next(tmp_path.iterdir()).iterdir()
    file.write_bytes(file.read_bytes()[:-700])
    lost = len(expected(story(3))) - len(scalars(tmp_path))
    assert 0 < lost < len(list(numbers(story(3).rows[2])))
    TensorBoardLog(tmp_path).write(story(3))
    assert same(scalars(tmp_path), expected(story(3), slash=True))


def test_names_that_tools_refuse_are_replaced_and_stay_apart() -> None:
    assert plain_name("f1.question") == "f1.question"
    assert plain_name("f1.日本") == "f1.日本"
    made = {plain_name(f"f1.{label}") for label in (*HOSTILE, "a/b", "a_b", "a b", "..", "../x")}
    assert len(made) == len(HOSTILE) + 5
    for name in made:
        assert all(char.isalnum() or char in "_-." for char in name)
        assert ".." not in name
        assert len(name) < 220


class Recorder:
    """A sink that keeps what it is given and fails while it is told to."""

    name = "recorder"

    def __init__(self) -> None:
        self.told: list[RunRecord] = []
        self.broken = False
        self.closed = False
        self.called = threading.Semaphore(0)

    def write(self, story: RunRecord) -> None:
        try:
            if self.broken:
                raise OSError("the disk is on fire")
            self.told.append(story)
        finally:
            self.called.release()

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def place() -> str:
    return "memory"


@pytest.fixture
def ran(make_bench: MakeBench) -> Bench:  # noqa: F811 (the fixture)
    """A run of two rounds that is done."""
    bench = make_bench(size=30, stopping={"max_rounds": 2})
    bench.run_until(never, lambda: answer_all(bench))
    return bench


def test_a_sink_that_fails_is_said_once_and_told_everything_later(ran: Bench) -> None:
    sink = Recorder()
    sink_writer = SinkWriter(sink)
    sink.broken = True
    with structlog.testing.capture_logs() as lines:
        sink_writer.began(RunView(ran.state, ran.events, ran.tools))
        assert sink.called.acquire(timeout=20)
        for event in ran.events:  # seen again, as if they came now
            sink_writer.saw(event, ran.state)
        sink.broken = False
        sink_writer.ended(None)
    assert sink.closed
    assert [line["event"] for line in lines] == ["sink_failed", "sink_works_again"]
    last = sink.told[-1]
    assert last.ending == "done"
    assert [row["round"] for row in last.rows] == [0, 1]
    assert last.settings["queue.batch_size"] == "6"
    assert "api_key" not in str(sorted(set(last.settings.values())))


def test_the_model_is_offered_only_when_the_run_is_done(ran: Bench) -> None:
    assert isinstance(ran.events[-1], RunStopped)
    for done in (True, False):
        sink = Recorder()
        sink_writer = SinkWriter(sink, model=True)
        sink_writer.began(RunView(ran.state, ran.events, ran.tools))
        sink_writer.ended(None if done else RuntimeError("killed"))
        assert (sink.told[-1].model is not None) is done
        assert sink.told[-1].ending == ("done" if done else "failed")


def test_a_missing_package_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        start_or_resume, "find_spec", lambda name: None if name == "tensorboard" else name
    )
    config = parse_config({**TASK, "sinks": {"tensorboard": "tb"}}, Path("/base"))
    with pytest.raises(ConfigError, match=r"sinks\.tensorboard needs tensorboard") as caught:
        list(observers(config))
    assert caught.value.hint == add_extra("tensorboard")
    plain = {**TASK, "dashboard": {"enabled": False}}
    assert list(observers(parse_config(plain, Path("/base")))) == []


def test_places_are_taken_from_the_folder_of_the_configuration() -> None:
    sinks = {"tensorboard": "tb", "mlflow": {"uri": "sqlite:///ml/flow.db"}}
    read = parse_config({**TASK, "sinks": sinks}, Path("/base")).sinks
    assert read.tensorboard == Path("/base/tb")
    assert read.mlflow is not None
    assert read.mlflow.uri == "sqlite:////base/ml/flow.db"


@pytest.mark.parametrize("uri", ["mlruns", "file:///x", "postgresql://u:p@h/d", "http://u:p@h", ""])
def test_an_address_that_is_none_is_refused(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"sinks\.mlflow\.uri"):
        parse_config({**TASK, "sinks": {"mlflow": {"uri": uri}}}, Path("/base"))


def runs(section: MlflowSection) -> list[Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=section.uri)
    experiment = client.get_experiment_by_name(section.experiment)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def points(section: MlflowSection) -> list[tuple[str, int, float]]:
    """Every number of the one run, as MLflow's own client sees it."""
    from mlflow.tracking import MlflowClient

    (run,) = runs(section)
    client = MlflowClient(tracking_uri=section.uri)
    return [
        (key, each.step, each.value)
        for key in run.data.metrics
        for each in client.get_metric_history(run.info.run_id, key)
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_mlflow_finds_one_run_with_each_round_once(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    section = MlflowSection(uri=f"sqlite:///{tmp_path}/ml.db", experiment="tickets", model=True)
    MlflowRun(section).write(story(2))
    again: Sink = MlflowRun(section)  # another process
    again.write(story(3))
    cut = MlflowRun(section)
    _write_half(cut, story(4))

    def save(folder: Path) -> None:
        folder.mkdir()
        (folder / "config.json").write_text("{}")

    model = LastModel("m1", save)
    settings = {"run.seed": "1", "queue.batch_size": "9"}
    last = MlflowRun(section)
    for _ in range(2):
        last.write(story(4, ending="done", model=model, settings=settings))
    assert same(points(section), expected(story(4)))
    (run,) = runs(section)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"run.seed": "1", "queue.batch_size": "6"}
    assert run.data.tags["changed.queue.batch_size"] == "9"
    assert run.data.tags["loopd.run"] == "0123456789ab"
    assert (tmp_path / "ml-artifacts").is_dir()
    assert len(list((tmp_path / "ml-artifacts").rglob("config.json"))) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_mlflow_calls_nobody_but_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    asked: list[Any] = []
    connect = socket.socket.connect

    def noted(self: socket.socket, address: Any) -> None:
        asked.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", noted)
    MlflowRun(MlflowSection(uri=f"sqlite:///{tmp_path}/ml.db")).write(story(2))
    assert asked == []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]  # nobody listens there
        down = MlflowRun(MlflowSection(uri=f"http://127.0.0.1:{port}"))
        with pytest.raises(Exception, match="Max retries exceeded"):
            down.write(story(2))
    assert set(asked) == {("127.0.0.1", port)}


def _write_half(sink: MlflowRun, told: RunRecord) -> None:
    """Die in the middle of the last round."""
    row: Row = told.rows[-1]
    keys = list(row)
    half = {key: row[key] for key in keys[: len(keys) // 2] if key != "round"}
    sink.write(story(3))
    from mlflow.entities import Metric

    # Of another moment: stores that keep a number of one moment only once shall not help.
    values = [Metric(key, value, 1_000_009_000, 3) for key, value in numbers(half)]
    assert len(values) > 3
    sink._client.log_batch(sink._run_id, metrics=values)
