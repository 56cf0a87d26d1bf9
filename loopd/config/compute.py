"""Owns the settings of where the learner's work is done."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from loopd.config.section import Section

AUTO, OWN = "auto", "local"
"""Addresses that are words: a cluster that runs already, and one that loopd starts."""

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})")


class ComputeSection(Section):
    """Where encoding, scoring and training are done; the results are the same."""

    engine: Literal["local", "ray"] = Field(
        "local",
        description="`local`: in the process of the run. `ray`: on the machines of a Ray cluster, "
        "which must share the run's folder (needs the extra `ray`).",
    )
    address: str = Field(
        AUTO,
        description="The Ray cluster: `HOST:PORT` of its head, `auto` for the one of this machine "
        "or of RAY_ADDRESS, or `local` to start one on this machine for as long as the process "
        "lasts.",
    )

    @field_validator("address")
    @classmethod
    def _an_address(cls, value: str) -> str:
        found = _ADDRESS.fullmatch(value)
        if value in (AUTO, OWN) or (found and 0 < int(found[2]) < 65536):
            return value
        raise ValueError("must be `auto`, `local` or HOST:PORT, such as 10.0.0.5:6379")
