"""A person labels the loop's batch in Argilla's own pages, by keyboard, in a real browser."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from loopd.annotation.argilla_store import ArgillaStore, DatasetPlan
from loopd.annotation.consensus import targets
from loopd.config import ArgillaSection
from loopd.data.pool import Pool
from loopd.embedded_argilla.embedded import create_annotator
from loopd.embedded_argilla.options import Account
from loopd.machine import Phase, State
from loopd.records import AnswerStatus, Batch, BatchItem, PoolId, Suggestion
from loopd.tasks.single_label import SingleLabelTask
from tests.acceptance.conftest import make_daemon  # noqa: F401 - a fixture
from tests.acceptance.test_failures import answer_all, collecting, rounds
from tests.browser.conftest import Desk
from tests.live import LiveArgilla
from tests.loop.conftest import LABELS, make_pool

if TYPE_CHECKING:
    from tests.acceptance.conftest import MakeDaemon

NO_POOL = Pool(())

pytestmark = [
    pytest.mark.integration,
    pytest.mark.browser,
]

ACTIVE = ".label-active .label-text__text"
SCORE = ".label-active .label-text__suggestion__score"
FIELD = ".text_field_component .content-area"


@pytest.fixture
def person(argilla: LiveArgilla) -> Account:
    """Somebody new, who has answered nothing yet."""
    name = f"lena-{uuid.uuid4().hex[:8]}"
    return create_annotator(
        argilla.url, argilla.owner_key, name, workspace=argilla.server.workspace
    )


def other(label: str) -> str:
    return next(each for each in LABELS if each != label)


class Labelling:
    """The annotation page: what it shows, and the keys one presses there.

    With a single question, the number of a label that is not chosen chooses it and submits at
    once; the number of the chosen label takes the choice back; Enter submits what is chosen.
    """

    def __init__(self, desk: Desk) -> None:
        self.page = desk.page

    def sees(self, text: str, item: BatchItem) -> None:
        """The record is there with the model's suggestion chosen, and the keyboard is ready."""
        self.page.locator(FIELD).get_by_text(text, exact=True).wait_for()
        self.page.locator(ACTIVE).get_by_text(suggested(item), exact=True).wait_for()
        shown = float(self.page.locator(SCORE).inner_text())
        assert shown == pytest.approx(_suggestion(item).score, abs=0.0501)
        self.page.locator("input[data-keyboard]:focus").wait_for(state="attached")

    def press(self, key: str) -> None:
        """Press a key that submits, and wait until the server has the answer."""
        with self.page.expect_response(
            lambda response: response.request.method == "POST" and "/responses" in response.url
        ) as answered:
            self.page.keyboard.press(key)
        assert answered.value.status == 201

    def agree(self, item: BatchItem) -> str:
        self.press("Enter")
        return suggested(item)

    def disagree(self, item: BatchItem) -> str:
        label = other(suggested(item))
        self.press(_key(label))
        return label

    def waver(self, item: BatchItem) -> str:
        """Take the suggested label back, then choose it again."""
        self.page.keyboard.press(_key(suggested(item)))
        self.page.locator(ACTIVE).wait_for(state="detached")
        self.page.keyboard.press(_key(suggested(item)))
        self.page.locator(ACTIVE).wait_for()
        self.press("Enter")
        return suggested(item)


def _suggestion(item: BatchItem) -> Suggestion:
    assert item.suggestion is not None
    return item.suggestion


def suggested(item: BatchItem) -> str:
    """The label that the model suggests."""
    return str(_suggestion(item).value)


def _key(label: str) -> str:
    return str(LABELS.index(label) + 1)


def test_five_labels_by_keyboard(
    argilla: LiveArgilla,
    make_daemon: MakeDaemon,  # noqa: F811 - the fixture
    person: Account,
    desk: Desk,
) -> None:
    daemon = make_daemon(argilla, guests=False)  # the page counts their records, too
    pool = make_pool(60)
    daemon.start()
    daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    answer_all(daemon, people)
    before = daemon.wait(rounds(2))
    batch = before.batch

    desk.log_in(person)
    _open(desk, daemon.dataset)
    labelling = Labelling(desk)
    desk.page.get_by_text("of 6", exact=True).wait_for()
    chosen: dict[PoolId, str] = {}
    verbs = ("disagree", "agree", "disagree", "waver", "agree")
    for item, verb in zip(batch.items, verbs, strict=False):
        labelling.sees(pool[item.record_id].text, item)
        chosen[item.record_id] = getattr(labelling, verb)(item)
    sixth = batch.items[5]
    labelling.sees(pool[sixth.record_id].text, sixth)
    proposals = {item.record_id: suggested(item) for item in batch.items}
    assert sum(chosen[record_id] != proposals[record_id] for record_id in chosen) == 2

    after = daemon.wait(lambda state: len(targets(state)) >= 11)
    assert targets(after) == {**targets(before), **chosen}
    assert after.phase is Phase.COLLECT
    assert _answers(after) == {record_id: {label} for record_id, label in chosen.items()}

    people.submit(sixth.record_id, "ann", other(suggested(sixth)))
    people.close()
    last = daemon.wait(rounds(3))
    assert last.trained[1].labels == 12
    assert {key: targets(last)[key] for key in chosen} == chosen

    _open(desk, daemon.dataset)
    first = last.batch.items[0]
    labelling.sees(pool[first.record_id].text, first)


def _open(desk: Desk, dataset: str) -> None:
    """Choose the dataset on the home page."""
    desk.page.goto(desk.url)
    desk.page.get_by_text(dataset, exact=True).first.click()


def _answers(state: State) -> dict[str, set[str]]:
    """Every answer on the present batch, by record."""
    found: dict[str, set[str]] = {}
    for answer in state.answers.values():
        if answer.external_id in state.batch.external_ids:
            assert answer.status is AnswerStatus.SUBMITTED
            found.setdefault(answer.external_id, set()).add(str(answer.value))
    return found


IMAGE = '<img src="/hostile.png" onerror="parent.hostile = 1; alert(1)">'
SCRIPT = "<script>parent.hostile = 2; alert(2)</script>"
LINK = '<a href="javascript:alert(3)">x</a>'
PLAIN = "1 < 2, a <b and c</b> &amp; {{ 7 * 7 }} **bold** `code`"
MARKUP = f"{IMAGE} {SCRIPT} {LINK} {PLAIN}"
RUNS = "[onerror], a[href^='javascript']"


@pytest.fixture
def publish(argilla: LiveArgilla) -> Iterator[Callable[..., ArgillaStore]]:
    """Make a dataset of one record in the loop's way, out of strings that try to run."""
    stores: list[ArgillaStore] = []

    def make(text: str, labels: tuple[str, ...], title: str, guidelines: str) -> ArgillaStore:
        task = SingleLabelTask(labels, "label", "text", title)
        section = ArgillaSection(url=argilla.url, dataset=f"hostile-{uuid.uuid4().hex[:8]}")
        store = ArgillaStore(section, argilla.owner_key, DatasetPlan(task, guidelines, 1))
        stores.append(store)
        store.open(NO_POOL, fresh=True)
        item = BatchItem(PoolId("r1"), 0.5, Suggestion(labels[0], 0.9))
        store.publish(Batch("b0001", 1, "breaking_ties", "model", (item,)), {PoolId("r1"): text})
        return store

    yield make
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    "text", [f"{PLAIN}\n  AT&T &copy {IMAGE}", MARKUP], ids=("into_the_page", "into_a_frame")
)
def test_a_text_with_markup_is_shown_and_not_run(
    publish: Callable[..., ArgillaStore], person: Account, desk: Desk, text: str
) -> None:
    store = publish(text, ("yes", "no"), "Which?", "")
    desk.log_in(person)
    desk.page.goto(store.describe())
    desk.page.locator(FIELD).wait_for()
    _let_it_run(desk)
    assert desk.page.locator(FIELD).inner_text().strip() == text
    assert desk.page.locator(f"{FIELD} > :first-child *").count() == 0
    assert not any("hostile.png" in url for url in desk.asked)


@pytest.mark.slow
def test_labels_title_and_guidelines_with_markup_do_not_run(
    publish: Callable[..., ArgillaStore], person: Account, desk: Desk
) -> None:
    store = publish("a text", (IMAGE, SCRIPT, PLAIN), f"Which {MARKUP}?", f"# Guide\n{MARKUP}")
    desk.log_in(person)
    page = desk.page
    page.goto(store.describe())
    page.locator(ACTIVE).wait_for()
    assert page.locator(".label-text__text").all_inner_texts() == [IMAGE, SCRIPT, PLAIN]
    assert page.locator(ACTIVE).inner_text() == IMAGE
    assert page.locator(".suggestion-info").inner_text().startswith(f"Which {MARKUP}?")
    assert not any("hostile.png" in url for url in desk.asked)
    page.get_by_label("Expand Panel").first.click()
    page.get_by_role("heading", name="Guide").wait_for()
    _let_it_run(desk)
    assert page.locator(RUNS).count() == 0


def _let_it_run(desk: Desk) -> None:
    """Give whatever wants to run the time to do it: a picture of the page comes after that."""
    desk.page.wait_for_load_state("networkidle")
    assert desk.page.evaluate("window.hostile") is None
