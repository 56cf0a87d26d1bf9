"""Owns the settings of the audit."""

from __future__ import annotations

from pydantic import Field, field_validator

from loopd.config.section import Section

USUAL_SHARE = 0.2
"""The share where there is no test set and nobody has set one: 40 draws among 200 labels."""


USUAL_FOLDS = 5
"""The parts of a cross-validation where nobody has set another number."""


class AuditSection(Section):
    """How the model and the choice of texts are judged without a test set."""

    random_share: float | None = Field(
        None,
        ge=0,
        le=0.5,
        description="Share of the records that are drawn at random from the pool. Their labels "
        "measure the model and never train it. 0: none; empty: 0.2 without a test "
        "set, else none. A run keeps the share it began with.",
    )
    folds: int | None = Field(
        None,
        ge=0,
        le=20,
        description="Parts of the cross-validation that measures the model without a test set, "
        "while there are fewer than 20 labelled random draws. 0: none; empty: 5. A "
        "run keeps the number it began with.",
    )

    fallback_share: float = Field(
        0.5,
        ge=0,
        le=0.9,
        description="While random draws say that choosing is behind, the share of what would be "
        "chosen that is drawn at random instead, and trains the model. 0: none.",
    )

    @field_validator("folds")
    @classmethod
    def _two_at_least(cls, value: int | None) -> int | None:
        if value == 1:
            raise ValueError("one part leaves nothing to train on; take 0 or at least 2")
        return value

    @property
    def share(self) -> float:
        """The share as a number; 0 where it is left open, see ``loop.audit_in_force.in_force``."""
        return self.random_share or 0.0
