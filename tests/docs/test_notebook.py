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


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_runs(tmp_path: Path) -> None:
    """Every cell, in a kernel of its own, with what is packaged alone."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(PATH, as_version=4)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=_environment(tmp_path))
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    html = "".join(output.data.get("text/html", "") for output in shown if "data" in output)
    assert "<svg" in html, "the curve of the run"
    assert "accuracy 0." in html
    assert html.count("<table") >= 6
    assert not [output for output in shown if output.output_type == "error"]
    learned = next(output for output in shown if "60" in str(output.get("data", "")))
    assert "accuracy" in str(learned)


def _environment(home: Path) -> dict[str, str]:
    import os

    return {**os.environ, "HF_HUB_OFFLINE": "1", "HOME": str(home), "IPYTHONDIR": str(home / "i")}
