"""Owns the settings of how records go out to people and what their answers amount to."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from loopd.config.section import LONGEST_WAIT, Section


class QueueSection(Section):
    """How records go out to people and come back."""

    batch_size: int = Field(
        20,
        ge=1,
        le=500,
        description="Records in a batch; the minimum if `low_watermark` is `auto` and people "
        "answer more than that while a batch is being prepared.",
    )
    first_batch_size: int | None = Field(
        None, ge=1, le=10_000, description="Records in the first batch; empty: `batch_size`."
    )
    opening_size: int | None = Field(
        None,
        ge=1,
        le=500,
        description="This many records of the first batch, drawn at random, go out immediately; "
        "the rest follows once the pool is encoded, which takes a while. Empty: all together.",
    )
    min_submitted: int = Field(1, ge=1, description="Answers that each record needs.")
    low_watermark: Annotated[int, Field(ge=0)] | Literal["auto"] = Field(
        "auto",
        description="The next batch is prepared once no more records than this are open; "
        "`auto`: as many as people will answer until it is there; 0: people wait for it.",
    )
    patience: float | None = Field(
        None,
        gt=0,
        description="Seconds after which an unfinished batch is used as it is, if it has a label.",
    )
    poll_interval: float = Field(
        3.0, gt=0, le=LONGEST_WAIT, description="Seconds between looks at Argilla."
    )
    sweep_interval: float = Field(
        30.0,
        gt=0,
        description="Seconds after which all answers are read whether or not any have changed; "
        "longer if the dataset has more than 4,000 records or reading takes long. In "
        "between only the open batches are read.",
    )
    suggestions: bool = Field(True, description="Publish the model's suggestion with each record.")
    refresh: bool = Field(
        True,
        description="When there is a new model, rank open records again that nobody has touched, "
        "and renew their suggestions.",
    )

    @property
    def watermark(self) -> int | None:
        """``low_watermark`` where it is a number; ``None`` where loopd sizes the queue itself."""
        return None if self.low_watermark == "auto" else self.low_watermark

    @property
    def first_size(self) -> int:
        """Records in the first batch."""
        return self.first_batch_size or self.batch_size


class PeopleSection(Section):
    """Those who answer."""

    keep_answers_of_deleted_accounts: bool = Field(
        True,
        description="Whether the run keeps the answers that it has read from people whose "
        "accounts are deleted in Argilla, which deletes their answers too; `false`: "
        "their records are asked again.",
    )


class ConsensusSection(Section):
    """How the answers of several annotators become one label."""

    strategy: Literal["majority", "weighted", "crowdlab", "dawid_skene"] = Field(
        "majority",
        description="`majority`; `weighted` by how well annotators agree with each other; "
        "`crowdlab` weighs the model's own predictions too (needs the extra `annotators`); "
        "`dawid_skene` estimates whom each annotator confuses with what.",
    )
    folds: int = Field(
        5,
        ge=2,
        le=50,
        description="Parts of the cross-validation that gives out-of-sample predictions, for "
        "`crowdlab` and for the strategy `activelab`.",
    )


class RelabelSection(Section):
    """Second opinions, for which the strategy `activelab` asks."""

    max_annotations: int = Field(
        5,
        ge=2,
        description="The most answers that are requested for a text, the first ones included. A "
        "second opinion counts as `queue.min_submitted`: its copy in Argilla stays open for that "
        "many.",
    )
    another_person: bool = Field(
        True,
        description="Whether a second opinion must come from somebody who has not answered the "
        "text; `false`: anybody's new answer replaces their old one.",
    )
