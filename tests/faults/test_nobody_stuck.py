"""Histories in which the search loses records or an account is deleted: all are answered, once."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from loopd.errors import ArgillaError, TransientError
from loopd.events import RecordsReopened, RunStopped
from loopd.machine import Phase, State
from loopd.oracle.people_api import PeopleApi
from loopd.records import AnswerStatus
from loopd.storage.journal import Journal
from tests.daemon import Daemon, wait_for, write_csv
from tests.faults.index_loss import LossyFront
from tests.faults.nursery import Nursery
from tests.faults.plan import right
from tests.live import LiveArgilla
from tests.people import key_headers

pytestmark = [pytest.mark.integration, pytest.mark.acceptance, pytest.mark.timeout(900)]

TURN = 0.2
"""Seconds between two looks at the page."""

SECONDS = 600.0
"""A history is over within these, however slow the machine."""


class PagePerson:
    """Somebody who answers what people's page shows, and nothing else, until it is time to go.

    Args:
        url, key: of Argilla as this person reaches it.
        workspace, dataset: names.
        most: answers after which the person goes home.
    """

    def __init__(
        self, url: str, key: str, workspace: str, dataset: str, most: int | None = None
    ) -> None:
        self._api = PeopleApi(url, key)
        self._workspace, self._dataset = workspace, dataset
        self._left = most
        self._home = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.given: list[str] = []

    def start(self) -> PagePerson:
        self._thread.start()
        return self

    def go_home(self) -> None:
        self._home.set()
        self._thread.join()
        self._api.close()

    def has_left(self) -> bool:
        return not self._thread.is_alive()

    def _work(self) -> None:
        while not self._home.wait(TURN) and self._left != 0:
            with suppress(TransientError, ArgillaError):  # people shrug and try again
                self._turn()

    def _turn(self) -> None:
        workspace_id = self._api.workspace_id(self._workspace)
        desk = workspace_id and self._api.desk(workspace_id, self._dataset)
        for sheet in self._api.pending(desk) if desk else ():
            if self._home.is_set() or self._left == 0:
                return
            self._api.answer(sheet, "label", right(sheet.text("text")))
            self.given.append(str(sheet.external_id))
            self._left = None if self._left is None else self._left - 1


@dataclass
class Story:
    """One run through a front, and who takes part.

    Attributes:
        size: records of the only batch.
    """

    live: LiveArgilla
    front: LossyFront
    daemon: Daemon
    size: int
    people: list[PagePerson] = field(default_factory=list)

    def person(self, key: str, most: int | None = None) -> PagePerson:
        workspace, dataset = self.live.server.workspace, self.daemon.dataset
        self.people.append(PagePerson(self.front.url, key, workspace, dataset, most))
        return self.people[-1].start()

    def ann(self) -> PagePerson:
        return self.person(self.live.keys["ann"])

    def out(self) -> tuple[str, list[str]]:
        """Once the batch is in the database: ids of the dataset and its records there."""
        wait_for(lambda: len(self.records()) >= self.size, SECONDS, lambda: self.daemon.log[-2000:])
        records = self.records()
        return str(records[0]["dataset_id"]), [record["id"] for record in records]

    def published(self) -> State:
        return self.daemon.wait(lambda state: state.phase is Phase.COLLECT, SECONDS)

    def records(self) -> list[dict[str, Any]]:
        with self._client() as owner:
            found = owner.get("me/datasets").json()["items"]
            ids = [each["id"] for each in found if each["name"] == self.daemon.dataset]
            if not ids:
                return []
            params: dict[str, str | int] = {"include": "responses", "limit": 1000}
            items = owner.get(f"datasets/{ids[0]}/records", params=params).json()["items"]
        return list(items)

    def hire(self) -> tuple[str, str, str]:
        """Name, id and key of a new annotator."""
        name = f"leaver-{uuid.uuid4().hex[:8]}"
        body = {"username": name, "first_name": name, "password": "a long password"}
        with self._client() as owner:
            user = owner.post("users", json={**body, "role": "annotator"}).json()
            spaces = owner.get("me/workspaces").json()["items"]
            space = next(s["id"] for s in spaces if s["name"] == self.live.server.workspace)
            owner.post(f"workspaces/{space}/users", json={"user_id": user["id"]})
        return name, user["id"], user["api_key"]

    def dismiss(self, user_id: str) -> None:
        with self._client() as owner:
            owner.delete(f"users/{user_id}").raise_for_status()

    def _client(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.live.url}/api/v1/",
            headers=key_headers(self.live.owner_key),
            timeout=60,
            trust_env=False,
        )

    def end(self) -> State:
        """All are answered, none twice, and the run has come to its own end."""
        state = self.daemon.wait(lambda state: state.phase is Phase.DONE, SECONDS)
        assert self.daemon.ended() == 0
        planned = state.batches[0].external_ids
        assert len(planned) == self.size
        present = Counter(record["external_id"] for record in self.records())
        assert present == Counter(planned), "none is doubled, none is lost"
        answered = {
            key[0]
            for key, answer in state.answers.items()
            if answer.status is AnswerStatus.SUBMITTED
        }
        assert answered == set(planned)
        return state

    @property
    def reopened(self) -> list[str]:
        with Journal(self.daemon.run_dir / "journal.sqlite", read_only=True) as journal:
            events = [event for event in journal.read() if isinstance(event, RecordsReopened)]
        return [id_ for event in events for id_ in event.records]

    def said(self, event: str) -> int:
        return len(re.findall(rf'"event": ?"{event}"', self.daemon.log))


Tell = Callable[..., Story]


@pytest.fixture
def tell(argilla: LiveArgilla, nursery: Nursery, tmp_path: Path) -> Iterator[Tell]:
    stories: list[Story] = []
    with LossyFront(argilla) as front:

        def start(size: int, **sections: dict[str, Any]) -> Story:
            folder = tmp_path / f"stuck-{uuid.uuid4().hex[:8]}"
            folder.mkdir()
            queue = {"batch_size": size, "poll_interval": 0.2, "sweep_interval": 2.0}
            settings: dict[str, Any] = {
                "queue": {**queue, "low_watermark": 0},
                "stopping": {"max_rounds": 1, "criteria": []},
                "argilla": {"max_backoff": 1.0, "timeout": 120},
                **sections,
            }
            daemon = Daemon(folder, front.url, argilla.owner_key, nursery, **settings)
            write_csv(folder / "pool.csv", size + 20, "r")
            stories.append(Story(argilla, front, daemon, size))
            return stories[-1]

        yield start
        for story in stories:
            for person in story.people:
                person.go_home()
            story.daemon.kill()


SIZES = [12, pytest.param(500, marks=pytest.mark.slow)]
LONG = [2.0, pytest.param(20.0, marks=pytest.mark.slow)]


@pytest.mark.parametrize("share", [4, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("size", SIZES)
def test_the_index_loses_documents(tell: Tell, size: int, share: int) -> None:
    story = tell(size)
    story.daemon.start()
    dataset_id, record_ids = story.out()
    story.published()
    lost = record_ids[::share]
    story.front.lose(dataset_id, lost)
    story.ann()
    story.end()
    assert len(story.reopened) == len(set(story.reopened)) == len(lost)
    assert set(story.front.rewritten.values()) <= {1, 2}
    assert story.said("records_published_again") >= 1


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_the_index_is_built_anew(tell: Tell, size: int) -> None:
    """It is empty for a while, and full again before or after the loop has helped."""
    story = tell(size)
    story.daemon.start()
    dataset_id, record_ids = story.out()
    story.published()
    story.front.lose(dataset_id, record_ids)
    story.ann()
    time.sleep(3)
    story.front.rebuilt()
    story.end()
    assert len(story.reopened) == len(set(story.reopened))


@pytest.mark.slow
@pytest.mark.parametrize("seconds", LONG)
def test_the_search_fails(tell: Tell, seconds: float) -> None:
    story = tell(24)
    story.front.search_fails = True
    story.daemon.start()
    story.out()
    story.ann()
    time.sleep(seconds)
    story.front.search_fails = False
    story.end()
    assert story.said("search_fails") == 1


@pytest.mark.slow
@pytest.mark.parametrize("seconds", LONG)
def test_writes_fail(tell: Tell, seconds: float) -> None:
    """From the beginning, and once more while people answer."""
    story = tell(24)
    story.front.writes_fail = True
    story.daemon.start()
    story.daemon.wait_log("waiting_for_argilla")
    story.ann()
    time.sleep(seconds)
    story.front.writes_fail = False
    dataset_id, record_ids = story.out()
    story.front.lose(dataset_id, record_ids[::3])
    story.front.writes_fail = True
    time.sleep(seconds)
    story.front.writes_fail = False
    story.end()


@pytest.mark.parametrize("seconds", [2.0, pytest.param(8.0, marks=pytest.mark.slow)])
def test_the_search_lags(tell: Tell, seconds: float) -> None:
    """Nothing is lost, so nothing is published again."""
    story = tell(24)
    story.front.lag = seconds
    story.daemon.start()
    story.ann()
    story.end()
    assert story.reopened == []
    assert list(story.front.created.values()) == [1] * story.size
    assert not story.said("batch_not_shown")


@pytest.mark.slow
@pytest.mark.parametrize("keeps", [True, False])
def test_an_account_is_deleted(tell: Tell, keeps: bool) -> None:
    """Half of the records were its own; it was not the last to answer."""
    story = tell(12, people={"keep_answers_of_deleted_accounts": keeps})
    name, user_id, key = story.hire()
    story.daemon.start()
    story.published()
    leaver = story.person(key, most=6)
    story.daemon.wait(lambda state: len(state.answers) == 6, SECONDS)
    assert leaver.has_left() or wait_for(leaver.has_left, 10)
    story.dismiss(user_id)
    story.daemon.wait(lambda state: state.departed == {user_id}, SECONDS)
    ann = story.ann()
    state = story.end()
    assert sorted(story.reopened) == ([] if keeps else sorted(leaver.given))
    assert len(ann.given) == (6 if keeps else 12)
    assert state.trained[0].labels == 12
    assert story.said("account_deleted") == 1
    assert f'"account": "{name}"' in story.daemon.log
    assert isinstance(state.stopped, RunStopped)
