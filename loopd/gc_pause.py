"""Owns pausing the search for garbage while many objects are made that stay; must not make any."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_garbage() -> Iterator[None]:
    """Nothing that is made in here is searched for garbage before the end.

    Python looks through all objects again and again while their number grows, which takes as long
    as making them. Other threads are not searched either meanwhile.
    """
    searches = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searches:
            gc.enable()
