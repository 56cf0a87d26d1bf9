"""Owns how a header of ``argilla.headers`` is written; must not read a value."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

_SOURCE = re.compile(
    r"(?:(?P<word>[A-Za-z][A-Za-z0-9-]*) +)?(?P<kind>env|file|command):(?P<where>.*)"
)
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"auth|cookie|key|pass|secret|signature|token", re.IGNORECASE)
_OURS = {
    "accept-encoding", "connection", "content-length", "content-type", "transfer-encoding",
    "x-argilla-api-key", "x-extralit-api-key",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HeaderSource:
    """Where the value of a header is.

    Attributes:
        kind: ``env``, ``file`` or ``command``.
        where: name of the variable, path of the file, or program and arguments.
        word: sent before the value, such as ``Bearer``; may be empty.
    """

    kind: str
    where: str
    word: str = ""


def source_of(text: str) -> HeaderSource | None:
    """Where the value is, ``None`` where the text itself is the value."""
    match = _SOURCE.fullmatch(text.strip())
    if match is None:
        return None
    return HeaderSource(match["kind"], match["where"].strip(), match["word"] or "")


def refuse_header(name: str, text: str) -> None:
    """Refuse what cannot be sent, and secrets in the configuration.

    Raises:
        ValueError: with the reason; never with the value.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("the name of a header holds a character that none may hold")
    if name.lower() in _OURS:
        raise ValueError(f"`{name}` is set by loopd itself")
    source = source_of(text)
    if source is not None:
        _refuse_source(name, source)
    elif _SECRET.search(name):
        raise ValueError(
            f"`{name}` looks like a secret, and none belongs in the configuration: write "
            "env:NAME, file:PATH or command:PROGRAM"
        )
    elif not re.fullmatch(r"[ -~]+", text):
        raise ValueError(f"`{name}` needs one line of ASCII characters")


def _refuse_source(name: str, source: HeaderSource) -> None:
    if not source.where:
        raise ValueError(f"`{name}`: nothing follows `{source.kind}:`")
    if source.kind == "env" and not _VARIABLE.fullmatch(source.where):
        raise ValueError(f"`{name}`: what follows `env:` is no name of a variable")
    if source.kind == "command":
        _refuse_command(name, source.where)


def _refuse_command(name: str, text: str) -> None:
    try:
        shlex.split(text)
    except ValueError:
        raise ValueError(f"`{name}`: a quotation mark of its command is not closed") from None
