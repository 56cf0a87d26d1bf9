"""Every command and every piece of Python that the documentation shows is run, or its shape known.

Which line goes which way is in :mod:`tests.docs.commands`; a line that fits no rule fails here.
"""

from __future__ import annotations

import importlib
import re
import signal
from collections.abc import Mapping
from pathlib import Path

import click
import pytest

from tests.docs import commands, pages
from tests.docs.commands import Shown, Way
from tests.docs.sandbox import Sandbox, wait_for_file
from tests.faults.nursery import Nursery
from tests.guard import losses_below
from tests.live import LiveArgilla

ALONE = commands.going(Way.ALONE)
STORY = commands.going(Way.STORY)

VERBS = ("check", "run", "status", "tail", "sqlite3", "export", "predict", "report", "recover")
"""The order of a story; the oracle works beside the run."""

RUN_ELSEWHERE = {
    "docs/howto-own-strategy.md": "tests/docs/test_own_strategy.py",
    "docs/howto-notebook.md": "tests/interactive/test_learner.py",
    "docs/howto-listener.md": "tests/listener/test_howto.py",
    "docs/howto-existing-server.md": "tests/integration/test_sdk_interop.py",
}
"""Pages whose Python a test of their own runs."""

RUN_AFTER = {
    "docs/metrics.md": "my.yaml",
    "docs/operations.md": "my.yaml",
    "docs/events.md": "my.yaml",
    "docs/howto-export.md": "my.yaml",
    "docs/howto-recover.md": "my.yaml",
    "docs/tutorial.md": "trec.yaml",
}
"""Pages whose Python is run at the end of a configuration's story."""

RUN_AFTER_ALONE = {
    "docs/howto-stopping.md": "loopd simulate my.yaml --seeds 3 --arms rules.yaml",
}
"""Pages whose Python is run after a command that runs by itself."""

NEEDS_A_TRANSFORMER = "transformers import pipeline"
"""Python that opens an exported model: only in the story with the real classifier."""


# -- nothing is left out ---------------------------------------------------------------------------


@pytest.mark.parametrize("shown", commands.shown(), ids=lambda each: each.line)
def test_each_shown_command_has_a_rule(shown: Shown) -> None:
    assert shown.rule is not None, f"{shown.place} shows `{shown.line}`: add a rule or mend it"
    if shown.rule.way is not Way.FOREIGN:
        commands.has_shape(shown.words)


def test_each_rule_gives_its_reason() -> None:
    for rule in commands.RULES:
        assert rule.words or rule.way in (Way.STORY, Way.ALONE), rule


def test_a_wrong_command_is_noticed() -> None:
    for line in ("loopd rnu my.yaml", "pytest -n 3", "curl https://example.org"):
        assert Shown("a page", line).rule is None
    with pytest.raises(KeyError):
        commands.has_shape(["loopd", "rnu", "my.yaml"])
    with pytest.raises(click.UsageError):
        commands.has_shape(["loopd", "status", "my.yaml", "--jsn"])
    with pytest.raises(click.UsageError):
        commands.has_shape(["loopd", "run"])
    with pytest.raises(ValueError, match="verb"):
        commands.has_shape(["make", "verb"])
    with pytest.raises(ValueError, match="--sixes"):
        commands.has_shape(["python", "benchmarks/scale.py", "a", "--sixes"])
    with pytest.raises(FileNotFoundError):
        commands.has_shape(["python", "benchmarks/none.py"])


def test_each_line_of_a_story_is_in_one() -> None:
    told = [line for name in ("my.yaml", "tickets.yaml", "trec.yaml") for line in lines_of(name)]
    assert sorted(told) == sorted(each.line for each in STORY)


@pytest.mark.parametrize("path", pages.pages(), ids=pages.name)
def test_each_piece_of_python_is_run_somewhere(path: Path) -> None:
    for block in pages.fences(path, "python"):
        compile(block, str(path), "exec")
        place = pages.name(path)
        assert place in {*RUN_ELSEWHERE, *RUN_AFTER, *RUN_AFTER_ALONE}, place
        for module, names in re.findall(r"^from (loopd\S*) import (.+)$", block, re.MULTILINE):
            found = importlib.import_module(module)
            assert all(hasattr(found, name.strip()) for name in names.split(","))
    if pages.name(path) in RUN_ELSEWHERE:
        assert path.name in pages.text(RUN_ELSEWHERE[pages.name(path)])


# -- the stories -----------------------------------------------------------------------------------


def lines_of(name: str) -> list[str]:
    """What is shown of a configuration; lines without any belong to `my.yaml`."""

    def owner(line: str) -> str:
        found = re.search(commands.CONFIGS, line)
        if found:
            return found[0]
        return "trec.yaml" if "runs/trec" in line else "my.yaml"

    return [each.line for each in STORY if owner(each.line) == name]


def verb_of(line: str) -> str:
    words = line.split()
    return words[1] if words[0] == "loopd" else words[0]


def of_verb(name: str, verb: str) -> list[str]:
    return [line for line in lines_of(name) if verb_of(line) == verb]


def tell(sandbox: Sandbox, name: str) -> Mapping[str, str]:
    """Run what is shown of a configuration, in the order in which a reader would.

    Returns:
        what each line printed.
    """
    printed = {}
    for line in lines_of(name):
        if line.startswith("export ") or verb_of(line) == "check":
            printed[line] = sandbox.run(line)
    printed |= label(sandbox, name)
    for verb in ("status", "tail", "sqlite3", "export", "predict", "report"):
        printed |= {line: sandbox.run(line) for line in of_verb(name, verb) if line not in printed}
    return printed


def label(sandbox: Sandbox, name: str) -> Mapping[str, str]:
    """The run, and people beside it."""
    (run,) = of_verb(name, "run")
    oracle = next(iter(of_verb(name, "oracle")), f"loopd oracle {name} --gold topic")
    daemon = sandbox.start(run)
    try:
        wait_for_file(sandbox.run_dir(name) / "journal.sqlite")
        people = sandbox.start(f"{oracle} --seconds 0.02")
        try:
            return {run: daemon.finish(), oracle: ""}
        finally:
            people.end(signal.SIGINT)
            people.finish()
    finally:
        daemon.end(signal.SIGKILL)


def run_python(after: str, plan: Mapping[str, str] = RUN_AFTER, without: str = "") -> None:
    """Execute what the pages print for after this, but pieces that hold some words."""
    for place in (place for place, first in plan.items() if first == after):
        for block in pages.fences(pages.ROOT / place, "python"):
            if not without or without not in block:
                exec(compile(block, place, "exec"), {"__name__": "__main__"})  # noqa: S102


@pytest.mark.integration
def test_the_story_of_a_run(
    argilla: LiveArgilla, nursery: Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = (argilla.url, argilla.owner_key, argilla.server.workspace)
    sandbox = Sandbox(tmp_path, *place, nursery=nursery)
    printed = tell(sandbox, "my.yaml")
    assert '"round": 1' in printed["tail -n 1 runs/default/metrics.jsonl"]
    monkeypatch.chdir(tmp_path)
    run_python("my.yaml", without=NEEDS_A_TRANSFORMER)
    assert "given" in (tmp_path / "pool-with-answers.jsonl").read_text(encoding="utf-8")
    for left in sandbox.run_dir("my.yaml").glob("journal.sqlite*"):
        left.unlink()
    recovered = {line: sandbox.run(line) for line in of_verb("my.yaml", "recover")}
    assert {*printed, *recovered} == {*lines_of("my.yaml")}


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["tickets.yaml", "trec.yaml"])
def test_the_stories_with_the_real_classifier(
    name: str, argilla: LiveArgilla, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = argilla.server.workspace
    sandbox = Sandbox(tmp_path, argilla.url, argilla.owner_key, workspace, classifier=None)
    printed = tell(sandbox, name)
    assert {*lines_of(name)} <= {*printed}
    monkeypatch.chdir(tmp_path)
    write_raw_trec(tmp_path)
    run_python(name)


# -- the tutorial's files --------------------------------------------------------------------------


def write_raw_trec(folder: Path) -> None:
    """Files as TREC was published: Latin-1, kind and finer kind before each question."""
    for name in ("train_5500.label", "TREC_10.label"):
        text = "HUM:ind Who wrote « Señora » ?\nNUM:date When was that ?\n"
        (folder / name).write_text(text, encoding="latin-1")


def test_the_tutorial_reads_trec_as_it_was_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    write_raw_trec(tmp_path)
    monkeypatch.chdir(tmp_path)
    block, *_ = pages.fences(pages.ROOT / "docs/tutorial.md", "python")
    exec(compile(block, "tutorial", "exec"), {"__name__": "__main__"})  # noqa: S102
    for name in ("train", "test"):
        lines = (tmp_path / f"trec/{name}.jsonl").read_text(encoding="utf-8").splitlines()
        assert json.loads(lines[0]) == {"text": "Who wrote « Señora » ?", "label": "HUM"}
        assert json.loads(lines[1])["label"] == "NUM"


# -- alone -----------------------------------------------------------------------------------------


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("shown", ALONE, ids=lambda each: each.line)
def test_commands_alone(shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown.rule is not None
    sandbox = Sandbox(tmp_path)
    line = f"{shown.line} {shown.rule.words}".strip()
    if "--label-yourself" in line:
        assert "log in" in sandbox.watch(line, "daemon")
    elif "loopd serve" in line:
        sandbox.watch(line, "accounts")
        assert (tmp_path / "argilla-home/accounts.json").exists()
    else:
        sandbox.run(line)
        monkeypatch.chdir(tmp_path)
        run_python(shown.line, RUN_AFTER_ALONE)
    if "loopd demo" in line:
        assert losses_below(tmp_path) == []
