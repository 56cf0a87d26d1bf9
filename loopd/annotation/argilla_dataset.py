"""Owns the Argilla dataset of a run: finding, making, checking and holding it.

Must not know batches or answers. Of a dataset that others have made nothing is changed: loopd adds
what it lacks, under names that are free.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from loopd.annotation import run_mark, schema
from loopd.annotation.http import ArgillaHttp, ConflictError, NotFoundError
from loopd.annotation.record_index import RecordIndex, keys_of
from loopd.annotation.run_mark import RunIdentity, RunMark, UnsavedIdentity
from loopd.annotation.schema import MetadataNames
from loopd.annotation.store import DatasetSettings, Progress
from loopd.config import ArgillaSection
from loopd.data.pool import Pool
from loopd.errors import ArgillaError, DatasetError, TransientError
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
    """

    task: Task
    guidelines: str
    min_submitted: int
    run: RunIdentity = field(default_factory=UnsavedIdentity)


class ArgillaDataset:
    """One dataset on a server.

    Args:
        section: address, workspace and dataset name.
        http: of the server.
        plan: the dataset that the run needs.
    """

    def __init__(self, section: ArgillaSection, http: ArgillaHttp, plan: DatasetPlan) -> None:
        self._section = section
        self._http = http
        self._plan = plan
        self.id = ""
        self.question_id = ""
        self.names = MetadataNames()
        self.index = RecordIndex(plan.task, Pool(()))

    # -- look, make, hold ----------------------------------------------------------------------

    def preview(self, pool: Pool, *, fresh: bool) -> Json | None:
        """Look at the dataset and refuse what cannot serve, without changing anything.

        Returns:
            The dataset as Argilla describes it, ``None`` where it is to be created.

        Raises:
            DatasetError: it is gone, does not fit, or belongs to another run.
        """
        dataset = self.find()
        if dataset is None:
            if not fresh:
                raise self.gone()
            return None
        self._connect(dataset, pool)
        mark = self.mark()
        self._refuse_other_run(mark, fresh=fresh)
        if dataset["status"] == "draft":
            self._refuse_misfits(draft=True)
            return dataset
        if fresh:
            self._look_at_records(mark)
        self._check_fit(dataset, fresh=fresh)
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
        self._add_metadata()  # a run that goes on may have begun when there were fewer

    def connect(self, pool: Pool) -> Json:
        """The dataset, whoever holds it; nothing is changed.

        Raises:
            DatasetError: there is none.
        """
        dataset = self.find()
        if dataset is None:
            raise DatasetError(
                f"there is no dataset `{self._section.dataset}` in workspace "
                f"`{self._section.workspace}` on {self._section.url}",
                "check argilla.url, argilla.workspace and argilla.dataset",
            )
        self._connect(dataset, pool)
        if dataset["status"] != "draft":
            self._refuse_misfits()
            self._know_question()
        return dataset

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
            self.request("POST", "/metadata-properties", json=new.property())
        except ConflictError:
            self._refuse_other_run(self.mark(), fresh=fresh)

    def find(self) -> Json | None:
        """The dataset as Argilla describes it, ``None`` where there is none of its name."""
        listed = self._http.get("me/datasets", workspace_id=self._workspace_id())["items"]
        named = [dataset for dataset in listed if dataset["name"] == self._section.dataset]
        return named[0] if named else None

    def mark(self) -> RunMark | None:
        """The mark that it bears now."""
        mark = run_mark.mark_in(self.properties())
        if mark is not None:
            self._use_names(MetadataNames(mark.prefix))
        return mark

    @property
    def run_id(self) -> str:
        """Of the run that holds the dataset, once it does."""
        return self._plan.run.read() or ""

    # -- requests ------------------------------------------------------------------------------

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON answer to a request below the dataset's own address."""
        try:
            return self._http.request(method, f"datasets/{self.id}{path}", **arguments)
        except NotFoundError as error:
            raise self.gone() from error

    def items(self, what: str) -> list[Json]:
        """Its ``fields`` or ``questions``."""
        items: list[Json] = self.request("GET", f"/{what}")["items"]
        return items

    def properties(self) -> list[Json]:
        """Its metadata properties."""
        try:
            answer = self._http.get(f"me/datasets/{self.id}/metadata-properties")
        except NotFoundError as error:
            raise self.gone() from error
        items: list[Json] = answer["items"]
        return items

    def pages(
        self, size: int, *include: str, progress: Progress | None = None
    ) -> Iterator[list[Json]]:
        """All records, page by page; with ``responses`` unless something else is to be included."""
        offset, total = 0, 1
        while offset < total:
            params = {"include": include or "responses", "limit": size, "offset": offset}
            page = self.request("GET", "/records", params=params)
            total = page["total"] if page["items"] else 0
            offset += len(page["items"])
            if progress is not None and total:
                progress("reading records", offset, total)
            yield page["items"]

    def records(self, *include: str) -> list[Json]:
        """All records; the index takes them over."""
        records = [record for page in self.pages(PAGE_SIZES[0], *include) for record in page]
        self.index.replace(records, len(records))
        return records

    def total(self) -> int:
        """How many records it has now."""
        return int(self.request("GET", "/records", params={"limit": 1})["total"])

    def settings(self) -> DatasetSettings:
        """What people can change meanwhile, as it is now."""
        dataset = self.request("GET", "")
        questions = self.items("questions")
        own = next(q for q in questions if q["id"] == self.question_id)
        return DatasetSettings(
            min_submitted=int(dataset["distribution"]["min_submitted"]),
            guidelines=dataset["guidelines"] or "",
            fields={field["name"]: field["settings"]["type"] for field in self.items("fields")},
            questions={
                q["name"]: q["settings"]["type"] + (", required" if q["required"] else "")
                for q in questions
            },
            label_texts={
                option["value"]: option["text"] for option in own["settings"].get("options", ())
            },
            people=self._people(dataset["workspace_id"]),
        )

    def _people(self, workspace_id: str) -> frozenset[str]:
        members = self._http.get(f"workspaces/{workspace_id}/users")["items"]
        return frozenset(member["username"] for member in members)

    def gone(self) -> DatasetError:
        """The error of a dataset that was there."""
        return DatasetError(
            f"dataset `{self._section.dataset}` is gone from {self._section.url}",
            "restore it in Argilla; the journal still holds every answer that was read",
        )

    # -- details -------------------------------------------------------------------------------

    def _connect(self, dataset: Json, pool: Pool) -> None:
        self.id = dataset["id"]
        self.index = RecordIndex(self._plan.task, pool, self.names)

    def _use_names(self, names: MetadataNames) -> None:
        self.names = self.index.names = names

    def _know_question(self) -> None:
        name, questions = self._plan.task.question_name, self.items("questions")
        self.question_id = next(entry["id"] for entry in questions if entry["name"] == name)

    def _workspace_id(self) -> str:
        spaces = self._http.get("me/workspaces")["items"]
        for space in spaces:
            if space["name"] == self._section.workspace:
                return str(space["id"])
        names = sorted(space["name"] for space in spaces)
        raise DatasetError(
            f"no workspace `{self._section.workspace}` for this account (it sees {names})",
            "create it in Argilla, add the account to it, or set argilla.workspace",
        )

    def _create(self) -> Json:
        body = {
            "name": self._section.dataset,
            "workspace_id": self._workspace_id(),
            "guidelines": self._plan.guidelines or None,
            "allow_extra_metadata": True,
            "distribution": {"strategy": "overlap", "min_submitted": self._plan.min_submitted},
        }
        try:
            created: Json = self._http.request("POST", "datasets", json=body)
        except ConflictError as error:
            raise TransientError(f"the dataset was created by somebody else: {error}") from error
        return created

    def _complete(self) -> None:
        """Add whatever a draft lacks and publish it; goes on where a crash left off."""
        task = self._plan.task
        if not self.items("fields"):
            self.request("POST", "/fields", json=schema.field(task))
        if not self.items("questions"):
            self._add_question()
        self._add_metadata()
        self._refuse_misfits()
        self.request("PUT", "/publish")

    def _add_question(self) -> None:
        try:
            self.request("POST", "/questions", json=self._plan.task.question())
        except ConflictError:
            raise
        except ArgillaError as error:
            raise DatasetError(
                f"the server refuses the question with {len(self._plan.task.labels)} labels: "
                f"{error.message}",
                "Argilla takes 500 labels unless ARGILLA_LABEL_SELECTION_OPTIONS_MAX_ITEMS (for "
                "spans ARGILLA_SPAN_OPTIONS_MAX_ITEMS) of the server says otherwise",
            ) from error

    def _add_metadata(self) -> None:
        present = {entry["name"] for entry in self.properties()}
        for name in schema.METADATA:
            if self.names(name) not in present:
                body = schema.metadata_property(name, self.names)
                self.request("POST", "/metadata-properties", json=body)

    def _look_at_records(self, mark: RunMark | None) -> None:
        """Learn what others have put there; publishing must replace none of it."""
        records = self.records()
        self._refuse_batches(records)
        if mark is None:
            self._use_names(schema.free_names(self.properties(), keys_of(records)))
            self.records()
        for record in records:
            self._refuse_other_text(record)

    def _check_fit(self, dataset: Json, *, fresh: bool) -> None:
        needed = dataset["distribution"]["min_submitted"]
        problems = []
        if needed < self._plan.min_submitted:
            problems.append(
                f"it completes a record at {needed} answers, fewer than queue.min_submitted "
                f"({self._plan.min_submitted})"
            )
        self._refuse_misfits(problems)
        if fresh:
            self._refuse_required_fields()
        self._know_question()

    def _refuse_misfits(self, problems: Sequence[str] = (), *, draft: bool = False) -> None:
        fields, questions = self.items("fields"), self.items("questions")
        if draft:
            fields = fields or [schema.field(self._plan.task)]
            questions = questions or [self._plan.task.question()]
        problems = [
            *schema.misfits(self._plan.task, fields, questions, self.properties(), self.names),
            *problems,
        ]
        if problems:
            raise DatasetError(
                f"dataset `{self._section.dataset}` does not fit: {'; '.join(problems)}",
                "choose another argilla.dataset, or change the task to match",
            )

    def _refuse_required_fields(self) -> None:
        """Where a record needs more than the text, loopd can only work on those that are there."""
        names = schema.other_required(self._plan.task, self.items("fields"))
        absent = [record.id for record in self.index.pool if record.id not in self.index.record_ids]
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
        holder = f"another run of loopd (`{mark.name}`)" if mark.name else "another run of loopd"
        raise DatasetError(
            f"dataset `{self._section.dataset}` belongs to {holder}",
            "choose another argilla.dataset; if that run's folder is lost, `loopd recover` takes "
            f"the dataset over; else remove its metadata property `{run_mark.PROPERTY}`",
        )

    def _refuse_batches(self, records: Sequence[Json]) -> None:
        """Of a run whose folder is lost, or of one that was older than marks."""
        for record in records:
            if schema.is_batch(self.names.ours(record.get("metadata"))):
                raise DatasetError(
                    f"dataset `{self._section.dataset}` already holds batches of another run",
                    "restore that run's directory, rebuild its journal with "
                    "`loopd recover`, or choose another argilla.dataset",
                )

    def _refuse_other_text(self, record: Json) -> None:
        record_id, task, pool = record["external_id"], self._plan.task, self.index.pool
        text = record["fields"].get(task.field_name)
        if record_id not in pool or text is None:
            return
        if not schema.shows_text(task, text, pool[record_id].text):
            raise DatasetError(
                f"dataset `{self._section.dataset}` has another text under the id `{record_id}`",
                "give the pool other ids, or choose another argilla.dataset",
            )
