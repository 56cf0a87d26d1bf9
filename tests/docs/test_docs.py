"""The documentation says what the code does: keys, commands, errors, links, examples."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
import yaml

from loopd import errors
from loopd.backtest.arms import read_arms
from loopd.cli import main
from loopd.config import Config
from loopd.config_file import key_names, load_config, parse_config
from loopd.errors import ConfigError
from loopd.machine import TRANSITIONS, Phase
from loopd.metrics_log.table import round_header
from loopd.metrics_log.writer import KEYS
from tests.docs import commands, pages

PAGES = pytest.mark.parametrize("path", pages.pages(), ids=pages.name)

BASE: dict[str, Any] = {"task": {"labels": ["one", "two"]}, "pool": {"path": "pool.csv"}}
"""What an example that shows only some sections leaves out."""


TEST = {"test": {"path": "test.csv", "label": "label"}}
"""What backtests need besides."""


def generator() -> ModuleType:
    path = pages.ROOT / "docs/tools/reference.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REFERENCE = generator()


@pytest.fixture(autouse=True)
def _trec_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TREC_DIR", str(tmp_path))


# -- generated pages -------------------------------------------------------------------------------


@pytest.mark.parametrize("place", REFERENCE.PAGES)
def test_generated_files_are_up_to_date(place: str) -> None:
    fresh = REFERENCE.PAGES[place]()
    assert pages.text(place) == fresh, "run: python docs/tools/reference.py"
    assert "<!-- keys -->" not in fresh


def test_every_config_key_is_documented() -> None:
    page = pages.text("docs/configuration.md")
    for section, key in key_names():
        place = ".".join((*section, key))
        shown = place.replace("stopping.criteria.", "stopping.criteria[].")
        assert f"`{shown}`" in page, shown


def test_every_metrics_key_is_documented() -> None:
    page = pages.text("docs/metrics.md")
    assert all(f"| `{key}` | {meaning} |" in page for key, meaning in KEYS.items())


def every_command(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield before + name, command
        if isinstance(command, click.Group):
            yield from every_command(command, f"{before}{name} ")


def test_every_command_and_option_is_documented() -> None:
    page = pages.text("docs/cli.md")
    for name, command in every_command(main):
        section = page.split(f"## loopd {name}\n", 1)[1].partition("\n## ")[0]
        for option in command.params:
            shown = option.opts if isinstance(option, click.Option) else [option.name.upper()]
            assert all(each in section for each in shown), (name, option.name)
            assert not isinstance(option, click.Option) or option.help, (name, option.name)


def test_every_error_is_documented() -> None:
    page = pages.text("docs/exit-codes.md")
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.LoopdError)
    ]
    for kind in kinds:
        if kind not in (errors.LoopdError, errors.Interrupted):
            assert f"| {kind.exit_code} | `{kind.name}` | `{kind.__name__}` |" in page
    codes = [kind.exit_code for kind in kinds]
    assert len(set(codes)) == len(codes)


# -- pages by hand ---------------------------------------------------------------------------------


def logged() -> dict[str, set[str]]:
    """Event name and the literal field names of every log line in the package."""
    found: dict[str, set[str]] = {}
    for path in (pages.ROOT / "loopd").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _is_log_call(node):
                event = ast.literal_eval(node.args[0])
                fields = {each.arg for each in node.keywords if each.arg is not None}
                found.setdefault(event, set()).update(fields)
    return found


def _is_log_call(node: ast.Call) -> bool:
    called = node.func
    named = isinstance(called, ast.Attribute) and called.attr in ("debug", "info", "warning")
    first = node.args[0] if node.args else None
    snake = isinstance(first, ast.Constant) and re.fullmatch(r"[a-z]+(_[a-z]+)*", str(first.value))
    return bool(named and snake)


def test_every_log_event_is_documented() -> None:
    rows = pages.table_rows(pages.text("docs/operations.md"), "## Logs")
    events = logged()
    assert set(rows) == set(events)
    for event, fields in events.items():
        missing = {field for field in fields - {"round"} if f"`{field}`" not in rows[event][2]}
        assert not missing, (event, missing)


def test_every_phase_and_fact_is_explained() -> None:
    page = pages.text("docs/how-it-works.md")
    rows = pages.table_rows(page, "## The loop")
    assert {phase.value for phase in Phase} <= set(rows)
    facts = {kind.__name__ for targets in TRANSITIONS.values() for kind in targets}
    assert all(f"`{fact}`" in page for fact in facts)


def test_every_page_is_reachable_from_the_index() -> None:
    seen, todo = set(), [pages.ROOT / "docs/index.md"]
    while todo:
        path = todo.pop().resolve()
        if path not in seen and path.suffix == ".md":
            seen.add(path)
            todo += [target for target, _ in pages.links(path)]
    assert set(pages.pages()) <= seen


@PAGES
def test_links_lead_somewhere(path: Path) -> None:
    for target, anchor in pages.links(path):
        assert target.exists(), target
        assert target.resolve().is_relative_to(pages.ROOT), target
        assert not anchor or anchor in pages.anchors(target), (target, anchor)


# -- examples --------------------------------------------------------------------------------------


@PAGES
def test_mentioned_commands_exist(path: Path) -> None:
    for line in pages.mentioned_commands(path):
        program, *words = shlex.split(line)
        if program == "make":
            verbs = {word for word in words if "=" not in word and word != "..."}
            assert verbs <= commands.make_verbs()
        elif words[0] not in ("-h", "--help", "--version"):
            names = [word for word in words if not word.startswith("-")]
            command: click.Command = main
            while isinstance(command, click.Group) and names:
                command = command.commands[names.pop(0)]
            options = {
                name for option in command.params for name in (*option.opts, *option.secondary_opts)
            }
            assert {word for word in words if word.startswith("--")} <= options | {"--help"}, line


@PAGES
def test_shown_configurations_load(path: Path, tmp_path: Path) -> None:
    for number, block in enumerate(pages.fences(path, "yaml")):
        content = yaml.safe_load(block)
        if isinstance(content, list):  # arms of a backtest
            arms = tmp_path / f"{number}.yaml"
            arms.write_text(block, encoding="utf-8")
            tested = parse_config({**BASE, **TEST}, pages.ROOT)
            assert len(read_arms(tested, arms)) == len(content)
        else:
            parse_config({**BASE, **content}, pages.ROOT)


# -- configs/ --------------------------------------------------------------------------------------

CONFIGS = sorted((pages.ROOT / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=pages.name)
def test_configs_load(path: Path) -> None:
    load_config(path)


def test_the_full_config_has_every_key_with_its_default() -> None:
    path = pages.ROOT / "configs/full.yaml"
    text = path.read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    for section, key in key_names():
        place: Any = content
        for name in section:
            place = place[name][0] if isinstance(place[name], list) else place[name]
        if place is None:  # a section that may be left out: its keys are in comments
            assert re.search(rf"^ +# {section[-1]}:\n(?: +#   .*\n)* +#   {key}: ", text, re.M)
        else:
            assert key in place, (*section, key)
    needed = {
        "task": {"labels": content["task"]["labels"]},
        "pool": {"path": content["pool"]["path"]},
        "test": {name: content["test"][name] for name in ("path", "label")},
    }
    assert parse_config(content, path.parent) == parse_config(needed, path.parent)


def test_the_minimal_config_says_only_what_it_must() -> None:
    content = yaml.safe_load(pages.text("configs/minimal.yaml"))
    required = {name for name, field in Config.model_fields.items() if field.is_required()}
    assert set(content) == required | {"test"}


def test_trec_needs_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TREC_DIR")
    with pytest.raises(ConfigError, match="TREC_DIR"):
        load_config(pages.ROOT / "configs/trec.yaml")


def test_trec_is_thirteen_rounds_of_twenty(tmp_path: Path) -> None:
    config = load_config(pages.ROOT / "configs/trec.yaml")
    assert (config.stopping.max_rounds, config.queue.batch_size) == (13, 20)
    assert config.pool.path == tmp_path / "train.jsonl"
    assert not any(criterion.stop for criterion in config.stopping.criteria)


def test_trec_from_the_hub_when_its_lines_are_taken() -> None:
    lines = pages.text("configs/trec.yaml").splitlines()
    kept = [line for line in lines if not re.match(r"  (path|text|label): ", line)]
    taken = [re.sub(r"^  # (hub|split|text|label): (\S+)$", r"  \1: \2", line) for line in kept]
    config = parse_config(yaml.safe_load("\n".join(taken)), pages.ROOT)
    assert config.test is not None
    for section, split in ((config.pool, "train"), (config.test, "test")):
        assert (section.hub, section.split) == ("CogComp/trec", split)
        assert (section.text, section.label) == ("text", "coarse_label")


def test_the_tutorial_shows_the_table_that_the_demo_prints() -> None:
    page = pages.text("docs/tutorial.md")
    assert f"```text\n{round_header('accuracy')}\n    0 " in page
