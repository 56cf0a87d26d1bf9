"""Owns how somebody who answered may be called; must not know files or columns."""

from __future__ import annotations

from loopd.data.cells import Unusable

LONGEST_NAME = 255
"""Characters of the longest name of an annotator that is taken."""


def checked_name(annotator: str) -> str:
    """The name of an annotator.

    Raises:
        Unusable: it cannot be one.
    """
    if not annotator.strip() or not annotator.isprintable() or len(annotator) > LONGEST_NAME:
        raise Unusable("the name of the annotator cannot be used")
    return annotator
