"""How long to wait for an Argilla that is away."""

from __future__ import annotations

from itertools import islice, pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from loopd.config import ArgillaSection
from loopd.errors import TransientError
from loopd.loop.observers import Observers
from loopd.loop.retry import delays
from loopd.loop.retry_loop import RetryLoop
from loopd.loop.run import patience as patience_of_a_run


def waits(seed: int | None = None) -> list[float]:
    """What a daemon waits, five times in a row."""
    found: list[float] = []

    def wait(seconds: float) -> bool:
        found.append(seconds)
        return len(found) == 5

    def away() -> None:
        raise TransientError("down")

    patience = RetryLoop(wait=wait, monotonic=lambda: 0.0, max_backoff=60.0, seed=seed)
    assert patience.attempt(away) is None
    return found


def test_waits_grow_to_their_limit() -> None:
    found = list(islice(delays(10.0, seed=1), 20))
    assert all(earlier < later for earlier, later in pairwise(found[:4]))
    assert all(5.0 <= each <= 10.0 for each in found[8:])


def test_no_two_daemons_wait_alike_unless_they_are_told_to() -> None:
    assert len({tuple(waits()) for _ in range(4)}) == 4
    assert waits(7) == waits(7) != waits(8)


@pytest.mark.parametrize(
    ("retry_after", "give_up_after", "pause"),
    [(90.0, None, 90.0), (1e6, None, 3600.0), (90.0, 20.0, 20.0)],
)
def test_a_server_that_wants_to_be_left_alone(
    retry_after: float, give_up_after: float | None, pause: float
) -> None:
    error, pauses = TransientError("busy"), []
    error.retry_after = retry_after

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        return True

    def busy() -> None:
        raise error

    patience = RetryLoop(
        wait=wait, monotonic=lambda: 0.0, max_backoff=1.0, give_up_after=give_up_after
    )
    assert patience.attempt(busy) is None
    assert pauses == [pause]


@pytest.mark.parametrize(("give_up_after", "failures"), [(5.0, 3), (0.0, 1), (None, 20)])
def test_an_outage_is_waited_for_so_long_and_no_longer(
    give_up_after: float | None, failures: int
) -> None:
    """Each attempt takes two seconds, and the wish to stop comes after twenty."""
    now, attempts = [0.0], [0]

    def away() -> None:
        now[0] += 2.0
        attempts[0] += 1
        raise TransientError("down")

    patience = RetryLoop(
        wait=lambda _: attempts[0] == 20,
        monotonic=lambda: now[0],
        max_backoff=1.0,
        give_up_after=give_up_after,
    )
    if give_up_after is None:
        assert patience.attempt(away) is None
    else:
        with pytest.raises(TransientError):
            patience.attempt(away)
    assert attempts[0] == failures


@pytest.mark.parametrize("stops_in", [None, 1, 2, 3])
def test_a_long_wait_gives_signs_of_life_and_may_be_ended_at_each(stops_in: int | None) -> None:
    """The server asks for 70 seconds; a watchdog wants a sign every 30."""
    error, deeds, failures = TransientError("busy"), list[Any](), iter([True, False])
    error.retry_after = 70.0

    def busy() -> str:
        if next(failures):
            raise error
        return "up"

    def wait(seconds: float) -> bool:
        deeds.append(seconds)
        return deeds.count("beat") == stops_in

    stop: Any = SimpleNamespace(wait=wait)
    waiting = patience_of_a_run(
        ArgillaSection(max_backoff=1.0),
        stop,
        lambda: deeds.append("beat"),
        Observers(),
        monotonic=lambda: 0.0,
    )
    assert waiting.attempt(busy) == ("up" if stops_in is None else None)
    assert deeds == ["beat", 30.0, "beat", 30.0, "beat", 10.0][: 2 * (stops_in or 3)]
