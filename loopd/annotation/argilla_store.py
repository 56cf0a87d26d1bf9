"""Owns the loop's conversation with Argilla 2: one dataset, its records and answers.

Must not decide anything about the loop. It reads records through the route that answers from
the database, because a search index may lag, and matches them by external id, never by order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from loopd.annotation import schema
from loopd.annotation.http import ArgillaHttp, ConflictError, NotFoundError
from loopd.annotation.store import Progress, Published, Sweep
from loopd.config import ArgillaSection
from loopd.data.pool import Pool
from loopd.errors import ArgillaError, DatasetError, TransientError
from loopd.records import Answer, Batch
from loopd.tasks.task import Task

Json = dict[str, Any]

_BULK = 250
_PAGES = (1000, 997)  # two sizes: the second listing cuts its pages elsewhere


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """What the dataset must look like.

    Attributes:
        task: question and field.
        guidelines: Markdown, may be empty.
        min_submitted: answers that complete a record.
    """

    task: Task
    guidelines: str
    min_submitted: int


def annotation_page(url: str, dataset_id: str) -> str:
    """Address at which people answer the records of a dataset."""
    return f"{url}/dataset/{dataset_id}/annotation-mode"


class ArgillaStore:
    """An :class:`~loopd.annotation.store.AnnotationStore` on a real Argilla 2 server.

    Args:
        section: address, workspace and dataset name.
        api_key: of an owner, or of an admin of the workspace.
        plan: the dataset that the run needs.
    """

    def __init__(self, section: ArgillaSection, api_key: str, plan: DatasetPlan) -> None:
        self._section = section
        self._plan = plan
        self._http = ArgillaHttp(section.url, api_key, section.timeout)
        self._dataset_id = ""
        self._question_id = ""
        self._missing: set[str] = set()

    def open(self, pool: Pool, *, fresh: bool) -> str:
        """Find or create the dataset; see :meth:`AnnotationStore.open`."""
        workspace_id = self._workspace_id()
        dataset = self._find(workspace_id)
        if dataset is None and not fresh:
            raise self._gone()
        if dataset is None:
            dataset = self._create(workspace_id)
        self._dataset_id = dataset["id"]
        if dataset["status"] == "draft":
            self._complete()
        self._check_fit(dataset)
        if fresh:
            self._refuse_foreign_records(pool)
        self._add_metadata()  # a run that goes on may have begun when there were fewer
        return self._dataset_id

    def preview(self) -> str:
        """Say in one line what :meth:`open` would find, without changing anything."""
        workspace_id = self._workspace_id()
        dataset = self._find(workspace_id)
        name = f"dataset `{self._section.dataset}` in workspace `{self._section.workspace}`"
        if dataset is None:
            return f"{name} will be created"
        self._dataset_id = dataset["id"]
        if dataset["status"] != "draft":
            self._check_fit(dataset)
        return f"{name} exists and fits"

    def account(self) -> tuple[str, str]:
        """Name and role of the API key's account."""
        me = self._http.get("me")
        return me["username"], me["role"]

    def publish(self, batch: Batch, texts: Mapping[str, str]) -> None:
        """Upsert the batch's items by external id, most informative first."""
        places = range(len(batch.items))
        records = [
            schema.record(
                self._plan.task,
                batch,
                place,
                texts[batch.items[place].record_id],
                self._question_id,
            )
            for place in places
        ]
        self._upsert(records)

    def refresh(self, batches: Sequence[Batch], texts: Mapping[str, str]) -> None:
        """Upsert metadata and suggestions of records that are there and have no response."""
        untouched = self._untouched()
        renewed = [
            (item, schema.renewed(self._plan.task, batch, place, text, self._question_id))
            for batch in batches
            for place, item in enumerate(batch.items)
            if item.external_id in untouched and (text := texts[item.record_id])
        ]
        shown = [body for item, body in renewed if item.suggestion is None or "suggestions" in body]
        try:
            self._upsert(shown)
        except ArgillaError:
            # One that was deleted this very moment is refused, with all of its bulk.
            if {body["external_id"] for body in shown} <= self._untouched():
                raise
            self.refresh(batches, texts)

    def shows(self, batch: Batch) -> bool:
        """Whether the page's search route finds the batch by its metadata."""
        by_batch = {
            "type": "terms",
            "scope": {"entity": "metadata", "metadata_property": "batch_id"},
            "values": [batch.id],
        }
        found = self._http.request(
            "POST",
            f"me/datasets/{self._dataset_id}/records/search",
            params={"limit": 1},
            json={"query": {}, "filters": {"and": [by_batch]}},
        )
        return bool(found["items"])

    def published(self, progress: Progress | None = None) -> Published:
        """Everything in the dataset; see :meth:`AnnotationStore.published`.

        Two listings with different page borders, as in :meth:`sweep`: no record must be overlooked
        because another one was deleted meanwhile.
        """
        dataset = self._find(self._workspace_id())
        if dataset is None:
            raise DatasetError(
                f"there is no dataset `{self._section.dataset}` in workspace "
                f"`{self._section.workspace}` on {self._section.url}",
                "check argilla.url, argilla.workspace and argilla.dataset",
            )
        self._dataset_id = dataset["id"]
        if dataset["status"] == "draft":
            return Published(self._dataset_id, ())
        self._check_fit(dataset)
        found = {}
        for size in _PAGES:
            for page in self._pages(size, "responses", "suggestions", progress=progress):
                for record in page:
                    item = schema.published_item(self._plan.task, record, self._question_id)
                    found[record["id"]] = item
        return Published(self._dataset_id, tuple(found.values()))

    def activity(self) -> str:
        """Argilla's ``last_activity_at``; moves with single responses, not with bulk ones."""
        return str(self._on_dataset("GET", "")["last_activity_at"])

    def sweep(self, external_ids: Collection[str]) -> Sweep:
        """Read all responses on these records.

        A record counts as missing only when two listings with different page borders lack it; once
        that is known, each later one that lacks it says so too.
        """
        wanted = set(external_ids)
        found, listed = self._listing(wanted, _PAGES[0])
        if not wanted - set(found) <= self._missing:
            again, more = self._listing(wanted, _PAGES[1])
            found, listed = {**again, **found}, listed + more
        self._missing = wanted - set(found)
        answers = tuple(answer for each in found.values() for answer in each)
        return Sweep(answers=answers, missing=tuple(sorted(self._missing)), listed=listed)

    def set_aside(self, answers: Collection[Answer]) -> None:
        """Make these submitted responses discards, with the values that they have.

        Argilla completes a record by its submitted responses alone, and hides a completed record
        from those who have not answered it. An owner, or an admin of the workspace, may change
        anybody's response.
        """
        wanted = {(answer.record_id, answer.annotator) for answer in answers}
        for page in self._pages(_PAGES[0]):
            for record in page:
                for response in record.get("responses") or ():
                    key = (record["external_id"], str(response["user_id"]))
                    if key in wanted and response["status"] == "submitted":
                        self._discard(response)

    def describe(self) -> str:
        """Address of the dataset's annotation page."""
        return annotation_page(self._section.url, self._dataset_id)

    def close(self) -> None:
        """Release the connections."""
        self._http.close()

    # -- the dataset ---------------------------------------------------------------------------

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

    def _find(self, workspace_id: str) -> Json | None:
        found = self._http.get("me/datasets", workspace_id=workspace_id)["items"]
        named = [dataset for dataset in found if dataset["name"] == self._section.dataset]
        return named[0] if named else None

    def _create(self, workspace_id: str) -> Json:
        body = {
            "name": self._section.dataset,
            "workspace_id": workspace_id,
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
        if not self._items("fields"):
            self._on_dataset("POST", "/fields", json=schema.field(task))
        if not self._items("questions"):
            self._on_dataset("POST", "/questions", json=task.question())
        self._add_metadata()
        self._refuse_misfits()
        self._on_dataset("PUT", "/publish")

    def _add_metadata(self) -> None:
        present = {each["name"] for each in self._properties()}
        for name in schema.METADATA:
            if name not in present:
                body = schema.metadata_property(name)
                self._on_dataset("POST", "/metadata-properties", json=body)

    def _check_fit(self, dataset: Json) -> None:
        asked = dataset["distribution"]["min_submitted"]
        too_few = asked < self._plan.min_submitted
        self._refuse_misfits(
            [f"it completes a record at {asked} answers, too few"] if too_few else []
        )
        name = self._plan.task.question_name
        questions = self._items("questions")
        self._question_id = next(each["id"] for each in questions if each["name"] == name)

    def _refuse_misfits(self, problems: Sequence[str] = ()) -> None:
        fields, questions = self._items("fields"), self._items("questions")
        found = schema.misfits(self._plan.task, fields, questions, self._properties())
        problems = [*found, *problems]
        if problems:
            raise DatasetError(
                f"dataset `{self._section.dataset}` does not fit: {'; '.join(problems)}",
                "choose another argilla.dataset, or change the task to match",
            )

    def _refuse_foreign_records(self, pool: Pool) -> None:
        """Records of another run, or other texts under our ids: publishing would replace them."""
        for page in self._pages(_PAGES[0]):
            for record in page:
                if (record.get("metadata") or {}).get("batch_id"):
                    raise DatasetError(
                        f"dataset `{self._section.dataset}` already holds batches of another run",
                        "restore that run's directory, rebuild its journal with "
                        "`loopd recover`, or choose another argilla.dataset",
                    )
                self._refuse_other_text(record, pool)

    def _refuse_other_text(self, record: Json, pool: Pool) -> None:
        record_id = record["external_id"]
        text = record["fields"].get(self._plan.task.field_name)
        task = self._plan.task
        if record_id in pool and text not in (None, schema.field_text(task, pool[record_id].text)):
            raise DatasetError(
                f"dataset `{self._section.dataset}` has another text under the id `{record_id}`",
                "give the pool other ids, or choose another argilla.dataset",
            )

    def _gone(self) -> DatasetError:
        return DatasetError(
            f"dataset `{self._section.dataset}` is gone from {self._section.url}",
            "restore it in Argilla; the journal still holds every answer that was read",
        )

    # -- requests ------------------------------------------------------------------------------

    def _on_dataset(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            return self._http.request(method, f"datasets/{self._dataset_id}{path}", **arguments)
        except NotFoundError as error:
            raise self._gone() from error

    def _upsert(self, records: Sequence[Json]) -> None:
        for start in range(0, len(records), _BULK):
            self._on_dataset("PUT", "/records/bulk", json={"items": records[start : start + _BULK]})

    def _untouched(self) -> set[str]:
        """External ids of the records to which nobody has responded."""
        return {
            record["external_id"]
            for page in self._pages(_PAGES[0])
            for record in page
            if not record.get("responses")
        }

    def _discard(self, response: Json) -> None:
        given = (response["values"] or {}).items()
        values = {name: each for name, each in given if each.get("value") is not None}
        body = {"status": "discarded", "values": values or None}
        # Its author or its record may be gone since it was listed.
        with suppress(NotFoundError):
            self._http.request("PUT", f"responses/{response['id']}", json=body)

    def _items(self, what: str) -> list[Json]:
        items: list[Json] = self._on_dataset("GET", f"/{what}")["items"]
        return items

    def _properties(self) -> list[Json]:
        path = f"me/datasets/{self._dataset_id}/metadata-properties"
        items: list[Json] = self._http.get(path)["items"]
        return items

    def _pages(
        self, size: int, *include: str, progress: Progress | None = None
    ) -> Iterator[list[Json]]:
        offset, total = 0, 1
        while offset < total:
            params = {"include": include or "responses", "limit": size, "offset": offset}
            page = self._on_dataset("GET", "/records", params=params)
            total = page["total"] if page["items"] else 0
            offset += len(page["items"])
            if progress is not None and total:
                progress("reading records", offset, total)
            yield page["items"]

    def _listing(self, wanted: set[str], size: int) -> tuple[dict[str, tuple[Answer, ...]], int]:
        """Answers by external id, and how many records were read."""
        found: dict[str, tuple[Answer, ...]] = {}
        read = 0
        for page in self._pages(size):
            read += len(page)
            for record in page:
                if record["external_id"] in wanted:
                    found[record["external_id"]] = self._answers(record)
        return found, read

    def _answers(self, record: Json) -> tuple[Answer, ...]:
        parsed = (
            schema.answer(self._plan.task, record, response)
            for response in record.get("responses") or ()
        )
        return tuple(answer for answer in parsed if answer is not None)
