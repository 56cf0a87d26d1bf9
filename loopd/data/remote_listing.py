"""Owns what a path in a file system of ``fsspec`` stands for: a file, a folder, or a pattern.

A folder that cannot be listed is an error, never one without files: ``glob`` of ``fsspec`` passes
over what it cannot list. Must not fetch anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from loopd.data.pool_files import SAVED, is_finished_name
from loopd.data.remote_names import base_name


class AddressKind(Enum):
    """What an address is of."""

    FILE = auto()
    FOLDER = auto()
    PATTERN = auto()


@dataclass(frozen=True, slots=True)
class RemoteEntry:
    """Something that is there.

    Attributes:
        path: in its file system.
        below: the part of the path by which it differs from others.
        info: what the file system says of it.
    """

    path: str
    below: str
    info: Mapping[str, Any]  # of fsspec


def found_at(system: Any, path: str, *, is_folder: bool) -> Sequence[RemoteEntry]:
    """The files that a path stands for; those that somebody is writing not.

    Args:
        system: of ``fsspec``.
        path: in it; of a web server, the whole address.
        is_folder: whether it can be nothing but a folder or a pattern.
    """
    sign = _first_sign(path)
    if sign is not None:
        root = path[: path.rfind("/", 0, sign) + 1]
        kind, found = AddressKind.PATTERN, list(_fitting(system, root, path[len(root) :]))
    else:
        info = {} if is_folder else system.info(path)
        if is_folder or info.get("type") == "directory":
            folder = path.rstrip("/") + "/"
            kind, found = AddressKind.FOLDER, list(_listed(system, path, folder))
        else:
            kind, found = AddressKind.FILE, [RemoteEntry(path, path.rpartition("/")[2], info)]
    return [one for one in found if not _is_folder(one) and _is_read(one.path, kind)]


def _is_read(path: str, kind: AddressKind) -> bool:
    """Whether a file is read where it is on a local disk: one that is named always."""
    name = base_name(path)
    if kind is AddressKind.FOLDER:
        return is_finished_name(name, is_listed=True) and name.lower() not in SAVED
    return bool(name) and (kind is AddressKind.FILE or is_finished_name(name, is_listed=False))


def _first_sign(path: str) -> int | None:
    """Where a path begins to be a pattern; a web address is one if there is a star in its path."""
    if "://" not in path:
        matched = re.search(r"[*?[]", path)
        return matched.start() if matched else None
    beyond = path.find("/", path.index("://") + 3)
    place = re.split("[?#]", path)[0]
    if beyond < 0 or "*" not in place[beyond:]:
        return None
    return min(at for sign in "*[" if (at := place.find(sign, beyond)) >= 0)


def _fitting(system: Any, root: str, pattern: str) -> Iterator[RemoteEntry]:
    """What is below a folder and fits a pattern; only folders on the way to it are looked into."""
    from fsspec.utils import glob_translate

    steps = pattern.split("/")
    fits = re.compile(glob_translate(pattern)).match
    folders = [(root, "")]
    while folders:
        folder, above = folders.pop()
        try:
            listing = list(_listed(system, folder, folder, above))
        except FileNotFoundError:
            if folder == root:
                raise
            continue  # gone since its parent was listed, or a dead link
        for one in listing:
            name = one.below.rstrip("/")
            if not _is_folder(one):
                if fits(name):
                    yield one
            elif _is_on_the_way(name, steps):
                folders.append((one.path.rstrip("/") + "/", f"{name}/"))


def _is_on_the_way(folder: str, steps: Sequence[str]) -> bool:
    from fsspec.utils import glob_translate

    way = steps[: folder.count("/") + 1]
    if "**" in way:
        return True
    return len(way) < len(steps) and bool(re.match(glob_translate("/".join(way)), folder))


def _listed(system: Any, path: str, folder: str, above: str = "") -> Iterator[RemoteEntry]:
    """What is in a folder, without the folder itself, which some stores list too."""
    for info in system.ls(path, detail=True):
        name = str(info["name"])
        told = _followed(system, name, info)
        below = name[len(folder) :] if name.startswith(folder) else name.rpartition("/")[2]
        if name.rstrip("/") != folder.rstrip("/") and below.strip("/") not in ("", ".", ".."):
            yield RemoteEntry(name, above + below, told)


def _followed(system: Any, name: str, info: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a link leads to, as it is fetched; nothing is said of one that leads nowhere."""
    if info.get("type") != "link":
        return info
    try:
        told: Mapping[str, Any] = system.info(name)
    except FileNotFoundError:
        return {}
    return told


def _is_folder(found: RemoteEntry) -> bool:
    return found.info.get("type") == "directory"
