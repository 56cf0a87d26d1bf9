"""The glossary's terms exist, names are the field's, and no class has a namesake."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "loopd"
ROW = re.compile(r"^\| ([\w -]+) \| .+ \| `(loopd/[\w/]+\.py)`: `(\w+)` \|$", re.MULTILINE)

FILLERS = frozenset(
    {"found", "each", "place", "known", "given", "wanted", "made", "asked", "chosen"}
)
MOST_FILLERS = 0.01


@cache
def modules() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def bindings(tree: ast.AST) -> Iterator[str]:
    """Every name that the code binds, without underscores around it."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name.strip("_")
            case ast.arg(arg=name) | ast.alias(asname=str(name)):
                yield name.strip("_")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name.strip("_")
            case ast.ClassDef(name=name):
                yield name.strip("_")


def share_of_fillers(trees: list[ast.Module]) -> float:
    counts = Counter(name for tree in trees for name in bindings(tree))
    return sum(counts[name] for name in FILLERS) / counts.total()


def namesakes(trees: dict[Path, ast.Module]) -> dict[str, list[str]]:
    """Classes that are defined at the top of more than one module."""
    where: defaultdict[str, list[str]] = defaultdict(list)
    for path, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                where[node.name].append(path.name)
    return {name: paths for name, paths in where.items() if len(paths) > 1}


def test_filler_words_are_rare() -> None:
    assert share_of_fillers(list(modules().values())) < MOST_FILLERS


def test_fillers_are_counted() -> None:
    tree = ast.parse("found = [each for each in given()]\ndef _made(place, *, other): ...\n")
    assert share_of_fillers([tree]) == 4 / 5


def test_no_class_has_a_namesake() -> None:
    assert not namesakes(modules())


def test_a_namesake_is_noticed() -> None:
    twins = {Path(name): ast.parse("class Row: ...") for name in ("a.py", "b.py")}
    assert namesakes(twins) == {"Row": ["a.py", "b.py"]}


def defined(path: Path) -> set[str]:
    """What a module defines or makes available by its name."""
    tree = ast.parse(path.read_text("utf-8"))
    names = set(bindings(tree))
    imported = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return names | {alias.name for node in imported for alias in node.names}


def test_each_term_of_the_glossary_exists_where_it_says() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    rows = ROW.findall(page)
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    heads = [line for line in lines if line.startswith(("| Term", "| ---"))]
    assert len(rows) == len(lines) - len(heads) > 30
    assert len({term for term, _, _ in rows}) == len(rows)
    missing = [row for row in rows if row[2] not in defined(ROOT / row[1])]
    assert not missing
