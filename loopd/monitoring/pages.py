"""Owns how pages are made of templates: everything is escaped, and a missing value is an error."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from loopd.records import JsonValue
from loopd.reports.rounds import advice

if TYPE_CHECKING:
    from jinja2 import Environment


def environment() -> Environment:
    """The templates of this package.

    Every value is escaped as HTML unless a template says ``safe``: charts, and our own style.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    made = Environment(
        loader=PackageLoader("loopd.monitoring"),
        autoescape=select_autoescape(("html.jinja",), default_for_string=True, default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    made.filters |= {
        "advice": advice,
        "as_text": as_text,
        "exact": exact,
        "iso": iso,
        "moment": moment,
        "short": short,
    }
    return made


def exact(value: JsonValue) -> str:
    """The value as the metrics log has it."""
    return json.dumps(value, ensure_ascii=False)


def short(value: float, digits: int = 3) -> str:
    """The number for people: whole ones whole, others with so many digits behind the point."""
    if isinstance(value, int) or digits == 0:
        return f"{value:,.0f}"
    return f"{value:,.{digits}f}"


def as_text(value: JsonValue) -> str:
    """A value that is no number."""
    return value if isinstance(value, str) else exact(value)


def iso(at: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="seconds")


def moment(at: float) -> str:
    """Seconds since 1970 for people, in UTC."""
    return f"{datetime.fromtimestamp(at, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
