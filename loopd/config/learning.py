"""Owns the settings of the model and of the query strategy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, field_validator

from loopd.config.section import Section

PACKAGED_MODEL = "packaged"
"""Name of the all-MiniLM-L6-v2 weights that the ``offline`` extra installs."""

USUAL_CANDIDATES = 20_000
USUAL_CANDIDATE_TOKENS = 64 * USUAL_CANDIDATES
"""What goes to a slow classifier each round where nothing is said of it."""


class ClassifierSection(Section):
    """The model that is trained each round."""

    name: str = Field(
        "transformer",
        description="`transformer`, `frozen-head`, `setfit`, `tfidf`, `auto` (the first or the "
        "second, as the run's own labels suggest), or the dotted path of a classifier "
        "factory.",
    )
    model: str = Field(
        PACKAGED_MODEL,
        description="Hugging Face name, folder, or `packaged` (all-MiniLM-L6-v2, offline).",
    )
    max_tokens: int = Field(
        256, ge=8, le=10**6, description="Longer texts are cut to this many tokens."
    )
    windows: Literal["none", "mean", "head_tail"] = Field(
        "none",
        description="What `transformer` and `frozen-head` read of a text longer than that: its "
        "beginning (`none`), all of it in windows whose vectors are averaged (`mean`), or its "
        "beginning and its end (`head_tail`).",
    )
    candidates: int = Field(
        USUAL_CANDIDATES,
        ge=1000,
        le=10**9,
        description="From a larger pool, `transformer` or `setfit` scores this many texts each "
        "round: half of them random, half those of which a student of the model is "
        "least sure.",
    )
    candidate_tokens: int | None = Field(
        None,
        ge=64_000,
        le=10**12,
        description="With `transformer` those texts have at most about this many tokens, so there "
        "are fewer of them if they are long; empty: 1280000 (64 per text) with the default "
        "`candidates`, no limit with another number.",
    )
    device: str = Field(
        "auto",
        description="`auto`, `cpu`, `cuda` or `cuda:N`; `auto` is a GPU where torch sees one.",
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="CPU threads for torch; empty: OMP_NUM_THREADS, else all cores.",
    )
    options: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="Further keyword arguments of the classifier; with `auto`, those of each "
        "classifier under its name.",
    )

    @property
    def candidate_limit(self) -> int | None:
        """Tokens of all candidates together; ``None``: as many as they have."""
        usual = USUAL_CANDIDATE_TOKENS if self.candidates == USUAL_CANDIDATES else None
        return usual if self.candidate_tokens is None else self.candidate_tokens


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
        description="The strategy that chooses while there is no model; `random_sampling` draws "
        "at random.",
    )
    cold_start_options: dict[str, JsonValue] = Field(
        default_factory=dict, description="Keyword arguments of the cold start."
    )
    fresh_share: Annotated[float, Field(ge=0, le=1)] | Literal["auto", "off"] = Field(
        "auto",
        description="Share of what is chosen that comes from texts that joined the pool late. "
        "`auto`: none, until new texts are unlike the others or the model is worse on them; then "
        "half, until enough of them are labelled. A number: always that share, of the texts that "
        "joined last. `off`: none.",
    )

    @field_validator("fresh_share", mode="before")
    @classmethod
    def _off(cls, value: object) -> object:
        """YAML takes a bare ``off`` for false, and Python a bare ``true`` for 1."""
        return ("on" if value else "off") if isinstance(value, bool) else value
