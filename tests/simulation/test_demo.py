"""The demo: its folder, and the whole of it with the quick classifier on a real Argilla."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from loopd.config import MlflowSection
from loopd.config_file import load_config
from loopd.demo.demo import DemoOptions, comparison, last_words, run_demo
from loopd.demo.demo_folder import MARKER, opened
from loopd.demo.play import config_play, merged, sample_sections, sample_task
from loopd.demo.sample_data import LABELS
from loopd.errors import ConfigError, LockedError
from loopd.metrics_log.rows import Row
from loopd.storage.lock import run_lock
from tests.guard import losses_below
from tests.monitoring.test_sinks import points, points_of, runs, same, scalars
from tests.simulation.conftest import wait_for
from tests.starting.test_parent_watch import alive


def test_the_folder_is_made_and_its_configuration_is_valid(tmp_path: Path) -> None:
    with opened(tmp_path / "demo", resume=False) as folder:
        changes = {"classifier": {"name": "tfidf"}, "argilla": {"url": "http://x"}}
        folder.write_config(merged(sample_sections(), changes))
        config = load_config(folder.config)
    assert config.task.labels == LABELS
    assert config.pool.path is not None
    assert config.pool.path.exists()
    assert config.argilla.dataset == "customer-questions"
    assert config.strategy.name == "auto"


def test_an_earlier_demo_is_cleared_or_resumed(tmp_path: Path) -> None:
    path = tmp_path / "demo"
    for resume, kept in ((False, False), (True, True), (False, False)):
        with opened(path, resume) as folder:
            assert (path / "leftover").exists() is kept
            assert (folder.run / "old").exists() is kept
            folder.run.mkdir(exist_ok=True)
            (path / "leftover").write_text("x")
            (folder.run / "old").write_text("x")


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="not empty and no demo made it"), opened(tmp_path, False):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="is not a folder"), opened(link, False):
        pass


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with opened(tmp_path, False), pytest.raises(LockedError), opened(tmp_path, False):
        pass
    with run_lock(tmp_path / "run"), pytest.raises(LockedError), opened(tmp_path, False):
        pass


def test_the_last_words_of_a_daemon(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    log.write_text("2026 [info] x\nloopd: auth error: no key\n  hint: export it\n")
    assert last_words(log) == ["loopd: auth error: no key", "  hint: export it"]
    log.write_text("Killed\n")
    assert last_words(log) == ["Killed"]


def test_the_comparison_in_words() -> None:
    rows: list[Row] = [
        {"accuracy": 0.5, "labels": 20},
        {"accuracy": 0.75, "labels": 40},
        {"labels": 60},
    ]
    assert comparison(rows) == "0.500 -> 0.750 (+0.250) with 40 labels"
    assert comparison([{"labels": 20}]) == "not measured"


def test_the_people_know_every_text_of_the_pool() -> None:
    task = sample_task()
    assert len(task.gold) >= 1800
    assert set(task.gold.values()) == set(LABELS)


def test_who_labels_themselves_need_no_labels(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text\nfirst\nsecond\n")
    (tmp_path / "c.yaml").write_text(
        "task: {labels: [a, b]}\npool: {path: t.csv}\nargilla: {dataset: mine}\n"
    )
    play = config_play(tmp_path / "c.yaml", by_hand=True)
    assert (play.task.workspace, play.task.dataset) == ("loopd", "mine")
    assert play.sections["pool"]["path"] == str(tmp_path / "t.csv")
    with pytest.raises(ConfigError, match=r"simulated people need `pool\.label`") as caught:
        config_play(tmp_path / "c.yaml")
    assert "--label-yourself" in caught.value.hint


@pytest.mark.integration
def test_the_whole_demo(tmp_path: Path) -> None:
    lines: list[str] = []
    options = DemoOptions(
        dir=tmp_path / "demo", classifier="tfidf", rounds=2, people=2, seconds_per_answer=0.02
    )
    assert run_demo(options, lines.append) == 0
    text = "\n".join(lines)
    metrics = (options.dir / "run" / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in metrics]
    assert [row["round"] for row in rows] == [0, 1]
    assert rows[-1]["labels"] > rows[0]["labels"] > 0
    assert (options.dir / "run" / "learning_curve.png").exists()
    assert (options.dir / MARKER).exists()
    assert "log in    annotator  password " in text
    assert "accuracy        0." in text
    server = yaml.safe_load((options.dir / "config.yaml").read_text())["argilla"]["url"]
    assert f"Argilla   {server}" in text
    assert "  dashboard http://127.0.0.1:" in text


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::UserWarning")
def test_what_the_demo_writes_is_read_back_and_a_resumed_one_doubles_nothing(
    tmp_path: Path,
) -> None:
    pytest.importorskip("tensorboard")
    pytest.importorskip("mlflow")
    lines: list[str] = []
    folder = tmp_path / "demo"
    for rounds in (2, 3):
        options = DemoOptions(
            dir=folder,
            resume=rounds == 3,
            classifier="tfidf",
            rounds=rounds,
            people=2,
            seconds_per_answer=0.02,
            sinks=("csv", "tensorboard", "mlflow"),
        )
        assert run_demo(options, lines.append) == 0
    rows = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").open()]
    assert [row["round"] for row in rows] == [0, 1, 2]
    assert same(scalars(folder / "tensorboard"), points_of(rows, slash=True))
    section = MlflowSection(uri=f"sqlite:///{folder}/mlflow.db", experiment="loopd-demo")
    assert same(points(section), points_of(rows))
    (run,) = runs(section)
    assert run.info.status == "FINISHED"
    assert run.data.params["classifier.name"] == "tfidf"
    assert run.data.params["stopping.max_rounds"] == "2"
    assert run.data.tags["changed.stopping.max_rounds"] == "3"
    assert (folder / "run" / "metrics.csv").read_text().count("\n") == 4
    assert any(line.startswith("  tensorboard") for line in lines)


DEMO = """
import sys
from pathlib import Path
from loopd.demo.demo import DemoOptions, run_demo
from tests.guard import GUARDS
GUARDS.attend()
options = DemoOptions(dir=Path(sys.argv[1]), classifier="tfidf", label_yourself=True, rounds=None)
sys.exit(run_demo(options, lambda line: print(line, flush=True)))
"""


def descendants(pid: int) -> set[int]:
    """The processes below a process."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found: set[int] = set()
    fresh = {pid}
    while fresh:
        fresh = {child for child, parent in pairs if parent in fresh} - found
        found |= fresh
    return found


@pytest.mark.integration
@pytest.mark.crash
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGKILL]
)
@pytest.mark.slow
def test_nothing_is_left_behind_by_ctrl_c_or_a_kill(tmp_path: Path, number: int) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-c", DEMO, str(tmp_path / "demo")], stdout=subprocess.DEVNULL
    )
    try:
        daemon_log = tmp_path / "demo" / "daemon.log"
        wait_for(
            lambda: daemon_log.exists() and "annotate_here" in daemon_log.read_text(), seconds=120
        )
        children = descendants(demo.pid)
        assert len(children) >= 3  # the server, the daemon and the watcher
        os.kill(demo.pid, number)
        code = demo.wait(60)
        assert code == (0 if number == signal.SIGINT else -signal.SIGKILL)
        wait_for(lambda: not any(alive(each) for each in children), seconds=60)
        assert losses_below(tmp_path) == []
    finally:
        demo.kill()
        demo.wait()
