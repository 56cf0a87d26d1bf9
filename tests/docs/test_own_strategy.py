"""The printed query strategy runs as it is, and the table of criteria is right."""

from __future__ import annotations

import inspect
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from loopd.config import CRITERIA, ClassifierSection, StrategySection
from loopd.data.pool import Pool
from loopd.learning.learner import Learner
from loopd.records import PoolId, Record
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
    return Pool(tuple(Record(PoolId(f"r{place}"), *each) for place, each in enumerate(texts)))


def printed(word: str, folder: Path) -> dict[str, Any]:
    """Writes the printed module that defines a class, and gives the section that names it."""
    (code,) = (block for block in pages.fences(HOWTO, "python") if f"class {word}" in block)
    shown = (yaml.safe_load(block)["strategy"] for block in pages.fences(HOWTO, "yaml"))
    (section,) = (each for each in shown if word in str(each))
    folder.mkdir(exist_ok=True)
    (folder / f"{word.lower().removesuffix('margins')}.py").write_text(code, encoding="utf-8")
    return dict(section)


def learner_over(pool: Pool, section: dict[str, Any], folder: Path) -> Learner:
    return Learner(
        pool,
        tuple(KINDS),
        classifier=ClassifierSection(name="tfidf"),
        strategy=StrategySection(**section),
        seed=1,
        cache=folder / "cache",
        code_paths=(folder,),
    )


def test_the_printed_strategy_mixes_the_batch(pool: Pool, tmp_path: Path) -> None:
    shown = printed("MixedMargins", tmp_path)
    learner = learner_over(pool, shown, tmp_path)
    assert shown["name"] in learner.check()
    targets = {each.id: str(each.gold) for each in (pool.records[0], pool.records[-1])}
    model = learner.fit(0, targets)
    items = learner.choose(model, 4, round=1, targets=targets, exclude=[PoolId("r1")]).items
    assert "r1" not in {item.record_id for item in items}
    assert all(item.score is not None for item in items)
    kinds = Counter(item.suggestion.value for item in items if item.suggestion)
    assert kinds == {"billing": 2, "delivery": 2}
    again = learner.choose(model, 4, round=1, targets=targets, exclude=[PoolId("r1")]).items
    assert again == items


def test_the_printed_cold_start_takes_the_unusual(pool: Pool, tmp_path: Path) -> None:
    shown = printed("Unusual", tmp_path)
    learner = learner_over(pool, shown, tmp_path)
    assert shown["cold_start"] in learner.check()
    choice = learner.first_batch(2, round=0, exclude=())
    assert choice.strategy == shown["cold_start"]
    assert {pool[item.record_id].gold for item in choice.items} == {"delivery"}
    aside = learner.first_batch(
        2, round=0, exclude=(), hidden=[PoolId("r0"), PoolId("r1"), PoolId("r2")]
    )
    assert {pool[item.record_id].gold for item in aside.items} == {"delivery"}


def test_the_printed_entry_point_is_found_in_an_installed_package(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (declared,) = pages.fences(HOWTO, "toml")
    heading, line = declared.strip().splitlines()[1:]
    group, (name, target) = heading.split('"')[1], line.replace('"', "").split(" = ")
    printed("Unusual", tmp_path / target.partition(".")[0])
    info = tmp_path / "our_strategies-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: our-strategies\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {target}\n")
    monkeypatch.syspath_prepend(tmp_path)
    learner = learner_over(pool, {"name": name, "cold_start": name}, tmp_path)
    assert f"strategy {name}, cold start {name}" in learner.check()
    assert learner.first_batch(2, round=0, exclude=()).strategy == name


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
