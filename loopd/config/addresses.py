"""Owns what may be the address of files, and how it is shown: nothing secret is in it.

The configuration is shown on the page and in reports, and an address in logs and errors. Must not
reach anything.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]*/?\S[^\r\n\t]*")
"""What names a file somewhere else."""

WEB = ("http", "https")
"""In their addresses a question mark begins a question; in those of stores it is any letter."""

WITH_PORTS = (*WEB, "ftp", "sftp", "ssh")
"""Where a colon behind the host is followed by a number."""

AZURE = ("abfs", "abfss", "wasb", "wasbs")
"""Their addresses name a container before an ``@``, which is no account."""

ACCOUNT = re.compile(r"(^|//|::)([^/]*)@")
"""What may hold a name and a password."""

QUESTION = re.compile(r"#|\?[^/]*[=&]")
"""Where something begins that is no path, and may be a key."""


def refuse_address(url: str) -> None:
    """Refuse what is no address of files, or may hold a secret.

    Args:
        url: such as ``s3://bucket/tickets/*.jsonl``.

    Raises:
        ValueError: it is such a one; the message is a sentence without the secret.
    """
    if not URL.fullmatch(url) or not _is_sound(url):
        shown = shown_url(url)[:40]
        raise ValueError(f"{shown!r} is no address such as s3://bucket/tickets/*.jsonl")
    if _accounts(url):
        raise ValueError("must hold no account: its library finds credentials by itself")
    if "::" in re.sub(r"\[[^\]]*\]", "", url):
        raise ValueError("must be one address: several in a chain, with `::`, are not read")
    if _question(url) is not None:
        raise ValueError("must not hold anything behind ? or #, which may be a key")


def shown_url(url: str) -> str:
    """An address for people, without what may be secret in it; whatever it is, it can be shown."""
    text = url.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    scheme = text.partition("://")[0]
    if "@" in text and not _has_port(text):  # part of a password that holds a slash
        return f"{scheme}://..."
    accounts = _accounts(text)
    text = text[: _question(text)]
    return text if not accounts else ACCOUNT.sub(r"\1", text)


def _is_sound(url: str) -> bool:
    """Whether other libraries can take it apart."""
    try:
        parts = urlsplit(url)
    except ValueError:  # such as one bracket
        return False
    has_port = parts.scheme not in WITH_PORTS or _has_port(url)
    return has_port and (parts.scheme not in WEB or bool(parts.hostname))


def _has_port(url: str) -> bool:
    """Whether nothing but a port is behind a colon, where there may be one."""
    rest = url.partition("://")[2]
    host = re.split("[/?#]", rest)[0].rpartition("@")[2]
    return bool(re.fullmatch(r"(\[[^\]]*\]|[^:]*)(:[0-9]*)?", host))


def _accounts(url: str) -> bool:
    """Whether something stands where an account would."""
    if "@" in url and not _has_port(url):  # a key that holds a slash
        return True
    scheme = url.partition("://")[0]
    found = [before for _, before in ACCOUNT.findall(url)]
    return any(scheme not in AZURE or ":" in before or "@" in before for before in found)


def _question(url: str) -> int | None:
    """Where an address ends and something begins that may be a key."""
    found = re.search("[?#]", url) if url.startswith(WEB) else QUESTION.search(url)
    return found.start() if found else None
