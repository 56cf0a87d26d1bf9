"""The set-up that loses elsewhere is warned of, however it is written and wherever it may come."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from loopd.config_file import parse_config
from loopd.operations.check import _setup

AUTO = "auto may settle on frozen-head, and a head on frozen features, "


def said(tmp_path: Any, classifier: str, strategy: str, size: int) -> list[str]:
    """The warnings of a configuration."""
    settings = {
        "task": {"labels": ["a", "b"]},
        "pool": {"path": "pool.csv"},
        "classifier": {"name": classifier},
        "strategy": {"name": strategy},
        "queue": {"batch_size": size},
    }
    visit: Any = SimpleNamespace(config=parse_config(settings, tmp_path))
    found = list(_setup(visit))
    assert all(finding.level == "warning" and finding.hint for finding in found)
    return [finding.text for finding in found]


@pytest.mark.parametrize("strategy", ["margin", "breaking_ties", "entropy", "prediction_entropy"])
@pytest.mark.parametrize("classifier", ["frozen-head", "frozen_head", "auto"])
def test_it_is_warned_of_in_every_spelling(tmp_path: Any, classifier: str, strategy: str) -> None:
    (text,) = said(tmp_path, classifier, strategy, 200)
    assert text.startswith(AUTO) == (classifier == "auto")
    assert "batches of 200 have lost to random draws" in text


@pytest.mark.parametrize(
    ("classifier", "strategy", "size"),
    [
        ("auto", "auto", 200),
        ("auto", "margin", 20),
        ("transformer", "breaking_ties", 200),
        ("my.own:Factory", "margin", 200),
        ("frozen-head", "my.own:Strategy", 200),
        ("auto", "uherding", 500),
    ],
)
def test_other_set_ups_are_not(tmp_path: Any, classifier: str, strategy: str, size: int) -> None:
    assert said(tmp_path, classifier, strategy, size) == []
