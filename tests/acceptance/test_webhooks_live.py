"""A daemon that hardly ever polls goes on as soon as Argilla knocks."""

from __future__ import annotations

import signal

import pytest

from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.test_failures import answer_all, collecting, rounds
from tests.live import LiveArgilla

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_answers_are_read_long_before_the_next_look(
    argilla: LiveArgilla, make_daemon: MakeDaemon
) -> None:
    daemon = make_daemon(
        argilla,
        argilla={"webhooks": True},
        queue={"batch_size": 6, "poll_interval": 600.0, "low_watermark": 0},
    )
    process = daemon.start()
    daemon.wait(collecting)
    people = argilla.people(daemon.dataset)
    answer_all(daemon, people)
    daemon.wait(rounds(2), 120)
    people.close()
    assert "webhooks_on" in daemon.log
    own = f"/{daemon.dataset}"
    assert any(hook["description"].endswith(own) for hook in argilla.webhooks)
    process.send_signal(signal.SIGTERM)
    assert daemon.ended() == 0
    assert not any(hook["description"].endswith(own) for hook in argilla.webhooks)
