"""Writes ``docs/notebook.ipynb``, without outputs; a test runs it.

Run it from anywhere after a change::

    python docs/tools/notebook.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WORDS = Path(__file__).parent / "words" / "notebook.md"
NOTEBOOK = Path(__file__).parents[1] / "notebook.ipynb"

FENCE = "```"


def notebook() -> str:
    """The notebook: its cells are the paragraphs and the fences of Python of a page."""
    cells = [_cell(number, *part) for number, part in enumerate(_parts())]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    content = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _parts() -> Iterator[tuple[str, str]]:
    """Kind and text of each cell."""
    for number, part in enumerate(WORDS.read_text(encoding="utf-8").split(FENCE)):
        text = part.removeprefix("python").strip("\n")
        if text.strip():
            yield "code" if number % 2 else "markdown", text


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    cell = {"cell_type": kind, "id": f"cell-{number:02}", "metadata": {}}
    own = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {**cell, **own, "source": text.splitlines(keepends=True)}


if __name__ == "__main__":
    NOTEBOOK.write_text(notebook(), encoding="utf-8")
