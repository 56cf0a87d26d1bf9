"""Filters: what is refused when a listener is defined, and how parameters are put in."""

from __future__ import annotations

from typing import Any

import pytest

from loopd.listener import DefinitionError, listener
from loopd.listener.filters import parse


def define(**options: Any) -> None:
    listener(dataset="any", **options)(print)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (("status", "!=", "completed"), "unknown operator `!=` .* there are `==`, `in`, `>=`"),
        (("status", "==", "Validated"), "`status` is never 'Validated': .*`completed`"),
        (("response.status", "in", ["submitted", "done"]), "never 'done'"),
        (("status", ">=", "completed"), "has no order"),
        (("metadata.batch_id", "==", "{batch}"), "unknown parameter `batch` .*`batch_id`"),
        (("metadata.batch_id", "in", [1, "{batch}"]), "unknown parameter `batch`"),
        (("metadata.batch_id", "==", "{batch_id"), "braces"),
        (("metadata.batch_id", "==", "{}"), "name of a parameter"),
        (("metadata.batch_id", "==", "{batch_id.real}"), "name of a parameter"),
        (("metadata.batch_id", "==", None), "one number or string"),
        (("metadata.batch_id", "==", True), "one number or string"),
        (("metadata.batch_id", "==", [1]), "one number or string"),
        (("metadata.batch_id", "in", []), "at least one value"),
        (("metadata.batch_id", "in", "ab"), "needs a list"),
        (("metadata", "==", 1), "unknown field `metadata`; there are"),
        (("metadata.a.b", "==", 1), "unknown field"),
        (("metadata.", "==", 1), "unknown field"),
        (("response.label", "==", "x"), "did you mean `label.response`"),
        (("label.answer", "==", "x"), "`<question>.response`"),
        (("status", "=="), "no condition"),
        ((1, "==", 2), "strings"),
        (1, "no condition"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_at_once(condition: Any, words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        define(filters=[condition], batch_id=0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"filters": "status"}, "list of conditions"),
        ({"query": "about {topic}"}, "unknown parameter `topic` in the query; there are no"),
        ({"metrics": ["F1"]}, "no `metrics`"),
        ({"execution_interval": 3}, "did you mean `execution_interval_in_seconds`"),
        ({"filter": []}, "did you mean `filters`"),
        ({"execution_interval_in_seconds": 0}, "too short"),
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        define(**options)


@pytest.mark.parametrize(
    "field", ["metadata.n", "updated_at", "rating.response", "rating.score"], ids=str
)
def test_what_has_an_order_takes_ranges(field: str) -> None:
    parse([(field, ">=", 1)], None).check({})


def test_a_whole_parameter_keeps_its_type_and_a_part_is_text() -> None:
    written = parse(
        [
            ("metadata.n", "==", "{n}"),
            ("metadata.t", "==", "batch-{n:03d} {{as it is}}"),
            ("metadata.n", "in", ["{n}", 7]),
            ("id", "in", "{ids}"),
        ],
        "about {topic}",
    )
    params = {"n": 4, "topic": "parcels", "ids": ["a", "b"]}
    written.check(params)
    wanted = written.filled(params)
    values = [value for _, _, value in wanted.conditions]
    assert values == [4, "batch-004 {as it is}", [4, 7], ["a", "b"]]
    assert wanted.query == "about parcels"


def test_one_condition_may_stand_alone() -> None:
    assert parse(("status", "==", "completed"), None).conditions == (("status", "==", "completed"),)


def test_a_parameter_that_the_action_deleted_is_named() -> None:
    written = parse([("metadata.n", "==", "{n}")], None)
    with pytest.raises(DefinitionError, match="no 'n' any more"):
        written.filled({})
