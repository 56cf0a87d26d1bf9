"""Any configuration: a checked one that can be used, or one clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import strategies as st
from pydantic import BaseModel

from loopd.config import Config
from loopd.config_file import load_config, parse_config
from loopd.errors import ConfigError
from loopd.tasks.registry import build_task
from tests.fuzz.properties import HOW_OFTEN, JSON, TEXTS, holds, is_clear, mixed

LIKELY = mixed(
    1, 5, 0.5, "a", "tfidf", "pool.csv", ["a", "b"], True, "spans", "multi_label", "auto", {}
)
"""Values that fit some keys."""


def _section(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Some keys of a section with likely or with any values, and sometimes a key of no meaning."""
    keys = {name: _value(field.annotation) for name, field in model.model_fields.items()}
    right = st.fixed_dictionaries({}, optional=keys)
    wrong = st.dictionaries(TEXTS, JSON, max_size=1)
    return st.one_of(right, right, st.builds(lambda a, b: {**a, **b}, right, wrong), JSON)


def _value(annotation: Any) -> st.SearchStrategy[Any]:
    inner = annotation if isinstance(annotation, type) else None
    if inner is not None and issubclass(inner, BaseModel):
        return _section(inner)
    choices = [each for each in getattr(annotation, "__args__", ()) if isinstance(each, str)]
    return mixed(*choices) if choices else LIKELY


VALID: dict[str, Any] = {"task": {"labels": ["a", "b"]}, "pool": {"path": "pool.csv"}}

NEAR = st.builds(
    lambda sections: {**VALID, **sections},
    _section(Config).filter(lambda tree: isinstance(tree, dict)),
)


def _used(make: Any) -> None:
    try:
        config = make()
    except ConfigError as error:
        is_clear(error)
        return
    assert len(config.digest()) == 12
    assert config.model_dump(mode="json")
    assert build_task(config.task).question()


@HOW_OFTEN
def test_trees_near_the_schema(examples: int, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"

    def check(tree: Any) -> None:
        text = yaml.safe_dump(tree, allow_unicode=True, sort_keys=False)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        _used(lambda: load_config(path))

    holds(examples, NEAR, check)


@HOW_OFTEN
def test_trees_that_no_file_held(examples: int, tmp_path: Path) -> None:
    """As the demo and backtests make them."""
    holds(examples, NEAR, lambda tree: _used(lambda: parse_config(tree, tmp_path)))


SNIPPETS = (
    "task:", "labels", "[", "]", "{", "}", ": ", ", ", "\n", "\n  ", "- ", "&a ", "*a", "<<: ",
    "!!set ", "!!int ", "!!python/name:os.system ", "? ", "|\n", ">\n", "'", '"', "\\", "#", "%",
    "---\n", "...\n", "@", "`", "\t", "\ufeff", "\x85", "0x", "1:1", ".nan", "2001-01-01", "pool",
)  # fmt: skip


@HOW_OFTEN
def test_any_bytes(examples: int, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    words = st.lists(st.one_of(st.sampled_from(SNIPPETS), TEXTS), max_size=30).map("".join)
    written = st.one_of(st.binary(max_size=200), words)

    def check(content: bytes | str) -> None:
        raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        path.write_bytes(raw)
        _used(lambda: load_config(path))

    holds(examples, written, check)


def test_the_trees_are_not_all_refused(tmp_path: Path) -> None:
    """Else nothing of what follows a valid configuration would be tried."""
    taken: list[bool] = []

    def check(tree: Any) -> None:
        try:
            parse_config(tree, tmp_path)
        except ConfigError:
            taken.append(False)
        else:
            taken.append(True)

    holds(60, NEAR, check)
    assert {True, False} == set(taken)


@pytest.mark.parametrize("content", [None, [], "x", 3, {1: 2}, {None: {}}])
def test_other_things_are_refused(content: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        parse_config(content, tmp_path)
