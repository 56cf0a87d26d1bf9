"""Owns opening files of text, plain or gzipped; must not know what they hold."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from loopd.errors import DataError

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@contextlib.contextmanager
def whole(path: Path) -> Iterator[None]:
    """Turns what reading a damaged file raises into an error with its name.

    Raises:
        DataError: in place of the error inside.
    """
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} is damaged: {error}", "is it complete?") from None


def opened(path: Path) -> IO[str]:
    """A text file, maybe gzipped; its line ends are left as they are.

    Raises:
        DataError: it cannot be opened, or it is UTF-16.
    """
    try:
        _refuse_utf16(path)
        # Bytes that are not UTF-8 become lone surrogates: their rows are refused, not the file.
        if path.suffix == ".gz":
            return gzip.open(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="")
        return path.open("r", encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None


def _refuse_utf16(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(2) in UTF16_MARKS:
            raise DataError(f"{path.name} is UTF-16", "save it as UTF-8")
