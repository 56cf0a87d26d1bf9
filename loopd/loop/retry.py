"""Owns how long to wait after a transient failure; pure."""

from __future__ import annotations

import random
from collections.abc import Iterator

_FIRST = 0.25


def delays(cap: float, seed: int | None = None) -> Iterator[float]:
    """Seconds to wait after the first, second, ... failure in a row.

    Exponential growth with full jitter in the upper half ("equal jitter"; Brooker, *Exponential
    Backoff And Jitter*, AWS Architecture Blog 2015), so that several clients do not
    retry together.

    Args:
        cap: the longest wait in seconds.
        seed: of the jitter; ``None`` draws one, so that no two processes wait alike.
    """
    rng = random.Random(seed)  # noqa: S311 - jitter, not a secret
    base = _FIRST
    while True:
        ceiling = min(base, cap)
        yield ceiling / 2 + rng.random() * ceiling / 2
        base = ceiling * 2
