"""Owns files at a URL: which there are, what they look like, and how they get here.

Object stores, web servers and the Hugging Face hub are reached through ``fsspec``, with the
credentials that its backends find by themselves. Must not know what the files hold.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from glob import has_magic
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from loopd.config import PoolSection
from loopd.data.pool_files import FileStamp, is_finished_name
from loopd.errors import DataError

CHANGES = (
    *("ETag", "etag", "Content-MD5", "md5Hash", "crc32c", "generation", "VersionId", "blob_id"),
    *("LastModified", "Last-Modified", "last_modified", "updated", "modified", "mtime", "created"),
)
"""By what file systems say that a file has changed, besides its size."""

STAMPS = 2**30
"""Different times of change, in seconds: all of them have passed, and any disk can keep them."""

HUB = re.compile(r"hf://datasets/([^/@]+/[^/@]+)")

QUESTION = re.compile(r"(?<=\S)\?[^\s'\")]*")
"""What an address ends with, and may hold a key."""

LONGEST_NAME = 200
"""Bytes of the name of a file here."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file at a URL.

    Attributes:
        name: of the file here; files are read in the order of their names.
        path: in its file system.
        changed: a number that is another once the file is, in nanoseconds as a time of change.
    """

    name: str
    path: str
    changed: int


class RemoteFiles:
    """What a URL stands for: a file, the files of a folder, or all that fit a pattern.

    Args:
        url: such as ``s3://bucket/tickets/*.jsonl``.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def listed(self) -> tuple[RemoteFile, ...]:
        """The files, in the order of their names; those that somebody is writing not.

        Raises:
            DataError: it cannot be reached, or there is nothing.
        """
        with self._reached() as (system, path):
            system.invalidate_cache()
            found, is_listed, root = _found(system, path, is_folder=self._url.endswith("/"))
            files = [
                _file(system, name, info, root)
                for name, info in found.items()
                if info.get("type") != "directory" and _is_read(name, is_listed=is_listed)
            ]
        return tuple(sorted(_apart(files), key=lambda file: file.name))

    def fetch(self, file: RemoteFile, folder: Path) -> Path:
        """Bring a file here, under its name; it is there whole or not at all.

        Raises:
            DataError: it cannot be reached any more, or not be written here.
        """
        here, unfinished = folder / file.name, folder / f".{file.name}.part"
        with self._reached() as (system, _):
            system.get_file(file.path, str(unfinished))
            os.utime(unfinished, ns=(file.changed, file.changed))
            unfinished.replace(here)
        return here

    @contextmanager
    def _reached(self) -> Iterator[tuple[Any, str]]:
        """The file system and the path in it; whatever it raises becomes an error of ours."""
        from fsspec.core import url_to_fs

        try:
            yield url_to_fs(self._url)
        except DataError:
            raise
        except ImportError as error:
            raise DataError(
                f"cannot read {shown_url(self._url)}: {_reason(error)}",
                "install it with pip beside loopd",
            ) from None
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DataError(
                    f"no room for the files at {shown_url(self._url)}",
                    "while they are read they lie in the run's folder, or with temporary files",
                ) from None
            raise self._unreachable(error) from None
        except Exception as error:  # noqa: BLE001 - backends raise what their libraries do
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> DataError:
        return DataError(
            f"cannot read {shown_url(self._url)}: {_reason(error)}",
            "see whether the address is right, and whether the credentials of this account are "
            "where its library looks for them",
        )


def shown_url(url: str) -> str:
    """A URL for people, without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def fetch_changed(
    url: str, folder: Path, known: Mapping[str, int], *, must_be: bool = False
) -> None:
    """Bring those files here that are other than they were.

    Args:
        url: where they are.
        folder: gets them; made if it is not there.
        known: when a file had changed that needs not be brought, by its name here.
        must_be: whether it is an error that there is none.

    Raises:
        DataError: they cannot be reached, or not be written here.
    """
    remote = RemoteFiles(url)
    files = remote.listed()
    if must_be and not files:
        raise DataError(
            f"no file to read at {shown_url(url)}",
            "name a file, a folder of CSV, JSONL or Parquet files, or a pattern such as "
            "s3://bucket/tickets/*.csv",
        )
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for unfinished in folder.glob(".*.part"):  # of a process that was killed
            unfinished.unlink(missing_ok=True)
        here = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    except OSError as error:
        raise DataError(f"cannot write {folder}: {error.strerror or error}") from None
    for file in files:
        if file.changed not in (known.get(file.name), here.get(file.name)):
            remote.fetch(file, folder)


def remote_looks(url: str) -> Mapping[Path, FileStamp]:
    """What the files at a URL look like, by their names here; their sizes are not told.

    Raises:
        DataError: they cannot be reached.
    """
    return {Path(file.name): FileStamp(0, file.changed) for file in RemoteFiles(url).listed()}


def hub_name(url: str | None) -> str:
    """The data set of the Hugging Face hub that a URL names; empty if it names none."""
    matched = HUB.match(url or "")
    return matched[1] if matched else ""


@contextmanager
def brought_here(section: PoolSection, folder: Path | None = None) -> Iterator[PoolSection]:
    """The section of the pool as one of files: those at a URL are brought here to be read.

    Args:
        section: of the pool; without a URL it is the same.
        folder: gets the files, and keeps them; ``None``: one that goes away again.

    Raises:
        DataError: there is none, or they cannot be reached.
    """
    if section.url is None:
        yield section
    elif folder is not None:
        fetch_changed(section.url, folder, {}, must_be=True)
        yield section.model_copy(update={"url": None, "path": folder})
    else:
        with TemporaryDirectory(prefix="loopd-") as temporary:
            fetch_changed(section.url, Path(temporary), {}, must_be=True)
            yield section.model_copy(update={"url": None, "path": Path(temporary)})


def _found(
    system: Any, path: str, *, is_folder: bool
) -> tuple[Mapping[str, Mapping[str, Any]], bool, str]:
    """What there is by its path, whether it was listed in a folder, and where names begin."""
    signs = _signs(path)
    if signs:
        fixed = path[: min(map(path.find, signs))]
        return system.glob(path, detail=True), False, fixed.rpartition("/")[0]
    info = {} if is_folder else system.info(path)
    if is_folder or info.get("type") == "directory":
        listed = {one["name"]: one for one in system.ls(path, detail=True)}
        return listed, True, path.rstrip("/")
    return {path: info}, False, path.rpartition("/")[0]


def _signs(path: str) -> str:
    """What makes a path a pattern; of a web address only a star, as a question follows its path."""
    if "://" in path:
        return "*" if "*" in urlsplit(path).path else ""
    return "".join(sign for sign in "*?[" if sign in path) if has_magic(path) else ""


def _is_read(path: str, *, is_listed: bool) -> bool:
    return is_finished_name(_base(path), is_listed)


def _base(path: str) -> str:
    """The name of a file, without the question that a web address may end with.

    Whatever a server calls it, it is the name of no folder.
    """
    name = PurePosixPath(urlsplit(path).path if "://" in path else path).name
    name = unquote(name) if "://" in path else name
    return name.replace("/", "%2F").replace("\0", "%00")


def _apart(files: Sequence[RemoteFile]) -> Iterator[RemoteFile]:
    """The files, no two of one name here: web addresses spell a name in several ways."""
    counts = Counter(file.name for file in files)
    for file in files:
        digest = hashlib.sha256(file.path.encode()).hexdigest()[:8]
        yield file if counts[file.name] == 1 else replace(file, name=f"{digest}-{file.name}")


def _file(system: Any, path: str, info: Mapping[str, Any], root: str) -> RemoteFile:
    if info.get("size") is None:  # a list of a web server
        info = system.info(path)
    below = path.removeprefix(root).strip("/")
    name = quote(below, safe=" ()+,=@-_.") if "/" in below else _base(path)
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = hashlib.sha256(below.encode()).hexdigest()[:16] + "-" + _base(path)[-100:]
    signs = [(sign, str(info[sign])) for sign in ("size", *CHANGES) if info.get(sign) is not None]
    digest = hashlib.sha256(repr(signs).encode()).digest()
    return RemoteFile(name, path, (1 + int.from_bytes(digest[:8], "big") % STAMPS) * 10**9)


def _reason(error: BaseException) -> str:
    """What went wrong, in a line without keys: where a file is not found, why, if that is told."""
    if isinstance(error, FileNotFoundError):
        cause = error.__cause__ or error.__context__
        if error.errno is not None or cause is None:
            return "there is nothing"
        error = cause
    text = next(iter(str(getattr(error, "strerror", None) or error).splitlines()), "")
    return QUESTION.sub("", text)[:200] or type(error).__name__
