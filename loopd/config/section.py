"""Owns what every section of the configuration has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

NAME_PATTERN = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
"""Names that Argilla takes: anything but control characters, and not blanks alone."""

LONGEST_NAME = 200
"""Characters of a name that Argilla takes."""

LONGEST_WAIT = 86_400.0
"""Seconds of the longest pause that can be asked for: a day."""


class Section(BaseModel):
    """A part of the configuration: frozen, and strict about unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )
