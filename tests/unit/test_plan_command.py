"""`loopd plan`: what it prints, what it takes from a configuration, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from loopd.cli import main
from loopd.errors import ConfigError
from loopd.sizing import measuring
from loopd.sizing.asked import PlanOptions, machines_of, texts_of, workload_of
from loopd.sizing.calibrating import measured_speed
from loopd.sizing.costs import REFERENCE
from loopd.sizing.workload import Machines, Workload


def plan(*words: str) -> Result:
    return CliRunner().invoke(main, ["plan", *words])


def plan_as_json(*words: str) -> dict[str, Any]:
    done = plan(*words, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.output)
    return found


@pytest.fixture
def config(tmp_path: Path) -> Path:
    lines = "".join(f"t{number},word word word number {number}\n" for number in range(30))
    (tmp_path / "pool.csv").write_text("id,text\n" + lines)
    path = tmp_path / "my.yaml"
    content = {
        "run": {"dir": str(tmp_path / "run")},
        "task": {"labels": ["one", "two", "three"]},
        "pool": {"path": str(tmp_path / "pool.csv"), "id": "id"},
        "classifier": {"name": "frozen-head", "threads": 3, "options": {"dimensions": 64}},
        "queue": {"batch_size": 7},
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_table_for_people() -> None:
    done = plan("--texts", "100e6", "--nodes", "8", "--gpus", "8", "--memory", "24")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("100,000,000 texts of 20 tokens, transformer over packaged")
    assert "8 nodes, 8 GPUs" in done.output
    assert "! Taking in 100,000,000 texts at once needs" in done.output
    assert not done.stderr


def test_one_object_for_programs() -> None:
    found = plan_as_json("--texts", "1,000,000", "--threads", "4", "--classifier", "frozen-head")
    assert (found["texts"], found["threads"], found["classifier"]) == (10**6, 4, "frozen-head")
    assert {"read", "index", "encode", "open", "first round", "later round"} == set(found["steps"])
    assert all(step["seconds"] > 0 for step in found["steps"].values())
    assert not found["measured"]


def test_words_tokens_and_labels() -> None:
    words, tokens = (
        plan_as_json("--texts", "1e5", "--words", "10"),
        plan_as_json("--texts", "1e5", "--tokens", "16", "--labels", "1000", "--batch", "50"),
    )
    assert words["tokens"] == tokens["tokens"] == 16
    assert (words["steps"]["later round"]["times"], tokens["steps"]["later round"]["times"]) == (
        24,
        19,
    )
    assert plan_as_json("--texts", "1e5", "--tokens", "5000")["tokens"] == 256


def test_candidates_that_are_named_have_no_limit_of_tokens() -> None:
    options = PlanOptions(texts=10**6, tokens=256, candidates=50_000)
    assert workload_of(options).scored == 50_000
    assert workload_of(PlanOptions(texts=10**6, tokens=256)).scored == 5000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--texts", "many"], "'many' is no number, such as 100e6"),
        (["--texts", "1.5"], "1.5 is no whole number above 0"),
        (["--texts", "-3"], "-3 is no whole number above 0"),
        (["--texts", "nan"], "'nan' is no number"),
        (["--texts", "1e999"], "'1e999' is no number"),
        (["--texts", "1e6", "--nodes", "0"], "0 is not in the range"),
        (["--texts", "1e6", "--classifier", "setfit"], "'setfit' is not one of"),
        (["--texts", "1e6", "--layers", "3"], "one of --layers and --width is missing"),
        (["--texts", "1e6", "--model", "nobody/has-this"], "the shape of the model"),
        (["--texts", "1e6", "--layers", "3", "--width", "64", "--measure"], "needs a model"),
        ([], "how many texts?"),
    ],
)
def test_mistakes_are_one_line_and_a_hint(words: list[str], said: str) -> None:
    done = plan(*words)
    assert done.exit_code in (2, 10, 12)
    first, second = done.stderr.splitlines()
    assert said in first
    assert second.startswith("  hint: ")
    assert not done.stdout


# -- a configuration -------------------------------------------------------------------------------


def test_what_a_configuration_says(config: Path) -> None:
    found = plan_as_json(str(config))
    assert (found["texts"], found["classifier"], found["threads"]) == (30, "frozen-head", 3)
    assert found["tokens"] == 9.0
    assert found["steps"]["later round"]["times"] == 71


def test_options_come_before_a_configuration(config: Path) -> None:
    found = plan_as_json(
        str(config), "--texts", "1e6", "--classifier", "transformer", "--words", "20"
    )
    assert (found["texts"], found["classifier"], found["tokens"]) == (10**6, "transformer", 30)


def test_fewer_dimensions_take_less_disk(config: Path) -> None:
    few = plan_as_json(str(config), "--texts", "1e6")["disk_mib"]["features"]
    usual = plan_as_json("--texts", "1e6", "--classifier", "frozen-head")["disk_mib"]["features"]
    assert few / usual == pytest.approx((64 + 384) / (512 + 384), rel=1e-2)


def test_a_run_that_has_begun_need_not_read_its_table(config: Path) -> None:
    from loopd.config_file import load_config
    from loopd.data.reading import read_pool
    from loopd.storage.pool_table import PoolTable

    settings = load_config(config)
    pool, _ = read_pool(settings.pool, labels=None)
    table = PoolTable(settings.run.dir)
    table.put(0, tuple(pool)[:20])
    table.put(1, tuple(pool)[20:25])
    (config.parent / "pool.csv").unlink()
    count, sample = texts_of(settings)
    assert (count, len(sample), sample[0]) == (25, 20, "word word word number 0")


def test_a_classifier_whose_costs_nobody_measured(config: Path) -> None:
    config.write_text(config.read_text().replace("frozen-head", "setfit"))
    done = plan(str(config))
    assert done.exit_code == 10
    assert "what setfit costs has not been measured" in done.stderr
    assert plan(str(config), "--classifier", "frozen-head").exit_code == 0


def test_what_spans_cost_has_not_been_measured(config: Path) -> None:
    content = yaml.safe_load(config.read_text())
    content["task"]["type"] = "spans"
    content["classifier"] = {"name": "transformer"}
    config.write_text(yaml.safe_dump(content))
    assert "what spans cost has not been measured" in plan(str(config)).stderr


def test_texts_that_are_read_in_windows_are_read_whole(config: Path) -> None:
    content = yaml.safe_load(config.read_text())
    said = (str(config), "--texts", "1e5", "--tokens", "5000")
    for windows, tokens in (("none", 256), ("head_tail", 256), ("mean", 5000)):
        content["classifier"]["windows"] = windows
        config.write_text(yaml.safe_dump(content))
        assert plan_as_json(*said)["tokens"] == tokens


def test_memory_and_threads_are_this_machine_s_unless_said() -> None:
    usual = machines_of(PlanOptions())
    assert usual.threads >= 1
    assert usual.memory is None or usual.memory > 2**28
    assert machines_of(PlanOptions(memory=2.0)).memory == 2 * 2**30


# -- measuring -------------------------------------------------------------------------------------


def test_made_up_texts_have_as_many_tokens_as_asked() -> None:
    assert [len(text.split()) for text in measuring.made_up(3, 7)] == [7, 7, 7]
    assert measuring.made_up(50, 9) == measuring.made_up(50, 9)


def test_measuring_compares_this_machine_with_the_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a machine that takes twice as long for everything."""
    from loopd.sizing.costs import SECONDS
    from loopd.sizing.estimate import pass_seconds, projection_seconds

    work, machines = Workload(1000, tokens=14), Machines()

    class Pass:
        on_gpu = False

        def __init__(self, section: object) -> None:
            pass

        def tokens_of(self, texts: list[str]) -> int:
            return 14 * len(texts)

        def encoding(self, texts: list[str]) -> float:
            return 2 * pass_seconds(work, machines, len(texts))

    monkeypatch.setattr(measuring, "EncoderPass", Pass)
    monkeypatch.setattr(measuring, "disk_speed", lambda folder: 42e6)
    monkeypatch.setattr(measuring, "starting", lambda folder: 2 * SECONDS.start_measured)
    monkeypatch.setattr(
        measuring, "taking_in_anew", lambda folder, rows, words: 2 * rows * SECONDS.row_measured
    )
    monkeypatch.setattr(
        measuring, "projecting",
        lambda rows, width, dimensions: 2 * rows * projection_seconds(work, 1),
    )  # fmt: skip
    told: list[str] = []
    speed = measured_speed(work, machines, tmp_path, told.append)
    twice = (speed.starts, speed.rows, speed.encoding, speed.products)
    assert twice == pytest.approx((2.0, 2.0, 2.0, 2.0))
    assert (speed.disk, speed.measured, REFERENCE.measured) == (42e6, True, False)
    assert len(told) == 5
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="no GPU here"):
        measured_speed(work, Machines(gpus=1), tmp_path, told.append)
    many = measured_speed(work, Machines(threads=10**6), tmp_path, told.append)
    assert many.encoding <= 2.0 / SECONDS.serial_share


@pytest.mark.slow
def test_a_real_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = plan_as_json(
        "--texts", "1e5", "--measure", "--threads", "1", "--classifier", "frozen-head"
    )
    assert found["measured"]
    assert found["steps"]["encode"]["seconds"] > 0
    assert list(tmp_path.iterdir()) == []
