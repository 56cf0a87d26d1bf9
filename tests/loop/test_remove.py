"""`loopd remove`: beside a daemon, without one, what it asks, and what it refuses."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from loopd.cli import main
from loopd.errors import DataError, LoopdError, RunError
from loopd.events import RunStarted, TextsWithdrawn
from loopd.operations.remove import RemoveOptions, run_remove
from loopd.records import PoolId
from loopd.storage.journal import Journal
from loopd.storage.lock import run_lock
from loopd.storage.recorded_run import recorded_run
from loopd.storage.removal_requests import RemovalRequests
from loopd.storage.run_folder import JOURNAL_NAME
from loopd.storage.withdrawn_texts import read_withdrawn
from tests.loop.growing import GrowingRun, rows, write_rows
from tests.loop.removing import holders

TEXTS = {id_: text for id_, text, _ in rows(0, 40)}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GrowingRun:
    """A run of which the journal is a file, and that works at no time; nothing answers there."""
    monkeypatch.setenv("ARGILLA_API_KEY", "none")
    write_rows(tmp_path / "pool.csv", rows(0, 40))
    away = {"dataset": "growing", "url": "http://127.0.0.1:9", "timeout": 0.5}
    run = GrowingRun(tmp_path, {"pool": {"path": "pool.csv", "follow": None}, "argilla": away})
    run.start()
    (begun,) = run.events
    assert isinstance(begun, RunStarted)
    with Journal(run.config.run.dir / JOURNAL_NAME) as journal:
        journal.append(begun)
    return run


def removed(run: GrowingRun, *ids: str, yes: bool = True, **options: Any) -> list[str]:
    lines: list[str] = []
    run_remove(run.config, RemoveOptions(ids, **options), lines.append, lambda _: yes)
    return lines


def test_without_a_daemon_they_are_erased_at_once(run: GrowingRun) -> None:
    folder, texts = run.config.run.dir, [TEXTS["r011"], TEXTS["r012"]]
    assert holders(folder, texts) == ["pool/000000.arrow"]
    lines = removed(run, "r011", "r012", "nobody")
    assert lines[0] == "  no text of the run: nobody"
    assert lines[1] == "  2 texts: 0 in batches, with 0 answers"
    assert "pool.csv is only read: take them out there yourself" in lines[2]
    assert "their records are still in Argilla" in lines[-3]
    assert lines[-1] == "removed: 2 texts of the run are withdrawn by now"
    assert holders(folder, texts) == []
    assert read_withdrawn(folder).in_argilla == {"r011", "r012"}
    state = recorded_run(folder).state
    assert state.withdrawn == {"r011", "r012"}
    assert state.texts == 40
    assert removed(run, "r011")[0] == "  withdrawn before: r011"
    assert recorded_run(folder).state == state


def test_beside_a_daemon_they_wait_in_the_inbox(run: GrowingRun) -> None:
    with run_lock(run.config.run.dir):
        assert "removes them after this step" in removed(run, "r011")[-1]
    run.run_until(lambda state: bool(state.withdrawn))
    run.turn()
    assert [e.ids for e in run.events if isinstance(e, TextsWithdrawn)] == [(PoolId("r011"),)]
    assert not RemovalRequests(run.config.run.dir).waiting()


def test_what_was_interrupted_is_finished_by_the_next_command(run: GrowingRun) -> None:
    folder = run.config.run.dir
    with Journal(folder / JOURNAL_NAME) as journal:
        journal.read()
        without = run.tools.data.pool.without_texts([PoolId("r013")])
        journal.append(TextsWithdrawn(2.0, (PoolId("r013"),), without.fingerprint))
    assert holders(folder, [TEXTS["r013"]])
    assert removed(run, "r013", yes=False)[0] == "  withdrawn before: r013"
    assert holders(folder, [TEXTS["r013"]]) == []


def test_a_dry_run_and_a_no_change_nothing(run: GrowingRun) -> None:
    before = recorded_run(run.config.run.dir).state
    assert removed(run, "r011", dry_run=True)[-1].startswith("nothing was removed: leave --dry-run")
    assert removed(run, "r011", yes=False)[-1] == "nothing was removed"
    with pytest.raises(DataError, match="no text of the run"):
        removed(run, "nobody")
    assert recorded_run(run.config.run.dir).state == before
    assert not RemovalRequests(run.config.run.dir).waiting()


def test_there_must_be_a_run(run: GrowingRun, tmp_path: Path) -> None:
    elsewhere = run.config.run.model_copy(update={"dir": tmp_path / "elsewhere"})
    with pytest.raises(RunError, match="no run in"):
        run_remove(
            run.config.model_copy(update={"run": elsewhere}),
            RemoveOptions(("r011",)),
            print,
            lambda _: True,
        )


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def config(run: GrowingRun) -> Path:
    path = run.folder / "my.yaml"
    path.write_text(
        "run: {dir: run, seed: 1}\n"
        "argilla: {dataset: growing, url: 'http://127.0.0.1:9', timeout: 0.5}\n"
        "task: {labels: [fruit, tool]}\n"
        "pool: {path: pool.csv, id: id}\n"
        "classifier: {name: tfidf}\n"
    )
    return path


def said(config: Path, *words: str, text: str = "") -> Result:
    return CliRunner().invoke(
        main, ["remove", str(config), *words], input=io.BytesIO(text.encode())
    )


def test_ids_come_from_words_files_and_pipes(run: GrowingRun, config: Path) -> None:
    (run.folder / "ids.txt").write_text("r011\n\n r012 \nr011\n", encoding="utf-8-sig")
    told = said(config, "--ids", "r013, r014,", "--ids-from", str(run.folder / "ids.txt"), "--yes")
    assert told.exit_code == 0, told.output
    assert recorded_run(run.config.run.dir).state.withdrawn == {"r011", "r012", "r013", "r014"}
    told = said(config, "--ids-from", "-", "--yes", text="r015\n")
    assert told.exit_code == 0, told.output
    assert "r015" in recorded_run(run.config.run.dir).state.withdrawn


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "no ids were given"),
        (("--ids", " , "), "no ids were given"),
        (("--ids-from", "absent.txt"), "cannot read absent.txt"),
        (("--ids", "r011"), "say --yes"),
        (("--ids-from", "-"), "say --yes"),
    ],
)
def test_what_the_command_refuses(
    run: GrowingRun, config: Path, words: tuple[str, ...], problem: str
) -> None:
    told = said(config, *words, text="r011\n")
    assert told.exit_code != 0
    shown = f"{told.output} {told.exception} {getattr(told.exception, 'hint', '')}"
    assert problem in shown
    assert isinstance(told.exception, (LoopdError, SystemExit))
    assert not recorded_run(run.config.run.dir).state.withdrawn
