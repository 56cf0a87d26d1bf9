"""Owns how pages are made of templates: everything is escaped, and a missing value is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loopd.metrics_log.rows import advice
from loopd.overview import wording

if TYPE_CHECKING:
    from jinja2 import Environment


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
    templates.filters |= {filter_.__name__: filter_ for filter_ in (advice, *wording.WAYS)}
    templates.globals["phases"] = wording.PHASES
    return templates
