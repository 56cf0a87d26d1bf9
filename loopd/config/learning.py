"""Owns the settings of the model and of the query strategy."""

from __future__ import annotations

from pydantic import Field, JsonValue

from loopd.config.section import Section

PACKAGED_MODEL = "packaged"
"""Name of the all-MiniLM-L6-v2 weights that the ``offline`` extra installs."""


class ClassifierSection(Section):
    """The model that is trained each round."""

    name: str = Field(
        "transformer",
        description="`transformer`, `frozen-head`, `setfit`, `tfidf`, or the dotted path of a "
        "classifier factory.",
    )
    model: str = Field(
        PACKAGED_MODEL,
        description="Hugging Face name, folder, or `packaged` (all-MiniLM-L6-v2, offline).",
    )
    max_tokens: int = Field(
        256, ge=8, le=10**6, description="Longer texts are cut to so many tokens."
    )
    candidates: int = Field(
        20_000,
        ge=1000,
        le=10**9,
        description="Of a larger pool, so many texts go to `transformer` or `setfit` in a round: "
        "a random half, and those of which a student of the model is least sure.",
    )
    device: str = Field(
        "auto",
        description="`auto`, `cpu`, `cuda` or `cuda:N`; `auto` is a GPU where torch sees one.",
    )
    threads: int | None = Field(
        None, ge=1, le=4096, description="CPU threads for torch; empty: all cores."
    )
    options: dict[str, JsonValue] = Field(
        default_factory=dict, description="Further keyword arguments of the classifier."
    )


class StrategySection(Section):
    """How the next texts are chosen."""

    name: str = Field(
        "auto",
        description="A registered query strategy, or the dotted path of a QueryStrategy.",
    )
    options: dict[str, JsonValue] = Field(
        default_factory=dict, description="Keyword arguments of the strategy."
    )
    cold_start: str = Field(
        "facility_location",
        description="The strategy that chooses as long as there is no model; "
        "`random_sampling` draws at random.",
    )
    cold_start_options: dict[str, JsonValue] = Field(
        default_factory=dict, description="Keyword arguments of the cold start."
    )
