"""loopd comes to a dataset that people made with Argilla's SDK, and that they go on using."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import MakeDaemon
from tests.acceptance.conftest import make_daemon as make_daemon  # noqa: PLC0414 - a fixture
from tests.faults.attach import SETTINGS, Attached, Way, make_with_sdk
from tests.live import LiveArgilla

pytestmark = [
    pytest.mark.integration,
    pytest.mark.crash,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore"),  # the client warns of itself
]


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(Way(pool_ids=False, required=False, extra=True), id="ids of the SDK"),
        pytest.param(
            Way(pool_ids=True, required=True, extra=False),
            id="ids of the pool",
            marks=pytest.mark.slow,
        ),
    ],
)
@pytest.mark.slow
def test_nothing_of_others_is_changed_and_every_answer_counts(
    argilla: LiveArgilla, make_daemon: MakeDaemon, way: Way
) -> None:
    daemon = make_daemon(argilla, guests=False, **SETTINGS)
    make_with_sdk(argilla, daemon.dataset, way)
    attached = Attached(argilla, daemon, way)
    attached.begin()
    attached.run()
    lines = attached.tell()
    attached.people.close()
    assert not lines, "\n".join(lines)
