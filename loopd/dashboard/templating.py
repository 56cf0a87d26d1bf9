"""Owns how pages are made of templates: everything is escaped, and a missing value is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loopd.metrics_log.rows import advice
from loopd.overview import wording

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def environment() -> Environment:
    """The templates of this package.

    Every value is escaped as HTML unless a template says ``safe``: charts, and our own style.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    templates = Environment(
        loader=PackageLoader("loopd.dashboard"),
        autoescape=select_autoescape(("html.jinja",), default_for_string=True, default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    templates.filters["with_code"] = with_code
    templates.filters |= {filter_.__name__: filter_ for filter_ in (advice, *wording.WAYS)}
    templates.globals["phases"] = wording.PHASES
    return templates


def with_code(sentence: str) -> Markup:
    """A sentence as HTML, what stands between backticks set as code; everything is escaped."""
    from markupsafe import Markup, escape

    parts = sentence.split("`")
    if len(parts) % 2 == 0:
        return escape(sentence)
    code = Markup("<code>{}</code>")
    pieces = (code.format(part) if place % 2 else escape(part) for place, part in enumerate(parts))
    return Markup("").join(pieces)
