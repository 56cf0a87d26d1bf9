"""The notebook of the documentation is current, and runs without network."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT

PATH = ROOT / "docs" / "notebook.ipynb"


def generator() -> Any:
    path = ROOT / "docs" / "tools" / "notebook.py"
    spec = importlib.util.spec_from_file_location("notebook_page", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_what_its_words_say() -> None:
    assert PATH.read_text(encoding="utf-8") == generator().notebook()


def test_it_is_a_notebook_without_outputs() -> None:
    import nbformat

    notebook = nbformat.read(PATH, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells)


LESS = {"head(500)": "head(150)", "head(200)": "head(50)", "range(4)": "range(1)"}
LESS |= {"batch_size: 20": "batch_size: 12", "max_rounds: 4": "max_rounds: 2"}
LESS |= {"seed=0)": 'classifier="frozen-head", seed=0)'}
"""Of texts, rounds and training, for `make test`; every cell stays."""


@pytest.mark.integration
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("less", "labels"),
    [
        pytest.param(LESS, "15", id="with less"),
        pytest.param({}, "60", id="as printed", marks=pytest.mark.slow),
    ],
)
def test_it_runs(less: dict[str, str], labels: str, tmp_path: Path) -> None:
    """Every cell, in a kernel of its own, with what is packaged alone."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(PATH, as_version=4)
    for old, new in less.items():
        changed = [cell for cell in notebook.cells if old in cell.source]
        assert len(changed) == 1
        changed[0].source = changed[0].source.replace(old, new)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=_environment(tmp_path))
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    html = "".join(output.data.get("text/html", "") for output in shown if "data" in output)
    assert "<svg" in html, "the curve of the run"
    assert "accuracy 0." in html
    assert html.count("<table") >= 6
    assert not [output for output in shown if output.output_type == "error"]
    learned = next(output for output in shown if labels in str(output.get("data", "")))
    assert "accuracy" in str(learned)


def _environment(home: Path) -> dict[str, str]:
    import os

    return {**os.environ, "HF_HUB_OFFLINE": "1", "HOME": str(home), "IPYTHONDIR": str(home / "i")}
