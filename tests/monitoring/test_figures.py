"""The charts: what people typed stays text, ids stay apart, and numbers add up."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from loopd.dashboard.figures import (
    Chart,
    ConfusionMatrix,
    class_chart,
    confusion_chart,
    criteria_chart,
    curve_chart,
    seconds_chart,
    waiting_chart,
)
from loopd.dashboard.figures.chart import brief
from loopd.dashboard.figures.quality import most_confused
from loopd.metrics_log.rows import Row
from tests.monitoring.rounds import HOSTILE, make_confusion, make_rows


def charts(rows: list[Row], labels: tuple[str, ...]) -> list[Chart]:
    found = (
        curve_chart(rows),
        class_chart(rows),
        confusion_chart(make_confusion(labels)),
        criteria_chart(rows),
        seconds_chart(rows),
        waiting_chart(rows),
    )
    return [chart for chart in found if chart is not None]


@pytest.fixture(scope="module")
def drawn() -> dict[str, ET.Element]:
    """The elements of all charts of one hostile page, by name."""
    found = charts(make_rows(4, HOSTILE), HOSTILE)
    return {chart.name: ET.fromstring(chart.svg()) for chart in found}  # noqa: S314 (our own)


def test_what_people_typed_is_text_and_nothing_else(drawn: dict[str, ET.Element]) -> None:
    allowed = {"svg", "title", "desc", "defs", "g", "path", "text", "use", "clipPath", "rect"}
    for root in drawn.values():
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert tags <= allowed, tags - allowed
        assert not any(key.startswith("on") for element in root.iter() for key in element.attrib)
    words = "".join(drawn["classes"].itertext())
    assert "<script>" in words
    assert "$\\frac{1}{0}$ <script>" in words  # neither parsed as a formula nor as HTML
    assert "日本語" in words


def test_names_are_shown_as_typed_though_short(drawn: dict[str, ET.Element]) -> None:
    shown = [element.text for element in drawn["confusion"].iter() if element.tag.endswith("text")]
    for name in HOSTILE:
        assert shown.count(brief(name, 14)) == 2, name  # beside its row and under its column


def test_charts_share_no_id_and_refer_to_their_own(drawn: dict[str, ET.Element]) -> None:
    ids = [element.get("id") for root in drawn.values() for element in root.iter()]
    known = [id_ for id_ in ids if id_ is not None]
    assert len(known) == len(set(known)) > 0
    for name, root in drawn.items():
        own = {id_ for id_ in known if id_.startswith(f"{name}-")}
        links = {element.get("href") for element in root.iter()} - {None}
        assert {str(link)[1:] for link in links} <= own
        assert set(str(root.get("aria-labelledby")).split()) <= own


def test_one_chart_is_the_same_document_each_time() -> None:
    first, second = (curve_chart(make_rows(3, ("a", "b"))) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.svg() == second.svg()
    assert "<?xml" not in first.svg()
    assert first.png().startswith(b"\x89PNG")


def test_fifty_labels_are_put_together_so_that_the_counts_add_up() -> None:
    labels = tuple(f"label {number}" for number in range(50))
    whole = make_confusion(labels)
    small = most_confused(whole, 14)
    assert len(small.labels) == 14
    assert sum(map(sum, small.counts)) == sum(map(sum, whole.counts))
    assert small.labels[-1] == "(others)"
    assert "label 49" in small.labels
    found = charts(make_rows(3, labels), labels)
    assert len(found) == 6
    assert all(chart.figure.get_figheight() < 9 for chart in found)


def test_one_round_two_labels_and_ninety_rounds_are_drawn() -> None:
    for count in (1, 90):
        names = {chart.name for chart in charts(make_rows(count, ("a", "b")), ("a", "b"))}
        late = {"criteria"} if count > 1 else set()  # a criterion needs three rounds here
        assert names == {"curve", "classes", "confusion", "seconds", "waiting"} | late


def test_nothing_is_drawn_where_nothing_is_known() -> None:
    assert charts([], ()) == []
    bare: list[Row] = [{"round": 0, "labels": 20}]
    assert [chart(bare) for chart in (curve_chart, class_chart, criteria_chart, waiting_chart)] == [
        None
    ] * 4


def test_the_summary_says_the_last_value() -> None:
    chart = curve_chart(make_rows(3, ("a",)))
    assert chart is not None
    assert chart.summary == (
        "accuracy 0.767 (95 % interval 0.717 to 0.807) after round 2 with 60 labels; "
        "0.500 at first."
    )


def test_a_matrix_is_made_of_pairs_in_the_order_of_the_labels() -> None:
    pairs = (("b", "a", 2), ("a", "a", 5), ("a", "gone", 1))
    made = ConfusionMatrix.of(("a", "b"), pairs)
    assert made == ConfusionMatrix(("a", "b", "gone"), ((5, 0, 1), (2, 0, 0), (0, 0, 0)))
    assert ConfusionMatrix.of(("a", "b"), ()) is None
