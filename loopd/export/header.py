"""Owns the headers of the cards of a data set and a model, which Hugging Face reads; pure.

A header is YAML; as JSON is YAML, each value is written as JSON and nothing has to be quoted twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from loopd.export.figures import Figure

TASKS: Mapping[str, str] = {
    "single_label": "text-classification",
    "multi_label": "text-classification",
    "spans": "token-classification",
}

SIZES = (
    *((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K")),
    *((1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M")),
)
"""How the hub calls a number of texts below these."""

METRICS: Mapping[str, str] = {"accuracy": "accuracy", "micro_f1": "f1", "f1": "f1"}
"""How the hub calls the measures."""

TAGS = ("active-learning", "loopd")


def header(values: Mapping[str, Any]) -> str:
    """The lines above a card."""
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return "\n".join(["---", *lines, "---"]) + "\n"


def data_header(facts: Mapping[str, Any], data_files: str | None) -> str:
    """The header of a data set.

    Args:
        facts: what ``export.json`` holds.
        data_files: which files ``load_dataset`` opens; ``None`` where it opens none.
    """
    texts = int(facts["texts"])
    size = next((name for below, name in SIZES if texts < below), "n>10M")
    files = [] if data_files is None else [{"split": "train", "path": data_files}]
    if files and facts["test_texts"] and "train" in str(data_files):
        files.append({"split": "test", "path": str(data_files).replace("train", "test")})
    configs = {"configs": [{"config_name": "default", "data_files": files}]} if files else {}
    return header(
        {
            "pretty_name": "Labels of an active learning run",
            "task_categories": [TASKS[facts["task"]]],
            "size_categories": [size],
            "tags": [*TAGS, "argilla"],
            **configs,
        }
    )


def model_header(name: str, task: str, base: str | None, figures: Sequence[Figure]) -> str:
    """The header of a model.

    Args:
        name: of the model.
        task: kind of task.
        base: the encoder's name on the hub, ``None`` where it has none.
        figures: how good it is.
    """
    values: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": TASKS[task],
        "tags": [*TAGS],
    }
    if base is not None:
        values["base_model"] = base
    if figures:
        results = [_result(figure, TASKS[task]) for figure in figures]
        values["model-index"] = [{"name": name, "results": results}]
    return header(values)


def _result(figure: Figure, task: str) -> dict[str, Any]:
    span = ""
    if figure.low is not None and figure.high is not None:
        span = f" (95 % interval {figure.low:.4f} to {figure.high:.4f}, {figure.texts:,} texts)"
    metric = {
        "type": METRICS.get(figure.metric, figure.metric),
        "value": figure.value,
        "name": f"{figure.title}{span}",
    }
    return {
        "task": {"type": task},
        "dataset": {"name": figure.source, "type": "private"},
        "metrics": [metric],
    }
