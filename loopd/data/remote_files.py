"""Owns how files at a URL get here: which have changed, whole or not at all, and what to say else.

Object stores, web servers and the Hugging Face hub are reached through ``fsspec``, with the
credentials that its backends find by themselves. Must not know what the files hold.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from loopd import log
from loopd.config import PoolSection
from loopd.config.addresses import shown_url
from loopd.data.pool_files import FileStamp
from loopd.data.remote_listing import RemoteEntry, found_at
from loopd.data.remote_names import local_names, tells_format
from loopd.data.remote_systems import RESERVE, Attempts, refuse_no_room, system_at, watched
from loopd.errors import DataError, Interrupted

CHANGES = (
    *("ETag", "etag", "Content-MD5", "md5Hash", "crc32c", "generation", "VersionId", "blob_id"),
    *("LastModified", "Last-Modified", "last_modified", "updated", "modified", "mtime", "created"),
)
"""By what file systems say that a file has changed, besides its size."""

STAMPS = 2**30
"""Different times of change, in seconds: all of them have passed, and any disk can keep them."""

HUB = re.compile(r"hf://datasets/([^/@]+/[^/@]+)")

BEHIND_A_QUESTION = re.compile(r"(?<=\S)\?[^\s'\")]*")
"""What an address ends with, and may hold a key."""

GONE = (404, 410)
"""How a web server says that there is nothing."""

NAMED = 3
"""Files that a message names."""

READABLE = "use .csv, .xlsx, .jsonl, .conll or .parquet"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file at a URL.

    Attributes:
        name: of the file here; files are read in the order of their names.
        path: in its file system.
        changed: a number that is another once the file is, in nanoseconds as a time of change.
        size: bytes of it; ``None`` where nobody tells.
    """

    name: str
    path: str
    changed: int
    size: int | None = None


@dataclass(slots=True)
class Listing:
    """What a look at a URL has found, by the names of files here.

    Attributes:
        files: those that can be brought here.
        gone: those that are named there, and are not there.
        failed: why others could not be looked at.
    """

    files: dict[str, RemoteFile] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    failed: dict[str, DataError] = field(default_factory=dict)


class RemoteFiles:
    """What a URL stands for: a file, the files of a folder, or all that fit a pattern.

    Args:
        url: such as ``s3://bucket/tickets/*.jsonl``.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._shown = shown_url(url)
        self._system: tuple[Any, str] | None = None  # of fsspec

    def listed(self) -> tuple[RemoteFile, ...]:
        """The files, in the order of their names; those that somebody is writing not.

        Raises:
            DataError: it cannot be reached, there is nothing, or one cannot be looked at.
        """
        listing = self.look()
        for error in listing.failed.values():
            raise error
        for name in listing.gone:
            problem = f"cannot read {name} at {self._shown}: there is nothing"
            raise DataError(problem, "it is listed there: take it off the list, or put it there")
        return tuple(listing.files.values())

    def look(self) -> Listing:
        """The files, as far as each of them can be looked at.

        Raises:
            DataError: it cannot be reached, or there is nothing.
        """
        with self._reached() as (system, path):
            system.invalidate_cache()
            found = found_at(system, path, is_folder=self._url.endswith("/"))
            by_path = {one.path: one for one in found}
            names = local_names({one.path: one.below for one in found})
        in_order = sorted(names.items(), key=lambda item: item[1])
        listing, attempts = Listing(), Attempts(in_order)
        for there, name in attempts:
            try:
                listing.files[name] = _file(system, name, by_path[there])
            except Interrupted:
                raise
            except Exception as error:  # noqa: BLE001 - backends raise what their libraries do
                if _is_gone(error):
                    listing.gone.append(name)
                    continue
                listing.failed[name] = self._error(error, name)
                attempts.failed()
                if not attempts.goes_on and not listing.files:
                    raise self._error(error) from None
        listing.failed |= {name: self._not_tried(name) for _, name in attempts.left}
        listing.files = dict(sorted(listing.files.items()))
        return listing

    def fetch(self, file: RemoteFile, folder: Path) -> bool:
        """Bring a file here, under its name; it is there whole or not at all.

        Returns:
            Whether it is there; not where somebody takes files away meanwhile.

        Raises:
            DataError: it cannot be reached any more, or not be written here.
        """
        unfinished = folder / f".{file.name}.part"
        try:
            refuse_no_room(folder, file.size or 0)
            with self._reached(file.name, unfinished) as (system, _):
                system.get_file(file.path, str(unfinished), **watched(file.size, folder))
            self._refuse_a_part(file, unfinished.stat().st_size)
            os.utime(unfinished, ns=(file.changed, file.changed))
            unfinished.replace(folder / file.name)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._error_here(error, folder) from None
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
        return True

    def _refuse_a_part(self, file: RemoteFile, size: int) -> None:
        """A file that is appended to meanwhile is longer than it was, and will come again."""
        if file.size is not None and size < file.size:
            raise DataError(
                f"only {size:,} of {file.size:,} bytes of {file.name} came from {self._shown}",
                "the connection was closed too early, or somebody writes the file just now",
            )

    @contextmanager
    def _reached(self, name: str = "", here: Path | None = None) -> Iterator[tuple[Any, str]]:
        """The file system and the path in it; whatever it raises becomes an error of ours.

        What is wrong with the file here remains an ``OSError``.
        """
        try:
            self._system = self._system or system_at(self._url)
            yield self._system
        except (DataError, Interrupted):
            raise
        except Exception as error:  # backends raise what their libraries do
            if here is not None and isinstance(error, OSError) and error.filename == str(here):
                raise
            raise self._error(error, name) from None

    def _error(self, error: Exception, name: str = "") -> DataError:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return DataError(
                f"no room for the files at {self._shown}",
                "while they are read they lie in the run's folder, or with temporary files; "
                f"{RESERVE // 2**20} MB of the disk stay free",
            )
        is_one_of_them = name and not self._shown.endswith(f"/{name}")
        what = f"{name} at {self._shown}" if is_one_of_them else self._shown
        return DataError(
            f"cannot read {what}: {_reason(error)}",
            "install it with pip beside loopd"
            if isinstance(error, ImportError)
            else "see whether the address is right, and whether the credentials of this account "
            "are where its library looks for them",
        )

    def _not_tried(self, name: str) -> DataError:
        return DataError(f"{name} at {self._shown} was not looked at: others took too long")

    def _error_here(self, error: OSError, folder: Path) -> DataError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return self._error(error)
        return DataError(f"cannot write {folder}: {error.strerror or error}")


def fetch_changed(
    url: str, folder: Path, known: Mapping[str, int], *, must_be: bool = False
) -> None:
    """Bring those files here that are other than they were; what is no more there goes from here.

    Args:
        url: where they are.
        folder: gets them; made if it is not there. Whatever is in it is a copy.
        known: when a file had changed that needs not be brought, by its name here.
        must_be: whether all of them must come, and at least one. Otherwise those come that can.

    Raises:
        DataError: they cannot be reached, or not be written here; where not all must come, after
            the others have.
    """
    remote = RemoteFiles(url)
    listing = remote.look() if not must_be else _all_there(remote, url)
    files = [file for file in listing.files.values() if not _is_left_out(file, url)]
    here = _kept(folder, {*(file.name for file in files), *listing.failed})
    failed = dict(listing.failed)
    attempts = Attempts(
        file for file in files if file.changed not in (known.get(file.name), here.get(file.name))
    )
    for file in attempts:
        try:
            has_come = remote.fetch(file, folder)
        except DataError as error:
            if must_be:
                raise
            failed[file.name] = error
            attempts.failed()
        else:
            if must_be and not has_come:
                raise DataError(f"cannot write {folder}: {file.name} was taken away meanwhile")
    if failed:
        raise _together(url, failed)


def remote_looks(url: str) -> Mapping[Path, FileStamp]:
    """What the files at a URL look like, by their names here; their sizes are not told.

    Raises:
        DataError: they cannot be reached.
    """
    files = RemoteFiles(url).look().files.values()
    return {
        Path(file.name): FileStamp(0, file.changed) for file in files if tells_format(file.name)
    }


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


def _all_there(remote: RemoteFiles, url: str) -> Listing:
    """The files of a URL, of which every one must be one that can be read."""
    files = remote.listed()
    if not files:
        raise DataError(
            f"no file to read at {shown_url(url)}",
            "name a file, a folder of CSV, JSONL or Parquet files, or a pattern such as "
            "s3://bucket/tickets/*.csv",
        )
    for file in files:
        if not tells_format(file.name):
            raise DataError(f"{file.name}: cannot tell the format from the name", READABLE)
    return Listing({file.name: file for file in files})


def _is_left_out(file: RemoteFile, url: str) -> bool:
    if tells_format(file.name):
        return False
    _say_left_out(shown_url(url), file.name)
    return True


@cache
def _say_left_out(url: str, name: str) -> None:
    """Once, however often it is seen."""
    problem = f"cannot tell the format from the name, at {url}"
    log.get("data").warning("file_left_out", file=name, problem=problem, hint=READABLE)


def _kept(folder: Path, names: Collection[str]) -> Mapping[str, int]:
    """When the files in a folder had changed, by name; all but some go.

    Others may take files away meanwhile.
    """
    here: dict[str, int] = {}
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in list(folder.iterdir()):
            if path.name not in names and not path.is_dir():  # also what a killed process left
                path.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                here[path.name] = path.stat().st_mtime_ns
    except OSError as error:
        raise DataError(f"cannot write {folder}: {error.strerror or error}") from None
    return here


def _together(url: str, failed: Mapping[str, DataError]) -> DataError:
    """One error about all files that did not come."""
    first = next(iter(failed.values()))
    if len(failed) == 1:
        return first
    more = f" and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
    names = ", ".join(sorted(failed)[:NAMED]) + more
    problem = f"{len(failed)} files at {shown_url(url)} did not come, {names}: {first.message}"
    return DataError(problem, first.hint)


def _file(system: Any, name: str, found: RemoteEntry) -> RemoteFile:
    info = found.info
    if info.get("size") is None:  # a list of a web server
        info = system.info(found.path)
    signs = [(sign, str(info[sign])) for sign in ("size", *CHANGES) if info.get(sign) is not None]
    digest = hashlib.sha256(repr(signs).encode("utf-8", "surrogatepass")).digest()
    changed = (1 + int.from_bytes(digest[:8], "big") % STAMPS) * 10**9
    return RemoteFile(name, found.path, changed, _size(info))


def _size(info: Mapping[str, Any]) -> int | None:
    """Bytes that come; not told of a file that a store packs, and unpacks on the way."""
    size = info.get("size")
    packed = info.get("contentEncoding") or info.get("ContentEncoding")
    return size if isinstance(size, int) and packed in (None, "identity") else None


def _is_gone(error: Exception) -> bool:
    """Whether there is nothing, of which a server is sure."""
    cause = error.__cause__ or error.__context__
    is_sure = cause is None or getattr(cause, "status", None) in GONE
    return isinstance(error, FileNotFoundError) and is_sure


def _reason(error: BaseException) -> str:
    """What went wrong, in a line without keys: where a file is not found, why, if that is told."""
    if isinstance(error, FileNotFoundError):
        cause = error.__cause__ or error.__context__
        if error.errno is not None or cause is None:
            return "there is nothing"
        error = cause
    text = next(iter(str(getattr(error, "strerror", None) or error).splitlines()), "")
    return BEHIND_A_QUESTION.sub("", text)[:200] or type(error).__name__
