"""Owns how files at a URL are called here: no two alike, and none as a file that is not read.

Whatever a server calls a file, its name here is the name of no folder, can be written, and has its
suffixes. Must not know where files come from.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from urllib.parse import quote, unquote

from loopd.data.pool_files import SAVED, is_finished_name

LONGEST_NAME = 200
"""Bytes of the name of a file here."""

KEPT = 100
"""Bytes of the end of a name that is longer."""

PLAIN = " ()+,=@-_."
"""What stands in names for itself, besides letters and digits, where a folder is in them too."""

HIDING = "._~"
"""How names of files begin that are not read."""


def base_name(path: str) -> str:
    """The name of a file; of a web address without the question that may follow.

    It is the name of no folder, and empty where the path is that of one.
    """
    name = _place(path).rpartition("/")[2]
    return _writable(path, name).replace("/", "%2F")


def local_names(paths: Mapping[str, str]) -> Mapping[str, str]:
    """What files are called here, by path; web addresses spell one name in several ways.

    Args:
        paths: the part by which a path differs from the others, by path.
    """
    names = {path: _name(path, below) for path, below in paths.items()}
    counts = Counter(names.values())
    alike = {path for path, name in names.items() if counts[name] > 1 or name.lower() in SAVED}
    return {
        path: f"{_digest(path, 8)}-{name}" if path in alike else name
        for path, name in names.items()
    }


def tells_format(name: str) -> bool:
    """Whether the name of a file tells its format."""
    return is_finished_name(name, is_listed=True)


def _name(path: str, below: str) -> str:
    below = _place(below, is_web="://" in path).strip("/")
    name = base_name(path)
    if "/" in below:
        name = quote(_writable(path, below), safe=PLAIN)
    if name[:1] and name[0] in HIDING:
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if len(name.encode()) > LONGEST_NAME:
        end = base_name(path).encode()[-KEPT:].decode("utf-8", "ignore")
        name = f"{_digest(path, 16)}-{end}"
    return name


def _place(path: str, *, is_web: bool = False) -> str:
    """A path without what may follow that of a web address."""
    if "://" in path:
        return re.split("[?#]", path.partition("://")[2])[0].partition("/")[2]
    return re.split("[?#]", path)[0] if is_web else path


def _writable(path: str, name: str) -> str:
    """A name in a path, as text that any disk takes."""
    text = unquote(name) if "://" in path else name
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\0", "%00")


def _digest(path: str, length: int) -> str:
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:length]
