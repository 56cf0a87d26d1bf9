"""The layers: imports point down, folders on one level stay apart, heavy packages wait."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "loopd"

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"__main__"}),
    frozenset({"cli"}),
    frozenset({"commands"}),
    frozenset({"demo", "interactive", "reports"}),
    frozenset({"starting"}),
    frozenset({"dashboard", "backtest", "console"}),
    frozenset({"sinks"}),
    frozenset({"overview"}),
    frozenset({"oracle", "export", "listener", "operations", "sizing"}),
    frozenset({"loop"}),
    frozenset({"annotation", "learning", "evaluation", "embedded_argilla", "metrics_log"}),
    frozenset({"tasks"}),
    frozenset({"storage", "data"}),
    frozenset({"log", "progress", "config_file", "credentials", "compute"}),
    frozenset({"config"}),
    frozenset({"machine", "cleanlab_adapter", "key_text"}),
    frozenset({"folding"}),
    frozenset({"safe_yaml", "planned", "events"}),
    frozenset({"records", "printable", "growing_map", "derived", "drawing"}),
    frozenset({"errors", "installation", "gc_pause", "ports", "__init__"}),
)
"""From high to low."""

ONLY_IN: dict[str, tuple[str, ...]] = {
    "argilla": (
        "listener/argilla_source.py",
    ),  # the listener hands out the SDK's own records and dataset
    "argilla_server": ("embedded_argilla",),
    "small_text": ("learning", "evaluation/stopping.py"),
    "torch": ("learning", "export/portable.py", "export/mean_layer.py", "sinks"),
    "transformers": ("learning", "export/portable.py"),
    "click": ("cli.py", "commands"),
    "rich": ("console",),
    "yaml": ("safe_yaml.py", "demo", "backtest"),
    "sqlite3": ("storage", "embedded_argilla"),
    "cleanlab": ("cleanlab_adapter.py",),
    "mlflow": ("sinks",),
    "ray": ("compute",),
    "tensorboard": ("sinks",),
}
"""Which parts may import a package."""

HEAVY = (
    "torch", "small_text", "transformers", "sklearn", "datasets", "matplotlib", "argilla_server",
    "argilla", "ray",
)  # fmt: skip
"""Must not be imported at the top of a module outside ``learning`` and ``embedded_argilla``."""

WITH_A_MODEL = ("export/portable.py", "export/mean_layer.py")
"""Modules elsewhere that are themselves imported late."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part(path: Path) -> str:
    """The folder or module directly under the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def level(name: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if name in layer)


@cache
def imports(path: Path, *, top_only: bool = False) -> tuple[str, ...]:
    """Full names of everything that the module imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_only else ast.walk(tree)
    return tuple(chain.from_iterable(map(_imported, nodes)))


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(names: Iterable[str]) -> Iterator[str]:
    """Parts of loopd among the imported names."""
    for name in names:
        pieces = name.split(".")
        if pieces[0] == "loopd":
            known = (PACKAGE / pieces[1]).is_dir() or (PACKAGE / f"{pieces[1]}.py").is_file()
            yield pieces[1] if known else "__init__"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    here = part(path)
    wrong = [other for other in own(imports(path)) if other != here and level(other) <= level(here)]
    assert not wrong, f"{here} imports {wrong}"


def test_every_part_has_a_layer() -> None:
    assert {part(path) for path in modules()} <= {name for layer in LAYERS for name in layer}


def test_a_planted_upward_import_is_noticed(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("from loopd.loop.steps import STEPS\n")
    assert [level(name) for name in own(imports(planted))] < [level("annotation")]


@pytest.mark.parametrize("package", ONLY_IN)
def test_each_package_is_imported_only_where_it_belongs(package: str) -> None:
    for path in modules():
        place = str(path.relative_to(PACKAGE))
        if any(name.split(".")[0] == package for name in imports(path)):
            assert place.startswith(ONLY_IN[package]), f"{place} imports {package}"


def test_heavy_packages_are_imported_late() -> None:
    for path in modules():
        heavy = {name.split(".")[0] for name in imports(path, top_only=True)} & set(HEAVY)
        late = str(path.relative_to(PACKAGE)) in WITH_A_MODEL
        if part(path) not in ("learning", "embedded_argilla") and not late:
            assert not heavy, f"{path.name} imports {heavy} at the top"


@pytest.mark.parametrize(
    "module", ["loopd", "loopd.cli", "loopd.loop.daemon", "loopd.listener", "loopd.export.models"]
)
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*set(sys.modules) & set({HEAVY!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == []


def test_every_module_says_what_it_owns() -> None:
    for path in modules():
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path
