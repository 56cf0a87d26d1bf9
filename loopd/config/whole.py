"""Owns the whole configuration of a run, and what must fit together in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, model_validator

from loopd.config.audit import AuditSection
from loopd.config.compute import ComputeSection
from loopd.config.dashboard import DashboardSection
from loopd.config.data import HoldoutSection, PoolSection
from loopd.config.digest import digest
from loopd.config.learning import ClassifierSection, StrategySection
from loopd.config.people import ConsensusSection, PeopleSection, QueueSection, RelabelSection
from loopd.config.places import ArgillaSection, LogSection, RunSection
from loopd.config.section import Section
from loopd.config.sinks import SinksSection
from loopd.config.stopping import StoppingSection
from loopd.config.task import TaskSection

ACTIVELAB = "activelab"
"""The strategy that also asks for second opinions."""

ACTIVELAB_TASKS: Mapping[str, tuple[str, ...]] = {ACTIVELAB: ("single_label",)}
CONSENSUS_TASKS: Mapping[str, tuple[str, ...]] = {
    "crowdlab": ("single_label",),
    "dawid_skene": ("single_label", "multi_label"),
}
AUTO_TASKS: Mapping[str, tuple[str, ...]] = {"auto": ("single_label",)}
"""Kinds of tasks for which a strategy, or a way to decide, is defined; others take all."""


def in_the_dataset_of_the_pool(content: object) -> object:
    """Settings with what follows from a pool in Argilla: the loop works there, on its text field.

    Args:
        content: what the file says; anything that is no such settings is given back as it is.

    Raises:
        ValueError: two keys contradict each other.
    """
    pool = _part(content, "pool")
    there = _part(pool, "argilla")
    if not isinstance(content, dict) or not there:
        return content
    filled = dict(content)
    for section, key, name, value in (
        ("argilla", "dataset", "pool.argilla.dataset", there.get("dataset")),
        ("argilla", "workspace", "pool.argilla.workspace", there.get("workspace")),
        ("task", "field", "pool.text", pool.get("text")),
    ):
        part = filled.get(section)
        if not isinstance(value, str) or not isinstance(part, dict | None):
            continue
        if (part or {}).get(key, value) != value:
            raise ValueError(f"{section}.{key} is not {name}: leave it out, the loop works there")
        filled[section] = {**(part or {}), key: value}
    return filled


def _part(content: object, key: str) -> dict[str, Any]:
    part = content.get(key) if isinstance(content, dict) else None
    return part if isinstance(part, dict) else {}


class Config(Section):
    """The whole configuration of a run."""

    run: RunSection = Field(default_factory=RunSection, description="The run.")
    argilla: ArgillaSection = Field(
        default_factory=ArgillaSection, description="The annotation server."
    )
    task: TaskSection = Field(description="The task.")
    pool: PoolSection = Field(description="The texts to choose from.")
    test: HoldoutSection | None = Field(
        None, description="Labelled texts that measure the accuracy."
    )
    classifier: ClassifierSection = Field(
        default_factory=ClassifierSection, description="The model."
    )
    strategy: StrategySection = Field(
        default_factory=StrategySection, description="The query strategy."
    )
    queue: QueueSection = Field(default_factory=QueueSection, description="The annotation queue.")
    people: PeopleSection = Field(default_factory=PeopleSection, description="Those who answer.")
    consensus: ConsensusSection = Field(
        default_factory=ConsensusSection, description="Several annotators."
    )
    relabel: RelabelSection = Field(default_factory=RelabelSection, description="Second opinions.")
    audit: AuditSection = Field(default_factory=AuditSection, description="Random draws.")
    stopping: StoppingSection = Field(default_factory=StoppingSection, description="The end.")
    dashboard: DashboardSection = Field(
        default_factory=DashboardSection, description="The live page."
    )
    compute: ComputeSection = Field(
        default_factory=ComputeSection, description="Where the work is done."
    )
    log: LogSection = Field(default_factory=LogSection, description="The log.")
    sinks: SinksSection = Field(
        default_factory=SinksSection, description="Where else the rounds are written."
    )

    _folder: Path = PrivateAttr(default_factory=Path.cwd)
    _file: Path | None = PrivateAttr(None)

    @property
    def test_ask(self) -> int:
        """Texts of the pool that people label as the test set, 0 where it is a file or absent."""
        return (self.test.ask or 0) if self.test is not None else 0

    @property
    def folder(self) -> Path:
        """Folder of the configuration file: dotted paths may name modules in it."""
        return self._folder

    @property
    def file(self) -> Path | None:
        """The configuration file; ``None`` where the settings come from none."""
        return self._file

    @model_validator(mode="before")
    @classmethod
    def _one_dataset(cls, content: object) -> object:
        return in_the_dataset_of_the_pool(content)

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        if self.test is not None and not self.test_ask and self.test.label is None:
            raise ValueError("test.label: a test set needs the column of its labels")
        if self.stopping.target_accuracy is not None and not self._measures:
            raise ValueError(
                "stopping.target_accuracy needs an accuracy: a `test` set, or audit.random_share "
                "or audit.folds above 0"
            )
        budget = self.stopping.label_budget
        if budget is not None and budget <= self.test_ask:
            raise ValueError(
                f"stopping.label_budget ({budget}) is used up by test.ask ({self.test_ask}): "
                "nothing is left to train on"
            )
        self._refuse_unlike_texts()
        mark = self.queue.watermark
        if mark is not None and mark >= self.queue.batch_size:
            raise ValueError("queue.low_watermark must be smaller than queue.batch_size")
        self._refuse_for_task("strategy.name", self.strategy.name, ACTIVELAB_TASKS)
        needed, most = self.queue.min_submitted, self.relabel.max_annotations
        # A copy is open for as many answers as a new text; what came with the pool may be fewer.
        brought = self.pool.answers or self.pool.argilla
        least = needed if brought else 2 * needed
        if self.strategy.name == ACTIVELAB and least > most:
            raise ValueError(
                f"relabel.max_annotations ({most}) leaves no room for a second opinion: with "
                f"queue.min_submitted ({needed}) a text has {needed} answers, and its copy brings "
                f"{needed} more"
            )
        self._refuse_for_task("classifier.name", self.classifier.name, AUTO_TASKS)
        self._refuse_for_task("consensus.strategy", self.consensus.strategy, CONSENSUS_TASKS)
        return self

    def _refuse_unlike_texts(self) -> None:
        """Where a text has several parts, people and model must be able to do with them."""
        several = self.pool.text if isinstance(self.pool.text, tuple) else None
        if several and self.task.type == "spans":
            raise ValueError(
                "pool.text: spans are marked in one text; name one column, and the others in "
                "pool.show"
            )
        if self.test is not None and not self.test_ask and self.test.text != self.pool.text:
            listed = (self.test.text, self.pool.text)
            if any(isinstance(text, tuple) for text in listed):
                raise ValueError("test.text must list the columns that pool.text lists")
        if not several and self.task.field in self.pool.shown_fields:
            raise ValueError(
                f"pool.show: {self.task.field!r} is the name of the text's field in Argilla; set "
                "another task.field"
            )

    @property
    def _measures(self) -> bool:
        """Whether anything measures the model."""
        return self.test is not None or self.audit.random_share != 0 or self.audit.folds != 0

    def _refuse_for_task(self, key: str, name: str, fitting: Mapping[str, tuple[str, ...]]) -> None:
        kinds = fitting.get(name)
        if kinds is not None and self.task.type not in kinds:
            kinds_text = " or ".join(kinds)
            raise ValueError(f"{key}: {name} needs a {kinds_text} task, not {self.task.type}")

    def digest(self) -> str:
        """Hash of everything that shapes the results: 12 hexadecimal digits.

        Settings that a later version adds count from their first value that is no default; see
        :mod:`loopd.config.digest` for what never counts.
        """
        return digest(self, self.run.seed)
