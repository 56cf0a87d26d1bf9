"""What stands in front of Argilla is waited out while a run works, and refused when it begins."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import MakeDaemon, slowly
from tests.acceptance.test_failures import answer_all, collecting, rounds
from tests.daemon import Daemon
from tests.fronts.conftest import Front, Nginx
from tests.fronts.run import whole_run
from tests.live import LiveArgilla

pytestmark = [pytest.mark.integration, pytest.mark.acceptance]

LOGIN = "<html><title>Sign in to Contoso</title></html>"
PLAYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "404 in text": (
        "location / { default_type text/plain; return 404 '404 page not found'; }",
        ("HTTP 404 (text/plain): 404 page not found",),
    ),
    "404 in HTML": ("location / { return 404; }", ("HTTP 404 (text/html): 404 Not Found",)),
    "a redirect to a login": (
        "location / { return 302 https://sso.example.org/login?state=secret; }",
        ("leads to https://sso.example.org/login", "argilla.headers"),
    ),
    "a login with 200": (
        f"location / {{ default_type text/html; return 200 '{LOGIN}'; }}",
        ("HTTP 200 (text/html): Sign in to Contoso",),
    ),
    "401 of the proxy": ("location / { return 401; }", ("HTTP 401", "argilla.headers")),
    "403 of the proxy": ("location / { return 403; }", ("HTTP 403", "argilla.headers")),
    "401 in the JSON of a gateway": (
        "location / { default_type application/json; "
        """return 401 '{"detail": "Not authenticated"}'; }""",
        ("HTTP 401 (application/json)", "argilla.headers"),
    ),
    "JSON of a gateway": (
        """location / { default_type application/json; return 404 '{"message": "no Route"}'; }""",
        ("HTTP 404 (application/json)",),
    ),
}

ELSEWHERE = {
    "a redirect to another address": (
        "return 301 https://argilla.example.org$request_uri;",
        ("leads to https://argilla.example.org", "set argilla.url to https://argilla.example.org"),
    )
}

BUSY = "add_header Retry-After 2 always; location / { return 429; }"

FEW = ("404 in text", "a login with 200")
"""Of the plays, in each run of the tests; the others take as long again."""


@pytest.mark.parametrize("names", [FEW, slowly((*PLAYS, *ELSEWHERE))], ids=len)
def test_at_the_first_contact_the_runs_end_with_a_hint(
    argilla: LiveArgilla, make_daemon: MakeDaemon, nginx: Nginx, names: tuple[str, ...]
) -> None:
    plays = PLAYS | ELSEWHERE
    daemons: dict[str, Daemon] = {}
    for name in names:
        front = nginx.front()
        front.play(plays[name][0])
        daemons[name] = make_daemon(argilla, url=front.url, guests=False)
        daemons[name].start()
    for name, daemon in daemons.items():
        assert daemon.ended() == 22, daemon.log
        host = daemon.settings["argilla"]["url"].removeprefix("http://")
        for word in ("something in front of Argilla answers", host, "hint:", *plays[name][1]):
            assert word in daemon.log, daemon.log
        assert daemon.log.count("error:") == 1
        assert not any(word in daemon.log for word in ("secret", "Traceback", daemon.api_key))


@pytest.mark.parametrize("names", [FEW, slowly((*PLAYS, *ELSEWHERE))], ids=len)
def test_while_a_run_works_all_of_them_are_waited_out(
    argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front, names: tuple[str, ...]
) -> None:
    front.play()
    daemon = make_daemon(argilla, url=front.url, stopping={"max_rounds": 2}, log={"format": "json"})
    daemon.start()
    daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    plays = PLAYS | ELSEWHERE
    for block, words in (*(plays[name] for name in names), (BUSY, ('"wait": 2.0',))):
        front.play(block)
        daemon.wait_log(words[0])
    answer_all(daemon, people)
    front.play("gzip on; gzip_types *;" + front.passing())
    daemon.wait(rounds(2))
    daemon.wait(collecting)
    answer_all(daemon, people)
    people.close()
    assert daemon.ended() == 0, daemon.log


@pytest.mark.slow
def test_a_server_that_wants_to_be_left_alone_when_a_run_begins(
    argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front
) -> None:
    front.play(BUSY)
    daemon = make_daemon(argilla, url=front.url, guests=False, log={"format": "json"})
    daemon.start()
    daemon.wait_log('"wait": 2.0')
    front.play()
    daemon.wait(collecting)


@pytest.mark.slow
def test_a_sub_path(argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front) -> None:
    path = f"location /tools/argilla/ {{ proxy_pass {front.upstream}/; }}"
    nowhere = "location / { return 404; }"
    front.play("gzip on; gzip_types *;" + path + nowhere)
    wrong = make_daemon(argilla, url=front.url, guests=False)
    wrong.start()
    url = f"{front.url}/tools/argilla"
    daemon = make_daemon(argilla, url=url, guests=False, stopping={"max_rounds": 2})
    whole_run(daemon)
    assert wrong.ended() == 22
    assert "with its path?" in wrong.log


@pytest.mark.slow
def test_a_sub_path_that_is_gone_for_a_while(
    argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front
) -> None:
    path = f"location /tools/argilla/ {{ proxy_pass {front.upstream}/; }}"
    nowhere = "location / { return 404; }"
    front.play(path + nowhere)
    daemon = make_daemon(argilla, url=f"{front.url}/tools/argilla", guests=False)
    daemon.start()
    daemon.wait(collecting)
    front.play(nowhere)
    daemon.wait_log("something in front of Argilla answers")
    front.play(path + nowhere)
    daemon.wait_log("argilla_is_back")


@pytest.mark.slow
def test_a_run_that_goes_on_at_a_wrong_address_ends_after_two_minutes(
    argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front
) -> None:
    front.play()
    daemon = make_daemon(argilla, url=front.url)
    daemon.start()
    daemon.wait(collecting)
    daemon.kill()
    front.play("location / { return 404; }")
    daemon.start()
    daemon.wait_log("something in front of Argilla answers")
    assert daemon.ended(200) == 22, daemon.log
    assert "is argilla.url right" in daemon.log
