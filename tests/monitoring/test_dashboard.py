"""The live page over real HTTP: what it shows, to whom, and that it harms nobody."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from loopd.config import DashboardSection
from loopd.dashboard.page_cache import View
from loopd.dashboard.routes import HEADERS
from loopd.dashboard.serving import Dashboard, address, listening
from loopd.dashboard.snapshot import SnapshotHolder
from loopd.data.pool import Pool
from loopd.errors import TransientError
from loopd.events import AnswersCollected, Event
from loopd.loop.data_sets import DataSets
from loopd.loop.observers import RunView
from loopd.loop.stop import Stop
from loopd.loop.tools import build_tools
from loopd.machine import fold
from loopd.storage.heartbeat import Heartbeat
from loopd.storage.names import SavedNames
from loopd.storage.run_folder import PAGE_NAME, PEOPLE_NAME
from tests.monitoring.story import ANN, BOB, START, answered, pool, settings, story

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e\x07{{ 7 * 7 }}"
"""What people may type into texts, labels and names."""

SHOWN = HOSTILE.replace("\u202e", "\\u202e").replace("\x07", "\\x07")
LABEL = HOSTILE.replace("\x07", "")
"""Labels come from the configuration, which refuses control characters."""
LABELS = (f"fruit {LABEL}", f"tool {LABEL}")


@dataclass
class Site:
    """A served run in reach.

    Attributes:
        dashboard: the onlooker that serves it.
        events: of the run so far.
        client: asks it.
    """

    dashboard: Dashboard
    events: list[Event]
    client: httpx.Client

    def tell(self, event: Event) -> None:
        self.events.append(event)
        self.dashboard.saw(event, fold(self.events))


def opening(folder: Path, events: list[Event], texts: Pool, **sections: object) -> RunView:
    defaults: dict[str, object] = {
        "argilla": {"url": "http://127.0.0.1:9", "dataset": "story"},
        "dashboard": {"port": 0},
    }
    config = settings(folder, LABELS, **(defaults | sections))
    tools = build_tools(config, DataSets(texts, None, {}), Stop(), store=object())  # type: ignore[arg-type]
    return RunView(fold(events), events, tools)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A run of two rounds in which everything that can be typed is hostile."""
    folder, environment = tmp_path_factory.mktemp("site"), pytest.MonkeyPatch()
    environment.setenv("ARGILLA_API_KEY", "secret-key")
    events = story(2, 1, LABELS)
    dashboard = Dashboard()
    dashboard.began(opening(folder, list(events), pool(text=HOSTILE)))
    assert dashboard._accounts is not None
    dashboard._accounts.names = {ANN: HOSTILE, BOB: "bob"}
    Heartbeat(folder / "run").beat()
    url = (folder / "run" / PAGE_NAME).read_text().strip()
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        yield Site(dashboard, events, client)
    dashboard.close()
    environment.undo()
    assert not (folder / "run" / PAGE_NAME).exists()
    assert dashboard._thread is not None
    assert not dashboard._thread.is_alive()


def test_a_deleted_account_keeps_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Argilla does not name it any more; the run's folder does."""
    monkeypatch.setenv("ARGILLA_API_KEY", "secret-key")
    events = [*story(1), AnswersCollected(START + 500, (), departed=(ANN,))]
    opened = opening(tmp_path, events, pool())
    opened.tools.config.run.dir.mkdir(exist_ok=True)
    SavedNames(opened.tools.config.run.dir).keep({ANN: "ann of old", BOB: "bob of old"})
    view = View(SnapshotHolder(), SimpleNamespace(names={BOB: "bob"}, look_up=list))  # type: ignore[arg-type]
    view.holder.began(opened)
    now = view.current()
    assert now is not None
    assert {person.id: person.name for person in now.overview.people} == {
        ANN: "ann of old",
        BOB: "bob",
    }
    (opened.tools.config.run.dir / PEOPLE_NAME).unlink()
    (opened.tools.config.run.dir / PEOPLE_NAME).mkdir()
    view._current = None
    again = view.current()
    assert again is not None
    assert {person.id: person.name for person in again.overview.people}[BOB] == "bob"


@dataclass
class Elements(HTMLParser):
    """What a browser would make of a page."""

    found: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def elements(html: str) -> Elements:
    parser = Elements()
    parser.feed(html)
    return parser


def test_what_people_typed_is_shown_as_text(site: Site) -> None:
    page = elements(site.client.get("/").text)
    scripts = [attributes for tag, attributes in page.found if tag == "script"]
    assert [each.get("src") for each in scripts] == ["static/page.js"]
    assert not any(name.startswith("on") for _, attributes in page.found for name in attributes)
    assert not any("style" in attributes for _, attributes in page.found)
    assert f"{SHOWN} 9" in page.text, "a text"
    assert page.text.count(SHOWN) == len(site.client.get("/api/overview").json()["out"]) + 1, (
        "a name"
    )
    assert f"fruit {SHOWN}".replace("\\x07", "") in page.text, "a label"
    assert not [tag for tag, _ in page.found if tag in ("img", "svg", "style", "iframe")]


def test_every_reference_stays_on_the_page_or_leads_to_argilla(site: Site) -> None:
    page = elements(site.client.get("/").text)
    places = [attributes.get(key) for _, attributes in page.found for key in ("src", "href")]
    known = [place for place in places if place is not None]
    away = [place for place in known if "//" in place]
    assert away == ["http://127.0.0.1:9/dataset/dataset/annotation-mode"]
    assert len(known) > 8


@pytest.mark.parametrize(
    "path", ["/", "/view", "/static/page.css", "/static/absent", "/metrics", "/nowhere", "/readyz"]
)
def test_every_answer_has_the_same_policy(site: Site, path: str) -> None:
    answer = site.client.get(path)
    assert {name: answer.headers.get(name) for name in HEADERS} == dict(HEADERS)
    assert "access-control-allow-origin" not in answer.headers
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1:6901", 200), ("localhost", 200), ("LOCALHOST:1", 200), ("[::1]:6901", 200),
        ("evil.example", 421), ("evil.example:6901", 421), ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421), ("", 421), ("[::1", 421), ("evil.example/127.0.0.1", 421),
    ],
)  # fmt: skip
def test_only_known_names_are_answered(site: Site, host: str, code: int) -> None:
    assert site.client.get("/healthz", headers={"host": host}).status_code == code


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_it_is_read_only(site: Site, method: str) -> None:
    assert site.client.request(method, "/").status_code == 405


@pytest.mark.parametrize(
    "path", ["/static/../routes.py", "/static/%2e%2e%2froutes.py", "/static/page.css%00"]
)
def test_nothing_else_is_read_from_the_disk(site: Site, path: str) -> None:
    assert site.client.get(path).status_code == 404


def test_the_view_is_sent_again_only_when_it_changed(site: Site) -> None:
    first = site.client.get("/view")
    tag = {"if-none-match": first.headers["etag"]}
    assert site.client.get("/view", headers=tag).status_code == 304
    assert ">1</span> of 4" in first.text
    site.tell(answered(2, 3, LABELS))
    second = site.client.get("/view", headers=tag)
    assert second.status_code == 200
    assert ">3</span> of 4" in second.text


def test_machines_are_answered(site: Site) -> None:
    seen = json.loads(site.client.get("/api/overview").content)
    assert seen["standing"]["phase"] == "collect"
    assert [point["value"] for point in seen["curve"]] == [0.5, 0.6]
    metrics = site.client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=")
    names = {each.name for each in text_string_to_metric_families(metrics.text)}
    assert {"loopd_queue_depth", "loopd_errors", "process_open_fds"} <= names
    assert site.client.get("/healthz").text == "ok\n"


def test_it_is_ready_only_while_argilla_answers(site: Site) -> None:
    unreachable = site.client.get("/readyz")
    assert (unreachable.status_code, unreachable.text) == (503, "Argilla does not answer\n")
    site.dashboard.waits(TransientError("down"))
    assert site.client.get("/readyz").text == "Argilla does not answer the daemon\n"
    assert "Argilla does not answer since" in site.client.get("/view").text
    assert "loopd_argilla_up 0.0" in site.client.get("/metrics").text
    site.dashboard.reached()
    assert "Argilla does not answer since" not in site.client.get("/view").text


def test_no_answer_holds_the_key(site: Site) -> None:
    for path in ("/", "/view", "/api/overview", "/metrics"):
        assert "secret-key" not in site.client.get(path).text


def test_a_taken_port_is_one_warning_and_the_next_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with capture_logs() as lines:
            found = listening(DashboardSection(port=port))
        assert found is not None
        with found:
            other = found.getsockname()[1]
            assert other != port
            assert address(found) == f"http://127.0.0.1:{other}/"
        assert [(line["event"], line["port"], line["instead"]) for line in lines] == [
            ("dashboard_port_taken", port, other)
        ]


def test_an_address_that_is_not_ours_is_one_warning_and_no_page(tmp_path: Path) -> None:
    dashboard = Dashboard()
    section = {"host": "203.0.113.7", "port": 0}  # reserved for documentation
    with capture_logs() as lines:
        dashboard.began(opening(tmp_path, [], pool(), dashboard=section))
        dashboard.saw(story(0)[0], fold(story(0)[:1]))
        dashboard.close()
    assert [line["event"] for line in lines] == ["dashboard_off"]


def test_listening_to_others_is_warned_of(tmp_path: Path) -> None:
    opened = opening(tmp_path, [], pool(), dashboard={"host": "0.0.0.0"})  # noqa: S104
    with capture_logs() as lines:
        Dashboard()._announce(opened.tools.config, "http://127.0.0.1:1/")
    assert [line["event"] for line in lines] == ["dashboard_here", "dashboard_is_open"]
    assert "password" in lines[1]["hint"]
    assert not DashboardSection(host="::").is_local
    assert DashboardSection(host="::1").is_local
