"""Owns file systems of ``fsspec``: how long they are waited for, and how much they may write here.

Must not know which files there are.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from loopd.config.addresses import WEB

Item = TypeVar("Item")

RESERVE = 256 * 2**20
"""Bytes of the disk that are left free: the journal may lie on it too."""

CONNECT, STALL = 30.0, 60.0
"""Seconds after which a web server is given up that lets nobody in, or has fallen silent. A file
that keeps coming may take as long as it takes."""


FEW, LONG = 3, 300.0
"""Failures, and the seconds that they have taken together, after which a source counts as away."""


class Attempts(Generic[Item]):
    """Things that are tried one after the other: one that fails stops no other.

    Those behind a failure are tried in another order each time, and once failures have taken long
    the source counts as away. So of a source where a few things are stuck the others come, if not
    this time, then the next.

    Args:
        items: what is to be tried.

    Attributes:
        left: what was not tried.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self.left = list(items)
        self._failures, self._seconds, self._began = 0, 0.0, 0.0

    def __iter__(self) -> Iterator[Item]:
        while self.left and self.goes_on:
            self._began = time.monotonic()
            yield self.left.pop(0)

    @property
    def goes_on(self) -> bool:
        """Whether failures have not taken long yet."""
        return self._failures < FEW or self._seconds <= LONG

    def failed(self) -> None:
        """The last one did not succeed."""
        self._failures += 1
        self._seconds += time.monotonic() - self._began
        random.shuffle(self.left)


def system_at(url: str) -> tuple[Any, str]:
    """The file system that a URL names, and the path in it; raises what its library does.

    It is a new one: some connect once, and never again.
    """
    from fsspec.core import url_to_fs

    system, path = url_to_fs(url, skip_instance_cache=True, **_options(url))
    return system, path


def refuse_no_room(folder: Path, size: int) -> None:
    """Refuse to write so much into a folder that its disk is nearly full.

    Raises:
        OSError: it would be, or the folder is not there.
    """
    if size + RESERVE > shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def watched(size: int | None, folder: Path) -> Mapping[str, Any]:
    """What ends the transfer of a file before the disk is full, where nobody has told its size."""
    if size is not None:
        return {}
    from fsspec.callbacks import Callback

    return {"callback": Callback(hooks={"room": lambda *_, **__: refuse_no_room(folder, 0)})}


def _options(url: str) -> Mapping[str, Any]:
    """What a file system is told besides its path.

    A web server is asked for files as they are, so that their sizes are those it tells, through
    the proxy that the usual variables name, and gets all the time that it needs as long as
    something comes. What ``fsspec`` is configured to say comes first.
    """
    if url.partition("://")[0] not in WEB:
        return {}
    from aiohttp import ClientTimeout
    from fsspec.config import conf

    ours: dict[str, Any] = {
        "timeout": ClientTimeout(total=None, sock_connect=CONNECT, sock_read=STALL),
        "headers": {"Accept-Encoding": "identity"},
        "trust_env": True,
    }
    for scheme in WEB:
        ours |= conf.get(scheme, {}).get("client_kwargs", {})
    return {"client_kwargs": ours}
