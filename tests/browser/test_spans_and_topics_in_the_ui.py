"""A person marks spans with the mouse and ticks several labels, in a real browser."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.config import ArgillaSection
from loopd.data.pool import Pool
from loopd.records import Answer, Batch, BatchItem, ExternalId, PoolId, Record, Span, Suggestion
from loopd.tasks.multi_label import MultiLabelTask
from loopd.tasks.spans import SpanTask
from tests.browser.test_label_in_the_ui import person  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from loopd.embedded_argilla.options import Account
    from loopd.tasks.task import Task
    from tests.browser.conftest import Desk
    from tests.live import LiveArgilla

pytestmark = [
    pytest.mark.integration,
    pytest.mark.browser,
]

NAMES = SpanTask(("person", "place", "thing"), "label", "text", "Mark the names")
TOPICS = MultiLabelTask(("art", "sport", "trade"), "label", "text", "Which?", "None of these")

BOX = """(word) => {
  const field = document.querySelector('.span-annotation__field');
  const walker = document.createTreeWalker(field, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const place = node.data.indexOf(word);
    if (place < 0) continue;
    const range = document.createRange();
    range.setStart(node, place);
    range.setEnd(node, place + word.length);
    const box = range.getBoundingClientRect();
    return [box.x, box.y, box.width, box.height];
  }
}"""

Publish = Callable[["Task", dict[str, str], Suggestion | None], ArgillaStore]


@pytest.fixture
def publish(argilla: LiveArgilla) -> Iterator[Publish]:
    """Make a dataset in the loop's way; the first record has a suggestion."""
    stores: list[ArgillaStore] = []

    def make(task: Task, said: dict[str, str], suggestion: Suggestion | None) -> ArgillaStore:
        section = ArgillaSection(url=argilla.url, dataset=f"kinds-{uuid.uuid4().hex[:8]}")
        store = ArgillaStore(section, argilla.owner_key, DatasetPlan(task, "", 1))
        stores.append(store)
        texts = {PoolId(record_id): text for record_id, text in said.items()}
        pool = Pool(tuple(Record(record_id, text) for record_id, text in texts.items()))
        store.open(pool, fresh=True)
        first, *others = texts
        items = (
            BatchItem(first, 0.5, suggestion),
            *(BatchItem(each) for each in others),
        )
        store.publish(Batch("b0001", 1, "random_sampling", "model", items), texts)
        return store

    yield make
    for store in stores:
        store.close()


class Marking:
    """The page of a span question."""

    def __init__(self, desk: Desk) -> None:
        self.page = desk.page

    def opens(self, url: str, text: str) -> None:
        self.page.goto(url)
        self.sees(text)

    def sees(self, text: str) -> None:
        shown = self.page.locator(".span-annotation__field")
        shown.wait_for()
        self.page.wait_for_function(
            "text => document.querySelector('.span-annotation__field').textContent.includes(text)",
            arg=text,
        )
        self.page.wait_for_load_state("networkidle")

    def marks(self, word: str, key: str) -> None:
        """Choose the label with its number, then drag over the word."""
        self.page.keyboard.press(key)
        before = self.page.locator("[class*=span-entity]").count()
        left, top, width, height = self.page.evaluate(BOX, word)
        mouse, middle = self.page.mouse, top + height / 2
        mouse.move(left + 1, middle)
        mouse.down()
        mouse.move(left + width / 2, middle, steps=3)
        mouse.move(left + width - 1, middle, steps=3)
        mouse.up()
        self.page.wait_for_function(
            "count => document.querySelectorAll('[class*=span-entity]').length > count",
            arg=before,
        )

    def submits(self) -> None:
        with self.page.expect_response(
            lambda response: response.request.method == "POST" and "/responses" in response.url
        ) as answered:
            self.page.keyboard.press("Enter")
        assert answered.value.status == 201


def answers(store: ArgillaStore, *record_ids: str) -> dict[str, Answer]:
    return {
        answer.external_id: answer
        for answer in store.sweep(tuple(map(ExternalId, record_ids))).answers
    }


def test_spans_are_marked_where_they_are(
    publish: Publish,
    person: Account,  # noqa: F811 - the fixture
    desk: Desk,
) -> None:
    text = "Ann & Bob met <b>Carl</b> &amp; co\r\nin Paris \U0001f389 on the Oder\U0001f600"
    nothing = "nothing here"
    proposal = Suggestion((Span(0, 3, "person"),), (0.9,))
    store = publish(NAMES, {"r1": text, "r2": nothing}, proposal)
    desk.log_in(person)
    marking = Marking(desk)
    marking.opens(store.describe(), "Carl")
    # The proposal is there already: a mark with its label, before anything was done.
    desk.page.locator("[class*=span-entity]").get_by_text("person").first.wait_for(state="attached")
    for word, key in (("Carl", "1"), ("Paris", "2"), ("Oder\U0001f600", "3")):
        marking.marks(word, key)
    marking.submits()
    marking.sees(nothing)
    marking.submits()

    found = answers(store, "r1", "r2")
    spans = NAMES.target(found["r1"].value)
    assert [
        (text[span[0] : span[1]], span[2]) for span in spans or () if isinstance(span, Span)
    ] == [
        ("Ann", "person"),
        ("Carl", "person"),
        ("Paris", "place"),
        ("Oder\U0001f600", "thing"),
    ]
    assert NAMES.target(found["r2"].value) == ()


def test_several_labels_and_none_of_these(
    publish: Publish,
    person: Account,  # noqa: F811 - the fixture
    desk: Desk,
) -> None:
    texts = {"r1": "a painted football, sold", "r2": "weather"}
    store = publish(TOPICS, texts, Suggestion(("art", "sport"), (0.9, 0.6)))
    desk.log_in(person)
    page = desk.page
    page.goto(store.describe())
    active = page.locator(".label-active .label-text__text")
    page.get_by_text(texts["r1"], exact=True).first.wait_for()
    page.wait_for_load_state("networkidle")
    active.first.wait_for()
    assert active.all_inner_texts() == ["art", "sport"]
    scores = page.locator(".label-active .label-text__suggestion__score").all_inner_texts()
    assert [float(score) for score in scores] == [pytest.approx(0.9), pytest.approx(0.6)]
    page.locator(".label-text__text").get_by_text("sport", exact=True).click()
    page.locator(".label-text__text").get_by_text("trade", exact=True).click()
    _submit(desk)
    page.get_by_text(texts["r2"], exact=True).first.wait_for()
    page.wait_for_load_state("networkidle")
    page.locator(".label-text__text").get_by_text("None of these", exact=True).click()
    _submit(desk)

    found = answers(store, "r1", "r2")
    assert TOPICS.target(found["r1"].value) == ("art", "trade")
    assert TOPICS.target(found["r2"].value) == ()


def _submit(desk: Desk) -> None:
    with desk.page.expect_response(
        lambda response: response.request.method == "POST" and "/responses" in response.url
    ) as answered:
        desk.page.locator("button.button--submit").click()
    assert answered.value.status == 201
