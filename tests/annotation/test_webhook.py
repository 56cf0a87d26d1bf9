"""When the webhook is made: not before Argilla is there, and not again and again."""

from __future__ import annotations

from typing import Any

import pytest

from loopd.annotation.webhooks import AGAIN, Door, knocking
from loopd.errors import AuthError, LoopdError, TransientError


class Argilla:
    """Answers each attempt with the next of these, then well; notes what was asked."""

    def __init__(self, *failures: LoopdError) -> None:
        self.failures = list(failures)
        self.asked: list[str] = []

    def get(self, path: str) -> Any:
        self.asked.append(f"GET {path}")
        if self.failures:
            raise self.failures.pop(0)
        return {"items": []}

    def request(self, method: str, path: str, **_: Any) -> Any:
        self.asked.append(f"{method} {path}")
        return {"id": "h1", "secret": "whsec_eA=="}


def attempts(argilla: Argilla, *moments: float) -> list[bool]:
    """Whether there is a webhook after an attempt at each of these times."""
    now, rang, found = [0.0], [], []
    ring, clock = lambda: rang.append(1), lambda: now[0]
    with knocking(argilla, Door(0, None, "x"), ring, clock) as webhook:  # type: ignore[arg-type]
        assert argilla.asked == []
        for now[0] in moments:
            webhook.attempt()
            found.append("POST webhooks" in argilla.asked)
    assert len(rang) == sum(found[-1:])  # once, for whoever answered before
    return found


def test_a_webhook_is_made_when_argilla_is_back(capsys: pytest.CaptureFixture[str]) -> None:
    argilla = Argilla(TransientError("down"), TransientError("still down"))
    moments = (0.0, 1.0, AGAIN - 1, AGAIN, 2 * AGAIN, 2 * AGAIN + 1)
    assert attempts(argilla, *moments) == [False] * 4 + [True] * 2
    assert argilla.asked == [*["GET webhooks"] * 3, "POST webhooks", "DELETE webhooks/h1"]


def test_a_refusal_is_final() -> None:
    argilla = Argilla(AuthError("no owner"))
    assert attempts(argilla, 0.0, 10 * AGAIN) == [False, False]
    assert argilla.asked == ["GET webhooks"]
