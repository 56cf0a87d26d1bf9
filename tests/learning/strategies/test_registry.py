"""The registry, its page and its tests name the same strategies; packages may add some."""

from __future__ import annotations

import importlib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Protocol

import pytest

from loopd.config import StrategySection
from loopd.errors import ModelError
from loopd.learning.strategies import plugins
from loopd.learning.strategies.catalogue import STRATEGIES
from loopd.learning.strategies.registry import create, used
from tests.docs import pages
from tests.learning.strategies import test_multi_label, test_right_pick, test_seeds

PAGE = pages.text("docs/strategies.md")
CELLS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.partition("\n## ")[0].splitlines()
    if line.startswith("| `")
]
KINDS = {"single": "single_label", "multi": "multi_label", "spans": "spans"}
ROWS = {cells[0].strip("`"): cells for cells in CELLS}


def test_the_page_and_the_tests_name_every_strategy() -> None:
    assert set(ROWS) == set(STRATEGIES) == set(test_right_pick.PICKS)
    tokens = {name for name in STRATEGIES if STRATEGIES[name].kinds == ("spans",)}
    assert set(test_seeds.FIT) | set(test_multi_label.FIT) | tokens == set(STRATEGIES)


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_page_says_what_the_registry_says(name: str) -> None:
    _, chooses, _paper, cost, needs, cold, seedable, score, tasks = ROWS[name]
    entry = STRATEGIES[name]
    assert chooses
    assert cost
    assert cold == ("yes" if entry.cold else "")
    assert seedable.startswith("yes" if entry.seedable else "no")
    assert bool(score) == entry.scores
    assert tuple(KINDS[word] for word in tasks.split(", ")) == entry.kinds
    words = {"embed": "embeddings", "representation": "representation", "dropout": "dropout"}
    for need in entry.needs:
        assert words.get(need, need) in needs


def test_a_class_says_its_cost_and_needs() -> None:
    for entry in STRATEGIES.values():
        module, _, name = entry.path.partition(":")
        if module.startswith("loopd"):
            words = str(getattr(importlib.import_module(module), name).__doc__)
            assert "Cost:" in words or "Cost and needs:" in words, name
            assert "Needs:" in words or "Cost and needs:" in words, name


OFFERED = """
from small_text import QueryStrategy

class Last(QueryStrategy):
    def __init__(self, step=1):
        self.step = step

    def query(self, clf, dataset, indices_unlabeled, indices_labeled, y, n=10):
        return indices_unlabeled[::-1][:n]
"""


class Offer(Protocol):
    """Install these names as strategies that a package offers."""

    def __call__(self, *names: str, value: str = ...) -> None: ...


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Offer:
    (tmp_path / "offered_picks.py").write_text(OFFERED)
    monkeypatch.syspath_prepend(tmp_path)

    def install(*names: str, value: str = "offered_picks:Last") -> None:
        found = [EntryPoint(name, value, plugins.GROUP) for name in names]
        monkeypatch.setattr(plugins, "entry_points", lambda group: found)

    return install


def test_a_package_offers_a_strategy(offer: Offer) -> None:
    offer("last_first")
    strategy: Any = create(StrategySection(name="last_first", options={"step": 2}), 3)
    assert strategy.step == 2
    with pytest.raises(ModelError, match="step"):
        create(StrategySection(name="last_first", options={"steps": 2}), 3)
    with pytest.raises(ModelError, match="`last_first`"):
        create(StrategySection(name="last_fist"), 3)


def test_a_name_that_clashes_is_refused(offer: Offer) -> None:
    offer("margin", "twice", "twice")
    for name in ("margin", "twice"):
        with pytest.raises(ModelError, match="one that") as caught:
            create(StrategySection(name=name), 3)
        assert "rename" in caught.value.hint
    assert create(StrategySection(name="entropy"), 3)  # the others are not touched


def test_what_a_package_offers_and_cannot_load_is_explained(offer: Offer) -> None:
    offer("gone", value="no_such_package:Thing")
    with pytest.raises(ModelError, match="no_such_package"):
        create(StrategySection(name="gone"), 3)
    offer("odd", value="collections:OrderedDict")
    with pytest.raises(ModelError, match="query"):
        create(StrategySection(name="odd"), 3)


def test_the_group_is_read_from_what_is_installed() -> None:
    assert plugins.offered("no_such_strategy", STRATEGIES) is None
    assert not set(plugins.names()) & set(STRATEGIES)


def test_the_journal_names_what_chose() -> None:
    section = StrategySection(name="auto")
    strategy: Any = create(section, 2)
    assert used(section, strategy) == "auto"
    strategy.used_ = "margin"
    assert used(section, strategy) == "auto/margin"
    own: Any = object()
    assert used(StrategySection(name="mine:Own"), own) == "mine:Own"
