"""What simulated people do with a record is a pure function with the promised rates."""

from collections import Counter

import pytest

from loopd.errors import ConfigError
from loopd.oracle.behaviour import Behaviour, OracleOptions, behave
from loopd.oracle.mistakes import mistaken
from loopd.records import Span
from loopd.tasks.multi_label import MultiLabelTask
from loopd.tasks.single_label import SingleLabelTask
from loopd.tasks.spans import SpanTask

LABELS = ("a", "b", "c")
TASK = SingleLabelTask(LABELS, "label", "text", "Which?")
GOLD = {f"r{number}": LABELS[number % 3] for number in range(2000)}


def plan(options: OracleOptions, record: str | None, person: str = "oracle-1") -> Behaviour | None:
    return behave(options, GOLD, TASK, person=person, external_id=record)


def test_careful_people_are_right() -> None:
    assert all(plan(OracleOptions(), each) == Behaviour(GOLD[each]) for each in GOLD)


def test_the_rates_hold_and_wrong_labels_are_wrong() -> None:
    options = OracleOptions(error_rate=0.1, discard_rate=0.2, edit_rate=0.3, seed=3)
    kinds: Counter[str] = Counter()
    for record, right in GOLD.items():
        found = plan(options, record)
        assert found is not None
        if found.first is None:
            kinds["discard"] += 1
        elif found.later is not None:
            assert found.first != found.later == right
            kinds["edit"] += 1
        elif found.wrong:
            assert found.first != right
            kinds["error"] += 1
    shares = {kind: count / len(GOLD) for kind, count in kinds.items()}
    expected = {"discard": 0.2, "edit": 0.3, "error": 0.1}
    assert shares == pytest.approx(expected, abs=0.03)


def test_the_same_seed_record_and_person_behave_the_same() -> None:
    options = OracleOptions(error_rate=0.3, discard_rate=0.3, edit_rate=0.4)
    first = [plan(options, each) for each in GOLD]
    assert [plan(options, each) for each in GOLD] == first
    assert [plan(options, each, "oracle-2") for each in GOLD] != first


def test_each_person_may_have_an_error_rate_of_their_own() -> None:
    options = OracleOptions(people=4, error_rates=(0.0, 0.5, 0.2), error_rate=0.9, seed=1)
    for number, rate in enumerate((0.0, 0.5, 0.2, 0.0)):
        wrong = [plan(options.of_person(number), each, f"oracle-{number + 1}") for each in GOLD]
        assert sum(each is not None and each.wrong for each in wrong) == pytest.approx(
            2000 * rate, abs=80
        )
    assert OracleOptions(error_rate=0.3).of_person(7).error_rate == 0.3


def test_a_copy_is_the_same_text_and_another_thought() -> None:
    options = OracleOptions(error_rate=0.5, seed=1)
    first = [behave(options, GOLD, TASK, person="p", external_id=each) for each in GOLD]
    again = [
        behave(options, GOLD, TASK, person="p", external_id=f"{each}#2", original_id=each)
        for each in GOLD
    ]
    assert None not in again
    same = sum(a == b for a, b in zip(first, again, strict=True)) / len(GOLD)
    assert same == pytest.approx(0.25 + 0.25 / 2, abs=0.04)  # both right, or wrong alike
    right = [behave(OracleOptions(), GOLD, TASK, person="p", external_id="x", original_id="r1")]
    assert right == [Behaviour(GOLD["r1"])]


def test_unknown_records_have_no_behaviour() -> None:
    assert plan(OracleOptions(), None) is None
    assert plan(OracleOptions(), "stranger") is None
    assert behave(OracleOptions(), {"r": "d"}, TASK, person="p", external_id="r") is None


@pytest.mark.parametrize("rates", [(0.1, 1.1), (-0.1,)])
def test_impossible_rates_of_one_person_are_refused(rates: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError):
        OracleOptions(error_rates=rates)


@pytest.mark.parametrize(
    "bad",
    [
        {"error_rate": -0.1},
        {"discard_rate": 1.1},
        {"error_rate": 0.5, "edit_rate": 0.6},
        {"people": 0},
        {"seconds_per_answer": -1},
        {"poll_seconds": 0},
        {"error_rate": float("nan")},
    ],
)
def test_impossible_options_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        OracleOptions(**bad)  # type: ignore[arg-type]


def test_a_mistake_is_wrong_and_can_be_submitted() -> None:
    several = MultiLabelTask(("a", "b"), "label", "text", "Which?")
    for slip in (0.0, 0.4, 0.9):
        assert mistaken(several, ("a",), slip) == ("a", "b")  # none at all is no answer there
    pair = (Span(0, 3, "a"), Span(5, 7, "b"))
    found = {mistaken(SpanTask(LABELS, "label", "text", "?"), pair, n / 40) for n in range(40)}
    assert pair not in found
    assert {pair[:1], pair[1:]} < found
    assert (Span(0, 3, "c"), pair[1]) in found
