"""loopd works in a dataset that people made with Argilla's SDK: its records are the pool."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.conftest import make_daemon as make_daemon  # noqa: PLC0414 - a fixture
from tests.faults.in_place import InPlace, Scale, make_with_sdk
from tests.live import LiveArgilla

pytestmark = [
    pytest.mark.integration,
    pytest.mark.crash,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),  # the client warns of itself
]

SMALL = Scale(records=120, answered=18, rounds=3, batch=6)
LARGE = Scale(records=2000, answered=300, rounds=6, batch=20, required=True)


def sections(scale: Scale) -> dict[str, dict[str, Any]]:
    return {
        "queue": {
            "batch_size": scale.batch,
            "low_watermark": 0,
            "refresh": True,
            "poll_interval": 0.1,
            "sweep_interval": 1.0,
        },
        "audit": {"random_share": 0.2},
        "stopping": {"max_rounds": scale.rounds, "criteria": []},
    }


@pytest.mark.parametrize(
    "scale",
    [
        pytest.param(SMALL, id="small"),
        pytest.param(LARGE, id="large", marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_the_pool_is_a_dataset_of_others_in_which_nothing_of_theirs_is_changed(
    argilla: LiveArgilla, make_daemon: MakeDaemon, scale: Scale
) -> None:
    daemon = make_daemon(argilla, guests=False, **sections(scale))
    make_with_sdk(argilla, daemon.dataset, scale)
    story = InPlace(argilla, daemon, scale)
    with closing(story.people):
        story.begin()
        story.run()
        lines = story.tell()
    assert not lines, "\n".join(lines)
