"""Owns file systems of ``fsspec``: how long they are waited for, and how much they may write here.

Must not know which files there are.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loopd.config.addresses import WEB

RESERVE = 256 * 2**20
"""Bytes of the disk that are left free: the journal may lie on it too."""

CONNECT, STALL = 30.0, 60.0
"""Seconds after which a web server is given up that lets nobody in, or has fallen silent. A file
that keeps coming may take as long as it takes."""


FEW, LONG = 3, 300.0
"""Failures, and the seconds that they have taken together, after which a source counts as away."""


class FailureLimit:
    """How long the next file is tried after others have failed: one bad file stops no other."""

    def __init__(self) -> None:
        self._failures, self._seconds = 0, 0.0

    def count(self, since: float) -> bool:
        """Count a failure; returns whether it is enough.

        Args:
            since: when it began, by ``time.monotonic``.
        """
        self._failures += 1
        self._seconds += time.monotonic() - since
        return self._failures >= FEW and self._seconds > LONG


def system_at(url: str) -> tuple[Any, str]:
    """The file system that a URL names, and the path in it; raises what its library does."""
    from fsspec.core import url_to_fs

    system, path = url_to_fs(url, **_options(url))
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
