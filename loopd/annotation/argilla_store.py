"""Owns the loop's only client of an Argilla server; must not interpret answers.

It uses Argilla's HTTP API directly: the Python SDK loses null answers, cannot page twice and wipes
metadata when a record is logged again. The SDK remains what people use beside loopd.

loopd is a guest in the dataset: what others have put there is never replaced: see
``record_bodies``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from loopd.annotation import queue_mark, record_schema, unhurried
from loopd.annotation.argilla_dataset import PAGE_SIZES, ArgillaDataset, DatasetPlan
from loopd.annotation.dataset_writer import DatasetWriter
from loopd.annotation.http import ArgillaHttp, NoRouteError, NotFoundError, TooLargeError
from loopd.annotation.http_client import OVER, STATE_HEADER, front_of
from loopd.annotation.http_errors import FrontError
from loopd.annotation.pool_texts import PoolOptions, texts_of
from loopd.annotation.record_search import PageSearch
from loopd.annotation.removing import removed
from loopd.annotation.server_version import ServerVersion, engine_of, version_of
from loopd.annotation.store import DatasetSettings, Progress, Published, Sweep, VisibleAccounts
from loopd.config import ArgillaSection
from loopd.data.pool import Pool
from loopd.data.report import ReadingReport
from loopd.errors import ArgillaError, AuthError, DatasetError, LoopdError
from loopd.records import Answer, Batch, ExternalId, PoolId

__all__ = ["ArgillaStore", "DatasetPlan", "annotation_page"]

Json = dict[str, Any]
Result = TypeVar("Result")

TRIES = 3
"""So often a bulk is put together when somebody changes its records at the same moment."""


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
        self._task = plan.task
        self._in_place = plan.in_place
        self._layout = plan.layout
        front = front_of(section)
        self._http = ArgillaHttp(section.url, api_key, section.timeout, front)
        self._dataset = ArgillaDataset(section, self._http, plan)
        self._missing: set[ExternalId] = set()
        self._writer = DatasetWriter(self._dataset, plan)

    def open(self, pool: Pool, *, fresh: bool) -> str:
        """Find or create the dataset and hold it; see :meth:`AnnotationStore.open`."""
        self._dataset.open(pool, fresh=fresh)
        return self._dataset.api.id

    def grow(self, pool: Pool) -> None:
        """See :meth:`AnnotationStore.grow`."""
        self._dataset.index.grow(pool)

    def preview(self, pool: Pool, *, fresh: bool) -> str:
        """Say in one line what :meth:`open` would find, without changing anything.

        Raises:
            LoopdError: what :meth:`open` would raise.
        """
        dataset = self._dataset.preview(pool, fresh=fresh)
        name = f"dataset `{self._section.dataset}` in workspace `{self._section.workspace}`"
        if dataset is None:
            return f"{name} will be created"
        shared = len(self._dataset.index.record_ids)
        total = self._dataset.index.total
        content = f": {total} records, {shared} of them texts of the pool" if total else ""
        edited = self._dataset.refused_guidelines(dataset)
        return f"{name} exists and fits{content}{edited and '; ' + edited}"

    def texts(
        self, options: PoolOptions, progress: Progress | None = None
    ) -> tuple[Pool, ReadingReport]:
        """The texts of the records, where these are the pool; nothing is changed.

        Raises:
            DatasetError: the dataset is absent, not published, or does not fit the task.
            DataError: no text of it can be used.
        """
        if self._dataset.connect(Pool(()))["status"] == "draft":
            raise DatasetError(
                f"dataset `{self._section.dataset}` is a draft: it has no records",
                "publish it in Argilla and log its records first",
            )
        return texts_of(self._everything(progress), self._dataset.names, options)

    def account(self) -> tuple[str, str]:
        """Name and role of the API key's account."""
        me = self._http.get("me")
        if not {"username", "role"} <= me.keys():
            problem = f"something answers at {self._section.url} that is no Argilla"
            raise FrontError(problem, "is argilla.url right? `loopd serve` starts an Argilla here")
        return me["username"], me["role"]

    def server(self) -> ServerVersion:
        """What the server is, by its own words."""
        answer = None
        with suppress(NotFoundError, FrontError, AuthError):  # a proxy may hide this route alone
            answer = self._http.get("version")
        return version_of(answer, is_fork=self._http.is_fork)

    def search_engine(self) -> str:
        """Name and version of what the server searches with, empty where it does not say."""
        try:
            return engine_of(self._http.get("status"))
        except NoRouteError:
            return ""

    def publish(self, batch: Batch, texts: Mapping[PoolId, str]) -> frozenset[ExternalId]:
        """Create the batch's items, or merge them into records that are there."""
        self._dataset.hold()
        self._dataset.add_metadata()  # somebody may have removed some since
        return self._persistently(lambda: self._writer.publish(batch, texts))

    def refresh(self, batches: Sequence[Batch], texts: Mapping[PoolId, str]) -> None:
        """Merge metadata and suggestions into the run's records that have no response."""
        self._persistently(lambda: self._writer.refresh(batches, texts))

    def show_only(self, external_ids: Collection[ExternalId]) -> None:
        """Let the address of :meth:`describe` show these records, and no other of the run."""
        if self._in_place:
            self._persistently(lambda: self._writer.show_only(external_ids))

    def visible(
        self, batches: Sequence[Batch], *, open_only: bool = False
    ) -> frozenset[ExternalId]:
        """What the page's search route finds by the batches' metadata."""
        ids = {id_ for batch in batches for id_ in batch.external_ids}
        search = PageSearch(self._dataset)
        records = list(search.records([batch.id for batch in batches], open_only=open_only))
        return frozenset(self._names(records, ids) & ids)

    def reopen(self, batches: Sequence[Batch]) -> frozenset[ExternalId]:
        """An upsert that sends nothing but ids: Argilla counts the answers and indexes anew."""
        pending: set[ExternalId] = set()
        self._persistently(lambda: pending.update(self._writer.reopen(batches)))
        return frozenset(pending)

    def accounts(self) -> VisibleAccounts:
        """All accounts, or those that the workspace's admin may see."""
        return self._dataset.api.accounts()

    def published(self, pool: Pool, progress: Progress | None = None) -> Published:
        """Everything in the dataset; see :meth:`AnnotationStore.published`.

        Two listings with different page borders, as in :meth:`sweep`: no record must be overlooked
        because another one was deleted meanwhile.
        """
        dataset = self._dataset
        draft = dataset.connect(pool)["status"] == "draft"
        mark = dataset.mark()
        run_id = None if mark is None else mark.run_id
        items = {}
        for size in () if draft else PAGE_SIZES:
            for page in dataset.api.pages(size, "responses", "suggestions", progress=progress):
                for record in page:
                    items[record["id"]] = record_schema.published_item(
                        self._task,
                        record,
                        dataset.question_id,
                        name=dataset.index.name(record),
                        names=dataset.names,
                        labels=dataset.labels,
                        layout=self._layout,
                        in_place=self._in_place,
                    )
        return Published(dataset.api.id, tuple(items.values()), run_id)

    def activity(self) -> str:
        """Argilla's ``last_activity_at``; moves with single responses, not with bulk ones."""
        return str(self._dataset.api.request("GET", "")["last_activity_at"])

    def sweep(self, external_ids: Collection[ExternalId]) -> Sweep:
        """Read all responses on these records, and on records of any pool text.

        A record counts as missing only when two listings with different page borders lack it; once
        that is known, each later one that lacks it says so too. Nor is one overlooked that nobody
        asked for.
        """
        ids, before = set(external_ids), set(self._dataset.index.positions)
        api, listed = self._dataset.api, unhurried.pages(self._dataset.api)
        records = {record["id"]: record for page in listed for record in page}
        self._dataset.index.replace(records.values())
        missing = ids - self._names(records.values(), ids)
        if before - records.keys() or not missing <= self._missing:
            for page in api.pages(PAGE_SIZES[1]):
                records = {**{record["id"]: record for record in page}, **records}
            self._dataset.index.replace(records.values())
        self._missing = ids - self._names(records.values(), ids)
        answers = tuple(self._answers(records.values(), ids))
        completed = [record for record in records.values() if record.get("status") == "completed"]
        return Sweep(
            answers,
            tuple(sorted(self._missing)),
            listed=len(records),
            completed=frozenset(self._names(completed, ids) & ids),
        )

    def sweep_batches(self, batches: Sequence[Batch]) -> Sweep:
        """What the search finds by the batches' metadata, with responses from the database."""
        ids = {id_ for batch in batches for id_ in batch.external_ids}
        batch_ids = [batch.id for batch in batches]
        records = [*PageSearch(self._dataset).records(batch_ids, with_answers=True)]
        self._dataset.index.update(records)
        completed = [record for record in records if record.get("status") == "completed"]
        return Sweep(
            tuple(answer for answer in self._answers(records, ids) if answer.external_id in ids),
            (),
            listed=len(records),
            completed=frozenset(self._names(completed, ids) & ids),
            is_partial=True,
        )

    def settings(self) -> DatasetSettings:
        """The settings of the dataset, and who can answer in it."""
        return self._dataset.settings()

    def set_aside(self, answers: Collection[Answer]) -> None:
        """Make these submitted responses discards, with the values that they have.

        Argilla completes a record by its submitted responses alone, and hides a completed record
        from those who have not answered it. An owner, or an admin of the workspace, may change
        anybody's response.
        """
        index = self._dataset.index
        if any(index.record_id(answer.external_id) is None for answer in answers):
            self._dataset.records()  # a process that has not looked at the answers yet
        people: dict[str, set[str]] = {}
        for answer in answers:
            record_id = index.record_id(answer.external_id)
            if record_id is not None:
                people.setdefault(record_id, set()).add(answer.annotator)
        for record_id, annotators in people.items():
            record = self._dataset.record(record_id) or {}
            for response in record.get("responses") or ():
                if str(response["user_id"]) in annotators and response["status"] == "submitted":
                    self._discard(response)

    def reach(self, pool: Pool) -> None:
        """Find the dataset that the run holds, for a process that does not open it.

        Raises:
            DatasetError: there is none, or another run holds it.
        """
        self._dataset.connect(pool)
        self._dataset.hold()

    def remove(
        self, external_ids: Collection[ExternalId], is_withdrawn: Callable[[str], bool]
    ) -> frozenset[str]:
        """See :meth:`AnnotationStore.remove`."""
        return self._persistently(
            lambda: removed(self._dataset, self._plan, external_ids, is_withdrawn)
        )

    def describe(self) -> str:
        """Address of the dataset's annotation page.

        Where the run works on records that are there anyway, it shows those of the queue alone.
        """
        page = annotation_page(self._section.url, self._dataset.api.id)
        priority = self._dataset.names("priority")
        return queue_mark.address(page, priority) if self._in_place else page

    def farewell(self) -> None:
        """Let the embedded server's page say that the run is over; others pay no heed to it.

        A server that does not answer now hears nothing: the page then says that nothing is open.
        """
        with suppress(LoopdError):
            path = f"datasets/{self._dataset.api.id}"
            self._http.request("GET", path, headers={STATE_HEADER: OVER})

    def close(self) -> None:
        """Release the connections."""
        self._http.close()

    # -- writing -------------------------------------------------------------------------------

    def _persistently(self, write: Callable[[], Result]) -> Result:
        """Write again where Argilla refuses: somebody made or removed a record this very moment."""
        for _ in range(TRIES - 1):
            try:
                return write()
            except (NotFoundError, TooLargeError):
                raise
            except ArgillaError:
                self._dataset.records()  # what is known of it is not true any more
        return write()

    def _discard(self, response: Json) -> None:
        entries = (response["values"] or {}).items()
        # Not `null` where there is none: Argilla's own search engines cannot index that.
        values = {name: entry for name, entry in entries if entry.get("value") is not None}
        body = {"status": "discarded", "values": values}
        # Its author or its record may be gone since it was listed.
        with suppress(NotFoundError):
            self._http.request("PUT", f"responses/{response['id']}", json=body)

    def _everything(self, progress: Progress | None) -> Iterator[Json]:
        """All records; listed twice where some came or went on the way.

        Where one goes, another slips over the border of a page and is on none. One that is missed
        nevertheless, as another came at the same time, joins at the next start.
        """
        seen: set[str] = set()
        for size in PAGE_SIZES:
            before = self._dataset.api.total()
            for page in self._dataset.api.pages(size, progress=progress):
                yield from (record for record in page if record["id"] not in seen)
                seen.update(record["id"] for record in page)
            if len(seen) == before == self._dataset.api.total():
                return

    # -- reading -------------------------------------------------------------------------------

    def _name(self, record: Json, ids: Collection[ExternalId]) -> ExternalId | None:
        external_id = ExternalId(record["external_id"] or "")
        index = self._dataset.index
        # Of a pool in Argilla only a record that still shows the text, or is in a batch.
        named = external_id in ids and not self._in_place
        if named and not index.is_namesake(external_id, record):
            return external_id
        return index.name(record)

    def _names(self, records: Collection[Json], ids: Collection[ExternalId]) -> set[ExternalId]:
        names = (self._name(record, ids) for record in records)
        return {name for name in names if name is not None}

    def _answers(self, records: Collection[Json], ids: Collection[ExternalId]) -> Iterator[Answer]:
        """Of one person's answers on several records of a text, the one that changed last."""
        latest: dict[tuple[str, str], Answer] = {}
        labels = self._dataset.labels
        for record in records:
            name = self._name(record, ids)
            if name is None or (name not in ids and name not in self._dataset.index.pool):
                continue
            for response in record.get("responses") or ():
                answer = record_schema.answer(self._task, record, response, name, labels)
                if answer is not None:
                    key = (name, answer.annotator)
                    latest[key] = max(latest.get(key, answer), answer, key=lambda one: one.changed)
        yield from latest.values()
