"""Owns the settings of when the loop ends."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue, field_validator

from loopd.config.section import Section

CRITERIA = (
    "kappa_average",
    "delta_f_score",
    "classification_change",
    "overall_uncertainty",
    "max_iterations",
)


class CriterionSection(Section):
    """One of small-text's stopping criteria."""

    name: Literal[
        "kappa_average",
        "delta_f_score",
        "classification_change",
        "overall_uncertainty",
        "max_iterations",
    ] = Field(description="Which criterion.")
    options: dict[str, JsonValue] = Field(
        default_factory=dict, description="Keyword arguments of small-text's class."
    )
    stop: bool = Field(False, description="Whether the criterion may end the loop.")


class StoppingSection(Section):
    """When the loop ends by itself."""

    criteria: tuple[CriterionSection, ...] = Field(
        (
            CriterionSection(name="kappa_average"),
            CriterionSection(name="classification_change"),
            CriterionSection(name="overall_uncertainty"),
        ),
        description="Stopping criteria that are recorded each round.",
    )
    patience: int = Field(
        2,
        ge=1,
        description="Rounds in a row for which a criterion must hold before it ends the loop.",
    )
    label_budget: int | None = Field(None, ge=1, description="Stop at this many labels.")
    target_accuracy: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Stop when the accuracy stays at or above this, wherever it comes from: a test "
        "set, random draws or a cross-validation (these two on at least 20 texts).",
    )
    max_rounds: int | None = Field(
        None,
        ge=1,
        description="Stop after this many rounds in which a model was trained and measured; "
        "batches before the first model do not count.",
    )
    stop_set_size: int = Field(
        1000, ge=10, description="How many fixed random texts of the pool the criteria look at."
    )

    @field_validator("criteria")
    @classmethod
    def _each_once(cls, value: tuple[CriterionSection, ...]) -> tuple[CriterionSection, ...]:
        names = [criterion.name for criterion in value]
        if len(set(names)) != len(names):
            raise ValueError("a criterion is listed twice")
        return value
