"""Owns the Argilla dataset of a run: finding, making, checking and holding it.

Must not know batches or answers. Of a dataset that others have made nothing is changed: loopd adds
what it lacks, under names that are free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from loopd.annotation import guidelines, queue_mark, record_reader, record_schema, run_mark
from loopd.annotation.dataset_api import DatasetApi
from loopd.annotation.http import ArgillaHttp, ConflictError
from loopd.annotation.label_spelling import LabelSpelling, spelling
from loopd.annotation.record_fields import RecordLayout
from loopd.annotation.record_index import RecordIndex, keys_of
from loopd.annotation.record_schema import METADATA, MetadataNames
from loopd.annotation.run_mark import RunIdentity, RunMark, UnsavedIdentity
from loopd.annotation.store import DatasetSettings
from loopd.config import ArgillaSection
from loopd.data.pool import Pool
from loopd.errors import ArgillaError, DatasetError, TransientError
from loopd.records import published_as
from loopd.tasks.task import Task

Json = dict[str, Any]

PAGE_SIZES = (1000, 997)
"""Records a page, of a first and of a second listing: the borders of their pages differ."""


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """What the dataset of a run must be like.

    Attributes:
        task: its question and field.
        guidelines: for annotators, Markdown; empty for none.
        min_submitted: answers that complete a record.
        run: the run that is to hold the dataset.
        in_place: the pool is the dataset: the run works on its records, and makes none but copies
            that ask for second opinions.
        shown: in which fields people see a text, ``None`` for the task's alone.
    """

    task: Task
    guidelines: str
    min_submitted: int
    run: RunIdentity = field(default_factory=UnsavedIdentity)
    in_place: bool = False
    shown: RecordLayout | None = None

    @property
    def layout(self) -> RecordLayout:
        """In which fields people see a text."""
        return self.shown or RecordLayout((self.task.field_name,))


class ArgillaDataset:
    """One dataset on a server.

    Args:
        section: address, workspace and dataset name.
        http: of the server.
        plan: the dataset that the run needs.
    """

    def __init__(self, section: ArgillaSection, http: ArgillaHttp, plan: DatasetPlan) -> None:
        self._section = section
        self._plan = plan
        self.api = DatasetApi(section, http)
        self.question_id = ""
        self.names = MetadataNames()
        self.labels = LabelSpelling()
        self.index = RecordIndex(plan.task, Pool(()), layout=plan.layout)

    # -- look, make, hold ----------------------------------------------------------------------

    def preview(self, pool: Pool, *, fresh: bool) -> Json | None:
        """Look at the dataset and refuse what cannot serve, without changing anything.

        Returns:
            The dataset as Argilla describes it, ``None`` where it is to be created.

        Raises:
            DatasetError: it is gone, does not fit, or belongs to another run.
        """
        dataset = self.api.find()
        if dataset is None:
            if not fresh:
                raise self._renamed() or self.api.gone()
            if not self._plan.in_place:
                return None
            raise self._absent()
        self._connect(dataset, pool)
        mark = self.mark()
        if mark is None:
            self._find_names()
        self._refuse_other_run(mark, fresh=fresh)
        if dataset["status"] == "draft":
            self._refuse_misfits(draft=True)
            return dataset
        records = self._look_at_records(mark) if fresh else []
        self._check_fit(dataset, fresh=fresh)
        for record in records:
            self._refuse_other_text(record)
        return dataset

    def open(self, pool: Pool, *, fresh: bool) -> None:
        """Find or create the dataset, hold it for the run, and add what it lacks."""
        dataset = self.preview(pool, fresh=fresh)
        if dataset is None:
            dataset = self._create()
            self._connect(dataset, pool)
        self.hold(fresh=fresh)
        if dataset["status"] == "draft":
            self._complete()
            self._check_fit(dataset, fresh=fresh)
        self.add_metadata()  # a run that goes on may have begun when there were fewer
        now, plan = dataset["guidelines"] or "", self._plan
        guidelines.settle(self.api, now, plan.guidelines, plan.run)

    def connect(self, pool: Pool) -> Json:
        """The dataset, whoever holds it; nothing is changed.

        Raises:
            DatasetError: there is none.
        """
        dataset = self.api.find()
        if dataset is None:
            raise self._absent()
        self._connect(dataset, pool)
        if self.mark() is None and not self._find_names():
            self._use_names(record_schema.free_names(self.api.properties(), ()))
        if dataset["status"] != "draft":
            self._refuse_misfits()
            self._know_question()
        return dataset

    def refused_guidelines(self, dataset: Json) -> str:
        """Why those of the configuration do not come to Argilla, empty where nobody wants them."""
        now, plan = dataset["guidelines"] or "", self._plan
        return guidelines.refusal(now, plan.guidelines, plan.run)

    def hold(self, *, fresh: bool = False) -> None:
        """Make sure that the dataset bears the run's mark; a run that began before marks gets one.

        Raises:
            DatasetError: another run holds it.
        """
        mark, own = self.mark(), self._plan.run.read()
        self._refuse_other_run(mark, fresh=fresh)
        if mark is not None:
            if own is None:
                self._plan.run.keep(mark.run_id)
            return
        run_id = own or run_mark.new_run_id()
        self._plan.run.keep(run_id)  # before Argilla hears of it: a crash must not lock us out
        new = RunMark(run_id, self._plan.run.name, self.names.prefix)
        try:
            self.api.request("POST", "/metadata-properties", json=new.property())
        except ConflictError:
            self._refuse_other_run(self.mark(), fresh=fresh)

    def add_metadata(self) -> None:
        """Add the metadata properties that it lacks."""
        present = {entry["name"] for entry in self.api.properties()}
        own = [self.names(name) for name in METADATA]
        bodies = record_schema.property_bodies(self.names)
        for body in (*bodies, *self._plan.layout.property_bodies(own)):
            if body["name"] not in present:
                self.api.request("POST", "/metadata-properties", json=body)
        if self._plan.in_place and queue_mark.PROPERTY not in present:
            self.api.request("POST", "/metadata-properties", json=queue_mark.body())

    def mark(self) -> RunMark | None:
        """The mark that it bears now."""
        mark = run_mark.mark_in(self.api.properties())
        if mark is not None:
            self._use_names(MetadataNames(mark.prefix))
        return mark

    @property
    def run_id(self) -> str:
        """Of the run that holds the dataset, once it does."""
        return self._plan.run.read() or ""

    def records(self, *include: str) -> list[Json]:
        """All records; the index takes them over."""
        records = [record for page in self.api.pages(PAGE_SIZES[0], *include) for record in page]
        self.index.replace(records)
        return records

    def has_grown(self) -> bool:
        """Whether there is a record that the index lacks; the newest come last in the listing."""
        if not self.index.positions:
            return self.api.total() > 0
        params = {"limit": 1, "offset": self.index.total - 1}
        page = self.api.request("GET", "/records", params=params)
        newest = next(reversed(self.index.positions))
        return bool(page["total"] != self.index.total or page["items"][0]["id"] != newest)

    def record(self, record_id: str) -> Json | None:
        """One record as it is now, with responses and suggestions; ``None`` where it is gone."""
        try:
            return record_reader.read(self.api, self.index, record_id)
        except record_reader.UnknownError:
            listed = self.records("responses", "suggestions")
        return next((record for record in listed if record["id"] == record_id), None)

    def settings(self) -> DatasetSettings:
        """What people can change meanwhile, as it is now."""
        dataset = self.api.request("GET", "")
        questions = self.api.items("questions")
        own = next(q for q in questions if q["id"] == self.question_id)
        return DatasetSettings(
            min_submitted=int(dataset["distribution"]["min_submitted"]),
            guidelines=dataset["guidelines"] or "",
            fields={field["name"]: field["settings"]["type"] for field in self.api.items("fields")},
            questions={
                q["name"]: q["settings"]["type"] + (", required" if q["required"] else "")
                for q in questions
            },
            label_texts={
                option["value"]: option["text"] for option in own["settings"].get("options", ())
            },
            people=self.api.people(dataset["workspace_id"]),
        )

    def _connect(self, dataset: Json, pool: Pool) -> None:
        self.api.id = dataset["id"]
        self.index = RecordIndex(self._plan.task, pool, self.names, layout=self._plan.layout)

    def _use_names(self, names: MetadataNames) -> None:
        self.names = self.index.names = names

    def _find_names(self) -> bool:
        """Of a run that was older than marks, or whose mark somebody removed; whether there are."""
        if (names := record_schema.names_in(self.api.properties())) is not None:
            self._use_names(names)
        return names is not None

    def _know_question(self) -> None:
        task = self._plan.task
        questions = {entry["name"]: entry for entry in self.api.items("questions")}
        self.question_id = (own := questions[task.question_name])["id"]
        self.labels = spelling(_options(task.question()), _options(own))

    def _renamed(self) -> DatasetError | None:
        """Whether the run's dataset has another name now."""
        own = self._plan.run.read()
        for dataset in self.api.all():
            self.api.id = dataset["id"]
            mark = run_mark.mark_in(self.api.properties())
            if own is not None and mark is not None and mark.run_id == own:
                name = dataset["name"]
                return DatasetError(
                    f"dataset `{self._section.dataset}` is called `{name}` now",
                    f"set argilla.dataset to `{name}`, or give it its name back in Argilla",
                )
        return None

    def _absent(self) -> DatasetError:
        named = f"`{self._section.dataset}` in workspace `{self._section.workspace}`"
        hint = "check argilla.url, argilla.workspace and argilla.dataset"
        return DatasetError(f"there is no dataset {named} on {self._section.url}", hint)

    def _create(self) -> Json:
        body = {
            "name": self._section.dataset,
            "workspace_id": self.api.workspace_id(),
            "guidelines": self._plan.guidelines or None,
            "allow_extra_metadata": True,
            "distribution": {"strategy": "overlap", "min_submitted": self._plan.min_submitted},
        }
        try:
            return dict(self.api.http.request("POST", "datasets", json=body))
        except ConflictError as error:
            raise TransientError(f"the dataset was created by somebody else: {error}") from error

    def _complete(self) -> None:
        """Add whatever a draft lacks and publish it; goes on where a crash left off."""
        present = {entry["name"] for entry in self.api.items("fields")}
        bodies = self._plan.layout.field_bodies()
        if present <= {body["name"] for body in bodies}:
            for body in bodies:
                if body["name"] not in present:
                    self.api.request("POST", "/fields", json=body)
        if not self.api.items("questions"):
            self._add_question()
        self.add_metadata()
        self._refuse_misfits()
        self.api.request("PUT", "/publish")

    def _add_question(self) -> None:
        try:
            self.api.request("POST", "/questions", json=self._plan.task.question())
        except ConflictError:
            raise
        except ArgillaError as error:
            raise DatasetError(
                f"the server refuses the question with {len(self._plan.task.labels)} labels: "
                f"{error.message}",
                "Argilla takes 500 labels unless ARGILLA_LABEL_SELECTION_OPTIONS_MAX_ITEMS (for "
                "spans ARGILLA_SPAN_OPTIONS_MAX_ITEMS) of the server says otherwise",
            ) from error

    def _look_at_records(self, mark: RunMark | None) -> list[Json]:
        """Learn what others have put there; publishing must replace none of it."""
        records = self.records()
        self._refuse_batches(records)
        if mark is None:
            self._use_names(record_schema.free_names(self.api.properties(), keys_of(records)))
            self.index.replace(records)
        return records

    def _check_fit(self, dataset: Json, *, fresh: bool) -> None:
        needed = dataset["distribution"]["min_submitted"]
        problems = []
        if fresh and needed < self._plan.min_submitted:  # later the run adopts it
            problems.append(
                f"it completes a record at {needed} answers, fewer than queue.min_submitted "
                f"({self._plan.min_submitted})"
            )
        self._refuse_misfits(problems)
        if fresh and not self._plan.in_place:
            self._refuse_required_fields()
        self._know_question()

    def _refuse_misfits(self, problems: Sequence[str] = (), *, draft: bool = False) -> None:
        fields, questions = self.api.items("fields"), self.api.items("questions")
        if draft:
            fields = fields or self._plan.layout.field_bodies()
            questions = questions or [self._plan.task.question()]
        properties = self.api.properties()
        problems = [
            *record_schema.misfits(
                self._plan.task, self._plan.layout, fields, questions, properties, self.names
            ),
            *problems,
        ]
        if self._plan.in_place and (misfit := queue_mark.misfit(properties)):
            problems.append(misfit)
        if problems:
            raise DatasetError(
                f"dataset `{self._section.dataset}` does not fit: {'; '.join(problems)}",
                "choose another argilla.dataset, or change the task to match",
            )

    def _refuse_required_fields(self) -> None:
        """Where a record needs more than the text, loopd can only work on those that are there."""
        names = record_schema.other_required(self._plan.layout, self.api.items("fields"))
        absent = [
            record.id
            for record in self.index.pool
            if published_as(record.id) not in self.index.record_ids
        ]
        if names and absent:
            raise DatasetError(
                f"dataset `{self._section.dataset}` requires another field `{names[0]}`, and "
                f"{len(absent)} texts of the pool are not in it, such as `{absent[0]}`",
                "log them with all of their fields first, or choose another argilla.dataset",
            )

    def _refuse_other_run(self, mark: RunMark | None, *, fresh: bool) -> None:
        own = self._plan.run.read()
        if mark is None or mark.run_id == own or (own is None and not fresh):
            return
        holder = "another run of loopd" + (f" (`{mark.name}`)" if mark.name else "")
        raise DatasetError(
            f"dataset `{self._section.dataset}` belongs to {holder}",
            "choose another argilla.dataset; if that run's folder is lost, `loopd recover` takes "
            f"the dataset over; else remove its metadata property `{run_mark.PROPERTY}`",
        )

    def _refuse_batches(self, records: Sequence[Json]) -> None:
        """Of a run whose folder is lost, or of one that was older than marks."""
        for record in records:
            if record_schema.is_batch(self.names.ours(record.get("metadata"))):
                raise DatasetError(
                    f"dataset `{self._section.dataset}` already holds batches of another run",
                    "restore that run's directory, rebuild its journal with "
                    "`loopd recover`, or choose another argilla.dataset",
                )

    def _refuse_other_text(self, record: Json) -> None:
        record_id, task, pool = record["external_id"], self._plan.task, self.index.pool
        text = self._plan.layout.text_in(record["fields"])
        is_known = record_id in pool and pool[record_id].text  # else it was withdrawn
        if is_known and not record_schema.shows_text(task, text, pool[record_id].text):
            raise DatasetError(
                f"dataset `{self._section.dataset}` has another text under the id `{record_id}`",
                "give the pool other ids, or choose another argilla.dataset",
            )


def _options(question: Json) -> list[str]:
    return [option["value"] for option in question["settings"]["options"]]
