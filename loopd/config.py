"""Owns every setting, its default and its meaning; must not look at files, data or servers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

PACKAGED_MODEL = "packaged"
"""Name of the all-MiniLM-L6-v2 weights that the ``offline`` extra installs."""

LONGEST_LABEL = 200
"""Characters of a label that Argilla takes."""

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"


class Section(BaseModel):
    """A part of the configuration: frozen, and strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class RunSection(Section):
    """Where a run lives and what makes it repeatable."""

    dir: Path = Field(
        Path("runs/default"), description="Folder of the run: journal, metrics log, models, plots."
    )
    seed: int = Field(42, ge=0, lt=2**31, description="Seed of everything random in the run.")
    keep_models: int = Field(
        2, ge=1, description="How many of the latest models stay on disk (they can be rebuilt)."
    )


class ArgillaSection(Section):
    """How to reach the annotation server."""

    url: str = Field("http://127.0.0.1:6900", description="Address of the Argilla 2 server.")
    api_key_env: str = Field(
        "ARGILLA_API_KEY",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Environment variable that holds the API key.",
    )
    api_key_file: Path | None = Field(
        None, description="File whose first line is the API key; used when the variable is unset."
    )
    workspace: str = Field("loopd", min_length=1, description="Workspace of the dataset.")
    dataset: str = Field(
        "loopd", min_length=1, pattern=NAME_PATTERN, description="Name of the dataset."
    )
    timeout: float = Field(30.0, gt=0, description="Seconds until one request is given up.")
    max_backoff: float = Field(
        30.0, gt=0, description="Longest pause in seconds between tries while Argilla is down."
    )
    give_up_after: float | None = Field(
        None, gt=0, description="End after so many seconds of outage; empty: wait for ever."
    )

    @field_validator("url")
    @classmethod
    def _http_only(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must start with http:// or https:// and name a host")
        if parts.username is not None:
            raise ValueError("must not hold a user or a password")
        if parts.port == 0:
            raise ValueError("port 0 is no port")
        return value.rstrip("/")


class TaskSection(Section):
    """What people are asked."""

    type: Literal["single_label", "multi_label", "spans"] = Field(
        "single_label",
        description="Kind of task: one label for each text, any number of labels, or labelled "
        "pieces of the text (named entities).",
    )
    labels: tuple[str, ...] = Field(
        description="The labels, in the order in which they are shown; at most 500.",
        min_length=1,
        max_length=500,
    )
    none_label: str | None = Field(
        None,
        min_length=1,
        max_length=LONGEST_LABEL,
        description="`multi_label`: an option of its own for texts to which no label applies, such "
        "as `None of these`; empty: each text has a label.",
    )
    question: str = Field(
        "label", pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Name of the Argilla question."
    )
    field: str = Field(
        "text", pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Name of the Argilla text field."
    )
    title: str | None = Field(
        None,
        min_length=1,
        max_length=500,
        description="Title of the question in the UI; empty: one that fits the kind of task.",
    )
    guidelines: str = Field(
        "", max_length=10_000, description="Annotation guidelines, Markdown; empty for none."
    )

    @field_validator("labels", mode="before")
    @classmethod
    def _labels_are_text(cls, value: object) -> object:
        if isinstance(value, (list, tuple)):
            return tuple(item if isinstance(item, str) else _plain(item) for item in value)
        return value

    @field_validator("labels")
    @classmethod
    def _labels_are_distinct(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if len(value) < 2 and info.data.get("type") == "single_label":
            raise ValueError("one label out of one is no question; list at least two")
        if any(not label.strip() for label in value):
            raise ValueError("a label is empty")
        if any(len(label) > LONGEST_LABEL for label in value):
            raise ValueError(f"a label is longer than {LONGEST_LABEL} characters")
        if len(set(value)) != len(value):
            raise ValueError("a label is listed twice")
        return value

    @model_validator(mode="after")
    def _fits_the_kind(self) -> TaskSection:
        if self.none_label is not None and self.type != "multi_label":
            raise ValueError("none_label: only a multi_label task has it")
        if self.none_label in self.labels:
            raise ValueError("none_label: the name is already a label")
        return self


class DataSection(Section):
    """A set of texts: a local file or folder, or a data set of the Hugging Face hub."""

    path: Path | None = Field(
        None,
        description="CSV, JSONL or CoNLL (each also .gz), Parquet, or a folder made by "
        "`save_to_disk`.",
    )
    hub: str | None = Field(None, description="Name of a Hugging Face data set, instead of `path`.")
    hub_config: str | None = Field(None, description="Configuration of the hub data set.")
    split: str | None = Field(None, description="Split of a hub data set or of a saved folder.")
    text: str = Field("text", description="Column of the texts.")
    id: str | None = Field(None, description="Column of the ids; empty: made from the content.")
    label: str | None = Field(
        None, description="Column of known labels: needed for a test set and for `loopd oracle`."
    )
    answers: str | None = Field(
        None,
        description="Column of labels that people gave before: they are answers from the start.",
    )
    annotator: str = Field(
        "imported",
        min_length=1,
        max_length=LONGEST_LABEL,
        description="Who gave the `answers` whose cell does not name anybody.",
    )
    separator: str = Field(
        "|",
        min_length=1,
        max_length=5,
        description="`multi_label`: what stands between the labels of a cell that is no list.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> DataSection:
        if (self.path is None) == (self.hub is None):
            raise ValueError("give exactly one of `path` and `hub`")
        return self


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
    max_tokens: int = Field(256, ge=8, description="Longer texts are cut to so many tokens.")
    candidates: int = Field(
        20_000,
        ge=1000,
        description="Of a larger pool, so many texts go to `transformer` or `setfit` in a round: "
        "a random half, and those of which a student of the model is least sure.",
    )
    device: str = Field("auto", description="`auto`, `cpu`, `cuda` or `cuda:N`.")
    threads: int | None = Field(None, ge=1, description="CPU threads for torch; empty: all cores.")
    options: dict[str, Any] = Field(
        default_factory=dict, description="Further keyword arguments of the classifier."
    )


class StrategySection(Section):
    """How the next texts are chosen."""

    name: str = Field(
        "auto",
        description="A registered query strategy, or the dotted path of a QueryStrategy.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Keyword arguments of the strategy."
    )
    cold_start: str = Field(
        "facility_location",
        description="The strategy that chooses as long as there is no model; "
        "`random_sampling` draws at random.",
    )
    cold_start_options: dict[str, Any] = Field(
        default_factory=dict, description="Keyword arguments of the cold start."
    )


class QueueSection(Section):
    """How records go out to people and come back."""

    batch_size: int = Field(20, ge=1, le=500, description="Records in one batch.")
    first_batch_size: int | None = Field(
        None, ge=1, le=500, description="Records in the first batch; empty: `batch_size`."
    )
    min_submitted: int = Field(1, ge=1, description="Answers that one record needs.")
    low_watermark: int = Field(
        0, ge=0, description="The next batch is prepared once no more records than this are open."
    )
    patience: float | None = Field(
        None,
        gt=0,
        description="Seconds after which an unfinished batch is used as it is, if it has a label.",
    )
    poll_interval: float = Field(3.0, gt=0, description="Seconds between looks at Argilla.")
    sweep_interval: float = Field(
        30.0, gt=0, description="Seconds after which all answers are read whether or not any moved."
    )
    suggestions: bool = Field(True, description="Publish the model's proposal with each record.")

    @property
    def first_size(self) -> int:
        """Records in the first batch."""
        return self.first_batch_size or self.batch_size


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
        5, ge=2, description="So many answers a text gets at most, the first one included."
    )
    another_person: bool = Field(
        True,
        description="Whether a second opinion must come from somebody who has not answered the "
        "text; `false`: anybody's new answer replaces their old one.",
    )


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
    options: dict[str, Any] = Field(
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
        2, ge=1, description="Rounds in a row that a criterion must hold before it ends the loop."
    )
    label_budget: int | None = Field(None, ge=1, description="End at so many labels.")
    target_accuracy: float | None = Field(
        None, gt=0, le=1, description="End when the test accuracy stays at or above this."
    )
    max_rounds: int | None = Field(None, ge=1, description="End after so many rounds.")
    stop_set_size: int = Field(
        1000, ge=10, description="Fixed random texts of the pool on which the criteria look."
    )

    @field_validator("criteria")
    @classmethod
    def _each_once(cls, value: tuple[CriterionSection, ...]) -> tuple[CriterionSection, ...]:
        names = [criterion.name for criterion in value]
        if len(set(names)) != len(names):
            raise ValueError("a criterion is listed twice")
        return value


class LogSection(Section):
    """What the daemon prints."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level.")
    format: Literal["auto", "text", "json"] = Field(
        "auto", description="`auto` is text on a terminal and JSON lines otherwise."
    )


ACTIVELAB = "activelab"
"""The strategy that also asks for second opinions."""

ACTIVELAB_TASKS: Mapping[str, tuple[str, ...]] = {ACTIVELAB: ("single_label",)}
CONSENSUS_TASKS: Mapping[str, tuple[str, ...]] = {
    "crowdlab": ("single_label",),
    "dawid_skene": ("single_label", "multi_label"),
}
"""Kinds of tasks for which a strategy is defined; one that is not listed takes all."""


class Config(Section):
    """The whole configuration of a run."""

    run: RunSection = Field(default_factory=RunSection, description="The run.")
    argilla: ArgillaSection = Field(
        default_factory=ArgillaSection, description="The annotation server."
    )
    task: TaskSection = Field(description="The task.")
    pool: DataSection = Field(description="The texts to choose from.")
    test: DataSection | None = Field(None, description="Labelled texts that measure the accuracy.")
    classifier: ClassifierSection = Field(
        default_factory=ClassifierSection, description="The model."
    )
    strategy: StrategySection = Field(
        default_factory=StrategySection, description="The query strategy."
    )
    queue: QueueSection = Field(default_factory=QueueSection, description="The annotation queue.")
    consensus: ConsensusSection = Field(
        default_factory=ConsensusSection, description="Several annotators."
    )
    relabel: RelabelSection = Field(default_factory=RelabelSection, description="Second opinions.")
    stopping: StoppingSection = Field(default_factory=StoppingSection, description="The end.")
    log: LogSection = Field(default_factory=LogSection, description="The log.")

    _folder: Path = PrivateAttr(default_factory=Path.cwd)

    @property
    def folder(self) -> Path:
        """Folder of the configuration file: dotted paths may name modules in it."""
        return self._folder

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        if self.test is not None and self.test.label is None:
            raise ValueError("test.label: a test set needs the column of its labels")
        if self.stopping.target_accuracy is not None and self.test is None:
            raise ValueError("stopping.target_accuracy needs a `test` set")
        if self.queue.low_watermark >= self.queue.batch_size:
            raise ValueError("queue.low_watermark must be smaller than queue.batch_size")
        self._refuse_for_task("strategy.name", self.strategy.name, ACTIVELAB_TASKS)
        self._refuse_for_task("consensus.strategy", self.consensus.strategy, CONSENSUS_TASKS)
        return self

    def _refuse_for_task(self, key: str, name: str, fitting: Mapping[str, tuple[str, ...]]) -> None:
        kinds = fitting.get(name)
        if kinds is not None and self.task.type not in kinds:
            wanted = " or ".join(kinds)
            raise ValueError(f"{key}: {name} needs a {wanted} task, not {self.task.type}")

    def digest(self) -> str:
        """Hash of everything that shapes the results: 12 hexadecimal digits.

        Where things lie, how the server is reached and what is logged are left out; the contents
        of the data sets have fingerprints of their own.
        """
        places: dict[str, Any] = {"argilla": True, "log": True, "run": True}
        places |= {"pool": {"path"}, "test": {"path"}}
        shaping = self.model_dump(mode="json", exclude=places)
        shaping["seed"] = self.run.seed
        text = json.dumps(shaping, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(value: object) -> str:
    kind = type(value).__name__
    raise ValueError(f"{value!r} is read as {kind}; write it in quotes")
