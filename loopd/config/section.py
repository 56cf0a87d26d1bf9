"""Owns what every section of the configuration has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
"""Names that Argilla and file systems take."""

LONGEST_WAIT = 86_400.0
"""Seconds of the longest pause that can be asked for: a day."""


class Section(BaseModel):
    """A part of the configuration: frozen, and strict about unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )
