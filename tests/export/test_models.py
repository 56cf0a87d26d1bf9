"""The exported model and data set open with plain `transformers` and `datasets`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopd.errors import ModelError
from loopd.export.run import ExportOptions, run_export
from loopd.machine import fold
from tests.export.conftest import TEXTS, Run

QUICK = {
    "name": "transformer",
    "options": {"epochs": 1, "min_steps": 3, "batch_size": 4},
    "threads": 1,
}

TWO_HEADED = {**QUICK, "options": {"epochs": 1, "min_steps": 3, "batch_size": 4, "spread": 1200}}

OPTIONS: dict[str, dict[str, Any]] = {
    "single_label": {"top_k": None, "truncation": True},
    "multi_label": {"top_k": None, "truncation": True},
    "spans": {"aggregation_strategy": "first"},
}

PLAIN = """
import json, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("loopd", "small_text", "argilla"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
import datasets, transformers

found = {}
texts, exports = map(json.loads, sys.argv[1:])
for kind, (folder, task, options) in exports.items():
    data = datasets.load_from_disk(folder + "/dataset")
    ask = transformers.pipeline(task, folder + "/model", device="cpu", **options)
    found[kind] = {
        "alone": [ask([text])[0] for text in texts],
        "together": ask(texts, batch_size=len(texts)),
        "rows": data.to_list(),
        "labels": [name for _, name in sorted(ask.model.config.id2label.items())],
        "architecture": type(ask.model).__name__,
    }
print(json.dumps(found, default=float))
"""
"""Opens exports in a process that cannot import loopd."""


def opened(exports: dict[str, tuple[Path, str]]) -> dict[str, dict[str, Any]]:
    asked = {kind: (str(folder), task, OPTIONS[kind]) for kind, (folder, task) in exports.items()}
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, json.dumps(TEXTS), json.dumps(asked)],
        capture_output=True,
        text=True,
        cwd=exports["single_label"][0],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


def export_of(run: Run) -> tuple[Path, dict[str, Any], list[str]]:
    lines: list[str] = []
    folder = run_export(run.config, ExportOptions(model=True), lines.append)
    facts: dict[str, Any] = json.loads((folder / "export.json").read_text())
    return folder, facts, lines


def probabilities(run: Run) -> np.ndarray[Any, Any]:
    """What the run's own model says of the texts."""
    tools, state = run.tools, fold(run.events)
    labels = tools.resolver.consensus(state, tools).targets
    proba: np.ndarray[Any, Any] = tools.learner.predict_proba(
        tools.learner.fit(0, labels), list(TEXTS)
    )
    return proba


def chosen_by(run: Run) -> np.ndarray[Any, Any]:
    """What query strategies are told of the same texts: by another head, which is not exported."""
    tools, state = run.tools, fold(run.events)
    labels = tools.resolver.consensus(state, tools).targets
    ids = [record.id for record in tools.data.pool]
    proba: np.ndarray[Any, Any] = tools.learner.choosing_proba(tools.learner.fit(0, labels), ids)
    return proba


def scores(found: list[Any], labels: list[str]) -> np.ndarray[Any, Any]:
    rows = [{each["label"]: each["score"] for each in row} for row in found]
    return np.array([[row[label] for label in labels] for row in rows])


@pytest.mark.integration
def test_exports_open_without_loopd(asked: Any) -> None:
    runs = {kind: asked(kind, classifier=QUICK) for kind in OPTIONS if kind != "single_label"}
    runs["single_label"] = asked("single_label", classifier=TWO_HEADED)
    exports = {}
    for kind, run in runs.items():
        run.train()
        folder, facts, lines = export_of(run)
        model = facts["model"]
        exports[kind] = folder, model["pipeline"]
        assert f"for transformers.pipeline({model['pipeline']!r})" in lines[-1]
        assert f'pipeline("{model["pipeline"]}", "model"' in (folder / "README.md").read_text()
        if kind != "spans":
            assert model["agreement"] == 1.0
            assert model["difference"] < 1e-5
    assert (
        np.abs(probabilities(runs["single_label"]) - chosen_by(runs["single_label"])).max() > 1e-3
    )
    found = opened(exports)
    for kind in ("single_label", "multi_label"):
        there, proba = found[kind], probabilities(runs[kind])
        assert there["architecture"] == "BertForSequenceClassification"
        assert there["labels"] == ["animal", "food"]
        for answers in (there["alone"], there["together"]):
            assert np.abs(scores(answers, there["labels"]) - proba).max() < 1e-5
    assert [len(there["rows"]) for there in found.values()] == [3, 3, 3]
    assert found["spans"]["architecture"] == "BertForTokenClassification"
    assert found["spans"]["labels"] == ["O", "B-person", "I-person", "B-place", "I-place"]
    config = json.loads((exports["multi_label"][0] / "model" / "config.json").read_text())
    assert config["problem_type"] == "multi_label_classification"
    thresholds = json.loads((exports["multi_label"][0] / "export.json").read_text())["model"]
    assert config.get("thresholds", {}) == thresholds["thresholds"]


@pytest.mark.integration
def test_a_model_that_left_the_cache_is_made_again_or_not_at_all(asked: Any) -> None:
    run = asked(classifier=QUICK)
    run.train()
    (kept,) = (run.config.run.dir / "cache" / "models").iterdir()
    kept.unlink()
    classifier = run.config.classifier.model_copy(update={"max_tokens": 99})
    changed = run.config.model_copy(update={"classifier": classifier})
    with pytest.raises(ModelError, match="cannot be made again: the configuration changed"):
        export_of(Run(changed, run.kind, run.events))
    export_of(run)
    assert not kept.exists()  # an export changes nothing in the run
