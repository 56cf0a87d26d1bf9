"""Walls with a door for those who show something: a token, or a certificate."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.test_failures import answer_all, collecting, fails, rounds
from tests.daemon import Daemon
from tests.fronts.certificates import Authority, authority
from tests.fronts.conftest import Front
from tests.fronts.run import everything, holding, recovered, succeeds, whole_run
from tests.live import LiveArgilla

pytestmark = [pytest.mark.integration, pytest.mark.acceptance]

TOKEN = "recognisable-token-4711"


def walled(front: Front, token: str = TOKEN) -> str:
    """As a private Space is: nobody learns that it is there."""
    wall = f'if ($http_authorization != "Bearer {token}") {{ return 404; }}'
    return wall + front.passing()


def with_token(daemon: Daemon) -> Daemon:
    (daemon.folder / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    daemon.settings["argilla"]["headers"] = {"Authorization": "Bearer file:token"}
    daemon.save()
    return daemon


def test_a_private_space(argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front) -> None:
    front.play(walled(front))
    daemon = make_daemon(
        argilla,
        url=front.url,
        guests=False,
        stopping={"max_rounds": 1},
        log={"level": "debug"},
    )
    outside = daemon.loopd("check")
    assert outside.returncode == 22
    assert "A private Space answers so, too" in outside.stdout
    whole_run(with_token(daemon))
    recovered(daemon)
    assert holding(daemon.folder, TOKEN) == {"token"}


@pytest.mark.slow
def test_everything_in_a_private_space(
    argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front
) -> None:
    front.play(walled(front))
    daemon = make_daemon(
        argilla,
        url=front.url,
        guests=False,
        stopping={"max_rounds": 2},
        log={"level": "debug"},
        dashboard={"enabled": True},
    )
    everything(with_token(daemon))
    assert holding(daemon.folder, TOKEN) == {"token"}


@pytest.mark.slow
def test_a_token_that_is_revoked_and_let_in_again(
    argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front
) -> None:
    front.play(walled(front))
    daemon = with_token(make_daemon(argilla, url=front.url, stopping={"max_rounds": 2}))
    daemon.start()
    daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    front.play(walled(front, "another"))
    daemon.wait_log("HTTP 404 (text/html)")
    answer_all(daemon, people)
    front.play(walled(front))
    daemon.wait(rounds(2))
    people.close()
    assert holding(daemon.folder, TOKEN) == {"token"}


@pytest.mark.slow
def test_a_crash_behind_a_wall_shows_no_token(
    argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front
) -> None:
    front.play(walled(front))
    daemon = with_token(make_daemon(argilla, url=front.url, guests=False))
    for verb in (["run"], ["recover"], ["check"], ["oracle", "--gold", "label"]):
        before = daemon.log.count("RuntimeError: planted")
        daemon.fork("tests.fronts.crash", *verb, LOOPD_TRACEBACK="1")
        daemon.ended()
        assert daemon.log.count("RuntimeError: planted") > before, (verb, daemon.log)
    assert "Traceback" in daemon.log
    assert holding(daemon.folder, TOKEN) == {"token"}
    assert daemon.api_key not in daemon.log


@pytest.fixture
def signed(front: Front) -> Authority:
    """The front has a certificate of an authority of its own."""
    made = authority(front.nginx.folder)
    front.tls = made.tls(made.host)
    front.play()
    return made


def test_a_certificate_authority_of_ones_own(
    argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front, signed: Authority
) -> None:
    daemon = make_daemon(argilla, url=front.url, guests=False)
    refused(daemon, "does not verify", "argilla.ca_file")
    daemon.settings["argilla"]["ca_file"] = str(signed.ca)
    daemon.save()
    succeeds(daemon, "check")
    front.tls = signed.tls(signed.old_host)
    front.play()
    refused(daemon, "does not verify", "it has expired")


def refused(daemon: Daemon, *words: str) -> None:
    """At the first contact, which a check is."""
    done = daemon.loopd("check")
    assert done.returncode == 22, done
    assert [word for word in words if word not in done.stdout] == []


@pytest.mark.slow
def test_a_run_with_a_certificate_authority_of_ones_own(
    argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front, signed: Authority
) -> None:
    daemon = make_daemon(argilla, url=front.url, guests=False, stopping={"max_rounds": 2})
    fails(daemon, 22, "does not verify", "hint:", "argilla.ca_file")
    daemon.settings["argilla"]["ca_file"] = str(signed.ca)
    daemon.save()
    whole_run(daemon)


@pytest.mark.slow
def test_a_certificate_that_expires_and_is_renewed(
    argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front, signed: Authority
) -> None:
    daemon = make_daemon(
        argilla, url=front.url, stopping={"max_rounds": 1}, argilla={"ca_file": str(signed.ca)}
    )
    daemon.start()
    daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    front.tls = signed.tls(signed.old_host)
    front.play()
    assert daemon.ended() == 22, daemon.log
    assert "it has expired" in daemon.log
    (daemon.folder / "daemon.log").unlink()
    fails(daemon, 22, "does not verify", "it has expired")  # at the first contact, too
    front.tls = signed.tls(signed.host)
    front.play()
    daemon.start()
    answer_all(daemon, people)
    people.close()
    assert daemon.ended() == 0, daemon.log


def test_a_client_certificate_is_wanted(
    argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front, signed: Authority
) -> None:
    front.tls = signed.tls(signed.host, wants_client=True)
    front.play()
    daemon = make_daemon(
        argilla,
        url=front.url,
        guests=False,
        stopping={"max_rounds": 2},
        argilla={"ca_file": str(signed.ca)},
    )
    refused(daemon, "No required SSL certificate was sent", "argilla.client_cert")
    daemon.settings["argilla"]["client_cert"] = str(signed.client)
    daemon.save()
    succeeds(daemon, "check")


@pytest.mark.slow
def test_everything_shows_the_client_certificate(
    argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front, signed: Authority
) -> None:
    front.tls = signed.tls(signed.host, wants_client=True)
    front.play()
    daemon = make_daemon(
        argilla,
        url=front.url,
        guests=False,
        stopping={"max_rounds": 2},
        argilla={"ca_file": str(signed.ca), "client_cert": str(signed.client)},
    )
    everything(daemon)


@pytest.mark.slow
def test_a_client_certificate_that_is_not_let_in_for_a_while(
    argilla: LiveArgilla, make_daemon: MakeDaemon, front: Front, signed: Authority
) -> None:
    other = front.nginx.folder / "other"
    other.mkdir()
    stranger = authority(other)
    front.tls = signed.tls(signed.host, wants_client=True)
    front.play()
    files = {"ca_file": str(signed.ca), "client_cert": str(signed.client)}
    daemon = make_daemon(argilla, url=front.url, argilla=files)
    daemon.start()
    daemon.wait(collecting)
    front.tls = front.tls.replace(
        f"ssl_client_certificate {signed.ca}", f"ssl_client_certificate {stranger.ca}"
    )
    front.play()
    daemon.wait_log("something in front of Argilla answers")
    front.tls = signed.tls(signed.host, wants_client=True)
    front.play()
    daemon.wait_log("argilla_is_back")
