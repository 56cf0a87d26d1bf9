"""Owns how many CPU threads a process may use; must not know for what."""

from __future__ import annotations

import os


def allowed_threads() -> int:
    """As many as OMP_NUM_THREADS says, else as the process has cores."""
    said = os.environ.get("OMP_NUM_THREADS", "").strip()
    if said.isdecimal() and int(said):
        return int(said)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
