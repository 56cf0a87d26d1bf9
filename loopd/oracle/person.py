"""Owns one simulated person at work; must not know how many others there are."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from loopd.annotation.escaping import to_page
from loopd.annotation.record_schema import readings
from loopd.errors import DatasetError, LoopdError, TransientError
from loopd.loop.retry import delays
from loopd.oracle.behaviour import Behaviour, OracleOptions, behave
from loopd.oracle.coordinator import OracleCoordinator
from loopd.oracle.people_api import DatasetView, GoneError, PeopleApi, RecordView, TakenError
from loopd.records import JsonValue, Target
from loopd.tasks.task import Task

STRETCH = 10
"""Records answered before the queue is looked at again."""

EDIT_DELAY = 3
"""Later answers after which a first, wrong one is corrected; sooner when there is nothing to do."""

LONGEST_PAUSE = 10.0
"""Longest pause in seconds between tries while Argilla is away."""


@dataclass(frozen=True, slots=True)
class OracleTask:
    """What the people are asked, and what is right.

    Attributes:
        workspace: name of the Argilla workspace.
        dataset: name of the dataset in it; it may appear later.
        task: the question, and what can be submitted.
        gold: right target by the records' external id.
        ids: the same id by text: in a dataset of others records have ids of their own.
        look_again: looks for right targets that came since, which are then in ``gold`` and
            ``ids``; returns whether there are any. Called from any thread.
    """

    workspace: str
    dataset: str
    task: Task
    gold: Mapping[str, Target]
    ids: Mapping[str, str] = field(default_factory=dict)
    look_again: Callable[[], bool] = field(default=lambda: False)

    @property
    def question(self) -> str:
        """Name of the question."""
        return self.task.question_name

    def recognised(self, sheet: RecordView) -> RecordView:
        """The sheet with the id of the text that it shows."""
        found = self._found(sheet)
        if found is None and self.look_again():
            found = self._found(sheet)
        return sheet if found is None else found

    def _found(self, sheet: RecordView) -> RecordView | None:
        """The sheet with an id whose right target is known."""
        if sheet.external_id in self.gold or sheet.original_id in self.gold:
            return sheet
        field_value = str(dict(sheet.fields).get(self.task.field_name) or "")
        texts = readings(self.task, field_value)
        id_ = next((self.ids[text] for text in texts if text in self.ids), None)
        return None if id_ is None else replace(sheet, external_id=id_, original_id=id_)


class SimulatedAnnotator:
    """One annotator: takes records from the own queue, thinks, answers, sometimes edits.

    Args:
        name: of the account.
        api: the account's requests.
        coordinator: what all people share.
        task: the dataset and the right answers.
        options: how people behave.
    """

    def __init__(
        self,
        name: str,
        api: PeopleApi,
        coordinator: OracleCoordinator,
        task: OracleTask,
        options: OracleOptions,
    ) -> None:
        self.name = name
        self._api = api
        self._coordinator = coordinator
        self._task = task
        self._options = options
        self._rng = random.Random(f"{options.seed}|{name}")  # noqa: S311 - not a secret
        self._slips: deque[tuple[RecordView, JsonValue]] = deque()
        """Own answers to correct, oldest first, with the right value."""
        self._remembers = False
        """Whether the slips of answers without a receipt, also of earlier runs, are among them."""
        self._unsure: set[str] = set()
        """Records whose answer may or may not have arrived: they stay with this person."""

    def work(self) -> None:
        """Annotate until the room closes; an error that waiting cannot mend closes it."""
        try:
            while not self._coordinator.closed:
                self._through_outages()
        except LoopdError as error:
            self._coordinator.close(error)
        finally:
            self._api.close()

    def _through_outages(self) -> None:
        """Work until the room closes or, after an outage, until a turn went well again."""
        for pause in delays(LONGEST_PAUSE, seed=self._rng.randrange(2**31)):
            if self._coordinator.closed or self._went_well():
                return
            self._coordinator.wait(pause)

    def _went_well(self) -> bool:
        """Whether a turn ended without an outage."""
        try:
            self._turn()
        except TransientError as error:
            self._coordinator.count("outages")
            self._coordinator.say(f"{error.message}; the people wait")
            if error.retry_after is not None:
                self._coordinator.wait(error.retry_after)
            return False
        return True

    def _turn(self) -> None:
        """Look into the queue once and answer a stretch of it."""
        try:
            desk = self._find_desk()
            if desk is None or not self._stretch(desk):
                self._correct(keep=0)
                self._coordinator.rest(self.name, idle=True)
                self._coordinator.wait(self._options.poll_seconds)
        except GoneError:
            # The dataset went away between two requests: look for it again.
            self._coordinator.wait(self._options.poll_seconds)

    def _find_desk(self) -> DatasetView | None:
        workspace_id = self._api.workspace_id(self._task.workspace)
        desk = workspace_id and self._api.desk(workspace_id, self._task.dataset)
        if not desk:
            self._coordinator.say(f"no dataset {self._task.dataset} yet; the people wait")
            return None
        if not self._remembers:
            self._refuse_more(desk)
            self._remember(desk)
        return desk

    def _refuse_more(self, desk: DatasetView) -> None:
        others = self._api.other_required(desk, self._task.question)
        if others:
            raise DatasetError(
                f"the dataset also requires an answer to `{others[0]}`, which simulated people "
                "do not know",
                "make that question optional, or let people answer",
            )

    def _remember(self, desk: DatasetView) -> None:
        """Find what one has answered, and what is still as wrong as it was meant to be at first."""
        self._slips.clear()
        for sheet in map(self._task.recognised, self._api.submitted(desk)):
            self._note(sheet)
            behaviour = self._behaviour(sheet)
            value = dict(sheet.values).get(self._task.question)
            if behaviour and behaviour.later and behaviour.first == value:
                self._slips.append((sheet, behaviour.later))
        self._remembers = True

    def _stretch(self, desk: DatasetView) -> bool:
        """Answer some records of the queue; returns whether there was any to answer."""
        sheets = [self._task.recognised(sheet) for sheet in self._api.pending(desk)]
        if self._options.shuffle:
            self._rng.shuffle(sheets)
        needed = desk.min_submitted
        free = (
            sheet
            for sheet in sheets
            if sheet.id in self._unsure
            or (self._fresh(sheet) and self._coordinator.take(sheet.id, self.name, needed))
        )
        answered = 0
        for sheet in islice(free, STRETCH):
            self._coordinator.rest(self.name, idle=False)
            self._answer(sheet)
            answered += 1
            if self._coordinator.closed:
                break
        return answered > 0

    def _answer(self, sheet: RecordView) -> None:
        """Think, then answer; a record that was not answered goes back."""
        if self._think() or not self._send(sheet):
            self._coordinator.put_back(sheet.id, self.name)
        self._correct(keep=EDIT_DELAY)

    def _think(self) -> bool:
        """Let the time of one answer pass; returns whether the room closed meanwhile."""
        mean = self._options.seconds_per_answer
        return (
            self._coordinator.wait(mean * (0.5 + self._rng.random()))
            if mean
            else self._coordinator.closed
        )

    def _send(self, sheet: RecordView) -> bool:
        """Answer a record; returns whether it now counts as answered by this person."""
        behaviour = self._behaviour(sheet)
        first = behaviour.first if behaviour else None
        try:
            answered = self._deliver(sheet, first)
        except GoneError:
            self._coordinator.count("gone")
            return False
        if answered is not None:
            self._note(sheet)
            self._coordinator.count(*_counts(behaviour))
            if behaviour and behaviour.later:
                self._slips.append((answered, behaviour.later))
        # A discard counts, too: the others leave the record alone, as the loop does.
        return True

    def _deliver(self, sheet: RecordView, value: JsonValue) -> RecordView | None:
        """The sheet with the answer; ``None`` where an earlier try had arrived already."""
        self._unsure.add(sheet.id)
        try:
            answered = self._api.answer(sheet, self._task.question, value)
        except TransientError:
            self._remembers = False
            raise
        except TakenError:
            answered = None
        except GoneError:
            self._unsure.discard(sheet.id)
            raise
        self._unsure.discard(sheet.id)
        return answered

    def _behaviour(self, sheet: RecordView) -> Behaviour | None:
        task = self._task.task
        done = behave(
            self._options,
            self._task.gold,
            task,
            person=self.name,
            external_id=sheet.external_id,
            original_id=sheet.original_id,
        )
        if done is None or task.kind != "spans":
            return done
        text = sheet.text(task.field_name)
        first, later = to_page(text, done.first), to_page(text, done.later)
        return replace(done, first=first, later=later)

    def _note(self, sheet: RecordView) -> None:
        if sheet.original_id is not None:
            self._coordinator.has_read(sheet.original_id, self.name)

    def _fresh(self, sheet: RecordView) -> bool:
        """Whether it is a new text, or a copy that asks for this person's opinion."""
        if sheet.original_id is None or sheet.original_id == sheet.external_id:
            return True
        return self._coordinator.is_for(sheet.original_id, self.name)

    def _correct(self, keep: int) -> None:
        """Correct first, wrong answers, all but the latest ``keep``."""
        while len(self._slips) > keep and not self._coordinator.closed:
            sheet, right = self._slips[0]
            try:
                self._api.correct(sheet, self._task.question, right)
                self._coordinator.count("corrected")
            except GoneError:
                self._coordinator.count("gone")
            self._slips.popleft()


def _counts(behaviour: Behaviour | None) -> tuple[str, ...]:
    if behaviour is None:
        return ("unknown",)
    if behaviour.first is None:
        return ("discarded",)
    return ("submitted", "wrong") if behaviour.wrong else ("submitted",)
