"""Counts the work of a call in steps of Python's own machine: no clock, so no luck."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import loopd

PACKAGE = str(Path(loopd.__file__).parent)


def work(action: Callable[[], Any]) -> int:
    """Instructions of Python that a call takes in loopd, loops in C not counted."""
    steps = 0

    def local(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal steps
        steps += event == "opcode"
        return local

    def trace(frame: FrameType, _event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return local

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return steps
