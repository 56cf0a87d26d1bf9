"""loopd with a mistake planted in the middle of each request; says all that a crash says."""

from __future__ import annotations

import traceback
from typing import NoReturn

from loopd.annotation import http
from loopd.cli import main as loopd


def main() -> None:
    """Run the command of the arguments."""
    http._check = _broken  # type: ignore[assignment]
    try:
        loopd()
    except Exception:  # noqa: BLE001 - whatever it is, it is shown
        traceback.print_exc()  # as Python would
        raise SystemExit(1) from None


def _broken(*_: object) -> NoReturn:
    raise RuntimeError("planted")
