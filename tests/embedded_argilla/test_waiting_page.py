"""What Argilla's pages get to hear of loopd: the script is in them, and a header says who works."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loopd.annotation.argilla_store import ArgillaStore
from loopd.annotation.http_client import AGENT, OVER, STATE_HEADER
from loopd.embedded_argilla.waiting_page import (
    DATASETS,
    PRESENT,
    SCRIPT,
    SERVED_AS,
    Presence,
    add_script,
)
from loopd.errors import ServerError, TransientError

ID = "0a0b0c0d-1111-2222-3333-444455556666"
LOOK = f"/api/v1/me/datasets/{ID}/metrics"


class Server:
    """An Argilla that answers everything with one header, and the clock beside it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.presence = Presence(self._answer, lambda: self.now)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b"{}"})

    def get(
        self, path: str, agent: str = "Mozilla/5.0", *more: tuple[bytes, bytes]
    ) -> dict[bytes, bytes]:
        headers: dict[bytes, bytes] = {}

        async def send(message: Any) -> None:
            headers.update(message.get("headers", ()))

        sent = [(b"user-agent", agent.encode()), *more]
        scope = {"type": "http", "path": path, "headers": sent}
        asyncio.run(self.presence(scope, None, send))  # type: ignore[arg-type]
        return headers

    def said(self) -> bytes | None:
        return self.get(LOOK).get(b"x-loopd")


def test_the_page_hears_whether_loopd_works_on_its_dataset() -> None:
    server = Server()
    server.get(f"/api/v1/datasets/{ID}")
    assert server.said() is None, "a browser is no loopd"
    server.get(f"/api/v1/datasets/{ID}/records", "loopd/1.0")
    assert server.said() == b"working"
    server.now = PRESENT + 1
    assert server.said() == b"away"
    assert server.get("/api/v1/me/datasets/other/metrics") == {b"a": b"b"}


def test_a_run_that_is_over_chooses_no_texts() -> None:
    server, told = Server(), (STATE_HEADER.lower().encode(), OVER.encode())
    server.get(f"/api/v1/datasets/{ID}/records", "loopd/1.0")
    server.get(f"/api/v1/datasets/{ID}", "Mozilla/5.0", told)
    assert server.said() == b"working", "a browser is no loopd"
    server.get(f"/api/v1/datasets/{ID}", "loopd/1.0", told)
    assert server.said() == b"over"
    server.now = PRESENT + 1
    assert server.said() == b"over", "however long ago"
    server.get(f"/api/v1/datasets/{ID}/records", "loopd/1.0")
    assert server.said() == b"working", "it goes on"
    script = SCRIPT.read_text(encoding="utf-8")
    assert all(f"    {word}: " in script for word in ("working", "away", "over"))


def test_the_home_page_hears_whether_loopd_is_there_at_all() -> None:
    server = Server()
    home = "/api/v1/me/datasets"
    server.get("/api/v1/me")
    assert server.get(home) == {b"a": b"b"}, "a browser is no loopd"
    server.get("/api/v1/me/workspaces", AGENT)
    assert server.get(home)[b"x-loopd"] == b"working"
    server.now = PRESENT + 1
    assert server.get(home) == {b"a": b"b"}


def test_only_so_many_datasets_are_remembered() -> None:
    server = Server()
    server.get(f"/api/v1/datasets/{ID}", "loopd/1.0")
    for number in range(DATASETS):
        server.get(f"/api/v1/datasets/{number:08d}{ID[8:]}", "loopd/1.0")
    assert server.said() is None


def pages(folder: Path, *texts: str) -> list[Path]:
    root = folder / "copy" / "statics"
    root.mkdir(parents=True)
    written = [root / f"{number}.html" for number, _ in enumerate(texts)]
    for page, text in zip(written, texts, strict=True):
        page.write_text(text, encoding="utf-8")
    return written


def test_every_page_gets_the_script_once(tmp_path: Path) -> None:
    page, odd = pages(tmp_path, "<body>ä</body>", "<p>no body</p>")
    assert add_script(tmp_path) == 1
    assert f'<script src="{SERVED_AS}?' in page.read_text(encoding="utf-8")
    assert "ä" in page.read_text(encoding="utf-8")
    assert odd.read_text(encoding="utf-8") == "<p>no body</p>"
    assert (page.parent / SERVED_AS).read_text(encoding="utf-8").startswith("/* Owns")


def test_a_page_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    pages(tmp_path, "<body></body>")
    (tmp_path / "copy" / "statics" / SERVED_AS).mkdir(parents=True)
    with pytest.raises(ServerError, match="cannot be written"):
        add_script(tmp_path)


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_that_is_over_says_so_once_and_without_fail(fails: bool) -> None:
    said: list[tuple[str, str, str]] = []

    class Http:
        def request(self, method: str, path: str, headers: dict[str, str]) -> None:
            said.append((method, path, headers[STATE_HEADER]))
            if fails:
                raise TransientError("away")

    line = SimpleNamespace(_http=Http(), _dataset=SimpleNamespace(api=SimpleNamespace(id=ID)))
    ArgillaStore.farewell(line)  # type: ignore[arg-type] # no more of it is needed
    assert said == [("GET", f"datasets/{ID}", "over")]
    server = Server()
    server.get(f"/api/v1/{said[0][1]}", AGENT, (STATE_HEADER.lower().encode(), OVER.encode()))
    assert server.said() == b"over"
