"""Where labels meet texts, the type checker sees who asks whom for what."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopd.errors import ModelError
from loopd.learning.problems.problem import problem_of

LEARNING = Path(__file__).parent.parent.parent / "loopd" / "learning"

BY_NAME = ("getattr", "hasattr", "setattr", "delattr")

MOST_ANY = 60
"""Uses of ``Any`` in the folder: borders to libraries that have no types."""


def calls_by_name(source: str) -> Iterator[str]:
    """Members that are looked up by a name that stands there as a string."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        names = node.args[1:2]
        if node.func.id in BY_NAME and names and isinstance(names[0], ast.Constant):
            yield f"{node.func.id} of {names[0].value!r} in line {node.lineno}"


def uses_of_any(source: str) -> int:
    nodes = ast.walk(ast.parse(source))
    return sum(isinstance(node, ast.Name) and node.id == "Any" for node in nodes)


@pytest.mark.parametrize("path", sorted(LEARNING.rglob("*.py")), ids=lambda path: path.stem)
def test_no_member_is_looked_up_by_its_name(path: Path) -> None:
    assert not list(calls_by_name(path.read_text(encoding="utf-8")))


def test_little_is_of_any_type() -> None:
    sources = [path.read_text(encoding="utf-8") for path in LEARNING.rglob("*.py")]
    assert 0 < sum(map(uses_of_any, sources)) <= MOST_ANY


def test_what_is_looked_for_would_be_seen() -> None:
    planted = "from typing import Any\nx: Any = getattr(y, 'name', None) or hasattr(y, 'x')\n"
    assert len(list(calls_by_name(planted))) == 2
    assert uses_of_any(planted) == 1


def test_a_classifier_of_texts_is_refused_where_spans_are_marked() -> None:
    class OfTexts:
        pass

    with pytest.raises(ModelError, match="OfTexts cannot mark spans"):
        problem_of("spans", ("a",)).scores(OfTexts(), None, None)  # type: ignore[arg-type]
