"""Rules of the house that a program can hold: sizes, one owner of a run's files, strict types."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopd.storage import run_folder
from tests.test_architecture import PACKAGE, ROOT, modules

LONGEST_FILE, LONGEST_FUNCTION = 400, 50
"""Lines, those of docstrings among them."""

LOOSE_AT_MOST = 100
"""Times that ``Any`` may stand in ``learning/``, where labels meet texts."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def learning() -> list[Path]:
    return sorted((PACKAGE / "learning").rglob("*.py"))


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def by_literal_name(path: Path) -> list[int]:
    """Lines on which a member is looked up, or set, by a name that is written out as a string."""
    return [
        node.lineno
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("getattr", "hasattr", "setattr")
        and isinstance(node.args[1], ast.Constant)
    ]


def without_reason(path: Path) -> list[int]:
    """Lines of signatures and definitions with an ``Any`` and no comment that says why.

    The docstring of an alias, and one that speaks of ``Any``, is as good as a comment.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    return sorted(
        first
        for first, last, said in _definitions(tree(path))
        if re.search(r"\bAny\b", text := "\n".join(lines[first - 1 : last]))
        and "#" not in text
        and not said
    )


def _definitions(module: ast.Module) -> Iterator[tuple[int, int, bool]]:
    """First line, last line, and whether a docstring gives the reason."""
    for node in ast.walk(module):
        if isinstance(node, Function):
            said = "``Any``" in (ast.get_docstring(node) or "")
            yield node.lineno, max(node.lineno, node.body[0].lineno - 1), said
        body = node.body if isinstance(node, ast.Module | ast.ClassDef | Function) else []
        for place, statement in enumerate(body):
            if isinstance(statement, ast.Assign | ast.AnnAssign):
                after = body[place + 1] if place + 1 < len(body) else None
                described = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                yield statement.lineno, statement.end_lineno or statement.lineno, described


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_and_no_function_is_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions(path)}
    longer = {name for name, length in lengths.items() if length > LONGEST_FUNCTION}
    assert not longer


def test_the_files_of_a_run_are_named_in_one_module() -> None:
    """Those whose names could be nothing else: with an ending."""
    named = {name: value for name, value in vars(run_folder).items() if name.endswith("_NAME")}
    files = {value for value in named.values() if "." in value}
    assert "journal.sqlite" in files
    for path in set(modules()) - {Path(run_folder.__file__)}:
        written = {node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant)}
        assert not files & written, path


def test_journals_are_read_in_one_module() -> None:
    """Whoever else opens one appends to it."""
    looks = {
        path.relative_to(PACKAGE)
        for path in modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Journal"
        and any(keyword.arg == "read_only" for keyword in node.keywords)
    }
    assert looks == {Path("storage/recorded_run.py"), Path("storage/journal.py")}


def test_learning_finds_no_member_by_a_literal_name() -> None:
    assert {path.name: lines for path in learning() if (lines := by_literal_name(path))} == {}


def test_any_is_rare_in_learning_and_has_a_reason() -> None:
    code = [
        line
        for path in learning()
        for line in path.read_text(encoding="utf-8").splitlines()
        if not re.match(r"\s*(from|import) ", line)
    ]
    assert 0 < sum(len(re.findall(r"\bAny\b", line)) for line in code) < LOOSE_AT_MOST
    assert {path.name: lines for path in learning() if (lines := without_reason(path))} == {}


def test_planted_looseness_is_noticed(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(
        "from typing import Any\n"
        "def one(model: Any) -> int:\n    return getattr(model, 'size')\n"
        "def two(model: Any) -> int:  # small-text's\n    return model.size\n"
        "Rows = dict[str, Any]\n"
        "Columns = dict[str, Any]\n'''Of the user's YAML.'''\n"
    )
    assert without_reason(planted) == [2, 6]
    assert by_literal_name(planted) == [3]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib")
def test_mypy_is_strict_over_everything() -> None:
    import tomllib

    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    assert tool["strict"]
    assert set(tool["files"]) == {"loopd", "benchmarks", "tests"}
    assert not {"exclude", "ignore_errors", "disable_error_code", "allow_any_expr"} & tool.keys()
    allowed = {"module", "ignore_missing_imports", "follow_imports"}  # for packages without types
    for override in tool["overrides"]:
        assert override.keys() <= allowed
        assert not {name for name in override["module"] if name.startswith(("loopd", "tests"))}


def test_each_ignored_type_error_is_named() -> None:
    bare = re.compile(r"#\s*type:\s*ignore(?!\[[a-z-]+(,\s*[a-z-]+)*\])")
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("loopd", "benchmarks", "tests")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if bare.search(line) and path != Path(__file__)
    ]
    assert wrong == []
