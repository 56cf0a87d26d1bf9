"""Owns opening files of text, plain or compressed; must not know what they hold."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from loopd.data.encodings import Encoding, encoding_of
from loopd.errors import DataError

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
"""How files begin that are compressed and can be read."""

ARCHIVE = b"PK\x03\x04"

OTHER_FILES = (
    (
        ARCHIVE,
        "is a ZIP archive, such as an Excel workbook",
        "call a workbook .xlsx or save it as CSV (UTF-8), or unpack the archive",
    ),
    (
        b"\xd0\xcf\x11\xe0",
        "is an Excel workbook of an old kind, or one with a password",
        "save it as .xlsx without a password, or as CSV (UTF-8)",
    ),
    (b"PAR1\x15", "is a Parquet file", "call it .parquet"),
    (b"BZh91AY", "is compressed with bzip2", "unpack it, or compress it with gzip"),
    (b"\xfd7zXZ", "is compressed with xz", "unpack it, or compress it with gzip"),
    (ZSTD, "is compressed with zstd", "unpack it, or compress it with gzip"),
)
"""How files begin that are no text, what they are, and what to do."""

BLOCK = 2**20
"""Bytes that are looked at together."""

STRAYS = "loopd.strays"
"""Turns bytes that do not fit the encoding into halves of surrogate pairs, which nothing stores:
their rows are refused, not the file."""


def _strays(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    stray = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) for byte in stray), error.end


codecs.register_error(STRAYS, _strays)


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file of text that can be read.

    Attributes:
        path: where it is.
        packing: how it is compressed, ``GZIP`` or ``ZSTD``; empty where it is not.
        encoding: how its bytes are read.
    """

    path: Path
    packing: bytes
    encoding: Encoding

    @property
    def name(self) -> str:
        """How messages call it."""
        return self.path.name

    @contextlib.contextmanager
    def opened(self) -> Iterator[IO[str]]:
        """The text from its beginning; line ends are left as they are.

        Raises:
            DataError: it cannot be opened or is damaged, now or while it is read.
        """
        with _whole(self.path):
            codec = self.encoding.codec
            with (
                _unpacked(self.path, self.packing) as raw,
                io.TextIOWrapper(raw, encoding=codec, errors=STRAYS, newline="") as file,
            ):
                yield file


def text_file(path: Path, stated: str | None = None, key: str = "pool.encoding") -> TextFile:
    """Look at a file of text.

    Args:
        path: where it is.
        stated: its encoding; ``None``: as it is found to be.
        key: of the configuration, which states it.

    Raises:
        DataError: it cannot be opened, is no text, or its encoding cannot be told.
    """
    first = refuse_other_files(path, but=ZSTD)
    packing = next((mark for mark in (GZIP, ZSTD) if first.startswith(mark)), b"")
    encoding = encoding_of(lambda: _blocks(path, packing), path.name, stated, key)
    return TextFile(path, packing, encoding)


def refuse_other_files(path: Path, but: bytes | None = None) -> bytes:
    """Check that a file is none that could be called something else.

    Args:
        path: of the file.
        but: how the file may begin all the same.

    Returns:
        Its first bytes.

    Raises:
        DataError: it is such a file, or cannot be opened.
    """
    with _whole(path), path.open("rb") as file:
        first = file.read(8)
    for mark, what, hint in OTHER_FILES:
        if mark != but and first.startswith(mark):
            raise DataError(f"{path.name} {what}", hint)
    return first


def _unpacked(path: Path, packing: bytes) -> IO[bytes]:
    """The bytes of a file as they were before it was compressed."""
    if packing == ZSTD:
        import pyarrow as pa

        unpacked: IO[bytes] = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
        return unpacked
    return cast("IO[bytes]", gzip.open(path)) if packing == GZIP else path.open("rb")


def _blocks(path: Path, packing: bytes) -> Iterator[bytes]:
    with _whole(path), _unpacked(path, packing) as file:
        while block := file.read(BLOCK):
            yield block


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Turns what opening and reading a damaged file raises into an error with its name."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeError) as error:
        raise DataError(f"{path.name} is damaged: {error}", "is it complete?") from None
    except OSError as error:
        if error.errno is None:  # of pyarrow, which cannot unpack it
            raise DataError(f"{path.name} is damaged: {error}", "is it complete?") from None
        problem = f"cannot read {path}: {error.strerror or error}"
        raise DataError(problem, "see its permissions") from None
