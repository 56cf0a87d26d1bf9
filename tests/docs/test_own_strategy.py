"""The printed query strategy runs as it is, and the table of criteria is right."""

from __future__ import annotations

import inspect
from collections import Counter
from pathlib import Path

import pytest
import yaml

from loopd.config import CRITERIA, ClassifierSection, StrategySection
from loopd.data.pool import Pool
from loopd.learning.learner import Learner
from loopd.records import Record
from tests.docs import pages

HOWTO = pages.ROOT / "docs/howto-own-strategy.md"

KINDS = {"billing": ("invoice", "charge"), "delivery": ("parcel", "courier")}


@pytest.fixture
def pool() -> Pool:
    """Texts of two kinds, ten times as many of one."""
    texts = [
        (f"{word} number {number}", kind)
        for kind, words in KINDS.items()
        for word in words
        for number in range(20 if kind == "billing" else 2)
    ]
    return Pool(tuple(Record(f"r{place}", *each) for place, each in enumerate(texts)))


def test_the_printed_strategy_mixes_the_batch(pool: Pool, tmp_path: Path) -> None:
    (code,) = (block for block in pages.fences(HOWTO, "python") if "class " in block)
    (tmp_path / "mixed.py").write_text(code, encoding="utf-8")
    shown = yaml.safe_load(pages.fences(HOWTO, "yaml")[0])["strategy"]
    learner = Learner(
        pool,
        tuple(KINDS),
        classifier=ClassifierSection(name="tfidf"),
        strategy=StrategySection(**shown),
        seed=1,
        cache=tmp_path / "cache",
        code_paths=(tmp_path,),
    )
    assert shown["name"] in learner.check()
    targets = {each.id: str(each.gold) for each in (pool.records[0], pool.records[-1])}
    model = learner.fit(0, targets)
    items = learner.choose(model, 4, round=1, targets=targets, exclude=["r1"])
    assert "r1" not in {item.record_id for item in items}
    assert all(item.score is not None for item in items)
    kinds = Counter(item.suggestion.value for item in items if item.suggestion)
    assert kinds == {"billing": 2, "delivery": 2}
    again = learner.choose(model, 4, round=1, targets=targets, exclude=["r1"])
    assert again == items


def test_the_printed_defaults_of_the_criteria_are_small_texts() -> None:
    import small_text

    from loopd.evaluation.stopping import CLASSES

    page = pages.text("docs/how-it-works.md")
    rows = pages.table_rows(page, "## How stopping works")
    for name in CRITERIA:
        signature = inspect.signature(getattr(small_text, CLASSES[name]).__init__)
        for option, parameter in signature.parameters.items():
            if option in ("self", "num_classes"):
                continue
            assert f"`{option}`" in rows[name][2]
            if parameter.default is not inspect.Parameter.empty:
                assert f"({parameter.default:g})" in rows[name][2], (name, option)
