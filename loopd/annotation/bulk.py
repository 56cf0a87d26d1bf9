"""Owns how many records go into one request; must not know what stands in them.

What stands before Argilla may refuse a large request (nginx: 1 MB, unless it is told otherwise) or
cut a long one. Then bulks are halved, and stay so as long as the process lives.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from loopd import log
from loopd.annotation.http_errors import TooLargeError
from loopd.errors import TransientError

Json = dict[str, Any]
Send = Callable[[list[Json]], list[Json]]
"""Sends one bulk; returns the records as Argilla now has them."""

MOST = 200
"""Records in one bulk request; Argilla takes at most 500."""


class Bulks:
    """Bulk requests of a size that gets through.

    Args:
        size: records in one request, as long as nothing speaks against it.

    Attributes:
        size: the same as it is now.
    """

    def __init__(self, size: int = MOST) -> None:
        self.size = size

    def send(self, bodies: Sequence[Json], send: Send) -> list[Json]:
        """Send all of them; the records as Argilla now has them.

        A bulk that was refused as too large has changed nothing, so its halves follow at once. One
        that ran out of time may be in Argilla all the same: the caller must look before it sends
        again.

        Args:
            bodies: of records.
            send: sends one bulk.

        Raises:
            TooLargeError: a single record is too large; the message names it.
            TransientError: what ``send`` raises; the next bulk is smaller where time ran out.
        """
        written: list[Json] = []
        rest = list(bodies)
        while rest:
            items = rest[: self.size]
            try:
                written += send(items)
            except TooLargeError as error:
                if len(items) == 1:
                    raise _too_large(items[0], error) from None
                self._halve(len(items), "was too large for what stands before Argilla")
            except TransientError as error:
                if error.late and len(items) > 1:
                    self._halve(len(items), "was not answered in time")
                raise
            else:
                rest = rest[len(items) :]
        return written

    def _halve(self, size: int, problem: str) -> None:
        self.size = size // 2
        records = "1 record is" if self.size == 1 else f"{self.size} records are"
        log.get("argilla").warning(
            "bulk_halved",
            records=self.size,
            says=f"a request with {size} records {problem}: from now on {records} sent at a time",
        )


def _too_large(body: Json, error: TooLargeError) -> TooLargeError:
    name = body.get("external_id") or body.get("id")
    size = len(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))
    return TooLargeError(
        f"the record `{name}` alone ({size:,} bytes) is too large: {error.message}",
        f"{error.hint}; or shorten its text, or leave it out of the pool",
    )
