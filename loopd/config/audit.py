"""Owns the settings of the audit."""

from __future__ import annotations

from pydantic import Field

from loopd.config.section import Section


class AuditSection(Section):
    """Records drawn at random, by which the model and the choice of texts are judged."""

    random_share: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Share of the records that are drawn at random from the pool. Their labels "
        "measure the model and never train it; 0: none.",
    )
