"""`import loopd`: what is public is documented and nothing else; nothing is loaded early."""

from __future__ import annotations

import builtins
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import loopd

ROOT = Path(__file__).parents[2]


def python(code: str) -> str:
    """What a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def documented() -> set[str]:
    """Names that docs/api.md lists as members of the package."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    return {*re.findall(r"^`(?:import loopd; )?loopd\.(\w+)`", page, re.MULTILINE)}


def test_the_package_has_what_is_documented_and_nothing_else() -> None:
    assert set(dir(loopd)) == documented()
    assert {*loopd.__all__, "open", "__version__"} == documented()


def test_importing_all_of_it_leaves_python_s_own_names_alone() -> None:
    assert not {*loopd.__all__} & {*dir(builtins)}
    assert python("from loopd import *; print(open.__module__)") in ("io", "_io")
    assert "open" in dir(loopd)


def test_submodules_that_are_imported_later_do_not_leak() -> None:
    code = (
        "import loopd.cli, loopd.listener, loopd.interactive.run; import loopd; print(dir(loopd))"
    )
    assert python(code) == str(sorted(documented()))
    assert python("import loopd.errors; from loopd import *; print(sorted(globals()))") == str(
        sorted([
            *loopd.__all__, "__annotations__", "__builtins__", "__doc__", "__loader__", "__name__",
            "__package__", "__spec__", "loopd",
        ])
    )  # fmt: skip


def test_importing_it_loads_no_other_part() -> None:
    code = (
        "import sys; before = set(sys.modules); import loopd; "
        "print({m for m in set(sys.modules) - before if m.split('.')[0] not in "
        "sys.stdlib_module_names})"
    )
    assert python(code) == "{'loopd'}"


@pytest.mark.parametrize("name", sorted({*dir(loopd)} - {"__version__"}))
def test_each_name_is_there_with_words(name: str) -> None:
    assert inspect.getdoc(getattr(loopd, name))


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    for name in ("opne", "interactive_", "__wrapped__"):
        assert not hasattr(loopd, name)


def test_types_are_those_of_the_code() -> None:
    """The stub names what the package finds, and nothing else."""
    import ast

    tree = ast.parse((ROOT / "loopd" / "__init__.pyi").read_text(encoding="utf-8"))
    stub = {
        alias.asname: f"{node.module}:{alias.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert stub == loopd._OBJECTS  # type: ignore[attr-defined] # not in the stub
