"""Owns a run as a notebook sees it: data frames and a summary; must not write or change anything.

Everything is read anew when it is asked for, so that a daemon may work on the run meanwhile.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

from loopd.config import Config
from loopd.config_file import load_config
from loopd.data.incoming import Incoming, another, of_columns
from loopd.data.outgoing import Column
from loopd.data.pool import Pool
from loopd.errors import DataError, LoopdError
from loopd.events import BatchCollected, BatchPlanned, BatchPublished
from loopd.export.formats import plain_row
from loopd.export.predict import labelled, labelled_table
from loopd.export.quiet import looking
from loopd.export.rows import LabelledRow, consensus_of, labelled_rows
from loopd.export.table import LABEL_KINDS
from loopd.interactive import display
from loopd.interactive.frames import Frame, frame
from loopd.loop.audit_in_force import in_force
from loopd.machine import State
from loopd.metrics_log import writer as metrics_log
from loopd.operations.status import read_status
from loopd.overview.overview import Overview, overview
from loopd.records import AnswerStatus, Batch, ExternalId
from loopd.storage.names import SavedNames
from loopd.storage.recorded_run import recorded_run

TEXT = "text"
"""The column of mere texts, whatever their column is called in the pool."""

_ASKED = ("round", "batch_id", "strategy", "score", "draw")
_ANSWERED = (AnswerStatus.SUBMITTED, AnswerStatus.DISCARDED)
_TIMES = ("planned", "published", "collected")


def open(config: str | PathLike[str] | Config) -> Run:  # noqa: A001 - `loopd.open` reads well
    """A run that was begun, to look at; nothing is locked, written or asked of Argilla.

    Args:
        config: the configuration file, or what ``load_config`` made of it.

    Raises:
        ConfigError: the configuration cannot be read.
        RunError: there is no run yet.
        JournalError, StorageError, NewerError: its journal cannot be read.
    """
    settings = config if isinstance(config, Config) else load_config(fspath(config))
    recorded_run(settings.run.dir)
    return Run(settings)


@dataclass(frozen=True, slots=True, repr=False)
class Run:
    """A run to look at, while the daemon works or when it is over.

    Shown in a notebook it is a summary with the learning curve. All frames are of pandas where that
    is installed, else tables of pyarrow; the same columns are there when there are no rows yet.

    Attributes:
        config: its configuration.
    """

    config: Config

    def __repr__(self) -> str:
        try:
            return display.line(self._seen())
        except LoopdError as error:
            return f"<loopd run in {self.config.run.dir}: {error.message}>"

    def _repr_html_(self) -> str | None:
        try:
            return display.html(self._seen())
        except LoopdError:
            return None  # the notebook shows the text instead

    def status(self) -> dict[str, Any]:
        """Where the run stands, as ``loopd status --json`` says it.

        Raises:
            LoopdError: the journal cannot be read.
        """
        return read_status(self.config, self._state())

    def labels(self) -> Frame:
        """What people have labelled: a row for each text, with the consensus of all its answers.

        Columns as in the [data set](howto-export.md#the-data-set) of an export; ``answers`` is
        their number.

        Raises:
            LoopdError: journal or pool cannot be read, or the pool is another one.
        """
        columns = [
            *(Column("id", "text"), Column("text", "text")),
            *(Column("label", LABEL_KINDS[self.config.task.type]), Column("quality", "number")),
            *(Column("answers"), *map(Column, _ASKED)),
        ]
        return frame(columns, map(_label_cells, self._labelled()))

    def answers(self) -> Frame:
        """Every single answer on these texts: who gave it, when, and in which batch.

        Raises:
            LoopdError: as ``labels`` does.
        """
        names = ("id", "annotator", "value", "status", "time", "round", "batch_id")
        return frame([*map(Column, names)], self._answer_cells())

    def batches(self) -> Frame:
        """A row for each batch: what chose it, how much of it is answered, and when.

        Raises:
            LoopdError: the journal cannot be read.
        """
        state = self._state()
        names = ("batch_id", "round", "strategy", "size", "draws", "answered", "model_id", *_TIMES)
        done = {id_ for (id_, _), answer in state.answers.items() if answer.status in _ANSWERED}
        rows = (_batch_cells(state, batch, done) for batch in state.batches)
        return frame([*map(Column, names)], rows)

    def metrics(self) -> Frame:
        """A row for each finished round, with the keys of the [metrics log](metrics.md).

        Raises:
            LoopdError: the journal cannot be read.
        """
        rows = metrics_log.rows(self._state())
        names = list(dict.fromkeys(key for row in rows for key in row)) or ["round"]
        return frame([*map(Column, names)], ([row.get(name) for name in names] for row in rows))

    def predict(self, texts: Any = None) -> Frame:
        """Texts with a label for each: people's where they gave one, else that of the last model.

        What [`loopd predict`](howto-predict.md) writes, with lists where there are several labels
        or spans.

        Args:
            texts: a list of texts; or a data frame, or a mapping of columns, with the columns that
                ``pool.text`` names, all of which come out; without it the table of the pool.

        Raises:
            DataError: that is none of it, or lacks a column of the texts.
            ModelError: the last model cannot be made again.
            LoopdError: as ``labels`` does.
        """
        with looking(self.config) as look:
            if texts is None:
                known = labelled_table(look, model=True)
            else:
                known = labelled(look, self._table(texts), model=True)
            return frame(*known.cells(self.config, lists=True))

    def _state(self) -> State:
        return recorded_run(self.config.run.dir).state

    def _seen(self) -> Overview:
        state = self._state()
        config = in_force(self.config, state)
        return overview(state, config, Pool(()), metrics_log.rows(state), time.time())

    def _labelled(self) -> list[LabelledRow]:
        with looking(self.config) as look:
            names = SavedNames(self.config.run.dir).read()
            consensus = consensus_of(look.state, look.tools)
            return labelled_rows(look.state, look.tools.data.pool, consensus, names)

    def _answer_cells(self) -> Iterator[tuple[object, ...]]:
        for row in self._labelled():
            for own in row.answers:
                answer, how = own.answer, own.asked
                asked = (None, None) if how is None else (how.batch.round, how.batch.id)
                told = (answer.annotator, answer.value, answer.status.value, answer.time)
                yield (row.id, *told, *asked)

    def _table(self, texts: Any) -> Incoming:
        section, task = another(self.config.pool), self.config.task
        columns = _columns(texts)
        if [*columns] == [TEXT]:
            section = section.model_copy(update={"text": TEXT})
        return of_columns(columns, section, task.type, task.labels)


def _label_cells(row: LabelledRow) -> tuple[object, ...]:
    cells = plain_row(row)
    asked = (cells[name] for name in _ASKED)
    return (row.id, row.text, cells["label"], row.quality, len(row.answers), *asked)


def _batch_cells(state: State, batch: Batch, done: set[ExternalId]) -> tuple[object, ...]:
    draws = sum(item.draw for item in batch.items)
    answered = len(done.intersection(batch.external_ids))
    moments = (state.planned, state.published, state.collected)
    times = (_moment(by_round.get(batch.round)) for by_round in moments)
    own = (batch.id, batch.round, batch.strategy, len(batch.items), draws, answered)
    return (*own, batch.model_id, *times)


def _moment(event: BatchPlanned | BatchPublished | BatchCollected | None) -> dt.datetime | None:
    return None if event is None else dt.datetime.fromtimestamp(event.at, dt.timezone.utc)


def _columns(texts: Any) -> Mapping[str, Sequence[object]]:
    """The columns of a data frame, of a mapping, or of rows; a list of texts is one column."""
    if isinstance(texts, Mapping):
        return {str(name): list(cells) for name, cells in texts.items()}
    if hasattr(texts, "columns"):
        # pyarrow's first: what pandas calls so gives rows by their index.
        table = texts.to_pydict() if hasattr(texts, "to_pydict") else texts.to_dict("list")
        return {str(name): list(cells) for name, cells in table.items()}
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise DataError(f"a {type(texts).__name__} is no list of texts", "write [text]")
    listed = list(texts)
    if not listed or not all(isinstance(row, Mapping) for row in listed):
        return {TEXT: listed}
    names = dict.fromkeys(str(name) for row in listed for name in row)
    return {name: [row.get(name) for row in listed] for name in names}
