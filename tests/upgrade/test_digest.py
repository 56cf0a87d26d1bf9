"""The configuration's digest: an upgrade does not change it, a setting that shapes results does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field, create_model

from loopd.config import Config
from loopd.config.data import HoldoutSection, PoolSection
from loopd.config.digest import ALWAYS, UNSHAPING
from loopd.config.people import QueueSection
from loopd.config.section import Section
from loopd.config.stopping import CriterionSection, StoppingSection

PLAIN: dict[str, Any] = {"task": {"labels": ["a", "b"]}, "pool": {"path": "x.csv"}}
TEST = {"path": "t.csv", "label": "l"}
CRITERION = {"name": "kappa_average", "stop": True}

BEFORE: dict[str, dict[str, Any]] = {
    "fbe4e50ab6f9": {},
    "93fbd0cd1443": {"test": TEST},
    "7fb2f1f7b8e1": {"audit": {"random_share": 0.1}},
    "93fbd0cd1443 without draws": {"test": TEST, "audit": {"random_share": 0.0}},
    "fbe4e50ab6f9 without draws": {"audit": {"random_share": 0.0}},
    "4ea80619d988": {
        "queue": {"batch_size": 30, "min_submitted": 2},
        "strategy": {"name": "activelab"},
    },
    "3a90bd8637d3": {"stopping": {"criteria": [CRITERION], "max_rounds": 3}},
}
"""What the code of commit e2cc3ab says of these: ``parse_config({**PLAIN, ...}).digest()``."""


@pytest.mark.parametrize(("digest", "sections"), BEFORE.items())
def test_runs_of_earlier_versions_go_on(digest: str, sections: dict[str, Any]) -> None:
    assert Config.model_validate({**PLAIN, **sections}).digest() == digest.partition(" ")[0]


def later(name: str, section: type[Section], **fields: Any) -> type[Section]:
    """A section as a later version may have it."""
    return create_model(name, __base__=section, **fields)


class Reminders(Section):
    """A section that is new."""

    after: float = Field(3600.0, gt=0)
    people: tuple[str, ...] = ()
    texts: dict[str, str] = Field(default_factory=dict)


NEW_FIELD = {"later": (int, 3)}
LATER_QUEUE = later("Queue", QueueSection, **NEW_FIELD)
LATER_CRITERION = later("Criterion", CriterionSection, **NEW_FIELD)
LATER_STOPPING = later(
    "Stopping", StoppingSection, criteria=(tuple.__class_getitem__((LATER_CRITERION, ...)), ())
)

LATER: dict[str, tuple[type[Section], dict[str, Any], dict[str, Any]]] = {
    "a section": (
        later("C", Config, reminders=(Reminders, Field(default_factory=Reminders))),
        {},
        {"reminders": {"after": 60}},
    ),
    "a section or none": (
        later("C", Config, reminders=(Reminders | None, None)),
        {},
        {"reminders": {}},
    ),
    "a field": (
        later("C", Config, queue=(LATER_QUEUE, Field(default_factory=LATER_QUEUE))),
        {"queue": {"batch_size": 7}},
        {"queue": {"batch_size": 7, "later": 4}},
    ),
    "a field of the pool": (
        later("C", Config, pool=(later("P", PoolSection, **NEW_FIELD), ...)),
        {},
        {"pool": {"path": "x.csv", "later": 4}},
    ),
    "a field of the test set": (
        later("C", Config, test=(later("T", HoldoutSection, **NEW_FIELD) | None, None)),
        {"test": TEST},
        {"test": {**TEST, "later": 4}},
    ),
    "a field of a list": (
        later("C", Config, stopping=(LATER_STOPPING, Field(default_factory=LATER_STOPPING))),
        {"stopping": {"criteria": [CRITERION]}},
        {"stopping": {"criteria": [{**CRITERION, "later": 4}]}},
    ),
}


@pytest.mark.parametrize(("whole", "same", "other"), LATER.values(), ids=LATER)
def test_what_is_new_counts_from_its_first_value_that_is_no_default(
    whole: type[Config], same: dict[str, Any], other: dict[str, Any]
) -> None:
    before = Config.model_validate({**PLAIN, **same}).digest()
    assert whole.model_validate({**PLAIN, **same}).digest() == before
    assert whole.model_validate({**PLAIN, **other}).digest() != before


SHAPING: tuple[dict[str, Any], ...] = (
    {"task": {"labels": ["b", "a"]}},
    {"task": {"labels": ["a", "b"], "guidelines": "x"}},
    {"pool": {"path": "x.csv", "text": "body"}},
    {"test": TEST},
    {"classifier": {"name": "tfidf"}},
    {"classifier": {"options": {"c": 1}}},
    {"strategy": {"cold_start": "random_sampling"}},
    {"queue": {"low_watermark": 0}},
    {"people": {"keep_answers_of_deleted_accounts": False}},
    {"consensus": {"strategy": "weighted"}},
    {"relabel": {"another_person": False}},
    {"audit": {"random_share": 0.2}},
    {"stopping": {"criteria": []}},
    {"stopping": {"criteria": [CRITERION]}},
    {"stopping": {"criteria": [{**CRITERION, "stop": False}]}},
    {"run": {"seed": 43}},
)


def test_each_setting_that_shapes_the_results_has_a_part_in_it() -> None:
    plain = Config.model_validate(PLAIN).digest()
    others = [Config.model_validate({**PLAIN, **sections}).digest() for sections in SHAPING]
    assert len({plain, *others}) == 1 + len(SHAPING)


@pytest.mark.parametrize(
    "sections",
    [
        {"pool": {"path": "elsewhere.csv", "format": "plain", "tolerate": 0.1}},
        {"run": {"dir": "elsewhere", "keep_models": 7}},
        {"argilla": {"url": "https://argilla.example.org", "timeout": 3}},
        {"log": {"level": "debug"}, "dashboard": {"enabled": False}, "sinks": {"csv": True}},
    ],
)
def test_where_things_are_has_none(sections: dict[str, Any]) -> None:
    plain = Config.model_validate(PLAIN).digest()
    assert Config.model_validate({**PLAIN, **sections}).digest() == plain


def test_every_setting_that_is_listed_is_there(tmp_path: Path) -> None:
    sections: dict[str, type[BaseModel]] = {
        "": Config,
        "stopping.criteria": CriterionSection,
        "pool": PoolSection,
        "test": HoldoutSection,
    }
    for names in (ALWAYS, UNSHAPING):
        for path, listed in names.items():
            section = sections.get(path) or type(getattr(Config.model_validate(PLAIN), path))
            assert set(listed) <= section.model_fields.keys(), path
