"""Reading a dataset that changes while it is read; the requests are made up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from loopd.listener.argilla_source import ArgillaSource, _digest
from loopd.listener.filters import BoundSearch

Page = tuple[list[str], int]


def answer(record: str, user: str = "ann", value: str = "fruit", **more: Any) -> dict[str, Any]:
    given = {"user_id": user, "status": "submitted", "values": {"label": {"value": value}}, **more}
    return {"id": record, "responses": [given]}


class Shifting(ArgillaSource):
    """Gives prepared pages: ids and the total that the server counts."""

    def __init__(self, *pages: Page) -> None:
        super().__init__(SimpleNamespace(http_client=SimpleNamespace(headers={})), None)
        self.pages = list(pages)

    def _request(self, method: str, path: str, **arguments: Any) -> Any:
        ids, total = self.pages.pop(0)
        return {"items": [{"record": {"id": each}} for each in ids], "total": total}

    def _record(self, item: dict[str, Any]) -> Any:
        return item["id"]


@pytest.mark.parametrize(
    ("pages", "ids"),
    [
        ([(["a", "b"], 2)], ("a", "b")),
        ([(["a", "b"], 3), (["c"], 3)], ("a", "b", "c")),
        ([(["a", "b"], 3), (["b"], 3), (["a", "b", "c"], 3)], ("a", "b", "c")),
        ([(["a", "b"], 3), ([], 2), (["a", "b"], 2)], ("a", "b")),
        ([(["a"], 2), ([], 2)] * 3, ("a",)),
        ([([], 0)], ()),
    ],
    ids=["one page", "two pages", "moved up", "one left", "a total that lies", "nothing"],
)
@pytest.mark.filterwarnings("ignore")  # the SDK warns of itself
def test_what_changes_while_it_is_read_is_read_again(
    pages: list[Page], ids: tuple[str, ...]
) -> None:
    place = Shifting(*pages)
    assert place.search(BoundSearch((), None)).records == ids
    assert not place.pages


def test_the_state_is_ids_and_answers_and_neither_order_nor_times() -> None:
    one, two = answer("r1", updated_at="now"), answer("r2")
    state = _digest([one, two])
    assert _digest([two, answer("r1", updated_at="later")]) == state
    draft = {"user_id": "bob", "status": "draft", "values": None}
    assert _digest([{**one, "responses": [*one["responses"], draft]}, two]) == state
    others = [
        [one],
        [one, answer("r3")],
        [one, answer("r2", value="tool")],
        [one, answer("r2", user="bob")],
        [one, answer("r2", status="discarded")],
        [one, {"id": "r2"}],
    ]
    assert len({_digest(each) for each in others} | {state}) == len(others) + 1
