"""Names of labels that tell a model nothing, and those that do, in whatever script."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopd.config_file import parse_config
from loopd.data.pool import Pool
from loopd.learning.described_labels import DescribedLabels
from loopd.learning.problems.problem import problem_of
from loopd.loop.data_sets import DataSets
from loopd.machine import State
from loopd.operations.check import REMARKS
from loopd.operations.label_names import is_cryptic, sentence, undescribed
from loopd.records import PoolId, Record

CRYPTIC = (
    *(
        "DESC",
        "2",
        "x1",
        "AB",
        "ABBR",
        "HUM",
        "LABEL_0",
        "label 12",
        "Class-3",
        "topic_7",
        "c",
        "-1",
    ),
    *("+", "N/A", "C++", "dsc", "1.5", "É1", "HTTPS", "Q3", "category 10", "ABBR:HUM"),
    *("٣", "b2b", "cl_04"),
)
WORDS = (
    *("billing", "Billing", "BILLING", "sci-fi", "other", "5 stars", "covid19", "birthDate"),
    *("HUM:animal", "None of these", "体育", "счёт", "δελτία", "Überweisung", "rhythm", "class"),
    *("very negative", "POSITIVE", "ENTY_food", "spam", "क्रिकेट", "رياضة", "loan-3", "état"),
)


@pytest.mark.parametrize("label", CRYPTIC)
def test_these_deserve_a_description(label: str) -> None:
    assert is_cryptic(label)


@pytest.mark.parametrize("label", WORDS)
def test_these_are_words(label: str) -> None:
    assert not is_cryptic(label)


@given(number=st.integers(-(10**6), 10**6), letters=st.text("bcdfgXZ", max_size=2))
def test_a_number_with_a_letter_or_two_is_no_word(number: int, letters: str) -> None:
    assert is_cryptic(f"{letters}{number}")


@given(word=st.sampled_from(WORDS), number=st.integers(0, 99))
def test_a_word_stays_one_whatever_is_behind_it(word: str, number: int) -> None:
    if word != "class":
        assert not is_cryptic(f"{word} {number}")


def config_of(folder: Path, **task: Any) -> Any:
    return parse_config({"task": task, "pool": {"path": "p.csv"}}, folder)


def test_who_is_described_is_not_named(tmp_path: Path) -> None:
    labels = ["DESC", "2", "delivery"]
    assert undescribed(config_of(tmp_path, labels=labels)) == ("DESC", "2")
    some = {"2": "two parcels came"}
    assert undescribed(config_of(tmp_path, labels=labels, descriptions=some)) == ("DESC",)
    assert undescribed(config_of(tmp_path, labels=labels, type="spans")) == ()


def test_check_says_so(tmp_path: Path) -> None:
    data = DataSets(Pool((Record(PoolId("r"), "a text"),)), None, {})
    for labels, expected in ((["DESC", "delivery"], 1), (["billing", "delivery"], 0)):
        visit: Any = SimpleNamespace(
            config=config_of(tmp_path, labels=labels), datasets=data, state=State()
        )
        found = [each for each in REMARKS["data"](visit) if each.topic == "labels"]
        assert [each.level for each in found] == ["warning"] * expected
        assert all("'DESC'" in each.text and "task.descriptions" in each.hint for each in found)


def test_names_are_never_used_as_descriptions(tmp_path: Path) -> None:
    task = config_of(tmp_path, labels=["delivery", "billing"]).task
    described = DescribedLabels.of(task.descriptions, problem_of("single_label", task.labels))
    assert described.texts == ()
    one = config_of(tmp_path, labels=["delivery", "2"], descriptions={"2": "two"}).task
    described = DescribedLabels.of(one.descriptions, problem_of("single_label", one.labels))
    assert described.texts == ("two",)


def test_of_many_only_a_few_are_named() -> None:
    assert sentence(("2",)) == "the name '2' says nothing of what it stands for"
    assert sentence(("A", "B", "C", "D", "E")) == (
        "the names 'A', 'B', 'C' and 2 more say nothing of what they stand for"
    )
