"""Owns how many records are read while people are at work; must not know what they are for.

A server of one process serves nobody else while it puts a page together. With pages of 1,000 of
10,000 records, one right after the other, posting an answer took six times as long meanwhile; with
small ones and pauses 1.6 times. Each page counts the whole dataset, so that small ones cost more in
a large one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from loopd.annotation.dataset_api import DatasetApi

Json = dict[str, Any]

SIZES = (250, 500, 1000)
"""Records a page, the smallest that makes few pages of the dataset; Argilla gives no more."""

FEW = 40
"""Pages."""

LONGEST_PAUSE = 1.0
"""Seconds after a page for which a server had stood still."""


def pages(api: DatasetApi) -> Iterator[list[Json]]:
    """All records with their responses, page by page.

    Between two pages the server is left to people for as long as the first one took.
    """
    size = size_for(api.total())
    began = time.monotonic()
    for page in api.pages(size):
        took = time.monotonic() - began
        yield page
        if len(page) == size:
            pause(took)
        began = time.monotonic()


def pause(took: float) -> None:
    """Leave the server to people for as long as a page took, in seconds."""
    time.sleep(min(took, LONGEST_PAUSE))


def size_for(total: int) -> int:
    """Records a page of a dataset of so many."""
    return next((size for size in SIZES if total <= size * FEW), SIZES[-1])
