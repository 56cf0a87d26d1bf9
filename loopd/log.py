"""Owns the set-up of structlog: text on a terminal, JSON lines otherwise; on stderr, or in a file.

Must not log anything itself. One line for each finished step: an event name and fields. Values
of keys that name a secret are never printed.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from loopd.config import LogSection
from loopd.printable import printable

_SECRET_WORDS = ("api_key", "apikey", "password", "token", "secret", "authorization")


def set_up(section: LogSection, file: TextIO | None = None) -> None:
    """Configure structlog for the process; ``file`` takes the lines, standard error otherwise."""
    target = sys.stderr if file is None else file
    as_text = section.format == "text" or (section.format == "auto" and target.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=not as_text),
            hide_secrets,
            *([write_out_controls] if as_text else []),
            structlog.dev.ConsoleRenderer(colors=target.isatty(), pad_event_to=22)
            if as_text
            else structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(section.level.upper()),
        logger_factory=structlog.PrintLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    # Third-party clients log every request at INFO: the daemon's own lines say what matters.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)


def get(name: str) -> Any:
    """A logger whose lines carry ``part=name``."""
    return structlog.get_logger(part=name)


def hide_secrets(
    _logger: object, _method: str, fields: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Structlog processor that blanks values whose key names a secret."""
    for key in fields:
        if names_secret(key):
            fields[key] = "***"
    return fields


def names_secret(key: str) -> bool:
    """Whether what stands under this key must not be shown."""
    return any(word in key.lower() for word in _SECRET_WORDS)


def write_out_controls(
    _logger: object, _method: str, fields: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Structlog processor for terminals: what came from outside must not steer them."""
    for key, value in fields.items():
        if isinstance(value, str):
            fields[key] = printable(value)
        elif isinstance(value, (list, tuple)):
            fields[key] = [printable(item) if isinstance(item, str) else item for item in value]
    return fields
